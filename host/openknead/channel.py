"""Requests and replies over a link: ids, time-outs, repeats, notifications.

Without a background thread `call` reads the link itself, which is the quickest way round. With one
(`background()`), that thread reads and everybody else waits for it.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from openknead.errors import (
    DeviceRestarted,
    DeviceTimeout,
    LinkLost,
    NotOpenKnead,
    OpenKneadError,
    ReplyDamaged,
    RequestTooLong,
    from_reply,
)
from openknead.framing import REQUEST_LIMIT, ChecksumError, FrameError, LineReader, decode, encode
from openknead.link import Link

log = logging.getLogger(__name__)

REPEATS = 3  # how often a harmless request is sent again after a damaged line

# Asking these twice does no more than asking once: they may be repeated after a damaged reply.
_REPEATABLE = frozenset(
    {
        "hello",
        "schema",
        "status",
        "selftest",
        "journal.read",
        "program.list",
        "program.get",
        "program.begin",
        "program.fetch",
        "program.select",
        "settings.get",
        "settings.list",
        "session.level",
        "session.keepalive",
        "session.stop",
        "telemetry.subscribe",
    }
)
_NOT_EXECUTED = frozenset({-32700, -32001, -32002})  # codes sent with id null: the line was not understood

Message = dict[str, Any]
Listener = Callable[[str, Any], None]  # (method, params) of a notification; ("lost", error) at the end


class _Call:
    """A request under way: `done` gets the reply or an error, once."""

    __slots__ = ("arrived", "damaged", "done", "line", "repeats", "reply")

    def __init__(self, line: bytes, repeats: int, done: Callable[[Message | OpenKneadError], None] | None):
        self.line = line
        self.repeats = repeats
        self.done = done
        self.damaged = False
        self.reply: Message | OpenKneadError | None = None
        self.arrived: threading.Event | None = None

    def finish(self, reply: Message | OpenKneadError) -> None:
        self.reply = reply
        if self.arrived:
            self.arrived.set()
        if self.done:
            self.done(reply)


class Channel:
    """One conversation with a device; safe to use from several threads."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.noise = 0  # lines that were no message
        self.damaged = 0  # lines with a wrong checksum, at either end
        self.lost: OpenKneadError | None = None
        self.tick: Callable[[], None] | None = None  # called by the background thread after every read
        self._reader = LineReader()
        self._pending: dict[int, _Call] = {}
        self._next_id = random.randrange(1 << 20)  # a late answer to whoever had the port before is not ours
        self._prompt = False
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()  # whoever reads without a background thread
        self._ids = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have notifications delivered; returns the function that ends it. Must not block."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end

    def call(self, method: str, params: dict[str, Any] | None = None, timeout: float = 2.0) -> Any:
        """Ask and wait for the result.

        timeout: seconds. Raises DeviceError (what the device answered), DeviceTimeout, ReplyDamaged,
        DeviceRestarted, LinkLost, NotOpenKnead or RequestTooLong.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            alone = self._thread is None or threading.current_thread() is self._thread
            if alone:
                call, ident = self._send(method, params, None)
                while call.reply is None and time.monotonic() < deadline:
                    self._pump()
        if not alone:
            call, ident = self._send(method, params, None, threading.Event())
            assert call.arrived is not None
            call.arrived.wait(max(0.0, deadline - time.monotonic()))
        self._pending.pop(ident, None)
        if call.reply is None:
            raise self._silence(method, call, timeout)
        if isinstance(call.reply, OpenKneadError):
            raise call.reply
        if "error" in call.reply:
            raise from_reply(call.reply["error"])
        return call.reply["result"]

    def submit(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        done: Callable[[Message | OpenKneadError], None] | None = None,
    ) -> int:
        """Ask without waiting: `done` gets the reply (or the error) from whichever thread reads it.

        Returns the request's id, for `forget`.
        """
        return self._send(method, params, done)[1]

    def forget(self, ident: int) -> None:
        """Wait no longer for the reply to a submitted request."""
        self._pending.pop(ident, None)

    def notify(self, method: str, params: dict[str, Any] | None = None) -> None:
        """Send a request that gets no reply."""
        message: Message = {"jsonrpc": "2.0", "method": method}
        if params:
            message["params"] = params
        self.link.write(encode(message))

    def background(self) -> None:
        """From now on a thread reads the link, until `close`."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="openknead-reader", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """End the conversation and release the port; harmless when repeated."""
        self._closing = True
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(timeout=1.0)
        self.link.close()
        self._fail(LinkLost(f"{self.link.port} was closed"))

    # -- inside ------------------------------------------------------------------------------------

    def _send(
        self,
        method: str,
        params: dict[str, Any] | None,
        done: Callable[[Message | OpenKneadError], None] | None,
        arrived: threading.Event | None = None,
    ) -> tuple[_Call, int]:
        if self.lost:
            raise self.lost
        with self._ids:
            ident = self._next_id = (self._next_id + 1) & 0x3FFFFFFF
        message: Message = {"jsonrpc": "2.0", "id": ident, "method": method}
        if params:
            message["params"] = params
        line = encode(message)
        if len(line) > REQUEST_LIMIT:
            raise RequestTooLong(f"{method}: {len(line)} bytes, at most {REQUEST_LIMIT} fit")
        call = _Call(line, REPEATS if method in _REPEATABLE else 0, done)
        call.arrived = arrived
        self._pending[ident] = call
        try:
            self.link.write(line)
        except OpenKneadError as problem:
            self._pending.pop(ident, None)
            if isinstance(problem, LinkLost):
                self._fail(problem)
            raise
        return call, ident

    def _run(self) -> None:
        while not self._closing:
            try:
                self._pump()
                if self.tick:
                    self.tick()
            except LinkLost:
                return  # everybody was told
            except DeviceTimeout:
                continue  # the device takes nothing just now: the caller that waits times out
            except Exception as problem:  # or a caller would wait for a thread that has died
                self._fail(OpenKneadError(f"reading {self.link.port} failed: {problem!r}"))
                raise

    def _pump(self) -> None:
        """Read once and deliver what it completes."""
        try:
            data = self.link.read()
        except LinkLost as problem:
            self._fail(problem)
            raise
        if data:
            for line in self._reader.feed(data):
                self._deliver(line)

    def _deliver(self, line: bytes) -> None:
        if line.startswith(b">>> "):  # and what follows is perhaps our own line, repeated
            self._prompt = True
            self.noise += 1
            return
        try:
            message = decode(line)
        except ChecksumError:
            log.info("a line from %s has a wrong checksum: %r", self.link.port, line)
            self.damaged += 1
            for call in list(self._pending.values()):
                self._damaged(call, executed=True)
            return
        except FrameError:
            log.info("not a message from %s: %r", self.link.port, line)
            self.noise += 1
            return
        if "method" in message:
            if "id" in message:
                self._prompt = True  # our own line: a prompt repeats what it gets
            else:
                self._notify(str(message["method"]), message.get("params"))
        elif "result" in message or "error" in message:
            self._answer(message)
        else:
            self.noise += 1

    def _answer(self, message: Message) -> None:
        ident = message.get("id")
        if ident is not None:
            call = self._pending.pop(ident, None) if isinstance(ident, int) else None
            if call:
                call.finish(message)
            return
        error = message.get("error")
        waiting = list(self._pending.values())
        if isinstance(error, dict) and error.get("code") in _NOT_EXECUTED:
            self.damaged += 1
            for call in waiting:
                self._damaged(call, executed=len(waiting) > 1)

    def _damaged(self, call: _Call, *, executed: bool) -> None:
        """A line got damaged on its way, perhaps this call's: repeat it if that can do no harm."""
        if not executed and not call.damaged:
            call.repeats = max(call.repeats, 1)  # the device did nothing: anything may be sent once more
        call.damaged = True
        if call.repeats > 0:
            call.repeats -= 1
            log.info("repeating %r", call.line)
            self.link.write(call.line)

    def _notify(self, method: str, params: Any) -> None:
        if method == "event" and isinstance(params, dict) and params.get("name") == "boot":
            error = DeviceRestarted("the device restarted")
            for ident in list(self._pending):
                call = self._pending.pop(ident, None)
                if call:
                    call.finish(error)
        for listener in tuple(self._listeners):
            listener(method, params)

    def _fail(self, problem: OpenKneadError) -> None:
        if self.lost:
            return
        self.lost = problem
        log.debug("%s", problem)
        for ident in list(self._pending):
            call = self._pending.pop(ident, None)
            if call:
                call.finish(problem)
        for listener in tuple(self._listeners):
            listener("lost", problem)

    def _silence(self, method: str, call: _Call, timeout: float) -> OpenKneadError:
        port = self.link.port
        tail = self._reader.tail  # before MicroPython 1.28 a prompt shows our line without its end
        if self._prompt or tail.startswith(b">>> ") or call.line.strip() in tail:
            return NotOpenKnead(
                f"{port} is at a MicroPython prompt, OpenKnead does not run",
                remedy=f"restart it: mpremote connect {port} reset, or Ctrl-D at the prompt",
            )
        if call.damaged:
            return ReplyDamaged(f"no undamaged answer to {method} within {timeout:g} s")
        return DeviceTimeout(f"no answer to {method} within {timeout:g} s")
