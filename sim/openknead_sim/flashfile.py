"""Files on the virtual flash, as MicroPython's open() returns them: no buffering, no newline translation."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Any, Protocol

from littlefs import lfs
from littlefs.errors import LittleFSError

_LINE_PART = 64


def failure(code: int) -> OSError:
    """The OSError for an errno; args[0] is the number, as on MicroPython."""
    return OSError(code, os.strerror(code))


class Owner(Protocol):
    """The file system that a file belongs to: its flash."""

    @property
    def operation(self) -> Any:
        """Context manager of each operation: it turns errors into MicroPython's."""

    def owns(self, file: FlashFile) -> bool:
        """Whether the file is one of those open now."""

    def forget(self, file: FlashFile) -> None:
        """The file is closed."""


class FlashFile:
    """An open file; bytes, or str with `text`. Errors are OSError(errno).

    Use after close is EBADF, as is reading or writing against the mode, which would abort littlefs. After an
    error of the chip a file that is written to has only EIO left, until it is closed.
    mode: as of open(), without "b" and "t".
    """

    def __init__(self, flash: Owner, fs: Any, handle: Any, path: str, mode: str, text: bool) -> None:
        self._flash = flash
        self._fs = fs
        self._handle = handle
        self._path = path
        self._reads = mode == "r" or "+" in mode
        self._writes = mode != "r"
        self._text = text
        self._lost = False
        self.closed = False

    def reopen(self, fs: Any) -> None:
        """The file system was mounted again."""
        if self._writes:
            self._lost = True
        if self._lost:
            return
        place = lfs.file_tell(self._fs, self._handle)
        try:
            self._handle = lfs.file_open(fs, self._path, "rb", "utf-8")
            lfs.file_seek(fs, self._handle, place, 0)
        except (LittleFSError, OSError):
            self._lost = True
        self._fs = fs

    def read(self, n: int = -1) -> bytes | str:
        """n bytes or characters, fewer at the end; all that is left without n."""
        with self._operation(self._reads):
            if n < 0:
                n = lfs.file_size(self._fs, self._handle) - lfs.file_tell(self._fs, self._handle)
            data = bytes(lfs.file_read(self._fs, self._handle, n))
            if not self._text:
                return data
            while data:
                try:
                    text = data.decode()
                except UnicodeDecodeError as e:
                    more = bytes(lfs.file_read(self._fs, self._handle, 1)) if e.end == len(data) else b""
                    if not more:
                        raise UnicodeError from None
                    data += more
                else:
                    if len(text) >= n or len(data) < n:
                        return text
                    more = bytes(lfs.file_read(self._fs, self._handle, n - len(text)))
                    if not more:
                        return text
                    data += more
            return ""

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill the buffer; how many bytes came."""
        with self._operation(self._reads):
            data = lfs.file_read(self._fs, self._handle, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readline(self) -> bytes | str:
        """To the next newline or the end."""
        line = b""
        with self._operation(self._reads):
            start = lfs.file_tell(self._fs, self._handle)
            while True:
                part = bytes(lfs.file_read(self._fs, self._handle, _LINE_PART))
                line += part
                end = line.find(b"\n") + 1
                if end:
                    line = line[:end]
                    lfs.file_seek(self._fs, self._handle, start + end, 0)
                if end or not part:
                    return line.decode() if self._text else line

    def __iter__(self) -> Iterator[bytes | str]:
        while line := self.readline():
            yield line

    def write(self, data: Any) -> int:
        """Write all of it; the number of bytes or characters."""
        if self._text != isinstance(data, str):
            raise TypeError("a text file takes str, a binary file bytes")
        raw = data.encode() if isinstance(data, str) else bytes(data)
        with self._operation(self._writes):
            lfs.file_write(self._fs, self._handle, raw)
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to an offset; the new position."""
        with self._operation():
            return int(lfs.file_seek(self._fs, self._handle, offset, whence))

    def tell(self) -> int:
        """Position in bytes."""
        with self._operation():
            return int(lfs.file_tell(self._fs, self._handle))

    def flush(self) -> None:
        """Commit to flash what was written so far."""
        with self._operation():
            lfs.file_sync(self._fs, self._handle)

    def close(self) -> None:
        """Commit and close."""
        if self.closed:
            return
        if self._lost and self._flash.owns(self):
            self.closed = True
            self._flash.forget(self)
            return
        with self._operation():
            self.closed = True
            self._flash.forget(self)
            lfs.file_close(self._fs, self._handle)

    def __enter__(self) -> FlashFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _operation(self, allowed: bool = True) -> Any:
        if self.closed or not self._flash.owns(self) or not allowed:
            raise failure(errno.EBADF)
        if self._lost:
            raise failure(errno.EIO)
        return self._flash.operation
