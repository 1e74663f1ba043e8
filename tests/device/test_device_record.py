"""Recording from a device: whole, beside other commands, with a host that does not read; its log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from openknead import Device, connect
from openknead.model import Sample
from openknead.recording import Head, Recorder, Run, read

HANG = 60.0
TALK_EVERY = 3  # samples: an accelerated board falls back to real time when its host says nothing


def knead(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "openknead", *argv],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **env},
    )


def recording(port: str, path: Path, *options: str) -> subprocess.Popen[str]:
    """A `knead record` of its own, once it records."""
    command = [sys.executable, "-m", "openknead", "--port", port, "record", str(path), "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + HANG
    while not path.exists() or b"IDLE" not in path.read_bytes():
        assert time.monotonic() < deadline and process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process


def ended(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> dict[str, Any]:
    process.send_signal(number)
    out, err = process.communicate(timeout=HANG)
    assert process.returncode == 0, err
    told: dict[str, Any] = json.loads(out)
    return told


def only(path: Path) -> Run:
    (run,) = read(path)
    return run


def test_minutes_of_telemetry_are_recorded_without_a_loss_in_flat_memory(
    device: Device, port: str, tmp_path: Path
) -> None:
    """The bench does the same for a day: make bench."""
    memory_kb: list[int] = []
    path = tmp_path / "minutes.csv"
    with Recorder(path, Head.of(device.hello, 10)) as recorder, device.feed() as feed:
        device.subscribe(10)
        while recorder.samples < 3000:
            item = feed.next(HANG)
            recorder.add(item)
            if isinstance(item, Sample) and recorder.samples % TALK_EVERY == 0:
                device.channel.notify("session.keepalive")
            if recorder.samples in (1000, 3000) and isinstance(item, Sample):
                memory_kb.append(rss_kb(os.getpid()))
        lost = recorder.lost + feed.missed

    run = only(path)
    assert (len(run.samples), run.lost, lost) == (3000, 0, 0)
    assert all(after.t_ms - before.t_ms == 100 for before, after in pairwise(run.samples))
    assert memory_kb[1] - memory_kb[0] < 2000


def rss_kb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_what_a_host_that_does_not_read_has_lost_is_counted_to_the_sample(port: str, tmp_path: Path) -> None:
    process = recording(port, tmp_path / "deaf.jsonl")
    process.send_signal(signal.SIGSTOP)
    time.sleep(9)  # the virtual board waits for a host for 5 s after its last word
    process.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    told = ended(process)

    run = only(tmp_path / "deaf.jsonl")
    due = round((run.samples[-1].t_ms - run.samples[0].t_ms) / 100) + 1
    assert told["lost"] > 0
    assert (len(run.samples) + told["lost"], told["runs"]) == (due, 1)


def test_a_session_is_recorded_beside_the_command_that_runs_it(port: str, tmp_path: Path) -> None:
    process = recording(port, tmp_path / "a.csv", "--hz", "4", "--until-end")
    started = knead(
        *("--port", port, "--json", "start", "--level", "2", "--minutes", "0.5"),
        *("--record", str(tmp_path / "b.sqlite")),
    )
    out, err = process.communicate(timeout=HANG)

    assert started.returncode == 0, started.stderr
    assert process.returncode == 0, err
    beside, own = only(tmp_path / "a.csv"), only(tmp_path / "b.sqlite")
    assert json.loads(out)["reason"] == "session_end"
    for run, period_ms in ((beside, 250), (own, 100)):
        assert run.lost == 0
        assert {event.value for event in run.events if event.name == "state"} >= {"RUNNING", "IDLE"}
        steps = [after.t_ms - before.t_ms for before, after in pairwise(run.samples)]
        changes = 4  # others subscribe and leave: the device begins its period anew
        assert steps.count(period_ms) >= len(steps) - changes
        assert max(sample.rate_opm or 0 for sample in run.samples) > 900
    drawn = knead("plot", str(tmp_path / "b.sqlite"), "-o", str(tmp_path / "b.png"), "--json")
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "b.png").stat().st_size > 20_000


def test_a_device_that_restarts_goes_on_in_the_same_file(port: str, tmp_path: Path) -> None:
    process = recording(port, tmp_path / "a.csv")
    before = only(tmp_path / "a.csv").head.boot
    knead("--port", port, "reboot")
    deadline = time.monotonic() + HANG
    while len(read(tmp_path / "a.csv")) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    ended(process, signal.SIGTERM)

    first, second = read(tmp_path / "a.csv")
    assert before is not None
    assert (first.head.boot, second.head.boot) == (before, before + 1)
    assert first.end and first.end.reason in ("device_restarted", "link_lost")
    assert second.samples


def test_the_log_is_kept_here_and_none_of_it_twice(device: Device, tmp_path: Path) -> None:
    db = str(tmp_path / "log.sqlite")
    device.start(level=1, minutes=0.05)
    device.wait(HANG)
    deadline = time.monotonic() + HANG
    while not any(record.kind == "session" for record in device.journal()):
        assert time.monotonic() < deadline
    device.close()

    done = [
        json.loads(knead("--port", device.port, "log", "--sync", "--db", db, "--json").stdout) for _ in "12"
    ]
    with connect(device.port, timeout=HANG) as again:
        journal = [dict(record.data) for record in again.journal()]
    (kept,) = json.loads(knead("log", "--local", "--db", db, "--json", OPENKNEAD_PORT="").stdout)["journals"]

    assert done[0]["new"] == done[0]["kept"] > 0
    assert (done[1]["new"], done[1]["kept"], done[1]["replaced"]) == (0, done[0]["kept"], False)
    assert kept["records"] == journal[: len(kept["records"])]
