"""`knead get`, `set`, `save`, `reset`: ranges, types and meanings come from the device."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import click

from openknead.cli.common import App, columns, pass_app
from openknead.errors import SettingError
from openknead.model import Setting

Value = int | bool
WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
WORDS = {
    "true": True,
    "on": True,
    "yes": True,
    "1": True,
    "false": False,
    "off": False,
    "no": False,
    "0": False,
}


@click.command()
@click.argument("name", required=False)
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
                entry, [*lines, f"  {setting.doc}", f"  {_range(setting)}, default {shown(setting.default)}"]
            )
            return
        values = device.get_all()
        unsaved_names = device.unsaved()
        rows = [("", "SETTING", "VALUE", "UNIT", "RANGE", "DEFAULT", "MEANING")]
        for key, value in values.items():
            setting = table[key]
            marks = ("*" if key in unsaved_names else " ") + ("!" if setting.weakens else "")
            default = shown(setting.default)
            rows.append((marks, key, shown(value), setting.unit, _range(setting), default, setting.doc))
        machine = [_machine(table[key], value, key in unsaved_names) for key, value in values.items()]
        lines = columns(rows)
        if unsaved_names:
            lines.append("* not saved yet: knead save")
        app.emit({"settings": machine}, lines)


@click.command("set")
@click.argument("assignments", nargs=-1, required=True, metavar="NAME=VALUE…")
@pass_app
def set_values(app: App, assignments: Sequence[str]) -> None:
    """Change settings, all of them or none; `knead save` keeps them over a power cycle."""
    with app.connect() as device:
        table = device.settings()
        values = dict(parse(table, assignment) for assignment in assignments)
        changed = device.set(values)
        unsaved = device.unsaved()
        weakened = [name for name in changed if table[name].weakens and values[name] != table[name].default]
        lines = [f"{name} = {shown(values[name])} {table[name].unit}".rstrip() for name in changed]
        lines += [f"! {name} can weaken a protection: {table[name].doc}" for name in weakened]
        lines = lines or ["nothing changed: these were the values already"]
        if unsaved:
            lines.append(f"not saved yet ({', '.join(unsaved)}): knead save")
        app.emit({"changed": changed, "unsaved": unsaved, "weakens": weakened}, lines)


@click.command()
@pass_app
def save(app: App) -> None:
    """Keep the settings in the device's flash; refused while the motor is on."""
    with app.connect() as device:
        sequence = device.save()
        app.emit({"sequence": sequence}, f"saved (record {sequence})")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every setting.")
@pass_app
def reset(app: App, names: Sequence[str], everything: bool) -> None:
    """Take the named settings, or --all, back to their defaults."""
    if bool(names) == everything:
        raise click.UsageError("name the settings to reset, or give --all")
    with app.connect() as device:
        changed = device.reset(None if everything else names)
        unsaved = device.unsaved()
        lines = [
            f"back to default: {', '.join(changed)}" if changed else "nothing changed: all at their defaults"
        ]
        if unsaved:
            lines.append("not saved yet: knead save")
        app.emit({"changed": changed, "unsaved": unsaved}, lines)


def find(table: Mapping[str, Setting], name: str) -> Setting:
    """The row of a setting; SettingError with a suggestion when there is none."""
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=3)
    remedy = f"did you mean {' or '.join(near)}?" if near else "see them all: knead get"
    raise SettingError(
        f"no setting is called {name}",
        code=-32020,
        name="unknown_setting",
        remedy=remedy,
        data={"setting": name},
    )


def parse(table: Mapping[str, Setting], assignment: str) -> tuple[str, Value]:
    """NAME=VALUE → name and value, by the setting's type; its range is the device's to judge."""
    name, equals, text = assignment.partition("=")
    if not equals:
        raise click.UsageError(f"{assignment!r}: write NAME=VALUE")
    setting = find(table, name.strip())
    word = text.strip()
    if setting.type == "bool":
        value: Value | None = WORDS.get(word.lower())
    else:
        value = int(word) if WHOLE.fullmatch(word) else None
    if value is None:
        kind = "on or off" if setting.type == "bool" else "a whole number"
        raise SettingError(
            f"{setting.name} takes {kind}, not {word!r}",
            code=-32021,
            name="wrong_type",
            remedy=f"{setting.name}: {_range(setting)}",
            data={"setting": setting.name},
        )
    return setting.name, value


def shown(value: Value) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _range(setting: Setting) -> str:
    if setting.type == "bool":
        return "on/off"
    return f"{setting.min}…{setting.max}" + (f" {setting.unit}" if setting.unit else "")


def _machine(setting: Setting, value: Value, unsaved: bool) -> dict[str, Any]:
    from dataclasses import asdict

    return {"name": setting.name, "value": value, "unsaved": unsaved} | asdict(setting)
