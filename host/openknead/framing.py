"""Lines on the wire: one JSON object each, with a checksum in the manner of NMEA 0183.

    {"jsonrpc":"2.0","id":1,"method":"hello"}*A1B2

The checksum (CRC-16/CCITT-FALSE, four upper-case hex digits) covers the bytes before the `*`. Text is
escaped to ASCII, so a request never contains byte 0x03, which would stop the firmware.
"""

from __future__ import annotations

import json
import re
from binascii import crc_hqx
from typing import Any, NoReturn

REQUEST_LIMIT = 512  # bytes to the device, including the newline
LINE_LIMIT = 4096  # bytes from the device; the protocol says 1024, the rest is patience

_MARK = re.compile(rb"\*([0-9A-Fa-f]{4})$")
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class FrameError(ValueError):
    """The line is no JSON object: a terminal's noise, a boot message, a torn line."""


class ChecksumError(FrameError):
    """The line carries a checksum, and it is wrong."""


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, start 0xFFFF, not reflected; `crc16(b"123456789")` is 0x29B1."""
    return crc_hqx(data, 0xFFFF)


def encode(message: dict[str, Any]) -> bytes:
    """One line, checksum and newline included. ValueError for NaN and infinities."""
    body = _encode(message).encode("ascii")
    return b"%s*%04X\n" % (body, crc_hqx(body, 0xFFFF))


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


def decode(line: bytes) -> dict[str, Any]:
    """The object in a line without its newline; a checksum is verified when there is one.

    Raises ChecksumError or FrameError.
    """
    mark = _MARK.search(line)
    if mark:
        line = line[: mark.start()]
        if crc_hqx(line, 0xFFFF) != int(mark[1], 16):
            raise ChecksumError("wrong checksum")
    try:
        message = _decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as problem:
        raise FrameError(str(problem)) from None
    if not isinstance(message, dict):
        raise FrameError("not an object")
    return message


class LineReader:
    """Cuts a byte stream into lines, whatever the pieces it arrives in.

    A line longer than `limit` bytes is dropped to its end and counted in `dropped`; memory stays bounded.
    `tail` is what no line end has come for yet.
    """

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self.limit = limit
        self.dropped = 0
        self.tail = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without line ends, empty ones left out."""
        *whole, rest = (self.tail + data).split(b"\n")
        if self._skipping:
            if not whole:
                return []
            del whole[0]
            self._skipping = False
        lines = []
        for raw in whole:
            line = raw.strip(b"\r")
            if len(line) > self.limit:
                self.dropped += 1
            elif line:
                lines.append(line)
        if len(rest) > self.limit:
            self.dropped += 1
            self._skipping = True
            rest = b""
        self.tail = rest
        return lines
