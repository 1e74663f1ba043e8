"""Server: one virtual board behind a real port, until it is told to stop.

One thread: wait for host, control channel or the next piece of time; hand over bytes; let the board run a
slice; hand over its bytes. Signals only set a flag, because the code they interrupt may be the firmware.
"""

from __future__ import annotations

import json
import select
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from . import inject
from .control import Control
from .links import LineServer, Link
from .pace import Pace
from .runfile import RunFile
from .virtual import VirtualBoard

IDLE_S = 0.01  # longest nap in real time: a tick
FAST_NAP_S = 0.001  # the same at a speed-up
HOLD_NAP_S = 0.0001  # while the host is about to read
BOOT_ROM = (
    "The board waits in its boot ROM, and its port has gone. A real one shows a drive now; a virtual one has "
    "none, its MicroPython is built in. Start it again: knead sim inject brown_out"
)
BACKLOG_BYTES = 4096  # input that the firmware has not taken; more stays with the host's system


class Server:
    """A board, its port (made by `make_link`, again after each `plug`), its control channel and run file.

    tell: called with a line for whoever watches, when the port goes or comes without their doing.
    """

    def __init__(
        self,
        board: VirtualBoard,
        make_link: Callable[[], Link],
        speed: float = 1.0,
        tell: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.board = board
        self._make_link = make_link
        self._tell = tell
        self._pace = Pace(speed)
        self._selector = selectors.DefaultSelector()
        self._watched: dict[int | socket.socket, bool] = {}
        self._lines = LineServer()
        self._run_file = RunFile(board.chip.unique_id.hex(), self._lines.address)
        self.token = self._run_file.token
        self._control = Control(self)
        self._later: list[tuple[int, socket.socket, dict[str, Any]]] = []
        self._plan: list[tuple[int, Callable[[], object]]] = []
        self._link: Link | None = None
        self._gone = False  # the port is, because the cable was cut or the chip waits in its boot ROM
        self._saved_at = board.flash.chip.operations
        self._stop = False
        self._wake, self._alarm = socket.socketpair()
        self._wake.setblocking(False)
        self._alarm.setblocking(False)

    @property
    def port(self) -> str | None:
        """Where hosts reach the board; None while it is unplugged."""
        return self._link.port if self._link else None

    @property
    def control(self) -> str:
        """Address of the control channel."""
        return self._lines.address

    def plug(self) -> None:
        """Give the board a port (as after plugging the cable in) and announce it."""
        if self._link is None:
            self._link = self._make_link()
            self.board.chip.usb.connected = self._link.attached()
            self._run_file.write(self._link.port)

    def unplug(self) -> None:
        """Take the port away under whoever has it open."""
        if self._link is not None:
            link, self._link = self._link, None
            self._watch()
            link.close()
            self.board.chip.usb.connected = False
            self._pace.unread(time.monotonic(), self.board.chip.clock_us, 0)
            self._run_file.write(None)

    def at(self, due_us: int, act: Callable[[], object]) -> None:
        """Call act() when the board's clock has reached due_us, and outside of the firmware: it may reset."""
        self._plan.append((due_us, act))

    def stop(self) -> None:
        """End `serve` soon; may be called from another thread or a signal handler."""
        self._stop = True
        with suppress(OSError):
            self._alarm.send(b"!")

    def serve(self) -> None:
        """Run until `stop`."""
        try:
            while not self._stop:
                self._turn()
        finally:
            self._run_file.remove()
            self.board.flash.save()
            if self._link is not None:
                self._link.close()
            self._lines.close()
            self._selector.close()
            self._wake.close()
            self._alarm.close()

    # -- one turn -----------------------------------------------------------------------------------

    def _turn(self) -> None:
        board = self.board
        self._hear()
        self._obey()
        now = time.monotonic()
        us = self._pace.allowance_us(now, board.chip.clock_us, board.rig.duty > 0.0)
        for due_us, _ in self._plan:
            us = min(us, due_us - board.chip.clock_us)
        if us:
            board.run_to_line(us / 1000)
        self._act()
        self._speak(now)
        self._follow_cable()
        self._answer_later()
        self._keep_flash()
        self._watch()
        if self._pace.holding:
            # A selector cannot nap for less than a millisecond; select on nothing is an error on Windows.
            select.select([self._wake, *(self._link.sockets() if self._link else ())], [], [], HOLD_NAP_S)
        elif self._pace.rate(now, board.chip.clock_us, board.rig.duty > 0.0) <= 1.0:
            self._sleep(IDLE_S)
        elif us == 0:
            self._sleep(FAST_NAP_S)

    def _act(self) -> None:
        clock = self.board.chip.clock_us
        due = [act for due_us, act in self._plan if due_us <= clock]
        self._plan = [entry for entry in self._plan if entry[0] > clock]
        for act in due:
            act()

    def _follow_cable(self) -> None:
        """An injected cable break takes the port away, as a hand at the plug does; so does the boot ROM."""
        bootsel = self.board.bootsel
        gone = bootsel or "serial_dropped" in inject.injected(self.board)
        if gone and self._link is not None:
            self._gone = True
            self.unplug()
            if bootsel:
                self._tell(BOOT_ROM)
        elif self._gone and not gone:
            self._gone = False
            self.plug()
            self._tell(f"virtual board on {self.port}")

    def _hear(self) -> None:
        if self._link is None:
            return
        usb = self.board.chip.usb
        if usb.backlog < BACKLOG_BYTES:
            data = self._link.read()
            usb.connected = self._link.attached()
            if data:
                self._pace.heard(time.monotonic(), self.board.chip.clock_us)
                self.board.send(data)

    def _speak(self, now: float) -> None:
        link = self._link
        usb = self.board.chip.usb
        if link is None:
            return
        deaf = "host_not_reading" in inject.injected(self.board)
        link.write(self.board.receive() if usb.host_reading or not link.full() else b"")
        self._pace.unread(now, self.board.chip.clock_us, link.unread())
        if self._pace.stalled(now) and not self._pace.talking(now):
            link.discard()  # no host has the port open: a real device's output is lost, too
        usb.host_reading = not (deaf or link.full())

    def _obey(self) -> None:
        for client, line in self._lines.lines():
            answer = self._control.handle(line)
            self._later.append((answer.pop("at_us", 0), client, answer))

    def _answer_later(self) -> None:
        clock = self.board.chip.clock_us
        due = [entry for entry in self._later if entry[0] <= clock]
        self._later = [entry for entry in self._later if entry[0] > clock]
        for _, client, answer in due:
            self._lines.answer(client, json.dumps(answer).encode())

    def _keep_flash(self) -> None:
        operations = self.board.flash.chip.operations
        if operations != self._saved_at:
            self._saved_at = operations
            self.board.flash.save()

    def _watch(self) -> None:
        """Bring the selector up to date with the handles there are."""
        wanted: set[int | socket.socket] = {self._wake, *self._lines.sockets()}
        if self._link is not None and self.board.chip.usb.backlog < BACKLOG_BYTES:
            wanted.update(self._link.sockets())
        if wanted == self._watched.keys():
            return
        for handle in [h for h in self._watched if h not in wanted]:
            with suppress(KeyError, ValueError):
                self._selector.unregister(handle)
            del self._watched[handle]
        for handle in wanted - self._watched.keys():
            self._selector.register(handle, selectors.EVENT_READ)
            self._watched[handle] = True

    def _sleep(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._wake:
                with suppress(OSError):
                    self._wake.recv(64)


@contextmanager
def stopped_by_signals(server: Server) -> Iterator[None]:
    """SIGINT, SIGTERM and a terminal that is closed end `serve`, and with it the run file goes."""

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        server.stop()

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [signal.signal(number, on_signal) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
