"""What is the user's on a board: settings, programs, journal, and any other file that is not the firmware's.

It is read from the files on flash, whether firmware runs or not. The three formats that are read here are the
firmware's own, in its store.py, library.py and journal.py.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from openknead.flash.build import ALWAYS_SOURCE, CONTENT_FILE, PACKAGE

SETTINGS, MEMORY = "settings", "memory"  # record files NAME.a and NAME.b
PROGRAMS, JOURNAL = "programs/", "journal/"
SEGMENTS = 32  # of a journal; the oldest goes when there are more
TRANSIENT = (CONTENT_FILE, "maintenance", "record.tmp", "flash.tmp")  # the firmware's notes, and leftovers

Values = Mapping[str, int | bool]


def is_users(path: str) -> bool:
    """Whether a file on a board is the user's."""
    return path not in (*ALWAYS_SOURCE, *TRANSIENT) and not path.startswith(PACKAGE)


@dataclass(frozen=True)
class Kept:
    """The user's files by path, and the settings in force: those that were saved, or as the device told them.

    unsaved: settings whose value in force was not the saved one; firmware, protocol: empty if none ran.
    """

    board: str
    files: Mapping[str, bytes]
    values: Values = field(default_factory=dict)
    unsaved: tuple[str, ...] = ()
    firmware: str = ""
    protocol: str = ""

    @property
    def saved(self) -> Values:
        """The settings in the newest valid record; empty without one."""
        return _newest(self.files, SETTINGS)[1]

    @property
    def own(self) -> dict[str, int | bool]:
        """The settings that are the user's, with the values in force: saved or changed, not mere defaults."""
        names = {*self.saved, *self.unsaved}
        return {name: value for name, value in self.values.items() if name in names}

    @property
    def programs(self) -> dict[str, bytes]:
        """The documents of the user's programs, by name."""
        found = {
            path.removeprefix(PROGRAMS): data
            for path, data in self.files.items()
            if path.startswith(PROGRAMS)
        }
        return {name: data for name, data in found.items() if _is_program(data)}

    @property
    def journal(self) -> dict[int, Any]:
        """The records of the journal by number."""
        records: dict[int, Any] = {}
        for path in self.segments:
            for record in _records(self.files[path]):
                records[record["n"]] = record
        return records

    @property
    def segments(self) -> list[str]:
        """The journal's files, oldest first."""
        return sorted(path for path in self.files if path.startswith(JOURNAL))

    def over(self, first: Kept) -> Kept:
        """This, with what it lacks of an earlier look at the same board.

        Of a record that is written again and again the newer one counts, of a segment of the journal the one
        with more records, of anything else the one that is there now; a damaged program counts as missing.
        """
        files = {**first.files, **self.files}
        for path, data in first.files.items():
            now = self.files.get(path, b"")
            if (path.startswith(PROGRAMS) and not _is_program(now)) or (
                path.startswith(JOURNAL) and len(_records(data)) > len(_records(now))
            ):
                files[path] = data
        for name in (SETTINGS, MEMORY):
            if _newest(first.files, name)[0] > _newest(self.files, name)[0]:
                files |= {path: first.files[path] for path in _pair(name) if path in first.files}
        told = max(first, self, key=lambda kept: (_newest(kept.files, SETTINGS)[0], bool(kept.firmware)))
        return replace(told, files=files)


def _pair(name: str) -> tuple[str, str]:
    return f"{name}.a", f"{name}.b"


def _newest(files: Mapping[str, bytes], name: str) -> tuple[int, Values]:
    """Sequence number and content of the newest valid record; (0, {}) without one."""
    return max((_record(files.get(path, b"")) for path in _pair(name)), key=lambda record: record[0])


def _record(data: bytes) -> tuple[int, Values]:
    head, _, body = data.partition(b"\n")
    try:
        magic, sequence, length, checksum = head.decode().split(" ")
        if magic != "OK1" or len(body) != int(length):
            raise ValueError
        if zlib.crc32(b"%d %s" % (int(sequence), body)) != int(checksum, 16):
            raise ValueError
        content = json.loads(body)
    except ValueError:
        return 0, {}
    return (int(sequence), content) if isinstance(content, dict) else (0, {})


def _is_program(document: bytes) -> bool:
    head, _, rest = document.partition(b"\n")
    return head == b"OKP1 %08x" % zlib.crc32(rest)


def _records(segment: bytes) -> list[dict[str, Any]]:
    """The records of a segment, up to the first line that is not whole."""
    found = []
    for line in segment.splitlines(keepends=True):
        checksum, _, text = line.partition(b" ")
        if not text.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(text[:-1]):
            break
        try:
            record = json.loads(text)
            found.append({"n": int(record["n"]), **record})
        except (ValueError, KeyError, TypeError):
            break
    return found
