"""`knead program check`, `show`, `plot`, `new`, `schema`: what can be done with a file alone."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from openknead.cli.common import App, columns, pass_app
from openknead.errors import OpenKneadError
from openknead.programs import check as checking
from openknead.programs.judge import Problem
from openknead.programs.limits import DEFAULTS, Limits
from openknead.programs.model import Program
from openknead.programs.table import DOCUMENT_MAX
from openknead.report import clock

FILE = click.Path(dir_okay=False, path_type=Path)
NARROWEST, WIDEST = 60, 120  # columns of a drawing


class NoFile(OpenKneadError):
    """A file cannot be read or written."""

    code, name, exit_code = -33064, "file_error", 1


@dataclass(frozen=True)
class Found:
    """A program that the command line names, and where it comes from."""

    program: Program
    limits: Limits
    builtin: bool = False
    source: bytes | None = None  # the file's content; None for one of the device's
    warnings: tuple[Problem, ...] = ()


def find(app: App, what: str, staged: bool = False) -> Found:
    """The program of a file, or of that name on the device. Raises ProgramFileError, UnknownProgram, …

    staged: it has to have stages.
    """
    if is_file(what):
        source = read_file(Path(what))
        report = checking.load(source, what)
        assert report.program
        return Found(report.program, DEFAULTS, source=source, warnings=report.problems)
    with app.connect() as device:
        program = device.program(what)
        if staged:
            need_stages(program)
        builtin = any(entry.builtin for entry in device.programs() if entry.name == what)
        return Found(program, device.limits(), builtin)


def need_stages(program: Program) -> None:
    if not program.stages:
        raise click.UsageError(f"{program.name} has no stages: it is the level and time of a start")


def is_file(what: str) -> bool:
    """Whether FILE|NAME is meant as a file: it looks like one, or is there."""
    return what.endswith(".toml") or Path(what).name != what or Path(what).is_file()


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise NoFile(f"cannot read {path}: {problem.strerror}", remedy="check the path") from problem


def write_file(path: Path, content: bytes, replace: bool) -> None:
    """Write a file; one with other content is only replaced when that was asked for. Raises NoFile."""
    try:
        if not replace and path.exists() and path.read_bytes() != content:
            raise NoFile(f"{path} is there already", remedy="choose another with -o, or --replace it")
        path.write_bytes(content)
    except OSError as problem:
        raise NoFile(f"cannot write {path}: {problem.strerror}", remedy="choose another with -o") from problem


# -- check ---------------------------------------------------------------------------------------------


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--on-device", is_flag=True, help="Judge by the settings of the connected device.")
@pass_app
def check(app: App, files: Sequence[str], on_device: bool) -> int:
    """Judge program files: every error with its line, its stage and what to do about it.

    Levels, the longest session and the slew are settings: with --on-device they are the device's, and a
    program that could not start there is an error; without, the defaults, and a program too long for them is
    a warning.

    Exit code 1 when there is an error in any of them, 0 with warnings only.
    """
    limits = DEFAULTS
    if on_device:
        with app.connect() as device:
            limits = device.limits()
    judged, lines = [], []
    for file in files:
        report = _report(file, limits)
        judged.append(_machine(file, report))
        lines += _lines(file, report)
    known = asdict(limits)
    del known["areas"]
    app.emit({"files": judged, "limits": known}, [*lines, f"judged by {limits}"])
    return 0 if all(entry["valid"] for entry in judged) else 1


def _report(file: str, limits: Limits) -> checking.Report:
    try:
        return checking.check(read_file(Path(file)), limits)
    except NoFile as problem:
        return checking.Report((Problem("error", None, None, "", problem.message, problem.remedy),), None)


def _machine(file: str, report: checking.Report) -> dict[str, Any]:
    program = report.program
    return {
        "file": file,
        "valid": program is not None,
        "name": program.name if program else None,
        "total_s": program.total_s if program else None,
        "motor": program.motor if program else None,
        "bytes": len(report.document) if program else None,
        "problems": [asdict(problem) for problem in report.problems],
    }


def _lines(file: str, report: checking.Report) -> list[str]:
    lines = [problem.at(file) for problem in report.problems]
    if program := report.program:
        size = f"{len(report.document)} of {DOCUMENT_MAX} bytes"
        lines.append(f"{file}: ok: {program.name}, {summary(program)}, {size}")
    else:
        count = len(report.errors)
        lines.append(f"{file}: {count} error{'s' if count > 1 else ''}")
    return lines


def summary(program: Program) -> str:
    """How many stages, how long."""
    count = len(program.stages)
    timer = "" if program.motor else ", motor off"
    return f"{count} stage{'s' if count > 1 else ''}, {clock(program.total_s)}{timer}"


# -- show, plot ----------------------------------------------------------------------------------------


@click.command()
@click.argument("what", metavar="FILE|NAME")
@pass_app
def show(app: App, what: str) -> None:
    """Show what is in a program, of a file or of the device: purpose, cautions, evidence, stages."""
    found = find(app, what)
    program = found.program
    machine = asdict(program) | {"total_s": program.total_s, "motor": program.motor, "builtin": found.builtin}
    machine["evidence"] = [{"source": source, "finding": finding} for source, finding in program.evidence]
    app.emit(machine, _shown(program, found.builtin))


def _shown(program: Program, builtin: bool) -> list[str]:
    title = f": {program.title}" if program.title else ""
    length = summary(program) if program.stages else "no stages: the level and time of a start"
    rows = [("Purpose", text) for text in program.purpose.splitlines()]
    rows += [("Length", length), ("Areas", ", ".join(program.areas) or "any")]
    rows += [("Mind", text) for caution in program.cautions for text in caution.splitlines()]
    rows += [("Evidence", f"{source}: {finding}") for source, finding in program.evidence]
    for place in range(len(rows) - 1, 0, -1):
        if rows[place][0] == rows[place - 1][0]:
            rows[place] = ("", rows[place][1])
    head = f"{program.name}{title}{' (built in)' if builtin else ''}"
    return [head, "", *columns(rows), *(["", *columns(stage_rows(program))] if program.stages else [])]


def stage_rows(program: Program) -> list[tuple[str, ...]]:
    """The stages as a table."""
    rows: list[tuple[str, ...]] = [("", "AT", "FOR", "LEVELS", "AREA", "CUE", "STAGE")]
    for number, (start_s, stage) in enumerate(zip(program.starts_s(), program.stages, strict=True), 1):
        cue = stage.cue.replace("_", " ") if number > 1 and stage.cue != "none" else "–"
        times = (clock(start_s), clock(stage.seconds))
        rows.append((str(number), *times, str(stage), stage.area or "–", cue, stage.name))
    return rows


@click.command()
@click.argument("what", metavar="FILE|NAME")
@click.option("--shift", type=int, default=0, metavar="N", help="All levels by so much.")
@click.option("--picture", "path", type=FILE, metavar="FILE", help="Draw into a file (.svg, .png or .pdf).")
@pass_app
def plot(app: App, what: str, shift: int, path: Path | None) -> None:
    """Draw a program over time: what it asks for and what a hand feels after the slew, stages, areas, cues.

    Here in characters; with --picture as a picture. --json gives the curve as points, ten a second.
    """
    from openknead.programs import curve, drawing

    found = find(app, what, staged=True)
    program, limits = found.program, found.limits
    least, most = limits.min_level, limits.max_level
    if any(not least <= level + shift <= most for level in program.levels()):
        raise click.UsageError(f"shifted by {shift:+d}, a level lies outside {least}…{most}")
    points = curve.evaluate(program.stages, shift, limits.slew_s)
    cues = curve.cues(program.stages, limits.area_s)
    title = f"{program.name}{f': {program.title}' if program.title else ''}"
    title += f"{f', levels {shift:+d}' if shift else ''} ({summary(program)}, slew_s {limits.slew_s})"
    if path:
        _picture(program, points, cues, title, path)
    machine = {"name": program.name, "shift": shift, "slew_s": limits.slew_s, "hz": curve.HZ}
    machine |= {"target_milli": [point.target_milli for point in points]}
    machine |= {"level_milli": [point.level_milli for point in points]}
    machine |= {"cues": [cue._asdict() for cue in cues], "picture": str(path) if path else None}
    warned = [problem.at(what) for problem in found.warnings]
    if path:
        app.emit(machine, [*warned, f"picture: {path}"])
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    drawn = drawing.draw(program.stages, points, cues, min(max(width, NARROWEST), WIDEST))
    table = columns(stage_rows(program))
    app.emit(machine, [title, "", *drawn, "", drawing.MEANINGS, drawing.CUE_MEANINGS, "", *table, *warned])


def _picture(program: Program, points: Any, cues: Any, title: str, path: Path) -> None:
    from openknead.programs import picture

    try:
        picture.draw(program, points, cues, title, path)
    except (OSError, ValueError) as problem:
        remedy = "--picture FILE.svg or FILE.png"
        raise OpenKneadError(f"no picture in {path}: {problem}", remedy=remedy) from problem


# -- new, schema ---------------------------------------------------------------------------------------


@click.command()
@click.argument("name")
@click.option("--from", "like", metavar="PROGRAM", help="Begin with the stages of this program or file.")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Where to; default NAME.toml.")
@click.option("--replace", is_flag=True, help="Over a file that is there.")
@pass_app
def new(app: App, name: str, like: str | None, output: Path | None, replace: bool) -> None:
    """Begin a program file: NAME.toml, with comments, ready to be changed.

    With --from: the stages and texts of a program of the connected device, such as one that is built in,
    or of another file.
    """
    from openknead.programs import template

    path = output or Path(f"{name}.toml")
    program = find(app, like, staged=True).program if like else None
    content = template.new(name, path.name, program).encode()
    report = checking.check(content)
    if report.program is None:
        raise click.UsageError("; ".join(f"{error.what}: {error.remedy}" for error in report.errors))
    write_file(path, content, replace)
    people = f"wrote {path}: {summary(report.program)}; now change it, then: knead program check {path}"
    app.emit({"name": name, "file": str(path)}, people)


@click.command()
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Where to; default: print it.")
@click.option("--replace", is_flag=True, help="Over a file that is there.")
@pass_app
def schema(app: App, output: Path | None, replace: bool) -> None:
    """The JSON Schema of program files, with which editors complete and check them.

    In Even Better TOML or taplo, name it in the file's first line: #:schema program.schema.json
    """
    from openknead.programs import schema as schemas

    text = schemas.text()
    if output is None:
        click.echo(text, nl=False)
        return
    write_file(output, text.encode(), replace)
    people = f"wrote {output}; first line of a program beside it: #:schema {output.name}"
    app.emit({"file": str(output)}, people)
