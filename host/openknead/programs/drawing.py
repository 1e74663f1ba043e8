"""A program drawn in characters: for any terminal, a pipe or a mail."""

from __future__ import annotations

from collections.abc import Sequence

from openknead.programs.curve import Cue, Point, rate_opm
from openknead.programs.model import Stage
from openknead.programs.reach import NEAR_MILLI
from openknead.report import clock

ROWS = 12  # about so many lines
EIGHTHS = " ▁▂▃▄▅▆▇█"
MARGIN = 8  # left: level; right: rate
MARKS = {"stage": "▾", "move_on": "»", "last_30_s": "!", "end": "■"}
MEANINGS = "█ what a hand feels, ▒ between its lowest and highest, · what was asked for"
CUE_MEANINGS = "cues: ▾ stage, » move on, ! last 30 s, ■ end"


def draw(stages: Sequence[Stage], points: Sequence[Point], cues: Sequence[Cue], width: int = 80) -> list[str]:
    """The curve over time, below it cues, stages and time; in lines of at most `width` ≥ 40 characters."""
    count = width - 2 * MARGIN
    lines = _chart(points, count)
    total_s = points[-1].t_s
    marks = [" "] * count
    for cue in cues:  # where two meet the later one is seen
        marks[_place(cue.t_s / total_s, count)] = MARKS[cue.name]
    lines.append(_lane("cue", [(0, "".join(marks))], count))
    starts = [sum(stage.seconds for stage in stages[:n]) / total_s for n in range(len(stages))]
    lines.append(_lane("stage", [(at, str(n)) for n, at in enumerate(starts, 1)], count))
    times = [(part / 4, clock(part / 4 * total_s)) for part in range(5)]
    lines.append(_lane("time", times, count))
    return [line.rstrip() for line in lines]


def _chart(points: Sequence[Point], count: int) -> list[str]:
    """The levels; nothing for a timer."""
    columns = _columns(points, count)
    top = -(-max(max(point.target_milli, point.level_milli) for point in points) // 1000)
    if not top:
        return []
    per_level = max(1, ROWS // top)
    lines = [f"{'level':>{MARGIN - 1}}{' ' * count}  opm"]
    for row in range(top * per_level, 0, -1):
        level, rest = divmod(row, per_level)
        left = f"{level:>{MARGIN - 2}} ┤" if not rest else f"{'│':>{MARGIN}}"
        right = f"├ {rate_opm(level * 1000)}" if not rest else "│"
        cells = "".join(_cell(column, row * 1000 // per_level, 1000 // per_level) for column in columns)
        lines.append(left + cells + right)
    return [*lines, " " * (MARGIN - 1) + "└" + "─" * count + "┘"]


Column = tuple[int, int, int]  # lowest and highest level that is felt, highest that is asked for; thousandths


def _columns(points: Sequence[Point], count: int) -> list[Column]:
    columns = []
    for n in range(count):
        first = n * (len(points) - 1) // count
        part = points[first : max(first + 1, (n + 1) * (len(points) - 1) // count)]
        felt = [point.level_milli for point in part]
        columns.append((min(felt), max(felt), max(point.target_milli for point in part)))
    return columns


def _cell(column: Column, top: int, height: int) -> str:
    """What fills the cell of a column that ends at `top` and is `height` high, in thousandths of a level."""
    low, high, target = column
    bottom = top - height
    if low >= top:
        return "█"
    if high - low > height and high > bottom:
        return "▒"
    filled = (low + high) // 2 - bottom
    if filled > 0:
        return EIGHTHS[min(8, max(1, filled * 8 // height))]
    return "·" if bottom < target <= top and target > high + NEAR_MILLI else " "


def _place(at: float, count: int) -> int:
    return min(int(at * count), count - 1)


def _lane(name: str, marks: Sequence[tuple[float, str]], count: int) -> str:
    """Words at their places, 0…1, below the curve; one that would touch the one before it is left out."""
    lane = ""
    for at, word in marks:
        place = _place(at, count)
        if place >= len(lane) + (len(word) > 1 and bool(lane)):
            lane = lane.ljust(place) + word
    return f"{name:>{MARGIN - 1}} {lane}"
