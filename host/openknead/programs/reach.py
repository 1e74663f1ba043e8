"""Where the slew keeps a program from reaching its levels, and what it reaches instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from openknead.programs.curve import HZ, Point, evaluate
from openknead.programs.model import Stage

NEAR_MILLI = 150  # the level follows a moment late: a difference that cannot be felt

Shortfall = tuple[int, str, str, str]  # stage from 0, key, what, remedy


def shortfalls(stages: Sequence[Stage], slew_s: int) -> Iterator[Shortfall]:
    """The stages whose levels the slew of `slew_s` seconds a level does not let come."""
    points = evaluate(stages, 0, slew_s, ramp_down=False)
    end = 0
    for number, stage in enumerate(stages):
        start, end = end, end + stage.seconds * HZ
        found = _swing if stage.period_s else _end
        told = found(stage, points[start : end + 1], slew_s)
        if told:
            yield number, *told


def _end(stage: Stage, points: Sequence[Point], slew_s: int) -> tuple[str, str, str] | None:
    """Of a stage that goes to one level and stays there, or goes there evenly."""
    wanted = stage.b * 1000
    reached = points[-1].level_milli
    if abs(wanted - reached) <= NEAR_MILLI:
        return None
    way = abs(wanted - points[0].level_milli)
    remedy = f"give it {_up(way * slew_s, 1000)} s or more"
    return "seconds", f"{stage} gets to level {_level(reached)} only, {_slew(slew_s)}", remedy


def _swing(stage: Stage, points: Sequence[Point], slew_s: int) -> tuple[str, str, str] | None:
    """Of a stage that goes up and down: its last whole period counts, when the way there is over."""
    length = stage.period_s * HZ
    if len(points) <= length:
        return "period", "the stage is over before its first period", "make it longer, or the period shorter"
    whole = (len(points) - 1) // length * length
    last = [point.level_milli for point in points[whole - length : whole + 1]]
    low, high = min(last), max(last)
    if abs(low - stage.a * 1000) <= NEAR_MILLI and abs(high - stage.b * 1000) <= NEAR_MILLI:
        return None
    what = f"{stage} swings between {_level(low)} and {_level(high)}, {_slew(slew_s)}"
    least = 2 * (stage.b - stage.a) * slew_s
    if least > stage.period_s:
        return "period", what, f"give it a period of {least} s or more, or levels nearer to each other"
    return "seconds", what, "give it more seconds, or levels nearer to those before"


def _slew(slew_s: int) -> str:
    return f"at {slew_s} s a level (slew_s)"


def _level(milli: int) -> str:
    return f"{milli / 1000:.1f}"


def _up(value: int, unit: int) -> int:
    return -(-value // unit)
