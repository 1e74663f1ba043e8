"""RUN_REQ drops whenever the session lets go of the motor, even if it takes it again between two ticks."""

from __future__ import annotations

import pytest
from openknead_sim.rpc import request
from openknead_sim.virtual import VirtualBoard

RUN_REQ = 3


def running() -> tuple[VirtualBoard, list[tuple[int, int]]]:
    """A board in a session, and the edges of RUN_REQ from now on: (time in us, level)."""
    board = VirtualBoard(seed=3, remote_start=True)
    board.power_on()
    board.run_ms(400)
    board.rpc("session.start", level=2, run_s=60)
    board.run_ms(1_000)
    assert board.chip.levels[RUN_REQ]
    edges: list[tuple[int, int]] = []
    board.chip.watch(RUN_REQ, lambda pin: edges.append((board.chip.clock_us, board.chip.levels[pin])))
    return board, edges


@pytest.mark.parametrize("offset_us", range(0, 10_000, 1_100))
@pytest.mark.parametrize(
    "lines",
    [
        request(901, "session.stop", {}) + request(902, "session.start", {"level": 2, "run_s": 60}),
        request(901, "session.pause", {}) + request(902, "session.resume", {}),
    ],
    ids=["stop and start", "pause and resume"],
)
def test_it_drops_and_is_armed_again(lines: bytes, offset_us: int) -> None:
    board, edges = running()
    board.run_ms(offset_us / 1_000)
    board.send(lines)
    board.run_ms(300)
    assert [level for _, level in edges] == [0, 1]
    status = board.rpc("status")
    assert (status["state"], status["fault"]) == ("RUNNING", None)


def test_a_stop_by_a_host_drops_it_within_two_ticks() -> None:
    slowest_us = 0
    for offset_us in range(0, 10_000, 500):
        board, edges = running()
        board.run_ms(offset_us / 1_000)
        sent_us = board.chip.clock_us
        board.send(request(901, "session.stop", {}))
        board.run_ms(100)
        assert [level for _, level in edges] == [0]
        slowest_us = max(slowest_us, edges[0][0] - sent_us)
    assert slowest_us <= 20_000
