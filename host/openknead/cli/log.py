"""`knead log`: the device's journal, for people, for programs, for a spreadsheet, or explained."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openknead import journal
from openknead.cli import records
from openknead.cli.common import App, pass_app, status
from openknead.journal import KINDS

if TYPE_CHECKING:
    from openknead.device import Device

FILE = click.Path(dir_okay=False, path_type=Path)

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
@click.option("--follow", is_flag=True, help="Show new records as they come, until Ctrl-C.")
@click.option("--sync", is_flag=True, help="Keep what is new on this computer.")
@click.option("--local", is_flag=True, help="Show what is kept here; no device is needed.")
@click.option("--db", type=FILE, metavar="FILE", help="With --sync and --local: where it is kept.")
@click.option("--board", metavar="ID", help="With --local: only this device's.")
@pass_app
def log(
    app: App,
    as_csv: bool,
    explain: bool,
    since: float | None,
    limit: int | None,
    kinds: tuple[str, ...],
    follow: bool,
    sync: bool,
    local: bool,
    db: Path | None,
    board: str | None,
) -> None:
    """Show the device's journal, oldest record first: starts, sessions and why they ended, faults.

    A device that does not know the date tells boot and time since. `~` marks a time worked out from a clock
    that was set later in the same boot. --since keeps a record of unknown time when it keeps the next known
    one. While a session runs the device tells nothing of its journal; --follow waits for its end.

    --sync keeps all records for longer than the device does: only what is new is read, nothing is kept twice,
    and a journal that started again is kept apart from the one before.

    With --json: {"records": […]}, each exactly as the device sent it; with --follow one record a line.
    """
    if as_csv + explain + app.json > 1:
        raise click.UsageError("--json, --csv and --explain exclude each other")
    if follow + sync + local > 1:
        raise click.UsageError("--follow, --sync and --local exclude each other")
    if ((follow or sync) and (as_csv or explain)) or (local and explain):
        raise click.UsageError(
            "--csv and --explain do not go with --follow and --sync, nor --explain with --local"
        )
    if (db and not (sync or local)) or (board and not local):
        raise click.UsageError("--db goes with --sync or --local, --board with --local")
    wanted = records.Wanted(since, limit, kinds)
    if local:
        _local(app, db, board, wanted, as_csv)
        return
    with app.connect() as device:
        if sync:
            _sync(app, device, db)
            return
        if follow:
            from openknead.cli.logfollow import follow_journal

            follow_journal(app, device, wanted)
            return
        everything = list(device.journal())
        gaps = journal.missing(everything)
        dated = wanted.of(everything)
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
            app.emit(None, _nothing(len(everything)))


def _nothing(count: int) -> str:
    return f"no such record among {count}" if count else "the journal is empty"


def _sync(app: App, device: Device, db: Path | None) -> None:
    from openknead.logstore import LogStore, default_path

    path = db or default_path()
    with LogStore(path) as store, status(app, "reading the journal …") as show:
        done = store.sync(
            device.hello.board, device.journal, lambda count: show(f"reading the journal: {count} records")
        )
    people = [f"{done.board}: {done.new} new records, {done.kept} are kept in {path}"]
    if done.replaced:
        people.append(
            f"the device's journal has started again: it is journal {done.journal} here; the others stay"
        )
    if done.missing:
        people.append(
            f"{done.missing} records are missing: the device had dropped them before they were read"
        )
    app.emit({**asdict(done), "db": str(path)}, people)


def _local(app: App, db: Path | None, board: str | None, wanted: records.Wanted, as_csv: bool) -> None:
    from openknead.logstore import LogStore, default_path

    with LogStore(db or default_path(), make=False) as store:
        kept = store.journals(board)
    shown = [(each, wanted.of(each.records)) for each in kept]
    if app.json:
        machine = [
            {"board": each.board, "journal": each.journal, "records": [record.data for record, _ in dated]}
            for each, dated in shown
        ]
        app.emit({"journals": machine}, ())
        return
    if as_csv:
        origins = [{"board": each.board, "journal": each.journal} for each, dated in shown for _ in dated]
        click.echo(records.table([entry for _, dated in shown for entry in dated], origins), nl=False)
        return
    lines: list[str] = []
    for each, dated in shown:
        if len(kept) > 1 and dated:
            lines.append(f"board {each.board}, journal {each.journal}")
        lines += records.lines(dated, journal.missing(each.records)) if dated else []
    app.emit(None, lines or _nothing(sum(len(each.records) for each in kept)))
