"""The simulated interlock: the behaviours of the PIO programs against the programs themselves.

The firmware's own `Interlock` runs on a simulated chip; what RUN_REQ does there is what `pioemu` makes of the
programs' instructions, for any sequence of words and STOP edges.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openknead_sim.chip import FLOATING, FUNC_PIO, Chip, Reset
from openknead_sim.modules import machine_names, rp2_names
from openknead_sim.packaged import firmware_folder
from openknead_sim.rig import RUN_REQ, STOP
from test_interlock_pio import Bench

KEY_1, KEY_2, FEED, OFF = 21, 10, 1, 2
TXF0 = 0x50200010
CYCLE_US = 100  # of the dead-man
GUARD_US = 60
HELD_US = 110_000  # longest that RUN_REQ stays high after a feed …
QUEUED_US = 3 * 37 * CYCLE_US  # … that has not three others before it in the FIFO
CAP_US = 905_100_000


class Model:
    """Interlock on a simulated chip. edges: [(µs, level)] of RUN_REQ since it was made."""

    def __init__(self, stop: bool = False) -> None:
        self.chip = chip = Chip()
        self.machine, rp2, micropython = (ModuleType(name) for name in ("machine", "rp2", "micropython"))
        vars(self.machine).update(machine_names(chip, "test"))
        vars(rp2).update(rp2_names(chip))
        micropython.const = lambda value: value  # type: ignore[attr-defined]
        path = firmware_folder() / "massager" / "interlock.py"
        names: dict[str, Any] = {"__name__": "interlock"}
        with patch.dict(sys.modules, {"machine": self.machine, "rp2": rp2, "micropython": micropython}):
            exec(compile(path.read_bytes(), str(path), "exec"), names)
        self.machine.Pin(STOP, 0, 1)
        self.stop = stop
        self.interlock = names["Interlock"](RUN_REQ, STOP)
        self.edges: list[tuple[int, bool]] = []
        chip.watch(RUN_REQ, self._edge)

    def _edge(self, pin: int) -> None:
        level = self.run_req
        if level != (self.edges[-1][1] if self.edges else False):
            self.edges.append((self.chip.clock_us, level))

    @property
    def run_req(self) -> bool:
        return self.chip.levels[RUN_REQ] == 1

    @property
    def stop(self) -> bool:
        """Whether STOP is open."""
        return self.chip.external[STOP] == FLOATING

    @stop.setter
    def stop(self, is_open: bool) -> None:
        self.chip.drive(STOP, FLOATING if is_open else 0)

    def write(self, *words: int) -> None:
        for word in words:
            self.machine.mem32[TXF0] = word

    def disarm(self) -> None:
        self.interlock.disarm()

    def run_us(self, us: int) -> None:
        self.chip.sleep_us(us)

    def armed(self) -> Model:
        self.interlock.arm()
        self.run_us(1000)
        assert self.run_req
        return self

    def fed_us(self, us: int, period_us: int = 10_000) -> None:
        for _ in range(us // period_us):
            self.interlock.feed()
            self.run_us(period_us)


@pytest.fixture
def model() -> Model:
    return Model()


ACTIONS: dict[str, Callable[[Any], object]] = {
    "arm": lambda bench: bench.write(KEY_1, KEY_2),
    "feed": lambda bench: bench.write(FEED),
    "feeds": lambda bench: bench.write(*[FEED] * 6),
    "key 1": lambda bench: bench.write(KEY_1),
    "key 2": lambda bench: bench.write(KEY_2),
    "off": lambda bench: bench.write(OFF),
    "zero": lambda bench: bench.write(0),
    "disarm": lambda bench: bench.disarm(),
    "rearm": lambda bench: (bench.disarm(), bench.write(KEY_1, KEY_2)),
    "open": lambda bench: setattr(bench, "stop", True),
    "close": lambda bench: setattr(bench, "stop", False),
    "nothing": lambda bench: None,
}
USUAL = ["arm", "feed", "feed", "feed", "rearm", "open", "close"]
# Between two cycles of the dead-man: what comes in the same instant as an instruction may be seen or not.
PAUSES_US = st.one_of(st.integers(1, 60), st.integers(60, 1200)).map(lambda cycles: cycles * CYCLE_US)
PLAYS = st.lists(st.tuples(st.sampled_from([*USUAL, *ACTIONS]), PAUSES_US), max_size=30)
WORDS = st.lists(
    st.tuples(st.sampled_from([name for name in ACTIONS if name not in ("open", "close")]), PAUSES_US),
    max_size=30,
)


def play(bench: Any, steps: list[tuple[str, int]]) -> list[tuple[float, bool]]:
    """The edges of RUN_REQ, without peaks as short as the guard's reaction."""
    bench.run_us(CYCLE_US // 2)
    for name, pause_us in steps:
        ACTIONS[name](bench)
        bench.run_us(pause_us)
    bench.run_us(150_000)
    edges: list[tuple[float, bool]] = []
    for at_us, level in bench.edges:
        if edges and not level and at_us - edges[-1][0] <= GUARD_US:
            edges.pop()
        else:
            edges.append((at_us, level))
    return edges


# -- as the programs are ------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@example([("arm", 900), ("open", 100), ("close", 300), ("arm", 5000), ("arm", 5000)])
@example([("arm", 5000), ("feed", 100), ("off", 100), ("key 1", 100), ("key 2", 100)])
@example([("arm", 1500), ("feeds", 10_000), ("feed", 101_000), ("feed", 100), ("open", 100), ("close", 900)])
@example([("arm", 28_800), ("feeds", 100)])
@given(PLAYS)
def test_run_req_does_what_the_instructions_say(steps):
    real, simulated = play(Bench(), steps), play(Model(), steps)
    assert [level for _, level in simulated] == [level for _, level in real]
    assert [at_us for at_us, _ in simulated] == pytest.approx([at_us for at_us, _ in real], abs=GUARD_US)


@settings(max_examples=100, deadline=None)
@given(WORDS)
def test_words_do_what_the_instructions_say_to_the_cycle(steps):
    assert play(Model(), steps) == play(Bench("deadman"), steps)


# -- promises -----------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@example([("arm", 100), ("feed", 100), ("feeds", 104_100), ("close", 6000)])
@given(PLAYS)
def test_never_high_with_stop_open_nor_unfed_nor_without_both_keys(steps):
    model = Model()
    words: list[int] = []
    held_us = opened_us = -1
    write = model.write

    def note(*sent: int) -> None:
        nonlocal held_us
        words.extend(sent)
        if FEED in sent or KEY_2 in sent:
            held_us = model.chip.clock_us
        write(*sent)

    model.write = note  # type: ignore[method-assign]
    for name, pause_us in steps:
        ACTIONS[name](model)
        if not model.stop:
            opened_us = -1
        elif opened_us < 0:
            opened_us = model.chip.clock_us
        for _ in range(pause_us // CYCLE_US):
            model.run_us(CYCLE_US)
            now_us = model.chip.clock_us
            if model.run_req:
                assert now_us - held_us <= HELD_US + QUEUED_US
                assert opened_us < 0 or now_us - opened_us <= GUARD_US + CYCLE_US
                assert (KEY_1, KEY_2) in pairwise(words)


def test_low_from_the_start_and_on_the_pin_of_the_pio(model):
    assert model.chip.func[RUN_REQ] == FUNC_PIO
    model.fed_us(300_000)
    assert model.edges == []


def test_stop_drops_it_at_its_instant_and_only_arming_raises_it(model):
    model.armed().fed_us(50_000)
    model.run_us(1234)
    opened_us = model.chip.clock_us
    model.stop = True
    assert model.edges[-1] == (opened_us, False)
    model.fed_us(20_000)
    model.stop = False
    model.fed_us(50_000)
    assert not model.run_req
    model.armed()


def test_disarmed_it_is_low_at_once_and_rises_within_6_ms_when_armed_again(model):
    model.armed()
    model.interlock.disarm()
    assert not model.run_req
    model.interlock.arm()
    model.run_us(6000)
    assert model.run_req


def test_a_full_fifo_loses_words(model):
    model.armed()
    model.write(FEED, FEED, FEED, FEED, OFF)
    model.fed_us(50_000)
    assert model.run_req


def test_feeds_for_ever_end_after_905_s(model):
    model.armed()
    rise_us = model.edges[0][0]
    model.fed_us(CAP_US - 2_000_000)
    assert model.run_req
    model.fed_us(4_000_000)
    assert model.edges[-1] == (pytest.approx(rise_us + CAP_US, abs=50_000), False)
    model.fed_us(2_000_000)
    assert not model.run_req


def test_the_cap_counts_anew_once_it_was_low(model):
    model.armed().fed_us(600_000_000)
    model.interlock.disarm()
    model.run_us(10_000)
    model.armed().fed_us(600_000_000)
    assert model.run_req


def test_a_hung_firmware_drops_it_by_the_deadman_before_the_watchdog_resets(model):
    model.machine.WDT(timeout=1000)
    model.armed().fed_us(100_000, period_us=10_000)
    last_us = model.chip.clock_us - 10_000
    model.chip.hang = True
    with pytest.raises(Reset):
        model.run_us(1)
    assert 100_000 < model.edges[-1][0] - last_us < HELD_US
    assert model.chip.watchdog_reason == 1


# -- beside the programs ------------------------------------------------------------------------------


def test_a_stuck_run_req_stays_high_and_the_machines_do_not_mind(model):
    model.armed()
    model.chip.stick(RUN_REQ, 1)
    model.interlock.disarm()
    model.run_us(200_000)
    assert model.run_req
    model.chip.stick(RUN_REQ, FLOATING)
    assert not model.run_req


def test_a_stuck_stop_is_stuck_for_the_pio_too(model):
    model.chip.stick(STOP, 0)
    model.armed()
    model.stop = True
    model.run_us(5000)
    assert model.run_req
    model.chip.stick(STOP, 1)
    assert not model.run_req


def test_plain_output_takes_the_pin_from_the_pio(model):
    model.armed()
    pin = model.machine.Pin
    pin(RUN_REQ, pin.OUT, value=0)
    assert not model.run_req
    model.fed_us(20_000)
    assert not model.run_req


def test_a_soft_reset_stops_the_machines_and_leaves_the_pin_as_it_is(model):
    model.armed()
    model.chip.soft_reset()
    model.run_us(300_000)
    model.stop = True
    assert model.run_req
    model.machine.mem32[TXF0] = OFF
    model.machine.mem32[0x502000D8] = 0xE000  # works on a stopped machine
    assert not model.run_req


def test_a_hard_reset_clears_it(model):
    model.armed()
    model.chip.hard_reset(3)
    assert not model.run_req
    assert not model.chip.pio_out[RUN_REQ]
    model.fed_us(100_000)
    assert not model.run_req


def test_a_stopped_deadman_holds_the_pin_until_it_goes_on(model):
    model.armed()
    machine = model.interlock._deadman
    machine.active(0)
    model.run_us(500_000)
    assert model.run_req
    machine.active(1)
    model.run_us(110_000)
    assert not model.run_req


def test_state_machine_calls_do_what_the_registers_do(model):
    machine = model.interlock._deadman
    for word in (KEY_1, KEY_2):
        machine.put(word)
    model.run_us(1000)
    assert model.run_req
    for _ in range(6):
        machine.put(FEED)  # waits for room
    assert machine.tx_fifo() <= 4
    machine.exec("set(pins, 0)")
    assert not model.run_req
    with pytest.raises(ValueError, match="not simulated"):
        machine.exec(0xE001)
