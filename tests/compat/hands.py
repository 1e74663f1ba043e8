"""Hands at the device, for recordings of a time when a host needed them less often.

Recordings up to protocol 1.3 know two gestures with MODE: held 3 s it gave the permission to start, or took
it away, and STOP or a fault did not suspend it; pressed it agreed to what weakens certain settings. Since 1.4
more changes need that press, an answer begins a second after its question, and MODE held 3 s gives back a
permission that is suspended.
"""

from __future__ import annotations

from typing import Any

from rules import STRICTER
from wire import Entry, Reply, Wire

LONG_MS = 3_300
SHORT_MS = 100
READ_MS = 1_100
DRIVES = ("session.start", "session.resume", "session.level", "session.skip", "session.back", "program.")


class Hands:
    """given: whether a host has the permission, as far as the recording knows."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._held_ms = 0
        self.given = False

    def before_deed(self, what: str, values: list[Any]) -> None:
        """A press that answers begins when the device takes it."""
        if what == "hold" and self._wire.status().get("confirm"):
            self._wire.run_to(self._wire.now_ms + READ_MS)
        if what == "hold" and values == ["mode"]:
            self._held_ms = self._wire.now_ms

    def after_deed(self, what: str, values: list[Any]) -> None:
        """MODE held toggled the permission: see that it is what it was then."""
        if what != "release" or values != ["mode"] or self._wire.now_ms - self._held_ms < LONG_MS - SHORT_MS:
            return
        self._wire.run_to(self._wire.now_ms + SHORT_MS)
        status = self._wire.status()
        self.given = not self.given
        if status["state"] == "IDLE" and (status["remote_start"], bool(status["suspended"])) != (
            self.given,
            False,
        ):
            self._mode(LONG_MS)
            if self._wire.status()["remote_start"] != self.given:
                self._mode(LONG_MS)

    def before_request(self, method: str) -> None:
        """A suspended permission did not exist: give it back."""
        if self.given and method.startswith(DRIVES):
            status = self._wire.status()
            if status["suspended"] and status["state"] in ("IDLE", "PAUSED"):
                self._mode(LONG_MS if status["state"] == "IDLE" else SHORT_MS)

    def answer(self, entry: Entry, line: bytes, got: list[Reply]) -> list[Reply]:
        """What the device answers once a question that the recording lacks was agreed to."""
        old = entry["replies"][0] if entry["replies"] else {}
        for _ in range(3):
            name = _error(got[0][0]) if got else ""
            if name not in STRICTER or _error(old) == name:
                break
            if name == "confirm_later":
                wait_s = got[0][0]["error"]["data"]["wait_s"]
                self._wire.run_to(self._wire.now_ms + 1000 * wait_s)
            elif name == "confirm_needed":
                self._wire.run_to(self._wire.now_ms + READ_MS)
                self._mode(SHORT_MS)
            else:
                self._mode(LONG_MS)
            got = self._wire.exchange(line, len(entry["replies"]))
        return got

    def _mode(self, ms: int) -> None:
        self._wire.do("hold", "mode")
        self._wire.run_to(self._wire.now_ms + ms)
        self._wire.do("release", "mode")
        self._wire.run_to(self._wire.now_ms + 2 * SHORT_MS)


def _error(reply: Any) -> str:
    return str(reply["error"]["data"]["name"]) if "error" in reply else ""
