"""The columns of a recording: time, a sample's fields, an event's. A row is either a sample or an event."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from openknead.model import Event, Sample
from openknead.recording.model import Row, utc_s, utc_text

SAMPLE = tuple(field.name for field in fields(Sample))
TIME, EVENT = "time_utc", ("event", "value", "detail")
COLUMNS = (TIME, *SAMPLE, *EVENT)
MEANINGS = {  # where they are not what the firmware's table of telemetry says
    TIME: "When it was: ISO 8601, UTC, to the millisecond.",
    "state": "State, by its name.",
    "limiters": "Limiters at work, by name.",
    "fault": "The latched fault's name; empty: none.",
    "event": "Name of the event; empty in a sample's row.",
    "value": "Its value, such as the state that began.",
    "detail": "What else came with it, as JSON: `reason`, `lost`.",
}
_TYPES = [(str(field.type), "None" in str(field.type)) for field in fields(Sample)]
_T_MS = SAMPLE.index("t_ms")
_LIMITERS = SAMPLE.index("limiters")


def cells(row: Row) -> list[Any]:
    """A row's cells in the order of COLUMNS; None where it has nothing to say."""
    item = row.item
    when = utc_text(row.utc_s)
    if isinstance(item, Sample):
        values = [getattr(item, name) for name in SAMPLE]
        values[_LIMITERS] = " ".join(item.limiters)
        return [when, *values, None, None, None]
    values = [None] * len(SAMPLE)
    values[_T_MS] = item.t_ms
    more = {key: value for key, value in item.data.items() if key not in ("name", "value", "t_ms")}
    detail = json.dumps(more, separators=(",", ":"), ensure_ascii=False) if more else None
    return [when, *values, _line(item.name), _line(item.value), detail]


def row(values: Sequence[Any]) -> Row:
    """The row of such cells, numbers perhaps as text, "" as good as None. Raises ValueError."""
    if len(values) != len(COLUMNS):
        raise ValueError(f"{len(values)} cells, not {len(COLUMNS)}")
    when = utc_s(_text(values[0]))
    name, value, detail = values[-3:]
    if name not in (None, ""):
        return Row(when, _event(_text(name), _text(value or ""), _number(values[1 + _T_MS]), detail))
    sample = [
        _cell(cell, kind, optional) for cell, (kind, optional) in zip(values[1:-3], _TYPES, strict=True)
    ]
    return Row(when, Sample(*sample))


def _event(name: str, value: str, t_ms: int, detail: object) -> Event:
    more = json.loads(_text(detail)) if detail else {}
    if not isinstance(more, dict):
        raise ValueError("the detail of an event is no object")
    return Event(name, value, t_ms, {"name": name, "value": value, "t_ms": t_ms, **more})


def _cell(cell: Any, kind: str, optional: bool) -> Any:
    if kind.startswith("tuple"):
        return tuple(_text(cell).split()) if cell else ()
    if cell is None or cell == "":
        if optional:
            return None
        raise ValueError("a cell is empty")
    return _number(cell) if kind.startswith("int") else _text(cell)


def _number(cell: Any) -> int:
    if isinstance(cell, bool) or not isinstance(cell, int | str):
        raise ValueError(f"{cell!r} is no number")
    return int(cell)


def _text(cell: Any) -> str:
    if not isinstance(cell, str):
        raise ValueError(f"{cell!r} is no text")
    return cell


def _line(text: str) -> str:
    return " ".join(text.split())
