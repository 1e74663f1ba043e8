"""Settings as text: words for values, and the files of `knead dump` and `knead restore`.

A file has one `name = value` a line, `#` begins a comment, and `format = 1` comes first. Reading is strict:
every error is listed with its line, and a file with one error is no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from openknead.errors import SettingError, SettingsFileError, SettingsFileNewer
from openknead.model import Hello, Setting

Value = int | bool
Table = Mapping[str, Setting]

FORMAT = 1
TITLE = "# OpenKnead settings"
SIZE_MAX = 65_536  # bytes; no device has so many settings
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
_WHOLE = re.compile(r"[+-]?[0-9]{1,9}")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_HEADER = re.compile(r"# firmware (\S+) \((\S*)\), protocol (\S+), board (\S+)")


def read_value(setting: Setting, word: str) -> Value | None:
    """The value that a word stands for, None when it is no value of this type. Its range is not judged."""
    if setting.type == "bool":
        return WORDS.get(word.lower())
    return int(word) if _WHOLE.fullmatch(word) else None


def shown(value: Value) -> str:
    """A value as people write it."""
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def span(setting: Setting) -> str:
    """The values that a setting takes, with their unit."""
    if setting.type == "bool":
        return "on/off"
    return f"{setting.min}…{setting.max}" + (f" {setting.unit}" if setting.unit else "")


def within(setting: Setting, value: Value) -> bool:
    """Whether a value of the right type is in the setting's range."""
    return (setting.min is None or value >= setting.min) and (setting.max is None or value <= setting.max)


def find(table: Table, name: str) -> Setting:
    """The row of a setting; SettingError with a suggestion when there is none."""
    if name in table:
        return table[name]
    raise SettingError(
        f"no setting is called {name}",
        code=-32020,
        name="unknown_setting",
        remedy=near(table, name) or "see them all: knead get",
        data={"setting": name},
    )


def near(table: Table, name: str) -> str:
    """A suggestion for a name that is unknown; "" when nothing is like it."""
    found = get_close_matches(name, table, n=3)
    return f"did you mean {' or '.join(found)}?" if found else ""


# -- writing -------------------------------------------------------------------------------------------


def dump(table: Table, values: Mapping[str, Value], hello: Hello) -> str:
    """The file of a device's settings. The same settings of the same device give the same bytes.

    Those that only the device's own buttons can set are no part of it.
    """
    lines = [
        TITLE,
        f"# firmware {hello.firmware} ({hello.content}), protocol {hello.protocol}, board {hello.board}",
        f"format = {FORMAT}",
    ]
    local = [name for name in values if table[name].local]
    for name, value in values.items():
        if name not in local:
            setting = table[name]
            about = f"# {span(setting)}, default {shown(setting.default)}: {setting.doc}"
            lines += ["", about + _weakens(setting), f"{name} = {shown(value)}"]
    if local:
        lines += ["", f"# Set by the device's own buttons alone, therefore not here: {', '.join(local)}"]
    return "\n".join(lines) + "\n"


def _weakens(setting: Setting) -> str:
    if not setting.weakens:
        return ""
    return f" Can weaken a protection when {setting.weakens_when or 'changed'}."


# -- reading -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Problem:
    """What is wrong with a line (from 1). name: a stable word, as the device's errors have."""

    line: int
    setting: str | None
    name: str
    message: str


@dataclass(frozen=True)
class SettingsFile:
    """What a file says. skipped: names that the device does not know."""

    values: dict[str, Value]
    skipped: tuple[str, ...] = ()
    board: str | None = None
    firmware: str | None = None


@dataclass
class _Reading:
    table: Table
    skip_unknown: bool
    problems: list[Problem] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)  # name → its line
    values: dict[str, Value] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def bad(self, line: int, setting: str | None, name: str, message: str) -> None:
        self.problems.append(Problem(line, setting, name, message))

    def line(self, number: int, text: str) -> None:
        """One line of the file."""
        text = text.partition("#")[0].strip()
        if not text:
            return
        name, equals, word = (part.strip() for part in text.partition("="))
        if not equals or not _NAME.fullmatch(name):
            self.bad(number, None, "syntax", "no line of the form `name = value`")
        elif name in self.seen:
            self.bad(number, name, "twice", f"{name} is in line {self.seen[name]} already")
        else:
            self.seen[name] = number
            if name == "format":
                self._format(number, word)
            else:
                self._setting(number, name, word)

    def _format(self, number: int, word: str) -> None:
        if not word.isascii() or not word.isdigit() or not 1 <= int(word[:9]) <= FORMAT:
            self.bad(number, None, "format", f"there is no format {word!r}: write `format = {FORMAT}`")
        elif len(self.seen) > 1:
            self.bad(number, None, "format", "the format has to come before the settings")

    def _setting(self, number: int, name: str, word: str) -> None:
        setting = self.table.get(name)
        if setting is None:
            if self.skip_unknown:
                self.skipped.append(name)
            else:
                hint = near(self.table, name) or "leave it out, or --skip-unknown"
                self.bad(number, name, "unknown_setting", f"the device has no setting {name}: {hint}")
            return
        value = read_value(setting, word)
        if value is None:
            kind = "on or off" if setting.type == "bool" else "a whole number"
            self.bad(number, name, "wrong_type", f"{name} takes {kind}, not {word!r}")
        elif not within(setting, value):
            self.bad(number, name, "out_of_range", f"{name} takes {span(setting)}, not {word}")
        else:
            self.values[name] = value


def load(source: bytes, table: Table, file: str = "the file", *, skip_unknown: bool = False) -> SettingsFile:
    """Read a settings file for a device with this table.

    skip_unknown: leave out what the device does not know instead of calling it an error. Raises
    SettingsFileError with every error in it, SettingsFileNewer for a format of the future.
    """
    reading = _Reading(table, skip_unknown)
    text = _text(reading, source)
    lines = text.replace("\r\n", "\n").split("\n")
    if newer := _newer(lines):
        raise SettingsFileNewer(f"{file} has format {newer}, this version knows {FORMAT}")
    if text:
        for number, line in enumerate(lines, 1):
            reading.line(number, line)
    if "format" not in reading.seen and not reading.problems:
        reading.bad(1, None, "format", f"no settings file: `format = {FORMAT}` is missing")
    header = next(filter(None, map(_HEADER.fullmatch, lines)), None)
    if reading.problems:
        raise _error(file, reading.problems, header[1] if header else None)
    return SettingsFile(
        reading.values,
        tuple(reading.skipped),
        board=header[4] if header else None,
        firmware=header[1] if header else None,
    )


def _text(reading: _Reading, source: bytes) -> str:
    if len(source) > SIZE_MAX:
        reading.bad(1, None, "size", f"larger than {SIZE_MAX} bytes: no settings file")
        return ""
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        reading.bad(source[: problem.start].count(b"\n") + 1, None, "encoding", "no UTF-8 text")
        return ""


def _newer(lines: list[str]) -> int | None:
    """The format of a file that is newer than this program, before anything else is held against it."""
    for line in lines:
        found = re.fullmatch(r"\s*format\s*=\s*([0-9]{1,9})\s*(#.*)?", line, re.ASCII)
        if found and int(found[1]) > FORMAT:
            return int(found[1])
    return None


def _error(file: str, problems: list[Problem], firmware: str | None) -> SettingsFileError:
    data: dict[str, Any] = {
        "file": file,
        "firmware": firmware,
        "errors": [
            {"line": p.line, "setting": p.setting, "name": p.name, "message": p.message} for p in problems
        ],
    }
    many = "an error" if len(problems) == 1 else f"{len(problems)} errors"
    return SettingsFileError(f"{many} in {file}; nothing was changed", data=data)
