"""What can go wrong with a recording's file."""

from __future__ import annotations

from openknead.errors import OpenKneadError


class RecordingExists(OpenKneadError):
    """There is a file of that name; nothing was written."""

    code, name, exit_code = -33090, "recording_exists", 2
    remedy = "append to it: --append; or give another name"


class UnknownFormat(OpenKneadError):
    """The file's name tells no format; nothing was written."""

    code, name, exit_code = -33093, "unknown_format", 2
    remedy = "name it .csv, .jsonl or .sqlite; or, with `knead record`, give --format"


class RecordingFailed(OpenKneadError):
    """The file does not take more; what it holds is whole up to its last row."""

    code, name = -33091, "recording_failed"
    remedy = "make room, or record to another disk; what was recorded before can be read"


class NoRecording(OpenKneadError):
    """The file is no recording, or none that this version reads."""

    code, name = -33092, "no_recording"
    remedy = "give a file of `knead record`: .csv, .jsonl or .sqlite"
