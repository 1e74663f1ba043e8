"""`knead log`: the device's journal, for people, for programs, for a spreadsheet, or explained."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any

import click

from openknead import journal
from openknead.cli import records
from openknead.cli.common import App, pass_app
from openknead.journal import KINDS, Record

AGO = re.compile(r"([0-9]{1,6}) ?(min|h|d|w)")
AGO_UNITS = {"min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DAYS = {"today": 0, "yesterday": 1}


class When(click.ParamType[float]):
    """A moment in the past, as Unix time."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        now = datetime.now()
        text = str(value).strip()
        try:
            if ago := AGO.fullmatch(text):
                return (now - timedelta(**{AGO_UNITS[ago[2]]: int(ago[1])})).timestamp()
            if text in DAYS:
                return datetime.combine(now - timedelta(days=DAYS[text]), time.min).timestamp()
            return datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError):
            forms = "30min, 12h, 7d, 2w, today, yesterday, 2026-01-31 or '2026-01-31 18:00'"
            self.fail(f"{text!r} is no time in the past: write {forms}", param, ctx)


@click.command()
@click.option("--csv", "as_csv", is_flag=True, help="A table with all columns, one row per record.")
@click.option("--explain", is_flag=True, help="What happened and what to do, in sentences.")
@click.option("--since", type=When(), metavar="WHEN", help="From then on: 12h, 7d, today, 2026-01-31.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only this kind; repeatable.")
@pass_app
def log(
    app: App, as_csv: bool, explain: bool, since: float | None, limit: int | None, kinds: tuple[str, ...]
) -> None:
    """Show the device's journal, oldest record first: starts, sessions and why they ended, faults.

    A device that does not know the date tells boot and time since. `~` marks a time worked out from a clock
    that was set later in the same boot. --since keeps a record of unknown time when it keeps the next known
    one.

    With --json: {"records": […]}, each exactly as the device sent it.
    """
    if as_csv + explain + app.json > 1:
        raise click.UsageError("--json, --csv and --explain exclude each other")
    with app.connect() as device:
        everything = list(device.journal())
        gaps = journal.missing(everything)
        dated = chosen(everything, since, limit, kinds)
        if app.json:
            app.emit({"records": [record.data for record, _ in dated]}, ())
        elif as_csv:
            click.echo(records.table(dated), nl=False)
        elif explain:
            from openknead.cli.explain import Explainer

            app.emit(None, Explainer(device).story(dated, gaps))
        elif dated:
            app.emit(None, records.lines(dated, gaps))
        else:
            count = len(everything)
            app.emit(None, f"no such record among {count}" if count else "the journal is empty")


def chosen(
    everything: Sequence[Record], since: float | None, limit: int | None, kinds: Sequence[str]
) -> list[records.Dated]:
    """The records that were asked for, with their times as far as known."""
    dated = list(zip(everything, journal.times(everything), strict=True))
    if since is not None:
        kept, keeping = [], True
        for record, unix_s in reversed(dated):
            keeping = keeping if unix_s is None else unix_s >= since
            if keeping:
                kept.append((record, unix_s))
        dated = kept[::-1]
    if kinds:
        dated = [entry for entry in dated if entry[0].kind in kinds]
    return dated[-limit:] if limit else dated
