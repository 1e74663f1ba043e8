"""Ticks that come late, up to tick_overrun: what protects keeps its times, and what is sound runs on."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from openknead_sim import inject
from openknead_sim.plant import Hand
from openknead_sim.rig import RUN_REQ
from openknead_sim.virtual import VirtualBoard

TICK_MS = 10
LATE_MS = 39  # a tick of 49 ms: one of more than 50 is tick_overrun
OFF_MS = 500

levels = st.integers(1, 11)
late_ms = st.integers(0, LATE_MS)


def running(level: int, late: float, pressure: float = 0.0) -> VirtualBoard:
    """A session by button, at its level, whose ticks come late by so many ms: none is left for a host."""
    board = VirtualBoard(seed=level, hand=Hand(pressure))
    board.power_on()
    board.run_ms(400)
    board.agreed("settings.set", values={"default_level": level, "slew_s": 1})
    board.press("plus", 100)
    board.run_ms(1_000 * (level + 2))
    inject.begin(board, "slow_tick", late)
    board.run_ms(3_000)
    return board


def status(board: VirtualBoard) -> tuple[str, str | None]:
    """State and fault, once the ticks are in time again."""
    inject.mend(board, "slow_tick")
    board.run_ms(100)
    told = board.rpc("status")
    return told["state"], told["fault"] and told["fault"]["name"]


def off_after_ms(
    board: VirtualBoard, name: str, value: float | str | None = None
) -> tuple[float, str | None]:
    """Time from a failure to RUN_REQ low, and the fault that was named."""
    assert board.chip.levels[RUN_REQ]
    begun = board.now_ms
    off: list[float] = []
    board.chip.watch(RUN_REQ, lambda _pin: off.append(board.now_ms - begun))
    inject.begin(board, name, value)
    board.run_ms(2_000)
    assert off
    return off[0], status(board)[1]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(levels, late_ms, st.floats(0.0, 1.0))
def test_a_blocked_rotor_is_off_within_half_a_second(level: int, late: int, pressure: float) -> None:
    took_ms, fault = off_after_ms(running(level, late, pressure), "blocked")
    assert fault in ("stall", "over_current")
    assert took_ms <= OFF_MS


@settings(max_examples=15, deadline=None, derandomize=True)
@given(levels, late_ms)
def test_over_current_is_off_at_its_second_reading(level: int, late: int) -> None:
    took_ms, fault = off_after_ms(running(level, late), "current_short", "rail")
    assert fault == "over_current"
    assert took_ms <= 2 * (TICK_MS + late) + 1


@settings(max_examples=30, deadline=None, derandomize=True)
@given(levels, late_ms, st.floats(0.0, 1.0))
def test_a_sound_motor_raises_no_alarm(level: int, late: int, pressure: float) -> None:
    board = running(level, late)
    for press in (pressure, 0.0, pressure):
        board.plant.hand = Hand(press)
        board.run_ms(3_000)
    for button in ("plus", "minus", "minus"):
        board.press(button, 200)
        board.run_ms(2_000)
    assert status(board) == ("RUNNING", None)
