"""What a recording consists of. A file holds one run or more: each begins when a recorder met a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from openknead.model import Event, Hello, Sample
from openknead.thin import SEQ_MASK

VERSION = 1  # of the files' layout


@dataclass(frozen=True, slots=True)
class Head:
    """Who was recorded, and how. sim: None on hardware; boot: number of the device's start."""

    board: str
    firmware: str
    content: str  # hash over the firmware's files
    protocol: str
    sim: str | None
    boot: int | None
    hz: int
    started_utc: str

    @staticmethod
    def of(hello: Hello, hz: int) -> Head:
        """A recording of the device that said `hello`, at `hz` samples a second, beginning now."""
        return Head(
            *(hello.board, hello.firmware, hello.content, hello.protocol, hello.sim, hello.boot),
            hz=hz,
            started_utc=utc_text(datetime.now(UTC).timestamp()),
        )

    @staticmethod
    def read(values: Mapping[str, Any]) -> Head:
        """From a file's members; what is missing or odd is empty."""
        return Head(**_typed(Head, values))


@dataclass(frozen=True, slots=True)
class End:
    """How a run ended. reason: "interrupted", "minutes", "session_end", or the name of an error."""

    reason: str
    samples: int
    lost: int  # samples that the device sent, or should have, and that are not in the file
    lost_events: int
    ended_utc: str

    @staticmethod
    def read(values: Mapping[str, Any]) -> End:
        """From a file's members; what is missing or odd is empty."""
        return End(**_typed(End, values))


@dataclass(frozen=True, slots=True)
class Row:
    """A sample or an event, and when it was (Unix time; see clock.py for how that is known)."""

    utc_s: float
    item: Sample | Event


@dataclass(frozen=True, slots=True)
class Damage:
    """A place in the file that cannot be read. where: such as "line 17"."""

    where: str
    why: str


Entry = Head | Row | End | Damage


@dataclass(slots=True)
class Run:
    """One run. end: None when the recorder was cut off, by a power failure for instance."""

    head: Head
    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sample_utc_s: list[float] = field(default_factory=list)  # of each sample
    event_utc_s: list[float] = field(default_factory=list)  # of each event
    damage: list[Damage] = field(default_factory=list)
    end: End | None = None

    @property
    def lost(self) -> int:
        """Samples missing between those that are there."""
        return sum(gap(before.seq, after.seq) for before, after in pairwise(self.samples))


def gap(before: int, after: int) -> int:
    """How many samples are missing between two numbers; a count that started again is not a gap."""
    missing = (after - before - 1) & SEQ_MASK
    return missing if missing < SEQ_MASK // 2 else 0


def utc_text(unix_s: float) -> str:
    """Unix time as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_s(text: str) -> float:
    """The reverse. Raises ValueError."""
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return when.timestamp()


def _typed(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Members by name as the class has them; text is taken for numbers where numbers belong."""
    found: dict[str, Any] = {}
    for each in fields(cls):
        value = values.get(each.name)
        optional, number = "None" in str(each.type), "int" in str(each.type)
        if number and not isinstance(value, int):
            value = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None
        elif not number and value is not None:
            value = str(value)
        empty = None if optional else 0 if number else ""
        found[each.name] = empty if value in (None, "") else value
    return found
