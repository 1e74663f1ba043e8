"""`knead get`, `set`, `save`, `reset`: ranges, types and meanings come from the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from openknead.cli import agree
from openknead.cli.common import App, columns, pass_app
from openknead.cli.complete import complete_assignment, complete_names
from openknead.errors import SettingError
from openknead.model import Setting
from openknead.settings_file import Value, find, read_value, shown, span

SAVE = click.option("--save", "keep", is_flag=True, help="Then save them, as `knead save` does.")


@click.command()
@click.argument("name", required=False, shell_complete=complete_names)
@pass_app
def get(app: App, name: str | None) -> None:
    """Show one setting, or all of them.

    `*` marks a value that is not saved yet, `!` a setting that can weaken a protection.
    """
    with app.connect() as device:
        table = device.settings()
        if name is not None:
            setting = find(table, name)
            value = device.get(name)
            unsaved = name in device.unsaved()
            entry = _machine(setting, value, unsaved)
            lines = [f"{name} = {shown(value)} {setting.unit}".rstrip() + (" (not saved)" if unsaved else "")]
            app.emit(
                entry, [*lines, f"  {setting.doc}", f"  {span(setting)}, default {shown(setting.default)}"]
            )
            return
        values = device.get_all()
        unsaved_names = device.unsaved()
        rows = [("", "SETTING", "VALUE", "UNIT", "RANGE", "DEFAULT", "MEANING")]
        for key, value in values.items():
            setting = table[key]
            marks = ("*" if key in unsaved_names else " ") + ("!" if setting.weakens else "")
            default = shown(setting.default)
            rows.append((marks, key, shown(value), setting.unit, span(setting), default, setting.doc))
        machine = [_machine(table[key], value, key in unsaved_names) for key, value in values.items()]
        lines = columns(rows)
        if unsaved_names:
            lines.append("* not saved yet: knead save")
        app.emit({"settings": machine}, lines)


@click.command("set")
@click.argument(
    "assignments", nargs=-1, required=True, metavar="NAME=VALUE…", shell_complete=complete_assignment
)
@SAVE
@agree.yes_weaken
@pass_app
def set_values(app: App, assignments: Sequence[str], keep: bool, yes_weaken: Sequence[str]) -> None:
    """Change settings, all of them or none; `knead save`, or --save, keeps them over a power cycle.

    What weakens a protection is asked about, or needs --yes-weaken; the most dangerous changes wait for
    a press of MODE on the device.
    """
    with app.connect() as device:
        table = device.settings()
        pairs = [parse(table, assignment) for assignment in assignments]
        values = dict(pairs)
        if len(values) < len(pairs):
            raise click.UsageError("a setting can be given once only")
        before, weakened = agree.change(app, device, values, yes_weaken)
        lines = agree.changed(table, before, values)
        lines += [f"! {name} weakens a protection: {table[name].doc}" for name in weakened]
        lines = lines or ["nothing changed: these were the values already"]
        machine = {"changed": list(before), "weakens": weakened}
        _finish(app, device, machine, lines, keep)


@click.command()
@pass_app
def save(app: App) -> None:
    """Keep the settings in the device's flash; refused while the motor is on."""
    with app.connect() as device:
        sequence = device.save()
        app.emit({"sequence": sequence}, f"saved (record {sequence})")


@click.command()
@click.argument("names", nargs=-1, shell_complete=complete_names)
@click.option("--all", "everything", is_flag=True, help="Every setting.")
@SAVE
@agree.yes_weaken
@pass_app
def reset(app: App, names: Sequence[str], everything: bool, keep: bool, yes_weaken: Sequence[str]) -> None:
    """Take the named settings, or --all, back to their defaults. Asks where that weakens a protection."""
    if bool(names) == everything:
        raise click.UsageError("name the settings to reset, or give --all")
    with app.connect() as device:
        table = device.settings()
        defaults = {name: find(table, name).default for name in (table if everything else names)}
        before, weakened = agree.change(app, device, defaults, yes_weaken)
        changed = list(before)
        lines = [
            f"back to default: {', '.join(changed)}" if changed else "nothing changed: all at their defaults"
        ]
        _finish(app, device, {"changed": changed, "weakens": weakened}, lines, keep)


def _finish(app: App, device: Any, machine: dict[str, Any], lines: list[str], keep: bool) -> None:
    """Save if that was wanted, tell what happened, and what is left to do."""
    if keep:
        machine["sequence"] = device.save()
        lines.append(f"saved (record {machine['sequence']})")
    machine["unsaved"] = device.unsaved()
    app.emit(machine, lines)
    agree.warn_unsaved(app, machine["unsaved"])


def parse(table: Mapping[str, Setting], assignment: str) -> tuple[str, Value]:
    """NAME=VALUE → name and value, by the setting's type; its range is the device's to judge."""
    name, equals, text = assignment.partition("=")
    if not equals:
        raise click.UsageError(f"{assignment!r}: write NAME=VALUE")
    setting = find(table, name.strip())
    word = text.strip()
    value = read_value(setting, word)
    if value is None:
        kind = "on or off" if setting.type == "bool" else "a whole number"
        raise SettingError(
            f"{setting.name} takes {kind}, not {word!r}",
            code=-32021,
            name="wrong_type",
            remedy=f"{setting.name}: {span(setting)}",
            data={"setting": setting.name},
        )
    return setting.name, value


def _machine(setting: Setting, value: Value, unsaved: bool) -> dict[str, Any]:
    from dataclasses import asdict

    return {"name": setting.name, "value": value, "unsaved": unsaved} | asdict(setting)
