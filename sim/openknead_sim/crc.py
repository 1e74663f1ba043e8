"""The protocol's line checksum: CRC-16/CCITT-FALSE behind a `*`, as the firmware and the host have it."""

from __future__ import annotations

import binascii
import json
from typing import Any


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 0x1021, initial value 0xFFFF."""
    return binascii.crc_hqx(data, 0xFFFF)


def framed(message: dict[str, Any]) -> bytes:
    """A message as a line with checksum and newline."""
    text = json.dumps(message, separators=(",", ":")).encode()
    return text + b"*%04X\n" % crc16(text)


def unframed(line: bytes) -> bytes:
    """A line's text; raises ValueError when it carries a checksum that is wrong."""
    line = line.strip()
    text, star, check = line.rpartition(b"*")
    if not star or len(check) != 4:
        return line
    if int(check, 16) != crc16(text):
        raise ValueError("checksum mismatch")
    return text
