"""One port, several `knead` processes: the one that holds the port shares it.

The holder listens on the loopback interface and tells address and token in a private run file; whoever
finds the port held joins there and speaks the same protocol. Request ids are rewritten so that each
answer finds its way back, notifications go to everybody, telemetry to each at the rate it asked for.
A heartbeat is passed on like any request: each process keeps alive only the session it started itself.
"""

from __future__ import annotations

import hmac
import os
import secrets
import selectors
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from openknead import rundir
from openknead.channel import Channel, Message
from openknead.errors import DeviceRestarted, LinkLost, OpenKneadError
from openknead.framing import REQUEST_LIMIT, FrameError, LineReader, decode, encode

T_MASK = 0x3FFFFFFF
SLACK_MS = 5  # half a tick: samples come on ticks, and a comparison must not miss one by a millisecond


class _Client:
    """One process that joined. `hz` and `t_ms`: the telemetry it asked for and got last."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.reader = LineReader(limit=REQUEST_LIMIT)
        self.admitted = False
        self.hz = 0
        self.t_ms: int | None = None
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        """Never waits: a client that does not read is dropped, the session's heartbeat comes first."""
        line = encode(message)
        with self._lock, suppress(OSError):
            try:
                if self.socket.send(line) == len(line):
                    return
            except OSError:
                pass
            self.socket.shutdown(socket.SHUT_RDWR)  # the hub's loop reads the end and forgets it


class Hub:
    """Shares the channel of this process; one thread serves all that joined."""

    def __init__(self, channel: Channel, port: str) -> None:
        self._channel = channel
        self._token = secrets.token_hex(16)
        self._own_hz = 0
        self._clients: dict[socket.socket, _Client] = {}
        self._selector = selectors.DefaultSelector()
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.setblocking(False)
        self._selector.register(self._door, selectors.EVENT_READ)
        self._file: Path = rundir.share_file(port)
        host, number = self._door.getsockname()[:2]
        rundir.write_private(
            self._file,
            {"pid": os.getpid(), "port": port, "address": f"{host}:{number}", "token": self._token},
        )
        self._open = True
        self._unlisten = channel.listen(self._heard)
        self._thread = threading.Thread(target=self._serve, name="openknead-hub", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send everybody away."""
        self._open = False
        self._unlisten()
        with suppress(OSError):
            self._file.unlink()
        self._thread.join(timeout=1.0)
        for client in list(self._clients.values()):
            self._drop(client)
        self._selector.close()
        self._door.close()

    def want(self, client: _Client | None, hz: int, timeout: float) -> int:
        """Telemetry for a client (None: this process) at `hz`; the device sends at the highest rate asked."""
        others = [other.hz for other in self._clients.values() if other is not client]
        highest = max([hz, *others, self._own_hz if client else 0])
        self._channel.call("telemetry.subscribe", {"hz": highest}, timeout)
        if client:
            client.hz, client.t_ms = hz, None
        else:
            self._own_hz = hz
        return hz

    # -- inside ------------------------------------------------------------------------------------

    def _serve(self) -> None:
        while self._open:
            for key, _ in self._selector.select(timeout=0.1):
                if key.fileobj is self._door:
                    self._admit()
                else:
                    self._read(key.data)

    def _admit(self) -> None:
        with suppress(OSError):
            sock, _ = self._door.accept()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = self._clients[sock] = _Client(sock)
            self._selector.register(sock, selectors.EVENT_READ, client)

    def _drop(self, client: _Client) -> None:
        self._clients.pop(client.socket, None)
        with suppress(OSError, KeyError, ValueError):
            self._selector.unregister(client.socket)
        client.socket.close()
        if client.hz and self._open:
            client.hz = 0
            with suppress(OpenKneadError):
                self._channel.submit("telemetry.subscribe", {"hz": self._highest()})

    def _highest(self) -> int:
        return max([self._own_hz, *(client.hz for client in self._clients.values())])

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(client)
            return
        for line in client.reader.feed(data):
            if client.admitted:
                self._request(client, line)
            elif self._knows(line):
                client.admitted = True
            else:
                self._drop(client)
                return

    def _knows(self, line: bytes) -> bool:
        try:
            token = decode(line).get("token")
        except FrameError:
            return False
        return hmac.compare_digest(str(token).encode(), self._token.encode())

    def _request(self, client: _Client, line: bytes) -> None:
        try:
            message = decode(line)
        except FrameError:
            client.send(_error(None, -32700, "parse_error", "not understood"))
            return
        ident, method, params = message.get("id"), message.get("method"), message.get("params")
        if not isinstance(method, str) or not (params is None or isinstance(params, dict)):
            client.send(_error(ident, -32600, "invalid_request", "no request"))
            return
        wanted = params.get("hz") if method == "telemetry.subscribe" and params else None

        def done(reply: Message | OpenKneadError) -> None:
            if isinstance(reply, LinkLost | DeviceRestarted):
                return  # the client is told by the broken connection, or by the boot event
            if isinstance(reply, OpenKneadError):
                client.send(_error(ident, reply.code, reply.name, reply.message, reply.remedy))
                return
            if wanted is not None and "result" in reply:
                client.hz, client.t_ms = wanted, None
                reply = {**reply, "result": {"hz": wanted}}
            client.send({**reply, "id": ident})

        if isinstance(wanted, int) and 0 <= wanted <= 20:
            others = [self._own_hz, *(other.hz for other in self._clients.values() if other is not client)]
            params = {"hz": max([wanted, *others])} if wanted == 0 or 100 % wanted == 0 else params
        try:
            if ident is None:
                self._channel.notify(method, params)
            else:
                self._channel.submit(method, params, done)
        except OpenKneadError as problem:
            done(problem)

    def _heard(self, method: str, params: Any) -> None:
        """A notification, in the reader's thread: pass it on."""
        for client in list(self._clients.values()):
            if not client.admitted:
                continue
            if method == "lost":
                with suppress(OSError):
                    client.socket.shutdown(socket.SHUT_RDWR)
            elif method != "telemetry" or self._due(client, params):
                client.send({"jsonrpc": "2.0", "method": method, "params": params})

    def _due(self, client: _Client, params: Any) -> bool:
        """Whether this sample is one that the client asked for."""
        if not client.hz or not isinstance(params, list) or len(params) < 2:
            return False
        t_ms = params[1]
        if client.t_ms is not None and (t_ms - client.t_ms) & T_MASK < 1000 // client.hz - SLACK_MS:
            return False
        client.t_ms = t_ms
        return True


def _error(ident: Any, code: int, name: str, message: str, remedy: str = "") -> Message:
    data = {"name": name, "remedy": remedy}
    return {"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": message, "data": data}}
