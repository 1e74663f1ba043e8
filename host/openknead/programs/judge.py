"""What is wrong with the tables of a program file, each thing with its line, stage and remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from openknead.programs import STEADY, reach, table
from openknead.programs.limits import Limits
from openknead.programs.lines import Lines, Path
from openknead.programs.model import Program
from openknead.programs.table import BY_PATTERN, Key

_SECONDS = next(key for key in table.STAGE if key.name == "seconds")
_PATTERN_KEYS = {key.name: key for pattern in table.PATTERNS for key in pattern.keys}


@dataclass(frozen=True)
class Problem:
    """Something wrong. line and stage: from 1, None for what has no place; key: "" for a table itself."""

    severity: str  # "error" or "warning"
    line: int | None
    stage: int | None
    key: str
    what: str
    remedy: str

    def at(self, file: str) -> str:
        """With its place, as compilers write it, so that editors jump there."""
        return f"{file}:{f'{self.line}:' if self.line else ''} {self}"

    def __str__(self) -> str:
        where = f"stage {self.stage}: " if self.stage else ""
        return f"{self.severity}: {where}{self.what}; {self.remedy}"


class Judge:
    """Collects the problems of one file."""

    def __init__(self, source: str, limits: Limits) -> None:
        self.found: list[Problem] = []
        self._limits = limits
        self._source = source
        self._lines: Lines | None = None

    def in_order(self) -> tuple[Problem, ...]:
        return tuple(sorted(self.found, key=lambda problem: problem.line or 0))

    def _add(self, path: Path, what: str, remedy: str, severity: str = "error") -> None:
        if self._lines is None:
            self._lines = Lines(self._source)
        stage = path[1] + 1 if len(path) > 1 and path[0] == "stage" and isinstance(path[1], int) else None
        key = next((part for part in reversed(path) if isinstance(part, str)), "")
        key = "" if path[1:] and path[-2] in ("stage", "evidence") else key
        self.found.append(Problem(severity, self._lines[path], stage, key, what, remedy))

    # -- tables

    def file(self, file: Mapping[str, Any], own: bool = True) -> None:
        """own: a file of a user's, whose name is not one that the device keeps for itself."""
        self._table((), file, table.FILE)
        if own and file.get("name") == STEADY:
            self._add(("name",), f"{STEADY} is built in", "choose another name")
        stages = file.get("stage")
        if not isinstance(stages, list):
            return
        total_s = 0
        for number, stage in enumerate(stages):
            seconds = stage.get("seconds") if isinstance(stage, dict) else None
            if not isinstance(seconds, int) or not _whole(seconds, _SECONDS):
                continue
            if total_s <= table.TOTAL_MAX_S < total_s + seconds:
                what = f"up to here the stages last {total_s + seconds} s"
                remedy = f"all together may last {table.TOTAL_MAX_S} s"
                self._add(("stage", number, "seconds"), what, remedy)
            total_s += seconds

    def _table(self, path: Path, value: Any, keys: Sequence[Key]) -> None:
        if not isinstance(value, dict):
            self._add(path, f"{_shown(value)} is no table", f"write keys below [[{path[0]}]]")
            return
        if path[:1] == ("stage",):
            keys = self._stage_keys(path, value)
        known = {key.name for key in keys}
        unknown = [name for name in value if name not in known]
        for name in unknown:
            self._unknown((*path, name), name, value, keys)
        meant = {near for name in unknown for near in get_close_matches(name, known, n=1)}
        for key in keys:
            if key.name in value:
                self._value((*path, key.name), value[key.name], key)
            elif key.required and key.name not in meant:
                what = f"{key.name} is missing"
                self._add(path, what, f"write {_example(key)}")
        if path[:1] == ("stage",):
            self._low_and_high(path, value, keys)

    def _stage_keys(self, path: Path, stage: Mapping[str, Any]) -> Sequence[Key]:
        """The keys that this stage may have; of a stage whose pattern is not clear, any."""
        pattern = stage.get("pattern")
        if isinstance(pattern, str) and pattern in BY_PATTERN:
            return (*table.STAGE, *BY_PATTERN[pattern].keys)
        present = [key for name, key in _PATTERN_KEYS.items() if name in stage]
        return (*table.STAGE, *(Key(key.name, "anything", key.doc) for key in present))

    def _unknown(self, path: Path, name: str, stage: Mapping[str, Any], keys: Sequence[Key]) -> None:
        taken = [key.name for key in keys]
        if path[:1] == ("stage",) and name in _PATTERN_KEYS:
            pattern = BY_PATTERN[stage["pattern"]]
            takes = ", ".join(key.name for key in pattern.keys) or "none of these"
            self._add(path, f"{name} does not go with {pattern.name}", f"{pattern.name} takes {takes}")
            return
        self._add(path, f"there is no key {_shown(name)}", _suggestion(name, taken))

    def _low_and_high(self, path: Path, stage: Mapping[str, Any], keys: Sequence[Key]) -> None:
        levels = [
            stage[key.name] for key in keys if key.high == table.LEVELS and _whole(stage.get(key.name), key)
        ]
        if "low" in stage and len(levels) == 2 and levels[0] > levels[1]:
            low, high = levels
            what = f"low is {low}, above high, which is {high}"
            self._add((*path, "low"), what, "let low be at most high")

    # -- values

    def _value(self, path: Path, value: Any, key: Key) -> None:
        _KINDS[key.kind](self, path, value, key)

    def _anything(self, path: Path, value: Any, key: Key) -> None:
        pass

    def _whole(self, path: Path, value: Any, key: Key) -> None:
        low, high = key.low, key.high
        if not _whole(value, key):
            what = f"{key.name} is {_shown(value)}"
            self._add(path, what, f"write a whole number, {low}…{high}")
            return
        least, most = self._limits.min_level, self._limits.max_level
        if high == table.LEVELS and value and not least <= value <= most:
            what = f"{key.name} is {value}, the device allows {least}…{most}"
            remedy = "choose another level, or change it: knead set max_level=… min_level=…"
            self._add(path, what, remedy)

    def _name(self, path: Path, value: Any, key: Key) -> None:
        if not isinstance(value, str) or not re.fullmatch(table.NAME, value):
            remedy = "write 1 to 24 of a-z, 0-9 and -, a letter first"
            self._add(path, f"{key.name} is {_shown(value)}", remedy)

    def _line(self, path: Path, value: Any, key: Key) -> None:
        self._text_of(path, value, key, table.LINE, "on one line")

    def _text(self, path: Path, value: Any, key: Key) -> None:
        self._text_of(path, value, key, table.TEXT, "that is not empty")

    def _text_of(self, path: Path, value: Any, key: Key, form: str, which: str) -> None:
        if not isinstance(value, str) or not re.fullmatch(form, value):
            what = f"{key.name} is {_shown(value)}"
            self._add(path, what, f'write a text in "quotes" {which}, without control characters')
        elif key.high and len(value) > key.high:
            what = f"{key.name} has {len(value)} characters"
            self._add(path, what, f"shorten it to {key.high}")

    def _choice(self, path: Path, value: Any, key: Key) -> None:
        if not isinstance(value, str) or value not in key.choices:
            remedy = _suggestion(value, [choice for choice in key.choices if choice])
            self._add(path, f"{key.name} is {_shown(value)}", remedy)
        elif key.name == "area" and value and value not in self._limits.areas:
            self._add(path, f"this device knows no area {value}", "leave it out, or install newer firmware")

    def _list(self, path: Path, value: Any, key: Key, each: Callable[[Path, Any, Key], None]) -> None:
        if not isinstance(value, list):
            self._add(path, f"{key.name} is {_shown(value)}", f'write a list: {key.name} = ["…"]')
            return
        for number, item in enumerate(value):
            each((*path, number), item, key)

    def _texts(self, path: Path, value: Any, key: Key) -> None:
        self._list(path, value, key, self._text)

    def _choices(self, path: Path, value: Any, key: Key) -> None:
        self._list(path, value, key, self._choice)

    def _tables(self, path: Path, value: Any, key: Key) -> None:
        if not isinstance(value, list):
            what = f"{key.name} is {'one table' if isinstance(value, dict) else _shown(value)}"
            self._add(path, what, f"write [[{key.name}]] above each, with double brackets")
            return
        if key.required and not value:
            self._add(path, f"there is no {key.name}", f"write at least one [[{key.name}]]")
        if key.high and len(value) > key.high:
            what = f"there are {len(value)} {key.name}s"
            self._add((*path, key.high), what, f"a program has {key.high} at most")
        for number, item in enumerate(value):
            self._table((*path, number), item, key.keys)

    # -- the whole

    def whole(self, program: Program, size: int) -> None:
        """What only shows when everything else is right."""
        if size > table.DOCUMENT_MAX:
            what = f"the program takes {size} bytes on the device, compressed"
            self._add((), what, f"shorten texts and comments: {table.DOCUMENT_MAX} fit")
        limits = self._limits
        if program.motor and program.total_s > limits.session_limit_s:
            what = f"the program lasts {program.total_s} s, session_limit_s is {limits.session_limit_s}"
            remedy = "shorten it, or allow it on the device: knead set session_limit_s=900"
            self._add(("stage",), what, remedy, "error" if limits.device else "warning")
        nowhere = [n for n, stage in enumerate(program.stages) if stage.motor and not stage.area]
        if nowhere:
            what = f"the motor turns with no area in {_numbered(nowhere)}"
            remedy = 'name one, such as area = "calf_left", or the time counts as unspecified'
            self._add(("stage", nowhere[0]), what, remedy, "warning")
        for number, key, what, remedy in reach.shortfalls(program.stages, limits.slew_s):
            self._add(("stage", number, key), what, remedy, "warning")


_KINDS: dict[str, Callable[[Judge, Path, Any, Key], None]] = {
    "name": Judge._name,
    "line": Judge._line,
    "text": Judge._text,
    "texts": Judge._texts,
    "choice": Judge._choice,
    "choices": Judge._choices,
    "whole": Judge._whole,
    "tables": Judge._tables,
    "anything": Judge._anything,
}


def _whole(value: Any, key: Key) -> bool:
    assert key.high is not None
    return isinstance(value, int) and not isinstance(value, bool) and key.low <= value <= key.high


def _shown(value: Any) -> str:
    """A value in a message: short, on one line, harmless on a terminal."""
    if isinstance(value, (dict, list)):
        return "a list" if isinstance(value, list) else "a table"
    if isinstance(value, int) and abs(value) >= 1 << 64:
        return "a huge number"
    text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    text = "".join(char if char.isprintable() else "?" for char in text)
    return text if len(text) <= 40 else text[:37] + "…"


def _example(key: Key) -> str:
    """How a missing key could be written."""
    if key.kind == "tables":
        return f"[[{key.name}]]"
    if key.kind == "whole":
        return f"{key.name} = {key.low}"
    return f'{key.name} = "{key.choices[0] if key.choices else "…"}"'


def _suggestion(given: Any, known: Sequence[str]) -> str:
    near = get_close_matches(given, known, n=2) if isinstance(given, str) else []
    if near:
        return f"did you mean {' or '.join(near)}?"
    if table.AREAS[0] in known:
        paired, unpaired = ", ".join(table.PAIRED), ", ".join(table.UNPAIRED)
        return f"there are {paired}, each also with _left or _right, and {unpaired}"
    return f"there are {', '.join(known)}"


def _numbered(places: Sequence[int]) -> str:
    """Stages, counted from 0, in words."""
    return f"stage{'s' if len(places) > 1 else ''} " + ", ".join(str(place + 1) for place in places)
