"""The device for asyncio: the same methods, cancelled and closed without leaving anything behind."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from host_peer import Answer, Peer
from openknead import aio, connect, device, feed
from openknead.errors import DeviceTimeout, LinkLost, MotorRunning, OpenKneadError
from openknead.model import Sample
from openknead.selftest import SelftestReport

HANG = 20.0
INNER = {"translate"}  # what a Feed asks its device for
OTHER_SHAPE = {"feed"}  # an object that is opened in `async with`


async def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + HANG
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.005)
    return condition()


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_both_devices_have_the_same_methods() -> None:
    assert public(aio.Device) - {"hello", "port", "timeout"} == public(device.Device) - INNER
    assert public(aio.Feed) == public(feed.Feed) | {"missed"}


@pytest.mark.parametrize("name", sorted(public(device.Device) - INNER - OTHER_SHAPE))
def test_with_the_same_parameters_and_results(name: str) -> None:
    one, other = inspect.getattr_static(device.Device, name), inspect.getattr_static(aio.Device, name)
    assert inspect.getdoc(one).split("\n\n")[0] == inspect.getdoc(other).split("\n\n")[0]  # type: ignore[union-attr]
    if isinstance(one, property):
        assert isinstance(other, property)
        return
    given, wanted = inspect.signature(other), inspect.signature(one)
    assert given.parameters == wanted.parameters
    iterates = str(wanted.return_annotation).startswith("Iterator[")
    assert given.return_annotation == ("Async" if iterates else "") + wanted.return_annotation
    assert inspect.isasyncgenfunction(other) if iterates else inspect.iscoroutinefunction(other)


def test_connect_has_the_same_parameters() -> None:
    assert inspect.signature(aio.connect).parameters == inspect.signature(device.connect).parameters


def test_a_session_is_started_followed_and_over(peer: Peer) -> None:
    async def follow() -> list[int]:
        async with aio.connect(peer.port, timeout=HANG) as dev:
            await dev.start(level=3)

            async def play() -> None:
                await eventually(lambda: "telemetry.subscribe" in peer.methods())
                for t_ms in (100, 200, 300):
                    peer.sample(t_ms)
                peer.state = "IDLE"
                peer.event("state", "IDLE", reason="completed")

            playing = asyncio.create_task(play())
            seen = [sample.t_ms async for sample in dev.telemetry(hz=10)]
            await playing
            assert (await dev.wait(HANG)).reason == "host_stop"
            return seen

    assert asyncio.run(follow()) == [100, 200, 300]
    assert peer.requests[-1]["method"] == "status"
    assert {"hz": 0} in [request.get("params") for request in peer.requests]


def test_a_cancelled_telemetry_loop_ends_the_subscription(peer: Peer) -> None:
    async def loop(dev: aio.Device, seen: list[Sample]) -> None:
        async for sample in dev.telemetry(hz=10):
            seen.append(sample)

    async def run() -> None:
        async with aio.connect(peer.port, timeout=HANG) as dev:
            seen: list[Sample] = []
            task = asyncio.create_task(loop(dev, seen))
            await eventually(lambda: "telemetry.subscribe" in peer.methods())
            peer.sample(100)
            assert await eventually(lambda: bool(seen))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert peer.requests[-1]["params"] == {"hz": 0}
            assert len(dev._device.channel._listeners) == 1  # the device's own

    asyncio.run(run())


def test_so_does_one_that_is_left_or_fails(peer: Peer) -> None:
    async def run() -> None:
        async with aio.connect(peer.port, timeout=HANG) as dev:
            peer.answers["telemetry.subscribe"] = lambda params: peer.sample(100) or params
            async for _ in dev.telemetry(hz=10):
                break
            assert await eventually(lambda: peer.requests[-1].get("params") == {"hz": 0})
            with suppress(ZeroDivisionError):
                async for _ in dev.telemetry(hz=10):
                    raise ZeroDivisionError
            assert await eventually(lambda: peer.requests[-1].get("params") == {"hz": 0})

    asyncio.run(run())
    assert [r["params"]["hz"] for r in peer.requests if r["method"] == "telemetry.subscribe"] == [10, 0] * 2


def test_telemetry_that_stays_away_is_a_timeout(peer: Peer) -> None:
    async def run() -> None:
        async with aio.connect(peer.port, timeout=0.3) as dev:
            with pytest.raises(DeviceTimeout, match="silent"):
                await anext(dev.telemetry(hz=20))

    asyncio.run(run())


def test_a_cancelled_start_is_taken_back(peer: Peer) -> None:
    entered = threading.Event()

    def slowly(params: object) -> object:
        entered.set()
        time.sleep(0.3)
        return {"state": "RUNNING", "level": 3}

    peer.answers["session.start"] = slowly

    async def run() -> None:
        async with aio.connect(peer.port, timeout=HANG) as dev:
            task = asyncio.create_task(dev.start(level=3))
            await eventually(entered.is_set)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert peer.methods()[-1] == "session.stop"

    asyncio.run(run())


def test_a_stop_does_not_wait_behind_other_requests(peer: Peer) -> None:
    peer.silent.add("status")

    async def run() -> None:
        async with aio.connect(peer.port, timeout=HANG) as dev:
            waiting = [asyncio.create_task(dev.status()) for _ in range(8)]
            await eventually(lambda: peer.methods().count("status") == 8)
            await dev.stop()
            assert not any(task.done() for task in waiting)
            for task in waiting:
                task.cancel()

    asyncio.run(run())


def test_leaving_stops_the_session_that_was_started_there(peer: Peer) -> None:
    async def run() -> None:
        async with aio.connect(peer.port) as dev:
            await dev.start(level=3)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())
    assert peer.methods()[-1] == "session.stop"


def test_also_when_it_is_cancelled(peer: Peer) -> None:
    async def run() -> None:
        async with aio.connect(peer.port) as dev:
            await dev.start(level=3)
            await asyncio.sleep(HANG)

    async def cancel() -> None:
        task = asyncio.create_task(run())
        await eventually(lambda: "session.start" in peer.methods())
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert peer.methods()[-1] == "session.stop"

    asyncio.run(cancel())


def test_the_synchronous_device_stops_its_session_just_so(peer: Peer) -> None:
    with connect(peer.port) as dev:
        dev.start(level=3)
    assert peer.methods()[-1] == "session.stop"


def test_a_session_of_somebody_else_goes_on(peer: Peer) -> None:
    peer.state = "RUNNING"

    async def run() -> None:
        async with aio.connect(peer.port) as dev:
            await dev.status()

    asyncio.run(run())
    with connect(peer.port) as dev:
        dev.status()
    assert "session.stop" not in peer.methods()


def test_a_device_that_does_not_answer_does_not_hold_up_the_end(peer: Peer) -> None:
    with connect(peer.port, timeout=HANG) as dev:
        dev.start(level=3)
        peer.silent |= {"session.stop", "session.keepalive"}
        began = time.monotonic()
    assert time.monotonic() - began < HANG / 2


def test_a_feed_that_is_not_read_is_bounded_and_counts(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "QUEUE_LIMIT", 10)

    async def run() -> None:
        async with aio.connect(peer.port) as dev, dev.feed() as items:
            for t_ms in range(100, 5100, 100):
                peer.sample(t_ms)
            assert await eventually(lambda: items.missed == 40)
            seen = []
            while item := await items.get(0.0):
                seen.append(item.t_ms)
            assert seen == list(range(100, 1100, 100))

    asyncio.run(run())


def test_a_feed_has_to_be_opened(peer: Peer) -> None:
    async def run() -> None:
        async with aio.connect(peer.port) as dev:
            with pytest.raises(OpenKneadError, match="not open"):
                await dev.feed().get(0.1)

    asyncio.run(run())


def test_a_closed_device_says_so_to_everybody(peer: Peer) -> None:
    async def run() -> None:
        dev = await aio.connect(peer.port)
        telemetry = asyncio.create_task(anext(dev.telemetry(hz=10)))
        await eventually(lambda: "telemetry.subscribe" in peer.methods())
        await dev.close()
        await dev.close()
        with pytest.raises(LinkLost):
            await telemetry
        with pytest.raises(LinkLost, match="closed"):
            await dev.status()
        with pytest.raises(LinkLost, match="closed"):
            await dev.start(level=3)

    asyncio.run(run())


def test_a_cable_that_is_pulled_ends_the_loop(peer: Peer) -> None:
    async def run() -> None:
        async with aio.connect(peer.port, timeout=HANG) as dev:
            telemetry = asyncio.create_task(anext(dev.telemetry(hz=10)))
            await eventually(lambda: "telemetry.subscribe" in peer.methods())
            peer.vanish()
            with pytest.raises(LinkLost):
                await telemetry

    asyncio.run(run())


def test_a_cancelled_connect_leaves_the_port_free(peer: Peer) -> None:
    peer.silent.add("hello")

    async def run() -> None:
        task = asyncio.create_task(connected(peer.port))
        await eventually(lambda: "hello" in peer.methods())
        task.cancel()
        peer.silent.clear()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def connected(port: str) -> aio.Device:
        return await aio.connect(port, timeout=HANG)

    asyncio.run(run())
    with connect(peer.port) as dev:
        assert dev.hello.board == "e660"


def test_an_error_of_the_device_arrives_as_it_is(peer: Peer) -> None:
    def refuse(params: object) -> object:
        raise Answer(-32012, "motor_running")

    peer.answers["settings.save"] = refuse

    async def run() -> None:
        async with aio.connect(peer.port) as dev:
            with pytest.raises(MotorRunning) as caught:
                await dev.save()
            assert caught.value.remedy == "fix motor_running"

    asyncio.run(run())


def test_progress_is_told_in_the_event_loop(peer: Peer) -> None:
    threads: list[threading.Thread] = []

    def progress(report: SelftestReport) -> None:
        threads.append(threading.current_thread())

    async def run() -> None:
        async with aio.connect(peer.port) as dev:
            report = await dev.selftest(progress=progress)
            assert report.passed

    asyncio.run(run())
    assert threads
    assert set(threads) == {threading.main_thread()}


def test_the_journal_is_read_record_by_record(peer: Peer) -> None:
    peer.journal = [{"n": n, "kind": "boot", "boot": 1, "up_ms": n} for n in range(7)]

    async def run() -> list[int]:
        async with aio.connect(peer.port) as dev:
            return [record.n async for record in dev.journal(start=2)]

    assert asyncio.run(run()) == [2, 3, 4, 5, 6]
