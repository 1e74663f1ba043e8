"""Documents between host and device, in parts, in both directions."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from openknead.errors import DeviceError, OpenKneadError, ReplyDamaged, TransferBroken
from openknead.programs.table import DOCUMENT_MAX

Call = Callable[..., dict[str, Any]]  # `Device.call`
Progress = Callable[[int, int], None]  # bytes done, bytes in all
TRIES = 3  # how often a transfer is begun when lines get damaged on their way
COMMIT_S = 5.0  # the device writes its flash


class NotKept(OpenKneadError):
    """What the device gives back is not what was sent to it."""

    code, name = -33063, "program_not_kept"
    remedy = "push it again; when that does not help, the device's flash is failing"


def fetch(call: Call, name: str) -> bytes:
    """The document of a user's program. Raises UnknownProgram."""
    document = b""
    offset: int | None = 0
    while offset is not None:
        part = call("program.fetch", name=name, offset=offset)
        document += b64decode(str(part["data"]))
        offset = part.get("next")
        if len(document) > DOCUMENT_MAX or (offset is not None and offset != len(document)):
            raise DeviceError("program.fetch makes no sense", remedy="report this firmware's version")
    return document


def send(call: Call, name: str, document: bytes, progress: Progress | None = None) -> None:
    """Put a document on the device and read it back; an equal name's is replaced.

    progress: told after every part, there and back. Raises NotKept, and what the device answers.
    """
    size = len(document)
    for last in (False,) * (TRIES - 1) + (True,):
        try:
            _send(call, name, document, progress)
            break
        except (ReplyDamaged, TransferBroken):
            if last:
                raise
    if fetch(call, name) != document:
        raise NotKept(f"{name} reads back other than it was sent")
    if progress:
        progress(size, size)


def _send(call: Call, name: str, document: bytes, progress: Progress | None) -> None:
    room = int(call("program.begin", name=name, size=len(document))["room"])
    offset = 0
    while offset < len(document):
        part = b64encode(document[offset : offset + room]).decode()
        offset = int(call("program.write", offset=offset, data=part)["offset"])
        if progress:
            progress(offset, len(document) + 1)  # done only when read back
    call("program.commit", timeout=COMMIT_S)
