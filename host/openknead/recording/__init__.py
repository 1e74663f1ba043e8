"""Recordings: telemetry and events of a device in a file, with UTC time, until it is stopped.

Three formats, told by the file's suffix: CSV for spreadsheets, pandas and R, JSON Lines for programs, SQLite
for queries. All say who was recorded, and how many samples were lost; all are readable up to the last whole
row, whatever ended the recording.

    from openknead.recording import Head, Recorder, read

    with Recorder(Path("calf.csv"), Head.of(device.hello, hz=10)) as recorder, device.feed() as feed:
        device.subscribe(10)
        recorder.add(feed.next(2.0))

    for run in read(Path("calf.csv")):
        print(run.head.board, len(run.samples), run.lost)
"""

from __future__ import annotations

from openknead.recording.errors import NoRecording, RecordingExists, RecordingFailed, UnknownFormat
from openknead.recording.model import Damage, End, Entry, Head, Row, Run
from openknead.recording.reader import entries, read
from openknead.recording.recorder import Recorder
from openknead.recording.text import FORMATS

__all__ = [
    "FORMATS",
    "Damage",
    "End",
    "Entry",
    "Head",
    "NoRecording",
    "Recorder",
    "RecordingExists",
    "RecordingFailed",
    "Row",
    "Run",
    "UnknownFormat",
    "entries",
    "read",
]
