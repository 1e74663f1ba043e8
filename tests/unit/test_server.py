"""The virtual board as a process: pseudo-terminal, TCP, run file, side channel, pace, `knead sim`."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
import time
from typing import Any

import pytest
import serial
from click.testing import CliRunner
from openknead_sim.cli import sim
from openknead_sim.control import ControlError, ask
from openknead_sim.flash import Flash
from openknead_sim.packaged import new_flash
from openknead_sim.runfile import running
from sim_process import PATIENCE_S, Process, call, opened, posix

pytestmark = pytest.mark.usefixtures("run_dir")


def _use(port: serial.SerialBase) -> None:
    for _ in range(100):
        port.write(b"\n")
        port.read(1)


@posix
def test_a_serial_library_in_another_process_talks_to_the_firmware(start):
    board = start()
    with opened(board.port) as port:
        assert call(port, "hello")["sim"] == "desktop"
        assert call(port, "status")["remote_start"] is True


@posix
def test_closing_and_opening_again_does_no_harm(start):
    board = start()
    for _ in range(3):
        with opened(board.port) as port:
            port.write(b"half a li")
            port.write(b"ne\n")
            assert call(port, "hello")["protocol"]


@posix
def test_ctrl_c_on_the_wire_leaves_a_prompt_and_ctrl_d_boots_again(start):
    board = start()
    with opened(board.port) as port:
        port.write(b"\x03")
        assert b">>> " in port.read_until(b">>> ")
        assert ask(board.entry(), "state")["at_prompt"] is True
        port.write(b"\x04")
        port.read_until(b"soft reboot\r\n")
        assert call(port, "hello")["sim"] == "desktop"


def test_tcp_serves_one_host_and_tells_the_second(start):
    board = start("--tcp")
    assert board.port.startswith("socket://127.0.0.1:")
    with opened(board.port) as port:
        assert call(port, "hello")["sim"] == "desktop"
        number = int(board.port.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", number), timeout=PATIENCE_S) as second:
            second.sendall(b"a request that it will not answer\n")
            line = second.makefile("rb").readline()
        assert json.loads(line)["error"]["data"]["name"] == "port_busy"
        assert call(port, "hello")["sim"] == "desktop"
    with opened(board.port) as port:
        assert call(port, "hello")["sim"] == "desktop"


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_the_run_file_is_private_and_goes_with_the_board(start, name):
    board = start()
    entry = board.entry()
    assert entry["port"] == board.port
    assert entry["pid"] == board.process.pid
    assert entry["control"] == board.announced["control"]
    assert stat.S_IMODE(board.run_file.stat().st_mode) == 0o600
    assert [b["port"] for b in running()] == [board.port]
    assert board.end(getattr(signal, name)) == 0
    assert not board.run_file.exists()
    assert running() == []


def test_a_run_file_of_a_dead_process_is_ignored_and_deleted(run_dir):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    stale = run_dir / "boards" / f"{gone.pid}.json"
    stale.parent.mkdir()
    stale.write_text(json.dumps({"pid": gone.pid, "port": "/dev/null"}))
    assert running() == []
    assert not stale.exists()


def test_the_side_channel_wants_its_token(start):
    entry = start("--tcp").entry()
    with pytest.raises(ControlError, match="wrong token"):
        ask({**entry, "token": "guess"}, "state")
    with pytest.raises(ControlError, match="do one of"):
        ask(entry, "explode")
    with pytest.raises(ControlError, match="buttons are"):
        ask(entry, "press", button="turbo")


def test_buttons_are_pressed_from_outside_as_long_as_said(start):
    board = start("--tcp", "--as-shipped", "--speed", "20")
    with opened(board.port) as port:
        assert call(port, "status")["remote_start"] is False
        result = CliRunner().invoke(sim, ["press", "mode", "--hold", "3.5", "--json"])
        assert result.exit_code == 0, result.output
        assert json.loads(result.output)["ms"] == 3500
        assert call(port, "status")["remote_start"] is True
    state = ask(board.entry(), "state")
    assert state["pressed"] == []
    assert state["clock_us"] >= 3_500_000


def test_press_never_guesses_between_two_boards(start):
    a, b = start("--tcp"), start("--tcp", "--seed", "2")
    result = CliRunner().invoke(sim, ["press", "plus"])
    assert result.exit_code == 2
    assert a.port in result.output
    assert b.port in result.output
    result = CliRunner().invoke(sim, ["press", "plus", "--board", b.port])
    assert result.exit_code == 0, result.output


def test_a_board_starts_as_warm_and_as_charged_as_said_and_tells_its_state(start):
    board = start("--ambient", "35", "--charge", "40")
    state = json.loads(CliRunner().invoke(sim, ["state", "--json"]).output)
    assert state["port"] == board.port
    assert abs(state["charge_pct"] - 40) < 0.1
    assert all(abs(state[f"{part}_c"] - 35) < 0.5 for part in ("motor", "winding", "driver", "handle"))
    time.sleep(1.0)
    later = json.loads(CliRunner().invoke(sim, ["state", "--board", board.port, "--json"]).output)
    assert later["energy_j"] > state["energy_j"] > 0
    text = CliRunner().invoke(sim, ["state"]).output
    assert "Battery  40.0 %" in text
    assert "Failing  nothing" in text
    with opened(board.port) as port:
        assert 330 < call(port, "status")["motor_dc"] < 370


def test_state_without_a_board_says_how_to_start_one():
    result = CliRunner().invoke(sim, ["state"])
    assert result.exit_code == 1
    assert "knead sim" in result.output


def test_press_without_a_board_says_how_to_start_one():
    result = CliRunner().invoke(sim, ["press", "plus"])
    assert result.exit_code == 1
    assert "knead sim" in result.output


@posix
def test_unplugging_takes_the_port_away_and_plugging_in_gives_a_new_one(start):
    board = start()
    with opened(board.port) as port:
        assert call(port, "hello")["sim"] == "desktop"
        ask(board.entry(), "unplug")
        with pytest.raises(OSError, match=r".*"):
            _use(port)
    assert running() == []
    ask(board.entry(), "plug")
    with opened(board.entry()["port"]) as port:
        assert call(port, "status")["uptime_ms"] > 0


def test_the_flash_file_keeps_settings_over_runs(start, tmp_path):
    flash = tmp_path / "board.flash"
    options = ("--tcp", "--as-shipped", "--flash", str(flash))
    board = start(*options)
    with opened(board.port) as port:
        call(port, "settings.set", values={"area_s": 70})
        assert call(port, "settings.save")["sequence"] == 1
    board.end()
    board = start(*options)
    assert board.announced["firmware"] == "packaged"
    with opened(board.port) as port:
        assert call(port, "settings.get", name="area_s")["value"] == 70


def test_the_flash_file_keeps_the_firmware_on_it(start, tmp_path):
    path = tmp_path / "board.flash"
    old = new_flash(path=path)
    old.write_file("/massager/__init__.py", b'VERSION = "0.0.1"\n')
    old.save()
    board = start("--tcp", "--flash", str(path))
    assert board.announced["firmware"] == "other"
    with opened(board.port) as port:
        assert call(port, "hello")["firmware"] == "0.0.1"
    board.end()
    assert Flash(path=path).read_file("/massager/__init__.py") == b'VERSION = "0.0.1"\n'


def test_firmware_that_answers_nothing_is_served_all_the_same(start, tmp_path):
    path = tmp_path / "board.flash"
    new_flash({"main.py": b"print('hello, world')"}, path).save()
    board = start("--tcp", "--flash", str(path))
    with opened(board.port) as port:
        port.write(b"7\r")
        assert port.read_until(b">>> ").endswith(b"7\r\n>>> ")
    board.process.terminate()
    assert "no reply to status" in board.process.communicate()[1]


def test_blank_never_overwrites_a_flash_that_is_there(tmp_path):
    path = tmp_path / "board.flash"
    new_flash(path=path).save()
    before = path.read_bytes()
    result = CliRunner().invoke(sim, ["--tcp", "--blank", "--flash", str(path)])
    assert result.exit_code == 2
    assert "holds a board's flash already" in result.output
    assert path.read_bytes() == before


def test_a_flash_file_that_is_none_is_refused(tmp_path):
    wrong = tmp_path / "photo.jpg"
    wrong.write_bytes(b"not a flash image")
    result = CliRunner().invoke(sim, ["--tcp", "--flash", str(wrong)])
    assert result.exit_code == 1
    assert "photo.jpg" in result.output
    assert wrong.read_bytes() == b"not a flash image"


@pytest.mark.parametrize(
    "options",
    [["--speed", "0"], ["--speed", "fast"], ["--tcp=nowhere"], ["--tcp=a:99999"], ["--charge", "101"]],
)
def test_nonsense_options_are_usage_errors(options):
    assert CliRunner().invoke(sim, options).exit_code == 2


@posix
def test_an_accelerated_session_survives_a_host_that_takes_its_time(start):
    board = start("--speed", "max")
    with opened(board.port) as port:
        call(port, "session.start", level=1, run_s=60)
        call(port, "telemetry.subscribe", hz=10)
        time.sleep(0.5)  # minutes of virtual time, if nobody held it back
        assert call(port, "status")["state"] == "RUNNING"
        state = "RUNNING"
        while state == "RUNNING":
            state = call(port, "session.keepalive")["state"]
            for _ in range(3):
                port.readline()
        assert call(port, "status")["reason"] in (None, "completed")


@posix
def test_a_board_that_nobody_reads_keeps_running(start):
    board = start("--speed", "max")
    with opened(board.port) as port:
        call(port, "session.start", level=1, run_s=60)
        call(port, "telemetry.subscribe", hz=20)
    before = ask(board.entry(), "state")["clock_us"]
    end = time.monotonic() + PATIENCE_S
    while ask(board.entry(), "state")["clock_us"] < before + 2_000_000:
        assert time.monotonic() < end
        time.sleep(0.05)
    with opened(board.port) as port:
        assert call(port, "status")["uptime_ms"] > 0


def told(*arguments: str) -> Any:
    """A subcommand of `knead sim` with --json: what it says."""
    result = CliRunner().invoke(sim, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def fault(port: serial.SerialBase) -> str | None:
    latched = call(port, "status")["fault"]
    return latched["name"] if latched else None


def wait_until_board_clock(board: Process, seconds: float) -> None:
    end = time.monotonic() + PATIENCE_S
    while ask(board.entry(), "state")["clock_us"] < seconds * 1e6:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_the_command_line_injects_fails_when_it_says(start):
    board = start("--tcp", "--speed", "20", "--inject", "driver_ntc=short@5", "--inject", "tach_cut")
    begun_s = ask(board.entry(), "state")["clock_us"] / 1e6
    assert ask(board.entry(), "state")["injected"] == ["tach_cut"]
    with opened(board.port) as port:
        assert fault(port) is None
    wait_until_board_clock(board, begun_s + 6)
    with opened(board.port) as port:
        assert fault(port) == "driver_sensor"


def test_a_running_board_fails_and_is_mended_from_outside(start):
    board = start("--tcp", "--speed", "20")
    assert told("inject", "motor_ntc=open") == {
        "port": board.port, "injected": "motor_ntc", "value": "open", "for_s": None,
    }  # fmt: skip
    clock_s = ask(board.entry(), "state")["clock_us"] / 1e6
    wait_until_board_clock(board, clock_s + 1)
    with opened(board.port) as port:
        assert fault(port) == "motor_sensor"
        assert call(port, "fault.clear")["data"]["name"] == "cause_lasts"
        assert told("mend", "motor_ntc")["mended"] is True
        assert told("mend", "motor_ntc")["mended"] is False
        wait_until_board_clock(board, clock_s + 5)
        error = call(port, "fault.clear")["data"]  # the cause is gone; MODE has to agree
        assert (error["name"], error["names"]) == ("confirm_needed", ["motor_sensor"])


def test_what_is_injected_for_a_time_is_mended_when_the_command_returns(start):
    board = start("--tcp", "--speed", "20")
    clock_us = ask(board.entry(), "state")["clock_us"]
    told("inject", "supply_sag=9", "--for", "2")
    state = ask(board.entry(), "state")
    assert state["injected"] == []
    assert state["clock_us"] >= clock_us + 2_000_000


@posix
def test_an_injected_cable_break_takes_the_port_away_until_it_is_mended(start):
    board = start()
    told("inject", "serial_dropped")
    end = time.monotonic() + PATIENCE_S
    while running():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert told("mend", "serial_dropped")["mended"] is True
    while not running():
        assert time.monotonic() < end
        time.sleep(0.02)
    with opened(board.entry()["port"]) as port:
        assert call(port, "status")["uptime_ms"] > 0


def test_a_reset_may_be_planned(start):
    board = start("--tcp", "--speed", "20", "--inject", "brown_out@1")
    wait_until_board_clock(board, ask(board.entry(), "state")["clock_us"] / 1e6 + 3)
    state = ask(board.entry(), "state")
    assert state["boots"] == 2
    assert state["powered"] is True


def test_all_that_can_fail_is_listed():
    listed = told("inject", "--list")
    assert {"name": "stop_open", "meaning": "STOP's wire is off"}.items() <= {
        row["name"]: row for row in listed
    }["stop_open"].items()
    assert next(row for row in listed if row["name"] == "supply_sag")["high"] == 30
    text = CliRunner().invoke(sim, ["inject", "--list"]).output
    assert all(row["name"] in text for row in listed)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["inject"], "say what is to fail"),
        (["inject", "explode"], "there are blocked"),
        (["inject", "supply_sag=99"], "0…30 V"),
        (["inject", "blocked", "--for", "0"], "--for"),
        (["mend", "explode"], "there are blocked"),
        (["--inject", "explode"], "there are blocked"),
        (["--inject", "blocked@soon"], "after the @ stand seconds"),
        (["--inject", "blocked@-1"], "after the @ stand seconds"),
    ],
)
def test_nonsense_to_inject_is_a_usage_error(arguments, part):
    result = CliRunner().invoke(sim, arguments)
    assert result.exit_code == 2
    assert part in result.output


@pytest.mark.parametrize("arguments", [["inject", "blocked"], ["mend", "blocked"]])
def test_nothing_is_injected_into_a_real_board(arguments):
    result = CliRunner().invoke(sim, [*arguments, "--board", "/dev/ttyACM0"])
    assert result.exit_code == 1
    assert "a real board lets nothing be injected" in result.output
    assert "at /dev/ttyACM0" in result.output
