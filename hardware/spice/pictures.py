"""Draws the circuit's waveforms: a hard start, moderate running, brake and coast, and an opened supply."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hardware.params.load import Parameters
from hardware.spice.cases import bare, cases, corners, supply_cases
from hardware.spice.circuit import Run, simulate

Wave = tuple[list[float], list[float], list[float], list[float]]  # s, rad/s, A, V


def draw(p: Parameters, folder: Path) -> None:
    """Write drive.svg and supply.svg."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "openknead"  # the same picture is the same file
    from matplotlib import pyplot

    reference, full = corners(p)[0], corners(p)[1]
    by_name = {case.name: case.run for case in cases(reference)}
    shown = [
        ("hard start, duty 0.98", by_name["hard start"]),
        ("moderate load", replace(by_name["moderate"], seconds=0.01)),
    ]
    shown += [("brake", by_name["brake"]), ("coast", by_name["coast"])]
    figure, axes = pyplot.subplots(2, 4, figsize=(13, 5), constrained_layout=True)
    for column, (title, run) in enumerate(shown):
        t, speed, current, _bus = wave(reference.parameters, run)
        keep = slice(None) if "moderate" not in title else slice(-200, None)  # four PWM periods
        _line(axes[0][column], t[keep], current[keep], title, "motor, A" if not column else "")
        _line(axes[1][column], t[keep], speed[keep], "", "speed, rad/s" if not column else "")
        axes[1][column].set_xlabel("ms")
    figure.savefig(folder / "drive.svg", metadata={"Date": None})
    pyplot.close(figure)

    figure, axes = pyplot.subplots(2, 2, figsize=(9, 5), constrained_layout=True)
    opened = {case.name: case.run for case in supply_cases(full)}["supply opened at stall"]
    asleep = {case.name: case.run for case in supply_cases(bare(full))}["supply opened, driver asleep"]
    for column, (title, constants, run) in enumerate(
        (
            ("supply opened, driver keeps driving", full.parameters, opened),
            ("driver asleep, no bulk capacitor", bare(full).parameters, asleep),
        )
    ):
        t, _speed, current, bus = wave(constants, run)
        _line(axes[0][column], t, current, title, "motor, A" if not column else "")
        _line(axes[1][column], t, bus, "", "bus, V" if not column else "")
        axes[1][column].set_xlabel("ms")
    figure.savefig(folder / "supply.svg", metadata={"Date": None})
    pyplot.close(figure)


def wave(p: Parameters, run: Run) -> Wave:
    """Time, speed, motor current and bus of a run, thinned to what a picture needs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wave"
        simulate(p, replace(run, wave=path, measures={}, step_s=1e-6 if run.seconds < 0.12 else 1e-5))
        rows = [line.split() for line in path.read_text().splitlines()]
    # wrdata writes the time again before each vector: t w t i t bus t source
    rows = rows[:: max(1, len(rows) // 20_000)]
    t, speed, current, bus = ([float(row[n]) for row in rows] for n in (0, 1, 3, 5))
    return t, speed, current, bus


def _line(axes: Any, t: list[float], values: list[float], title: str, label: str) -> None:
    axes.plot([1e3 * s for s in t], values, linewidth=0.8)
    axes.set_title(title, fontsize=10)
    axes.set_ylabel(label)
    axes.grid(alpha=0.3)
