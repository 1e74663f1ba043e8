"""Links: bytes to a device and back, over a serial port or a socket.

`read` waits at most POLL_S and `write` at most WRITE_S, so that no caller ever hangs.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from openknead import ports, rundir
from openknead.errors import (
    DeviceTimeout,
    LinkLost,
    OpenKneadError,
    PortBusy,
    PortError,
    PortNotFound,
    PortPermission,
)
from openknead.framing import encode

if TYPE_CHECKING:
    import serial

log = logging.getLogger(__name__)
logging.getLogger("openknead").addHandler(logging.NullHandler())  # quiet, unless the program asks for it

POLL_S = 0.05  # longest wait of one read
WRITE_S = 2.0  # longest wait of one write: a USB device that reads nothing stops taking bytes
BUSY_RETRY_S = 1.0  # another short command may hold the port just now


class Link(Protocol):
    """What a connection needs. `port` names it; `shared` says that another process holds the port for us."""

    port: str
    shared: bool

    def read(self) -> bytes:
        """What has arrived; b"" after POLL_S of silence. Raises LinkLost."""

    def write(self, data: bytes) -> None:
        """Send all of it. Raises LinkLost, or DeviceTimeout when the device takes nothing."""

    def close(self) -> None:
        """Release the port; harmless when repeated."""


class SerialLink:
    """A serial port, or a URL of pyserial's, opened exclusively. USB-CDC ignores the baud rate."""

    shared = False

    def __init__(self, port: str) -> None:
        """Raises PortNotFound, PortBusy, PortPermission or PortError."""
        import serial

        self.port = port
        self._lost: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError)
        self._slow = serial.SerialTimeoutException
        try:
            self._serial: serial.Serial = serial.serial_for_url(
                port, 115200, timeout=POLL_S, write_timeout=WRITE_S, exclusive=True
            )
        except (serial.SerialException, OSError, ValueError) as problem:
            raise _open_error(port, problem) from problem

    def read(self) -> bytes:
        try:
            data: bytes = self._serial.read(self._serial.in_waiting or 1)
        except self._lost as problem:  # TypeError: pyserial's answer to a close meanwhile
            raise LinkLost(f"{self.port} is gone: {problem}") from problem
        return data

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except self._slow as problem:
            raise DeviceTimeout(f"{self.port} takes no data") from problem
        except self._lost as problem:
            raise LinkLost(f"{self.port} is gone: {problem}") from problem

    def close(self) -> None:
        with suppress(*self._lost):
            self._serial.close()


class SocketLink:
    """A TCP connection: a virtual board's `socket://` port, or the share of a port held elsewhere."""

    def __init__(
        self, port: str, address: tuple[str, int], *, shared: bool = False, first: bytes = b""
    ) -> None:
        """Connect and send `first`. Raises PortNotFound."""
        self.port = port
        self.shared = shared
        try:
            self._socket = socket.create_connection(address, timeout=WRITE_S)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(first)
        except OSError as problem:
            raise PortNotFound(f"no answer at {address[0]}:{address[1]} for {port}") from problem

    def read(self) -> bytes:
        try:
            if not select.select([self._socket], [], [], POLL_S)[0]:
                return b""
            data = self._socket.recv(65536)
        except (OSError, ValueError) as problem:
            raise LinkLost(f"the connection to {self.port} broke: {problem}") from problem
        if not data:
            raise LinkLost(f"{self.port} was closed at the other end")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError as problem:
            raise DeviceTimeout(f"{self.port} takes no data") from problem
        except OSError as problem:
            raise LinkLost(f"the connection to {self.port} broke: {problem}") from problem

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def open_link(port: str) -> Link:
    """Open `port`; when another `knead` holds and shares it, join through that one.

    A port that is busy is tried for BUSY_RETRY_S. Raises a PortError.
    """
    deadline = time.monotonic() + BUSY_RETRY_S
    while True:
        link = _join(port)
        if link:
            log.debug("joined the process that shares %s", port)
            return link
        try:
            opened = _open_directly(port)
        except PortBusy as busy_now:
            if time.monotonic() > deadline:
                raise
            log.debug("%s; trying again", busy_now)
        else:
            log.debug("opened %s", port)
            return opened
        time.sleep(0.05)


def _join(port: str) -> SocketLink | None:
    """A link to `port` through the process that shares it (see hub.py), None when none does."""
    share = rundir.read_living(rundir.share_file(port))
    if not share:
        return None
    try:
        host, _, number = str(share["address"]).rpartition(":")
        hello = encode({"token": share["token"]})
        return SocketLink(port, (host, int(number)), shared=True, first=hello)
    except (KeyError, ValueError, OpenKneadError):
        return None  # it is just ending; the port itself will tell


def _open_directly(port: str) -> Link:
    if not port.startswith("socket://"):
        return SerialLink(port)
    host, _, number = port.removeprefix("socket://").rstrip("/").rpartition(":")
    if not host or not number.isdigit() or int(number) > 65535:
        raise PortError(f"{port} is no address", remedy="write it as socket://HOST:PORT")
    return SocketLink(port, (host.strip("[]"), int(number)))


def _open_error(port: str, problem: Exception) -> PortError:
    number = getattr(problem, "errno", None)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV):
        return PortNotFound(f"there is no port {port}")
    if number in (errno.EACCES, errno.EPERM) and "lock" not in str(problem):
        return PortPermission(f"no permission to open {port}")
    if number in (errno.EAGAIN, errno.EBUSY, errno.EACCES, errno.EPERM):
        return busy(port)
    return PortError(f"{port} cannot be opened as a serial port: {problem}")


def busy(port: str) -> PortBusy:
    """The error for a port that is held, naming the holder where it can be found."""
    known = ports.holders(port)
    data: dict[str, Any] = {"holders": [{"pid": pid, "program": program} for pid, program in known]}
    if not known:
        return PortBusy(f"{port} is held by another program", data=data)
    names = ", ".join(f"{program} (process {pid})" for pid, program in known)
    return PortBusy(f"{port} is held by {names}", remedy=f"end {names}, or use it there", data=data)
