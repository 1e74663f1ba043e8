"""The real `mpremote`, as a process of its own, on the port of a virtual board."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import serial
from click.testing import CliRunner
from openknead import connect
from openknead_sim.cli import sim
from openknead_sim.control import ask
from openknead_sim.flash import Flash
from openknead_sim.packaged import firmware_files, firmware_folder, installed_files, new_flash
from sim_process import PATIENCE_S, Process, call, opened, posix

pytestmark = posix
COMMAND_S = 120


def run(port: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mpremote connect PORT …`, whatever comes of it."""
    command = [sys.executable, "-m", "mpremote", "connect", port, *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=COMMAND_S)


def mpremote(port: str, *arguments: str) -> str:
    """What it prints; it must succeed."""
    done = run(port, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install(port: str) -> None:
    """Copy the firmware onto the board, as one does to a Pico."""
    boot, main, package = (str(firmware_folder() / name) for name in ("boot.py", "main.py", "massager"))
    mpremote(port, "fs", "cp", boot, main, ":", "+", "fs", "cp", "-r", package, ":", "+", "reset")


def answer(port: str, method: str, **params: Any) -> Any:
    """What the firmware answers, once it runs: a reset swallows what was sent before."""
    with connect(port, timeout=PATIENCE_S) as device:
        return device.call(method, **params)


def state(board: Process) -> dict[str, Any]:
    return ask(board.entry(), "state")


def test_files_go_there_and_back_and_are_hashed_on_the_board(start, tmp_path):
    port = start().port
    source = tmp_path / "source"
    source.write_bytes(bytes(range(256)) * 20)
    listing = mpremote(port, "fs", "ls").splitlines()[1:]
    assert {line.split()[-1] for line in listing} >= {"boot.py", "main.py", "massager/"}
    mpremote(port, "fs", "cp", str(source), ":copy")
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
    assert sha256 in mpremote(port, "fs", "sha256sum", ":copy")
    assert "Up to date" in mpremote(port, "fs", "cp", str(source), ":copy")
    mpremote(port, "fs", "cp", ":copy", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == source.read_bytes()
    mpremote(port, "fs", "mkdir", ":folder", "+", "fs", "cp", ":copy", ":folder/b", "+", "fs", "rm", ":copy")
    assert "folder" in mpremote(port, "fs", "tree")
    assert "1441792" in mpremote(port, "df")
    missing = run(port, "fs", "cp", ":copy", str(tmp_path / "none"))
    assert missing.returncode == 1
    assert "No such file or directory" in missing.stdout + missing.stderr


def test_code_runs_and_its_exceptions_are_told(start, tmp_path):
    port = start().port
    script = tmp_path / "script.py"
    script.write_text("import time\nfor n in range(3):\n    print(n)\n    time.sleep_ms(20)\n")
    assert mpremote(port, "exec", "print(6 * 7)") == "42\n"
    assert mpremote(port, "eval", "6 * 7") == "42\n"
    assert mpremote(port, "run", str(script)) == "0\n1\n2\n"
    failed = run(port, "exec", "print(1)\n1/0")
    assert failed.returncode == 1
    assert "ZeroDivisionError" in failed.stdout
    mpremote(port, "exec", "x = 5")
    assert mpremote(port, "resume", "exec", "print(x)") == "5\n"
    assert run(port, "exec", "print(x)").returncode == 1  # a soft reset came first


def test_it_stops_a_session_and_a_reset_brings_the_app_back(start):
    board = start("--speed", "20")
    with opened(board.port) as port:
        call(port, "session.start", level=2, run_s=60)
    assert mpremote(board.port, "resume", "exec", "print(app.session.state)").strip().isdigit()
    now = state(board)
    assert (now["motor_duty"], now["motor_enabled"], now["at_prompt"]) == (0.0, False, True)
    mpremote(board.port, "soft-reset")
    assert state(board)["at_prompt"] is True
    mpremote(board.port, "reset")
    status = answer(board.port, "status")
    assert (status["state"], status["fault"]) == ("IDLE", None)


def test_ctrl_c_interrupts_what_it_runs(start):
    port = start().port
    with serial.Serial(port, 115200, timeout=PATIENCE_S) as terminal:
        terminal.write(b"\r\x03\r\x01")
        terminal.read_until(b"raw REPL; CTRL-B to exit\r\n>")
        terminal.write(b"print(1)\nwhile True:\n    pass\n\x04")
        assert terminal.read_until(b"OK1\r\n").endswith(b"OK1\r\n")
        terminal.write(b"\x03")
        assert b"KeyboardInterrupt" in terminal.read_until(b"\x04>")
    assert mpremote(port, "exec", "print(2)") == "2\n"


def test_a_blank_board_gets_its_firmware_as_a_pico_does(start, tmp_path):
    path = tmp_path / "board.flash"
    board = start("--blank", "--flash", str(path), "--speed", "20")
    assert board.announced["firmware"] == "none"
    assert mpremote(board.port, "fs", "ls").splitlines() == ["ls :"]
    install(board.port)
    assert answer(board.port, "status")["fault"] is None
    assert board.end() == 0
    assert installed_files(Flash(path=path)) == firmware_files()
    assert start("--flash", str(path)).announced["firmware"] == "packaged"


def test_old_firmware_is_brought_up_to_date_and_its_settings_stay(start, tmp_path):
    path = tmp_path / "board.flash"
    old = new_flash(path=path)
    old.write_file("/massager/__init__.py", b'VERSION = "0.0.1"\n')
    old.save()
    board = start("--flash", str(path), "--speed", "20")
    with opened(board.port) as port:
        assert call(port, "hello")["firmware"] == "0.0.1"
        call(port, "settings.set", values={"max_level": 7})
        call(port, "settings.save")
    install(board.port)
    assert answer(board.port, "hello")["firmware"] != "0.0.1"
    assert answer(board.port, "settings.get", name="max_level")["value"] == 7
    assert answer(board.port, "status")["fault"]["name"] == "firmware_changed"  # nobody announced it


def test_the_boot_rom_takes_the_port_away_until_the_board_is_started_again(start):
    board = start()
    mpremote(board.port, "bootloader")
    while not json.loads(CliRunner().invoke(sim, ["state", "--json"]).output)["bootsel"]:
        time.sleep(0.05)
    assert CliRunner().invoke(sim, ["inject", "brown_out"]).exit_code == 0
    while board.entry()["port"] is None:
        time.sleep(0.05)
    assert answer(board.entry()["port"], "hello")["sim"] == "desktop"
    board.process.terminate()
    said = board.process.communicate()[1]
    assert re.search(r"boot ROM.*brown_out\nvirtual board on /dev/", said)


def test_it_works_over_tcp_as_well(start, tmp_path):
    port = start("--tcp").port
    assert mpremote(port, "exec", "print(6 * 7)") == "42\n"
    mpremote(port, "fs", "cp", __file__, ":copy")
    sha256 = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert sha256 in mpremote(port, "resume", "fs", "sha256sum", ":copy")
    mpremote(port, "reset")
    assert answer(port, "hello")["sim"] == "desktop"


def test_no_code_runs_where_the_network_reaches_the_port(start):
    number = start("--tcp=0.0.0.0:0").port.rpartition(":")[2]
    refused = run(f"socket://127.0.0.1:{number}", "exec", "print(6 * 7)")
    assert refused.returncode == 1
    assert "RuntimeError: the network can reach this port" in refused.stdout
    with opened(f"socket://127.0.0.1:{number}") as port:
        port.write(b"\r\x02\x04")
    assert answer(f"socket://127.0.0.1:{number}", "hello")["sim"] == "desktop"
