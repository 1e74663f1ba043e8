"""The dose as a picture: a bar a day, by area (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from openknead.dose import Day
from openknead.picture import INK, STYLE, NoMatplotlib


def draw(days: Sequence[Day], title: str, path: Path) -> Path:
    """Draw into `path` (.svg, .png or .pdf); the path. Raises NoMatplotlib, OSError, ValueError."""
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt
    except ImportError as problem:
        raise NoMatplotlib("a picture needs matplotlib") from problem

    names = [day.name for day in days]
    areas = sorted({share.area for day in days for share in day.shares})
    with mpl.rc_context(STYLE):
        width = max(5.0, 0.6 * len(names) + 3)
        figure, (minutes, turns) = plt.subplots(2, 1, figsize=(width, 6), sharex=True, layout="constrained")
        try:
            colours = plt.get_cmap("tab20").colors  # type: ignore[attr-defined]
            for axes, scale, label in ((minutes, 60_000, "minutes"), (turns, 1000, "thousand oscillations")):
                foot = [0.0] * len(days)
                for number, area in enumerate(areas):
                    heights = [_height(day, area, axes is minutes) / scale for day in days]
                    axes.bar(names, heights, bottom=foot, width=0.6, color=colours[number % 20], label=area)
                    foot = [low + high for low, high in zip(foot, heights, strict=True)]
                axes.set_ylabel(label)
                axes.set_xlim(-0.75, max(len(days), 3) - 0.25)
                axes.grid(axis="x", visible=False)
            turns.tick_params(axis="x", rotation=90 if len(names) > 8 else 0)
            if areas:
                figure.legend(*minutes.get_legend_handles_labels(), loc="outside right center")
            figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
        finally:
            plt.close(figure)
    return path


def _height(day: Day, area: str, time: bool) -> int:
    """Motor time in ms, or oscillations, of an area on a day."""
    part = next((share.sum for share in day.shares if share.area == area), None)
    if part is None:
        return 0
    return part.motor_ms if time else part.oscillations or 0
