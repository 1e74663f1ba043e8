"""A journal's records as lines and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openknead import journal
from openknead.cli.common import columns, quantity
from openknead.journal import MAX, MEAN, Record
from openknead.report import clock

PLACES = ("motor", "driver", "handle", "pad")
TRIPLES = ("rate_opm", "current_ma", "supply_mv", "motor_dc", "driver_dc", "handle_dc", "pad_dc")
COMMON = ("n", "kind", "boot", "up_ms", "unix_s")
COLUMNS = (  # of the table; members that only a newer firmware has come after them
    *(*COMMON, "time", "origin", "level", "run_s", "ran_ms", "reason", "fault", "limiters"),
    *(f"{name}_{part}" for name in TRIPLES for part in ("min", "mean", "max")),
    *("state", "rate_opm", "current_ma", "supply_mv"),
    *("cause", "firmware", "content", "selftest", "failed", "error", "refusals", "was", "sequence", "lost"),
)

Dated = tuple[Record, int | None]  # a record and its Unix time, as far as that is known


@dataclass(frozen=True)
class Wanted:
    """Which records to show."""

    since: float | None
    limit: int | None
    kinds: Sequence[str]

    def from_now_on(self) -> Wanted:
        """The same for records that are yet to come: all of them are new."""
        return Wanted(None, None, self.kinds)

    def of(self, everything: Sequence[Record]) -> list[Dated]:
        """Those of one journal, with their times as far as known."""
        dated = list(zip(everything, journal.times(everything), strict=True))
        if self.since is not None:
            kept, keeping = [], True
            for record, unix_s in reversed(dated):
                keeping = keeping if unix_s is None else unix_s >= self.since
                if keeping:
                    kept.append((record, unix_s))
            dated = kept[::-1]
        if self.kinds:
            dated = [entry for entry in dated if entry[0].kind in self.kinds]
        return dated[-self.limit :] if self.limit else dated


def lines(dated: Iterable[Dated], gaps: dict[int, int]) -> list[str]:
    """One line per record, and one per gap: number of the record after it → how many are missing."""
    rows = []
    for record, unix_s in dated:
        if record.n in gaps:
            rows.append(("", "", gap(gaps[record.n])))
        rows.append((when(record, unix_s), record.kind, _summary(record)))
    return columns(rows)


def gap(count: int) -> str:
    """A line in place of records that are not there."""
    return f"({count} {'record is' if count == 1 else 'records are'} missing here)"


def when(record: Record, unix_s: int | None) -> str:
    """The local time, or boot and time since; `~`: worked out, not the device's own."""
    if unix_s is None:
        return f"boot {record.boot} {since_boot(record)}"
    return ("~" if record.unix_s is None else "") + moment(unix_s)


def since_boot(record: Record) -> str:
    """The time since the device's start, as +12.4 s or +1:02:03."""
    seconds, ms = divmod(record.up_ms, 1000)
    if seconds < 60:
        return f"+{seconds}.{ms // 100} s"
    return f"+{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def moment(unix_s: int) -> str:
    """A Unix time as local date and time; as a number when no calendar has it."""
    try:
        return f"{datetime.fromtimestamp(unix_s):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return str(unix_s)


def reading(record: Record) -> str:
    """What was measured at the moment of a fault."""
    supply_mv = record.number("supply_mv")
    return ", ".join(
        (
            f"level {quantity(record.number('level'), '')}",
            quantity(record.number("rate_opm"), "opm"),
            _amperes(record.number("current_ma")),
            "–" if supply_mv is None else f"{supply_mv / 1000:.1f} V",
        )
    )


def table(dated: Sequence[Dated], origins: Sequence[Mapping[str, Any]] = ()) -> str:
    """The records as CSV, head first: triples take three columns, lists are joined by spaces.

    origins: what each record's row is to begin with.
    """
    rows = [_flat(record, unix_s) for record, unix_s in dated]
    rows = [{**origin, **row} for origin, row in zip(origins, rows, strict=True)] if origins else rows
    out = io.StringIO()
    names = dict.fromkeys(
        (*(origins[0] if origins else ()), *COLUMNS, *(name for row in rows for name in row))
    )
    writer = csv.DictWriter(out, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _summary(record: Record) -> str:
    text = _SUMMARIES.get(record.kind, _unknown)(record)
    lost = record.number("lost")
    return f"{text}, {lost} lost before it" if lost else text


def _flat(record: Record, unix_s: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, value in record.data.items():
        if key in TRIPLES and isinstance(value, list):
            row |= zip((f"{key}_min", f"{key}_mean", f"{key}_max"), value, strict=False)
        else:
            row[key] = " ".join(map(str, value)) if isinstance(value, list) else value
    if unix_s is not None:
        row["time"] = datetime.fromtimestamp(unix_s).astimezone().isoformat()
    return row


def _boot(record: Record) -> str:
    failed, error = ", ".join(record.names("failed")), record.word("error")
    parts = [
        record.word("cause") or "?",
        f"firmware {record.word('firmware') or '?'}",
        f"self-test {record.word('selftest') or '?'}" + (f": {failed}" if failed else ""),
    ]
    if error:
        parts.append(error)
    if state := record.word("state"):
        parts.append(f"had been {state} and up for {_clock(record.number('ran_ms'), 1000)}")
    return ", ".join(parts)


def _session(record: Record) -> str:
    parts = [
        f"by {record.word('origin') or '?'}",
        f"level {quantity(record.number('level'), '')}",
        f"{_clock(record.number('ran_ms'), 1000)} of {_clock(record.number('run_s'), 1)}",
        " ".join(filter(None, (record.word("reason") or "?", record.word("fault")))),
        f"mean {quantity(record.number('rate_opm', MEAN), 'opm')}",
        f"max {_amperes(record.number('current_ma', MAX))}",
    ]
    heat = [(place, record.number(f"{place}_dc", MAX)) for place in PLACES]
    parts += [f"{place} {quantity(value, '0.1 C')}" for place, value in heat if value is not None]
    if limiters := record.names("limiters"):
        parts.append(f"held back: {' '.join(limiters)}")
    return ", ".join(parts)


def _fault(record: Record) -> str:
    return f"{record.word('fault') or '?'} in {record.word('state') or '?'}, {reading(record)}"


def _refusal(record: Record) -> str:
    return f"by {record.word('origin') or '?'}: {', '.join(record.names('refusals'))}"


def _clock_set(record: Record) -> str:
    was = record.number("was")
    return "set" if was is None else f"set, was {moment(was)}"


def _unknown(record: Record) -> str:
    return ", ".join(f"{key} {value}" for key, value in record.data.items() if key not in COMMON)


_SUMMARIES: dict[str, Callable[[Record], str]] = {
    "boot": _boot,
    "session": _session,
    "fault": _fault,
    "clear": lambda record: record.word("fault") or "?",
    "refusal": _refusal,
    "selftest": lambda record: f"failed: {', '.join(record.names('failed'))}",
    "clock": _clock_set,
    "settings": lambda record: f"saved, record {quantity(record.number('sequence'), '')}",
    "skipped": lambda record: "; ".join(record.names("files")),
}


def _clock(value: int | None, per_s: int) -> str:
    return "–" if value is None else clock(value / per_s)


def _amperes(current_ma: int | None) -> str:
    return "–" if current_ma is None else f"{current_ma / 1000:.2f} A"
