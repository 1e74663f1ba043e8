"""`knead calibrate`: resistance, back-EMF constant, no-load current and rate per duty of the built device."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openknead.cli import check
from openknead.cli.agree import Press
from openknead.cli.common import App, columns, pass_app

if TYPE_CHECKING:
    from openknead.calibrate import Constants, Step, Window
    from openknead.device import Device

OPM = 60 / 6.283185307179586
INTRO = (
    "This runs the motor for about a minute and a half, as an ordinary session: all limits are in force, "
    "STOP stops it.\nThe device should have rested for half an hour. Have a firm cushion at hand."
)
TOLD = {
    "free": "1/2  Hold the device so that its pad touches nothing.",
    "press": "2/2  Now press the pad against the cushion, evenly, and keep it so.",
    "pressed": "     Keep it so.",
    "done": "     Done: let go.",
}


@click.command()
@click.option("--apply", "apply_it", is_flag=True, help="Set the constants on the device, and save them.")
@click.option(
    "--write",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a parameter file for the simulator and the calculations.",
)
@check.start_options
@pass_app
def calibrate(app: App, apply_it: bool, write: Path | None, **checked: Any) -> None:
    """Measure the motor: winding resistance, back-EMF constant, no-load current, rate per duty.

    The pad first runs free at several levels, then you press it against a cushion: the current that this
    takes tells the resistance. Nothing is changed unless --apply is given. A tach is needed. --write FILE
    gives a file for `knead sim --params FILE` and for the hardware calculations.
    """
    from openknead.calibrate import fit, measure, override
    from openknead.cli.session import hang_up_like_ctrl_c

    hang_up_like_ctrl_c()
    with app.connect() as device:
        check.before_session(app, device, **checked)
        click.echo(INTRO, err=True)
        if not device.hello.sim and sys.stdin.isatty() and not app.json:
            click.confirm("Ready?", default=True, abort=True, err=True)
        windows = measure(device, _Teller(sys.stderr.isatty() and not app.json))
        found = fit(windows)
        before = {name: device.get(name) for name in found.settings()}
        machine = asdict(found) | {
            "settings": found.settings(),
            "before": before,
            "rates": _rates(windows),
            "applied": False,
            "file": None,
        }
        people = _lines(found, windows, before)
        if write:
            try:
                write.write_text(override(found, device.hello.board, date.today()), encoding="utf-8")
            except OSError as problem:
                raise click.UsageError(f"cannot write {write}: {problem.strerror}") from problem
            machine["file"] = str(write)
            people.append(f"written: {write}")
        if apply_it:
            _apply(app, device, found)
            machine["applied"] = True
            people.append("set and saved on the device")
        elif before != found.settings():
            people.append("nothing was changed; to set them: knead calibrate --apply")
    app.emit(machine, people)


def _apply(app: App, device: Device, found: Constants) -> None:
    """Set, with a press of MODE, and save; the device judges the ranges."""
    press = Press(app, bool(device.hello.sim))
    try:
        device.set(found.settings(), waiting=press)
    finally:
        press.end()
    device.save()


class _Teller:
    """Tells the person what to do, once a phase, and on a terminal how far it is."""

    def __init__(self, live: bool) -> None:
        self._live = live
        self._phase = ""

    def __call__(self, step: Step) -> None:
        if step.phase != self._phase:
            self._phase = step.phase
            if self._live:
                click.echo("\r\x1b[K", nl=False, err=True)
            click.echo(TOLD[step.phase], err=True)
        if self._live and step.phase != "done":
            now = f"level {step.level}, {step.rate_opm} opm, {step.current_a:.2f} A"
            click.echo(f"\r\x1b[K     {step.part * 100:3.0f} %  {now}", nl=False, err=True)


def _rates(windows: Sequence[Window]) -> list[dict[str, float]]:
    """Per level, the free pad: what the duty makes of the supply, and what rate that gives."""
    found = []
    for level in sorted({w.level for w in windows if not w.pressed}):
        here = [w for w in windows if w.level == level and not w.pressed]
        n = len(here)
        duty, volts, current, speed = (
            sum(getattr(w, name) for w in here) / n for name in ("duty", "volts", "current_a", "speed_rad_s")
        )
        found.append(
            {
                "level": level,
                "duty": round(duty, 4),
                "volts": round(volts, 3),
                "current_a": round(current, 4),
                "rate_opm": round(speed * OPM),
                "opm_per_duty": round(speed * OPM / duty),
            }
        )
    return found


def _lines(found: Constants, windows: Sequence[Window], before: dict[str, int | bool]) -> list[str]:
    rows = [("", "MEASURED", "±", "SENSORS ±", "SETTING", "BEFORE", "NOW")]
    shown = (
        ("winding at 25 °C", found.resistance, 1.0, "Ω", "motor_r_mohm"),
        ("back-EMF constant", found.back_emf, 1e3, "mV·s/rad", "motor_ke_uvs"),
        ("no-load current", found.no_load, 1e3, "mA", "motor_no_load_ma"),
    )
    settings = found.settings()
    for (what, value, scale, unit, name), part in zip(shown, found.systematic, strict=True):
        rows.append(
            (
                what,
                f"{value.value * scale:.4g} {unit}",
                f"{value.uncertainty / value.value * 100:.1f} %",
                f"{part * 100:.0f} %",
                name,
                str(before[name]),
                str(settings[name]),
            )
        )
    lines = [*columns(rows), ""]
    pressed = [w.current_a for w in windows if w.pressed]
    lines += [
        f"fit: off by {found.residual_v * 1000:.1f} mV r.m.s. over {found.windows} half-seconds, "
        f"pressed up to {max(pressed):.2f} A;",
        f"bridge and brushes take {found.drop_v.value * 1000:.0f} mV besides; "
        f"motor at {found.motor_c:.1f} °C",
    ]
    table = [("LEVEL", "DUTY", "APPLIED", "CURRENT", "RATE", "PER DUTY")]
    for row in _rates(windows):
        table.append(
            (
                f"{row['level']:g}",
                f"{row['duty'] * 100:.1f} %",
                f"{row['volts']:.2f} V",
                f"{row['current_a'] * 1000:.0f} mA",
                f"{row['rate_opm']:g} opm",
                f"{row['opm_per_duty'] / 100:.0f} opm per %",
            )
        )
    return [*lines, "", "Free pad:", *columns(table, "  "), ""]
