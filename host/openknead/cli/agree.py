"""What commands that change settings share: agreement to what weakens, the press, the warning at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from openknead.cli.common import App, F
from openknead.cli.complete import complete_names
from openknead.errors import WouldWeaken
from openknead.settings_file import Table, Value, find, shown, within

if TYPE_CHECKING:
    from openknead.device import Device


def yes_weaken(command: F) -> F:
    """--yes-weaken."""
    return click.option(
        "--yes-weaken",
        multiple=True,
        metavar="NAME",
        shell_complete=complete_names,
        help="Do not ask whether this setting may weaken a protection; again for others.",
    )(command)


def change(
    app: App, device: Device, values: Mapping[str, Value], allowed: Sequence[str]
) -> tuple[dict[str, Value], list[str]]:
    """Change what differs, all or none: the values from before of what was changed, and what weakens.

    Asks on a terminal before a protection is weakened, and waits for a press at the device where it needs
    one. Raises WouldWeaken, NotConfirmed, SettingError.
    """
    table = device.settings()
    for name in allowed:
        find(table, name)
    before = device.get_all()
    changes = {name: value for name, value in values.items() if before.get(name) != value}
    weakened = [name for name, value in changes.items() if _weakens(table, name, before[name], value)]
    if all(within(table[name], value) for name, value in changes.items()):  # else the device will refuse it
        _agree(app, table, before, changes, weakened, allowed)
    if changes:
        press = Press(app, bool(device.hello.sim))
        try:
            device.set(changes, waiting=press)
        finally:
            press.end()
    return {name: before[name] for name in changes}, weakened


def changed(table: Table, before: Mapping[str, Value], after: Mapping[str, Value]) -> list[str]:
    """The changes for people, a line each."""
    lines = []
    for name, old in before.items():
        was = f" (was {shown(old)})"
        lines.append(f"{name} = {shown(after[name])} {table[name].unit}".rstrip() + was)
    return lines


def warn_unsaved(app: App, names: Sequence[str]) -> None:
    """At the end of a command that changed settings: what would be lost with the power."""
    if names and not app.json:
        click.echo(f"not saved yet ({', '.join(names)}): knead save", err=True)


def _weakens(table: Table, name: str, before: Value, after: Value) -> bool:
    """What only the device's buttons can do is the device's to refuse, and nothing to ask about."""
    return table[name].weakened(before, after) and not table[name].local


def _agree(
    app: App,
    table: Table,
    before: Mapping[str, Value],
    changes: Mapping[str, Value],
    weakened: Sequence[str],
    allowed: Sequence[str],
) -> None:
    left = [name for name in weakened if name not in allowed]
    if not left:
        return
    if not app.json and sys.stdin.isatty():
        for name in left:
            step = f"{shown(before[name])} → {shown(changes[name])} {table[name].unit}".rstrip()
            click.echo(f"! {name} {step} weakens a protection: {table[name].doc}", err=True)
        if click.confirm("Change it?", err=True):
            return
    raise WouldWeaken(
        f"{', '.join(left)} would weaken a protection; nothing was changed",
        remedy="if that is meant: " + " ".join(f"--yes-weaken {name}" for name in left),
        data={"settings": left},
    )


class Press:
    """Asks for a press of MODE, with the time left: counting down on a terminal, else once."""

    def __init__(self, app: App, simulated: bool) -> None:
        self._json = app.json
        self._counts = not app.json and sys.stderr.isatty()
        self._how = " (knead sim press mode)" if simulated else ""
        self._told = False

    def __call__(self, names: Sequence[str], left_s: float) -> None:
        if self._told and not self._counts:
            return
        if self._json:
            told = json.dumps({"confirm": {"settings": list(names), "within_s": round(left_s)}})
        else:
            told = f"{', '.join(names)}: press MODE on the device{self._how}, {left_s:2.0f} s left"
        click.echo(f"\r{told}" if self._counts else told, nl=not self._counts, err=True)
        self._told = True

    def end(self) -> None:
        """Leave the line that counted."""
        if self._told and self._counts:
            click.echo(err=True)
