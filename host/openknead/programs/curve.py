"""What a program asks for, and what a hand feels: the level over time, as the device works it out.

The target is in integers, tenths of a second and thousandths of a level, by the formulas of the protocol. The
device follows it at its slew, soft start from standstill included, and ramps down before the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from openknead.programs.limits import DEFAULTS
from openknead.programs.model import Stage

HZ = 10
UNIT = 1_000_000  # the device's drive counts millionths of a level
FALL_PER_STEP = UNIT // 5  # at the end of a session: 500 ms a level
RATE_LEVEL_1_OPM, RATE_STEP_OPM = 1000, 270
WARN_S = 30  # before the end there is a cue


class Point(NamedTuple):
    """One moment; the level asked for and the one that is felt, in thousandths."""

    t_s: float
    target_milli: int
    level_milli: int


class Cue(NamedTuple):
    """A cue and when it is given."""

    t_s: int
    name: str  # "stage", "move_on", "last_30_s" or "end"


def target_milli(stage: Stage, t_ds: int, shift: int = 0) -> int:
    """Level asked for at t_ds tenths of a second of a stage; shift: levels added to all that are not 0."""
    a, b = 1000 * stage.a, 1000 * stage.b
    half = stage.period_s * 10 // 2
    if stage.pattern == "ramp":
        milli = a + (b - a) * t_ds // (stage.seconds * 10)
    elif stage.pattern == "wave":
        p = t_ds % (2 * half)
        milli = a + (b - a) * (p if p < half else 2 * half - p) // half
    elif stage.pattern == "pulse":
        milli = b if t_ds % (2 * half) < half else a
    else:
        milli = a
    return milli + 1000 * shift if milli else 0


def evaluate(
    stages: Sequence[Stage], shift: int = 0, slew_s: int = DEFAULTS.slew_s, *, ramp_down: bool = True
) -> list[Point]:
    """The whole program at 10 Hz, its first and its last moment included.

    slew_s: seconds a level, 1…10; ramp_down: with the ramp at the end of a session.
    """
    targets = [target_milli(stage, t_ds, shift) for stage in stages for t_ds in range(stage.seconds * HZ)]
    step = UNIT // (slew_s * 100) * 10
    points = []
    position = 0
    for number, target in enumerate([*targets, 0]):
        points.append(Point(number / HZ, target, position // 1000))
        if position < target * 1000:
            position = min(target * 1000, position + step)
        else:
            position = max(target * 1000, position - step)
        if ramp_down:  # never higher than what it can fall from until the end
            position = min(position, (len(targets) - number - 1) * FALL_PER_STEP)
    return points


def rate_opm(level_milli: int) -> int:
    """The oscillation rate of a level: straight to 1000 opm at level 1, then 270 opm a level."""
    if level_milli < 1000:
        return level_milli * RATE_LEVEL_1_OPM // 1000
    return RATE_LEVEL_1_OPM + RATE_STEP_OPM * (level_milli - 1000) // 1000


def cues(stages: Sequence[Stage], area_s: int = DEFAULTS.area_s) -> list[Cue]:
    """All cues of a program in their order: of its stages, of long stages on one area, of its end."""
    total_s = sum(stage.seconds for stage in stages)
    warn_s = total_s - WARN_S
    found = []
    start_s = 0
    for number, stage in enumerate(stages):
        if number and stage.cue != "none":
            found.append(Cue(start_s, stage.cue))
        if stage.motor:
            moves = range(start_s + area_s, start_s + stage.seconds, area_s)
            found += [Cue(t_s, "move_on") for t_s in moves if t_s < warn_s]
        start_s += stage.seconds
    if warn_s > 0:
        found.append(Cue(warn_s, "last_30_s"))
    return [*sorted(found, key=lambda cue: cue.t_s), Cue(total_s, "end")]
