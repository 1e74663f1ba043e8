"""`knead dump`, `diff`, `restore`: settings as a file, compared, and taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openknead import settings_file
from openknead.cli import agree
from openknead.cli.common import App, columns, pass_app
from openknead.cli.program_files import FILE, read_file, write_file
from openknead.errors import MotorRunning
from openknead.settings_file import SettingsFile, Value, shown

if TYPE_CHECKING:
    from openknead.device import Device

IDLE = ("IDLE", "MAINTENANCE")


@click.command()
@click.argument("file", required=False, type=FILE)
@click.option("--replace", is_flag=True, help="Over a file that is there.")
@pass_app
def dump(app: App, file: Path | None, replace: bool) -> None:
    """Write the settings in force as a file that `knead restore` takes, to stdout without FILE.

    Each line has its unit, range and meaning beside it. The same settings give the same bytes.
    """
    with app.connect() as device:
        table = device.settings()
        values = device.get_all()
        unsaved = device.unsaved()
        text = settings_file.dump(table, values, device.hello)
    machine: dict[str, Any] = {"format": settings_file.FORMAT, "board": device.hello.board}
    machine |= {"firmware": device.hello.firmware, "settings": values, "unsaved": unsaved}
    if file is None:
        app.emit(machine, text.rstrip("\n"))
    else:
        write_file(file, text.encode(), replace)
        app.emit(machine | {"file": str(file)}, f"wrote {file}")
    agree.warn_unsaved(app, unsaved)


@click.command()
@click.argument("file", required=False, type=FILE)
@click.option("--with", "other", metavar="PORT|NAME", help="Compare with another device.")
@click.option("--exit-code", is_flag=True, help="End with 1 when there are differences.")
@pass_app
def diff(app: App, file: Path | None, other: str | None, exit_code: bool) -> int:
    """Compare the settings in force with the defaults, with a FILE, or --with another device.

    Of a file, only the settings in it are compared. Exit code 0, differences or not, unless --exit-code.
    """
    if file and other:
        raise click.UsageError("compare with a file or with another device, not with both")
    with app.connect() as device:
        table = device.settings()
        here = device.get_all()
    if file:
        there: Mapping[str, Value] = settings_file.load(read_file(file), table, str(file)).values
        against = str(file)
    elif other:
        there, against = _of_other(app, other), other
    else:
        there, against = {name: setting.default for name, setting in table.items()}, "default"
    names = (
        [name for name in here if name in there] if file else [*here, *(n for n in there if n not in here)]
    )
    found = [(name, here.get(name), there.get(name)) for name in names if here.get(name) != there.get(name)]
    rows = [("SETTING", "HERE", against.upper() if against == "default" else against, "UNIT", "MEANING")]
    for name, ours, theirs in found:
        known = table.get(name)
        about = (known.unit, known.doc) if known else ("", "")
        rows.append((name, _word(ours), _word(theirs), *about))
    machine = {"with": against, "differences": [{"name": n, "here": a, "there": b} for n, a, b in found]}
    app.emit(machine, columns(rows) if found else f"no differences ({len(names)} settings, {against})")
    return 1 if found and exit_code else 0


def _of_other(app: App, name: str) -> dict[str, Value]:
    """The settings of another device: one that `knead device` knows, else a port."""
    from openknead import devices

    known = name in devices.load()
    second = App(port=None if known else name, device=name if known else None, timeout=app.timeout)
    with second.connect() as device:
        return device.get_all()


def _word(value: Value | None) -> str:
    return "–" if value is None else shown(value)


@click.command()
@click.argument("file", type=FILE)
@click.option("--no-save", is_flag=True, help="Change them until power off only.")
@click.option("--skip-unknown", is_flag=True, help="Leave out settings that the device does not have.")
@agree.yes_weaken
@pass_app
def restore(app: App, file: Path, no_save: bool, skip_unknown: bool, yes_weaken: Sequence[str]) -> None:
    """Take the settings of a FILE that `knead dump` wrote, all of them or none, and save them.

    The whole file is checked first and every error told with its line; with one, nothing is changed. See
    what would change: knead diff FILE. Settings that are not in the file stay as they are; those that
    only the device's own buttons can set are left to them.
    """
    with app.connect() as device:
        table = device.settings()
        read = settings_file.load(read_file(file), table, str(file), skip_unknown=skip_unknown)
        if not no_save:
            _require_idle(device)
        before, values, local = device.get_all(), read.values, []
        for name in [name for name in values if table[name].local]:
            if values[name] not in (before[name], table[name].default):
                local.append(name)
                del values[name]
        notes = _notes(read, local, device.hello.board)
        changed, weakened = agree.change(app, device, values, yes_weaken)
        unsaved = device.unsaved()
        machine: dict[str, Any] = {"changed": list(changed), "weakens": weakened, "sequence": None}
        lines = [*agree.changed(table, changed, values), _summary(changed, values, str(file))]
        if unsaved and not no_save:
            machine["sequence"] = device.save()
            lines.append(f"saved (record {machine['sequence']})")
            unsaved = device.unsaved()
    app.emit(machine | {"skipped": [*read.skipped, *local], "unsaved": unsaved}, lines)
    if not app.json:
        for note in notes:
            click.echo(note, err=True)
    agree.warn_unsaved(app, unsaved)


def _require_idle(device: Device) -> None:
    """Saving is refused while a session is under way: better told before anything is changed."""
    state = device.status().state
    if state not in IDLE:
        raise MotorRunning(
            "settings cannot be saved while a session is under way; nothing was changed",
            code=-32012,
            name="motor_running",
            remedy="stop the session first, or restore with --no-save",
            data={"state": state},
        )


def _notes(read: SettingsFile, local: Sequence[str], board: str) -> list[str]:
    notes = []
    if local:
        notes.append(f"left to the device's own buttons: {', '.join(local)}")
    if read.skipped:
        notes.append(f"left out, the device does not have them: {', '.join(read.skipped)}")
    if read.board not in (None, board):
        notes.append(f"the file is of another board ({read.board}): calibration belongs to one board")
    return notes


def _summary(changed: Mapping[str, Value], values: Mapping[str, Value], file: str) -> str:
    return f"{file} restored: {len(changed)} of its {len(values)} settings were different"
