"""Wire: lines to a virtual board and back, in virtual time, and what its conversation is written down as.

A recording is a file of JSON lines. The first says whose it is, each other is one step:

    {"at_ms": 1200, "send": "…", "checked": true, "replies": [{…}]}     a line without its newline, as Latin-1
                                                  "either": true: it may be granted or refused
    {"at_ms": 1300, "walk": "schema", "params": {…}, "pages": [{…}]}    a method asked page by page
    {"at_ms": 1400, "do": "press", "with": ["mode", 3300]}              what hands and mishaps do
    {"at_ms": 1450, "heard": {…}}                                       a notification
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from openknead_sim import inject
from openknead_sim.crc import framed, unframed
from openknead_sim.packaged import firmware_files, new_flash
from openknead_sim.virtual import VirtualBoard

SEED = 12
REPLY_MS = 5_000  # patience with a reply: a commit writes flash
AFTER_MS = 30  # further replies to the same line would have come by then
PAGES = 100

Entry = dict[str, Any]
Reply = tuple[dict[str, Any], bool]  # the message, and whether its line had a checksum


def folder_files(folder: Path) -> dict[str, bytes]:
    """The firmware in a folder: path on the board → content."""
    paths = [folder / "boot.py", folder / "main.py"]
    paths += sorted((folder / "massager").glob("*.py")) + sorted(
        (folder / "massager").glob("programs/*.json")
    )
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def load(path: Path) -> tuple[Entry, list[Entry]]:
    """Head and entries of a recording."""
    head, *entries = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return head, entries


class Wire:
    """A board that has just been switched on, and the host's end of its serial port."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        """files: firmware by path on the board, None = the packaged one."""
        self.board = VirtualBoard(SEED, flash=new_flash(dict(files or firmware_files())))
        self.heard: list[Entry] = []  # notifications since the last look
        self._partial = b""
        self._replies: list[Reply] = []
        self._ids = 0
        self.board.power_on()

    @property
    def now_ms(self) -> int:
        return round(self.board.now_ms)

    def run_to(self, at_ms: float) -> None:
        """Let time pass until then, in steps short enough that nothing piles up at the port."""
        while self.board.now_ms < at_ms:
            self.board.run_ms(min(10, at_ms - self.board.now_ms))
            self._take()

    def exchange(self, line: bytes, count: int = 1) -> list[Reply]:
        """Send a line; what it was answered with, waiting for `count` replies."""
        self._replies = []
        self.board.send(line + b"\n")
        end = self.board.now_ms + REPLY_MS
        while len(self._replies) < count and self.board.now_ms < end:
            self.board.run_ms(1)
            self._take()
        self.run_to(self.board.now_ms + AFTER_MS)
        return self._replies

    def request(self, method: str, params: Mapping[str, Any]) -> bytes:
        """The line that asks for a method, with checksum."""
        self._ids += 1
        return framed({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": dict(params)})[:-1]

    def walk(self, method: str, params: Mapping[str, Any]) -> list[Any]:
        """All pages of a method; the last is an error object where one came instead."""
        pages: list[Any] = []
        start: int | None = None
        while len(pages) < PAGES:
            asked = dict(params) if start is None else {**params, "start": start}
            replies = self.exchange(self.request(method, asked))
            reply = replies[0][0] if replies else {}
            if "result" not in reply:
                return [*pages, {"error": reply.get("error")}]
            pages.append(reply["result"])
            start = reply["result"].get("next")
            if start is None:
                return pages
        raise AssertionError(f"{method} never ends")

    def do(self, what: str, *values: Any) -> None:
        """One of DEEDS."""
        DEEDS[what](self.board, *values)
        self._take()

    def status(self) -> dict[str, Any]:
        """What the device says of itself now."""
        result: dict[str, Any] = self.exchange(self.request("status", {}))[0][0]["result"]
        return result

    def _take(self) -> None:
        *lines, self._partial = (self._partial + self.board.receive()).split(b"\n")
        for line in lines:
            try:
                message = json.loads(unframed(line))
            except ValueError:
                continue  # MicroPython's banner
            if "method" in message:
                self.heard.append({"at_ms": self.now_ms, "heard": message})
            else:
                self._replies.append((message, line.rstrip()[-5:-4] == b"*"))


def _power_cycle(board: VirtualBoard) -> None:
    board.power_cut()
    board.run_ms(200)
    board.power_on()


DEEDS: dict[str, Callable[..., object]] = {
    "hold": VirtualBoard.hold,
    "release": VirtualBoard.release,
    "inject": inject.begin,
    "mend": inject.mend,
    "power_cycle": _power_cycle,
}
