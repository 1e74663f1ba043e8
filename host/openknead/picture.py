"""A session as a picture: level, rate, current and temperatures over time (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openknead.errors import OpenKneadError
from openknead.report import PLACES, Mark
from openknead.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from openknead.model import Sample

Line = tuple[list[float], list[float]]  # times and values
Lines = dict[str, Line]

INK, FAINT, GRID = "#22303c", "#8795a1", "#e6eaee"
RATE, CURRENT, LEVEL = "#0b7a75", "#c8553d", "#2f4b7c"
HELD_BACK = "#e0a030"
SMOOTH_S = 20  # longer than a stroke of the hand
HOURS_FROM_S = 3 * 3600  # longer times are told in hours
MOST_CUES = 100  # more would be a wall of lines
LETTER = 0.0075  # width of one in a mark's name, as a share of the picture's
HEAT = {"motor": "#c8553d", "driver": "#e0a030", "handle": "#5b8e7d", "pad": "#6f5b9a"}
STYLE: Any = {
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "openknead",
}


class NoMatplotlib(OpenKneadError):
    """matplotlib is not installed."""

    code, name, exit_code = -33040, "no_matplotlib", 2
    remedy = "python -m pip install 'openknead[plot]'"


def draw(samples: Sequence[Sample], marks: Sequence[Mark], title: str, path: Path) -> Path:
    """Draw into `path` (.svg, .png or .pdf); the path. Raises NoMatplotlib, OSError, ValueError."""
    timeline = Timeline(marks=list(marks))
    for sample in samples:
        timeline.add(sample)
    return draw_timeline(timeline, title, path)


def draw_timeline(timeline: Timeline, title: str, path: Path) -> Path:
    """The same of what may be longer than memory holds. Raises NoMatplotlib, OSError, ValueError."""
    unit, unit_s = ("hours", 3600) if timeline.end_s > HOURS_FROM_S else ("minutes", 60)
    lines = {
        name: ([at_s / unit_s for at_s in times], values)
        for name, trace in timeline.traces.items()
        for times, values in [trace.line()]
    }
    with sheet(title, path, [0.75, 1.5, 1, 1], 8.4, unit) as axes:
        _level(axes[0], *lines["level"])
        _rate(axes[1], lines)
        means = timeline.traces["current"].mean(SMOOTH_S)
        _current(axes[2], lines["current"], ([at_s / unit_s for at_s in means[0]], means[1]))
        axes[2].set_ylim(0, max(0.1, timeline.traces["current"].highest) * 1.3)
        _heat(axes[3], lines)
        axes[3].set_xlim(0, max(0.1, timeline.end_s / unit_s))
        _held_back(axes, timeline, unit_s)
        _marks(axes, timeline, unit_s)
    return path


@contextmanager
def sheet(
    title: str, path: Path, heights: Sequence[float], inches: float, unit: str = "minutes"
) -> Iterator[Sequence[Axes]]:
    """Axes one below the other over a time in `unit`, in the style of this package; written to `path`.

    heights: of the axes, in proportion; inches: of the whole. Raises NoMatplotlib, OSError, ValueError.
    """
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    except ImportError as problem:
        raise NoMatplotlib("a picture needs matplotlib") from problem

    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(heights), 1, figsize=(9, inches), sharex=True, layout="constrained", height_ratios=heights
        )
        try:
            yield axes
            axes[-1].set_xlabel(f"time in {unit}")
            figure.align_ylabels([each for each in axes if each.get_ylabel()])
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
        finally:
            plt.close(figure)


def _level(axes: Axes, at: list[float], levels: list[float]) -> None:
    ends = {0, len(levels) - 1}
    kept = [n for n in range(len(levels)) if n in ends or not levels[n - 1] == levels[n] == levels[n + 1]]
    at, reached = [at[n] for n in kept], [levels[n] for n in kept]  # a polygon is not simplified
    axes.fill_between(at, reached, step="post", color=LEVEL, alpha=0.18, linewidth=0)
    axes.plot(at, reached, color=LEVEL, linewidth=1.2, drawstyle="steps-post")
    axes.set_ylabel("level")
    axes.set_ylim(0, max([1.0, *(value for value in reached if value == value)]) * 1.15)
    axes.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]


def _rate(axes: Axes, lines: Lines) -> None:
    axes.plot(*lines["demand"], color=INK, linewidth=1, linestyle=(0, (4, 2)), label="demanded")
    axes.plot(*lines["rate"], color=RATE, linewidth=0.9, alpha=0.8, label="measured", rasterized=True)
    axes.set_ylabel("rate in opm")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower center", ncols=2)


def _current(axes: Axes, line: Line, means: Line) -> None:
    axes.plot(*line, color=CURRENT, linewidth=0.5, alpha=0.45, label="measured", rasterized=True)
    axes.plot(*means, color=CURRENT, linewidth=1.8, label=f"mean over {SMOOTH_S} s")
    axes.set_ylabel("motor current in A")
    axes.legend(loc="upper center", ncols=2)


def _heat(axes: Axes, lines: Lines) -> None:
    for place, _ in PLACES:
        if lines[place][0]:
            axes.plot(*lines[place], color=HEAT[place], linewidth=1.3, label=place)
    axes.set_ylabel("temperature in °C")
    if axes.lines:
        axes.legend(loc="upper left", ncols=len(PLACES))
    low, high = axes.get_ylim()
    axes.set_ylim(low - 1, high + 0.25 * (high - low) + 1)


def _held_back(axes: Sequence[Axes], timeline: Timeline, unit_s: int) -> None:
    """Bands over the times at which the device held back, explained once."""
    for start_s, end_s, _ in timeline.held_back:
        for each in axes:
            each.axvspan(start_s / unit_s, end_s / unit_s, color=HELD_BACK, alpha=0.18, linewidth=0)
    names = dict.fromkeys(name for _, _, found in timeline.held_back for name in found.split())
    if names:
        from matplotlib.patches import Patch

        label = f"held back: {', '.join(names).replace('_', ' ')}"
        axes[0].legend(handles=[Patch(color=HELD_BACK, alpha=0.3, label=label)], loc="lower right")


def _marks(axes: Sequence[Axes], timeline: Timeline, unit_s: int) -> None:
    """Faults and cues as lines, with a name where there is room for one; of very many cues none."""
    faults = [mark for mark in timeline.marks if mark.name == "fault"]
    cues = [mark for mark in timeline.marks if mark.name == "cue"]
    left, right = axes[0].get_xlim()
    rows: list[list[tuple[float, float]]] = [[], []]  # what is taken by names, from and to
    for mark in [*faults, *(cues if len(cues) <= MOST_CUES else [])]:
        at = mark.at_s / unit_s
        color = CURRENT if mark.name == "fault" else FAINT
        for each in axes:
            each.axvline(at, color=color, linewidth=0.7, linestyle=":")
        text = mark.value.replace("_", " ")
        half = len(text) * LETTER * (right - left) / 2
        start = min(at, right - half) - half
        free = (n for n, taken in enumerate(rows) if all(start + 2 * half < a or start > b for a, b in taken))
        row = next(free, None)
        if row is None:
            continue
        rows[row].append((start, start + 2 * half))
        axes[0].annotate(
            text,
            (start + half, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2 + 9 * row),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color=color,
        )
