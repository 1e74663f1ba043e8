"""`knead plot`: a recording as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openknead.cli.common import App, pass_app, status
from openknead.errors import OpenKneadError

if TYPE_CHECKING:
    from openknead.recording import Damage, Head
    from openknead.timeline import Timeline

SHOWN_DAMAGE = 5
PICTURES = (".svg", ".png", ".pdf")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PICTURE",
    help="Where to draw: .svg, .png or .pdf; default: FILE.svg.",
)
@click.option("--open", "show", is_flag=True, help="Show the picture afterwards.")
@pass_app
def plot(app: App, file: Path, output: Path | None, show: bool) -> None:
    """Draw a recording of `knead record` or `knead start --record`; no device is needed.

    Level, demanded and measured rate, current and temperatures over time; cues, faults and what held the
    device back are marked. Of a long recording each piece of time is drawn with its least and its greatest
    value, so that no peak is left out. What cannot be read of a damaged file is said, and the rest is drawn.
    """
    from openknead.picture import draw_timeline

    path = output or file.with_name(file.name + ".svg")
    if path.suffix.lower() not in PICTURES:
        raise click.UsageError(f"{path.name}: a picture ends in {', '.join(PICTURES)}")
    with status(app, f"drawing {file.name} …"):
        heads, timeline, lost, damage = _read(file)
        title = _title(heads, timeline, lost)
        try:
            draw_timeline(timeline, title, path)
        except (OSError, ValueError) as problem:
            raise OpenKneadError(
                f"no picture in {path}: {problem}", remedy="-o FILE.svg or FILE.png"
            ) from problem
    machine = {
        "picture": str(path),
        "samples": timeline.samples,
        "lost": lost,
        "seconds": round(timeline.end_s, 1),
        "runs": len(heads),
        "damage": [f"{each.where}: {each.why}" for each in damage],
    }
    people = [f"{path}: {title.partition(': ')[2]}, {timeline.samples} samples"]
    if damage:
        people += [f"cannot be read: {each.where}: {each.why}" for each in damage[:SHOWN_DAMAGE]]
        people += [f"… and {len(damage) - SHOWN_DAMAGE} places more"] if len(damage) > SHOWN_DAMAGE else []
    app.emit(machine, people)
    if show:
        click.launch(str(path))


def _read(file: Path) -> tuple[list[Head], Timeline, int, list[Damage]]:
    from openknead.model import Sample
    from openknead.recording import Damage, Head, NoRecording, Row, entries
    from openknead.recording.model import gap
    from openknead.timeline import Timeline

    heads: list[Head] = []
    damage: list[Damage] = []
    timeline = Timeline()
    lost = 0
    fresh, seq = True, None
    for entry in entries(file):
        if isinstance(entry, Head):
            heads.append(entry)
            fresh, seq = True, None
        elif isinstance(entry, Damage):
            damage.append(entry)
        elif isinstance(entry, Row):
            if fresh:
                timeline.begin(entry.utc_s)
                fresh = False
            timeline.add(entry.item)
            if isinstance(entry.item, Sample):
                lost += 0 if seq is None else gap(seq, entry.item.seq)
                seq = entry.item.seq
    if not timeline.samples:
        why = f": {damage[0].where}: {damage[0].why}" if damage else ""
        raise NoRecording(f"there is no sample in {file}{why}")
    return heads, timeline, lost, damage


def _title(heads: list[Head], timeline: Timeline, lost: int) -> str:
    boards = ", ".join(dict.fromkeys(head.board for head in heads)) or "an unknown device"
    began = heads[0].started_utc[:16].replace("T", " ") + " UTC" if heads and heads[0].started_utc else "?"
    parts = [f"OpenKnead {boards}: {began}", _span(timeline.end_s)]
    parts += [f"{lost} samples lost"] if lost else []
    return ", ".join(parts)


def _span(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
