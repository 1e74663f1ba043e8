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
from openknead.thin import Thinner, common

RATES = (0, 1, 2, 4, 5, 10, 20)  # of telemetry; the least common multiple of any of them is one of them


class _Client:
    """One process that joined. `hz`: the telemetry it asked for."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.reader = LineReader(limit=REQUEST_LIMIT)
        self.admitted = False
        self.hz = 0
        self.thinner = Thinner()
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

    def __init__(self, channel: Channel, port: str, hz: int) -> None:
        """hz: the telemetry that this process is subscribed to."""
        self._channel = channel
        self._token = secrets.token_hex(16)
        self._hz = self._own_hz = hz  # what the device sends, and what this process asked for
        self._own = Thinner()
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

    def want(self, hz: int, timeout: float) -> int:
        """Telemetry for this process at `hz`; the device sends at the rate that everybody's divides."""
        before, self._own_hz = self._own_hz, hz
        try:
            rate = self._common()
            self._channel.call("telemetry.subscribe", {"hz": rate}, timeout)
            self._hz = rate
        except OpenKneadError:
            self._own_hz = before
            raise
        return hz

    def own(self, params: Any) -> Any:
        """A telemetry notification's params as this process asked for them, None when it did not."""
        return self._own.take(params, self._every(self._own_hz)) if self._own_hz else None

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
            self._hz = self._common()
            with suppress(OpenKneadError):
                self._channel.submit("telemetry.subscribe", {"hz": self._hz})

    def _every(self, hz: int) -> int:
        return max(1, self._hz // hz)  # not a part of it just before the device has changed its rate

    def _common(self, client: _Client | None = None, hz: int = 0) -> int:
        """The rate of which all rates that are wanted are a part, with `client` wanting `hz`."""
        others = [other.hz for other in self._clients.values() if other is not client]
        return common((self._own_hz, hz, *others))

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
        rate = self._common(client, wanted) if wanted in RATES and isinstance(wanted, int) else None

        def done(reply: Message | OpenKneadError) -> None:
            if isinstance(reply, LinkLost | DeviceRestarted):
                return  # the client is told by the broken connection, or by the boot event
            if isinstance(reply, OpenKneadError):
                client.send(_error(ident, reply.code, reply.name, reply.message, reply.remedy))
                return
            if rate is not None and "result" in reply:
                self._hz, client.hz = rate, int(wanted or 0)
                reply = {**reply, "result": {"hz": wanted}}
            client.send({**reply, "id": ident})

        if rate is not None:
            params = {"hz": rate}
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
            elif method != "telemetry":
                client.send({"jsonrpc": "2.0", "method": method, "params": params})
            elif client.hz and (thinned := client.thinner.take(params, self._every(client.hz))):
                client.send({"jsonrpc": "2.0", "method": method, "params": thinned})


def _error(ident: Any, code: int, name: str, message: str, remedy: str = "") -> Message:
    data = {"name": name, "remedy": remedy}
    return {"jsonrpc": "2.0", "id": ident, "error": {"code": code, "message": message, "data": data}}
