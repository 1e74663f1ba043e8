"""Recordings as text: CSV, and JSON Lines. Bytes go to the file in whole rows, and a row that does not fit is
taken back."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol

from openknead.recording.columns import COLUMNS, EVENT, SAMPLE, TIME, cells, row
from openknead.recording.errors import NoRecording, RecordingFailed
from openknead.recording.model import VERSION, Damage, End, Entry, Head, Row

FORMATS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".sqlite": "sqlite", ".db": "sqlite"}
CSV_MARK = "openknead recording"
JSON_MARK = "openknead_recording"
LINE_LIMIT = 65_536  # bytes; no row is nearly as long


class Writer(Protocol):
    """Writes a recording's entries; nothing is on the disk before `flush`."""

    def put(self, entry: Head | Row | End) -> None: ...

    def flush(self) -> None:
        """Raises RecordingFailed: the file is whole, and lacks the last `data["unwritten"]` entries."""

    def close(self) -> None: ...


class TextWriter:
    """Lines of text, encoded by a function."""

    def __init__(self, path: Path, encode: Callable[[Head | Row | End, bool], str]) -> None:
        """Opens the file for adding. Raises OSError."""
        self._path = path
        self._encode = encode
        self._file = path.open("ab", buffering=0)
        self._size = self._whole()
        self._lines: list[str] = []

    def _whole(self) -> int:
        """The file's size, after a torn last line has been given its end."""
        size = self._file.seek(0, os.SEEK_END)
        with self._path.open("rb") as before:
            before.seek(max(0, size - 1))
            if before.read(1) not in (b"", b"\n"):
                self._file.write(b"\n")
        return self._file.tell()

    def put(self, entry: Head | Row | End) -> None:
        first = not self._size and not self._lines
        self._lines.append(self._encode(entry, first))

    def flush(self) -> None:
        lines = [line.encode() for line in self._lines]
        self._lines.clear()
        data = b"".join(lines)
        done = 0
        try:
            while done < len(data):
                done += self._file.write(data[done:]) or 0
        except OSError as problem:
            whole = data.rfind(b"\n", 0, done) + 1
            with suppress(OSError):
                self._file.truncate(self._size + whole)
            ends = accumulate(map(len, lines))
            raise RecordingFailed(
                f"{self._path} takes no more: {problem.strerror or problem}",
                data={"unwritten": sum(end > whole for end in ends)},
            ) from problem
        self._size += done

    def close(self) -> None:
        self._file.close()


def csv_lines(entry: Head | Row | End, first: bool) -> str:
    """An entry as lines of CSV: comments around the rows, the names of the columns once, at the beginning."""
    if isinstance(entry, Row):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow(cells(entry))
        return out.getvalue()
    mark = {CSV_MARK: VERSION} if isinstance(entry, Head) else {"end": entry.reason}
    members = mark | {key: value for key, value in asdict(entry).items() if key != "reason"}
    text = "".join(f"# {key}: {'' if value is None else value}\n" for key, value in members.items())
    return text + (",".join(COLUMNS) + "\n" if first else "")


def json_lines(entry: Head | Row | End, _first: bool) -> str:
    """An entry as a line of JSON; its `kind` tells what it is."""
    members: dict[str, Any]
    if isinstance(entry, Head):
        members = {"kind": "head", JSON_MARK: VERSION, **asdict(entry)}
    elif isinstance(entry, End):
        members = {"kind": "end", **asdict(entry)}
    else:
        found = dict(zip(COLUMNS, cells(entry), strict=True))
        is_event = found["event"] is not None
        names = ("t_ms", *EVENT) if is_event else SAMPLE
        members = {"kind": "event" if is_event else "sample", TIME: found[TIME]}
        members |= {name: found[name] for name in names}
        if is_event and found["detail"]:
            members["detail"] = json.loads(found["detail"])
        elif not is_event:
            members["limiters"] = list(entry.item.limiters)  # type: ignore[union-attr]
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False) + "\n"


def read_csv(path: Path, lines: Iterable[tuple[int, bytes, bool]]) -> Iterator[Entry]:
    """The entries of a CSV recording; lines: as `numbered` gives them."""
    comment: dict[str, str] = {}
    order: list[int] | None = None  # places of COLUMNS in a line
    for number, raw, whole in lines:
        try:
            text = raw.decode().rstrip("\r\n")
        except UnicodeDecodeError as problem:
            yield Damage(f"line {number}", str(problem))
            continue
        if text.startswith("#"):
            key, _, value = text[1:].partition(":")
            key = key.strip()
            if key in (CSV_MARK, "end"):
                yield from _comment(path, comment)
                comment = {}
            comment[key] = value.strip()
            continue
        yield from _comment(path, comment)
        comment = {}
        try:
            found = next(csv.reader((text,)), []) if '"' in text else text.split(",")
            if order is None:
                order = list(range(len(COLUMNS)))  # when the line with the names is damaged
                order = [found.index(name) for name in COLUMNS]
                continue
            if not whole:
                raise ValueError("the line has no end")
            yield row([found[place] for place in order])
        except (ValueError, IndexError, OverflowError, csv.Error, RecursionError) as problem:
            yield Damage(f"line {number}", str(problem))
    yield from _comment(path, comment)


def _comment(path: Path, members: dict[str, str]) -> Iterator[Entry]:
    if CSV_MARK in members:
        _check(path, members[CSV_MARK])
        yield Head.read(members)
    elif "end" in members:
        yield End.read({**members, "reason": members["end"]})


def read_jsonl(path: Path, lines: Iterable[tuple[int, bytes, bool]]) -> Iterator[Entry]:
    """The entries of a JSON Lines recording; lines: as `numbered` gives them."""
    for number, raw, _whole in lines:
        try:
            members = json.loads(raw)
            if not isinstance(members, dict):
                raise ValueError("no object")
            kind = members.get("kind")
            if kind == "head":
                _check(path, members.get(JSON_MARK))
                yield Head.read(members)
            elif kind == "end":
                yield End.read(members)
            elif kind in ("sample", "event"):
                yield row(_row_cells(members))
            else:
                raise ValueError(f"of the unknown kind {kind!r}")
        except (ValueError, TypeError, OverflowError, RecursionError) as problem:
            yield Damage(f"line {number}", str(problem))


def _row_cells(members: dict[str, Any]) -> list[Any]:
    if members["kind"] == "sample":
        members = {**members, "event": None, "limiters": " ".join(members.get("limiters") or ())}
    elif members.get("detail"):
        members = {**members, "detail": json.dumps(members["detail"])}
    return [members.get(name) for name in COLUMNS]


def numbered(path: Path) -> Iterator[tuple[int, bytes, bool]]:
    """Number, bytes and wholeness of each line. Raises OSError."""
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE_LIMIT):
            number += 1
            yield number, line, line.endswith(b"\n")


def _check(path: Path, version: object) -> None:
    if str(version) != str(VERSION):
        raise NoRecording(
            f"{path} has layout {version} of a recording, this version reads {VERSION}",
            remedy="upgrade the host tool: python -m pip install --upgrade openknead",
        )
