"""Store: one JSON record on flash that survives a power cut at any moment.

Two files take turns. A record is written under a temporary name, read back, and renamed over the older
one; the newest file whose checksum is right wins. A cut leaves the old or the new record, whole.

File: one header line `OK1 <sequence> <length> <crc32>` and the JSON text.
"""

import binascii
import json

from micropython import const

TEMPORARY = "record.tmp"
HEADER_MAX = const(64)  # bytes
SKIPPED_MAX = const(8)  # names that are kept
NAME_MAX = const(40)  # characters of each


class StoreError(Exception):
    """A record could not be written; the old one stays in force. args: (reason, is_full)."""


class Skipped:
    """What lies on flash and could not be used, for the journal and for hosts.

    names: the first of them; more: whether there are others; noted: how many of names the journal has.
    """

    def __init__(self):
        self.names = []
        self.more = False
        self.noted = 0

    def add(self, name):
        """Note a file or folder, once."""
        name = "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in name[:NAME_MAX])
        if name in self.names:
            return
        if len(self.names) < SKIPPED_MAX:
            self.names.append(name)
        else:
            self.more = True


def loads(data):
    """What JSON text or bytes mean; None when that is nothing."""
    try:
        return json.loads(data)
    except (
        ValueError,
        TypeError,
        RuntimeError,
        MemoryError,
    ):  # a key that is a list; nested too deep; too long
        return None


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
        discard(self._files)
        best = None
        found = 0
        for index in (0, 1):
            data = self._files.read(self._names[index])
            if data is None:
                continue
            found += 1
            parsed = parse(data)
            if not parsed:
                self._files.skipped.add(self._names[index])
            elif best is None or parsed[0] > self.sequence:
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
    return b"OK1 %d %d %08x\n" % (sequence, len(body), binascii.crc32(_covered(sequence, body))) + body


def parse(data):
    """(sequence, record) of a record file's bytes; None when anything about it is wrong."""
    try:
        end = data.index(b"\n", 0, HEADER_MAX)
        magic, sequence, length, crc = data[:end].decode().split(" ")
        body = data[end + 1 :]
        sequence = int(sequence)
        if (
            magic != "OK1"
            or len(body) != int(length)
            or binascii.crc32(_covered(sequence, body)) != int(crc, 16)
        ):
            return None
    except ValueError:  # also UnicodeError
        return None
    record = loads(body)
    return (sequence, record) if isinstance(record, dict) else None


def _covered(sequence, body):
    return b"%d " % sequence + body
