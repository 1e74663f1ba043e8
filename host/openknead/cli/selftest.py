"""`knead selftest`: what the device finds when it tests itself."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from openknead.cli.common import App, columns, pass_app, quantity
from openknead.selftest import SelftestCase, SelftestReport

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

HEAD = ("TEST", "WHAT", "VALUE", "LIMITS", "RESULT")
STYLES = {"passed": "green", "failed": "bold red", "pending": "dim"}


@click.command()
@click.option("--last", is_flag=True, help="Show the report of the last round; run none.")
@pass_app
def selftest(app: App, last: bool) -> int:
    """Test the device and show the report; refused while a session runs.

    The device tests itself at power-on, too, and refuses to start a session when a test has failed.

    Exit code 0 when every test has passed, else 1.
    """
    with app.connect() as device, _live(app) as live:

        def show(now: SelftestReport) -> None:
            if live:
                live.update(_table(now), refresh=True)

        report = device.selftest(run=not last, progress=show)
        show(report)
    app.emit(asdict(report), verdict(report) if live else [*columns([HEAD, *rows(report)]), *verdict(report)])
    return 0 if report.passed else 1


def rows(report: SelftestReport) -> list[tuple[str, ...]]:
    """The report as a table under HEAD."""
    return [
        (test.name, test.measures, quantity(test.value, test.unit), limits(test), test.state)
        for test in report.tests
    ]


def limits(test: SelftestCase) -> str:
    """Between what the value must lie."""
    low, high = quantity(test.low, test.unit), quantity(test.high, test.unit)
    if low == high:
        return low
    if test.low is None:
        return f"at most {high}"
    return f"at least {low}" if test.high is None else f"{low.partition(' ')[0]} … {high}"


def verdict(report: SelftestReport) -> list[str]:
    """How it ended, and what to do about each test that has failed."""
    if report.state == "none":
        return ["nothing is tested in maintenance"]
    if report.state == "running":
        to_come = sum(test.state == "pending" for test in report.tests)
        return [f"the self-test is running: {to_come} of {len(report.tests)} tests to come"]
    if report.passed:
        return [f"all {len(report.tests)} tests passed"]
    remedies = [(test.name, test.remedy) for test in report.failed]
    return [f"{len(remedies)} of {len(report.tests)} tests failed:", *columns(remedies, "  ")]


def _live(app: App) -> AbstractContextManager[Live | None]:
    """On a terminal the table grows as the tests pass; elsewhere it is printed at the end."""
    if app.json or not sys.stdout.isatty():
        return nullcontext()
    from rich.console import Console
    from rich.live import Live

    return Live(console=Console(highlight=False), auto_refresh=False)


def _table(report: SelftestReport) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(*HEAD, box=SIMPLE_HEAD, pad_edge=False)
    for *cells, state in rows(report):
        table.add_row(*map(Text, cells), Text(state, STYLES.get(state, "")))
    return table
