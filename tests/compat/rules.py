"""What a newer minor version may change: nothing that a host may rely on; it may only add.

Members have paths such as `status/level` or `schema/settings/area_s/unit`. A recorded member has to be there
with the same type; with the same value, too, unless its path is in VOLATILE.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from fnmatch import translate
from typing import Any

# path, why its value may be another one (its type may not, but for null)
VOLATILE = (
    ("*/remedy", "texts are for people"),
    ("*/message", "texts are for people"),
    ("*/doc", "texts are for people"),
    ("*/measures", "texts are for people"),
    ("*/error/data/reason", "texts are for people"),
    ("*/why", "texts are for people"),
    ("schema/*/source", "texts are for people"),
    ("schema/*/clear", "texts are for people"),
    ("schema/programs/*", "built-in programs are revised, their names stay"),
    ("program.get/built in/stages*", "built-in programs are revised"),
    ("program.list/programs/*/s", "built-in programs are revised"),
    ("program.list/programs/*/motor", "built-in programs are revised"),
    ("schema/settings/*/min", "ranges are read from the schema"),
    ("schema/settings/*/max", "ranges are read from the schema"),
    ("schema/settings/*/default", "defaults are read from the schema"),
    ("schema/settings/*/weakens", "what needs a press is read from the schema"),
    ("schema/settings/*/weakens_when", "what needs a press is read from the schema"),
    ("schema/settings/*/confirm", "what needs a press is read from the schema"),
    ("settings.list/values/*", "defaults are read from the schema"),
    ("settings.reset/changed", "how many settings there are"),
    ("schema/faults/*/limit", "thresholds are tuned"),
    ("schema/faults/*/fault", "thresholds are tuned"),
    ("schema/faults/*/hysteresis", "thresholds are tuned"),
    ("schema/faults/*/debounce_ms", "thresholds are tuned"),
    ("schema/selftests/*/low", "thresholds are tuned"),
    ("schema/selftests/*/high", "thresholds are tuned"),
    ("schema/cues/*/dip_ms", "how a cue feels"),
    ("schema/cues/*/beeps*", "how a cue sounds"),
    ("schema/cues/*/colour", "how a cue looks"),
    ("*/min", "limits that the device names with an error"),
    ("*/max", "limits that the device names with an error"),
    ("*/next", "where pages end"),
    ("*/start", "where pages begin"),
    ("hello/protocol", "the version"),
    ("hello/firmware", "the version"),
    ("hello/content", "hash of the firmware's files"),
    ("*/uptime_ms", "time"),
    ("*/t_ms", "time"),
    ("*/up_ms", "time"),
    ("*/unix_s", "time"),
    ("*/elapsed_ms", "time"),
    ("*/remaining_ms", "time"),
    ("*/ran_ms", "time"),
    ("*/was", "time"),
    ("status/*_left_ms", "time"),
    ("status/limit_ms", "after a skip or a step back it depends on the moment"),
    ("status/tick_worst_us", "time"),
    ("status/limit_ms", "time, after a skip"),
    ("event/number", "counts questions"),
    ("*/number", "counts questions"),
    ("fault.clear/cleared", "a press may have cleared it before"),
    ("dose.get/rest_left_s", "time"),
    ("dose.get/total_s", "time"),
    ("dose.get/areas/*", "time, and what the motor made of it"),
    ("status/level_milli", "what the drive has reached"),
    ("*/demand_opm", "what the drive has reached"),
    ("*/duty", "what the drive has reached"),
    ("*/rate_opm", "measured"),
    ("*/current_ma", "measured"),
    ("*/supply_mv", "measured"),
    ("*/battery_pct", "measured"),
    ("*_dc", "measured"),
    ("selftest/tests/*/2", "measured"),
    ("telemetry/*", "time and measured"),
    ("settings.save/sequence", "counts writes"),
    ("program.begin/room", "how much fits into a part"),
    ("journal.read/first", "counts records"),
    ("journal.read/last", "counts records"),
    ("journal.read/records/*/n", "counts records"),
    ("journal.read/records/*/sequence", "counts writes"),
    ("journal.read/records/*/firmware", "the version"),
    ("journal.read/records/*/content", "hash of the firmware's files"),
    ("journal.read/records/*/error", "texts are for people"),
    ("journal.read/records/*/areas/*", "time, and what the motor made of it"),
    ("journal.read/records/*/*_opm/*", "measured"),
    ("journal.read/records/*/*_ma/*", "measured"),
    ("journal.read/records/*/*_mv/*", "measured"),
    ("journal.read/records/*/*_dc/*", "measured"),
)

# Since protocol 1.4 the device has the last word: what a host could do alone needs a hand at the device that
# the recordings do not have. `hands.py` lends it; errors with these names are what it answers.
STRICTER = ("confirm_needed", "confirm_later", "permission_suspended")

# Rows with one of these are found by it; other lists are compared place by place, or as sets of names.
ROW_NAMES = ("setting", "name")


@functools.cache
def _patterns() -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern, _ in VOLATILE))


@functools.cache
def volatile(path: str) -> bool:
    """Whether the value at this path may be another one."""
    return bool(_patterns().match(path))


def differences(old: Any, new: Any, path: str) -> Iterator[str]:
    """What a host that relies on `old` would miss in `new`."""
    if isinstance(old, Mapping):
        if not isinstance(new, Mapping):
            yield f"{path}: {_kind(new)} in place of an object"
            return
        for key, value in old.items():
            if key not in new:
                yield f"{path}/{key} is missing"
            else:
                yield from differences(value, new[key], f"{path}/{key}")
        if path.startswith("schema/methods/") and path.endswith("/params"):
            added = [name for name in new if name not in old and not str(new[name]).endswith("?")]
            yield from (f"{path}/{name} is new and not optional" for name in added)
    elif isinstance(old, list):
        yield from _in_list(old, new, path)
    elif _kind(old) != _kind(new) and not (volatile(path) and None in (old, new)):
        yield f"{path}: {_kind(new)} in place of {_kind(old)} ({new!r:.60}, not {old!r:.60})"
    elif old != new and not volatile(path) and not _looser(old, new, path):
        yield f"{path}: {new!r:.60}, not {old!r:.60}"


def _looser(old: Any, new: Any, path: str) -> bool:
    """A parameter that may be missing now."""
    of_params = path.startswith("schema/methods/") and "/params/" in path
    return (of_params or path.endswith("/error/data/type")) and new == f"{old}?"


def _in_list(old: list[Any], new: Any, path: str) -> Iterator[str]:
    if not isinstance(new, list):
        yield f"{path}: {_kind(new)} in place of an array"
    elif path.startswith("journal.read/records"):
        yield from _records(old, new, path) if path.endswith("records") else _by_place(old, new, path)
    elif old and all(isinstance(row, Mapping) for row in old):
        yield from _by_name(old, new, path)
    elif old and all(isinstance(item, str) for item in old):
        if not volatile(path):
            yield from (f"{path} lacks {name}" for name in old if name not in new)
    elif path == "selftest/tests":
        yield from _by_name([_test(row) for row in old], [_test(row) for row in new], path)
    else:
        yield from _by_place(old, new, path)


def _test(row: list[Any]) -> dict[str, Any]:
    return {"name": row[0], "1": row[1], "2": row[2]}


def _by_place(old: list[Any], new: list[Any], path: str) -> Iterator[str]:
    if len(new) < len(old) and not volatile(path):
        yield f"{path}: {len(new)} places, not {len(old)}"
    for place, (before, now) in enumerate(zip(old, new, strict=False)):
        yield from differences(before, now, f"{path}/{place}")


def _by_name(old: list[Any], new: list[Any], path: str) -> Iterator[str]:
    rows = {_name(row): (place, row) for place, row in enumerate(new)}
    for place, row in enumerate(old):
        name = _name(row)
        if name not in rows:
            yield f"{path}/{name} is missing"
            continue
        at, now = rows[name]
        if path == "schema/telemetry" and at != place:
            yield f"{path}/{name} stands at place {at}, not {place}"
        yield from differences(row, now, f"{path}/{name}")


def _name(row: Any) -> str:
    if isinstance(row, Mapping):
        return next((str(row[key]) for key in ROW_NAMES if key in row), "?")
    return "?"


def _records(old: list[Any], new: list[Any], path: str) -> Iterator[str]:
    """Each recorded record has its like, in order; there may be more between them."""
    left = iter(new)
    for record in old:
        found = next((other for other in left if other.get("kind") == record["kind"]), None)
        if found is None:
            yield f"{path}: no further record of kind {record['kind']}"
            return
        yield from differences(record, found, f"{path}/{record['kind']}")


def _kind(value: Any) -> str:
    return {bool: "boolean", int: "number", float: "number", str: "text", dict: "object", list: "array"}.get(
        type(value), "null"
    )
