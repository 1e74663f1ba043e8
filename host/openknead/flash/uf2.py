"""UF2: is a file whole, and meant for this chip? Judged block by block, before anything is written.

A block has 512 bytes: magic numbers, where its 256 bytes of payload go, its number and how many there are.
There is no checksum: a changed payload shows in the file's SHA-256 only.
Source: github.com/microsoft/uf2, and the RP2040 datasheet, 2.8.4.2.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from openknead.flash.errors import Uf2Error

BLOCK_BYTES = 512
PAYLOAD_BYTES = 256  # what the RP2040's boot ROM takes
FLASH_START = 0x1000_0000
FLASH_BYTES = 2 * 1024 * 1024  # of a Pico
FILES_START = FLASH_START + 0xA_0000  # where MicroPython keeps files, in official RPI_PICO images
RP2040 = 0xE48B_FF56
FAMILIES = {
    RP2040: "RP2040",
    0xE48B_FF57: "any chip of the RP2 series, at absolute addresses",
    0xE48B_FF58: "data of the RP2 series",
    0xE48B_FF59: "RP2350 (Arm, secure)",
    0xE48B_FF5A: "RP2350 (RISC-V)",
    0xE48B_FF5B: "RP2350 (Arm, non-secure)",
}
_HEAD = struct.Struct("<8I")
_MAGIC = (0x0A32_4655, 0x9E5D_5157)
_MAGIC_END = 0x0AB1_6F30
_FAMILY_GIVEN = 0x2000  # the one flag an image has; others mean blocks that are not for the flash


@dataclass(frozen=True)
class Uf2:
    """A checked image: payload bytes, and the first flash address behind it."""

    size: int
    end: int


def check(data: bytes, family: int = RP2040) -> Uf2:
    """The image in a file's content. Raises Uf2Error unless all of it is right and for that family."""
    count, rest = divmod(len(data), BLOCK_BYTES)
    if data[:4] != struct.pack("<I", _MAGIC[0]):
        raise Uf2Error("this is no UF2 file")
    if rest:
        raise Uf2Error(f"the UF2 file is cut off: {len(data)} bytes are no multiple of {BLOCK_BYTES}")
    blocks = [data[place : place + BLOCK_BYTES] for place in range(0, len(data), BLOCK_BYTES)]
    found = {
        _HEAD.unpack_from(block)[-1] for block in blocks
    }  # one for an RP2350 may begin with another's block
    if found != {family}:
        meant = " and ".join(sorted(FAMILIES.get(name, f"unknown family 0x{name:08x}") for name in found))
        raise Uf2Error(f"the UF2 file is for {meant}; this board needs one for {FAMILIES[family]}")
    for number, block in enumerate(blocks):
        _check_block(block, number, count)
    size = count * PAYLOAD_BYTES
    if size > FLASH_BYTES:
        raise Uf2Error(f"the image has {size} bytes, a Pico's flash {FLASH_BYTES}")
    return Uf2(size, FLASH_START + size)


def _check_block(block: bytes, number: int, count: int) -> None:
    *magic, flags, address, payload, index, total, _family = _HEAD.unpack_from(block)
    if tuple(magic) != _MAGIC or struct.unpack_from("<I", block, BLOCK_BYTES - 4)[0] != _MAGIC_END:
        raise _wrong(number, "its magic numbers are wrong")
    if flags != _FAMILY_GIVEN:
        raise _wrong(number, f"its flags are 0x{flags:04x}, not 0x{_FAMILY_GIVEN:04x}")
    if total != count:
        raise _wrong(
            number, f"it says there are {total} blocks, the file has {count}: cut off, or not one image"
        )
    if index != number:
        raise _wrong(number, f"it says that it is block {index}")
    if payload != PAYLOAD_BYTES:
        raise _wrong(number, f"its payload has {payload} bytes, not {PAYLOAD_BYTES}")
    if address != FLASH_START + number * PAYLOAD_BYTES:  # neither outside nor twice nor with a hole between
        raise _wrong(number, f"it goes to 0x{address:08x}, which is not where the one before it ends")


def _wrong(number: int, why: str) -> Uf2Error:
    return Uf2Error(f"the UF2 file is damaged: block {number}: {why}")
