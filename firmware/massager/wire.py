"""Wire: lines in, lines out, byte by byte, each with an optional checksum.

A line is UTF-8 text ended by a newline; `{…}*1A2B` carries a CRC-16/CCITT-FALSE in the manner of NMEA 0183.
The checksum runs along with the bytes, because computing it over a whole reply would take longer than the
time left in a tick.
"""

from array import array

from micropython import const

LINE_MAX = const(512)  # bytes in, with the newline
REPLY_MAX = const(1024)  # bytes out, with checksum and newline

NONE = const(0)  # no line yet
LINE = const(1)
TOO_LONG = const(2)
BAD_CHECKSUM = const(3)

_HEX = b"0123456789ABCDEF"
_STAR = const(42)


def _make_table():
    table = array("H", [0] * 256)
    for i in range(256):
        crc = i << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
        table[i] = crc
    return table


_TABLE = _make_table()


class LineReader:
    """Collects bytes to lines. `data[:length]` is the text without checksum; `checked`: it carried one."""

    def __init__(self):
        self.data = bytearray(LINE_MAX)
        self.length = 0
        self.checked = False
        self._count = 0
        self._crc = 0xFFFF
        self._star = -1  # where the latest `*` stands, and the checksum of what is before it
        self._star_crc = 0

    def feed(self, byte):
        """Take one byte; returns NONE, LINE, TOO_LONG or BAD_CHECKSUM. Empty lines are ignored."""
        if byte == 10:
            return self._end()
        count = self._count
        self._count = count + 1
        if count >= LINE_MAX - 1:
            return NONE  # dropped to its end
        self.data[count] = byte
        if byte == _STAR:
            self._star = count
            self._star_crc = self._crc
        crc = self._crc
        self._crc = (crc << 8 & 0xFF00) ^ _TABLE[crc >> 8 ^ byte]
        return NONE

    def _end(self):
        count = self._count
        star = self._star
        self._count = 0
        self._crc = 0xFFFF
        self._star = -1
        self.checked = False
        if count >= LINE_MAX:
            return TOO_LONG
        if count and self.data[count - 1] == 13:  # a terminal's carriage return
            count -= 1
        self.length = count
        if not count:
            return NONE
        if star >= 0 and star == count - 5:
            given = _hex4(self.data, star + 1)
            if given >= 0:
                self.checked = True
                self.length = star
                return LINE if given == self._star_crc else BAD_CHECKSUM
        return LINE


def _hex4(data, at):
    value = 0
    for i in range(at, at + 4):
        digit = _HEX.find(bytes((data[i],)).upper())
        if digit < 0:
            return -1
        value = value << 4 | digit
    return value


class LineWriter:
    """Sends one line at a time, as fast as the console takes it."""

    def __init__(self, console):
        self._console = console
        self._data = b""
        self._at = 0
        self._crc = 0xFFFF
        self._tail = True  # whether the checksum is behind us
        self._owed = False  # the newline of a line that was given up
        self.busy = False
        self.stuck = False

    def begin(self, text, checked):
        """Start to send `text` (str without newline); only when not `busy`."""
        self._data = text.encode()
        self._at = 0
        self._crc = 0xFFFF
        self._tail = not checked
        self.busy = True

    def drop(self):
        """Give the rest of the line up; its newline goes out before the next one, which so starts afresh."""
        self._data = b""
        self._owed = True
        self.busy = False

    def pump(self):
        """Send the next byte. False when there is none, or the console does not take it now: then `stuck`."""
        if self._owed:
            self.stuck = not self._console.write(10)
            self._owed = self.stuck
            return not self.stuck
        at = self._at
        if at < len(self._data):
            byte = self._data[at]
        elif self._tail:
            byte = 10
        else:
            self._data = b"*%04X" % self._crc
            self._tail = True
            self._at = at = 0
            byte = _STAR
        if not self.busy:
            return False
        self.stuck = not self._console.write(byte)
        if self.stuck:
            return False
        if at < len(self._data):
            self._at = at + 1
            crc = self._crc
            self._crc = (crc << 8 & 0xFF00) ^ _TABLE[crc >> 8 ^ byte]
            return True
        self.busy = False
        return False
