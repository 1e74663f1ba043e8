"""Two devices in one event loop, each with its own session."""

from __future__ import annotations

import asyncio

import pytest
from conftest import TIMEOUT_S
from openknead import Device, Event, aio, connect
from openknead.virtual import virtual_board

HANG = 60.0


def test_two_boards_play_their_sessions_side_by_side(device: Device) -> None:
    """One goes to its end; the other one's task is cancelled, which stops its motor alone."""

    async def session(port: str, level: int, minutes: float, begun: asyncio.Event) -> tuple[int, str]:
        async with aio.connect(port, timeout=TIMEOUT_S) as board:
            await board.start(level, minutes)
            top = 0
            async for sample in board.telemetry(hz=10):
                top = max(top, sample.level_milli)
                if top == 1000 * level:
                    begun.set()
            return top, (await board.wait(HANG)).reason

    async def both(port: str, other: str) -> tuple[int, str]:
        begun, begun_too = asyncio.Event(), asyncio.Event()
        long = asyncio.create_task(session(port, 2, 10.0, begun))
        short = asyncio.create_task(session(other, 3, 0.5, begun_too))
        await asyncio.wait_for(begun.wait(), HANG)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        return await asyncio.wait_for(short, HANG)

    port = device.port
    device.close()  # one process, one owner of a port
    with virtual_board("--seed", "7") as other:
        assert asyncio.run(both(port, other)) == (3000, "completed")
        with connect(other, timeout=TIMEOUT_S) as board:
            assert board.last_end().reason == "completed"
    with connect(port, timeout=TIMEOUT_S) as board:
        assert (board.status().state, board.last_end().reason) == ("IDLE", "host_stop")


def test_a_killed_process_leaves_the_session_to_the_heartbeat(device: Device) -> None:
    """What `close` cannot do any more, the device does: here the heartbeat alone is gone."""

    async def run(port: str) -> str:
        async with aio.connect(port, timeout=TIMEOUT_S) as board:
            await board.start(1, 5)
            board._device._keeper.stop()
            return (await board.wait(HANG)).reason

    port = device.port
    device.close()
    assert asyncio.run(run(port)) == "host_lost"


def test_a_cancelled_change_takes_its_question_back(device: Device) -> None:
    """Or whoever presses MODE a little later would agree to what nobody wants any more."""

    async def ask_and_leave(port: str) -> list[str]:
        async with aio.connect(port, timeout=TIMEOUT_S) as board, board.feed() as feed:
            asked = asyncio.Event()
            changing = asyncio.create_task(
                board.set({"pad_sensor": False}, waiting=lambda names, left_s: asked.set())
            )
            await asyncio.wait_for(asked.wait(), HANG)
            changing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await changing
            told: list[str] = []
            while "replaced" not in told:
                item = await feed.next(HANG)
                if isinstance(item, Event) and item.name == "confirm":
                    told.append(item.value)
            assert await board.get("pad_sensor") is True
            return told

    port = device.port
    device.close()
    assert asyncio.run(ask_and_leave(port)) == ["asked", "replaced"]
