"""The side channel of a running virtual board: what hands do to a real one.

One JSON object per line in each direction: {"token", "do", …} → {"ok": true, …} or {"ok": false, "error"}.
An answer to `press` comes when the button has been released again, in virtual time; one to `inject` with
`for_s` when it has been mended again.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable
from typing import Any, Protocol

from . import inject
from .plant import Hand
from .rig import BUTTONS
from .virtual import VirtualBoard

Answer = dict[str, Any]
MAX_PRESS_MS = 600_000
MAX_FOR_S = 3600.0
TIMEOUT_S = 10.0


class ControlError(Exception):
    """The board refused, or is not there any more."""


class Served(Protocol):
    """A board that is served, and what the side channel needs of its server."""

    board: VirtualBoard
    token: str

    def plug(self) -> None:
        """Give the board a port."""

    def unplug(self) -> None:
        """Take the port away."""

    def at(self, due_us: int, act: Callable[[], object]) -> None:
        """Call act() when the board's clock has reached due_us."""


class Control:
    """The verbs of the side channel, over a server."""

    def __init__(self, server: Served) -> None:
        self._server = server
        self._verbs: dict[str, Callable[[Answer], Answer]] = {
            "press": self._press,
            "hold": self._hold,
            "release": self._release,
            "plug": _plain(server.plug),
            "unplug": _plain(server.unplug),
            "reset": _plain(server.board.reset),
            "power_off": _plain(server.board.power_cut),
            "power_on": _plain(server.board.power_on),
            "hand": self._hand,
            "inject": self._inject,
            "mend": self._mend,
            "state": self._state,
        }

    def handle(self, line: bytes) -> Answer:
        """Do what a line asks for. The answer may carry "at_us": not to be sent before that clock time."""
        try:
            request = json.loads(line)
            if not isinstance(request, dict) or not self._allowed(str(request.pop("token", ""))):
                raise ValueError("wrong token")
            verb = self._verbs.get(str(request.pop("do", None)))
            if verb is None:
                raise ValueError(f"do one of: {', '.join(self._verbs)}")
            return {"ok": True, **verb(request)}
        except (ValueError, KeyError, TypeError, inject.InjectError) as e:
            return {"ok": False, "error": str(e)}

    def _allowed(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._server.token.encode())

    def _button(self, request: Answer) -> str:
        button = str(request.get("button")).lower()
        if button not in BUTTONS:
            raise ValueError(f"the buttons are {', '.join(BUTTONS)}")
        return button

    def _press(self, request: Answer) -> Answer:
        button = self._button(request)
        ms = float(request.get("ms", 100))
        if not 1 <= ms <= MAX_PRESS_MS:
            raise ValueError(f"ms must be 1…{MAX_PRESS_MS}")
        board = self._server.board
        end_us = board.chip.clock_us + round(ms * 1000)
        board.hold(button)
        board.chip.at(end_us, lambda: board.release(button))
        return {"at_us": end_us}

    def _hold(self, request: Answer) -> Answer:
        self._server.board.hold(self._button(request))
        return {}

    def _release(self, request: Answer) -> Answer:
        self._server.board.release(self._button(request))
        return {}

    def _hand(self, request: Answer) -> Answer:
        self._server.board.plant.hand = Hand(float(request["pressure"]))
        return {}

    def _inject(self, request: Answer) -> Answer:
        board = self._server.board
        name = str(request["name"])
        for_s = request.get("for_s")
        if for_s is not None and not 0.0 < float(for_s) <= MAX_FOR_S:
            raise ValueError(f"for_s must be above 0, up to {MAX_FOR_S:g}")
        inject.begin(board, name, request.get("value"))
        if for_s is None:
            return {}
        end_us = board.chip.clock_us + round(float(for_s) * 1e6)
        self._server.at(end_us, lambda: inject.mend(board, name))
        return {"at_us": end_us}

    def _mend(self, request: Answer) -> Answer:
        return {"mended": inject.mend(self._server.board, str(request["name"]))}

    def _state(self, _request: Answer) -> Answer:
        board = self._server.board
        plant = board.plant
        return {
            "clock_us": board.chip.clock_us,
            "powered": board.powered,
            "boots": board.boots,
            "at_prompt": board.at_prompt,
            "bootsel": board.bootsel,
            "motor_duty": board.rig.duty,
            "motor_enabled": board.rig.enabled,
            "rate_opm": plant.rate_opm,
            "current_a": plant.current_a,
            "energy_j": plant.energy_j,
            "charge_pct": plant.soc * 100,
            "motor_c": plant.motor_c,
            "winding_c": plant.winding_c,
            "driver_c": plant.driver_c,
            "handle_c": plant.handle_c,
            "pad_c": plant.pad_c,
            "led": board.rig.led,
            "buzzer_hz": board.rig.buzzer_hz,
            "injected": inject.injected(board),
            "pressed": [name for name in BUTTONS if board.rig.pressed(name)],
        }


def _plain(act: Callable[[], None]) -> Callable[[Answer], Answer]:
    """A verb without arguments and with nothing to tell."""

    def verb(_request: Answer) -> Answer:
        act()
        return {}

    return verb


def ask(board: Answer, do: str, timeout_s: float = TIMEOUT_S, **arguments: Any) -> Answer:
    """Send one verb to the board of a run file; its answer. Raises ControlError when it is refused."""
    host, _, number = str(board["control"]).rpartition(":")
    line = json.dumps({"token": board["token"], "do": do, **arguments}) + "\n"
    try:
        with socket.create_connection((host, int(number)), timeout=timeout_s) as connection:
            connection.sendall(line.encode())
            reply = connection.makefile("rb").readline()
    except OSError as e:
        raise ControlError(f"the virtual board of process {board['pid']} does not answer: {e}") from e
    if not reply:
        raise ControlError(f"the virtual board of process {board['pid']} hung up")
    answer: Answer = json.loads(reply)
    if not answer["ok"]:
        raise ControlError(str(answer["error"]))
    return answer
