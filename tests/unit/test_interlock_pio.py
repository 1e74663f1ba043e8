"""The interlock's PIO programs, instruction by instruction, as the firmware's source has them.

`pioemu` runs one state machine; `Bench` lets the three run side by side, each at its own clock, on one pin.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pioemu
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pio_programs import Program, assemble, firmware_module, program

FIRMWARE = firmware_module()
KEY_1, KEY_2, FEED, OFF = FIRMWARE.KEY_1, FIRMWARE.KEY_2, FIRMWARE.FEED, FIRMWARE.OFF
DEADMAN_US = 1e6 / FIRMWARE.DEADMAN_HZ  # one cycle
ROUND_US = 35 * DEADMAN_US  # between two looks of the dead-man at its FIFO

CLOCK_HZ = 125_000_000
FIFO_WORDS = 4
IN_BASE, JMP_PIN, SET_BASE = 0, 1, 2  # bits by which pioemu sees a machine's three pins
SET_PINS = 0xE000
SEES_STOP = 1 << JMP_PIN
CAP_S = 2 * (27 << 15) / FIRMWARE.CAP_HZ


class Machine:
    """A state machine on the bench. sees: the pins it looks at, as bits, by what they are wired to."""

    def __init__(self, bench: "Bench", code: Program, hz: int, stop_bits: int, run_req_bits: int) -> None:
        self.cycle_us = (CLOCK_HZ * 256 // hz) * 1e6 / (CLOCK_HZ * 256)
        self.fifo = pioemu.State().transmit_fifo
        self._bench = bench
        self._code = code
        self._stop_bits = stop_bits
        self._run_req_bits = run_req_bits
        self._begin(pioemu.State(transmit_fifo=self.fifo))

    def _begin(self, state: pioemu.State) -> None:
        self.state = state
        self._steps: Iterator[tuple[pioemu.State, pioemu.State]] = pioemu.emulate(
            list(self._code.opcodes),
            stop_when=lambda _opcode, _state: False,
            initial_state=state,
            input_source=self._inputs,
            shift_isr_right=self._code.options.get("in_shiftdir", 1) == 1,
            jmp_pin=JMP_PIN,
            set_base=SET_BASE,
            set_count=1,
            wrap_target=self._code.wrap_target,
            wrap_top=self._code.wrap,
        )

    def _inputs(self, _state: pioemu.State) -> int:  # pioemu looks at the annotation
        bench = self._bench
        return bench.stop * self._stop_bits | bench.run_req * self._run_req_bits

    @property
    def due_us(self) -> float:
        """When its next instruction is due."""
        return self.state.clock * self.cycle_us

    def step(self) -> None:
        """Execute it."""
        opcode = self._code.opcodes[self.state.program_counter]
        _, self.state = next(self._steps)
        self.fifo = self.state.transmit_fifo
        if opcode & 0xE0E0 == SET_PINS:
            self._bench.drive(bool(self.state.pin_values >> SET_BASE & 1))

    def set_x(self, x: int) -> None:
        """Change the scratch register X, which counts: time passed that nobody had to watch."""
        self._begin(replace(self.state, x_register=x))


class Bench:
    """The machines asked for on RUN_REQ and STOP, from their start at 0.

    stop: level of the STOP wire, True = open; run_req: level of the pin; edges: [(µs, level)].
    """

    def __init__(self, *names: str, stop: bool = False) -> None:
        self.now_us = 0.0
        self.stop = stop
        self.run_req = False
        self.edges: list[tuple[float, bool]] = []
        made = {
            "deadman": (FIRMWARE.DEADMAN_HZ, 1 << JMP_PIN, 0),
            "stop_guard": (FIRMWARE.STOP_HZ, 1 << IN_BASE, 0),
            "session_cap": (FIRMWARE.CAP_HZ, 0, 1 << IN_BASE | 1 << JMP_PIN),
        }
        self.machines = {
            name: Machine(self, program(name), *made[name]) for name in made if not names or name in names
        }

    def drive(self, level: bool) -> None:
        """RUN_REQ gets this level now."""
        if level != self.run_req:
            self.run_req = level
            self.edges.append((self.now_us, level))

    def write(self, *words: int) -> None:
        """Words from the CPU to the dead-man; lost when its FIFO is full."""
        for word in words:
            fifo = self.machines["deadman"].fifo
            if len(fifo) < FIFO_WORDS:
                fifo.append(word)

    def disarm(self) -> None:
        """As Interlock.disarm does."""
        self.drive(False)
        self.write(OFF)

    def run_us(self, duration_us: float) -> None:
        """Let time pass. When two machines are due at once, the higher one writes last, as on the chip."""
        end_us = self.now_us + duration_us
        machines = list(self.machines.values())
        while True:
            machine = min(machines, key=lambda m: m.due_us)
            if machine.due_us >= end_us:
                break
            self.now_us = machine.due_us
            machine.step()
        self.now_us = end_us

    def until(self, level: bool, within_us: float) -> float:
        """Run until RUN_REQ has this level; the time it took from now to the edge, µs."""
        began_us = self.now_us
        while self.run_req != level and self.now_us < began_us + within_us:
            self.run_us(DEADMAN_US)
        assert self.run_req == level, f"RUN_REQ not {level} within {within_us} us"
        return self.edges[-1][0] - began_us

    def armed(self) -> "Bench":
        """Armed and up."""
        self.run_us(500)
        self.write(KEY_1, KEY_2)
        self.until(True, 2000)
        return self

    def fed_us(self, duration_us: float, period_us: float = 10_000) -> None:
        """Let time pass, fed all the while."""
        end_us = self.now_us + duration_us
        while self.now_us < end_us:
            self.write(FEED)
            self.run_us(min(period_us, end_us - self.now_us))


def test_all_three_fit_the_block():
    assert sum(len(assemble(name)) for name in ("deadman", "stop_guard", "session_cap")) <= 32


def test_the_constants_are_those_in_the_program():
    set_y, mask = 0xE040, 0xE0E0  # the operand is in the lowest five bits
    operands = [op & 31 for op in assemble("deadman") if op & mask == set_y]
    assert operands == [KEY_1, KEY_2, FIRMWARE.DEADMAN_COUNTS]


def test_every_wait_looks_at_its_own_pin():
    waits = [op for name in ("stop_guard", "session_cap") for op in assemble(name) if op >> 13 == 1]
    assert len(waits) == 2
    assert all(op & 31 == 0 for op in waits)


def test_low_from_the_start():
    bench = Bench()
    bench.run_us(50_000)
    assert bench.edges == []
    for name in bench.machines:
        assert program(name).options["set_init"] == 2  # OUT_LOW


def test_feeding_is_not_arming():
    bench = Bench()
    bench.fed_us(300_000)
    assert bench.edges == []


@pytest.mark.parametrize(
    "words",
    [
        (KEY_1,),
        (KEY_2,),
        (KEY_2, KEY_1),
        (KEY_1, FEED, KEY_2),
        (KEY_1, KEY_1, KEY_2),
        (KEY_1, OFF, KEY_2),
        (0, KEY_2),
        (KEY_1 | 1 << 31, KEY_2),
    ],
)
def test_other_words_do_not_arm(words):
    bench = Bench()
    bench.write(*words)
    bench.run_us(5000)
    bench.fed_us(50_000)
    assert bench.edges == []


@given(st.lists(st.sampled_from([KEY_1, KEY_2, FEED, OFF, 0, 0xFFFFFFFF]), max_size=12))
def test_without_both_keys_in_a_row_it_never_rises(words):
    bench = Bench("deadman")
    for word in words:
        bench.write(word)
        bench.run_us(1500)
    if (KEY_1, KEY_2) not in pairwise(words):
        assert bench.edges == []


def test_armed_with_stop_open_it_does_not_rise():
    bench = Bench(stop=True)
    bench.write(KEY_1, KEY_2)
    bench.fed_us(50_000)
    assert bench.edges == []
    bench.stop = False  # and closing STOP is not arming either
    bench.fed_us(50_000)
    assert bench.edges == []


def test_arms_within_two_milliseconds():
    bench = Bench()
    bench.run_us(777)
    bench.write(KEY_1, KEY_2)
    assert bench.until(True, 10_000) <= 2000


@settings(max_examples=200)
@given(st.floats(0, 3 * ROUND_US), st.integers(0, 5))
def test_drops_100_to_110_ms_after_the_last_feed_wherever_it_comes(phase_us, feeds_before):
    bench = Bench("deadman").armed()
    bench.fed_us(feeds_before * 10_000 + 1)
    bench.run_us(phase_us)
    bench.write(FEED)
    assert 100_000 <= bench.until(False, 120_000) <= 110_000


def test_drop_after_every_cycle_of_the_round(record_property):
    took_us = []
    for cycle in range(35):
        bench = Bench("deadman").armed()
        bench.run_us((cycle + 0.5) * DEADMAN_US)
        bench.write(FEED)
        took_us.append(bench.until(False, 120_000))
    record_property("pio_deadman_ms", f"{min(took_us) / 1000:.1f}…{max(took_us) / 1000:.1f}")
    assert min(took_us) > 102_000 and max(took_us) < 105_700


def test_feeds_every_ten_milliseconds_hold_it():
    bench = Bench().armed()
    bench.fed_us(1_000_000)
    assert [level for _, level in bench.edges] == [True]


@pytest.mark.parametrize("word", [OFF, 3, KEY_2, KEY_1, 0x8000_0001, 0xFFFF_FFFF])
def test_any_other_word_trips(word):
    bench = Bench().armed()
    bench.fed_us(20_000)
    bench.write(word)
    assert bench.until(False, 10_000) <= ROUND_US + 500
    bench.fed_us(150_000)
    assert not bench.run_req


def test_the_word_0_counts_as_none():
    bench = Bench().armed()
    bench.write(FEED)
    bench.run_us(20_000)
    bench.write(0)
    assert 80_000 <= bench.until(False, 120_000) <= 90_000


def test_feeding_after_a_trip_never_rearms():
    bench = Bench().armed()
    bench.until(False, 120_000)
    bench.fed_us(500_000, period_us=3000)
    assert [level for _, level in bench.edges] == [True, False]
    bench.armed()  # arming does


def test_feeds_in_a_burst_overrun_nothing():
    bench = Bench().armed()
    bench.write(*[FEED] * 20)
    assert 100_000 <= bench.until(False, 130_000) <= 110_000 + 3 * ROUND_US


def test_disarmed_it_is_low_at_once_and_can_be_armed_right_after():
    for cycle in range(35):
        bench = Bench().armed()
        bench.run_us(cycle * DEADMAN_US)
        bench.disarm()
        assert not bench.run_req
        bench.write(KEY_1, KEY_2)
        assert bench.until(True, 10_000) <= 6000


def test_low_long_enough_for_the_cap_to_notice_whenever_it_is_disarmed():
    for cycle in range(35):
        bench = Bench("deadman").armed()
        bench.run_us(cycle * DEADMAN_US + 50)
        bench.disarm()
        bench.write(KEY_1, KEY_2)
        assert bench.until(True, 10_000) > 2 * 1e6 / FIRMWARE.CAP_HZ


@settings(max_examples=50)
@given(st.floats(0, 5000))
def test_stop_pulls_low_within_60_us_and_only_arming_raises_it(phase_us):
    bench = Bench().armed()
    bench.write(FEED)
    bench.run_us(phase_us)
    bench.stop = True
    assert bench.until(False, 1000) <= 60
    bench.fed_us(15_000)
    bench.stop = False
    bench.fed_us(30_000)
    assert not bench.run_req
    bench.armed()


def test_the_shortest_stop_that_is_seen_lasts_too():
    bench = Bench().armed()
    bench.write(FEED)
    bench.run_us(1234)
    bench.stop = True
    bench.run_us(21)  # a contact that bounces: a cycle of the guard, unseen by the dead-man
    bench.stop = False
    assert bench.until(False, 1000) <= 60
    bench.fed_us(90_000)
    assert not bench.run_req
    bench.disarm()
    bench.run_us(6000)
    bench.armed()


def test_stop_guard_wins_over_the_deadman_that_rises():
    """STOP opens between the dead-man's last look at it and the instruction that raises the pin."""
    bench = Bench()
    bench.write(KEY_1, KEY_2)
    deadman = bench.machines["deadman"]
    while deadman.state.program_counter != assemble("deadman").index(0xE001):
        bench.run_us(DEADMAN_US / 10)
    bench.stop = True
    bench.fed_us(5000)
    assert bench.edges == [] or (not bench.run_req and bench.edges[-1][0] - bench.edges[0][0] <= 20)


@pytest.mark.emulator_long
def test_cap_ends_it_905_s_after_the_rise_whatever_is_fed(record_property):
    """At full length: every one of its 1.77 million instructions."""
    bench = Bench("session_cap")
    bench.run_us(3000)
    bench.drive(True)  # and nothing takes it low: a dead-man that is fed for ever
    rise_us = bench.now_us
    bench.run_us(CAP_S * 0.999 * 1e6)
    assert bench.run_req
    fall_us = rise_us + CAP_S * 0.999 * 1e6 + bench.until(False, 2e6)
    record_property("pio_cap_s", round((fall_us - rise_us) / 1e6, 2))
    assert (fall_us - rise_us) / 1e6 == pytest.approx(905, rel=1e-3)


def until_cap(bench: Bench, seconds: float) -> None:
    """Turn the cap's counter forward to so many seconds before its end."""
    bench.fed_us(10_000)  # by then it has begun to count
    bench.machines["session_cap"].set_x(round(seconds * FIRMWARE.CAP_HZ / 2))


def test_every_count_of_the_cap_takes_two_cycles():
    """What `until_cap` leaves out is only more of the same."""
    bench = Bench("session_cap")
    bench.drive(True)
    cap = bench.machines["session_cap"]
    bench.run_us(10 * cap.cycle_us)
    assert 0 < (27 << 15) - cap.state.x_register < 5
    clock, x = cap.state.clock, cap.state.x_register
    bench.run_us(2000 * cap.cycle_us)
    assert cap.state.clock - clock == 2 * (x - cap.state.x_register) == 2000


def test_feeds_do_not_extend_the_cap_and_do_not_raise_it_again():
    bench = Bench().armed()
    until_cap(bench, 0.3)
    bench.fed_us(290_000)
    assert bench.run_req
    bench.fed_us(20_000)
    assert not bench.run_req
    bench.fed_us(200_000)
    assert not bench.run_req


def test_keys_while_armed_trip():
    bench = Bench().armed()
    bench.fed_us(100_000)
    bench.write(KEY_1, KEY_2)
    assert bench.until(False, 10_000) <= ROUND_US + 500


def test_cap_counts_anew_once_it_was_low():
    bench = Bench().armed()
    until_cap(bench, 0.1)
    bench.disarm()
    bench.run_us(6000)
    bench.armed()
    bench.fed_us(200_000)
    assert bench.run_req
    left = bench.machines["session_cap"].state.x_register
    assert (27 << 15) - left == pytest.approx(0.2 * FIRMWARE.CAP_HZ / 2, abs=5)
