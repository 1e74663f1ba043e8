"""A session that has begun, on the virtual board: STOP during its write, and ends that the device misses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openknead_sim.virtual import VirtualBoard

RUN_REQ = 3
SETTLE_MS = 600
RAN_S = 20
PLAN_S = 600


@pytest.fixture
def board() -> VirtualBoard:
    made = VirtualBoard(seed=1)
    made.power_on()
    made.run_ms(SETTLE_MS)
    return made


def dose(board: VirtualBoard) -> dict[str, Any]:
    found: dict[str, Any] = board.rpc("dose.get")
    return found


def test_stop_tapped_during_the_write_before_a_session_keeps_the_motor_off(board: VirtualBoard) -> None:
    for _ in range(10):
        board.hold("plus")
        board.run_ms(80)
        board.release("plus")
        operations = board.flash.chip.operations

        def writes(before: int = operations) -> bool:
            return board.flash.chip.operations > before

        assert board.run_until(writes, 200, 1)  # the first operation of several
        board.hold("stop")
        board.run_ms(2)
        board.release("stop")
        assert not board.run_until(lambda: board.chip.level(RUN_REQ), 1_000, 1)
        status = board.rpc("status")
        assert (status["state"], status["reason"], status["fault"]) == ("IDLE", "stop_button", None)
    assert dose(board)["total_s"] == 0


def test_the_write_is_over_before_the_motor_is_armed_and_delays_it_by_a_fifth_of_a_second_at_most(
    board: VirtualBoard,
) -> None:
    for _ in range(20):
        board.press("plus", 80)
        before_ms = board.now_ms
        assert board.run_until(lambda: board.chip.level(RUN_REQ), 1_000, 1)
        assert board.now_ms - before_ms <= 200
        operations = board.flash.chip.operations
        board.run_ms(1_000)
        status = board.rpc("status")
        assert (status["state"], status["fault"]) == ("RUNNING", None)
        assert board.flash.chip.operations == operations
        board.press("stop")
        board.run_ms(500)


def ctrl_c(board: VirtualBoard) -> None:
    board.send(b"\x03")
    board.run_ms(500)
    board.send(b"\x04")


def crash(board: VirtualBoard) -> None:
    def fail(_app: object, _now_us: int) -> None:
        raise ValueError("boom")

    assert board.sandbox
    board.sandbox.module("massager.app").App.tick = fail


def watchdog(board: VirtualBoard) -> None:
    board.reset(watchdog_reason=1)


def plug(board: VirtualBoard) -> None:
    board.power_cut()
    board.run_ms(1_000)
    board.power_on()


@pytest.mark.parametrize(
    ("end", "how", "least_s", "most_s"),
    [
        (ctrl_c, "within_10_s", RAN_S - 1, RAN_S + 1),
        (crash, "within_10_s", RAN_S - 1, RAN_S + 1),
        (watchdog, "within_10_s", RAN_S - 1, RAN_S + 1),
        (VirtualBoard.brown_out, "as_planned", PLAN_S, PLAN_S),
        (plug, "as_planned", PLAN_S, PLAN_S),
    ],
)
def test_an_end_that_the_device_misses_is_charged(
    board: VirtualBoard, end: Callable[[VirtualBoard], None], how: str, least_s: int, most_s: int
) -> None:
    board.press("plus", 80)
    board.run_ms(RAN_S * 1_000)
    end(board)
    board.run_ms(2_000)
    found = dose(board)
    assert least_s <= found["total_s"] <= most_s
    assert found["charged"] == {how: found["total_s"]}
