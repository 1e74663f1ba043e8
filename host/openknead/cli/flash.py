"""`knead flash`: from a blank or an old board to a running, verified device."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openknead.cli.common import App, columns, pass_app
from openknead.flash import images

if TYPE_CHECKING:
    from rich.progress import Progress

    from openknead.flash.steps import Report

LOST = 8  # exit code
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--source", is_flag=True, help="Install sources; else they are precompiled.")
@click.option("--uf2", type=FILE, metavar="FILE", help="Install this MicroPython first.")
@click.option(
    "--micropython",
    metavar="VERSION",
    help=f"Install this version of MicroPython first: {images.described()}.",
)
@click.option("--drive", type=FOLDER, metavar="FOLDER", help="Where the drive of a board in BOOTSEL mode is.")
@click.option("--dry-run", is_flag=True, help="Show what would be done; the board is left as it is.")
@click.option(
    "--yes",
    is_flag=True,
    help="Even if files on a blank board cannot be read before, or that MicroPython has not been run by us.",
)
@pass_app
def flash(
    app: App,
    source: bool,
    uf2: Path | None,
    micropython: str | None,
    drive: Path | None,
    dry_run: bool,
    yes: bool,
) -> int:
    """Bring MicroPython, if needed, and the firmware that belongs to this `knead` onto a board.

    Ends a session, keeps a backup of settings, programs and journal on this computer, sends what differs, has
    the board read it back, restarts it, compares, and runs the self-test. Interrupted, it resumes when it is
    run again. A board with nothing on it: hold BOOTSEL while plugging it in.

    Exit code 0: done; 1: done, but a self-test has not passed; 8: done, but something of yours was lost.
    """
    if uf2 and micropython:
        raise click.UsageError("--uf2 and --micropython exclude each other")
    from openknead.flash.steps import Options, Walk

    options = Options(app.port, app.timeout, drive, uf2, micropython, source, dry_run, yes)
    try:
        with _reporter(app) as reporter:
            report = Walk(options, reporter).run()
    except KeyboardInterrupt:
        click.echo("interrupted: the same command continues where this one stopped", err=True)
        raise
    app.emit(_machine(report), people(report))
    if report.lost:
        return LOST
    return 1 if report.selftest and not report.selftest.passed else 0


def _machine(report: Report) -> dict[str, Any]:
    found = asdict(report)
    found["backup"] = str(report.backup) if report.backup else None
    return found


def people(report: Report) -> list[str]:
    """What was done, and what is left to do."""
    would = "would be " if report.dry_run else ""
    rows = []
    if report.image:
        rows.append(("MicroPython", f"{would}written: {report.image}, {report.image_bytes} bytes"))
    if report.changed is not None and report.removed is not None:
        total = f"; {report.unchanged} unchanged" if report.unchanged is not None else ""
        rows.append(
            ("Files", f"{would}changed: {len(report.changed)}, removed: {len(report.removed)}{total}")
        )
        if report.dry_run:
            rows += [("", path) for path in report.changed] + [
                ("", f"{path} (removed)") for path in report.removed
            ]
    rows.append(("Bytes", f"{would}sent: {report.bytes_sent}"))
    if report.content_before or report.content:
        before, now = report.content_before or "none", report.content or "unknown"
        rows.append(("Firmware", before if before == now else f"{before} → {now} ({report.form})"))
    if report.backup:
        rows.append(("Backup", str(report.backup)))
    lines = columns(rows)
    found = report.comparison
    if found:
        lines.append("as before: " + ", ".join(f"{count} {what}" for what, count in found.kept.items()))
        lines += [f"given back: {what}" for what in found.restored]
        lines += [f"no longer known to the firmware: setting {name}" for name in found.unknown]
        lines += [f"LOST: {what}" for what in found.lost]
    if report.selftest:
        from openknead.cli.selftest import verdict

        lines += verdict(report.selftest)
    if report.fault:
        lines.append(f"fault: {report.fault}; see what to do: knead status")
    return lines


class _Lines:
    """For logs and pipes: a line a step, on stderr; nothing with --json."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def step(self, name: str) -> None:
        self._say(f"{name} …")

    def progress(self, done: int, total: int) -> None:
        if done == total:
            self._say(f"  {total} bytes")

    def note(self, text: str) -> None:
        self._say(f"  {text}")

    def _say(self, text: str) -> None:
        if not self._quiet:
            click.echo(text, err=True)


class _Bar:
    """For a terminal: the step, a bar, bytes done and in all."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def step(self, name: str) -> None:
        self._progress.remove_task(self._task)  # `reset` would keep the total
        self._task = self._progress.add_task(name, total=None)

    def progress(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def note(self, text: str) -> None:
        self._progress.console.print(text)


@contextmanager
def _reporter(app: App) -> Iterator[_Lines | _Bar]:
    if app.json or not sys.stderr.isatty():
        yield _Lines(app.json)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    shown = (TextColumn("{task.description:36}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*shown, console=Console(stderr=True, highlight=False), transient=True) as progress:
        yield _Bar(progress)
