"""Recordings: what is written is read back, a damaged file as far as it goes; what is lost is counted."""

from __future__ import annotations

import csv
import json
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from host_peer import Knead, Peer
from hypothesis import given, settings
from hypothesis import strategies as st
from openknead.model import Event, Sample
from openknead.recording import (
    Head,
    NoRecording,
    Recorder,
    RecordingExists,
    RecordingFailed,
    Run,
    UnknownFormat,
    read,
)
from openknead.recording.clock import UtcClock
from openknead.recording.columns import COLUMNS
from openknead.thin import Thinner
from test_host_report import STILL

HANG = 20.0
NAMES = ("a.csv", "a.jsonl", "a.sqlite")
HEAD = Head(
    board="e660",
    firmware="0.1.0",
    content="00ff",
    protocol="1.2.0",
    sim=None,
    boot=3,
    hz=10,
    started_utc="2026-01-31T17:00:00.000Z",
)

names = st.sampled_from(["heat", "current", "battery"])
numbers = st.integers(0, 2**30 - 1)
readings = st.none() | st.integers(-400, 4000)
sampled = st.builds(
    Sample,
    seq=numbers,
    t_ms=numbers,
    state=st.sampled_from(["IDLE", "RUNNING", "7"]),
    level=numbers,
    level_milli=numbers,
    demand_opm=numbers,
    rate_opm=readings,
    duty=numbers,
    current_ma=readings,
    supply_mv=readings,
    battery_pct=readings,
    motor_dc=readings,
    driver_dc=readings,
    handle_dc=readings,
    pad_dc=readings,
    elapsed_ms=numbers,
    remaining_ms=numbers,
    limiters=st.lists(names, max_size=3, unique=True).map(tuple),
    fault=st.none() | names,
    stage=st.none() | numbers,
)


def event(name: str, value: str, t_ms: int, **more: Any) -> Event:
    return Event(name, value, t_ms, {"name": name, "value": value, "t_ms": t_ms, **more})


happened = st.builds(
    event,
    st.sampled_from(["state", "cue", "fault"]),
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=12),
    numbers,
    reason=st.text(st.characters(codec="utf-8"), max_size=8),
)


def track(count: int, start: int = 0) -> list[Sample]:
    return [replace(STILL, seq=n, t_ms=100 * n, stage=0) for n in range(start, start + count)]


def write(path: Path, items: list[Any], **options: Any) -> Path:
    with Recorder(path, HEAD, **options) as recorder:
        for n, item in enumerate(items):
            recorder.add(item, 1_800_000_000 + n / 10)
        recorder.end("interrupted")
    return path


def only(path: Path) -> Run:
    (run,) = read(path)
    return run


# -- what is written is read back -----------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(items=st.lists(sampled | happened, max_size=8))
@settings(max_examples=25)
def test_everything_comes_back_as_it_was(
    name: str, items: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = only(write(tmp_path_factory.mktemp("r") / name, items))

    assert run.samples == [item for item in items if isinstance(item, Sample)]
    assert run.events == [item for item in items if isinstance(item, Event)]
    assert (run.head, run.damage) == (HEAD, [])
    assert run.end and (run.end.reason, run.end.samples) == ("interrupted", len(run.samples))


@pytest.mark.parametrize("name", NAMES)
def test_lost_samples_and_events_are_counted(name: str, tmp_path: Path) -> None:
    items = [*track(5), event("cue", "move_on", 480, lost=2), *track(5, start=9)]

    run = only(write(tmp_path / name, items))

    assert run.end and (run.end.samples, run.end.lost, run.end.lost_events) == (10, 4, 2)
    assert run.lost == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_second_run_is_added_and_nothing_overwritten(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, track(3))

    with pytest.raises(RecordingExists):
        write(path, track(9))
    write(path, track(4), append=True)

    assert [len(run.samples) for run in read(path)] == [3, 4]
    assert [run.end.samples for run in read(path) if run.end] == [3, 4]


def test_only_a_recording_of_the_same_format_is_added_to(tmp_path: Path) -> None:
    stranger, recording = tmp_path / "letter.csv", write(tmp_path / "a.sqlite", track(3))
    stranger.write_text("Dear reader,\n")
    before = recording.read_bytes()

    for path, form in ((stranger, None), (recording, "csv")):
        with pytest.raises(NoRecording):
            Recorder(path, HEAD, form=form, append=True)

    assert stranger.read_text() == "Dear reader,\n"
    assert recording.read_bytes() == before


def test_a_suffix_that_tells_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownFormat):
        Recorder(tmp_path / "a.xlsx", HEAD)
    assert not list(tmp_path.iterdir())
    assert len(only(write(tmp_path / "a.txt", track(2), form="csv")).samples) == 2


def test_csv_is_a_table_for_whoever_skips_comments(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [*track(2), event("state", "IDLE", 200, reason="completed")])

    rows = list(csv.DictReader(line for line in path.open() if not line.startswith("#")))

    assert tuple(rows[0]) == COLUMNS
    assert (rows[0]["rate_opm"], rows[0]["event"], rows[0]["time_utc"]) == (
        *("1500", ""),
        "2027-01-15T08:00:00.000Z",
    )
    assert (rows[2]["event"], rows[2]["value"], rows[2]["state"]) == ("state", "IDLE", "")
    assert json.loads(rows[2]["detail"]) == {"reason": "completed"}


def test_sqlite_can_be_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.sqlite", [*track(5), event("state", "IDLE", 500)])

    with sqlite3.connect(path) as db:
        asked = db.execute(
            "SELECT board, count(*), max(t_ms), avg(rate_opm), typeof(motor_dc) "
            "FROM sample JOIN run ON run.id = run GROUP BY run"
        ).fetchall()
        events = db.execute("SELECT event, value FROM event").fetchall()

    assert asked == [("e660", 5, 400, 1500.0, "integer")]
    assert events == [("state", "IDLE")]


# -- files that are not whole -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(cut=st.floats(0, 1))
@settings(max_examples=30)
def test_a_truncated_file_is_read_as_far_as_it_goes(
    name: str, cut: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("r") / name, track(40))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])

    try:
        runs = read(path)
    except NoRecording:
        return
    for run in runs:
        assert run.samples == track(40)[: len(run.samples)]
        if not name.endswith("sqlite"):
            assert len(run.samples) >= whole[: int(cut * len(whole))].count(b"RUNNING") - 1


@pytest.mark.parametrize("name", NAMES)
@given(place=st.floats(0, 1, exclude_max=True), junk=st.binary(min_size=1, max_size=40))
@settings(max_examples=60)
def test_damage_is_no_crash_and_is_told(
    name: str, place: float, junk: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("r") / name, track(40))
    whole = bytearray(path.read_bytes())
    at = int(place * len(whole))
    whole[at : at + len(junk)] = junk
    path.write_bytes(whole)

    try:
        runs = read(path)
    except NoRecording:
        return
    if not name.endswith("sqlite"):
        intact = sum(sample in track(40) for run in runs for sample in run.samples)
        assert intact >= 38, "a row is longer than the junk, which spoils two of them at most"


@given(content=st.binary(max_size=400))
def test_a_foreign_file_is_named_as_such(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("r") / "a.csv"
    path.write_bytes(content)

    with pytest.raises(NoRecording):
        read(path)


def test_a_newer_layout_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", track(1))
    path.write_text(path.read_text().replace("openknead recording: 1", "openknead recording: 2"))

    with pytest.raises(NoRecording) as caught:
        read(path)
    assert "upgrade" in caught.value.remedy


def test_another_database_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE sample (x)")

    for attempt in (read, lambda path: Recorder(path, HEAD, append=True)):
        with pytest.raises(NoRecording):
            attempt(path)


FILL = """
import resource, sys
from pathlib import Path
from test_host_recording import HEAD, track
from openknead.recording import Recorder, RecordingFailed
path, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
recorder = None
try:
    with Recorder(path, HEAD) as recorder:
        for sample in track(100_000):
            recorder.add(sample)
            if sample.seq % 7 == 0:
                recorder.flush()
except RecordingFailed as problem:
    print(recorder.samples if recorder else 0, recorder.lost if recorder else 0, problem)
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_leaves_a_file_that_is_whole_to_its_last_row(name: str, tmp_path: Path) -> None:
    """The limit of a file's size stands in for the disk: writes are cut short in the middle of a row."""
    path = tmp_path / name

    out = subprocess.run(
        [sys.executable, "-c", FILL, str(path), "30001"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        timeout=60,
    )

    written, lost, message = out.stdout.strip().split(" ", 2)
    assert "takes no more" in message, out.stderr
    run = only(path)
    assert run.samples == track(int(written))
    assert int(written) > 20
    assert (int(written) + int(lost)) % 7 == 1, "what was on its way is counted as lost"
    assert (run.damage, run.end) == ([], None)


def test_a_disk_that_is_full_at_once_leaves_no_file(tmp_path: Path) -> None:
    out = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "a.csv"), "100"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        timeout=60,
    )

    assert "takes no more" in out.stdout, out.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed) as caught:
        Recorder(tmp_path / "none" / "a.csv", HEAD)
    assert "no folder" in caught.value.message


# -- time -----------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 0.3), min_size=2, max_size=200))
def test_times_keep_the_devices_distances_and_are_never_late_by_more_than_the_least_delay(
    delays_s: list[float],
) -> None:
    clock = UtcClock()
    least_s = float("inf")
    for n, delay_s in enumerate(delays_s):
        least_s = min(least_s, delay_s)
        found_s = clock.utc_s(n * 100 & 0x3FFFFFFF, 1e9 + n / 10 + delay_s)
        assert found_s - (1e9 + n / 10) == pytest.approx(least_s, abs=1e-5)


def test_a_drift_of_the_clocks_is_followed() -> None:
    clock = UtcClock()
    for n in range(20_000):
        true_s = 1e9 + n / 10 * 1.0001  # the device is slow by 100 ppm
        found_s = clock.utc_s(n * 100, true_s + 0.01)
        assert abs(found_s - true_s - 0.01) < 0.0065


def test_the_devices_clock_may_wrap() -> None:
    clock = UtcClock()
    first = clock.utc_s(0x3FFFFFFF - 99, 1000.0)
    assert clock.utc_s(0, 1000.1) - first == pytest.approx(0.1)


# -- the telemetry that several share ---------------------------------------------------------------------


@given(every=st.sampled_from([1, 2, 4, 5, 10, 20]), lost=st.sets(st.integers(1, 199)))
def test_a_lower_rate_counts_what_it_lost(every: int, lost: set[int]) -> None:
    thinner = Thinner()
    taken = [
        found
        for seq in range(200)
        if seq not in lost and (found := thinner.take([seq + 7, seq * 50], every)) is not None
    ]

    gaps = sum(after[0] - before[0] - 1 for before, after in pairwise(taken))
    last = taken[-1][1] // 50
    assert len(taken) + gaps == last // every + 1
    if not lost:
        assert [found[1] for found in taken] == list(range(0, 200 * 50, every * 50))


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 12)), min_size=1, max_size=8))
def test_thinning_tells_of_no_loss_when_others_come_and_go(spells: list[tuple[int, int]]) -> None:
    """spells: at every so manieth sample, for so many samples."""
    thinner = Thinner()
    rates = [every for every, count in spells for _ in range(count)]
    taken = [found[0] for seq, every in enumerate(rates) if (found := thinner.take([seq], every)) is not None]
    assert taken == list(range(1, len(taken) + 1))


# -- the commands -----------------------------------------------------------------------------------------


def feeding(peer: Peer, count: int = 30) -> None:
    """Once subscribed: samples as fast as they are taken, an event among them, two of them missing."""

    def subscribed(params: Any) -> Any:
        if params["hz"]:
            threading.Thread(target=send, daemon=True).start()
        return params

    def send() -> None:
        for n in range(count):
            if n not in (10, 11):
                peer.sample(100 * n, state=1, rate_opm=1500 + n, limiters=2 if n == 5 else 0)
        peer.event("cue", "move_on", 100 * count)
        peer.event("state", "IDLE", 100 * count, reason="completed")
        peer.sample(100 * count, state=0)

    peer.answers["telemetry.subscribe"] = subscribed


@pytest.mark.parametrize("name", NAMES)
def test_record_until_the_sessions_end_then_plot(knead: Knead, peer: Peer, tmp_path: Path, name: str) -> None:
    feeding(peer)
    path = tmp_path / name

    code, out, err = knead("record", str(path), "--until-end", "--json")
    told = json.loads(out)
    drawn = knead("plot", str(path), "--json")

    assert code == 0, err
    assert (told["samples"], told["lost"], told["events"], told["reason"]) == (29, 2, 2, "session_end")
    run = only(path)
    assert (run.head.board, run.head.boot, run.head.hz) == ("e660", 3, 10)
    assert abs(run.sample_utc_s[-1] - time.time()) < 60
    assert drawn[0] == 0, drawn[2]
    assert json.loads(drawn[1])["lost"] == 2
    assert (tmp_path / f"{name}.svg").read_text().startswith("<?xml")


def test_record_for_minutes_of_the_devices_time(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    feeding(peer, 100)

    code, out, err = knead("record", str(tmp_path / "a.csv"), "--minutes", "0.05")

    assert code == 0, err
    assert "29 samples, 2 lost" in out
    assert "(minutes)" in out


def test_record_never_overwrites(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine\n")

    for extra in ([], ["--append"]):
        code, _, err = knead("record", str(tmp_path / "a.csv"), "--json", *extra)
        assert code in (1, 2)
        assert json.loads(err)["error"]["name"] in ("recording_exists", "no_recording")

    assert (tmp_path / "a.csv").read_text() == "mine\n"


def test_an_unplugged_device_ends_it_with_an_error_and_what_was_recorded(
    knead: Knead, peer: Peer, tmp_path: Path
) -> None:
    def subscribed(params: Any) -> Any:
        for n in range(5):
            peer.sample(100 * n)
        threading.Timer(0.3, peer.vanish).start()
        return params

    peer.answers["telemetry.subscribe"] = subscribed
    path = tmp_path / "a.csv"

    code, out, err = knead("record", str(path), "--reconnect", "0", "--json")

    assert (code, out) == (5, "")
    error = json.loads(err)["error"]
    assert (error["name"], error["samples"]) == ("link_lost", 5)
    run = only(path)
    assert len(run.samples) == 5
    assert run.end and run.end.reason == "link_lost"


def test_a_restart_begins_a_new_run_in_the_same_file(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    def send() -> None:
        for n in range(5):
            peer.sample(100 * n, state=1)
        if peer.hello["boot"] == 3:
            peer.hello["boot"] = 4
            peer.event("boot", "reset", 1)
        else:
            peer.sample(500, state=0)

    def subscribed(params: Any) -> Any:
        if params["hz"]:
            threading.Timer(0.1, send).start()
        return params

    peer.answers["telemetry.subscribe"] = subscribed

    code, out, err = knead("record", str(tmp_path / "a.jsonl"), "--until-end", "--json")

    assert code == 0, err
    first, second = read(tmp_path / "a.jsonl")
    assert (first.head.boot, first.end and first.end.reason, len(first.samples)) == (3, "device_restarted", 5)
    assert (second.head.boot, second.end and second.end.reason, len(second.samples)) == (4, "session_end", 6)
    assert json.loads(out)["runs"] == 2


def recording(peer: Peer, path: Path) -> subprocess.Popen[bytes]:
    """A `knead record` of its own, once it has written some rows."""
    threading.Thread(target=stream, args=(peer,), daemon=True).start()
    command = [sys.executable, "-m", "openknead", "--port", peer.port, "record", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline:
        try:
            if any(len(run.samples) >= 5 for run in read(path)):
                return process
        except NoRecording:
            pass
        time.sleep(0.05)
    process.kill()
    raise AssertionError("nothing was recorded")


def stream(peer: Peer) -> None:
    t_ms = 0
    while peer._fds and t_ms < 60_000:
        if "telemetry.subscribe" in peer.methods():
            t_ms += 100
            try:
                peer.sample(t_ms)
            except (OSError, IndexError):
                return
        time.sleep(0.02)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorder_that_is_killed_leaves_a_file_that_can_be_read(
    peer: Peer, tmp_path: Path, name: str
) -> None:
    process = recording(peer, tmp_path / name)
    process.kill()
    process.communicate(timeout=HANG)

    run = only(tmp_path / name)

    assert len(run.samples) >= 5
    assert [sample.t_ms for sample in run.samples] == [100 * (n + 1) for n in range(len(run.samples))]
    assert run.end is None


def test_a_signal_ends_the_recording_whole(peer: Peer, tmp_path: Path) -> None:
    process = recording(peer, tmp_path / "a.csv")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=HANG)

    assert process.returncode == 0, err
    assert b"(interrupted)" in out
    end = only(tmp_path / "a.csv").end
    assert end and end.reason == "interrupted"


@pytest.mark.parametrize(
    "content", [b"", b"time,rate\n1,2\n", b"SQLite format 3\0" + bytes(200), b"\xff\xfe" * 99]
)
def test_plot_names_what_it_cannot_read(knead: Knead, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(content)

    code, out, err = knead("plot", str(tmp_path / "x.csv"), "--json")

    assert (code, out) == (1, "")
    assert json.loads(err)["error"]["name"] == "no_recording"
    assert not (tmp_path / "x.csv.svg").exists()


def test_plot_draws_what_is_left_of_a_damaged_file_and_says_so(knead: Knead, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", track(40))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:20], b"\xff\xff\xff\n", *lines[21:30], lines[30][:20]]))

    code, out, _ = knead("plot", str(path), "-o", str(tmp_path / "a.png"))

    assert code == 0
    assert "line 21" in out
    assert "line 31" in out
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_plot_wants_the_suffix_of_a_picture(knead: Knead, tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", track(4))

    assert knead("plot", str(path), "-o", str(path))[0] == 2
    assert len(only(path).samples) == 4
