"""Reads recordings of any format, the damaged ones as far as they go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from openknead.model import Sample
from openknead.recording.database import read_database
from openknead.recording.errors import NoRecording
from openknead.recording.model import Damage, End, Entry, Head, Run
from openknead.recording.text import CSV_MARK, JSON_MARK, numbered, read_csv, read_jsonl

MARKS = {
    b"SQLite format 3\0": "sqlite",
    f"# {CSV_MARK}:".encode(): "csv",
    f'{{"kind":"head","{JSON_MARK}":'.encode(): "jsonl",
}


def entries(path: Path) -> Iterator[Entry]:
    """What is in a recording, in its order and piece by piece: a long one need not fit into memory.

    The format is told by the content. Raises NoRecording.
    """
    form = form_of(path)
    if form == "sqlite":
        return read_database(path)
    return (read_csv if form == "csv" else read_jsonl)(path, numbered(path))


def form_of(path: Path) -> str:
    """The format of a recording: "csv", "jsonl" or "sqlite". Raises NoRecording."""
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except OSError as problem:
        raise NoRecording(f"{path} cannot be read: {problem.strerror or problem}") from problem
    for mark, form in MARKS.items():
        if start.startswith(mark):
            return form
    raise NoRecording(f"{path} is no recording" if start else f"{path} is empty")


def read(path: Path) -> list[Run]:
    """A whole recording, run by run. Raises NoRecording."""
    runs: list[Run] = []
    for entry in entries(path):
        if isinstance(entry, Head):
            runs.append(Run(entry))
            continue
        if not runs:
            runs.append(Run(Head.read({})))  # its head is damaged
        run = runs[-1]
        if isinstance(entry, End):
            run.end = entry
        elif isinstance(entry, Damage):
            run.damage.append(entry)
        elif isinstance(entry.item, Sample):
            run.samples.append(entry.item)
            run.sample_utc_s.append(entry.utc_s)
        else:
            run.events.append(entry.item)
            run.event_utc_s.append(entry.utc_s)
    return runs
