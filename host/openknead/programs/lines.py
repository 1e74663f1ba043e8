"""On which line of a TOML text what stands: `tomllib` tells values, not places.

Reads only text that `tomllib` has accepted; should it lose its way nevertheless, it tells the places that it
has found so far.
"""

from __future__ import annotations

import tomllib
from bisect import bisect
from collections.abc import Callable
from contextlib import suppress

Path = tuple[str | int, ...]  # ("stage", 1, "seconds"): the second stage's
_BARE_END = frozenset(" \t\n.=]}#\"'")
_VALUE_END = frozenset(",]}#\n")


class Lines:
    """Line numbers, from 1, of a TOML text's keys, tables and array elements."""

    def __init__(self, text: str) -> None:
        scanner = _Scanner(text)
        with suppress(IndexError, ValueError, RecursionError):
            scanner.document()
        self._found = scanner.found

    def __contains__(self, path: Path) -> bool:
        return path in self._found

    def __getitem__(self, path: Path) -> int:
        """The line of a path, or of what it would belong to; 1 for the file itself."""
        while path and path not in self._found:
            path = path[:-1]
        return self._found[path] if path else 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text.replace("\r\n", "\n") + "\n\0"  # the end is met as a character, not as an error
        self._at = 0
        self._breaks = [n for n, char in enumerate(self._text) if char == "\n"]
        self._counts: dict[Path, int] = {}  # arrays of tables, how many there are so far

    def _note(self, path: Path) -> None:
        self.found.setdefault(path, bisect(self._breaks, self._at - 1) + 1)

    def document(self) -> None:
        table: Path = ()
        while True:
            self._space()
            if self._text[self._at] == "\0":
                return
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _space(self) -> None:
        """Over blanks, line ends and comments."""
        text = self._text
        while text[self._at] in " \t\n#":
            self._at = text.index("\n", self._at) if text[self._at] == "#" else self._at + 1

    def _header(self) -> Path:
        array = self._text.startswith("[[", self._at)
        self._at += 1 + array
        path = self._key((), self._inside)
        if array:
            self._note(path)
            number = self._counts[path] = self._counts.get(path, -1) + 1
            path = (*path, number)
        self._note(path)
        self._at += 1 + array
        return path

    def _inside(self, path: Path) -> Path:
        """Below an array of tables a header means its last table."""
        return (*path, self._counts[path]) if path in self._counts else path

    def _pair(self, table: Path) -> None:
        path = self._key(table, lambda inner: inner)
        self._at += 1
        self._value(path)

    def _key(self, path: Path, inside: Callable[[Path], Path]) -> Path:
        """A key, dotted perhaps; stops at what follows it."""
        while True:
            self._space()
            path = (*path, self._word())
            self._space()
            if self._text[self._at] != ".":
                return path
            self._note(path)
            path = inside(path)
            self._at += 1

    def _word(self) -> str:
        start = self._at
        if self._text[start] in "\"'":
            self._string()
            return str(tomllib.loads("key = " + self._text[start : self._at])["key"])
        while self._text[self._at] not in _BARE_END:
            self._at += 1
        return self._text[start : self._at]

    def _value(self, path: Path) -> None:
        self._note(path)
        self._space()
        char = self._text[self._at]
        if char in "\"'":
            self._string()
        elif char == "[":
            self._sequence("]", path)
        elif char == "{":
            self._sequence("}", path)
        else:
            while self._text[self._at] not in _VALUE_END:
                self._at += 1

    def _sequence(self, end: str, path: Path) -> None:
        """An array, or an inline table."""
        self._at += 1
        number = 0
        while True:
            self._space()
            if self._text[self._at] == end:
                self._at += 1
                return
            if self._text[self._at] == ",":
                self._at += 1
            elif end == "]":
                self._value((*path, number))
                number += 1
            else:
                self._pair(path)

    def _string(self) -> None:
        quote = self._text[self._at]
        if not self._text.startswith(quote * 3, self._at):
            self._at = self._end_of(quote, self._at + 1) + 1
            return
        self._at = self._end_of(quote * 3, self._at + 3) + 3
        while self._text[self._at] == quote:  # up to two quotes may stand before the closing three
            self._at += 1

    def _end_of(self, mark: str, start: int) -> int:
        """Where the closing mark begins; in basic strings a backslash hides what follows it."""
        at = start
        while not self._text.startswith(mark, at):
            at += 2 if mark[0] == '"' and self._text[at] == "\\" else 1
            if at >= len(self._text):
                raise ValueError("unclosed string")
        return at
