"""`knead program try`: a program on the simulator, and what it would cost."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from openknead.cli.common import App, columns, pass_app
from openknead.cli.program_files import FILE, Found, find, need_stages
from openknead.device import Device
from openknead.errors import PortNotFound
from openknead.model import Sample
from openknead.programs.model import Program
from openknead.programs.text import dump
from openknead.report import PLACES, Collector, Summary

HANDS = ("air", "still", "stroke", "heavy")
TRIAL = "trial"  # what a device's program is called on the simulator, when that has no equal one


@dataclass(frozen=True)
class Trial:
    """A program that was played, and what the massager's state was before and after."""

    program: Program
    summary: Summary
    samples: list[Sample]
    before: dict[str, Any]
    after: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        heat = {place: {"start_c": start, "highest_c": highest} for place, start, highest in self._heat()}
        return self.summary.as_dict() | {
            "program": self.program.name,
            "drawn_j": round(self._drawn_j(), 1),
            "battery_pct": {"start": self.before["charge_pct"], "end": self.after["charge_pct"]},
            "heat": heat,
        }

    def lines(self) -> list[tuple[str, str]]:
        """The figures as (what, how much) for people."""
        rows = dict(self.summary.lines())
        motor = rows.pop("Energy")
        del rows["Hottest"]
        heat = [f"{place} {start:.1f} → {highest:.1f}" for place, start, highest in self._heat()]
        start, end = self.before["charge_pct"], self.after["charge_pct"]
        used = start - end
        lasts = f", {100 / used:.0f} such sessions a charge" if used > 0.01 else ""
        drawn_j = self._drawn_j()
        rows |= {
            "Heat": ", ".join(heat) + " °C at the highest",
            "Energy": f"{drawn_j:.0f} J ({drawn_j / 3600:.2f} Wh) from the battery; into the motor {motor}",
            "Battery": f"{start:.1f} → {end:.1f} % (uses {used:.1f} %{lasts})",
        }
        return list(rows.items())

    def _drawn_j(self) -> float:
        return float(self.after["energy_j"] - self.before["energy_j"])

    def _heat(self) -> list[tuple[str, float, float]]:
        """Of each place that is measured: the temperature at the start, and the highest."""
        found = []
        for place, field in PLACES:
            values = [value / 10 for sample in self.samples if (value := getattr(sample, field)) is not None]
            if values:
                found.append((place, values[0], max(values)))
        return found


@click.command("try")
@click.argument("what", metavar="FILE|NAME")
@click.option("--hand", type=click.Choice(HANDS), default="stroke", help="What presses on the pad.")
@click.option(
    "--ambient", type=click.FloatRange(-20, 60), metavar="°C", help="Of air and device; default 25."
)
@click.option("--charge", type=click.FloatRange(0, 100), metavar="%", help="Of the battery; default 100.")
@click.option("--shift", type=int, default=0, metavar="N", help="All levels by so much.")
@click.option("--picture", "path", type=FILE, metavar="FILE", help="Draw the session (.svg or .png).")
@pass_app
def try_program(
    app: App,
    what: str,
    hand: str,
    ambient: float | None,
    charge: float | None,
    shift: int,
    path: Path | None,
) -> int:
    """Play a program on the simulator, as fast as it goes: rate, heat, energy and battery that it will cost.

    The firmware runs on a virtual board of its own, the program is pushed to it and played. A NAME is the
    connected device's, and so are slew_s, area_s and session_limit_s then; without a device it is one that is
    built in.

    Exit code 0 when the program came to its end, 3 when a fault or a limit ended it.
    """
    from openknead.cli import follow, view
    from openknead.cli.keys import Keys
    from openknead.cli.session import hang_up_like_ctrl_c
    from openknead.device import connect
    from openknead.virtual import agreeing, massager_state, virtual_board

    hang_up_like_ctrl_c()
    found = _find(app, what)
    options = ["--hand", hand]
    options += ["--ambient", str(ambient)] if ambient is not None else []
    options += ["--charge", str(charge)] if charge is not None else []
    began = time.monotonic()
    collector = Collector()
    with virtual_board(*options) as port, connect(port, timeout=max(app.timeout, 5.0)) as device:
        program = found.program if found else device.program(what)
        need_stages(program)
        settings = _settings(device, program, found)
        device.set(settings, waiting=agreeing(port))
        name = _put(device, program, found)
        shown = view.choose(app.json, follow.words(device, lambda: program), follow.about(device))
        before = massager_state(port)
        try:
            summary = follow.run_session(
                device, lambda: device.start(program=name, shift=shift), shown, collector, Keys()
            )
        finally:
            shown.close()
        trial = Trial(program, summary, collector.samples, before, massager_state(port))
    took_s = time.monotonic() - began
    machine = trial.as_dict() | {"hand": hand, "shift": shift, "settings": settings, "picture": None}
    machine |= {"wall_s": round(took_s, 1)}
    people = ["", *columns(trial.lines()), "", f"{summary.duration_s / 60:.1f} minutes in {took_s:.1f} s"]
    if path:
        title = f"{program.name} on the simulator, hand: {hand}"
        machine["picture"] = str(follow.picture(collector, title, path))
        people.append(f"picture: {path}")
    app.emit(machine, people)
    return follow.exit_code(summary)


def _find(app: App, what: str) -> Found | None:
    """The program that is meant; None for a name, when there is no device to ask."""
    try:
        return find(app, what)
    except PortNotFound:
        if app.port or os.environ.get("OPENKNEAD_PORT"):
            raise
        return None


def _settings(device: Device, program: Program, found: Found | None) -> dict[str, int | bool]:
    """The settings that the trial needs: those of the device whose program it is, and time enough."""
    limits = device.limits()
    settings: dict[str, int | bool] = {}
    if found and found.limits.device:
        limits = found.limits
        settings = {
            "slew_s": limits.slew_s,
            "area_s": limits.area_s,
            "session_limit_s": limits.session_limit_s,
        }
    if program.motor and program.total_s > limits.session_limit_s:
        settings["session_limit_s"] = 900
    return settings


def _put(device: Device, program: Program, found: Found | None) -> str:
    """Have the program on the board; its name there."""
    if found and found.source is not None:
        return device.push_program(found.source)[0].name
    names = [entry.name for entry in device.programs()]
    if program.name in names and device.program(program.name).stages == program.stages:
        return program.name
    return device.push_program(dump(replace(program, name=TRIAL)).encode())[0].name
