"""The emulated Pico behind a real serial port, served by another process: `knead` and `mpremote` unchanged.

Wall time is the host's here, and the Pico is slow by it: hence the patience, and host_timeout_s = 30.
"""

import json
import re
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial
from openknead_sim.emulator import filesystem, firmware

pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("emulator")]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60  # --timeout of `knead`
COMMAND_S = 280
PORT_IN_USE = 4  # exit code
LEVEL_1_OPM = 1000
INSTALL = re.compile(r"^mpremote connect PORT (.+)$", re.MULTILINE)

# By the registers, for a Pico whose app has gone: function, output enable and level of the motor's pins.
PINS = """
from machine import mem32
for pin in ({}):
    print(mem32[0x40014004 + 8 * pin] & 31, mem32[0xd0000020] >> pin & 1, mem32[0xd0000010] >> pin & 1)
"""
PLAIN_LOW = "5 1 0"  # SIO, driven, low


class Port:
    """A served Pico: its port, and the two programs that talk to it."""

    def __init__(self, name):
        self.name = name

    def start(self, *arguments):
        """`knead` in a process of its own."""
        command = [sys.executable, "-m", "openknead", "--port", self.name, "--timeout", str(PATIENCE_S)]
        return subprocess.Popen(
            [*command, "--json", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
        )

    def knead(self, *arguments):
        """What `knead` prints, as an object; it must succeed."""
        return finish(self.start(*arguments))

    def mpremote(self, *arguments):
        """What `mpremote connect PORT …` prints; it must succeed."""
        command = [sys.executable, "-m", "mpremote", "connect", self.name, *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=COMMAND_S)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def wait_for_the_app(self):
        """Until it answers: a start takes half a minute of a quiet machine's time."""
        deadline = time.monotonic() + COMMAND_S
        while self.start("status").wait(COMMAND_S):
            assert time.monotonic() < deadline, "the app does not answer"

    def motor_pins(self):
        """Function, output enable and level of the motor's pins, one line each."""
        pins = firmware.pin_map()
        numbers = ",".join(str(pins[name]) for name in ("RUN_REQ", "MOT_PWM", "MOT_PH"))
        return self.mpremote("resume", "exec", PINS.format(numbers)).split("\n")[:3]

    def type(self, keys):
        """Keys pressed in a terminal program."""
        with serial.Serial(self.name, 115200) as terminal:
            terminal.write(keys)


def finish(process):
    """The JSON object in the last line of a `knead` that ends well."""
    printed, complaints = process.communicate(timeout=COMMAND_S)
    assert process.returncode == 0, complaints
    return json.loads(printed.splitlines()[-1])


@pytest.fixture
def serve(image, tmp_path, monkeypatch):
    """Function: serve an emulated Pico whose flash holds these files (None: as MicroPython leaves it), and
    write the flash to `flash` at the end."""
    image()
    flash = tmp_path / "flash"
    monkeypatch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("OPENKNEAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENKNEAD_NO_GUIDE", "1")  # an emulated Pico cannot tell that it is none

    @contextmanager
    def run(files=None):
        if files is not None:
            flash.write_bytes(filesystem.build(files))
        command = [sys.executable, "-m", "openknead_sim.emulator.served", "--blank", "--flash", str(flash)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
            try:
                port = Port(json.loads(process.stdout.readline())["port"])
                if files is not None:
                    port.wait_for_the_app()
                yield port
            finally:
                process.terminate()
        assert process.returncode == 0

    run.flash = flash
    return run


def installed(settings):
    """A user's flash: the firmware, precompiled, and saved settings."""
    return {**firmware.firmware_files(), firmware.SETTINGS_FILE: firmware.settings_record(settings)}


def test_mpremote_takes_a_running_app_over(serve, boards):
    with serve(installed(boards.settings)) as port:
        assert port.knead("status")["state"] == "IDLE"
        listing = port.mpremote("fs", "ls")
        assert {line.split()[-1] for line in listing.splitlines()[1:]} >= {"boot.py", "main.py", "massager/"}
        assert port.motor_pins() == [PLAIN_LOW] * 3


@pytest.mark.emulator_long
@pytest.mark.timeout(1200)
def test_looking_and_settings(serve, boards):
    with serve(installed(boards.settings)) as port:
        info = port.knead("info")
        assert info["hello"]["sim"] is None
        assert info["schema"]["settings"] == len(port.knead("get")["settings"])
        changed = port.knead("set", "area_s=60", "default_level=2")
        assert set(changed["unsaved"]) == {"area_s", "default_level"}
        assert port.knead("save")["sequence"] == 2
        port.knead("reboot")
        assert port.knead("get", "area_s")["value"] == 60
        status = port.knead("status")
        assert status["unsaved"] == []
        assert status["fault"] is None


@pytest.mark.emulator_long
@pytest.mark.timeout(1200)
def test_session_to_its_end_and_session_stopped_from_elsewhere(serve, boards):
    with serve(installed(boards.settings)) as port:
        end = port.knead("start", "--level", "1", "--minutes", "0.05")
        assert end["reason"] == "completed"
        assert end["duration_s"] == pytest.approx(3, abs=0.2)
        assert end["peak_rate_opm"] == pytest.approx(LEVEL_1_OPM, rel=0.1)
        session = port.start("start", "--level", "1", "--minutes", "1")
        wait_for_a_turning_shaft(port)
        port.knead("stop")
        assert finish(session)["reason"] == "host_stop"
        assert port.knead("status")["rate_opm"] < LEVEL_1_OPM


@pytest.mark.emulator_long
@pytest.mark.timeout(1200)
def test_mpremote_stops_a_session_whose_host_has_died(serve, boards):
    with serve(installed(boards.settings)) as port:
        session = port.start("start", "--level", "1", "--minutes", "1")
        wait_for_a_turning_shaft(port)
        session.kill()
        session.communicate()
        assert "massager/" in port.mpremote("fs", "ls")
        assert port.motor_pins() == [PLAIN_LOW] * 3


def wait_for_a_turning_shaft(port):
    deadline = time.monotonic() + COMMAND_S
    while True:
        look = port.start("status")
        printed, complaints = look.communicate(timeout=COMMAND_S)
        if look.returncode != PORT_IN_USE:  # until the session's host has greeted the Pico it shares nothing
            assert look.returncode == 0, complaints
            status = json.loads(printed)
            if status["state"] == "RUNNING" and status["rate_opm"] > 200:
                return
        assert time.monotonic() < deadline, (printed, complaints)


@pytest.mark.emulator_long
@pytest.mark.timeout(1200)
def test_readme_installs_the_firmware_on_a_blank_pico(serve):
    (arguments,) = INSTALL.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    with serve() as port:
        port.mpremote(*shlex.split(arguments))
        assert port.knead("info")["hello"]["sim"] is None
        assert "massager/" in port.mpremote("fs", "ls")
        assert port.motor_pins() == [PLAIN_LOW] * 3
        port.type(b"\x04")  # Ctrl-D: soft reset
        assert port.knead("status")["state"] == "IDLE"
    assert filesystem.read(serve.flash.read_bytes()) == firmware.firmware_files("source")
