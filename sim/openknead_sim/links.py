"""The virtual board's serial port as another process sees it: a pseudo-terminal, or a TCP port.

Both have the same few methods; neither ever blocks. `unread` is what the host has not read yet, as far as
the system tells.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

READ_BYTES = 4096
QUEUE_BYTES = 4096  # output kept for a host that does not read; then the device notices

BUSY = {
    "jsonrpc": "2.0",
    "id": None,
    "error": {
        "code": -33000,
        "message": "another host is connected to this virtual board",
        "data": {"name": "port_busy", "remedy": "close the other program, or start another `knead sim`"},
    },
}


class Link(Protocol):
    """What the server needs of a port."""

    port: str

    def sockets(self) -> Iterable[int | socket.socket]:
        """What to wait on for input."""

    def read(self) -> bytes:
        """Bytes from the host, b"" when there are none."""

    def write(self, data: bytes) -> None:
        """Queue output and send what can be sent."""

    def unread(self) -> int:
        """Output bytes that the host has not read, 0 when it is not known."""

    def full(self) -> bool:
        """Whether the device should notice that its output is not read."""

    def discard(self) -> None:
        """Forget unread output."""

    def attached(self) -> bool:
        """Whether a host has the port open, as far as anybody can tell."""

    def close(self) -> None:
        """Give the port up."""


class PtyLink:
    """A pseudo-terminal in raw mode. Our own handle on its far end keeps it alive between clients."""

    def __init__(self) -> None:
        import tty

        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._queue = bytearray()

    def sockets(self) -> Iterable[int | socket.socket]:
        return (self._master,)

    def read(self) -> bytes:
        try:
            return os.read(self._master, READ_BYTES)
        except OSError:  # nothing there
            return b""

    def write(self, data: bytes) -> None:
        self._queue += data
        if self._queue:
            with suppress(BlockingIOError):
                del self._queue[: os.write(self._master, self._queue)]

    def unread(self) -> int:
        import fcntl
        import termios

        answer = fcntl.ioctl(self._slave, termios.FIONREAD, b"\0\0\0\0")
        return int(struct.unpack("i", answer)[0]) + len(self._queue)

    def full(self) -> bool:
        return len(self._queue) >= QUEUE_BYTES

    def discard(self) -> None:
        import termios

        self._queue.clear()
        termios.tcflush(self._slave, termios.TCIFLUSH)

    def attached(self) -> bool:
        return True

    def close(self) -> None:
        os.close(self._master)
        os.close(self._slave)


class TcpLink:
    """A TCP port for one host at a time; a second one gets a line that says so."""

    def __init__(self, host: str = "127.0.0.1", number: int = 0) -> None:
        """number: 0 picks a free port. Raises OSError when it is taken."""
        self._listener = socket.create_server((host, number))
        self._listener.setblocking(False)
        address = self._listener.getsockname()
        self.port = f"socket://{address[0]}:{address[1]}"
        self._client: socket.socket | None = None
        self._refused: list[socket.socket] = []  # told that the port is busy, not gone yet
        self._queue = bytearray()

    def sockets(self) -> Iterable[int | socket.socket]:
        return (self._listener,) if self._client is None else (self._listener, self._client)

    def read(self) -> bytes:
        self._accept()
        if self._client is None:
            return b""
        try:
            data = self._client.recv(READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._hang_up()
        return data

    def write(self, data: bytes) -> None:
        if self._client is None:
            return
        self._queue += data
        if not self._queue:
            return
        try:
            del self._queue[: self._client.send(self._queue)]
        except BlockingIOError:
            pass
        except OSError:
            self._hang_up()

    def unread(self) -> int:
        return len(self._queue)

    def full(self) -> bool:
        return len(self._queue) >= QUEUE_BYTES

    def discard(self) -> None:
        self._queue.clear()

    def attached(self) -> bool:
        return self._client is not None

    def close(self) -> None:
        self._hang_up()
        for client in self._refused:
            client.close()
        self._listener.close()

    def _accept(self) -> None:
        self._refused = [client for client in self._refused if not _gone(client)]
        with suppress(BlockingIOError):
            while True:
                client, _address = self._listener.accept()
                if self._client is not None:
                    client.setblocking(False)
                    with suppress(OSError):
                        client.send(json.dumps(BUSY, separators=(",", ":")).encode() + b"\n")
                        client.shutdown(socket.SHUT_WR)
                    self._refused.append(client)
                    continue
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._client = client

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None
        self._queue.clear()


class LineServer:
    """A small loopback server of text lines, for the control channel: many clients, each line answered."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._clients: dict[socket.socket, bytearray] = {}

    def sockets(self) -> Iterable[int | socket.socket]:
        return (self._listener, *self._clients)

    def lines(self) -> Iterable[tuple[socket.socket, bytes]]:
        """Whole lines that have come, with the client to answer."""
        with suppress(BlockingIOError):
            while True:
                client, _address = self._listener.accept()
                client.setblocking(False)
                self._clients[client] = bytearray()
        found: deque[tuple[socket.socket, bytes]] = deque()
        for client, buffer in list(self._clients.items()):
            try:
                data = client.recv(READ_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                data = b""
            buffer += data
            if not data or len(buffer) > READ_BYTES:
                self._drop(client)
                continue
            while b"\n" in buffer:
                line, _, rest = bytes(buffer).partition(b"\n")
                buffer[:] = rest
                found.append((client, line))
        return found

    def answer(self, client: socket.socket, line: bytes) -> None:
        """Send a line; a client that has gone is forgotten."""
        try:
            client.sendall(line + b"\n")
        except OSError:
            self._drop(client)

    def close(self) -> None:
        """Hang up on everybody."""
        for client in list(self._clients):
            self._drop(client)
        self._listener.close()

    def _drop(self, client: socket.socket) -> None:
        self._clients.pop(client, None)
        client.close()


def has_pty() -> bool:
    """Whether this system has pseudo-terminals."""
    return sys.platform != "win32"


def _gone(client: socket.socket) -> bool:
    """Whether a refused client has hung up. Until then what it sends is read: closing earlier would reset the
    connection and the client would never see why."""
    try:
        while client.recv(READ_BYTES):
            pass
    except BlockingIOError:
        return False
    except OSError:
        pass
    client.close()
    return True
