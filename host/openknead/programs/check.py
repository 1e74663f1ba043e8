"""The check of a program file: everything that is wrong with it at once, with line, stage and remedy.

An error makes a file useless on any device (or on the one that was asked for its settings); a warning tells
that something will not be as the file says.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from openknead.errors import OpenKneadError
from openknead.programs.document import SOURCE_MAX, pack
from openknead.programs.judge import Judge, Problem
from openknead.programs.limits import DEFAULTS, Limits
from openknead.programs.model import Program, Wire
from openknead.programs.table import BY_PATTERN


class ProgramFileError(OpenKneadError):
    """A program file has errors; `problems` are all of them."""

    code, name = -33061, "program_file_invalid"

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        count = len(problems)
        lines = "".join(f"\n  {problem.at(file)}" for problem in problems)
        super().__init__(
            f"{file} has {count} error{'s' if count > 1 else ''}:{lines}",
            remedy=f"mend it, then: knead program check {file}",
            data={"file": file, "problems": [asdict(problem) for problem in problems]},
        )
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Report:
    """What a check found. program: None when there are errors; document: what a push would send."""

    problems: tuple[Problem, ...]
    program: Program | None
    document: bytes = b""

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]


def check(source: bytes, limits: Limits = DEFAULTS) -> Report:
    """Judge the content of a program file. Raises nothing, whatever it is."""
    try:
        text, tables = _read(source)
    except _Unreadable as problem:
        what, remedy, line = problem.args
        return Report((Problem("error", line, None, "", what, remedy),), None)
    judge = Judge(text, limits)
    judge.file(tables)
    if judge.found:
        return Report(judge.in_order(), None)
    program = Program.of(tables)
    document = pack(program, source)
    judge.whole(program, len(document))
    report = Report(judge.in_order(), program, document)
    return Report(report.problems, None) if report.errors else report


def load(source: bytes, file: str, limits: Limits = DEFAULTS) -> Report:
    """The same; raises ProgramFileError when there are errors. file: what it is called in the message."""
    report = check(source, limits)
    if report.errors:
        raise ProgramFileError(file, report.errors)
    return report


def of_wire(name: str, stages: Iterable[Wire], **texts: Any) -> Program:
    """The program that a device tells. Raises ValueError for one that no device can have.

    texts: further keys of a file, as in one.
    """
    listed = [list(stage) for stage in stages]
    file = {**texts, "name": name, "stage": [_table(stage) for stage in listed]}
    judge = Judge("", DEFAULTS)
    judge.file(file, own=False)
    if judge.found:
        raise ValueError(str(judge.found[0]))
    program = Program.of(file)
    if [stage.wire() for stage in program.stages] != listed:
        raise ValueError("its stages are not in the protocol's form")
    return program


def _table(stage: Wire) -> dict[str, Any]:
    """A stage of a device as a table, whatever it holds."""
    name, seconds, pattern, a, b, period_s, area, cue = stage  # ValueError: another length
    keys = BY_PATTERN[pattern].keys if isinstance(pattern, str) and pattern in BY_PATTERN else ()
    values = zip(keys, (a, b, period_s), strict=False)
    table = {"name": name, "seconds": seconds, "pattern": pattern, "area": area, "cue": cue}
    return table | {key.name: value for key, value in values}


# -- reading -------------------------------------------------------------------------------------------


class _Unreadable(Exception):
    """Args: what, remedy, line."""


def _read(source: bytes) -> tuple[str, dict[str, Any]]:
    if len(source) > SOURCE_MAX:
        raise _Unreadable(f"the file has {len(source)} bytes", f"a program has {SOURCE_MAX} at most", None)
    if source.startswith(b"\xef\xbb\xbf"):
        raise _Unreadable("the file begins with a byte order mark", "save it as UTF-8 without BOM", 1)
    try:
        text = source.decode()
    except UnicodeDecodeError as problem:
        line = source.count(b"\n", 0, problem.start) + 1
        what = f"byte 0x{source[problem.start]:02x} is not UTF-8"
        raise _Unreadable(what, "save the file as UTF-8", line) from None
    try:
        return text, tomllib.loads(text)
    except RecursionError:
        raise _Unreadable("brackets are nested too deeply", "write a program's keys only", None) from None
    except ValueError as problem:
        raise _Unreadable(*_syntax(str(problem), text)) from None


def _syntax(said: str, text: str) -> tuple[str, str, int | None]:
    """What tomllib said, with the line apart."""
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", said)
    line = None
    if place:
        said = said[: place.start()]
        line = int(place[1]) if place[1] else len(text.splitlines()) or 1
    return f"this is no TOML: {said[:120]}", 'write key = value, texts in "quotes"; see toml.io', line
