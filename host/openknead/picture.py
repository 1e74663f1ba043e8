"""A session as a picture: level, rate, current and temperatures over time (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openknead.errors import OpenKneadError
from openknead.report import PLACES, Mark, seconds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from openknead.model import Sample

INK, FAINT, GRID = "#22303c", "#8795a1", "#e6eaee"
DEMAND, RATE, CURRENT, LEVEL = "#8795a1", "#0b7a75", "#c8553d", "#2f4b7c"
HEAT = {"motor": "#c8553d", "driver": "#e0a030", "handle": "#5b8e7d"}
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
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    except ImportError as problem:
        raise NoMatplotlib("a picture needs matplotlib") from problem

    minutes = [second / 60 for second in seconds(samples)]
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(
            4, 1, figsize=(9, 8.4), sharex=True, layout="constrained", height_ratios=[0.75, 1.5, 1, 1]
        )
        try:
            _level(axes[0], minutes, samples)
            _rate(axes[1], minutes, samples)
            _current(axes[2], minutes, samples)
            _heat(axes[3], minutes, samples)
            _cues(axes, marks)
            axes[3].set_xlabel("time in minutes")
            if minutes:
                axes[3].set_xlim(0, max(minutes[-1], 0.1))
            figure.align_ylabels(axes)
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold")
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
        finally:
            plt.close(figure)
    return path


def _column(samples: Sequence[Sample], field: str, scale: float = 1.0) -> list[float]:
    nan = float("nan")
    values: list[Any] = [getattr(sample, field) for sample in samples]
    return [nan if value is None else value * scale for value in values]


def _level(axes: Axes, minutes: list[float], samples: Sequence[Sample]) -> None:
    reached = _column(samples, "level_milli", 1e-3)
    axes.fill_between(minutes, reached, step="post", color=LEVEL, alpha=0.18, linewidth=0)
    axes.plot(minutes, reached, color=LEVEL, linewidth=1.2, drawstyle="steps-post")
    axes.set_ylabel("level")
    axes.set_ylim(0, max([1.0, *(value for value in reached if value == value)]) * 1.15)
    axes.yaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]


def _rate(axes: Axes, minutes: list[float], samples: Sequence[Sample]) -> None:
    axes.plot(minutes, _column(samples, "rate_opm"), color=RATE, linewidth=0.9, label="measured")
    axes.plot(
        minutes,
        _column(samples, "demand_opm"),
        color=INK,
        linewidth=1,
        linestyle=(0, (4, 2)),
        label="demanded",
    )
    axes.set_ylabel("rate in opm")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower center", ncols=2)


def _current(axes: Axes, minutes: list[float], samples: Sequence[Sample]) -> None:
    current = _column(samples, "current_ma", 1e-3)
    axes.fill_between(minutes, current, color=CURRENT, alpha=0.15, linewidth=0)
    axes.plot(minutes, current, color=CURRENT, linewidth=0.9)
    axes.set_ylabel("motor current in A")
    axes.set_ylim(bottom=0)


def _heat(axes: Axes, minutes: list[float], samples: Sequence[Sample]) -> None:
    for place, field in PLACES:
        values = _column(samples, field, 0.1)
        if any(value == value for value in values):
            axes.plot(minutes, values, color=HEAT[place], linewidth=1.3, label=place)
    axes.set_ylabel("temperature in °C")
    if axes.lines:
        axes.legend(loc="upper left", ncols=3)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 1, high + 0.25 * (high - low) + 1)


def _cues(axes: Sequence[Axes], marks: Sequence[Mark]) -> None:
    for mark in marks:
        if mark.name not in ("cue", "fault"):
            continue
        color = CURRENT if mark.name == "fault" else FAINT
        for each in axes:
            each.axvline(mark.at_s / 60, color=color, linewidth=0.7, linestyle=":")
        axes[0].annotate(
            mark.value.replace("_", " "),
            (mark.at_s / 60, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="right" if mark.value == "end" else "center",
            fontsize=7,
            color=color,
        )
