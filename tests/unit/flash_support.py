"""What the tests of `knead flash` share: an old board with a user's things on it, images, runs cut short."""

from __future__ import annotations

import json
import os
import signal
import struct
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from openknead.flash import target, uf2
from openknead.flash.build import content_hash, firmware_files
from openknead.flash.steps import Options, Report, Walk
from openknead.programs.check import check
from openknead.programs.document import pack
from openknead_sim.emulator.firmware import settings_record
from programs_support import CALVES

SAVED = {"area_s": 60, "default_level": 2, "slew_s": 3, "remote_start": True, "acknowledged": True}
NOTES = b"mine\n" * 300
RECORDS = 12
NO_MOTOR_S = 0.1  # the Unix port turns none that would have to coast to rest


def document(name: str) -> bytes:
    """A program as it lies on flash."""
    source = CALVES.replace('"my-calves"', f'"{name}"').encode()
    program = check(source).program
    assert program
    return pack(program, source)


def journal(first: int = 1, count: int = RECORDS) -> bytes:
    """A segment of the journal."""
    lines = []
    for n in range(first, first + count):
        text = json.dumps(
            {"n": n, "kind": "clear", "boot": 1, "up_ms": n, "unix_s": None, "fault": "stall"}
        ).encode()
        lines.append(b"%08x %s\n" % (zlib.crc32(text), text))
    return b"".join(lines)


def users() -> dict[str, bytes]:
    """A user's things."""
    return {
        "settings.a": settings_record(SAVED),
        "programs/my-calves": document("my-calves"),
        "programs/evening": document("evening"),
        "journal/00000001": journal(),
        "notes.txt": NOTES,
    }


def old_firmware() -> dict[str, bytes]:
    """As today's, but for two changed modules and one that there is no more; agreed to."""
    files = firmware_files("source")
    files["main.py"] += b"# old\n"
    files["massager/areas.py"] += b"# old\n"
    files["massager/ancient.py"] = b"# gone since\n"
    return {**files, "content": content_hash(files).encode()}


def image(blocks: int = 4, family: int = uf2.RP2040) -> bytes:
    """A UF2 that is right in every block."""
    return b"".join(
        struct.pack("<8I", 0x0A324655, 0x9E5D5157, 0x2000, uf2.FLASH_START + 256 * n, 256, n, blocks, family)
        + bytes([n % 256]) * 256
        + bytes(220)
        + struct.pack("<I", 0x0AB16F30)
        for n in range(blocks)
    )


@dataclass
class Diary:
    """A reporter that writes everything down; `events` are what a run can be cut short at."""

    steps: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.steps.append(name)
        self.happens(name)

    def progress(self, done: int, total: int) -> None:
        assert 0 <= done <= total
        self.happens(f"{self.steps[-1]}: {done} of {total}")

    def note(self, text: str) -> None:
        self.notes.append(text)

    def happens(self, event: str) -> None:
        self.events.append(event)


class Killer(Diary):
    """Kills its own process, as a power cut of the host would.

    at: the number of an event; or of one since a step began, as "send:3", where 0 is the beginning.
    """

    def __init__(self, at: str) -> None:
        super().__init__()
        self._step, _, number = at.rpartition(":")
        self._left = int(number) + (1 if self._step else 0)

    def happens(self, event: str) -> None:
        super().happens(event)
        if not self._step or self.steps[-1] == self._step:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


def flash(port: str | None, diary: Diary | None = None, **options: object) -> Report:
    """One run in this process."""
    return Walk(Options(port=port, **options), diary or Diary()).run()  # type: ignore[arg-type]


# PORT EVENT [TIMEOUT]: a run that is killed at the event of that number; without TIMEOUT on the Unix port
if __name__ == "__main__":
    port, at, *more = sys.argv[1:]
    if not more:
        target.COAST_S = NO_MOTOR_S
    Walk(Options(port=port, timeout_s=float(more[0]) if more else 2.0), Killer(at)).run()
    Path(port + ".survived").touch()
