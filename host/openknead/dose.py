"""Dose: how long and how fast each area of the body was massaged, by day.

From the sessions in the device's journal; what the device itself counts of the current day, and limits, is
`Device.dose`. The dose is minutes × oscillations per minute, which is the number of oscillations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from openknead.journal import MEAN, Record, times

UNSPECIFIED = "unspecified"  # the area of a session that named none, and of records older than areas
SIDES = ("_left", "_right")
LEVELS = range(1, 12)
COUNTED = "counted"  # how a session's motor time is known, if not charged at the next start
_EPOCH = date(1970, 1, 1)
_MAX_DAY = 100_000  # days since 1970 that no clock has been set to


@dataclass(frozen=True, slots=True)
class Part:
    """What one session did to one area. estimated: not counted as the motor turned.

    That is the whole time of a session whose record has no areas, or what was charged for one whose end the
    device did not see.
    """

    motor_ms: int
    oscillations: int | None
    estimated: bool = False

    @property
    def rate_opm(self) -> float | None:
        """Mean rate while the motor ran."""
        if self.oscillations is None or not self.motor_ms:
            return None
        return self.oscillations * 60_000 / self.motor_ms


@dataclass(frozen=True, slots=True)
class Share:
    """What one area got on one day."""

    area: str
    parts: tuple[Part, ...]

    @property
    def sum(self) -> Part:
        """All sessions together."""
        return total(self.parts)

    def as_dict(self) -> dict[str, Any]:
        """The share as JSON-compatible members."""
        return {"area": self.area, "sessions": len(self.parts)} | _members(self.sum)


@dataclass(frozen=True, slots=True)
class Day:
    """A day's dose. day: None for sessions whose date is not known; those have the boot's number instead."""

    day: date | None
    boot: int | None
    sessions: int
    shares: tuple[Share, ...]  # the longest first

    @property
    def name(self) -> str:
        """ISO date, or "boot 4"."""
        return f"boot {self.boot}" if self.day is None else self.day.isoformat()

    @property
    def sum(self) -> Part:
        """All areas together."""
        return total(part for share in self.shares for part in share.parts)

    def as_dict(self) -> dict[str, Any]:
        """The day as JSON-compatible members."""
        return {
            "day": self.day and self.day.isoformat(),
            "boot": self.boot,
            "sessions": self.sessions,
            **_members(self.sum),
            "areas": [share.as_dict() for share in self.shares],
        }


@dataclass(frozen=True, slots=True)
class Today:
    """What the device counts of the current day, and its limits; limits of 0 are none."""

    day: date | None  # None: the device has never known the date
    dated: bool  # whether it knows the date now
    total_s: int
    areas: Mapping[str, tuple[int, int, int]]  # label → motor time in s, oscillations, sessions
    day_limit_min: int
    area_limit_min: int
    rest_s: int
    rest_left_s: int
    charged: Mapping[str, int]  # how the motor time is known → seconds of it; {} from firmware before 1.4

    @staticmethod
    def of(pages: Sequence[Mapping[str, Any]]) -> Today:
        """From the pages of `dose.get`. Raises KeyError, TypeError or ValueError for what makes no sense."""
        first = pages[0]
        entries = {str(label): entry for page in pages for label, entry in page["areas"].items()}
        day = first["day"]
        return Today(
            day=None if day is None else _EPOCH + timedelta(days=day),
            dated=bool(first["dated"]),
            total_s=int(first["total_s"]),
            areas={label: (int(s), int(turns), int(n)) for label, (s, turns, n) in entries.items()},
            day_limit_min=int(first["day_limit_min"]),
            area_limit_min=int(first["area_limit_min"]),
            rest_s=int(first["rest_s"]),
            rest_left_s=int(first["rest_left_s"]),
            charged={str(how): int(s) for how, s in first.get("charged", {}).items()},
        )

    def as_dict(self) -> dict[str, Any]:
        """The count as JSON-compatible members."""
        areas = [
            {"area": label, "motor_s": entry[0], "oscillations": entry[1], "sessions": entry[2]}
            for label, entry in self.areas.items()
        ]
        kept = {name: getattr(self, name) for name in self.__slots__}
        return kept | {
            "day": self.day and self.day.isoformat(),
            "areas": areas,
            "charged": dict(self.charged),
        }


def ledger(records: Sequence[Record], since: date | None = None, area: str | None = None) -> list[Day]:
    """The dose by day, oldest first, from the day `since` on.

    area: only this area; a base such as "calf" has its sides in it. Sessions of unknown date are kept when
    the next session of a known date is kept, or none follows. A session without motor time has no dose.
    """
    found: dict[tuple[date | None, int | None], dict[str, list[Part]]] = {}
    counts: dict[tuple[date | None, int | None], int] = {}
    for record, day in _kept(records, since):
        parts = {label: part for label, part in _parts(record).items() if area is None or within(label, area)}
        if not parts:
            continue
        key = (day, record.boot if day is None else None)
        counts[key] = counts.get(key, 0) + 1
        for label, part in parts.items():
            found.setdefault(key, {}).setdefault(label, []).append(part)
    return [Day(*key, counts[key], _shares(areas)) for key, areas in found.items()]


def within(label: str, area: str) -> bool:
    """Whether a label is this area or a side of it."""
    return label == area or label in [area + side for side in SIDES]


def total(parts: Iterable[Part]) -> Part:
    """Several parts as one; oscillations are None only when none is known."""
    parts = list(parts)
    known = [part.oscillations for part in parts if part.oscillations is not None]
    return Part(
        sum(part.motor_ms for part in parts),
        sum(known) if known else None,
        any(part.estimated for part in parts),
    )


def _kept(records: Sequence[Record], since: date | None) -> list[tuple[Record, date | None]]:
    sessions = [
        (record, _day(record, unix_s))
        for record, unix_s in zip(records, times(records), strict=True)
        if record.kind == "session"
    ]
    if since is None:
        return sessions
    kept, keeping = [], True
    for record, day in reversed(sessions):
        keeping = keeping if day is None else day >= since
        if keeping:
            kept.append((record, day))
    return kept[::-1]


def _day(record: Record, unix_s: int | None) -> date | None:
    """The local date: the device's own where it knew it, else from the time that was worked out.

    A device without a date continues with its last day, so that is no date. A session charged at the next
    start has its own day.
    """
    day = record.number("day")
    own = record.unix_s is not None or _is_charged(record)
    if own and day is not None and 0 < day < _MAX_DAY:
        return _EPOCH + timedelta(days=day)
    return None if unix_s is None else datetime.fromtimestamp(unix_s).date()


def _parts(record: Record) -> dict[str, Part]:
    """Area → what the session did to it."""
    areas = record.data.get("areas")
    if isinstance(areas, Mapping):
        return {
            str(label): Part(entry[0], entry[1], estimated=_is_charged(record))
            for label, entry in areas.items()
            if isinstance(entry, list) and len(entry) == 2 and all(_is_count(value) for value in entry)
        }
    ran_ms, rate_opm = record.number("ran_ms"), record.number("rate_opm", MEAN)
    if not ran_ms or ran_ms < 0:
        return {}
    turns = None if rate_opm is None else round(rate_opm * ran_ms / 60_000)
    return {UNSPECIFIED: Part(ran_ms, turns, estimated=True)}


def _is_charged(record: Record) -> bool:
    """Whether the session's end is missing: what the device charged for it is not what it counted."""
    return bool(record.data.get("charged", COUNTED) != COUNTED)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 0


def _shares(areas: Mapping[str, list[Part]]) -> tuple[Share, ...]:
    shares = (Share(label, tuple(parts)) for label, parts in areas.items())
    return tuple(sorted(shares, key=lambda share: (-share.sum.motor_ms, share.area)))


def _members(part: Part) -> dict[str, Any]:
    rate = part.rate_opm
    return {
        "motor_s": round(part.motor_ms / 1000, 1),
        "oscillations": part.oscillations,
        "mean_rate_opm": None if rate is None else round(rate),
        "estimated": part.estimated,
    }
