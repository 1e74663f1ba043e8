"""Journal: the device's black box, records that are only ever added, on flash.

A record is one line, `<crc32 in 8 hex digits> <JSON>`; its number `n` grows by one from record to record, by
more only where a stray folder has the name of the next segment. Lines are kept in segments of about
SEGMENT_BYTES, named after the number of their first record; when there are SEGMENTS of them the oldest is
removed. After a power cut the tail of the newest may be torn: it stays where it is, and the next record
begins a new segment. Starting only reads: flash that refuses writes must not prevent it. Whatever is not a
record of this journal is skipped.
"""

import binascii
import json

from micropython import const

from massager.flash import parse_object
from massager.store import os_failure

FOLDER = "journal"
NAME_DIGITS = const(8)
BOOT_MAX = const(0x3FFFFFFF)
TEXT_MAX = const(880)  # bytes of a record; a reply has no room for more
SEGMENT_BYTES = const(4096)
SEGMENTS = const(32)


class Journal:
    """Appends and hands out. `last`: number of the newest record, 0 = none; `boot`: number of this boot."""

    def __init__(self, files):
        self._files = files
        self.last = 0
        self._segment = None  # name of the one that is written
        self._size = 0
        newest = self._find_end()
        boot = newest.get("boot") if newest else 0
        self.boot = boot + 1 if isinstance(boot, int) and 0 <= boot < BOOT_MAX else 1

    def append(self, kind, values, up_ms, unix_s):
        """Write a record; returns its number. Raises StoreError when the flash does not take it.

        values: dict of what belongs to that kind; up_ms: uptime; unix_s: time, or None.
        """
        record = {"n": self.last + 1, "kind": kind, "boot": self.boot, "up_ms": up_ms, "unix_s": unix_s}
        record.update(values)
        line = _line(record)
        try:
            if self._segment is None or self._size + len(line) > SEGMENT_BYTES:
                self._make_room()
                if record["n"] != self.last + 1:
                    record["n"] = self.last + 1
                    line = _line(record)
                self._segment = _path("%08d" % (self.last + 1))
                self._size = 0
            self._files.append(self._segment, line)
        except OSError as e:
            self._segment = None  # how much of it is on flash is not known
            self._find_end()
            raise os_failure(e)
        self.last += 1
        self._size += len(line)
        return self.last

    def first(self):
        """Number of the oldest record, 0 = none."""
        names = self._names()
        return int(names[0]) if names and self.last else 0

    def read(self, start, room):
        """Records from number `start` on, as many as `room` bytes hold: (list of JSON texts, next).

        next: number from which to continue, None at the end. Exact: the texts are those that were written.
        The first one may be longer than `room`, but not than TEXT_MAX: such a record is skipped.
        """
        most = max(room, TEXT_MAX)
        texts: list = []
        for name in self._from(start):
            n = int(name)
            for text in lines(self._files.read(_path(name)) or b"")[0]:
                if n >= start and self._record(name, n, text, most):
                    room -= len(text) + 1
                    if room < 0 and texts:
                        return texts, n
                    texts.append(text.decode())
                n += 1
        return texts, None

    def _from(self, start):
        """Names of the segments that hold record `start` and later ones."""
        names = self._names()
        at = 0
        while at + 1 < len(names) and int(names[at + 1]) <= start:
            at += 1
        return names[at:]

    def _make_room(self):
        """Remove what a cut left of a segment that had just been begun, and the oldest when it is time.

        The next number is one that no stray folder has for its name.
        """
        names = self._names()
        while names and int(names[-1]) > self.last:
            self._files.remove(_path(names.pop()))
        while len(names) >= SEGMENTS:
            self._files.remove(_path(names.pop(0)))
        while self._files.is_folder(FOLDER, "%08d" % (self.last + 1)):
            self.last += 1

    def _find_end(self):
        """Find the newest record and return it as a dict, None without any.

        A segment is closed once it has a torn tail, or another was begun after it.
        """
        names = self._names()
        for name in reversed(names):
            data = self._files.read(_path(name)) or b""
            found, end = lines(data)
            last = int(name) + len(found) - 1
            if end < len(data):  # by a power cut, or damage
                self._files.skip(_path(name), "torn after record %d" % last)
            record = self._record(name, last, found[-1], end) if found else None
            if record:
                self.last = last
                if end == len(data) and name == names[-1]:
                    self._segment = _path(name)
                    self._size = end
                return record
        return None

    def _names(self):
        """Names of the segments, the oldest first."""
        return self._files.names(FOLDER, _is_segment)

    def _record(self, name, n, text, most):
        """The record of number n as a dict; None, which is noted, for any other text, or a longer one."""
        record = parse_object(text) if len(text) <= most else None
        if record and record.get("n") == n:
            return record
        self._files.skip(_path(name), "record %d is not one of this journal" % n)
        return None


def _path(name):
    return FOLDER + "/" + name


def _is_segment(name):
    return len(name) == NAME_DIGITS and all("0" <= digit <= "9" for digit in name)


def _line(record):
    return build(json.dumps(record, separators=(",", ":")))


def build(text):
    """The line of a record's JSON text, as bytes."""
    data = text.encode()
    return b"%08x %s\n" % (binascii.crc32(data), data)


def lines(data):
    """JSON texts of a segment's bytes, up to the first line that is not whole, and where that begins."""
    found: list = []
    at = 0
    while True:
        end = data.find(b"\n", at)
        if end < at + 9:
            break
        text = data[at + 9 : end]
        if data[at : at + 9] != b"%08x " % binascii.crc32(text):
            break
        found.append(text)
        at = end + 1
    return found, at
