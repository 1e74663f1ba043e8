"""`knead dose`: how long and how fast each area was massaged, by day, and what is left of the limits."""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openknead import vibration
from openknead.cli.check import wrap
from openknead.cli.common import App, columns, pass_app
from openknead.dose import LEVELS, SIDES, UNSPECIFIED, Day, Part, Today, ledger, within
from openknead.errors import DeviceError, NotOffered, OpenKneadError
from openknead.report import clock

if TYPE_CHECKING:
    from openknead.device import Device

BAR = 16
LONG_MIN = 8 * 60  # a working day: more than that is left means that it does not matter
COLUMNS = ("day", "boot", "area", "sessions", "motor_s", "oscillations", "mean_rate_opm", "estimated")
ESTIMATED = (
    "~ estimated: from a session cut short by a power failure or a restart, charged as planned or to within "
    "10 s; or from a record older than the areas, which counts as unspecified with its whole time, pauses "
    "included."
)
CHARGED = {
    "as_planned": "charged as planned: the power failed during a session, so its motor time is not known",
    "within_10_s": "known to within 10 s: the device restarted during a session",
}


@click.command()
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True, help="The last N days.")
@click.option("--area", metavar="LABEL", help="Only this area; calf has calf_left and calf_right in it.")
@click.option("--csv", "as_csv", is_flag=True, help="A table, one row per day and area.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Draw it (.svg, .png)."
)
@click.option(
    "--hand-vibration", is_flag=True, help="Estimate what the hand that holds it gets (therapists)."
)
@click.option(
    "--handle-amplitude-mm",
    type=click.FloatRange(0, 20, min_open=True),
    default=vibration.AMPLITUDE_MM,
    show_default=True,
    metavar="MM",
    help="How far the handle moves to each side of its middle.",
)
@pass_app
def dose(
    app: App,
    days: int,
    area: str | None,
    as_csv: bool,
    plot: Path | None,
    hand_vibration: bool,
    handle_amplitude_mm: float,
) -> None:
    """Show the dose: minutes, oscillations and sessions by day and area, oldest day first.

    Minutes are those with the motor on; minutes times the mean rate are the oscillations. From the device's
    journal; below stands what the device itself counts today and holds against its limits. Sessions whose
    date is not known have the number of the boot in place of the day.

    --hand-vibration estimates the vibration of the handle and the minutes that EU Directive 2002/44/EC leaves
    of today at each level. All of today's sessions count, whatever --area and --days say.
    """
    if as_csv + app.json > 1:
        raise click.UsageError("--json and --csv exclude each other")
    with app.connect() as device:
        if area is not None:
            area = _known(device, area)
        records = list(device.journal())
        today = _today(device)
    shown = ledger(records, date.today() - timedelta(days=days - 1), area)
    hand = Hand(records, handle_amplitude_mm) if hand_vibration else None
    machine: dict[str, Any] = {"days": [day.as_dict() for day in shown], "today": today and today.as_dict()}
    if hand:
        machine["hand_vibration"] = hand.as_dict()
    if plot:
        machine["picture"] = str(_draw(shown, days, area, plot))
    if as_csv:
        click.echo(table(shown), nl=False)
    else:
        app.emit(machine, people(shown, days, area, today, hand, plot))


class Hand:
    """Today's exposure of the hand that holds the device, and what is left."""

    def __init__(self, records: Sequence[Any], amplitude_mm: float) -> None:
        self.amplitude_mm = amplitude_mm
        day = date.today()
        parts = [
            part
            for found in ledger(records, day)
            if found.day == day
            for share in found.shares
            for part in share.parts
        ]
        exposures = [
            (vibration.acceleration(part.rate_opm, amplitude_mm), part.motor_ms / 60_000)
            for part in parts
            if part.rate_opm is not None
        ]
        self.minutes = sum(minutes for _, minutes in exposures)
        self.a8_ms2 = vibration.daily(exposures)
        self.budget = vibration.budget(self.a8_ms2, amplitude_mm, LEVELS)

    def as_dict(self) -> dict[str, Any]:
        """As JSON-compatible members; minutes that never end are null."""
        rows = [{key: _finite(value) for key, value in asdict(row).items()} for row in self.budget]
        return {
            "estimate": True,
            "a8_ms2": round(self.a8_ms2, 3),
            "minutes": round(self.minutes, 1),
            "action_ms2": vibration.ACTION_MS2,
            "limit_ms2": vibration.LIMIT_MS2,
            "handle_amplitude_mm": self.amplitude_mm,
            "levels": rows,
            "assumption": self.assumption(),
            "formula": vibration.FORMULA,
            "sources": vibration.SOURCES,
        }

    def assumption(self) -> str:
        return vibration.ASSUMPTION.format(amplitude_mm=self.amplitude_mm)

    def lines(self) -> Iterator[str]:
        """The estimate for people."""
        yield click.style("Vibration of the hand today, an estimate", bold=True)
        yield (
            f"  {self.minutes:.1f} min, A(8) {self.a8_ms2:.2f} m/s²; an employer must act from "
            f"{vibration.ACTION_MS2:g} and stay below {vibration.LIMIT_MS2:g}"
        )
        rows = [("level", "rate", "a_hv", "left to act", "left to the limit")]
        for row in self.budget:
            action, limit = _left(row.action_min), _left(row.limit_min)
            rows.append((str(row.level), f"{row.rate_opm} opm", f"{row.a_hv_ms2:.1f} m/s²", action, limit))
        yield from columns(rows, "  ")
        for text in (
            f"{vibration.FORMULA}; f = rate / 60, x = amplitude.",
            f"Assumed: {self.assumption()}. Yours may differ by far: --handle-amplitude-mm.",
            f"Source: {vibration.SOURCES}.",
            "Only a measurement on the handle tells, and other tools of the day count too.",
        ):
            yield wrap(text, "  ", "  ")


def people(
    shown: Sequence[Day],
    days: int,
    area: str | None,
    today: Today | None,
    hand: Hand | None,
    plot: Path | None,
) -> Iterator[str]:
    """The dose for people: bars by day and area, today's count, the hand."""
    if not shown:
        where = f" on {area}" if area else ""
        yield f"no motor time{where} " + (f"in the last {days} days" if days > 1 else "today")
    longest = max((share.sum.motor_ms for day in shown for share in day.shares), default=1)
    width = max((len(share.area) for day in shown for share in day.shares), default=0)
    for day in shown:
        yield click.style(f"{day.name}: {_amount(day.sum)}, {_count(day.sessions, 'session')}", bold=True)
        for share in day.shares:
            bar = "█" * max(1, round(BAR * share.sum.motor_ms / longest))
            sessions = _count(len(share.parts), "session")
            yield f"  {share.area:{width}}  {bar:{BAR}}  {_amount(share.sum)}, {sessions}".rstrip()
    if any(day.sum.estimated for day in shown):
        yield wrap(ESTIMATED)
    if shown:
        yield "min with the motor on × mean opm = oscillations"
    yield ""
    yield from today_lines(today, area)
    if hand:
        yield ""
        yield from hand.lines()
    if plot:
        yield f"picture: {plot}"


def today_lines(today: Today | None, area: str | None = None) -> Iterator[str]:
    """What the device counts, and its limits."""
    if today is None:
        yield "The device's firmware counts no dose by itself and has no limits of it."
        return
    when = "a day that it does not know" if today.day is None else today.day.isoformat()
    stale = "" if today.dated else " (it has not been told the date since its start)"
    limit = f" of {today.day_limit_min} min" if today.day_limit_min else ", no limit a day"
    yield click.style(f"The device counts for {when}{stale}: {_min(today.total_s)}{limit}", bold=True)
    for label, (motor_s, turns, sessions) in today.areas.items():
        if area is None or within(label, area):
            limit = f" of {today.area_limit_min} min" if today.area_limit_min and label != UNSPECIFIED else ""
            yield f"  {label}: {_min(motor_s)}{limit}, {turns:,} oscillations, {_count(sessions, 'session')}"
    for how, text in CHARGED.items():
        if today.charged.get(how):
            yield f"  {_min(today.charged[how])} of it {text}"
    if not today.area_limit_min:
        yield "  no limit an area (area_limit_min)"
    if today.rest_left_s:
        yield f"  a rest is due: {clock(today.rest_left_s)} left of {clock(today.rest_s)}"


def table(shown: Sequence[Day]) -> str:
    """The dose as CSV, head first: one row per day and area."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for day in shown:
        for share in day.shares:
            writer.writerow({"day": day.day or "", "boot": day.boot} | share.as_dict())
    return out.getvalue()


def _today(device: Device) -> Today | None:
    try:
        return device.dose()
    except NotOffered:
        return None


def _known(device: Device, area: str) -> str:
    """The area as it was given, if the device or its records know it. Raises UsageError."""
    wanted = area.strip().lower().replace("-", "_").replace(" ", "_")
    try:
        rows = device.schema("areas")
    except DeviceError:
        return wanted  # firmware that is older than areas
    bases = [str(row["name"]) for row in rows]
    labels = [*bases, *(base + side for base in bases for side in SIDES), UNSPECIFIED]
    if wanted in labels:
        return wanted
    near = difflib.get_close_matches(wanted, labels, 1)
    hint = f"did you mean {near[0]}?" if near else f"they are {', '.join(bases)}"
    raise click.UsageError(f"there is no area {area!r}; {hint}")


def _draw(shown: Sequence[Day], days: int, area: str | None, path: Path) -> Path:
    from openknead.dose_picture import draw

    title = f"Dose of the last {days} days" + (f": {area}" if area else "")
    try:
        return draw(shown, title, path)
    except (OSError, ValueError) as problem:
        raise OpenKneadError(
            f"no picture in {path}: {problem}", remedy="--plot FILE.svg or FILE.png"
        ) from problem


def _amount(part: Part) -> str:
    mark = "~" if part.estimated else ""
    if part.oscillations is None or part.rate_opm is None:
        return f"{mark}{_min(part.motor_ms / 1000)}, rate unknown"
    return f"{mark}{_min(part.motor_ms / 1000)} × {part.rate_opm:.0f} opm = {part.oscillations:,}"


def _min(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _left(minutes: float) -> str:
    return f"over {LONG_MIN // 60} h" if minutes > LONG_MIN else f"{minutes:.0f} min"


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None
