"""Journals of devices, kept on this computer: every record exactly as it was sent, and none twice.

A record is known by its board, its journal and its number `n`. A board counts its records for ever, but a
journal may be replaced: flash was erased, and records and boots count from 1 again. The last record here
tells: when the device has one of its number, that must be the same to the letter; when the device has dropped
it, the boots must have gone on; and a device whose numbers end below it has another journal. Another journal
gets a number of its own, and what was kept stays.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from openknead.closing import Closing
from openknead.errors import OpenKneadError
from openknead.journal import Record, missing

VERSION = 1
APPLICATION_ID = 0x4F4B4A31  # "OKJ1"
BATCH = 50  # records a transaction: a sync that is cut off has done a part

SCHEMA = f"""
    BEGIN;
    CREATE TABLE record (
        board TEXT NOT NULL,
        journal INTEGER NOT NULL,
        n INTEGER NOT NULL,
        kind TEXT NOT NULL,
        boot INTEGER NOT NULL,
        unix_s INTEGER,
        json TEXT NOT NULL,
        synced_unix_s INTEGER NOT NULL,
        PRIMARY KEY (board, journal, n)
    ) WITHOUT ROWID;
    PRAGMA application_id = {APPLICATION_ID};
    PRAGMA user_version = {VERSION};
    COMMIT;
"""


class LogStoreError(OpenKneadError):
    """The local log cannot be read or written; what it holds is as it was."""

    code, name = -33094, "log_store"
    remedy = "give another file: --db FILE"


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync did. missing: records that the device had dropped before they could be read."""

    board: str
    journal: int  # 1, or more when the device's journal was replaced
    replaced: bool  # now
    new: int
    kept: int  # records of this journal that are here now
    missing: int  # within them


@dataclass(frozen=True, slots=True)
class Kept:
    """A journal that is here, oldest record first."""

    board: str
    journal: int
    records: list[Record]


def default_path() -> Path:
    """OPENKNEAD_DATA_DIR, or the user's data folder of the platform."""
    given = os.environ.get("OPENKNEAD_DATA_DIR")
    if given:
        return Path(given) / "log.sqlite"
    from platformdirs import user_data_path

    return user_data_path("openknead") / "log.sqlite"


class LogStore(Closing):
    """The database; a context manager. Its methods raise LogStoreError."""

    def __init__(self, path: Path, *, make: bool = True) -> None:
        """make: begin one if there is none. Raises LogStoreError."""
        self.path = path
        if not make and not path.exists():
            raise LogStoreError(
                f"there is no log {path} yet", remedy="fill it from the device: knead log --sync"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10.0)
            self._db.text_factory = lambda raw: raw.decode(errors="replace")
            if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                self._db.executescript(SCHEMA)
            found = [
                self._db.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("application_id", "user_version")
            ]
        except (sqlite3.Error, OSError, UnicodeDecodeError) as problem:
            raise LogStoreError(f"{path} cannot be used: {problem}") from problem
        if found != [APPLICATION_ID, VERSION]:
            self.close()
            raise LogStoreError(f"{path} is no log of this version")

    def close(self) -> None:
        self._db.close()

    def sync(
        self,
        board: str,
        read: Callable[[int | None], Iterator[Record]],
        progress: Callable[[int], None] = lambda count: None,
    ) -> Synced:
        """Take over what is new.

        read: `Device.journal`, the records from a number on; progress: called with the number taken so far.
        Raises what `read` raises, too; what was taken until then stays.
        """
        journal, last = self._newest(board)
        records = read(last.n if last else None)
        replaced = False
        if last:
            first = next(records, None)
            replaced = first is None or not _follows(last, first)
            if replaced:
                records = read(None)
            elif first and first.n > last.n:
                records = chain([first], records)
        journal += replaced or not journal
        new = self._take(board, journal, records, progress)
        kept = next((each.records for each in self.journals(board) if each.journal == journal), [])
        return Synced(board, journal, replaced, new, len(kept), sum(missing(kept).values()))

    def journals(self, board: str | None = None) -> list[Kept]:
        """All that is here, or of one board; oldest journal first."""
        found: dict[tuple[str, int], list[Record]] = {}
        where, values = (" WHERE board = ?", [board]) if board else ("", [])
        try:
            for name, journal, text in self._db.execute(
                f"SELECT board, journal, json FROM record{where} ORDER BY board, journal, n", values
            ):
                found.setdefault((name, journal), []).append(Record.of(json.loads(text)))
        except (sqlite3.Error, ValueError, OpenKneadError) as problem:
            raise LogStoreError(f"{self.path} is damaged: {problem}") from problem
        return [Kept(name, journal, records) for (name, journal), records in found.items()]

    # -- inside ------------------------------------------------------------------------------------

    def _newest(self, board: str) -> tuple[int, Record | None]:
        """The number of the board's newest journal, and its last record here; 0 and None without any."""
        try:
            row = self._db.execute(
                "SELECT journal, json FROM record WHERE board = ? ORDER BY journal DESC, n DESC LIMIT 1",
                [board],
            ).fetchone()
            return (row[0], Record.of(json.loads(row[1]))) if row else (0, None)
        except (sqlite3.Error, ValueError) as problem:
            raise LogStoreError(f"{self.path} is damaged: {problem}") from problem

    def _take(
        self, board: str, journal: int, records: Iterable[Record], progress: Callable[[int], None]
    ) -> int:
        taken = 0
        batch: list[tuple[object, ...]] = []

        def write() -> None:
            nonlocal taken
            try:
                self._db.execute("BEGIN IMMEDIATE")
                for row in batch:
                    taken += self._db.execute(
                        "INSERT OR IGNORE INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row
                    ).rowcount
                self._db.execute("COMMIT")
            except sqlite3.Error as problem:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise LogStoreError(f"{self.path} takes no more: {problem}") from problem
            batch.clear()
            progress(taken)

        now = round(time.time())
        try:
            for record in records:
                batch.append(
                    (board, journal, record.n, record.kind, record.boot, record.unix_s, exact(record), now)
                )
                if len(batch) >= BATCH:
                    write()
        finally:
            if batch:
                write()
        return taken


def exact(record: Record) -> str:
    """A record as the device sent it, as one line of JSON."""
    return json.dumps(record.data, separators=(",", ":"), ensure_ascii=False)


def _follows(last: Record, first: Record) -> bool:
    """Whether the journal that has `first` from number last.n on is the one that `last` was kept of."""
    if first.n == last.n:
        return exact(first) == exact(last)
    return first.boot >= last.boot
