"""The device for asyncio: `async with openknead.aio.connect() as device: …`.

One implementation of the protocol: `openknead.Device` does the work, each request in a thread of a pool, so
that nothing here blocks the event loop and a stop never waits behind another request. A request that is under
way when its caller is cancelled still gets its answer, which is dropped; only a start is taken back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from openknead import device as sync
from openknead import feed as sync_feed
from openknead.errors import DeviceTimeout, LinkLost, OpenKneadError
from openknead.model import Event, Hello, Sample, SessionEnd, SessionState, Setting, Status
from openknead.thin import common

if TYPE_CHECKING:
    from openknead.changing import Waiting
    from openknead.dose import Today
    from openknead.journal import Record
    from openknead.programs.limits import Limits
    from openknead.programs.model import Program
    from openknead.programs.remote import Entry
    from openknead.programs.transfer import Progress
    from openknead.schema import Items
    from openknead.selftest import SelftestReport

P = ParamSpec("P")
T = TypeVar("T")
A = ParamSpec("A")

THREADS = 32  # requests at the same time to one device; they are started when needed


def connect(
    port: str | None = None, *, timeout: float = 2.0, set_clock: bool = True, board: str | None = None
) -> Connecting:
    """Connect to a device and greet it: `async with connect() as device`, or `device = await connect()`.

    Parameters and errors are those of `openknead.connect`.
    """
    return Connecting(partial(sync.connect, port, timeout=timeout, set_clock=set_clock, board=board))


class Connecting:
    """What `connect` returns: awaited, it is a Device; in `async with`, one that is closed at the end."""

    def __init__(self, connect: Callable[[], sync.Device]) -> None:
        self._connect = connect
        self._device: Device | None = None

    def __await__(self) -> Generator[Any, None, Device]:
        return self._open().__await__()

    async def __aenter__(self) -> Device:
        self._device = await self._open()
        return self._device

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._device:
            await self._device.close()

    async def _open(self) -> Device:
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="openknead-aio")
        try:
            opened = await _run(pool, self._connect, undo=sync.Device.close)
        except BaseException:
            pool.shutdown(wait=False)
            raise
        opened.channel.background()  # or requests would wait for each other
        return Device(opened, pool)


async def _run(
    pool: ThreadPoolExecutor, function: Callable[[], T], undo: Callable[[T], object] | None = None
) -> T:
    """The function's result, from a thread; when cancelled, what it did is undone before this ends."""
    future = pool.submit(function)
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if undo:
            await asyncio.shield(asyncio.wrap_future(pool.submit(_undo, future, undo)))
        raise


def _undo(future: Future[T], undo: Callable[[T], object]) -> None:
    with suppress(Exception):  # it failed, or was cancelled before it began: nothing to undo
        undo(future.result())


class Device:
    """A connected device, for one event loop. Made by `connect`.

    Each method does what the one of the same name of `openknead.Device` does, and raises the same errors.
    """

    def __init__(self, device: sync.Device, pool: ThreadPoolExecutor) -> None:
        self._device = device
        self._pool = pool
        self._closing: Future[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _ask(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer of one of the synchronous device's methods."""
        self._must_be_open()
        return await _run(self._pool, lambda: function(*args, **kwargs))

    def _must_be_open(self) -> None:
        if self._closing:
            raise LinkLost(f"{self.port} was closed")

    @property
    def hello(self) -> Hello:
        """Who answered on connecting."""
        return self._device.hello

    @property
    def port(self) -> str:
        """The port that was opened."""
        return self._device.port

    @property
    def timeout(self) -> float:
        """Seconds that an answer may take."""
        return self._device.timeout

    @property
    def shared(self) -> bool:
        """Whether another process holds the port for this one."""
        return self._device.shared

    async def close(self) -> None:
        """Stop the session that this object started, if it still runs, and release the port.

        Continues when it is cancelled.
        """
        if self._closing is None:
            self._closing = self._pool.submit(self._device.close)
            self._pool.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closing))

    async def reconnect(self, timeout: float = 10.0) -> None:
        """Open the port again after it was lost, waiting up to `timeout` seconds for it to come back."""
        await self._ask(self._device.reconnect, timeout)
        self._device.channel.background()

    async def share(self) -> None:
        """Let other OpenKnead processes of this user use the port meanwhile (until `close`)."""
        await self._ask(self._device.share)

    # -- asking ------------------------------------------------------------------------------------

    async def call(self, method: str, /, *, timeout: float | None = None, **params: Any) -> dict[str, Any]:
        """Ask the device for any method of its protocol; what comes back is its result object."""
        return await self._ask(self._device.call, method, timeout=timeout, **params)

    async def status(self) -> Status:
        """The device's state now."""
        return await self._ask(self._device.status)

    async def schema(self, section: str) -> Items:
        """A table of the device: "settings", "faults", "methods", … as a list of objects (cached)."""
        return await self._ask(self._device.schema, section)

    async def sections(self) -> list[str]:
        """The names `schema` takes."""
        return await self._ask(self._device.sections)

    async def fault_remedy(self, name: str) -> str:
        """What to do about a fault, in the device's words; empty for an unknown one."""
        return await self._ask(self._device.fault_remedy, name)

    # -- sessions ----------------------------------------------------------------------------------

    async def start(
        self,
        level: int | None = None,
        minutes: float | None = None,
        *,
        program: str | None = None,
        shift: int = 0,
        area: str = "",
    ) -> SessionState:
        """Start a session: soft start, then up to `level` (1…max_level) for `minutes` (None: 10).

        Cancelled while the device is being asked: a session that it began is stopped before this ends.
        """
        self._must_be_open()
        device = self._device
        return await _run(
            self._pool,
            lambda: device.start(level, minutes, program=program, shift=shift, area=area),
            undo=lambda _: device.stop(),
        )

    async def skip(self) -> SessionState:
        """Skip to the program's next stage; the session gets shorter. WrongState when there is none."""
        return await self._ask(self._device.skip)

    async def back(self) -> SessionState:
        """Back to the start of this stage, within its first 3 s of the one before; the session is longer."""
        return await self._ask(self._device.back)

    async def set_level(self, level: int) -> SessionState:
        """Change the running session's level; the device slews at most one level per `slew_s`."""
        return await self._ask(self._device.set_level, level)

    async def pause(self) -> SessionState:
        """Stop the motor; the clock runs on and two minutes of pause end the session."""
        return await self._ask(self._device.pause)

    async def resume(self) -> SessionState:
        """Continue after a pause, with a soft start."""
        return await self._ask(self._device.resume)

    async def stop(self) -> SessionState:
        """End the session at once."""
        return await self._ask(self._device.stop)

    async def keepalive(self) -> SessionState:
        """Send one heartbeat by hand; `start` does it by itself."""
        return await self._ask(self._device.keepalive)

    async def wait(self, timeout: float | None = None) -> SessionEnd:
        """Wait until no session runs and tell why the last one ended."""
        deadline = None if timeout is None else time.monotonic() + timeout
        async with self.feed() as feed:
            while (await self.status()).state not in sync.IDLE:
                if deadline is not None and time.monotonic() > deadline:
                    raise DeviceTimeout(f"the session still runs after {timeout:g} s")
                await feed.get(0.5)
        self._device._follows = False
        return await self.last_end()

    async def last_end(self) -> SessionEnd:
        """Why the last session ended, with the fault if one is latched."""
        return await self._ask(self._device.last_end)

    # -- listening ---------------------------------------------------------------------------------

    async def subscribe(self, hz: int) -> int:
        """Have telemetry sent `hz` times a second (0…20, a divisor of 100; 0 = off); the rate in force."""
        return await self._ask(self._device.subscribe, hz)

    def feed(self) -> Feed:
        """Samples (when subscribed) and events as they come: `async with device.feed() as feed`."""
        return Feed(self)

    async def telemetry(self, hz: int = 10) -> AsyncIterator[Sample]:
        """Samples at `hz` (1…20, a divisor of 100); any number of loops may run, each at its own rate.

        Ends with the session that this object started; without one it runs until it is closed. A loop that
        is left or cancelled ends the subscription.
        """
        device = self._device
        bound = device._follows
        patience = self.timeout + 2 / hz
        running = False
        last_ms: int | None = None
        async with self.feed() as feed:
            device._loops.append(hz)
            try:
                await self.subscribe(common(device._loops))
                over = bound and not device._keeper.active  # before anybody listened
                while not over:
                    item = await feed.next(patience)
                    if isinstance(item, Sample):
                        running = running or item.state not in sync.IDLE
                        if sync.is_due(item.t_ms, last_ms, hz):
                            last_ms = item.t_ms
                            yield item
                    over = bound and sync.ended(item, running)
                device._follows = False
            finally:
                device._loops.remove(hz)
                if not (self._closing or device.channel.lost):
                    with suppress(LinkLost):  # closed meanwhile
                        await self.subscribe(common(device._loops))

    # -- settings ----------------------------------------------------------------------------------

    async def settings(self) -> dict[str, Setting]:
        """The settings table: type, unit, range, default and meaning of each."""
        return await self._ask(self._device.settings)

    async def get(self, name: str) -> int | bool:
        """The value in force of one setting."""
        return await self._ask(self._device.get, name)

    async def get_all(self) -> dict[str, int | bool]:
        """The values in force of all settings."""
        return await self._ask(self._device.get_all)

    async def unsaved(self) -> list[str]:
        """Names of the settings that differ from what flash holds."""
        return await self._ask(self._device.unsaved)

    async def set(self, values: Mapping[str, int | bool], *, waiting: Waiting | None = None) -> list[str]:
        """Change settings in RAM, all or none, however many; the names that changed. Raises SettingError.

        waiting: called in the event loop. Cancelled while it waits, it takes its question back.
        """
        return await self._change(self._device.set, waiting, values)

    async def save(self) -> int:
        """Write the settings to flash (only while the motor is off); the record's sequence number."""
        return await self._ask(self._device.save)

    async def reset(self, names: Iterable[str] | None = None, *, waiting: Waiting | None = None) -> list[str]:
        """Take settings (None: all) back to their defaults, in RAM; the names that changed. As `set`."""
        return await self._change(self._device.reset, waiting, names)

    async def _change(self, change: Callable[..., T], waiting: Waiting | None, *what: object) -> T:
        try:
            return await self._ask(change, *what, waiting=_in_this_loop(waiting))
        except asyncio.CancelledError:
            if waiting:
                with suppress(OpenKneadError):
                    await asyncio.shield(self._ask(self._device.call, "settings.set", values={}))
            raise

    # -- programs ----------------------------------------------------------------------------------

    async def programs(self) -> list[Entry]:
        """The programs on the device: those built in, then the user's own."""
        return await self._ask(self._device.programs)

    async def program(self, name: str) -> Program:
        """A program of the device, with the texts of its file, or those that the firmware tells."""
        return await self._ask(self._device.program, name)

    async def push_program(
        self, source: bytes, *, replace: bool = False, progress: Progress | None = None
    ) -> tuple[Entry, bool]:
        """Check a program file's content, put it on the device and read it back.

        progress: called in the event loop.
        """
        return await self._ask(
            self._device.push_program, source, replace=replace, progress=_in_this_loop(progress)
        )

    async def pull_program(self, name: str) -> bytes:
        """The file that was pushed as program `name`, byte for byte."""
        return await self._ask(self._device.pull_program, name)

    async def remove_program(self, name: str) -> None:
        """Delete one of the user's own programs. Raises UnknownProgram, BuiltIn, MotorRunning."""
        await self._ask(self._device.remove_program, name)

    async def select_program(self, name: str) -> str:
        """Choose what the device's start button plays; its name. Raises UnknownProgram, MotorRunning."""
        return await self._ask(self._device.select_program, name)

    async def limits(self) -> Limits:
        """What this device's settings and areas ask of a program."""
        return await self._ask(self._device.limits)

    # -- care --------------------------------------------------------------------------------------

    async def clear_fault(self, *, waiting: Waiting | None = None) -> str | None:
        """Clear the fault that is shown; its name, None when there was none. Raises CauseLasts.

        waiting: as in `set`.
        """
        return await self._change(self._device.clear_fault, waiting)

    async def selftest(
        self,
        run: bool = True,
        timeout: float | None = None,
        progress: Callable[[SelftestReport], None] | None = None,
    ) -> SelftestReport:
        """Run a round of self-tests and wait for its report; run=False: the last one's, at once.

        progress: called in the event loop.
        """
        return await self._ask(self._device.selftest, run, timeout, _in_this_loop(progress))

    async def journal(self, start: int | None = None) -> AsyncIterator[Record]:
        """The records of the device's black box, oldest first, from number `start` on; read page by page."""
        records = await self._ask(self._device.journal, start)
        while (record := await self._ask(lambda: next(records, None))) is not None:
            yield record

    async def dose(self) -> Today:
        """What the device counts of the current day, by area, and its limits. Raises NotOffered."""
        return await self._ask(self._device.dose)

    async def set_clock(self, unix_s: int | None = None) -> int | None:
        """Set the device's clock, None for this computer's time; what it showed before, None if not set."""
        return await self._ask(self._device.set_clock, unix_s)

    async def maintenance(self) -> None:
        """Restart the device without its motor functions, for a host that changes its files."""
        await self._ask(self._device.maintenance)

    async def reboot(self) -> None:
        """Restart the device; as `maintenance`, but with all its functions."""
        await self._ask(self._device.reboot)


class Feed:
    """A queue of samples and events, in `async with`; bounded, and what did not fit is counted."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._feed: sync_feed.Feed | None = None
        self._news = asyncio.Event()
        self._told = False  # the loop will be woken: one wake is enough for all that comes until then

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()

        def wake() -> None:  # in the thread that reads
            if not self._told:
                self._told = True
                with suppress(RuntimeError):  # the loop has ended, and nothing waits any more
                    loop.call_soon_threadsafe(self._tell)

        device = self._device
        device._must_be_open()
        self._feed = await _run(
            device._pool, lambda: device._device.feed(wake), undo=lambda opened: opened.close()
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def missed(self) -> int:
        """Samples lost, because the device dropped them or this process was too slow."""
        return self._opened().missed

    async def get(self, timeout: float) -> Sample | Event | None:
        """The next item, None after `timeout` seconds of silence. Raises LinkLost or DeviceRestarted."""
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            self._news.clear()
            item = self._opened().get(0)
            if item is not None:
                return item
            try:
                async with asyncio.timeout_at(deadline):
                    await self._news.wait()
            except TimeoutError:
                return None

    async def next(self, timeout: float) -> Sample | Event:
        """The next item; DeviceTimeout when none comes within `timeout` seconds."""
        item = await self.get(timeout)
        if item is None:
            raise DeviceTimeout(f"the device has been silent for {timeout:g} s")
        return item

    def close(self) -> None:
        """Stop listening. Telemetry stays subscribed."""
        if self._feed:
            self._feed.close()

    def _tell(self) -> None:
        self._told = False
        self._news.set()

    def _opened(self) -> sync_feed.Feed:
        if self._feed is None:
            raise OpenKneadError("the feed is not open", remedy="async with device.feed() as feed: …")
        return self._feed


def _in_this_loop(callback: Callable[A, None] | None) -> Callable[A, None] | None:
    """A callback that may be called from any thread and runs in the loop of now."""
    if callback is None:
        return None
    loop = asyncio.get_running_loop()

    def relay(*args: A.args, **kwargs: A.kwargs) -> None:
        loop.call_soon_threadsafe(lambda: callback(*args, **kwargs))

    return relay
