"""Stage: a virtual board under an observer, with a host that keeps its session alive, and a transcript.

Scenario files are played on it (`scenario`), and tests that need more than a file says use it as it is. Time
advances from tick to tick of the firmware, so that the transcript is never older than that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from . import inject
from .agreement import Seen, disagreements
from .chip import FUNC_SIO
from .crc import framed
from .flash import Flash
from .observer import TICK_US, Driven, Observer, attach
from .plan import Plan, Stages
from .plant import Params, Plant
from .rig import BUZZER, MOT_PH, MOT_PWM, RUN_REQ
from .rpc import RpcError
from .scenario_file import Scenario, hand
from .virtual import NotRunning, VirtualBoard

KEEPALIVE = framed({"jsonrpc": "2.0", "method": "session.keepalive"})  # its answer is not waited for
KEEPALIVE_US = 1_000_000
BOOT_MS = 500  # with the first self-test
WRITTEN_MS = 1_000  # after a session the journal has been written by then
WD_KICK = 2
SAFE_LOW = (RUN_REQ, MOT_PWM, MOT_PH, WD_KICK, BUZZER)
TRANSCRIPT_LINES = 40  # of it in a message


@dataclass
class Result:
    """What a scenario came to. problems: what did not hold, empty when all did; transcript: what was said
    and done; observer: has the figures seen at the pins."""

    scenario: Scenario
    observer: Observer
    problems: list[str] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.scenario.path}: {self.scenario.title}: {'failed' if self.problems else 'held'}"]
        lines += [f"  {problem}" for problem in self.problems]
        if self.problems:
            lines.append("  the end of the transcript:")
            lines += [f"    {line}" for line in self.transcript[-TRANSCRIPT_LINES:]]
        return "\n".join(lines)


class Stage:
    """A board, its observer and its transcript, for scenarios and for tests that need more than a file says.

    board: the VirtualBoard, ready (remote start enabled unless as_shipped); asked: level granted last;
    zero_us: the board's clock at time 0.
    """

    def __init__(self, scenario: Scenario, flash: Flash | None = None) -> None:
        """flash: an earlier board's, or one with other firmware; None = new, with the packaged firmware."""
        self.scenario = scenario
        conditions = scenario.board
        plant = Plant(
            Params(**conditions.get("plant", {})), scenario.seed, soc=float(conditions.get("charge", 1.0))
        )
        if "ambient_c" in conditions:
            plant.heat.ambient_c = float(conditions["ambient_c"])
            plant.heat.soak(plant.heat.ambient_c)
        self.board = board = VirtualBoard(
            scenario.seed,
            remote_start=not conditions.get("as_shipped", False),
            flash=flash,
            plant=plant,
            start_us=conditions.get("clock_ms", 0) * 1000,
        )
        if not conditions.get("tach", True):
            inject.begin(board, "tach_cut")
        self.result = Result(scenario, Observer())
        self.observer = self.result.observer
        self._tick_us = 0
        board.chip.watch(WD_KICK, self._ticked)
        self.look = attach(self.observer, board)
        self.keepalive = conditions.get("keepalive", True)
        self.state = "IDLE"
        self.asked: float = 0
        self.plan: Plan | None = None  # of the program that is played
        self._selected: Stages = ()  # what the start button plays
        self._plus_pressed = False
        self._plan_stale = False  # the program selected, or its shift, is another one
        self.events: list[tuple[int, str]] = []
        self._seen: list[tuple[int, Seen]] = []  # sessions, with when they ended
        self._counted: Driven | None = None  # the last of the observer's that was looked at
        self._deaf = False  # there was a time when the device was not heard
        self._boots = 0
        self._settings_stale = False
        self._values: dict[str, Any] = {}
        board.power_on()
        board.run_ms(BOOT_MS)
        self._settings(conditions.get("settings", {}))
        board.notifications.clear()
        board.receive()
        self._boots = board.boots
        self.zero_us = board.chip.clock_us
        self._next_keepalive_us = 0
        self._records_from = self._last_record() + 1
        if "hand" in conditions:
            plant.hand = hand(conditions["hand"], self.zero_us / 1e6)

    @property
    def now_us(self) -> int:
        """Microseconds since time 0 of the scenario."""
        return self.board.chip.clock_us - self.zero_us

    def _ticked(self, _pin: int) -> None:
        self._tick_us = self.board.chip.clock_us

    # -- time and talk ------------------------------------------------------------------------------

    def run_to(self, at_us: int) -> None:
        """Let time pass until at_us of the scenario, the host alive unless it is to be silent."""
        board = self.board
        while self.now_us < at_us:
            piece = TICK_US - (board.chip.clock_us - self._tick_us) % TICK_US
            board.run_ms(min(piece, at_us - self.now_us) / 1000)
            self._drain()
            self._deaf = self._deaf or not self._hears()
            if self._settings_stale:
                self._settings({})
            if self._plan_stale and board.powered:
                self._plan_again()
            if self.plan and self.state == "RUNNING":
                self._ask(self.plan.level(self.now_us))
            if self.now_us >= self._next_keepalive_us:
                self._next_keepalive_us = self.now_us + KEEPALIVE_US
                if self.keepalive and self.state in ("RUNNING", "PAUSED", "ENDING") and board.powered:
                    board.send(KEEPALIVE)

    def run_s(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.run_to(self.now_us + round(seconds * 1e6))

    def rpc(self, method: str, **params: Any) -> Any:
        """Call a method: its result. Raises RpcError or NotRunning."""
        quiet = method in ("session.keepalive", "status", "hello", "journal.read")
        if not quiet:
            self.note(f"> {method} {json.dumps(params)}")
        stages = self._stages(params["program"]) if method == "session.start" and "program" in params else ()
        try:
            result = self.board.rpc(method, **params)
        except RpcError as e:
            self.note(f"< {e} {json.dumps(e.data)}")
            raise
        finally:
            self._drain(raw=False)
        if not quiet:
            self.note(f"< {json.dumps(result)}")
        if method == "session.start":
            self.plan = Plan(stages, params.get("shift", 0), self.now_us) if stages else None
        self._heard(method, params, result)
        return result

    def _stages(self, name: str) -> Stages:
        """A program's stages as the device gives them; none when it has none of that name."""
        stages: list[Any] = []
        start: int | None = 0
        try:
            while start is not None:
                page = self.board.rpc("program.get", name=name, start=start)
                stages += page["stages"]
                start = page["next"]
        except RpcError:
            return ()
        return stages

    def _plan_again(self) -> None:
        self._plan_stale = False
        if self.plan:
            self.plan.shift = self.board.rpc("status")["shift"]
        elif self.state == "IDLE":
            self._selected = self._stages(self.board.rpc("program.list")["selected"])

    def _heard(self, method: str, params: dict[str, Any], result: Any) -> None:
        if method == "session.level" and self.plan:
            self._plan_stale = True
        elif method in ("session.start", "session.level"):
            self._ask(params.get("level", 0))
        elif method in ("session.stop", "session.pause"):
            self.observer.stop(self.board.chip.clock_us)
        elif method == "fault.clear":
            self.observer.fault(None)
        elif method == "status":
            fault = result["fault"]
            self.observer.fault(fault["name"] if fault else None)
            self._state(result["state"], result["reason"])
        elif method in ("settings.set", "settings.reset"):
            self._settings({})

    def _settings(self, changes: dict[str, Any]) -> None:
        self._settings_stale = False
        if changes:
            self.board.agreed("settings.set", values=changes)
        start: int | None = 0
        while start is not None:
            page = self.board.rpc("settings.list", start=start)
            self._values.update(page["values"])
            start = page["next"]
        self.observer.slew_s = float(self._values["slew_s"])

    def _ask(self, level: float) -> None:
        self.asked = level
        self.observer.asked(level)

    def _drain(self, raw: bool = True) -> None:
        board = self.board
        if raw:
            board.notifications += board._messages()
        if board.boots != self._boots:
            self._boots = board.boots
            self.state = "IDLE"
            self.plan = None
            self._plus_pressed = False
            self._cut_short()
            self.observer.restarted()
            self.note(f"the board starts, number {board.boots}")
        for message in board.notifications:
            if message.get("method") == "event":
                self._event(message["params"])
            elif "error" in message or "result" in message:
                self.note(f"< {json.dumps(message)}")
        board.notifications.clear()

    def _event(self, params: dict[str, Any]) -> None:
        name, value = params["name"], params.get("value")
        text = " ".join(
            str(part) for part in (name, _joined(value), params.get("reason")) if part is not None
        )
        self.events.append((self.now_us, text))
        self.note(f"! {text}")
        if name == "boot":
            self._settings_stale = self._plan_stale = True
        elif name == "state":
            self._state(str(value), params.get("reason"))
        elif name == "fault":
            self.observer.fault(str(value))
        elif name == "button" and value in ("plus", "minus"):
            self._level_by_button(1 if value == "plus" else -1)
        elif name == "stage" and self.plan:
            self.plan.enter(int(value or 0), self.now_us)
        elif name == "select":
            self._plan_stale = True
        elif name == "confirm":
            self._settings_stale = True
            if value == "applied":
                self.observer.agreed()

    def _state(self, state: str, reason: str | None) -> None:
        if state == "IDLE" and self.state != "IDLE":
            self._ended(reason)
            self.plan = None
        elif state == "RUNNING" and self.state == "IDLE" and self._plus_pressed:
            self.plan = Plan(self._selected, 0, self.now_us)
        self._plus_pressed = False
        self.state = state
        self.observer.session(state)

    def _level_by_button(self, step: int) -> None:
        values = self._values
        if self.plan:
            self._plan_stale = True
        elif self.state == "IDLE" and self._selected:
            self._plus_pressed = step > 0  # the program begins when it is let go
        elif self.state == "IDLE" and step > 0:
            self._ask(values["default_level"])
        elif self.state in ("RUNNING", "PAUSED"):
            self._ask(min(max(self.asked + step, values["min_level"]), values["max_level"]))

    # -- the journal --------------------------------------------------------------------------------

    def _ended(self, reason: str | None) -> None:
        """A session is over: take down what the pins showed of it."""
        sessions = self.observer.sessions
        if sessions and sessions[-1] is not self._counted:
            self._counted = session = sessions[-1]
            now_us = self.board.chip.clock_us
            least_ms = (session.off_us - session.begun_us) / 1000
            most_ms = (now_us - session.begun_us) / 1000 if self.state == "PAUSED" else least_ms
            self._seen.append((now_us, Seen(least_ms, most_ms, reason)))

    def _cut_short(self) -> None:
        """The board starts again: a session that ran has no record, one just before may have none."""
        sessions = self.observer.sessions
        self._counted = sessions[-1] if sessions else None
        late_us = self.board.chip.clock_us - WRITTEN_MS * 1000
        self._seen = [
            (at_us, replace(seen, must=seen.must and at_us < late_us)) for at_us, seen in self._seen
        ]

    def finish(self) -> None:
        """At the end: a session that still runs is stopped, and the journal has to agree with the pins.

        Nothing happens when the device cannot be asked, or keeps no journal.
        """
        board = self.board
        if not board.powered or board.at_prompt or board.chip.hang or not self._hears():
            return
        try:
            if "journal" not in self.rpc("hello")["capabilities"]:
                return
            if self.rpc("status")["state"] != "IDLE":
                self.rpc("session.stop")
            self.run_s(WRITTEN_MS / 1000)
            records = self._records(self._records_from)
        except NotRunning:
            return
        for detail in disagreements([seen for _, seen in self._seen], records, self._deaf):
            self.observer.disagree(detail)

    def _records(self, start: int | None) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        while start is not None:
            page = self.rpc("journal.read", start=start)
            records += page["records"]
            start = page["next"]
        return records

    def _last_record(self) -> int:
        try:
            return self.board.rpc("journal.read")["last"] or 0
        except RpcError:
            return 0

    def _hears(self) -> bool:
        return not inject.SERIAL.intersection(inject.injected(self.board))

    # -- looking ------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A line for the transcript."""
        self.result.transcript.append(f"{self.now_us / 1e6:9.3f} {text}")

    def measure(self, name: str) -> Any:
        """A quantity of board or plant by its name in scenario files."""
        board = self.board
        rig = board.rig
        chip = board.chip
        if name in ("led", "buzzer_hz"):
            return getattr(rig, name)
        if name in ("boots", "at_prompt"):
            return getattr(board, name)
        if name == "duty":
            return chip.mean(MOT_PWM)
        if name == "run_req":
            return chip.levels[RUN_REQ] == 1
        if name == "pins_low":
            return all(chip.levels[pin] == 0 and chip.func[pin] == FUNC_SIO for pin in SAFE_LOW)
        return getattr(board.plant, {"charge": "soc"}.get(name, name))


def _joined(value: Any) -> Any:
    return ",".join(value) if isinstance(value, list) else value
