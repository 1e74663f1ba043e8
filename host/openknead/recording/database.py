"""Recordings as SQLite: tables `run`, `sample` and `event`, filled by a transaction a second."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import asdict, fields
from heapq import merge
from pathlib import Path
from typing import Any

from openknead.model import Sample
from openknead.recording.columns import COLUMNS, EVENT, SAMPLE, TIME, cells, row
from openknead.recording.errors import NoRecording, RecordingFailed
from openknead.recording.model import VERSION, Damage, End, Entry, Head, Row

APPLICATION_ID = 0x4F4B5231  # "OKR1"
DAMAGED = (sqlite3.Error, UnicodeDecodeError)  # the latter: its own words about a damaged schema
_RUN = tuple(field.name for field in (*fields(Head), *fields(End)))
_SAMPLE = ("run", TIME, *SAMPLE)
_EVENT = ("run", TIME, "t_ms", *EVENT)
_PLACES = {name: place for place, name in enumerate(COLUMNS)}


class SqliteWriter:
    """Adds to a database; what was not committed when the disk was full is left out as a whole."""

    def __init__(self, path: Path) -> None:
        """Opens or makes it. Raises RecordingFailed, NoRecording."""
        self._path = path
        self._run = 0
        self._pending: list[tuple[str, list[Any]]] = []
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5.0)
            if self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                check(path, self._db)
            else:
                self._db.executescript(_schema())
        except sqlite3.Error as problem:
            raise RecordingFailed(f"{path} cannot be written: {problem}") from problem

    def put(self, entry: Head | Row | End) -> None:
        if isinstance(entry, Head):
            values = asdict(entry)
            self._run_of(values)
        elif isinstance(entry, End):
            values = asdict(entry)
            self._pending.append(
                (
                    f"UPDATE run SET {', '.join(f'{name} = ?' for name in values)} WHERE id = ?",
                    [*values.values(), self._run],
                )
            )
        else:
            found = cells(entry)
            is_sample = isinstance(entry.item, Sample)
            names = _SAMPLE if is_sample else _EVENT
            self._pending.append(
                (
                    _insert("sample" if is_sample else "event", names),
                    [self._run, *(found[_PLACES[name]] for name in names[1:])],
                )
            )

    def _run_of(self, values: dict[str, Any]) -> None:
        self.flush()
        try:
            done = self._db.execute(_insert("run", tuple(values)), [*values.values()])
            self._run = int(done.lastrowid or 0)
        except sqlite3.Error as problem:
            raise self._failed(problem) from problem

    def flush(self) -> None:
        if not self._pending:
            return
        try:
            self._db.execute("BEGIN")
            for statement, values in self._pending:
                self._db.execute(statement, values)
            self._db.execute("COMMIT")
        except sqlite3.Error as problem:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            failed = self._failed(problem)
            failed.data["unwritten"] = len(self._pending)
            raise failed from problem
        finally:
            self._pending.clear()

    def close(self) -> None:
        self._db.close()

    def _failed(self, problem: sqlite3.Error) -> RecordingFailed:
        return RecordingFailed(f"{self._path} takes no more: {problem}")


def read_database(path: Path) -> Iterator[Entry]:
    """The entries of an SQLite recording. Raises NoRecording."""
    with closing(_open(path)) as db:
        check(path, db)
        try:
            for values in db.execute(f"SELECT id, {', '.join(_RUN)} FROM run ORDER BY id").fetchall():
                members = dict(zip(_RUN, values[1:], strict=True))
                yield Head.read(members)
                yield from _rows(db, values[0])
                if members["reason"] is not None:
                    yield End.read(members)
        except DAMAGED as problem:
            yield Damage("the database", str(problem))


def _rows(db: sqlite3.Connection, run: int) -> Iterator[Entry]:
    samples = _read(db, "sample", _SAMPLE[1:], run)
    events = _read(db, "event", _EVENT[1:], run)
    for number, values in merge(samples, events, key=lambda found: str(found[1][0])):
        try:
            yield row(values)
        except (ValueError, TypeError, OverflowError, RecursionError) as problem:
            yield Damage(f"row {number}", str(problem))


def _read(
    db: sqlite3.Connection, table: str, names: tuple[str, ...], run: int
) -> Iterator[tuple[int, list[Any]]]:
    for values in db.execute(
        f"SELECT rowid, {', '.join(names)} FROM {table} WHERE run = ? ORDER BY rowid", [run]
    ):
        found: list[Any] = [None] * len(COLUMNS)
        for name, value in zip(names, values[1:], strict=True):
            found[_PLACES[name]] = value
        yield values[0], found


def _open(path: Path) -> sqlite3.Connection:
    try:
        if not path.is_file():
            raise NoRecording(f"there is no file {path}")
        db = sqlite3.connect(path, timeout=5.0)  # writable: what a crash left has to be rolled back
        db.text_factory = lambda raw: raw.decode(errors="replace")
        return db
    except sqlite3.Error as problem:
        raise NoRecording(f"{path} cannot be opened: {problem}") from problem


def check(path: Path, db: sqlite3.Connection) -> None:
    """Raises NoRecording for a database that is something else."""
    try:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except DAMAGED as problem:
        raise NoRecording(f"{path} is no recording: {problem}") from problem
    if application != APPLICATION_ID or version != VERSION:
        raise NoRecording(f"{path} is a database, but no recording of layout {VERSION}")


def _insert(table: str, names: tuple[str, ...]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"


def _schema() -> str:
    numbers = {field.name for cls in (Sample, Head, End) for field in fields(cls) if "int" in str(field.type)}

    def columns(names: tuple[str, ...]) -> str:
        return ", ".join(f"{name} {'INTEGER' if name in numbers else 'TEXT'}" for name in names)

    return f"""
        BEGIN;
        CREATE TABLE run (id INTEGER PRIMARY KEY, {columns(_RUN)});
        CREATE TABLE sample (run INTEGER REFERENCES run (id), {columns(_SAMPLE[1:])});
        CREATE TABLE event (run INTEGER REFERENCES run (id), {columns(_EVENT[1:])});
        PRAGMA application_id = {APPLICATION_ID};
        PRAGMA user_version = {VERSION};
        COMMIT;
    """
