"""The port of an emulated Pico that another process serves, and the two programs that talk to it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import serial
from openknead_sim.emulator import firmware

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60  # --timeout of `knead`
COMMAND_S = 280

# By the registers, for a Pico whose app has gone: function, output enable and level of the motor's pins.
PINS = """
from machine import mem32
for pin in ({}):
    print(mem32[0x40014004 + 8 * pin] & 31, mem32[0xd0000020] >> pin & 1, mem32[0xd0000010] >> pin & 1)
"""


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

    def knead(self, *arguments, timeout_s=COMMAND_S):
        """What `knead` prints, as an object; it must succeed."""
        return finish(self.start(*arguments), timeout_s)

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


def finish(process, timeout_s=COMMAND_S):
    """The JSON object in the last line of a `knead` that ends well."""
    printed, complaints = process.communicate(timeout=timeout_s)
    assert process.returncode == 0, complaints
    return json.loads(printed.splitlines()[-1])
