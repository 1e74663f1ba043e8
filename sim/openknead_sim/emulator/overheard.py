"""What host and device say on an emulated serial line, told to the observer of the motor's pins.

It needs no reading: tests may leave messages unread for as long as they like.
"""

import json
from collections.abc import Mapping
from typing import Any

from openknead_sim.crc import unframed
from openknead_sim.emulator.pico import EmulatedPico
from openknead_sim.observer import Observer

CTRL_C = 0x03
PROMPT = b">>> "
# as the firmware's, as far as they bear on what was asked for
DEFAULTS = {"slew_s": 2, "default_level": 1, "min_level": 1, "max_level": 11}


class Overheard:
    """Listens in on `pico` and tells `observer`. settings: what a user saved before, beside DEFAULTS."""

    def __init__(self, pico: EmulatedPico, observer: Observer, settings: Mapping[str, int | bool]) -> None:
        self._pico = pico
        self._observer = observer
        self._settings: dict[str, int | bool] = {**DEFAULTS, **settings}
        self._requests: dict[object, dict[str, Any]] = {}
        self._sent = bytearray()
        self._received = bytearray()
        self._state = "IDLE"
        self._level = 0
        observer.slew_s = float(self._settings["slew_s"])
        pico.tap(self._host_says, self._device_says)

    def _host_says(self, data: bytes) -> None:
        if CTRL_C in data:
            self._observer.stop(round(self._pico.now_us))
        self._sent += data
        for message in _messages(self._sent):
            self._requests[message.get("id")] = message

    def _device_says(self, data: bytes) -> None:
        self._received += data
        for message in _messages(self._received):
            if message.get("method") == "event":
                self._event(message["params"])
            elif "result" in message:
                request = self._requests.pop(message.get("id"), None)
                if request:
                    self._granted(request["method"], request.get("params", {}), message["result"])
        if self._received.endswith(PROMPT):  # the app has gone
            self._restarted()

    def _granted(self, method: str, params: dict[str, Any], result: dict[str, Any]) -> None:
        observer = self._observer
        if method in ("session.start", "session.level"):
            # What a program asks for is not on the line: the highest level, at the slew, is its bound.
            self._asked(int(params.get("level", self._settings["max_level"])))
            if method == "session.start":  # its event comes a little later, the motor may be sooner
                self._session("RUNNING")
        elif method in ("session.stop", "session.pause"):
            observer.stop(round(self._pico.now_us))
        elif method == "fault.clear":
            observer.fault(None)
        elif method == "settings.set":
            self._settings.update(params["values"])
            observer.slew_s = float(self._settings["slew_s"])
        elif method == "status":
            observer.fault(result["fault"]["name"] if result["fault"] else None)
            self._session(result["state"])

    def _event(self, params: dict[str, Any]) -> None:
        name, value = params["name"], params.get("value", "")
        if name == "boot":
            self._restarted()
        elif name == "state":
            self._session(value)
        elif name == "fault":
            self._observer.fault(value)
        elif name == "button" and value in ("plus", "minus"):
            self._pressed(1 if value == "plus" else -1)

    def _pressed(self, step: int) -> None:
        if self._state == "IDLE" and step > 0:
            self._asked(int(self._settings["default_level"]))
        elif self._state in ("RUNNING", "PAUSED"):
            level = max(self._level + step, int(self._settings["min_level"]))
            self._asked(min(level, int(self._settings["max_level"])))

    def _asked(self, level: int) -> None:
        self._level = level
        self._observer.asked(level)

    def _session(self, state: str) -> None:
        self._state = state
        self._observer.session(state)

    def _restarted(self) -> None:
        self._state = "IDLE"
        self._requests.clear()
        self._observer.restarted()


def _messages(heard: bytearray) -> list[dict[str, Any]]:
    """Take the whole lines out of what was heard, and from them the JSON objects that are not damaged."""
    *lines, rest = bytes(heard).split(b"\n")
    heard[:] = rest
    messages = []
    for line in lines:
        if line.startswith(b"{"):
            try:
                messages.append(json.loads(unframed(line.strip())))
            except ValueError:
                continue
    return messages
