"""What all commands share: the options, the connection, the two ways of printing, the errors."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from openknead.errors import AdvisedAgainst, OpenKneadError, Refused, SettingError, SettingsFileError
from openknead.trace import FILE_VARIABLE

if TYPE_CHECKING:
    from openknead.device import Device

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class App:
    """The global options, wherever on the command line they stood."""

    port: str | None = None
    json: bool = False
    timeout: float = 2.0
    device: str | None = None  # a name that `knead device` keeps

    def connect(self) -> Device:
        """The device: --port, else --device, else OPENKNEAD_PORT or _DEVICE, else the only one there is.

        With both options, whatever is at the port has to be that device.
        """
        from openknead.device import connect

        name = self.device or (None if self.port else os.environ.get("OPENKNEAD_DEVICE"))
        if not name:
            return connect(self.port, timeout=self.timeout)
        from openknead import devices

        known = devices.find(name)
        port = self.port or devices.locate(known, self.timeout)
        return connect(port, timeout=self.timeout, board=known.board)

    def emit(self, machine: Any, people: str | Iterable[str]) -> None:
        """Print the result: `machine` as one line of JSON with --json, else `people`."""
        if self.json:
            click.echo(json.dumps(machine, ensure_ascii=False))
            return
        for line in [people] if isinstance(people, str) else people:
            click.echo(line)


def _named(ctx: click.Context, param: click.Parameter, name: str | None) -> None:
    if name:
        ctx.ensure_object(App).device = name


def _trace(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    if path:
        os.environ[FILE_VARIABLE] = path


def _verbose(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        import logging

        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
        logging.getLogger("openknead").setLevel(logging.DEBUG)


def _complete_device(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from openknead.cli.complete import device_names

    return device_names(incomplete)


def app_options(command: F) -> F:
    """The options that the group and every command have alike."""
    for option in (
        click.option(
            "--verbose",
            "-v",
            is_flag=True,
            expose_value=False,
            callback=_verbose,
            help="Log connections, damaged lines and repeats on stderr.",
        ),
        click.option(
            "--trace",
            metavar="FILE",
            expose_value=False,
            callback=_trace,
            type=click.Path(dir_okay=False),
            help=f"Append every line to and from the device to FILE; else {FILE_VARIABLE}.",
        ),
        click.option(
            "--timeout", type=click.FloatRange(0.1, 60), metavar="SECONDS", help="Wait this long for answers."
        ),
        click.option("--json", is_flag=True, help="Print JSON: results on stdout, errors on stderr."),
        click.option(
            "--device",
            metavar="NAME",
            expose_value=False,
            callback=_named,
            shell_complete=_complete_device,
            help="A device by its name (knead device); else OPENKNEAD_DEVICE.",
        ),
        click.option(
            "--port", metavar="PORT", help="Serial port or socket://HOST:PORT; else OPENKNEAD_PORT."
        ),
    ):
        command = option(command)
    return command


def pass_app(function: F) -> F:
    """Give a command the App, with its own --port, --json and --timeout merged in."""
    from functools import update_wrapper

    @click.pass_context
    def wrapper(ctx: click.Context, /, *args: Any, **kwargs: Any) -> Any:
        app = ctx.ensure_object(App)
        merge(app, kwargs.pop("port"), kwargs.pop("json"), kwargs.pop("timeout"))
        return ctx.invoke(function, app, *args, **kwargs)

    return app_options(update_wrapper(wrapper, function))  # type: ignore[return-value]


def merge(app: App, port: str | None, as_json: bool, timeout: float | None) -> None:
    app.port = port or app.port
    app.json = as_json or app.json
    app.timeout = timeout or app.timeout


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> list[str]:
    """Rows as aligned text; the last column is not padded."""
    if not rows:
        return []
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    widths[-1] = 0
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def quantity(value: object, unit: str) -> str:
    """A value of the device with its unit, for people: tenths of a degree as degrees, "–" for none."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if unit == "0.1 C" and isinstance(value, int):
        return f"{value / 10:.1f} °C"
    return f"{value} {unit}".rstrip()


def error_lines(error: OpenKneadError) -> list[str]:
    """An error for people: the cause, then what to do."""
    lines = [f"error: {error.message}"]
    if isinstance(error, Refused):
        return lines + columns([(name, remedy) for name, remedy in error.refusals], "  ")
    if isinstance(error, AdvisedAgainst):
        lines += columns([(item["name"], item["do"]) for item in error.data["advice"]], "  ")
    if isinstance(error, SettingsFileError):
        lines += [f"  line {problem['line']}: {problem['message']}" for problem in error.problems]
    elif isinstance(error, SettingError) and error.problems:
        lines += [f"  {_problem(problem)}" for problem in error.problems]
    elif "param" in error.data:
        lines.append(f"  {_problem({**error.data, 'setting': error.data['param'], 'name': error.name})}")
    if error.remedy:
        lines.append(f"remedy: {error.remedy}")
    return lines


def _problem(problem: dict[str, Any]) -> str:
    text = f"{problem.get('setting', '?')}: {str(problem.get('name', 'refused')).replace('_', ' ')}"
    if problem.get("min") is not None:
        text += f", allowed {problem['min']}…{problem.get('max')}"
    return text


@contextmanager
def status(app: App, text: str) -> Iterator[Callable[[str], None]]:
    """On a terminal: say what takes its time; gives the function that says something new."""
    if app.json or not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(text) as shown:
        yield shown.update


def show_error(error: OpenKneadError, as_json: bool) -> None:
    """Print an error on stderr."""
    if as_json:
        click.echo(json.dumps({"error": error.as_dict()}, ensure_ascii=False), err=True)
        return
    for line in error_lines(error):
        click.echo(line, err=True)
