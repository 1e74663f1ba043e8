"""Agreement: what the device's journal says of its sessions, against what was seen at the motor's pins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

TIME_MS = 200  # of a session's length
TOO_SHORT_MS = 50  # the motor did not even come on, or was off again within some ticks


@dataclass(frozen=True)
class Seen:
    """A session that ended. least_ms, most_ms: its length by the pins, which do not show the end of a pause;
    reason: as the device said it, None: not heard; must: False when a restart came so soon that it need
    not be in the journal."""

    least_ms: float
    most_ms: float
    reason: str | None
    must: bool = True


def disagreements(seen: Sequence[Seen], records: Iterable[dict[str, Any]], deaf: bool = False) -> list[str]:
    """What does not agree, in words. deaf: there may have been sessions that were not heard of."""
    found = []
    waiting = list(seen)
    lost = 0
    for record in records:
        lost += int(record.get("lost", 0))
        if record["kind"] != "session" or record["reason"] == "interrupted":  # charged, its end was not seen
            continue
        at = next((n for n, session in enumerate(waiting) if _same(session, record)), None)
        if at is not None:
            skipped, waiting = waiting[:at], waiting[at + 1 :]
            found += [_missing(session) for session in skipped if session.must]
        elif record["ran_ms"] > TOO_SHORT_MS and record.get("areas") != {} and not deaf:  # {}: a mere timer
            found.append(
                f"record {record['n']} tells of {record['ran_ms']} ms until {record['reason']}: not seen so"
            )
    found += [_missing(session) for session in waiting if session.must]
    return found if len(found) > lost else []


def _same(session: Seen, record: dict[str, Any]) -> bool:
    long_enough = session.least_ms - TIME_MS <= record["ran_ms"] <= session.most_ms + TIME_MS
    return long_enough and session.reason in (None, record["reason"])


def _missing(session: Seen) -> str:
    return f"no record of {session.least_ms:.0f}…{session.most_ms:.0f} ms until {session.reason}"
