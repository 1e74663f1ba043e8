"""The command: output for people and programs, errors, exit codes."""

from __future__ import annotations

import csv
import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from host_peer import Answer, Knead, Peer
from openknead import __version__
from openknead.cli.root import COMMANDS

HANG = 20.0


def play(peer: Peer, seconds: int = 90, reason: str = "completed") -> threading.Thread:
    """Once a session was started: send its telemetry, a cue, and its end."""

    def session() -> None:
        deadline = time.monotonic() + HANG
        while "session.start" not in peer.methods() and time.monotonic() < deadline:
            time.sleep(0.01)
        peer.event("state", "RUNNING", 100)
        for number, t_ms in enumerate(range(100, seconds * 1000, 500)):
            peer.sample(
                t_ms,
                seq=number,
                level=5,
                level_milli=5000,
                demand_opm=2080,
                rate_opm=2075,
                duty=32768,
                current_ma=600,
                supply_mv=11000,
                motor_dc=251,
                handle_dc=240,
                elapsed_ms=t_ms,
                remaining_ms=600_000 - t_ms,
            )
            if t_ms == 60_100:
                peer.event("cue", "move_on", t_ms)
        peer.state = "IDLE"
        peer.answers["status"] = lambda params: {"state": "IDLE", "reason": reason}
        peer.event("state", "IDLE", seconds * 1000, reason=reason)
        peer.sample(seconds * 1000 + 100, state=0, seq=number + 1)

    thread = threading.Thread(target=session, daemon=True)
    thread.start()
    return thread


def test_version_is_told_without_loading_anything() -> None:
    code = "import sys; sys.argv[1:] = ['--version']\n"
    code += "from openknead.cli import main; main(); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.splitlines()[0] == f"knead {__version__}"
    assert not {"click", "serial", "json", "rich", "platformdirs"} & set(out.splitlines()[1].split())


def test_help_loads_no_command(knead: Knead) -> None:
    code, out, _ = knead("--help")

    assert code == 0
    assert all(f"  {name} " in out for name in COMMANDS)
    assert "3 the session was ended by a fault" in " ".join(out.split())


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "sim"])
def test_every_command_has_help(knead: Knead, name: str) -> None:
    code, out, _ = knead(name, "--help")

    assert code == 0
    assert "--json" in out


def test_list_names_boards_and_asks_who_they_are(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    assert json.loads(knead("list", "--json")[1]) == {"devices": []}
    boards = tmp_path / "run" / "boards"
    boards.mkdir(parents=True)
    (boards / "1.json").write_text(json.dumps({"pid": os.getpid(), "port": peer.port}))
    (boards / "2.json").write_text(json.dumps({"pid": os.getppid(), "port": "/dev/gone"}))

    code, out, _ = knead("list")

    assert code == 0
    assert "OpenKnead 0.1.0, board e660" in out
    assert "there is no port /dev/gone" in out


def test_info_and_status_in_words_and_json(knead: Knead) -> None:
    assert "Protocol  1.0.0" in knead("info")[1]
    assert "last session ended: host_stop" in knead("status")[1]
    assert json.loads(knead("info", "--json")[1])["hello"]["board"] == "e660"
    status = json.loads(knead("--json", "status")[1])
    assert (status["state"], status["reason"], status["rate_opm"]) == ("IDLE", "host_stop", None)


def test_get_shows_value_range_default_and_marks(knead: Knead, peer: Peer) -> None:
    peer.answers["status"] = lambda params: {"state": "IDLE", "unsaved": ["buzzer"]}

    everything = knead("get")[1]
    one = knead("get", "session_limit_s")[1]
    machine = json.loads(knead("get", "buzzer", "--json")[1])

    assert "300…900 s" in everything
    assert "knead save" in everything
    assert one.splitlines()[0] == "session_limit_s = 600 s"
    assert (machine["value"], machine["unsaved"], machine["default"]) == (True, True, True)


def test_set_parses_by_type_and_marks_what_weakens(knead: Knead, peer: Peer) -> None:
    peer.answers["status"] = lambda params: {"state": "IDLE", "unsaved": ["buzzer"]}

    code, out, err = knead("set", "session_limit_s=900", "buzzer=off", "--yes-weaken", "session_limit_s")

    assert code == 0
    assert peer.values["session_limit_s"] == 900
    assert peer.values["buzzer"] is False
    assert "! session_limit_s weakens a protection" in out
    assert "! buzzer" not in out
    assert "not saved yet (buzzer): knead save" in err


@pytest.mark.parametrize(
    ("assignment", "code", "name"),
    [
        ("buzzr=on", 1, "unknown_setting"),
        ("buzzer=2", 1, "wrong_type"),
        ("session_limit_s=ten", 1, "wrong_type"),
        ("session_limit_s=1e3", 1, "wrong_type"),
        ("session_limit_s=NaN", 1, "wrong_type"),
        ("session_limit_s=٣٠٠", 1, "wrong_type"),
        ("session_limit_s=", 1, "wrong_type"),
        ("session_limit_s=--300", 1, "wrong_type"),
        ("buzzer", 2, "usage"),
    ],
)
def test_a_bad_value_changes_nothing(knead: Knead, peer: Peer, assignment: str, code: int, name: str) -> None:
    got, out, err = knead("set", "session_limit_s=400", assignment, "--json")

    error = json.loads(err)["error"]
    assert (got, out, error["name"]) == (code, "", name)
    assert error["remedy"]
    assert "settings.set" not in peer.methods()


def test_a_misspelt_setting_gets_a_suggestion(knead: Knead) -> None:
    assert "did you mean buzzer?" in knead("get", "buzer")[2]


def test_reset_wants_names_or_all(knead: Knead) -> None:
    assert knead("reset")[0] == 2
    assert knead("reset", "--all", "buzzer")[0] == 2


def test_all_reasons_of_a_refusal_are_printed_with_remedies(knead: Knead, peer: Peer) -> None:
    def refuse(params: Any) -> Any:
        reasons = [
            {"name": "stop_pressed", "remedy": "let go of STOP"},
            {"name": "too_hot", "remedy": "let it cool"},
        ]
        raise Answer(-32010, "refused", refusals=reasons)

    peer.answers["session.start"] = refuse
    code, out, err = knead("start", "--level", "3")

    assert (code, out) == (1, "")
    assert "let go of STOP" in err
    assert "let it cool" in err
    error = json.loads(knead("start", "--level", "3", "--json")[2])["error"]
    assert (error["code"], len(error["refusals"])) == (-32010, 2)


def test_a_parameter_out_of_range_is_named_with_its_range(knead: Knead, peer: Peer) -> None:
    def refuse(params: Any) -> Any:
        raise Answer(-32022, "out_of_range", param="level", min=1, max=11)

    peer.answers["session.level"] = refuse
    code, _, err = knead("level", "12")

    assert code == 1
    assert "level: out of range, allowed 1…11" in err


def test_watch_without_a_terminal_prints_a_line_a_second(knead: Knead, peer: Peer) -> None:
    def subscribed(params: Any) -> Any:
        for t_ms in range(0, 3100, 100) if params["hz"] else ():
            peer.sample(t_ms)
        return params

    peer.answers["telemetry.subscribe"] = subscribed

    assert len(knead("watch", "--samples", "31")[1].splitlines()) == 4


def test_exit_codes_tell_apart_port_timeout_and_protocol(knead: Knead, peer: Peer) -> None:
    assert knead("status", "--port", "/dev/not-there")[0] == 4
    peer.silent = {"status"}
    assert knead("--timeout", "0.2", "status")[0] == 5
    peer.hello["protocol"] = "7.0.0"
    code, _, err = knead("status", "--json")
    assert code == 6
    assert "pip install" in json.loads(err)["error"]["remedy"]
    assert knead("no-such-command")[0] == 2


def test_start_shows_records_draws_and_sums_up(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    thread = play(peer)
    picture, record = tmp_path / "session.svg", tmp_path / "session.csv"

    code, out, _ = knead(
        "start", "--level", "5", "--minutes", "10", "--picture", str(picture), "--record", str(record)
    )
    thread.join(HANG)

    assert code == 0
    assert " 1:00  cue: move on" in out
    assert "Ended      completed" in out
    assert "2075 opm" in out
    assert "motor 25.1 °C" in out
    assert picture.read_text().startswith("<?xml")
    rows = [row for row in csv.DictReader(line for line in record.open() if line[0] != "#") if row["state"]]
    assert (rows[0]["rate_opm"], rows[0]["state"]) == ("2075", "RUNNING")


def test_start_as_json_prints_one_object(knead: Knead, peer: Peer) -> None:
    thread = play(peer)

    code, out, _ = knead("start", "--level", "5", "--json")
    thread.join(HANG)

    summary = json.loads(out)
    assert (code, summary["reason"], summary["cues"], summary["missed"]) == (0, "completed", ["move_on"], 0)
    assert summary["energy_j"] == pytest.approx(11 * 0.6 * 0.5 * 89.5, rel=0.01)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("completed", 0),
        ("stop_button", 0),
        ("host_stop", 0),
        ("fault", 3),
        ("host_lost", 3),
        ("pause_timeout", 3),
    ],
)
def test_the_exit_code_says_how_a_session_ended(knead: Knead, peer: Peer, reason: str, code: int) -> None:
    thread = play(peer, seconds=3, reason=reason)

    assert knead("start", "--level", "1", "--json")[0] == code
    thread.join(HANG)


def test_a_record_that_cannot_be_written_starts_nothing(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    code, _, err = knead("start", "--level", "1", "--record", str(tmp_path / "no" / "file.csv"))

    assert code == 1
    assert "there is no folder" in err
    assert "session.start" not in peer.methods()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_session_before_the_command_ends(peer: Peer, number: signal.Signals) -> None:
    def stop(params: Any) -> Any:
        peer.state = "IDLE"
        peer.event("state", "IDLE", 900, reason="host_stop")
        peer.sample(1000, state=0)
        return {"state": "IDLE", "level": 0, "remaining_ms": 0}

    peer.answers["session.stop"] = stop
    command = [sys.executable, "-m", "openknead", "--port", peer.port, "start", "--level", "2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + HANG
        while "session.start" not in peer.methods() and time.monotonic() < deadline:
            time.sleep(0.02)
        for t_ms in (100, 200, 300):
            peer.sample(t_ms)
        time.sleep(1.0)  # until it listens for signals, on a busy machine too
        process.send_signal(number)
        out, err = process.communicate(timeout=HANG)

    assert "session.stop" in peer.methods(), err
    assert json.loads(out)["reason"] == "host_stop"
    assert process.returncode == 0


def test_a_reader_that_leaves_stops_the_session(peer: Peer) -> None:
    command = [sys.executable, "-m", "openknead", "--port", peer.port, "start", "--level", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    process.stdout.close()
    deadline = time.monotonic() + HANG
    t_ms = 0
    while process.poll() is None and time.monotonic() < deadline:
        if "session.start" in peer.methods():
            t_ms += 60_000
            peer.sample(t_ms, elapsed_ms=t_ms)
        time.sleep(0.02)
    process.wait(HANG)

    assert "session.stop" in peer.methods()


def test_keys_on_a_terminal_steer_the_session(peer: Peer) -> None:
    def stop(params: Any) -> Any:
        peer.state = "IDLE"
        peer.event("state", "IDLE", 900, reason="host_stop")
        peer.sample(9000, state=0)
        return {"state": "IDLE", "level": 0, "remaining_ms": 0}

    peer.answers["session.stop"] = stop
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "openknead", "--port", peer.port, "start", "--level", "2"]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"}
    )
    os.close(slave)
    seen = b""
    typed = [b"+", b"q"]
    t_ms = 0
    with suppress(OSError):
        while process.poll() is None and t_ms < 60_000:
            if "session.start" in peer.methods() and peer.state == "RUNNING":
                t_ms += 100
                peer.sample(t_ms, level=2, level_milli=2000, elapsed_ms=t_ms, remaining_ms=60_000)
                if t_ms % 500 == 0 and typed:
                    os.write(master, typed.pop(0))
            while select.select([master], [], [], 0.02)[0]:
                seen += os.read(master, 65536)
    code = process.wait(HANG)
    os.close(master)

    level = next(request for request in peer.requests if request["method"] == "session.level")
    assert level["params"] == {"level": 3}
    assert b"p pause" in seen
    assert b"host_stop" in seen
    assert code == 0


def test_watch_as_json_prints_one_object_per_sample(knead: Knead, peer: Peer) -> None:
    def subscribed(params: Any) -> Any:
        if params["hz"]:
            peer.event("cue", "move_on", 50)
            peer.sample(100)
            peer.sample(200, limiters=2)
        return params

    peer.answers["telemetry.subscribe"] = subscribed
    code, out, _ = knead("watch", "--json", "--samples", "2")

    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[0]["event"]["value"] == "move_on"
    assert [(line["t_ms"], line["limiters"]) for line in lines[1:]] == [(100, []), (200, ["heat"])]


def test_another_terminal_commands_the_session_meanwhile(peer: Peer, knead: Knead) -> None:
    command = [sys.executable, "-m", "openknead", "--port", peer.port, "start", "--level", "2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + HANG
        while "session.start" not in peer.methods() and time.monotonic() < deadline:
            time.sleep(0.02)
        peer.sample(100)

        assert knead("status")[0] == 0
        assert json.loads(knead("level", "4", "--json")[1])["state"] == "RUNNING"
        assert "(shared by another knead)" in knead("info")[1]
        peer.state = "IDLE"
        peer.event("state", "IDLE", 200, reason="host_stop")
        peer.sample(300, state=0)
        process.communicate(timeout=HANG)

    level = next(request for request in peer.requests if request["method"] == "session.level")
    assert level["params"] == {"level": 4}
    assert process.returncode == 0
