"""Journal: the device's black box, records that are only ever added, on flash.

A record is one line, `<crc32 in 8 hex digits> <JSON>`; its number `n` grows by one from record to record. The
lines stand in segments of about SEGMENT_BYTES, named after the number of their first record; when there are
SEGMENTS of them the oldest goes. After a power cut the tail of the newest may be torn: it stays where it is,
and the next record begins a new segment. Starting only reads: flash that refuses writes must not prevent it.
"""

import binascii
import json

from micropython import const

from massager.store import loads, os_failure

FOLDER = "journal"
SEGMENT_BYTES = const(4096)
SEGMENTS = const(32)
RECORD_MAX = const(850)  # bytes of a record that any reader has room for


class Journal:
    """Appends and hands out. `last`: number of the newest record, 0 = none; `boot`: number of this boot."""

    def __init__(self, files):
        self._files = files
        self.last = 0
        self._segment = None  # name of the one that is written
        self._size = 0
        newest = loads(self._find_end() or b"")
        boot = newest.get("boot") if isinstance(newest, dict) else 0
        self.boot = boot + 1 if isinstance(boot, int) and 0 <= boot < 0x3FFFFFFF else 1

    def append(self, kind, values, up_ms, unix_s):
        """Write a record; returns its number. Raises StoreError when the flash does not take it.

        kind: what it tells; values: dict of what belongs to that kind; up_ms: uptime; unix_s: time, or None.
        """
        record = {"n": self.last + 1, "kind": kind, "boot": self.boot, "up_ms": up_ms, "unix_s": unix_s}
        record.update(values)
        line = build(json.dumps(record, separators=(",", ":")))
        try:
            if self._segment is None or self._size + len(line) > SEGMENT_BYTES:
                self._make_room()
                self._segment = "%s/%08d" % (FOLDER, self.last + 1)
                self._size = 0
            self._files.append(self._segment, line)
        except OSError as e:
            self._segment = None  # nobody knows what of it is on flash
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

        next: number from which to go on, None at the end. Exact: the texts are those that were written.
        One that is not JSON or longer than any reader has room for has a stand-in of the kind "unreadable".
        """
        texts: list = []
        most = max(room, RECORD_MAX)
        for name in self._from(start):
            n = int(name)
            for text in lines(self._files.read("%s/%s" % (FOLDER, name)) or b"")[0]:
                if n >= start:
                    text = _shown(text, n, most)
                    room -= len(text) + 1
                    if room < 0 and texts:
                        return texts, n
                    texts.append(text)
                n += 1
        return texts, None

    def _names(self):
        return self._files.names(FOLDER, is_segment)

    def _from(self, start):
        """Names of the segments that hold record `start` and later ones."""
        names = self._names()
        at = 0
        while at + 1 < len(names) and int(names[at + 1]) <= start:
            at += 1
        return names[at:]

    def _make_room(self):
        """Remove what a cut left of a segment that had just been begun, and the oldest when it is time."""
        names = self._names()
        while names and int(names[-1]) > self.last:
            self._files.remove("%s/%s" % (FOLDER, names.pop()))
        while len(names) >= SEGMENTS:
            self._files.remove("%s/%s" % (FOLDER, names.pop(0)))

    def _find_end(self):
        """Find the newest record and return it, None without any.

        A segment is closed once it has a torn tail, or another was begun after it.
        """
        names = self._names()
        for name in reversed(names):
            data = self._files.read("%s/%s" % (FOLDER, name)) or b""
            found, end = lines(data)
            if found:
                self.last = int(name) + len(found) - 1
                if end == len(data) and name == names[-1]:
                    self._segment = "%s/%s" % (FOLDER, name)
                    self._size = end
                return found[-1]
        return None


def is_segment(name):
    """Whether a file in the folder is one of the journal's; each number has eight digits."""
    return len(name) == 8 and "0" <= name[0] < "9" and all("0" <= c <= "9" for c in name)


def _shown(data, n, most):
    """The text of record number n as it was written, unless it is longer than `most`, or not JSON."""
    if len(data) <= most and isinstance(loads(data), dict):
        return data.decode()
    return '{"n":%d,"kind":"unreadable"}' % n


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
