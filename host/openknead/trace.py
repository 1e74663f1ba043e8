"""Trace: every line between this process and a device, in a file, with its time and direction.

A line of the file: UTC time, `>` to the device or `<` from it, and the line itself, with bytes that are not
printable ASCII escaped. `#` marks the port that was opened. What has no line end is written when the port is
closed.
"""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from openknead.errors import TraceError

if TYPE_CHECKING:
    from openknead.link import Link

FILE_VARIABLE = "OPENKNEAD_TRACE"


class TracedLink:
    """A link whose lines are appended to a file as they pass."""

    def __init__(self, link: Link, path: Path) -> None:
        """Raises TraceError when the file cannot be written."""
        self.port = link.port
        self.shared = link.shared
        self._link = link
        self._rest = {">": b"", "<": b""}
        self._lock = threading.Lock()  # one thread reads, others write
        try:
            self._file = path.open("a", encoding="ascii")
        except OSError as problem:
            raise TraceError(f"the trace cannot be written to {path}: {problem.strerror}") from problem
        self._put("#", f"{link.port}{', shared by another process' if link.shared else ''}".encode())

    def read(self) -> bytes:
        data = self._link.read()
        if data:
            self._take("<", data)
        return data

    def write(self, data: bytes) -> None:
        self._take(">", data)
        self._link.write(data)

    def close(self) -> None:
        self._link.close()
        with self._lock:
            for direction, rest in self._rest.items():
                if rest:
                    self._put(direction, rest)
            self._rest = dict.fromkeys(self._rest, b"")
            self._file.close()

    def _take(self, direction: str, data: bytes) -> None:
        with self._lock:
            *lines, self._rest[direction] = (self._rest[direction] + data).split(b"\n")
            for line in lines:
                self._put(direction, line.rstrip(b"\r"))

    def _put(self, direction: str, line: bytes) -> None:
        if self._file.closed:
            return
        time = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        text = "".join(chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}" for byte in line)
        self._file.write(f"{time} {direction} {text}\n")
        self._file.flush()  # a trace is wanted most when the process dies


def traced(link: Link) -> Link:
    """The link, with its lines traced if OPENKNEAD_TRACE names a file. Raises TraceError."""
    path = os.environ.get(FILE_VARIABLE)
    if not path:
        return link
    try:
        return TracedLink(link, Path(path))
    except TraceError:
        link.close()
        raise
