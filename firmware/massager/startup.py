"""Startup: why the firmware started, and whether it is the firmware that the user agreed to.

A start after a watchdog's reset or a crash, and one with changed files, latches a fault that explains itself.
The first record of a start waits here for the self-test, whose result it carries.
"""

import json

from micropython import const

from massager import VERSION, faults
from massager import session as sessions
from massager.flash import parse_object
from massager.store import replace

CRASH_LOOP_MS = const(10_000)  # a crash this soon after the start leaves a prompt, to repair it from
CONTENT_FILE = "content"  # hash of the firmware that the user agreed to last
CRASH_FILE = "crash"
ERROR_MAX = const(400)  # characters of an error in the journal


class Startup:
    """cause: "power_on", "reset", "watchdog" or "crash"; content: hash of the firmware's files;
    record: what the journal shall say of this start, empty once it was taken.
    """

    def __init__(self, board, files, safety, maintenance):
        self._files = files
        self._safety = safety
        self.content = files.content_hash()
        self.cause, ran_ms, doing = board.boot_cause()
        self.record = {"cause": self.cause, "firmware": VERSION, "content": self.content}
        self._crash = files.read(CRASH_FILE)
        if self._crash is not None:
            self.cause = self.record["cause"] = "crash"
            self._describe_crash(parse_object(self._crash) or {})
            self._latch(faults.CRASHED)
        elif self.cause == "watchdog":
            self.record["ran_ms"] = ran_ms
            self.record["state"] = sessions.STATES[doing % len(sessions.STATES)][1]
            self._latch(faults.WATCHDOG_RESET)
        kept = files.read(CONTENT_FILE)
        self._kept = kept is not None and kept == self.content.encode()
        if maintenance:  # the files are about to change: the next start shall take them as they are
            try:
                files.remove(CONTENT_FILE)
            except OSError:
                pass  # flash that refuses writes: new files will have to be agreed to
            self._kept = True
        elif kept is not None and not self._kept:
            self._latch(faults.FIRMWARE_CHANGED)

    def take_record(self, selftest, failed):
        """The record of this start, with the outcome of its self-test. Once."""
        record, self.record = self.record, {}
        record["selftest"] = selftest
        if failed:
            record["failed"] = failed
        return record

    def settle(self):
        """Finish what concerns flash, once the record is written. Raises OSError or StoreError."""
        if self._crash is not None:
            self._files.remove(CRASH_FILE)
            self._crash = None
        if not self._kept and not self._safety.is_latched(faults.FIRMWARE_CHANGED):  # cleared is agreed
            replace(self._files, CONTENT_FILE, self.content.encode())
            self._kept = True

    def _describe_crash(self, found):
        """Take over what `record_crash` wrote, and nothing else."""
        error, state, ran_ms = found.get("error"), found.get("state"), found.get("ran_ms")
        self.record["error"] = (
            error[-ERROR_MAX:] if isinstance(error, str) else "(the record of it is damaged)"
        )
        if isinstance(ran_ms, int):
            self.record["ran_ms"] = ran_ms & 0x3FFFFFFF
        for row in sessions.STATES:
            if row[1] == state:
                self.record["state"] = state

    def _latch(self, code):
        """A fault whose cause is over already."""
        self._safety.report(code)
        self._safety.report(code, False)


def record_crash(files, text, state, ran_ms):
    """Leave a record of what ended the firmware for the next start. Raises OSError."""
    record = {"error": text, "state": sessions.STATES[state][1], "ran_ms": ran_ms}
    files.write(CRASH_FILE, json.dumps(record).encode())
