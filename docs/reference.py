"""What the documents take from the host's code: commands, errors, samples. Used by generate.py."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import openknead
from openknead import errors
from openknead.cli import root
from openknead.cli.examples import EXAMPLES
from openknead.device import Device
from openknead.model import Sample

Row = Sequence[object]
Table = Callable[[Row, Iterable[Row]], str]  # writes one in Markdown

OPTION = ("option", "values", "default", "meaning")

# -- commands -----------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[list[str], click.Command, str]]:
    """All commands, in the order of the help: path below `knead`, command, what it does in a line."""
    yield from _below([], root.knead)


def _below(path: list[str], group: click.Group) -> Iterator[tuple[list[str], click.Command, str]]:
    ctx = click.Context(group, info_name=" ".join(["knead", *path]))
    lines = {name: line for name, (_, line) in getattr(group, "commands_at", {}).items()}
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None, name
        yield [*path, name], command, lines.get(name) or _first_sentence(command)
        if isinstance(command, click.Group):
            yield from _below([*path, name], command)


def command_rows() -> Iterator[Row]:
    """Command with a link to its place, and what it does."""
    for path, _, line in commands():
        yield f"[`{' '.join(['knead', *path])}`](#{'-'.join(['knead', *path])})", line


def command_pages(table: Table) -> str:
    """A section a command: synopsis, what it does, options, examples."""
    return "".join(_page(path, command, table) for path, command, _ in commands())


def _page(path: list[str], command: click.Command, table: Table) -> str:
    parts = [f"{'#' * (2 + len(path))} {' '.join(['knead', *path])}\n\n"]
    parts.append(f"```\n{synopsis(path, command)}\n```\n\n")
    parts += [f"{paragraph}\n\n" for paragraph in _paragraphs(command)]
    options = _options(command)
    if options:
        parts.append(table(*_with_content(OPTION, [_option_row(option) for option in options])) + "\n")
    examples = EXAMPLES.get(" ".join(path))
    if examples:
        parts.append("```\n" + "".join(f"{line}\n" for line in examples) + "```\n\n")
    return "".join(parts)


def synopsis(path: list[str], command: click.Command) -> str:
    """The command line in one line."""
    parts = ["knead", *path]
    parts += ["[OPTIONS]"] if _options(command) else []
    parts += [_argument(param) for param in command.params if isinstance(param, click.Argument)]
    if isinstance(command, click.Group):
        parts.append("[COMMAND]" if command.invoke_without_command else "COMMAND")
    return " ".join(parts)


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or _values(argument) or str(argument.name).upper()
    name += "…" if argument.nargs == -1 and not name.endswith("…") else ""
    return name if argument.required else f"[{name}]"


def _options(command: click.Command) -> list[click.Option]:
    """The command's own options, without those that all have."""
    common = {option.name: option.help for option in root.knead.params if isinstance(option, click.Option)}
    return [
        param
        for param in command.params
        if isinstance(param, click.Option)
        and not param.hidden
        and (param.name not in common or param.help != common[param.name])
    ]


def shared_options() -> tuple[Row, list[Row]]:
    """Head and rows of the options of `knead` itself, which all commands take."""
    return _with_content(
        OPTION, [_option_row(param) for param in root.knead.params if isinstance(param, click.Option)]
    )


def _with_content(head: Row, rows: list[Row]) -> tuple[Row, list[Row]]:
    """The table without its empty columns."""
    used = [n for n in range(len(head)) if any(row[n] for row in rows)]
    return [head[n] for n in used], [[row[n] for n in used] for row in rows]


def _option_row(option: click.Option) -> Row:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    if not (option.is_flag or option.count):
        kind = {"integer": "N", "integer range": "N", "float": "X", "float range": "X"}
        value = option.metavar or kind.get(option.type.name, option.type.name.upper())
        names = names[:-1] + f" {value}`" if option.metavar or not _values(option) else names
    more = " May be repeated." if option.multiple and "epeat" not in (option.help or "") else ""
    return names, _values(option) or _range(option.type), _default(option), (option.help or "") + more


def _values(param: click.Parameter) -> str:
    choices = param.type.choices if isinstance(param.type, click.Choice) else ()
    return ", ".join(str(choice) for choice in choices) if choices else ""


def _range(kind: Any) -> str:
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"at least {low:g}" if high is None else f"at most {high:g}"
    return f"{'above ' if kind.min_open else ''}{low:g}…{high:g}"


def _default(option: click.Option) -> str:
    value = option.default
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Path)) or value == "":
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _paragraphs(command: click.Command) -> list[str]:
    """The help's paragraphs, a line each; what click is told to leave alone stays as it is, as code."""
    text = inspect.cleandoc(command.help or command.short_help or "").partition("\f")[0]
    found = re.split(r"\n\s*\n", text)
    return [
        "```\n" + paragraph.removeprefix("\b").strip("\n") + "\n```"
        if paragraph.startswith("\b")
        else " ".join(paragraph.split())
        for paragraph in found
    ]


def _first_sentence(command: click.Command) -> str:
    return re.split(r"(?<=[.:;])\s", _paragraphs(command)[0], maxsplit=1)[0].rstrip(":;.") + "."


def exit_code_rows() -> list[Row]:
    """What the exit codes mean, from the text that `knead --help` shows."""
    text = " ".join((root.__doc__ or "").partition("Exit codes:")[2].split()).rstrip(".")
    rows = [part.split(" ", 1) for part in text.split(" · ")]
    assert all(len(row) == 2 and row[0].isdigit() for row in rows), rows
    return [*rows]


# -- errors -------------------------------------------------------------------------------------------------


def error_classes() -> list[type[errors.OpenKneadError]]:
    """All errors of the host that have a number of their own, by number."""
    for module in pkgutil.walk_packages(openknead.__path__, "openknead."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = [cls for cls in _subclasses(errors.OpenKneadError) if "code" in vars(cls) and cls.code <= -33000]
    return sorted(found, key=lambda cls: (-cls.code, cls.__name__))


def _subclasses(cls: type[errors.OpenKneadError]) -> Iterator[type[errors.OpenKneadError]]:
    for child in cls.__subclasses__():
        if child.__module__.startswith("openknead."):
            yield child
            yield from _subclasses(child)


def host_error_rows() -> Iterator[Row]:
    """Class, code, name, exit code, meaning, remedy."""
    for cls in error_classes():
        meaning = " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())
        yield _class(cls), cls.code, f"`{cls.name}`", cls.exit_code, meaning, cls.remedy or "in the error"


def device_error_rows(table: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """The device's errors with the class that each becomes; table: the schema's section "errors"."""
    for row in table:
        cls = type(errors.from_reply({"code": row["code"], "data": {"setting": ""}}))
        yield _class(cls), row["code"], f"`{row['name']}`", cls.exit_code, row["message"], row["remedy"]


def _class(cls: type) -> str:
    place = cls.__module__ if not hasattr(openknead, cls.__name__) else "openknead"
    return f"`{place}.{cls.__name__}`"


# -- the device ---------------------------------------------------------------------------------------------

INNER = {"translate"}  # public for the package's own sake


def method_rows() -> Iterator[Row]:
    """The methods of `Device` in the order of its source, with parameters and what they do."""
    for name, member in vars(Device).items():
        if name.startswith("_") or name in INNER or not (callable(member) or isinstance(member, property)):
            continue
        call = f"`{name}{'' if isinstance(member, property) else _parameters(member)}`"
        yield call, " ".join((inspect.getdoc(member) or "").split("\n\n")[0].split())


def _parameters(method: Callable[..., Any]) -> str:
    """The parameters without `self` and types."""
    given = inspect.signature(method).parameters.values()
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in given if each.name != "self"]
    return str(inspect.Signature(plain))


# -- samples ------------------------------------------------------------------------------------------------

TRANSLATED = {  # fields that the device sends as numbers and the library gives by name
    "state": "Name of the state: `IDLE`, `RUNNING`, `PAUSED`, `ENDING`, `MAINTENANCE`.",
    "limiters": "Names of what holds the device back.",
    "fault": "Name of the latched fault.",
}


def sample_rows(telemetry: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """The fields of a Sample with type, unit and meaning; telemetry: the schema's section."""
    fields = {row["name"]: row for row in telemetry}
    for field in dataclasses.fields(Sample):
        row = fields[field.name]
        known = field.name in TRANSLATED
        meaning, unit = (TRANSLATED[field.name], "") if known else (row["doc"], row["unit"])
        yield f"`{field.name}`", f"`{field.type}`", unit, meaning
