"""What the shell completes: names and values of settings, names of devices. Nothing is opened or asked.

The settings are those of the device that was used last, as they were kept on disk.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.shell_completion import CompletionItem

from openknead.model import Setting
from openknead.settings_file import shown, span


def device_names(incomplete: str) -> list[str]:
    """For --device."""
    from openknead import devices
    from openknead.errors import DeviceNameError

    try:
        return [name for name in devices.load() if name.startswith(incomplete)]
    except DeviceNameError:
        return []


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For the name of a setting."""
    return [_item(name, setting) for name, setting in _table().items() if name.startswith(incomplete)]


def complete_assignment(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For NAME=VALUE: the name, then values. bash makes three words of it, and click drops the =."""
    table = _table()
    words = (" ".join(ctx.params.get(str(param.name)) or ()) + " ").replace(" = ", "=").split()
    last = words[-1] if words else ""
    if last.endswith("=") or (last and "=" not in last and not incomplete):
        return _values(table.get(last.rstrip("=")), incomplete, "")
    name, equals, text = incomplete.partition("=")
    if equals:
        return _values(table.get(name), text, f"{name}=")
    return [_item(f"{name}=", setting) for name, setting in table.items() if name.startswith(incomplete)]


def _table() -> dict[str, Setting]:
    from openknead.schema import last_kept

    return {item["name"]: Setting.of(item) for item in last_kept("settings")}


def _item(word: str, setting: Setting) -> CompletionItem:
    return CompletionItem(word, help=f"{span(setting)}: {setting.doc}")


def _values(setting: Setting | None, text: str, before: str) -> list[CompletionItem]:
    return [
        CompletionItem(before + word, help=about)
        for word, about in (_words(setting) if setting else ())
        if word.startswith(text)
    ]


def _words(setting: Setting) -> Iterator[tuple[str, str]]:
    """Values worth offering, and what they are."""
    default = shown(setting.default)
    if setting.type == "bool":
        for word in ("on", "off"):
            yield word, "default" if word == default else ""
        return
    unit = f" {setting.unit}" if setting.unit else ""
    about = {str(setting.min): f"lowest{unit}", default: f"default{unit}", str(setting.max): f"highest{unit}"}
    yield from about.items()
