"""Writes what a feed tells into a file."""

from __future__ import annotations

import time
from pathlib import Path

from openknead.closing import Closing
from openknead.model import Event, Sample
from openknead.recording.clock import UtcClock
from openknead.recording.database import SqliteWriter
from openknead.recording.errors import NoRecording, RecordingExists, RecordingFailed, UnknownFormat
from openknead.recording.model import End, Head, Row, gap, utc_text
from openknead.recording.reader import form_of
from openknead.recording.text import FORMATS, TextWriter, Writer, csv_lines, json_lines

FLUSH_S = 1.0  # what a crash may cost


def file_format(path: Path) -> str:
    """The format that a file's suffix stands for. Raises UnknownFormat."""
    try:
        return FORMATS[path.suffix.lower()]
    except KeyError:
        raise UnknownFormat(f"{path.name}: its suffix is none of {', '.join(FORMATS)}") from None


class Recorder(Closing):
    """Writes a file, at least once a second while things are added; a context manager.

    `samples`, `lost`, `events` and `lost_events` count over all runs; `size_bytes`: of the file.
    """

    def __init__(self, path: Path, head: Head, *, form: str | None = None, append: bool = False) -> None:
        """form: "csv", "jsonl" or "sqlite", None to go by the suffix; append: add a run to what is there.

        Raises UnknownFormat, RecordingExists, NoRecording for something else to append to,
        RecordingFailed.
        """
        self.path = path
        self.samples = self.lost = self.events = self.lost_events = self.runs = 0
        self._before: dict[str, int] = {}  # the counts when this run began
        self._flushed_s = time.monotonic()
        self._failed = False
        self._unsafe: list[bool] = []  # rows since the last flush; True: a sample
        form = writable(path, form, append)
        known = path.exists()
        self._writer = _writer(path, form)
        try:
            self.begin(head)
        except RecordingFailed:
            self._writer.close()
            if not known:
                path.unlink(missing_ok=True)
            raise

    def begin(self, head: Head) -> None:
        """Begin a run: with the first, and after each `end`. Raises RecordingFailed."""
        self._clock = UtcClock()
        self._seq: int | None = None
        self._ended = False
        self._before = self.counts()
        self.runs += 1
        self._writer.put(head)
        self.flush()

    def add(self, item: Sample | Event, arrived_s: float | None = None) -> None:
        """Add what came. arrived_s: when, as Unix time, None for now. Raises RecordingFailed."""
        now_s = time.time() if arrived_s is None else arrived_s
        self._unsafe.append(isinstance(item, Sample))
        if isinstance(item, Sample):
            self.samples += 1
            self.lost += 0 if self._seq is None else gap(self._seq, item.seq)
            self._seq = item.seq
        else:
            self.events += 1
            lost = item.data.get("lost")
            self.lost_events += lost if isinstance(lost, int) else 0
        self._writer.put(Row(self._clock.utc_s(item.t_ms, now_s), item))
        if time.monotonic() - self._flushed_s >= FLUSH_S:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system. Raises RecordingFailed."""
        self._flushed_s = time.monotonic()
        try:
            self._writer.flush()
        except RecordingFailed as problem:
            self._failed = True
            self._uncount(problem.data.get("unwritten", 0))
            raise
        self._unsafe.clear()

    def _uncount(self, rows: int) -> None:
        """The last so many rows are not in the file."""
        missing = self._unsafe[max(0, len(self._unsafe) - rows) :]
        samples, events = missing.count(True), missing.count(False)
        self.samples, self.lost = self.samples - samples, self.lost + samples
        self.events, self.lost_events = self.events - events, self.lost_events + events

    def end(self, reason: str) -> None:
        """End the run, with its counts. Raises RecordingFailed."""
        if self._ended:
            return
        self._ended = True
        count = {name: value - self._before[name] for name, value in self.counts().items()}
        del count["events"]
        self._writer.put(End(reason=reason, **count, ended_utc=utc_text(time.time())))
        self.flush()

    def close(self) -> None:
        """End the run that is not ended, as "closed", and close the file; harmless when repeated.

        A file that took no more remains without an end.
        """
        try:
            if not self._failed:
                self.end("closed")
        finally:
            self._writer.close()

    def counts(self) -> dict[str, int]:
        """Samples, events, and those lost."""
        return {name: getattr(self, name) for name in ("samples", "lost", "events", "lost_events")}

    @property
    def size_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def writable(path: Path, form: str | None = None, append: bool = False) -> str:
    """The format in which `path` would be written, before anything is done.

    Raises UnknownFormat, RecordingExists, RecordingFailed without a folder.
    """
    form = form or file_format(path)
    if path.exists() and not append:
        raise RecordingExists(f"{path} is there already")
    if not path.parent.is_dir():
        raise RecordingFailed(f"there is no folder {path.parent}", remedy="make it, or give another name")
    return form


def _writer(path: Path, form: str) -> Writer:
    if path.exists() and path.stat().st_size and (there := form_of(path)) != form:
        raise NoRecording(f"{path} is a recording of the format {there}, not {form}")
    if form == "sqlite":
        return SqliteWriter(path)
    try:
        return TextWriter(path, csv_lines if form == "csv" else json_lines)
    except OSError as problem:
        raise RecordingFailed(f"{path} cannot be written: {problem.strerror or problem}") from problem
