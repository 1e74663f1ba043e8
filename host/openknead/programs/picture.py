"""A program as a picture: levels, rate, stages, areas and cues over time (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openknead.picture import FAINT, GRID, INK, LEVEL, RATE, sheet
from openknead.programs.curve import Cue, Point, rate_opm
from openknead.programs.model import Program

if TYPE_CHECKING:
    from matplotlib.axes import Axes

UNNAMED = "no area"
AREA_COLORS = ("#0b7a75", "#e0a030", "#2f4b7c", "#c8553d", "#5b8e7d", "#8e6c8a", "#7a8b99", "#b08968")
MARKS = {"stage": ("v", INK), "move_on": (">", RATE), "last_30_s": ("d", "#e0a030"), "end": ("s", "#c8553d")}


def draw(program: Program, points: Sequence[Point], cues: Sequence[Cue], title: str, path: Path) -> Path:
    """Draw into `path` (.svg, .png or .pdf); the path. Raises NoMatplotlib, OSError, ValueError."""
    areas = dict.fromkeys(stage.area or UNNAMED for stage in program.stages)
    row = 0.16
    with sheet(title, path, [1.9, 1.5, row * (len(areas) + 1)], 5.6 + row * len(areas)) as axes:
        minutes = [point.t_s / 60 for point in points]
        _stages(axes, program)
        _level(axes[0], minutes, points)
        _cues(axes[0], cues)
        _rate(axes[1], minutes, points)
        _areas(axes[2], program, list(areas))
        axes[2].set_xlim(0, minutes[-1])
    return path


def _stages(axes: Sequence[Axes], program: Program) -> None:
    """A band each, and its name above."""
    for number, (start_s, stage) in enumerate(zip(program.starts_s(), program.stages, strict=True)):
        left, right = start_s / 60, (start_s + stage.seconds) / 60
        for each in axes[:2]:
            if number % 2:
                each.axvspan(left, right, color=GRID, alpha=0.5, linewidth=0)
        axes[0].annotate(
            f"{number + 1} {stage.name}",
            (left, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, 10),
            textcoords="offset points",
            rotation=25,
            fontsize=7.5,
            color=INK,
        )


def _level(axes: Axes, minutes: Sequence[float], points: Sequence[Point]) -> None:
    target = [point.target_milli / 1000 for point in points]
    felt = [point.level_milli / 1000 for point in points]
    axes.fill_between(minutes, felt, color=LEVEL, alpha=0.22, linewidth=0, label="felt, after the slew")
    axes.plot(minutes, felt, color=LEVEL, linewidth=1.2)
    axes.plot(minutes, target, color=INK, linewidth=0.8, linestyle=(0, (4, 2)), label="asked for")
    axes.set_ylabel("level")
    axes.set_ylim(0, max(1.0, *target, *felt) * 1.3)
    axes.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]


def _cues(axes: Axes, cues: Sequence[Cue]) -> None:
    top = axes.get_ylim()[1]
    for name, (marker, color) in MARKS.items():
        times = [cue.t_s / 60 for cue in cues if cue.name == name]
        if times:
            heights = [top * 0.95] * len(times)
            label = f"cue: {name.replace('_', ' ')}"
            axes.scatter(
                times, heights, s=22, marker=marker, color=color, label=label, clip_on=False, zorder=3
            )
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, -0.2), ncols=6, fontsize=7.5)


def _rate(axes: Axes, minutes: Sequence[float], points: Sequence[Point]) -> None:
    axes.plot(minutes, [rate_opm(point.level_milli) for point in points], color=RATE, linewidth=1.2)
    axes.set_ylabel("rate in opm")
    axes.set_ylim(0, max(1000, *(rate_opm(point.level_milli) for point in points)) * 1.1)
    hertz = axes.secondary_yaxis("right", functions=(_per_second, _per_minute))
    hertz.set_ylabel("in Hz", color=INK)


def _per_second(opm: Any) -> Any:
    return opm / 60


def _per_minute(hertz: Any) -> Any:
    return hertz * 60


def _areas(axes: Axes, program: Program, areas: Sequence[str]) -> None:
    for start_s, stage in zip(program.starts_s(), program.stages, strict=True):
        place = areas.index(stage.area or UNNAMED)
        color = AREA_COLORS[place % len(AREA_COLORS)] if stage.area else FAINT
        alpha = 0.85 if stage.motor else 0.3
        axes.barh(place, stage.seconds / 60, 0.7, left=start_s / 60, color=color, alpha=alpha)
    axes.set_yticks(range(len(areas)), [area.replace("_", " ") for area in areas])
    axes.set_ylim(len(areas) - 0.5, -0.5)
    axes.grid(visible=False)
