"""Store: one JSON record on flash that survives a power cut at any moment.

Two files take turns. A record is written under a temporary name, read back, and renamed over the older
one; the newest file whose checksum is right wins. A cut leaves the old or the new record, whole.

File: one header line `OK1 <sequence> <length> <crc32>` and the JSON text.
"""

import binascii
import json

from massager.flash import parse_object

TEMPORARY = "record.tmp"


class StoreError(Exception):
    """A record could not be written; the old one stays in force. args: (reason, is_full)."""


def os_failure(error):
    """The StoreError that an OSError of the flash amounts to."""
    number = error.args[0]
    return StoreError("OSError %d" % number, number == 28)  # ENOSPC


class Store:
    """The A/B record `name`.a / `name`.b on `files`."""

    def __init__(self, files, name):
        self._files = files
        self._names = (name + ".a", name + ".b")
        self.sequence = 0
        self._current = 1  # index of the file that holds the record in force; the other one is written next
        self.damaged = False

    def load(self):
        """The newest valid record as a dict; {} when there is none. `damaged`: there were files, all bad."""
        files = self._files
        discard(files)
        best = None
        found = 0
        for index in (0, 1):
            data = files.read(self._names[index])
            if data is None:
                continue
            found += 1
            parsed = parse(data)
            if parsed is None:
                files.skip(self._names[index], "no valid record")
            if parsed and (best is None or parsed[0] > self.sequence):
                self.sequence, best = parsed
                self._current = index
        self.damaged = bool(found) and best is None
        return best or {}

    def save(self, record):
        """Write a record; returns its sequence number. Raises StoreError and keeps the old record."""
        target = 1 - self._current
        replace(self._files, self._names[target], build(self.sequence + 1, record))
        self._current = target
        self.sequence += 1
        return self.sequence


def replace(files, name, data):
    """Write a file so that a power cut leaves the old one or the new one, whole. Raises StoreError."""
    try:
        files.write(TEMPORARY, data)
        if files.read(TEMPORARY) != data:
            raise StoreError("read-back differs", False)
        files.rename(TEMPORARY, name)
    except OSError as e:
        discard(files)
        raise os_failure(e)
    except StoreError:
        discard(files)
        raise


def discard(files):
    """Remove what was not renamed. Flash that refuses even that is no reason not to start."""
    try:
        files.remove(TEMPORARY)
    except OSError:
        pass  # the next load tries again


def build(sequence, record):
    """The bytes of a record file."""
    body = json.dumps(record).encode()
    return b"OK1 %d %d %08x\n" % (sequence, len(body), _crc(sequence, body)) + body


def parse(data):
    """(sequence, record) of a record file's bytes; None when anything about it is wrong."""
    try:
        end = data.index(b"\n")
        magic, sequence, length, crc = data[:end].decode().split(" ")
        sequence, length, crc = int(sequence), int(length), int(crc, 16)
    except ValueError:  # also UnicodeError
        return None
    body = memoryview(data)[end + 1 :]
    if magic != "OK1" or len(body) != length or _crc(sequence, body) != crc:
        return None
    record = parse_object(body)
    return None if record is None else (sequence, record)


def _crc(sequence, body):
    return binascii.crc32(body, binascii.crc32(b"%d " % sequence))
