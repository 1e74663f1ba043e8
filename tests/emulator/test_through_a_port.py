"""The emulated Pico behind a real serial port, served by another process: `knead` and `mpremote` unchanged.

Wall time is the host's here, and the Pico is slow by it: hence the patience, and host_timeout_s = 30.
"""

import json
import re
import shlex
import time

import pytest
from openknead_sim.emulator import filesystem, firmware
from served_port import COMMAND_S, ROOT, finish

pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("emulator")]

PORT_IN_USE = 4  # exit code
LEVEL_1_OPM = 1000
INSTALL = re.compile(r"^mpremote connect PORT (.+)$", re.MULTILINE)

PLAIN_LOW = "5 1 0"  # SIO, driven, low


def installed(settings):
    """A user's flash: the firmware, precompiled, and saved settings."""
    return {**firmware.firmware_files("native"), firmware.SETTINGS_FILE: firmware.settings_record(settings)}


@pytest.mark.emulator_long
@pytest.mark.timeout(1200)
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
