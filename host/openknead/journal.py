"""The device's journal, its black box: boots, sessions, faults and more, kept over power cycles.

A record is exact: `data` is what the device sent, key by key. The device counts its boots and the time since
each; the date it knows only once a host has told it, so a record may lack one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from openknead.errors import DeviceError

KINDS = ("boot", "session", "fault", "clear", "refusal", "selftest", "clock", "settings", "skipped")
MIN, MEAN, MAX = range(3)  # places in a record's triples, such as `rate_opm` of a session
_UP_MASK = 0x3FFFFFFF  # the device's milliseconds may wrap here
_LATEST_S = 4_102_444_800  # the year 2100: a clock beyond it was never set right


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `n` counts records for ever, `boot` the device's starts; `up_ms`: time since that start."""

    n: int
    kind: str  # one of KINDS, or a newer firmware's
    boot: int
    up_ms: int  # modulo 2^30
    unix_s: int | None  # None: the device did not know the date
    data: Mapping[str, Any]  # the whole record, as the device sent it

    @staticmethod
    def of(raw: object) -> Record:
        """Raises DeviceError for what cannot be a record; what a record lacks is 0, "" or None."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("n"), int):
            raise _malformed(f"a record that is none: {raw!r}"[:200])
        record = Record(raw["n"], "", 0, 0, None, raw)
        return Record(
            n=raw["n"],
            kind=record.word("kind") or "",
            boot=record.number("boot") or 0,
            up_ms=record.number("up_ms") or 0,
            unix_s=record.number("unix_s"),
            data=raw,
        )

    def number(self, key: str, place: int | None = None) -> int | None:
        """A member that is a whole number, or the one at `place` of a triple; None when it is missing."""
        value = self.data.get(key)
        if place is not None:
            value = value[place] if isinstance(value, list) and len(value) == 3 else None
        return value if isinstance(value, int) else None

    def word(self, key: str) -> str | None:
        """A member that is text; None when it is missing."""
        value = self.data.get(key)
        return value if isinstance(value, str) else None

    def names(self, key: str) -> list[str]:
        """A member that is a list of names; empty when it is missing."""
        value = self.data.get(key)
        return [str(name) for name in value] if isinstance(value, list) else []


def read(call: Callable[..., dict[str, Any]], start: int | None = None) -> Iterator[Record]:
    """The records from number `start` (None: the oldest) to the one that is the last now, oldest first.

    call: `Device.call`. Raises DeviceError when the pages make no sense.
    """
    end: object = None
    while True:
        page = call("journal.read", **({} if start is None else {"start": start}))
        records, following = page.get("records"), page.get("next")
        if not isinstance(records, list):
            raise _malformed("an answer without records")
        yield from map(Record.of, records)
        if following is None:
            return
        end = page.get("last") if end is None else end
        if not isinstance(following, int) or not isinstance(end, int):
            raise _malformed(f"a next page {following!r} of {end!r}")
        if start is not None and following <= start:
            raise _malformed(f"a next page that is none: {following} after {start}")
        if following > end:
            return
        start = following


def times(records: Sequence[Record]) -> list[int | None]:
    """When each record was written, as Unix time; None when that cannot be known.

    A record without a date takes it from the next one of the same boot, by the device's time between them.
    """
    found: list[int | None] = []
    later: Record | None = None
    at_ms: int | None = None  # of the later record
    for record in reversed(records):
        if record.unix_s is not None:
            at_ms = record.unix_s * 1000 if 0 < record.unix_s < _LATEST_S else None
        elif at_ms is not None and later is not None and later.boot == record.boot:
            at_ms -= (later.up_ms - record.up_ms) & _UP_MASK
        else:
            at_ms = None
        found.append(None if at_ms is None else at_ms // 1000)
        later = record
    return found[::-1]


def missing(records: Sequence[Record]) -> dict[int, int]:
    """How many records are missing before which: number of the record after the gap → count."""
    gaps = {}
    for before, record in pairwise(records):
        if record.n > before.n + 1:
            gaps[record.n] = record.n - before.n - 1
    return gaps


def _malformed(what: str) -> DeviceError:
    return DeviceError(f"journal.read answered with {what}", remedy="report this firmware's version")
