"""A small protocol peer on a real pty or socket, for what a good device never does.

It answers at once, and can be told to be silent, to garble, to vanish, to restart.
"""

from __future__ import annotations

import os
import pty
import select
import socket
import threading
import tty
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from openknead.framing import FrameError, LineReader, decode, encode
from openknead.programs.document import unpack

SETTINGS = [
    {"name": "session_limit_s", "type": "int", "unit": "s", "min": 300, "max": 900, "default": 600}
    | {"doc": "Longest session.", "weakens": True, "local": False},
    {"name": "buzzer", "type": "bool", "unit": "", "min": False, "max": True, "default": True}
    | {"doc": "Beeps with cues.", "weakens": False, "local": False},
    {"name": "host_timeout_s", "type": "int", "unit": "s", "min": 1, "max": 30, "default": 3}
    | {"doc": "Silence of the host that ends a remote session.", "weakens": True, "local": False},
    *(
        {"name": name, "type": "int", "unit": "", "min": 1, "max": 180, "default": default}
        | {"doc": "", "weakens": False, "local": False}
        for name, default in (("min_level", 1), ("max_level", 11), ("slew_s", 2), ("area_s", 90))
    ),
]
FIELDS = (
    *("seq", "t_ms", "state", "level", "level_milli", "demand_opm", "rate_opm", "duty", "current_ma"),
    *("supply_mv", "battery_pct", "motor_dc", "driver_dc", "handle_dc", "elapsed_ms", "remaining_ms"),
    *("limiters", "fault", "pad_dc"),
)
SCHEMA = {
    "settings": SETTINGS,
    "telemetry": [{"name": name, "unit": "", "doc": ""} for name in FIELDS],
    "states": [
        {"value": number, "name": name, "doc": ""}
        for number, name in enumerate(["IDLE", "RUNNING", "PAUSED", "ENDING", "MAINTENANCE"])
    ],
    "limiters": [
        {"bit": 1, "name": "current", "doc": ""},
        {"bit": 2, "name": "heat", "doc": "Heat limits the level."},
    ],
    "faults": [
        {"code": 1, "name": "over_current", "measures": "motor current", "remedy": "Press less hard."},
        {"code": 2, "name": "stall", "measures": "rate below a third of the demand"}
        | {"remedy": "Free the pad, then clear."},
        {"code": 26, "name": "watchdog_reset", "measures": "a hung firmware", "remedy": "Report it."},
    ],
    "refusals": [
        {"bit": 1, "name": "fault_latched", "remedy": "Remove the cause, then clear."},
        {"bit": 2, "name": "stop_pressed", "remedy": "Release STOP."},
        {"bit": 64, "name": "remote_disabled", "remedy": "Hold MODE."},
    ],
    "reasons": [
        {"value": 1, "name": "completed", "doc": "The run time was over."},
        {"value": 2, "name": "stop_button", "doc": "STOP was pressed, or its wire is open."},
    ],
    "selftests": [
        {"name": "ram", "measures": "pattern in RAM", "unit": "", "low": None, "high": None}
        | {"remedy": "Replace the board."},
        {"name": "reference", "measures": "ADC reference", "unit": "mV", "low": 3200, "high": 3400}
        | {"remedy": "Check ADC_VREF."},
        {"name": "motor_ntc", "measures": "motor temperature", "unit": "0.1 C", "low": -100, "high": None}
        | {"remedy": "Check the plug."},
    ],
    "methods": [{"name": "hello", "params": {}, "doc": ""}],
    "areas": [
        {"name": "calf", "sides": True, "doc": "Back of the lower leg."},
        {"name": "glute", "sides": True, "doc": "Buttock."},
        {"name": "lower_back", "sides": False, "doc": "Beside the spine."},
        {"name": "upper_back", "sides": False, "doc": ""},
    ],
    "programs": [
        {"name": "steady", "title": "Steady level", "purpose": "One level.", "cautions": [], "evidence": []},
        {"name": "light", "title": "Light strokes", "purpose": "To begin with."}
        | {"cautions": ["Stop on pain."], "evidence": [["Custom", "No trial found."]]},
    ],
}


Result = tuple[int, str, str]  # exit code, stdout, stderr
Knead = Callable[..., Result]
PAGE = 3  # journal records a reply


class Answer(Exception):
    """An error answer: code, name and further data."""

    def __init__(self, code: int, name: str, **data: Any) -> None:
        super().__init__(name)
        self.error = {"code": code, "message": name, "data": {"name": name, "remedy": f"fix {name}", **data}}


class Peer:
    """A device of sorts; a context manager. `answers`: method → function of its params."""

    def __init__(self, *, tcp: bool = False, hang_ups: int = 0) -> None:
        """hang_ups: so many connections are closed at once before one is served."""
        self.requests: list[dict[str, Any]] = []
        self.silent: set[str] = set()  # methods that get no answer
        self.garble: Callable[[bytes], bytes] = lambda line: line  # what happens to lines on their way out
        self.state = "IDLE"
        self.values: dict[str, Any] = {row["name"]: row["default"] for row in SETTINGS}
        self.hello = {"protocol": "1.0.0", "firmware": "0.1.0", "content": "", "board": "e660"} | {
            "sim": False,
            "capabilities": ["sessions", "journal", "selftest", "clock", "programs"],
            "uptime_ms": 5,
            "unix_s": None,
            "boot": 3,
        }
        self.journal: list[dict[str, Any]] = []  # its records, PAGE of them a reply
        self.programs: dict[str, bytes] = {}  # documents of the user's
        self.selected = "steady"
        self._transfer: tuple[str, int, bytes] = ("", 0, b"")
        self.tests: list[list[Any]] = [
            ["ram", "passed", None],
            ["reference", "passed", 3301],
            ["motor_ntc", "passed", 251],
        ]
        self.polls = 2  # how often a round of self-tests is still running when asked
        self._left = 0
        self.answers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "hello": lambda params: self.hello,
            "schema": self._schema,
            "status": lambda params: {"state": self.state, "reason": "host_stop", "unsaved": []},
            "settings.get": lambda params: {"name": params["name"], "value": self.values[params["name"]]},
            "settings.list": lambda params: {"values": self.values, "next": None},
            "settings.set": lambda params: (
                self.values.update(params["values"])
                or {"changed": list(params["values"]), "unsaved": ["buzzer"]}
            ),
            "session.start": lambda params: self._session("RUNNING"),
            "session.level": lambda params: self._session(self.state),
            "session.stop": lambda params: self._session("IDLE"),
            "session.keepalive": lambda params: self._session(self.state),
            "telemetry.subscribe": lambda params: {"hz": params["hz"]},
            "journal.read": self._journal,
            "selftest": self._selftest,
            "clock.set": self._clock,
            "program.list": self._program_list,
            "program.get": self._program_get,
            "program.begin": self._program_begin,
            "program.write": self._program_write,
            "program.commit": self._program_commit,
            "program.fetch": self._program_fetch,
            "program.remove": lambda params: {
                "removed": self.programs.pop(params["name"]) and params["name"]
            },
            "program.select": self._program_select,
        }
        self._hang_ups = hang_ups
        self._stop = threading.Event()
        self._door: socket.socket | None = None
        if tcp:
            self._door = socket.create_server(("127.0.0.1", 0))
            self.port = f"socket://127.0.0.1:{self._door.getsockname()[1]}"
            self._fds: list[int] = []
        else:
            master, slave = pty.openpty()
            tty.setraw(slave)
            self.port = os.ttyname(slave)
            self._fds = [master, slave]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Peer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()

    def vanish(self) -> None:
        """The cable is pulled."""
        self._stop.set()
        self._thread.join(timeout=2)
        if self._door:
            self._door.close()
        for fd in self._fds:
            with suppress(OSError):
                os.close(fd)
        self._fds = []

    def methods(self) -> list[str]:
        return [str(request.get("method")) for request in self.requests]

    def send(self, message: dict[str, Any]) -> None:
        self.send_raw(self.garble(encode({"jsonrpc": "2.0", **message})))

    def send_raw(self, data: bytes) -> None:
        os.write(self._fds[0], data)

    def event(self, name: str, value: Any, t_ms: int = 0, **data: Any) -> None:
        self.send({"method": "event", "params": {"name": name, "value": value, "t_ms": t_ms, **data}})

    def sample(self, t_ms: int, state: int = 1, **values: Any) -> None:
        row = dict.fromkeys(FIELDS, 0) | {"seq": t_ms // 100, "t_ms": t_ms, "state": state, **values}
        self.send({"method": "telemetry", "params": [row[name] for name in FIELDS]})

    def _serve(self) -> None:
        if self._door:
            self._door.settimeout(5)
            with suppress(OSError):
                for _ in range(self._hang_ups):
                    self._door.accept()[0].close()
                self._fds = [self._door.accept()[0].detach()]
        reader = LineReader(limit=1 << 20)
        while not self._stop.is_set() and self._fds:
            if not select.select([self._fds[0]], [], [], 0.02)[0]:
                continue
            try:
                data = os.read(self._fds[0], 65536)
            except OSError:
                return
            if not data:
                return
            for line in reader.feed(data):
                with suppress(FrameError):
                    self._answer(decode(line))

    def _answer(self, request: dict[str, Any]) -> None:
        self.requests.append(request)
        method, ident = request["method"], request.get("id")
        if method in self.silent:
            return
        try:
            reply: dict[str, Any] = {"id": ident, "result": self.answers[method](request.get("params", {}))}
        except Answer as answer:
            reply = {"id": ident, "error": answer.error}
        if ident is not None and not self._stop.is_set():
            self.send(reply)

    def _session(self, state: str) -> dict[str, Any]:
        self.state = state
        return {"state": state, "level": 3, "remaining_ms": 1000}

    def _journal(self, params: dict[str, Any]) -> dict[str, Any]:
        numbers = [record["n"] for record in self.journal]
        records = [record for record in self.journal if record["n"] >= params.get("start", 0)]
        following = records[PAGE]["n"] if len(records) > PAGE else None
        first, last = min(numbers, default=None), max(numbers, default=None)
        return {"records": records[:PAGE], "first": first, "last": last, "next": following}

    def _selftest(self, params: dict[str, Any]) -> dict[str, Any]:
        self._left = self.polls if params.get("run") else max(self._left - 1, 0)
        if self._left:
            return {
                "state": "running",
                "t_ms": None,
                "tests": [[row[0], "pending", None] for row in self.tests],
            }
        failed = any(row[1] != "passed" for row in self.tests)
        return {"state": "failed" if failed else "passed", "t_ms": 7000, "tests": self.tests}

    def _clock(self, params: dict[str, Any]) -> dict[str, Any]:
        was, self.hello["unix_s"] = self.hello["unix_s"], params["unix_s"]
        return {"unix_s": params["unix_s"], "was": was}

    def _stages(self, name: str) -> list[Any]:
        if name == "light":
            return [["strokes", 60, "ramp", 1, 2, 0, "", "none"], ["rest", 20, "off", 0, 0, 0, "", "stage"]]
        return [] if name == "steady" else unpack(self.programs[name])[1]

    def _program_list(self, params: dict[str, Any]) -> dict[str, Any]:
        names, start = ["steady", "light", *self.programs], params.get("start", 0)
        entries = []
        for name in names[start : start + PAGE]:
            stages = self._stages(name)
            problem = {"stage": 1, "field": "b", "why": "too high"} if name == "unfit" else None
            motor = not stages or any(stage[4] for stage in stages)
            entry = {
                "name": name,
                "builtin": name in names[:2],
                "s": sum(stage[1] for stage in stages) or 600,
            }
            entries.append({**entry, "motor": motor, "problem": problem})
        following = start + PAGE if start + PAGE < len(names) else None
        return {"programs": entries, "next": following, "selected": self.selected}

    def _program_get(self, params: dict[str, Any]) -> dict[str, Any]:
        stages, start = self._stages(params["name"]), params.get("start", 0)
        following = start + PAGE if start + PAGE < len(stages) else None
        return {"name": params["name"], "stages": stages[start : start + PAGE], "next": following}

    def _program_begin(self, params: dict[str, Any]) -> dict[str, Any]:
        self._transfer = (params["name"], params["size"], b"")
        return {"room": 300}

    def _program_write(self, params: dict[str, Any]) -> dict[str, Any]:
        name, size, data = self._transfer
        if params["offset"] != len(data):
            raise Answer(-32053, "transfer", offset=len(data))
        self._transfer = (name, size, data + b64decode(params["data"]))
        return {"offset": len(self._transfer[2])}

    def _program_commit(self, params: dict[str, Any]) -> dict[str, Any]:
        name, size, data = self._transfer
        if len(data) != size:
            raise Answer(-32053, "transfer")
        self.programs[name] = data
        return {"name": name, "s": 1}

    def _program_fetch(self, params: dict[str, Any]) -> dict[str, Any]:
        document, offset = self.programs[params["name"]], params["offset"]
        following = offset + 510 if offset + 510 < len(document) else None
        return {"data": b64encode(document[offset : offset + 510]).decode(), "next": following}

    def _program_select(self, params: dict[str, Any]) -> dict[str, Any]:
        self.selected = params["name"]
        return {"selected": self.selected}

    def _schema(self, params: dict[str, Any]) -> dict[str, Any]:
        section, start = params["section"], params.get("start", 0)
        items = SCHEMA[section][start : start + 5]
        following = start + 5 if start + 5 < len(SCHEMA[section]) else None
        return {"section": section, "start": start, "items": items, "next": following}
