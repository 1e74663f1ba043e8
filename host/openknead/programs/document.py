"""The document of a program: what goes to the device and lies on its flash, the user's file inside it.

    OKP1 <CRC-32 of the rest, eight hex digits>
    {"name":…,"stages":[[…],…]}
    <the file, zlib>

The device reads the first two lines; a pull gives the file back byte for byte.
"""

from __future__ import annotations

import json
import re
import zlib

from openknead.errors import OpenKneadError
from openknead.programs.model import Program, Wire

SOURCE_MAX = 65_536  # bytes of a file; a document that unpacks to more is none of ours
_HEAD = re.compile(rb"OKP1 ([0-9a-f]{8})\n")


class DocumentError(OpenKneadError):
    """What the device keeps as a program is none that this host understands."""

    code, name = -33060, "document_invalid"
    remedy = "remove it from the device: knead program remove NAME"


def pack(program: Program, source: bytes) -> bytes:
    """The document of a program and of the file it was read from."""
    content = {"name": program.name, "stages": [stage.wire() for stage in program.stages]}
    line = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    rest = line + b"\n" + zlib.compress(source, 9)
    return b"OKP1 %08x\n" % zlib.crc32(rest) + rest


def unpack(document: bytes) -> tuple[str, list[Wire], bytes]:
    """Name, stages and file in a document; the stages are not judged. Raises DocumentError."""
    head = _HEAD.match(document)
    if not head:
        raise DocumentError("the document does not begin with OKP1 and a checksum")
    rest = document[head.end() :]
    if zlib.crc32(rest) != int(head[1], 16):
        raise DocumentError("the document's checksum is wrong")
    line, _, packed = rest.partition(b"\n")
    try:
        content = json.loads(line)
        name, stages = content["name"], content["stages"]
    except (ValueError, RecursionError, KeyError, TypeError) as problem:
        raise DocumentError("the document holds no name and stages") from problem
    if not isinstance(name, str) or not isinstance(stages, list):
        raise DocumentError("the document holds no name and stages")
    return name, stages, _unzip(packed)


def _unzip(packed: bytes) -> bytes:
    unzip = zlib.decompressobj()
    try:
        source = unzip.decompress(packed, SOURCE_MAX + 1)
    except zlib.error as problem:
        raise DocumentError("the file in the document is damaged") from problem
    if len(source) > SOURCE_MAX or not unzip.eof:
        raise DocumentError(f"the file in the document is cut off, or longer than {SOURCE_MAX} bytes")
    return source
