"""A device that answers from a recording: what today's host meets on a board that was not upgraded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from host_peer import Peer
from openknead.framing import decode, encode
from wire import Entry, load

IN_PASSING = "session.keepalive"  # comes whenever the host likes, and moves nothing on


class Player(Peer):
    """Plays a recording on a pty.

    A request is answered as the next equal one of the recording was, and what the board told by itself after
    that one is told again. If there is none ahead, it is answered as the last good one behind, and nothing
    moves on; if there is none equal, as a good one of the same method.
    """

    def __init__(self, recording: Path) -> None:
        super().__init__()
        self.head, self._entries = load(recording)
        self._rows = [(place, *row) for place, entry in enumerate(self._entries) for row in exchanges(entry)]
        self._at = -1  # the row that was played last
        self.unknown: list[str] = []  # methods that the recording has not
        methods = [row for row in self._rows if row[2] == {"section": "methods"}]
        self.methods = {item["name"] for row in methods for item in row[3]["result"]["items"]}
        stranger = next(row for row in self._rows if row[1] not in self.methods and row[1] != "schema")
        self._no_such_method = stranger[3]

    def exchanges(self) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """(method, params, reply) of all requests, in order."""
        yield from (row[1:] for row in self._rows)

    def seek(self, what: Callable[[Entry], object]) -> None:
        """Go to the first entry of which that is true: what comes next is played from there on."""
        place = next(place for place, entry in enumerate(self._entries) if what(entry))
        self._at = next(number for number, row in enumerate(self._rows) if row[0] >= place) - 1

    def seek_granted(self, method: str, **params: Any) -> None:
        """Go to the first such request that was granted."""
        self.seek(
            lambda entry: any(
                (name, given) == (method, params) and "result" in reply
                for name, given, reply in exchanges(entry)
            )
        )

    def _answer(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        method = request["method"]
        number = self._find(method, _plain(request.get("params", {})))
        if number is None:
            if method in self.methods:
                self.unknown.append(method)
            else:
                self.send_raw(encode({**self._no_such_method, "id": request.get("id")}))
            return
        place, _, _, reply = self._rows[number]
        if "id" in request:
            self.send_raw(encode({**reply, "id": request["id"]}))
        if method == IN_PASSING or number <= self._at:
            return
        self._at = number
        for entry in self._entries[place + 1 :]:
            if "heard" in entry:
                self.send_raw(encode(entry["heard"]))
            elif IN_PASSING not in entry.get("send", ""):
                return

    def _find(self, method: str, params: dict[str, Any]) -> int | None:
        same = [number for number, row in enumerate(self._rows) if row[1] == method]
        granted = [number for number in same if "result" in self._rows[number][3]]
        equal = [number for number in same if self._rows[number][2] == params]
        ahead = [number for number in equal or granted if number > self._at]
        behind = [number for number in granted if number in equal] or equal or granted
        return ahead[0] if ahead else behind[-1] if behind else None


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters without a `start` that is the beginning."""
    return {key: value for key, value in params.items() if (key, value) != ("start", 0)}


def exchanges(entry: Entry) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(method, params, reply) of what an entry asked; nothing for a bad line."""
    if "walk" in entry:
        start, rows = None, []
        for page in entry["pages"]:
            params = entry["params"] if start is None else {**entry["params"], "start": start}
            rows.append((entry["walk"], params, {"jsonrpc": "2.0", "result": page}))
            start = page.get("next")
        return rows
    try:
        request = decode(entry.get("send", "").encode("latin-1"))
        method, params = str(request["method"]), request.get("params", {})
    except (ValueError, KeyError):
        return []
    if not isinstance(params, dict):
        return []
    return [(method, params, reply) for reply in entry["replies"]]
