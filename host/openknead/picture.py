"""A session as a picture: level, rate, current and temperatures over time (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openknead.errors import OpenKneadError
from openknead.report import PLACES, Mark, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from openknead.model import Sample

INK, FAINT, GRID = "#22303c", "#8795a1", "#e6eaee"
RATE, CURRENT, LEVEL = "#0b7a75", "#c8553d", "#2f4b7c"
SMOOTH_S = 20  # longer than a stroke of the hand
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
    minutes = [second / 60 for second in seconds(samples)]
    with sheet(title, path, [0.75, 1.5, 1, 1], 8.4) as axes:
        _level(axes[0], minutes, samples)
        _rate(axes[1], minutes, samples)
        _current(axes[2], minutes, samples)
        _heat(axes[3], minutes, samples)
        axes[3].set_xlim(0, max([0.1, *minutes[-1:]]))
        _cues(axes, marks)
    return path


@contextmanager
def sheet(title: str, path: Path, heights: Sequence[float], inches: float) -> Iterator[Sequence[Axes]]:
    """Axes one below the other over a time in minutes, in the style of this package; written to `path`.

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
            axes[-1].set_xlabel("time in minutes")
            figure.align_ylabels([each for each in axes if each.get_ylabel()])
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
        finally:
            plt.close(figure)


def _column(samples: Sequence[Sample], field: str, scale: float = 1.0) -> list[float]:
    nan = float("nan")
    values: list[Any] = [getattr(sample, field) for sample in samples]
    return [nan if value is None else value * scale for value in values]


def _level(axes: Axes, minutes: list[float], samples: Sequence[Sample]) -> None:
    levels = _column(samples, "level_milli", 1e-3)
    ends = {0, len(levels) - 1}
    kept = [n for n in range(len(levels)) if n in ends or not levels[n - 1] == levels[n] == levels[n + 1]]
    minutes, reached = [minutes[n] for n in kept], [levels[n] for n in kept]  # a polygon is not simplified
    axes.fill_between(minutes, reached, step="post", color=LEVEL, alpha=0.18, linewidth=0)
    axes.plot(minutes, reached, color=LEVEL, linewidth=1.2, drawstyle="steps-post")
    axes.set_ylabel("level")
    axes.set_ylim(0, max([1.0, *(value for value in reached if value == value)]) * 1.15)
    axes.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]


def _rate(axes: Axes, minutes: list[float], samples: Sequence[Sample]) -> None:
    rate, demand = _column(samples, "rate_opm"), _column(samples, "demand_opm")
    axes.plot(minutes, demand, color=INK, linewidth=1, linestyle=(0, (4, 2)), label="demanded")
    axes.plot(minutes, rate, color=RATE, linewidth=0.9, alpha=0.8, label="measured", rasterized=True)
    axes.set_ylabel("rate in opm")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower center", ncols=2)


def _current(axes: Axes, minutes: list[float], samples: Sequence[Sample]) -> None:
    current = _column(samples, "current_ma", 1e-3)
    axes.plot(minutes, current, color=CURRENT, linewidth=0.5, alpha=0.45, label="measured", rasterized=True)
    axes.plot(
        minutes, _smooth(current, samples), color=CURRENT, linewidth=1.8, label=f"mean over {SMOOTH_S} s"
    )
    axes.set_ylabel("motor current in A")
    axes.set_ylim(0, max([0.1, *(value for value in current if value == value)]) * 1.3)
    axes.legend(loc="upper center", ncols=2)


def _smooth(values: list[float], samples: Sequence[Sample]) -> list[float]:
    """A centred running mean over SMOOTH_S, over less near the ends; missing values are left out."""
    at = seconds(samples)
    means: list[float] = []
    first = last = count = 0
    total = 0.0
    for now in at:
        reach = min(SMOOTH_S / 2, now, at[-1] - now)
        while last < len(at) and at[last] <= now + reach:
            if values[last] == values[last]:
                total, count = total + values[last], count + 1
            last += 1
        while at[first] < now - reach:
            if values[first] == values[first]:
                total, count = total - values[first], count - 1
            first += 1
        means.append(total / count if count else float("nan"))
    return means


def _heat(axes: Axes, minutes: list[float], samples: Sequence[Sample]) -> None:
    for place, field in PLACES:
        values = _column(samples, field, 0.1)
        if any(value == value for value in values):
            axes.plot(minutes, values, color=HEAT[place], linewidth=1.3, label=place)
    axes.set_ylabel("temperature in °C")
    if axes.lines:
        axes.legend(loc="upper left", ncols=len(PLACES))
    low, high = axes.get_ylim()
    axes.set_ylim(low - 1, high + 0.25 * (high - low) + 1)


def _cues(axes: Sequence[Axes], marks: Sequence[Mark]) -> None:
    left, right = axes[0].get_xlim()
    row, before = 0, left - right
    for mark in marks:
        if mark.name not in ("cue", "fault"):
            continue
        at = mark.at_s / 60
        row = 1 - row if at - before < 0.08 * (right - left) else 0  # too close for one line of words
        before = at
        color = CURRENT if mark.name == "fault" else FAINT
        for each in axes:
            each.axvline(at, color=color, linewidth=0.7, linestyle=":")
        axes[0].annotate(
            mark.value.replace("_", " "),
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2 + 9 * row),
            textcoords="offset points",
            ha="center" if at < right - 0.03 * (right - left) else "right",
            fontsize=7,
            color=color,
        )
