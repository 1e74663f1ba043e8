"""Changes that may need a press at the device: settings, all of them or none, and the clearing of a fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from openknead.errors import ConfirmNeeded, NotConfirmed, OpenKneadError
from openknead.feed import Feed
from openknead.framing import REQUEST_LIMIT, encode
from openknead.model import Event, Hello

Value = int | bool
Waiting = Callable[[Sequence[str], float], None]  # (names that need a press, seconds left)
T = TypeVar("T")
POLL_S = 0.2
ID_MAX = (1 << 30) - 1  # the longest that a request may carry

ENDED = {
    "refused": "another button than MODE was pressed",
    "expired": "MODE was not pressed in time",
    "replaced": "another request about settings came between",
    "cancelled": "a session, a fault or a restart came between",
    "unknown": "the device did not report what became of it",
}


class Device(Protocol):
    """What a change needs of a device."""

    hello: Hello
    timeout: float

    def call(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Call a method of the firmware."""

    def feed(self) -> Feed:
        """Samples and events from now on."""


def change(device: Device, values: Mapping[str, Value], waiting: Waiting | None = None) -> list[str]:
    """Change settings in the device's RAM; see `Device.set`."""
    return agreed(device, lambda: _send(device, values), list(values), waiting)


def agreed(device: Device, request: Callable[[], T], done: T, waiting: Waiting | None) -> T:
    """Make a request, and wait for MODE if it needs that: its result, or `done` after a press.

    Without `waiting` ConfirmNeeded is raised instead. Raises NotConfirmed, LinkLost, DeviceRestarted.
    """
    if waiting is None:
        return request()
    with device.feed() as feed:  # before the question, or its answer may be missed
        try:
            return request()
        except ConfirmNeeded as needed:
            _await(device, feed, needed, waiting)
            return done


def _send(device: Device, values: Mapping[str, Value]) -> list[str]:
    """As one request, or in pieces that the device lays by until the last one comes."""
    pieces = _pieces(values)
    if len(pieces) == 1 or "confirm" not in device.hello.capabilities:
        return list(device.call("settings.set", values=dict(values)).get("changed", ()))
    for number, piece in enumerate(pieces):
        staged = device.call("settings.stage", values=piece, begin=not number).get("staged")
    return list(device.call("settings.set", values={}, staged=staged).get("changed", ()))


def _pieces(values: Mapping[str, Value]) -> list[dict[str, Value]]:
    """The values in pieces of which each fits into a line."""
    pieces: list[dict[str, Value]] = [{}]
    for name, value in values.items():
        if pieces[-1] and not _fits({**pieces[-1], name: value}):
            pieces.append({})
        pieces[-1][name] = value
    return pieces


def _fits(values: Mapping[str, Value]) -> bool:
    params: dict[str, Any] = {"values": dict(values), "begin": False}
    request = {"jsonrpc": "2.0", "id": ID_MAX, "method": "settings.stage", "params": params}
    return len(encode(request)) <= REQUEST_LIMIT


def _answers(event: Event, needed: ConfirmNeeded) -> bool:
    """Whether this event ends the wait: an earlier question's end may come as late as this."""
    ours = event.name == "confirm" and event.data.get("number") == needed.data.get("number")
    return ours and event.value != "asked"


def _await(device: Device, feed: Feed, needed: ConfirmNeeded, waiting: Waiting) -> None:
    """Until the device reports what became of its question. Raises NotConfirmed, LinkLost, DeviceRestarted.

    `waiting` is first called when the device takes an answer: earlier presses mean something else to it.
    """
    names = [str(name) for name in needed.data.get("names", ())]
    began = time.monotonic()
    ready = began + float(needed.data.get("after_s", 0))
    end = began + float(needed.data.get("within_s", 0))
    outcome = "unknown"
    try:
        while (left := end - time.monotonic()) > -device.timeout:  # it reports by itself when time is up
            if time.monotonic() >= ready:
                waiting(names, max(left, 0.0))
            item = feed.get(POLL_S)
            if isinstance(item, Event) and _answers(item, needed):
                outcome = item.value
                break
    except KeyboardInterrupt:
        with suppress(OpenKneadError):
            device.call("settings.set", values={})  # takes the question back
        raise
    if outcome != "applied":
        why = ENDED.get(outcome, outcome)
        raise NotConfirmed(
            f"{', '.join(names)}: {why}; nothing was changed", data={"outcome": outcome, "settings": names}
        )
