"""`knead doctor`: why does it not work?"""

from __future__ import annotations

from typing import Any

import click

from openknead.cli.common import App, columns, pass_app
from openknead.doctor.case import Case
from openknead.doctor.checks import CHECKS, Check, examine
from openknead.doctor.finding import Finding, Verdict

MARKS = {
    Verdict.OK: ("✓", "green"),
    Verdict.NOTE: ("!", "yellow"),
    Verdict.PROBLEM: ("✗", "red"),
    Verdict.UNKNOWN: ("?", "cyan"),
}
WIDTH = max(len(check.looks_at) for check in CHECKS)


@click.command()
@pass_app
def doctor(app: App) -> int:
    """Find out why it does not work: cable, port, permissions, firmware, device.

    Nothing is changed, and a running session continues. ✓ well, ! worth knowing, ✗ a problem, ? cannot tell.

    Exit code 0 when no problem is found, else 1.
    """
    case = Case(app.port, app.timeout)
    found: list[tuple[Check, Finding]] = []
    for check, finding in examine(case):
        found.append((check, finding))
        if not app.json:
            mark, colour = MARKS[finding.verdict]
            click.echo(f"{click.style(mark, colour)} {check.looks_at:{WIDTH}}  {finding.finding}")
    problems = [check for check, finding in found if finding.verdict is Verdict.PROBLEM]
    if app.json:
        app.emit(
            {"port": case.port, "problems": len(problems), "findings": [_row(*row) for row in found]}, ""
        )
    else:
        for line in advice(found):
            click.echo(line)
    return 1 if problems else 0


def advice(found: list[tuple[Check, Finding]]) -> list[str]:
    """What to do, problems first."""
    order = (Verdict.PROBLEM, Verdict.NOTE, Verdict.UNKNOWN)
    rows = [
        (f"{MARKS[verdict][0]} {check.looks_at}:", finding.remedy)
        for verdict in order
        for check, finding in found
        if finding.verdict is verdict and finding.remedy
    ]
    if not rows:
        return ["", "no problem is found"]
    return ["", "What to do:", *columns(rows, "  ")]


def _row(check: Check, finding: Finding) -> dict[str, Any]:
    return {
        "check": check.name,
        "verdict": finding.verdict.value,
        "finding": finding.finding,
        "remedy": finding.remedy,
        "data": dict(finding.data),
    }
