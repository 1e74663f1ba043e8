"""The interlock alone on real MicroPython: it holds whatever the CPU does.

Figures go into the report of the run as properties; `tests/unit/test_interlock_pio.py` has the programs
instruction by instruction.
"""

import pytest
import versions
from openknead_sim.emulator import filesystem, firmware
from pio_programs import FOLDER, program
from test_interlock_pio import Bench as PioBench

pico_module = pytest.importorskip("openknead_sim.emulator.pico", reason="pip install 'openknead[emulator]'")

pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("emulator")]

long = pytest.mark.emulator_long
RUN_REQ, STOP, MARK = 3, 6, 2
KEY_1, KEY_2, FEED, OFF = 21, 10, 1, 2
CAP_S = 905

SETUP = """
import time
import machine
from machine import Pin, mem32
from interlock import *
Pin(6, Pin.IN, Pin.PULL_UP)
run_req = Pin(3)
mark = Pin(2, Pin.OUT, value=0)
il = Interlock(3, 6)

def armed():
    il.arm()
    for _ in range(5):
        time.sleep_ms(10)
        il.feed()
    mark(1)
"""
SM0_INSTR, SET_LOW = 0xD8, 0xE000
SM2_CLKDIV = 0x502000F8
FASTER = """
il.disarm()
divider = mem32[{address}] >> 8 & 0xFFFFFF  # in 1/256
mem32[{address}] = divider // {times} << 8
time.sleep_ms(10)
"""
FED_UNTIL_LOW = """
armed()
while run_req():
    il.feed()
    time.sleep_ms(90)
"""
HANGS = {
    "busy": "while True: pass",
    "interrupts_off": "machine.disable_irq()\nwhile True: pass",
    "asleep": "time.sleep_ms(1000)",
}


class Bench:
    """A Pico with the interlock and nothing else.

    edges: [(µs, level)] of RUN_REQ, from the first rise on; marked_us: when MARK rose last.
    """

    def __init__(self, image):
        interlock = firmware.compile_mpy((FOLDER / "interlock.py").read_bytes(), "interlock.py")
        boot = (firmware.firmware_folder() / "boot.py").read_bytes()
        self.pico = pico = pico_module.EmulatedPico(
            image, filesystem.build({"interlock.mpy": interlock, "boot.py": boot})
        )
        self.edges = []
        self.marked_us = None
        pico.loop_back(RUN_REQ)
        pico.on_edge(RUN_REQ, self._edge)
        pico.on_edge(MARK, self._marked)
        self.stop = False
        pico.connect()
        pico.interrupt()
        pico.exec(SETUP)
        assert self.edges == []

    def _edge(self, high):
        if high or self.edges:
            self.edges.append((self.pico.now_us, high))

    def _marked(self, high):
        if high:
            self.marked_us = self.pico.now_us

    def begin(self, source):
        """Run code that does not come back."""
        self.pico.send(pico_module.CTRL_A)
        self.pico.expect(pico_module.RAW_PROMPT)
        self.pico.send(source.encode() + pico_module.CTRL_D)
        self.pico.expect(b"OK")

    def is_high(self):
        return self.pico.pin(RUN_REQ).high

    def until(self, high, timeout_us):
        """Run until RUN_REQ has this level; when it took it, µs."""
        self.pico.run_until(lambda: self.is_high() == high, timeout_us, f"RUN_REQ {high}", step_us=100)
        return self.edges[-1][0]

    def write(self, *words):
        """Words to the dead-man, past the CPU."""
        for word in words:
            self.pico.mcu.pio[0].machines[0].write_fifo(word)

    def disarm(self):
        """As Interlock.disarm does, past the CPU."""
        self.pico.mcu.pio[0].write_uint32(SM0_INSTR, SET_LOW)
        self.write(OFF)

    @property
    def stop(self):
        """Whether STOP is open."""
        return self._stop

    @stop.setter
    def stop(self, is_open):
        self._stop = is_open
        self.pico.drive(STOP, None if is_open else False)

    def run_us(self, duration_us):
        self.pico.run_us(duration_us)


@pytest.fixture(params=[versions.REFERENCE, *(pytest.param(old, marks=long) for old in versions.OLDER)])
def bench(request, image):
    return Bench(image(request.param))


def test_programs_are_as_the_tests_assemble_them(bench):
    for name in ("deadman", "stop_guard", "session_cap"):
        assert bench.pico.exec(f"print(list({name}[0]))") == f"{list(program(name).opcodes)}\n"


@pytest.mark.parametrize("hang", ["busy", "asleep", pytest.param("interrupts_off", marks=long)])
def test_deadman_drops_100_to_110_ms_after_the_last_feed_of_a_cpu_that_hangs(bench, hang, record_property):
    bench.begin(f"armed()\n{HANGS[hang]}\n")
    bench.pico.run_until(lambda: bench.marked_us, 300e3, "armed")
    assert bench.is_high()
    fell_us = bench.until(False, 200e3)
    after_ms = (fell_us - bench.marked_us) / 1000
    record_property("deadman_ms_min", round(after_ms, 2))
    record_property("deadman_ms_max", round(after_ms, 2))
    assert 100 <= after_ms <= 110
    assert [high for _, high in bench.edges] == [True, False]


def test_feeding_after_a_trip_never_rearms(bench):
    bench.pico.exec("armed()\ntime.sleep_ms(120)\nfor _ in range(50):\n    il.feed()\n    time.sleep_ms(5)")
    assert [high for _, high in bench.edges] == [True, False]
    bench.pico.exec("il.arm()\ntime.sleep_ms(3)")
    assert bench.is_high()


def test_disarm_is_at_once(bench):
    bench.begin("il.arm()\ntime.sleep_ms(8)\nmark(1)\nil.disarm()\n")
    bench.pico.run_until(lambda: bench.marked_us, 100e3, "mark", step_us=10)
    assert bench.is_high()
    bench.pico.run_until(lambda: not bench.is_high(), 100, "RUN_REQ low", step_us=1)


def test_stop_pulls_low_within_half_a_millisecond_of_a_busy_hang(bench, record_property):
    bench.begin("armed()\nwhile True: pass\n")
    bench.pico.run_until(lambda: bench.marked_us, 300e3, "armed")
    took_us = []
    for phase_us in (0, 111, 773, 1337, 2801):
        bench.pico.run_us(phase_us)
        assert bench.is_high()
        pressed_us = bench.pico.now_us
        bench.pico.drive(STOP, None)
        took_us.append(bench.until(False, 1000) - pressed_us)
        bench.pico.run_us(4000)
        bench.pico.drive(STOP, False)
        bench.write(FEED, FEED)
        bench.pico.run_us(500)
        assert not bench.is_high()
        bench.write(KEY_1, KEY_2)
        bench.until(True, 2000)
    record_property("stop_edge_us", round(max(took_us), 1))
    assert max(took_us) <= 500


def test_cap_ends_what_is_armed_and_fed_with_its_clock_100_times_faster(bench, record_property):
    bench.pico.exec(FASTER.format(address=SM2_CLKDIV, times=100))
    bench.pico.exec(FED_UNTIL_LOW, timeout_us=12e6)
    (rise_us, _), (fall_us, _) = bench.edges
    record_property("cap_s", round((fall_us - rise_us) / 1e6 * 100, 2))
    assert fall_us - rise_us == pytest.approx(CAP_S / 100 * 1e6, rel=1e-3)


@long
def test_cap_ends_what_is_armed_and_fed_after_905_s(bench, record_property):
    bench.pico.exec(FED_UNTIL_LOW, timeout_us=1000e6)
    (rise_us, _), (fall_us, _) = bench.edges
    record_property("cap_s", round((fall_us - rise_us) / 1e6, 2))
    assert fall_us - rise_us == pytest.approx(CAP_S * 1e6, rel=1e-3)


def test_soft_reset_while_armed_takes_it_low(bench):
    bench.pico.exec("armed()")
    assert bench.is_high()
    bench.pico.soft_reset()
    bench.pico.run_until(lambda: bench.pico.pin(RUN_REQ).plain_low, 50e3, "boot guard", step_us=100)
    bench.pico.run_us(200e3)
    assert bench.pico.pin(RUN_REQ).plain_low


# What is done to it, and the time after that, µs: between cycles, far from the dead-man's look at its FIFO.
PLAYS = {
    "armed and left": [("arm", 150_050)],
    "fed, then left": [("arm", 12_050), ("feed", 20_000), ("feed", 9_000), ("feed", 150_000)],
    "disarmed and armed again": [("arm", 12_050), ("feed", 10_000), ("disarm", 8_000), ("arm", 150_000)],
    "keys while armed": [("arm", 12_050), ("arm", 8_000), ("feed", 50_000)],
    "stopped, fed, armed": [
        *(("arm", 12_050), ("feed", 10_000), ("open", 10_000), ("close", 5_000)),
        *(("feed", 20_000), ("arm", 150_000)),
    ],
    "armed with STOP open": [("open", 5_000), ("arm", 20_000), ("close", 20_000), ("feed", 20_000)],
}
ACTIONS = {
    "arm": lambda bench: bench.write(KEY_1, KEY_2),
    "feed": lambda bench: bench.write(FEED),
    "disarm": lambda bench: bench.disarm(),
    "open": lambda bench: setattr(bench, "stop", True),
    "close": lambda bench: setattr(bench, "stop", False),
}


def test_does_what_the_instructions_say(bench):
    """The emulated Pico's state machines against pioemu's: same levels, same times.

    But for the phase of the clocks; and a level forced by `disarm` shows with the next step of any machine.
    """
    for name, play in PLAYS.items():
        model = PioBench()
        model.run_us(20_050)
        began_us = bench.pico.now_us
        bench.edges.clear()
        for action, pause_us in play:
            for one in (bench, model):
                ACTIONS[action](one)
                one.run_us(pause_us)
        assert [high for _, high in bench.edges] == [high for _, high in model.edges], name
        for (seen_us, _), (due_us, _) in zip(bench.edges, model.edges, strict=True):
            assert seen_us - began_us == pytest.approx(due_us - 20_050, abs=600), name
        bench.disarm()
        bench.run_us(10_000)
