"""RPC: JSON-RPC 2.0 over the console, in the time that a tick leaves.

Replies come first, then events, then telemetry; what the host does not take in time is dropped, never
waited for. One request is worked on at a time, so nothing grows with what a host sends. Only the boot event
goes before any reply: after a reply it would tell the host of a restart that was before the request.
"""

import json

from micropython import const

from massager import buttons, confirm, cues, errors, events, faults, methods, telemetry, wire
from massager import session as sessions
from massager.errors import RpcError

HANDLE_US = const(6_000)  # a request is only begun with so much of the tick left, …
PATIENCE_TICKS = const(5)  # … unless it has waited for as many: then the next tick comes late, once
COMPOSE_US = const(3_000)  # likewise a notification
MARGIN_US = const(1_000)
PUMP = const(8)  # bytes sent between two looks at the clock
DROP_TICKS = const(100)  # a line that the host does not read is dropped after a second
ID_MAX = const(0x3FFFFFFF)
REPLY_ROOM = wire.REPLY_MAX - 6  # without checksum and newline


class Rpc:
    """Talks while there is time: `talk` until a deadline, once a tick.

    A line from the host is read even while the host does not read, so that it can always say stop.
    """

    def __init__(self, app):
        self._app = app
        self._board = app.board
        self._reader = wire.LineReader()
        self._writer = wire.LineWriter(app.board.console)
        self._pending = wire.NONE  # a line that waits for a tick with time enough
        self._checked = False  # whether the host speaks with checksums
        self._started = False  # whether the boot event is out
        self._blocked_ticks = 0
        self._patience = PATIENCE_TICKS
        self._period_ticks = 0
        self._wait_ticks = 0
        self._due = False
        self._seq = 0

    def subscribe(self, hz):
        """Send telemetry hz times a second, 0 = none."""
        self._period_ticks = 100 // hz if hz else 0
        self._wait_ticks = 0

    def tick(self):
        """Once a tick: is a sample due? One that could not be sent before the next is due is dropped."""
        if self._pending and self._patience:
            self._patience -= 1
        if self._period_ticks:
            self._wait_ticks -= 1
            if self._wait_ticks <= 0:
                self._wait_ticks = self._period_ticks
                self._seq = (self._seq + 1) & ID_MAX
                self._due = True

    def idle(self):
        """Whether nothing is on its way to the host."""
        return not self._writer.busy and not self._pending

    def talk(self, until_us):
        """Read, work and write until `until_us` at the latest, or until there is nothing to do.

        True when something is left that only time can help: the host has to read, or the next tick to come.
        """
        board = self._board
        read = board.console.read
        feed = self._reader.feed
        pump = self._writer.pump
        while True:
            left_us = board.ticks_diff(until_us, board.ticks_us())
            if left_us < MARGIN_US:
                return True
            if not self._pending:
                byte = read()
                if byte >= 0:
                    self._pending = feed(byte)
                    continue
            if self._writer.busy:
                for _ in range(PUMP):
                    if not pump():
                        break
                if self._writer.stuck:
                    self._blocked()
                    return True
                self._blocked_ticks = 0
            elif self._pending and self._started:
                if left_us < HANDLE_US and self._patience:
                    return True
                self._patience = PATIENCE_TICKS
                self._handle()
            elif self._due or self._app.events.count:
                if left_us < COMPOSE_US:
                    return True
                self._notify()
            else:
                return False

    def _blocked(self):
        self._blocked_ticks += 1
        if self._blocked_ticks >= DROP_TICKS:
            self._blocked_ticks = 0
            self._writer.drop()

    def _send(self, text):
        self._app.garbage += len(text)
        self._writer.begin(text, self._checked)

    def _notify(self):
        self._started = True
        log = self._app.events
        if log.take():
            self._send(
                _dumps(
                    {
                        "jsonrpc": "2.0",
                        "method": "event",
                        "params": describe_event(log, self._app.library.names),
                    }
                )
            )
        else:
            self._due = False
            params = telemetry.sample(self._app, self._seq)
            self._send(_dumps({"jsonrpc": "2.0", "method": "telemetry", "params": params}))

    def _handle(self):
        kind = self._pending
        self._pending = wire.NONE
        reader = self._reader
        self._app.garbage += reader.length
        self._checked = reader.checked
        if kind == wire.TOO_LONG:
            self._send(_error(None, errors.LINE_TOO_LONG, {}))
        elif kind == wire.BAD_CHECKSUM:
            self._send(_error(None, errors.CHECKSUM_MISMATCH, {}))
        else:
            reply = answer(self._app, bytes(memoryview(reader.data)[: reader.length]))
            if reply:
                self._send(reply)


def answer(app, line):
    """The reply to one line (bytes, without checksum) as text; None for a notification."""
    try:
        request = json.loads(line.decode())
    except (ValueError, RuntimeError, MemoryError):  # RuntimeError: nested too deep
        return _error(None, errors.PARSE_ERROR, {})
    if not isinstance(request, dict):
        return _error(None, errors.INVALID_REQUEST, {})
    request_id = request.get("id")
    if "id" in request and not _valid_id(request_id):
        return _error(None, errors.INVALID_REQUEST, {})
    method = request.get("method")
    params = request.get("params", {})
    if request.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict):
        return _error(request_id, errors.INVALID_REQUEST, {})
    try:
        result = methods.call(app, method, params)
        text = result.text if isinstance(result, methods.Encoded) else _dumps(result)
        reply = '{"jsonrpc":"2.0","id":%s,"result":%s}' % (json.dumps(request_id), text)
        if len(reply) > REPLY_ROOM:
            raise RpcError(errors.INTERNAL_ERROR, {"reason": "reply too long"})
    except RpcError as e:
        reply = _error(request_id, e.args[0], e.args[1])
        if len(reply.encode()) > REPLY_ROOM:
            reply = _error(request_id, e.args[0], {})
    except Exception as e:  # a session must not end because a request found a hole
        reply = _error(request_id, errors.INTERNAL_ERROR, {"reason": type(e).__name__})
    return reply if "id" in request else None


def describe_event(log, programs):
    """The event that `log` just took, as the params of its notification. programs: names, by number."""
    kind, value = log.kind, log.value
    params = {"name": events.EVENTS[kind - 1][1], "t_ms": log.t_ms}
    if kind == events.STATE:
        params["value"] = sessions.STATES[value][1]
        if log.detail:
            params["reason"] = sessions.reason_name(log.detail)
    elif kind == events.CUE:
        params["value"] = cues.CUES[value - 1][1]
    elif kind == events.FAULT:
        params["value"] = faults.fault_name(value)
    elif kind == events.LIMITER:
        params["value"] = faults.limiter_names(value)
    elif kind == events.BUTTON:
        for row in buttons.BUTTONS:
            if row[0] == value:
                params["value"] = row[1]
    elif kind == events.STAGE:
        params["value"] = value
    elif kind == events.SELECT:
        params["value"] = programs[value] if value < len(programs) else None
    elif kind == events.WARNING:
        params["value"] = sessions.warning_names(value)
    elif kind == events.CONFIRM:
        params["value"] = confirm.OUTCOMES[value]
        params["number"] = log.detail
    if log.lost:
        params["lost"] = log.lost
        log.lost = 0
    return params


def _valid_id(value):
    if isinstance(value, str):
        return len(value) <= 32
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= ID_MAX


def _dumps(value):
    return json.dumps(value, separators=(",", ":"))


def _error(request_id, code, data):
    return _dumps({"jsonrpc": "2.0", "id": request_id, "error": errors.describe(code, data)})
