"""`knead program list`, `push`, `pull`, `remove`, `select`: what needs a device."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from openknead.cli.common import App, columns, pass_app
from openknead.cli.program_files import FILE, read_file, write_file
from openknead.programs import check as checking
from openknead.programs.remote import Entry
from openknead.report import clock


@click.command("list")
@pass_app
def list_programs(app: App) -> None:
    """Which programs the device has; `*` marks the one that its start button plays.

    PROBLEM says why one could not be started under the settings that are in force.
    """
    with app.connect() as device:
        entries = device.programs()
    rows = [("", "PROGRAM", "KIND", "LENGTH", "MOTOR", "PROBLEM")]
    for entry in entries:
        kind = "built in" if entry.builtin else "own"
        motor = "on" if entry.motor else "off"
        row = ("*" if entry.selected else "", entry.name, kind, clock(entry.total_s), motor)
        rows.append((*row, str(entry.problem or "")))
    app.emit({"programs": [asdict(entry) for entry in entries]}, columns(rows))


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--replace", is_flag=True, help="Also over other programs of the same names.")
@pass_app
def push(app: App, files: Sequence[str], replace: bool) -> None:
    """Check program files, put them on the device and read them back.

    Nothing is sent when one of them has an error. One that the device has already, to the byte, is left
    alone; another program of the same name is only replaced with --replace.
    """
    sources = {file: read_file(Path(file)) for file in files}
    reports = [checking.load(source, file) for file, source in sources.items()]
    names = [report.program.name for report in reports if report.program]
    if twice := {name for name in names if names.count(name) > 1}:
        raise click.UsageError(f"several files are called {', '.join(sorted(twice))}: names are unique")
    machine, people = [], []
    with app.connect() as device:
        limits = device.limits()
        for file, source in sources.items():
            with _progress(app, file) as progress:
                entry, written = device.push_program(source, replace=replace, progress=progress)
            machine.append({"file": file, "written": written} | asdict(entry))
            problems = checking.check(source, limits).problems
            people += [problem.at(file) for problem in problems if problem.severity == "warning"]
            people.append(_pushed(entry, written))
    app.emit({"programs": machine}, people)


def _pushed(entry: Entry, written: bool) -> str:
    what = "pushed and read back" if written else "the device has it already"
    if entry.problem:
        return f"{entry.name}: {what}; it cannot start as the device is set: {entry.problem}"
    return f"{entry.name}: {what}. Play it: knead start --program {entry.name}"


@contextmanager
def _progress(app: App, file: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on a terminal; a transfer takes a second or so on a serial line."""
    if app.json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file)
        yield lambda done, size: bar.update(task, completed=done, total=size)


@click.command()
@click.argument("name")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Where to; default NAME.toml, - for stdout.")
@click.option("--replace", is_flag=True, help="Over a file that is there.")
@pass_app
def pull(app: App, name: str, output: Path | None, replace: bool) -> None:
    """Get the file of a program back from the device, byte for byte as it was pushed.

    For a program that is built in: knead program new NAME --from PROGRAM.
    """
    with app.connect() as device:
        source = device.pull_program(name)
    if str(output) == "-":
        click.echo(source, nl=False)
        return
    path = output or Path(f"{name}.toml")
    write_file(path, source, replace)
    app.emit({"name": name, "file": str(path), "bytes": len(source)}, f"wrote {path}, {len(source)} bytes")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@pass_app
def remove(app: App, names: Sequence[str]) -> None:
    """Delete programs from the device; those that are built in stay."""
    with app.connect() as device:
        for name in names:
            device.remove_program(name)
    app.emit({"removed": list(names)}, [f"removed {name}" for name in names])


@click.command()
@click.argument("name")
@pass_app
def select(app: App, name: str) -> None:
    """Choose what the device's start button plays; `steady` is a session at the default level."""
    with app.connect() as device:
        selected = device.select_program(name)
    app.emit({"selected": selected}, f"the start button plays {selected}")
