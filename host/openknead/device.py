"""The device as a Python object: `with openknead.connect() as device: …`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from openknead import changing, journal, ports
from openknead.changing import Waiting
from openknead.channel import Channel
from openknead.closing import Closing
from openknead.dose import Today
from openknead.errors import (
    DeviceError,
    DeviceRestarted,
    DeviceTimeout,
    LinkLost,
    OpenKneadError,
    PortBusy,
    WrongDevice,
)
from openknead.feed import Feed
from openknead.handshake import greet, require
from openknead.hub import Hub
from openknead.journal import Record
from openknead.keeper import Keeper
from openknead.link import BUSY_RETRY_S, open_link
from openknead.model import Event, Hello, Sample, SampleReader, SessionEnd, SessionState, Setting, Status
from openknead.programs import STEADY
from openknead.schema import PAGES, Items, Schema
from openknead.selftest import SelftestReport
from openknead.thin import common
from openknead.trace import traced

if TYPE_CHECKING:
    from openknead.programs.limits import Limits
    from openknead.programs.model import Program
    from openknead.programs.remote import Entry, Programs
    from openknead.programs.transfer import Progress

MINUTES = 10.0  # of a session, unless told otherwise
CLOSE_S = 1.0  # patience with a device that is to stop while the port is being closed
RESTART_S = 5.0  # a Pico is gone within a second
SELFTEST_S = 30.0  # a round takes a few seconds, more while the device has to talk
SELFTEST_POLL_S = 0.1
CLOCK_OFF_S = 2  # a device's clock is set when it is off by more
T_MASK = 0x3FFFFFFF  # the device's milliseconds may wrap here
SLACK_MS = 5  # half a tick: samples come on ticks, and a comparison must not miss one by a millisecond
IDLE = ("IDLE", "MAINTENANCE")  # states without a session


def connect(
    port: str | None = None, *, timeout: float = 2.0, set_clock: bool = True, board: str | None = None
) -> Device:
    """Connect to a device and greet it.

    port: a serial port, `socket://HOST:PORT`, or None for OPENKNEAD_PORT or the only device there is.
    timeout: seconds for this and for each later call. A port that another OpenKnead process holds is
    joined through that process. set_clock: set the device's clock when it is not set, off by more than two
    seconds, or in another time zone. board: refuse every other board than this one.
    Raises PortError, ProtocolMismatch, NotOpenKnead, WrongDevice, DeviceTimeout, LinkLost.
    """
    return Device(ports.choose(port), timeout, set_clock, board)


class Device(Closing):
    """A connected device; a context manager. Made by `connect`. Safe to use from several threads.

    Every method that asks the device may raise DeviceError (its answer), DeviceTimeout, LinkLost,
    DeviceRestarted or ReplyDamaged.
    """

    hello: Hello

    def __init__(self, port: str, timeout: float, set_clock: bool = True, board: str | None = None) -> None:
        self.port = port
        self.timeout = timeout
        self._sets_clock = set_clock
        self._board = board
        self._hub: Hub | None = None
        self._loops: list[int] = []  # rates of the telemetry loops that run
        self._open()

    def _open(self) -> None:
        self.channel, self.hello = self._greeted()
        if self._board and self.hello.board.lower() != self._board.lower():
            self.channel.close()
            raise WrongDevice(
                f"board {self.hello.board} answers on {self.port}, not {self._board}",
                remedy="see what is where: knead list, knead device list",
            )
        self._schema = Schema(self.hello.content, self.call)
        self._samples: SampleReader | None = None
        self._last_raw: object = None
        self._last_item: Sample | Event | None = None
        self._hz = 0  # of telemetry, as this process asked for it
        self._follows = False  # a session was started here, and its end has not been reported yet
        self._keeper = Keeper(self.channel)
        self.channel.tick = self._keeper.tick
        self.channel.listen(self._heard)
        if self._sets_clock and self._clock_is_off():
            with suppress(OpenKneadError):  # a device that cannot be asked says so to the next request
                self.set_clock()

    def _clock_is_off(self) -> bool:
        """Whether the device needs the time or the time zone of this computer.

        A process that shares its port has seen to the time, but perhaps before summer time began. Older
        firmware empties its day when the local date goes back, so it gets the zone only with the time.
        """
        hello = self.hello
        if "clock" not in hello.capabilities or (self.shared and hello.unix_s is None):
            return False
        now_s = time.time()
        if not self.shared and (hello.unix_s is None or abs(hello.unix_s - now_s) > CLOCK_OFF_S):
            return True
        return hello.keeps_zone and hello.utc_offset_min != utc_offset_min(round(now_s))

    def _greeted(self) -> tuple[Channel, Hello]:
        """A channel on which the device has answered `hello`.

        A socket that hangs up at once serves another host just now: tried again as a locked port is.
        """
        deadline = time.monotonic() + BUSY_RETRY_S
        while True:
            channel = Channel(traced(open_link(self.port)))
            try:
                return channel, greet(channel, self.timeout)
            except LinkLost as problem:
                channel.close()
                if not channel.link.shared and not self.port.startswith("socket://"):
                    raise
                if time.monotonic() > deadline:
                    raise PortBusy(f"{self.port} hangs up at once: it serves another host") from problem
            except BaseException:
                channel.close()
                raise
            time.sleep(0.05)

    def close(self) -> None:
        """Stop the session that this object started, if it still runs, and release the port.

        A device that does not hear the stop ends the session by itself after `host_timeout_s`.
        """
        if self._keeper.active and not self.channel.lost:
            with suppress(OpenKneadError):
                self.channel.call("session.stop", timeout=min(self.timeout, CLOSE_S))
        self._release()

    def _release(self) -> None:
        """Give the port back; a session of ours continues for `host_timeout_s`."""
        self._keeper.stop()
        if self._hub:
            self._hub.close()
            self._hub = None
        self.channel.close()

    def reconnect(self, timeout: float = 10.0) -> None:
        """Open the port again after it was lost, waiting up to `timeout` seconds for it to come back.

        Subscriptions, feeds and shares end. A session that this object started and that still runs, because
        it took no longer than `host_timeout_s`, is kept alive again.
        Raises LinkLost when another device answers, else the last error.
        """
        board, keeper = self.hello.board, self._keeper
        ours = keeper.active
        self._release()
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._open()
                break
            except OpenKneadError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)
        if self.hello.board != board:
            self.channel.close()
            raise LinkLost(f"another device ({self.hello.board}) answers on {self.port} now")
        if ours and self.status().state not in IDLE:
            self.channel.background()
            self._keeper.start(keeper.host_timeout_s)
            self._follows = True

    def share(self) -> None:
        """Let other OpenKnead processes of this user use the port meanwhile (until `close`)."""
        if self._hub is None and not self.channel.link.shared:
            self.channel.background()
            self._hub = Hub(self.channel, self.port, self._hz)

    @property
    def shared(self) -> bool:
        """Whether another process holds the port for this one."""
        return self.channel.link.shared

    # -- asking ------------------------------------------------------------------------------------

    def call(self, method: str, /, *, timeout: float | None = None, **params: Any) -> dict[str, Any]:
        """Ask the device for any method of its protocol; what comes back is its result object."""
        result = self.channel.call(method, params, self.timeout if timeout is None else timeout)
        return result if isinstance(result, dict) else {"result": result}

    def _value(self, method: str, key: str, /, *, timeout: float | None = None, **params: Any) -> Any:
        result = self.call(method, timeout=timeout, **params)
        if key not in result:
            raise DeviceError(f"the answer to {method} lacks {key}", remedy="report this firmware's version")
        return result[key]

    def status(self) -> Status:
        """The device's state now."""
        return Status.of(self.call("status"))

    def schema(self, section: str) -> Items:
        """A table of the device: "settings", "faults", "methods", … as a list of objects (cached)."""
        return self._schema.section(section)

    def sections(self) -> list[str]:
        """The names `schema` takes."""
        return self._schema.names()

    def fault_remedy(self, name: str) -> str:
        """What to do about a fault, in the device's words; empty for an unknown one."""
        return next(
            (str(item.get("remedy", "")) for item in self.schema("faults") if item["name"] == name), ""
        )

    # -- sessions ----------------------------------------------------------------------------------

    def start(
        self,
        level: int | None = None,
        minutes: float | None = None,
        *,
        program: str | None = None,
        shift: int = 0,
        area: str = "",
    ) -> SessionState:
        """Start a session: soft start, then up to `level` (1…max_level) for `minutes` (None: 10).

        area: what is worked on, a label such as "calf_left". With `program` instead of a level: that program,
        all its levels shifted by `shift`; it has its own time and areas.
        The heartbeat is sent by a thread of this process until the session ends; closing this object stops
        the session, and when the process ends, so does the session. Raises Refused with every reason at once,
        ProgramInvalid, UnknownProgram, and ValueError for what does not go together.
        """
        if is_plain(level, minutes, program, shift, area):
            params: dict[str, Any] = {
                "level": level,
                "run_s": round((MINUTES if minutes is None else minutes) * 60),
            }
            params |= {"area": area} if area else {}
        else:
            entry = self._programs().entry(str(program))
            params = {"program": entry.name, "run_s": entry.total_s}
            params |= {"shift": shift} if shift else {}
        host_timeout_s = float(self.get("host_timeout_s"))
        self._sample_reader()  # now: a session does not wait while tables are fetched
        self.channel.background()
        state = SessionState.of(self.call("session.start", **params))
        self._keeper.start(host_timeout_s)
        self._follows = True
        return state

    def skip(self) -> SessionState:
        """Skip to the program's next stage; the session gets shorter. WrongState when there is none."""
        return SessionState.of(self.call("session.skip"))

    def back(self) -> SessionState:
        """Back to the start of this stage, within its first 3 s of the one before; the session is longer.

        WrongState when it would get longer than allowed, or plays no program.
        """
        return SessionState.of(self.call("session.back"))

    def set_level(self, level: int) -> SessionState:
        """Change the running session's level; the device slews at most one level per `slew_s`.

        In a program all its levels are shifted by as much.
        """
        return SessionState.of(self.call("session.level", level=level))

    def pause(self) -> SessionState:
        """Stop the motor; the clock runs on and two minutes of pause end the session."""
        return SessionState.of(self.call("session.pause"))

    def resume(self) -> SessionState:
        """Continue after a pause, with a soft start."""
        return SessionState.of(self.call("session.resume"))

    def stop(self) -> SessionState:
        """End the session at once."""
        state = SessionState.of(self.call("session.stop"))
        self._follows = False
        return state

    def keepalive(self) -> SessionState:
        """Send one heartbeat by hand; `start` does it by itself."""
        return SessionState.of(self.call("session.keepalive"))

    def wait(self, timeout: float | None = None) -> SessionEnd:
        """Wait until no session runs and tell why the last one ended.

        timeout: seconds, None for no limit; DeviceTimeout when it is over.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.feed() as feed:
            while self.status().state not in IDLE:
                if deadline is not None and time.monotonic() > deadline:
                    raise DeviceTimeout(f"the session still runs after {timeout:g} s")
                feed.get(0.5)
        self._follows = False
        return self.last_end()

    def last_end(self) -> SessionEnd:
        """Why the last session ended, with the fault if one is latched."""
        status = self.status()
        return SessionEnd(status.reason or "unknown", status.fault)

    # -- listening ---------------------------------------------------------------------------------

    def subscribe(self, hz: int) -> int:
        """Have telemetry sent `hz` times a second (0…20, a divisor of 100; 0 = off); the rate in force."""
        self._sample_reader()
        self._hz = hz
        if self._hub:
            return self._hub.want(hz, self.timeout)
        return int(self._value("telemetry.subscribe", "hz", hz=hz))

    def feed(self, wake: Callable[[], None] | None = None) -> Feed:
        """Samples (when subscribed) and events as they come. Reading continues in a thread from now.

        wake: called by that thread whenever there is something to get; must not block.
        """
        self._sample_reader()
        self.channel.background()
        return Feed(self.channel, self.translate, wake)

    def telemetry(self, hz: int = 10) -> Iterator[Sample]:
        """Samples at `hz` (1…20, a divisor of 100); any number of loops may run, each at its own rate.

        Ends with the session that this object started; without one it runs until it is closed.
        Raises DeviceTimeout when samples stay away, LinkLost, DeviceRestarted.
        """
        bound = self._follows
        patience = self.timeout + 2 / hz
        running = False
        last_ms: int | None = None
        with self.feed() as feed:
            self._loops.append(hz)
            try:
                self.subscribe(common(self._loops))
                over = bound and not self._keeper.active  # before anybody listened
                while not over:
                    item = feed.next(patience)
                    if isinstance(item, Sample):
                        running = running or item.state not in IDLE
                        if is_due(item.t_ms, last_ms, hz):
                            last_ms = item.t_ms
                            yield item
                    over = bound and ended(item, running)
                self._follows = False
            finally:
                self._loops.remove(hz)
                if not self.channel.lost:
                    self.subscribe(common(self._loops))

    def translate(self, method: str, params: Any) -> Sample | Event | None:
        """The typed form of a notification, None for one that is not understood."""
        if params is not self._last_raw:  # several feeds ask for the same one
            self._last_raw, self._last_item = params, self._translate(method, params)
        return self._last_item

    def _translate(self, method: str, params: Any) -> Sample | Event | None:
        if method == "telemetry" and self._samples:
            return self._samples.read(self._hub.own(params) if self._hub else params)
        if method == "event" and isinstance(params, Mapping):
            return Event.of(params)
        return None

    def _heard(self, method: str, params: Any) -> None:
        item = self.translate(method, params)
        if isinstance(item, Sample):
            self._keeper.saw(item.t_ms)
        elif item and ((item.name == "state" and item.value in IDLE) or item.name == "boot"):
            self._keeper.stop()

    def _sample_reader(self) -> SampleReader:
        if self._samples is None:
            self._samples = SampleReader(
                [item["name"] for item in self.schema("telemetry")],
                self._schema.by("states", "value"),
                self._schema.by("limiters", "bit"),
                self._schema.by("faults", "code"),
            )
        return self._samples

    # -- settings ----------------------------------------------------------------------------------

    def settings(self) -> dict[str, Setting]:
        """The settings table: type, unit, range, default and meaning of each."""
        return {item["name"]: Setting.of(item) for item in self.schema("settings")}

    def get(self, name: str) -> int | bool:
        """The value in force of one setting."""
        value: int | bool = self._value("settings.get", "value", name=name)
        return value

    def get_all(self) -> dict[str, int | bool]:
        """The values in force of all settings."""
        return {name: value for page in self._settings_pages() for name, value in page["values"].items()}

    def unsaved(self) -> list[str]:
        """Names of the settings that differ from what flash holds."""
        pages = list(self._settings_pages())
        if all("unsaved" in page for page in pages):
            return [str(name) for page in pages for name in page["unsaved"]]
        return list(self.status().unsaved)  # firmware of protocol 1.1 tells it there alone

    def _settings_pages(self) -> Iterator[dict[str, Any]]:
        start: int | None = 0
        while start is not None:
            page = self.call("settings.list", start=start)
            yield page
            following = page.get("next")
            start = following if following is None or following > start else None

    def set(self, values: Mapping[str, int | bool], *, waiting: Waiting | None = None) -> list[str]:
        """Change settings in RAM, all or none, however many; the names that changed. Raises SettingError.

        Changes that weaken a protection, and others without the device's permission, need a press of MODE:
        then ConfirmNeeded is raised, or, with `waiting`, the press is awaited, while `waiting` is called with
        their names and the seconds left a few times a second; NotConfirmed when it does not come,
        ConfirmLater when the device does not ask again yet.
        """
        return changing.change(self, values, waiting)

    def save(self) -> int:
        """Write the settings to flash (only while the motor is off); the record's sequence number."""
        return int(self._value("settings.save", "sequence", timeout=max(self.timeout, 5.0)))

    def reset(self, names: Iterable[str] | None = None, *, waiting: Waiting | None = None) -> list[str]:
        """Take settings (None: all) back to their defaults, in RAM; the names that changed. As `set`."""
        table = self.settings()
        defaults = {
            name: table[name].default if name in table else 0  # the device tells what is wrong with that
            for name in (table if names is None else names)
        }
        return changing.change(self, defaults, waiting)

    # -- programs ----------------------------------------------------------------------------------

    def programs(self) -> list[Entry]:
        """The programs on the device: those built in, then the user's own."""
        return self._programs().entries()

    def program(self, name: str) -> Program:
        """A program of the device, with the texts of its file, or those that the firmware tells.

        "steady" has no stages. Raises UnknownProgram, DeviceError for one that is damaged.
        """
        return self._programs().read(name, self.schema("programs"))

    def push_program(
        self, source: bytes, *, replace: bool = False, progress: Progress | None = None
    ) -> tuple[Entry, bool]:
        """Check a program file's content, put it on the device and read it back.

        Returns the program as the device has it, and whether it was written: an equal one is left alone.
        replace: also over another one of that name; progress: called with bytes done, bytes in all.
        Raises ProgramFileError, ProgramExists, BuiltIn, ProgramSpace, NotKept, MotorRunning, StorageError.
        """
        return self._programs().push(source, replace, progress)

    def pull_program(self, name: str) -> bytes:
        """The file that was pushed as program `name`, byte for byte.

        Raises UnknownProgram, BuiltIn, and DocumentError for what no host has sent.
        """
        return self._programs().pull(name)

    def remove_program(self, name: str) -> None:
        """Delete one of the user's own programs. Raises UnknownProgram, BuiltIn, MotorRunning."""
        self._programs().remove(name)

    def select_program(self, name: str) -> str:
        """Choose what the device's start button plays; its name. Raises UnknownProgram, MotorRunning."""
        return self._programs().select(name)

    def limits(self) -> Limits:
        """What this device's settings and areas ask of a program."""
        from openknead.programs.limits import Limits

        return Limits.of(self.get_all(), [(area["name"], area["sides"]) for area in self.schema("areas")])

    def _programs(self) -> Programs:
        """Loaded when first used: most of what hosts do has nothing to do with program files."""
        require(self.hello, "programs", self.port)
        from openknead.programs.remote import Programs

        return Programs(self.call)

    # -- care --------------------------------------------------------------------------------------

    def clear_fault(self, *, waiting: Waiting | None = None) -> str | None:
        """Clear the fault that is shown; its name, None when there was none. Raises CauseLasts.

        Others wait behind it, each to be cleared by itself: `status().fault` is the next. A fault that says
        something is broken needs a press of MODE at the device; `waiting` as in `set`.
        """
        fault = self.status().fault if waiting else None
        name = fault.name if fault else None
        cleared = changing.agreed(self, lambda: self._value("fault.clear", "cleared"), name, waiting)
        return None if cleared is None else str(cleared)

    def selftest(
        self,
        run: bool = True,
        timeout: float | None = None,
        progress: Callable[[SelftestReport], None] | None = None,
    ) -> SelftestReport:
        """Run a round of self-tests and wait for its report; run=False: the last one's, at once.

        timeout: seconds for the round, None for 30 or the connection's when that is longer. progress: called
        with the unfinished report now and then. Raises MotorRunning, NotOffered, DeviceTimeout.
        """
        require(self.hello, "selftest", self.port)
        patience = max(self.timeout, SELFTEST_S) if timeout is None else timeout
        deadline = time.monotonic() + patience
        table = self.schema("selftests")
        report = SelftestReport.of(self.call("selftest", run=True) if run else self.call("selftest"), table)
        while run and report.state == "running":
            if progress:
                progress(report)
            if time.monotonic() > deadline:
                raise DeviceTimeout(
                    f"the self-test still runs after {patience:g} s",
                    remedy="release STOP if it is pressed; see how far it came: knead selftest --last",
                )
            time.sleep(SELFTEST_POLL_S)
            report = SelftestReport.of(self.call("selftest"), table)
        return report

    def journal(self, start: int | None = None) -> Iterator[Record]:
        """The records of the device's black box, oldest first, from number `start` on; read page by page.

        Raises NotOffered, and while it runs whatever `call` raises.
        """
        require(self.hello, "journal", self.port)
        return journal.read(self.call, start)

    def dose(self) -> Today:
        """What the device counts of the current day, by area, and its limits. Raises NotOffered."""
        require(self.hello, "dose", self.port)
        pages = [self.call("dose.get")]
        try:
            while (start := pages[-1].get("next")) is not None and len(pages) < PAGES:
                pages.append(self.call("dose.get", start=start))
            return Today.of(pages)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
            raise DeviceError(
                "dose.get answered with what is no dose", remedy="report this firmware's version"
            ) from problem

    def set_clock(self, unix_s: int | None = None) -> int | None:
        """Set the device's clock, None for this computer's time; what it showed before, None if not set.

        A device that counts a dose is told the local time zone, too: its day is the user's.
        """
        require(self.hello, "clock", self.port)
        now = round(time.time()) if unix_s is None else unix_s
        zone = {"utc_offset_min": utc_offset_min(now)} if "dose" in self.hello.capabilities else {}
        was = self._value("clock.set", "was", unix_s=now, **zone)
        return None if was is None else int(was)

    def maintenance(self) -> None:
        """Restart the device without its motor functions, for a host that changes its files.

        Returns once it has gone down; `reconnect` then. Raises DeviceTimeout when it does not go down.
        """
        self._restart("maintenance")

    def reboot(self) -> None:
        """Restart the device; as `maintenance`, but with all its functions."""
        self._restart("reboot")

    def _restart(self, method: str) -> None:
        with self.feed() as feed:
            try:
                self.call(method)
                deadline = time.monotonic() + max(self.timeout, RESTART_S)
                while time.monotonic() < deadline:
                    feed.get(0.2)
            except (DeviceRestarted, LinkLost):
                return  # the boot event, or the USB port that went away with it
        raise DeviceTimeout("the device promised to restart and did not")


def is_plain(level: int | None, minutes: float | None, program: str | None, shift: int, area: str) -> bool:
    """Whether a start is one at a level, not a program's. ValueError when these do not go together."""
    plain = program is None or program == STEADY
    if (level is None) == plain or (shift if plain else minutes is not None or area):
        raise ValueError("give a level, perhaps with minutes and area; or a program, perhaps with a shift")
    return plain


def utc_offset_min(unix_s: int) -> int:
    """Minutes by which this computer's local time is ahead of UTC at that moment."""
    offset = datetime.fromtimestamp(unix_s).astimezone().utcoffset()
    return round(offset.total_seconds() / 60) if offset else 0


def is_due(t_ms: int, last_ms: int | None, hz: int) -> bool:
    """Whether a loop at `hz` takes this sample; others may have asked for more than it has."""
    return last_ms is None or ((t_ms - last_ms) & T_MASK) + SLACK_MS >= 1000 / hz


def ended(item: Sample | Event, running: bool) -> bool:
    """Whether this item of a feed says that the session is over; running: whether it was seen to run."""
    if isinstance(item, Event):
        return item.name == "state" and item.value in IDLE
    return running and item.state in IDLE
