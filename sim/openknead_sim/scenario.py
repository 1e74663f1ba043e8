"""Scenario: plays a scenario file on a virtual board in virtual time, through the real RPC text.

An Observer watches the pins all the while, whatever the file expects. Time goes on from tick to tick of the
firmware, so that the transcript is never older than that.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .analog import ntc_volts
from .chip import FUNC_SIO, PWRON_RESET, WDT_RESET
from .observer import TICK_US, Observer, attach, level_rate
from .plant import Params, Plant
from .rig import BUZZER, MOT_PH, MOT_PWM, RUN_REQ
from .scenario_file import SENSORS, Expect, Scenario, ScenarioError, Step, hand, load
from .virtual import NotRunning, RpcError, VirtualBoard

__all__ = ["Result", "Scenario", "ScenarioError", "Stage", "load", "run"]

KEEPALIVE_US = 1_000_000
BOOT_MS = 200
STAYS_OFF_US = 1_000_000
SENSOR_VOLTS = {"open": 3.3, "short": 0.0, "sound": None}
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


def run(path: Path | str) -> Result:
    """Play a file. Raises ScenarioError when it cannot be used; what did not hold is in the result."""
    return Stage(load(path)).play()


class Stage:
    """A board, its observer and its transcript, for scenarios and for tests that need more than a file says.

    board: the VirtualBoard, ready (remote start enabled unless as_shipped); asked: level granted last.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        conditions = scenario.board
        plant = Plant(
            Params(**conditions.get("plant", {})), scenario.seed, soc=float(conditions.get("charge", 1.0))
        )
        if "ambient_c" in conditions:
            plant.heat.ambient_c = float(conditions["ambient_c"])
            plant.heat.soak(plant.heat.ambient_c)
        self.board = board = VirtualBoard(
            scenario.seed, remote_start=not conditions.get("as_shipped", False), plant=plant
        )
        board.rig.tach_fitted = conditions.get("tach", True)
        self.result = Result(scenario, Observer())
        self.observer = self.result.observer
        self._tick_us = 0
        board.chip.watch(WD_KICK, self._ticked)
        self.look = attach(self.observer, board)
        self.keepalive = conditions.get("keepalive", True)
        self.state = "IDLE"
        self.asked = 0
        self.events: list[tuple[int, str]] = []
        self._boots = 0
        self._values: dict[str, Any] = {}
        board.power_on()
        board.run_ms(BOOT_MS)
        self._settings(conditions.get("settings", {}))
        board.notifications.clear()
        board.receive()
        self._boots = board.boots
        self._zero_us = board.chip.clock_us
        self._next_keepalive_us = 0
        if "hand" in conditions:
            plant.hand = hand(conditions["hand"], self._zero_us / 1e6)

    @property
    def now_us(self) -> int:
        """Microseconds since time 0 of the scenario."""
        return self.board.chip.clock_us - self._zero_us

    def play(self) -> Result:
        """Do everything the file says and check what it expects."""
        plan: list[tuple[int, int, Callable[[], None]]] = []
        for step in self.scenario.steps:
            plan.append((step.at_us, len(plan), partial(self._do, step)))
            if step.action == "press":
                end = step.at_us + round(step.more.get("ms", 100) * 1000)
                plan.append((end, len(plan), partial(self.board.release, step.value)))
        for expect in self.scenario.expects:
            self._plan_expect(plan, expect)
        for at_us, _, act in sorted(plan, key=lambda entry: entry[:2]):
            self.run_to(at_us)
            act()
        self._drain()
        breaches = self.observer.breaches
        breaks = self.scenario.breaks
        self.result.problems += [f"the observer saw, at {b}" for b in breaches if b.promise not in breaks]
        for promise in breaks:
            if not any(breach.promise == promise for breach in breaches):
                self.result.problems.append(f"{promise} was to be broken and held: take it out of `breaks`")
        return self.result

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
            if self.now_us >= self._next_keepalive_us:
                self._next_keepalive_us = self.now_us + KEEPALIVE_US
                if self.keepalive and self.state in ("RUNNING", "PAUSED", "ENDING") and board.powered:
                    self.rpc("session.keepalive")

    def run_s(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.run_to(self.now_us + round(seconds * 1e6))

    def rpc(self, method: str, **params: Any) -> Any:
        """Call a method: its result. Raises RpcError or NotRunning."""
        quiet = method in ("session.keepalive", "status")
        if not quiet:
            self._note(f"> {method} {json.dumps(params)}")
        try:
            result = self.board.rpc(method, **params)
        except RpcError as e:
            self._note(f"< {e} {json.dumps(e.data)}")
            raise
        finally:
            self._drain(raw=False)
        if not quiet:
            self._note(f"< {json.dumps(result)}")
        self._heard(method, params, result)
        return result

    def _heard(self, method: str, params: dict[str, Any], result: Any) -> None:
        if method in ("session.start", "session.level"):
            self._ask(params["level"])
        elif method in ("session.stop", "session.pause"):
            self.observer.stop(self.board.chip.clock_us)
        elif method == "fault.clear":
            self.observer.fault(None)
        elif method == "status":
            fault = result["fault"]
            self.observer.fault(fault["name"] if fault else None)
        elif method in ("settings.set", "settings.reset"):
            self._settings({})

    def _settings(self, changes: dict[str, Any]) -> None:
        if changes:
            self.board.rpc("settings.set", values=changes)
        start: int | None = 0
        while start is not None:
            page = self.board.rpc("settings.list", start=start)
            self._values.update(page["values"])
            start = page["next"]
        self.observer.slew_s = float(self._values["slew_s"])

    def _ask(self, level: int) -> None:
        self.asked = level
        self.observer.asked(level)

    def _drain(self, raw: bool = True) -> None:
        board = self.board
        if raw:
            board.notifications += board._messages()
        if board.boots != self._boots:
            self._boots = board.boots
            self.state = "IDLE"
            self.observer.restarted()
            self._note(f"the board starts, number {board.boots}")
        for message in board.notifications:
            if message.get("method") == "event":
                self._event(message["params"])
            elif "error" in message or "result" in message:
                self._note(f"< {json.dumps(message)}")
        board.notifications.clear()

    def _event(self, params: dict[str, Any]) -> None:
        name, value = params["name"], params.get("value")
        text = " ".join(
            str(part) for part in (name, _joined(value), params.get("reason")) if part is not None
        )
        self.events.append((self.now_us, text))
        self._note(f"! {text}")
        if name == "state":
            self.state = str(value)
            self.observer.session(self.state)
        elif name == "fault":
            self.observer.fault(str(value))
        elif name == "button" and value in ("plus", "minus"):
            self._level_by_button(1 if value == "plus" else -1)

    def _level_by_button(self, step: int) -> None:
        values = self._values
        if self.state == "IDLE" and step > 0:
            self._ask(values["default_level"])
        elif self.state in ("RUNNING", "PAUSED"):
            self._ask(min(max(self.asked + step, values["min_level"]), values["max_level"]))

    def _note(self, text: str) -> None:
        self.result.transcript.append(f"{self.now_us / 1e6:9.3f} {text}")

    # -- actions ------------------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        if step.action != "rpc":
            self._note(f"# {step.action} {step.value} {step.more or ''}".rstrip())
        getattr(self, f"_do_{step.action}", self._set_plant)(step)

    def _set_plant(self, step: Step) -> None:
        names = {"supply_ohm": "supply_extra_ohm", "charge": "soc"}
        setattr(self.board.plant, names.get(step.action, step.action), step.value)

    def _do_press(self, step: Step) -> None:
        self.board.hold(step.value)

    _do_hold = _do_press

    def _do_release(self, step: Step) -> None:
        self.board.release(step.value)

    def _do_rpc(self, step: Step) -> None:
        wanted = step.more.get("error")
        try:
            result = self.rpc(step.value, **step.more.get("params", {}))
        except RpcError as e:
            if e.name != wanted:
                self._problem(step.place, f"{step.value} failed: {e}")
            names = [row["name"] for row in e.data.get("refusals", ())]
            if "refusals" in step.more and names != step.more["refusals"]:
                self._problem(step.place, f"refusals are {names}, not {step.more['refusals']}")
            return
        except NotRunning as e:
            self._problem(step.place, str(e))
            return
        if wanted is not None:
            self._problem(step.place, f"{step.value} succeeded, where {wanted} was to come")
        for key, value in step.more.get("result", {}).items():
            self._compare(step.place, f"{step.value}: {key}", result.get(key), value)

    def _do_send(self, step: Step) -> None:
        self.board.send(step.value.encode())

    def _do_send_hex(self, step: Step) -> None:
        self.board.send(bytes.fromhex(step.value))

    def _do_ctrl_c(self, _step: Step) -> None:
        self.board.send(b"\x03")
        self.observer.stop(self.board.chip.clock_us)

    def _do_keepalive(self, step: Step) -> None:
        self.keepalive = step.value

    def _do_cable(self, step: Step) -> None:
        self.board.chip.usb.connected = step.value
        self.keepalive = step.value

    def _do_host_reads(self, step: Step) -> None:
        self.board.chip.usb.host_reading = step.value

    def _do_hand(self, step: Step) -> None:
        self.board.plant.hand = hand(step.value, self._zero_us / 1e6)

    def _do_supply_v(self, step: Step) -> None:
        self.board.plant.supply_override_v = None if step.value == "own" else float(step.value)

    def _do_ambient_c(self, step: Step) -> None:
        self.board.plant.heat.ambient_c = float(step.value)

    def _do_soak_c(self, step: Step) -> None:
        self.board.plant.heat.ambient_c = float(step.value)
        self.board.plant.heat.soak(float(step.value))

    def _do_tach(self, step: Step) -> None:
        self.board.rig.tach_fitted = step.value

    def _do_sensor(self, step: Step) -> None:
        reads = step.more["reads"]
        volts = SENSOR_VOLTS[reads] if isinstance(reads, str) else ntc_volts(float(reads))
        self.board.rig.ntc_override[SENSORS.index(step.value)] = volts

    def _do_current_drift_v(self, step: Step) -> None:
        self.board.chip.adc[0].drift_volts = float(step.value)

    def _do_reset(self, step: Step) -> None:
        self.board.reset(PWRON_RESET if step.value == "pin" else WDT_RESET)

    def _do_power(self, step: Step) -> None:
        if step.value:
            self.board.power_on()
        else:
            self.board.power_cut()

    # -- expectations -------------------------------------------------------------------------------

    def _plan_expect(self, plan: list[tuple[int, int, Callable[[], None]]], expect: Expect) -> None:
        checks = expect.checks
        for name in ("status", "plant", "follows_pct"):
            if name in checks:
                check = getattr(self, f"_check_{name}")
                for at_us in range(expect.from_us, expect.to_us + 1, expect.every_us):
                    plan.append((at_us, len(plan), partial(check, expect.place, checks[name])))
        if "mean_follows_pct" in checks:
            parts: list[float] = []
            for at_us in range(expect.from_us, expect.to_us + 1, expect.every_us):
                plan.append((at_us, len(plan), partial(self._sample, parts)))
            mean = partial(self._check_mean, expect.place, checks["mean_follows_pct"], parts)
            plan.append((expect.to_us, len(plan), mean))
        for name in ("events", "never"):
            if name in checks:
                check = getattr(self, f"_check_{name}")
                plan.append((expect.to_us, len(plan), partial(check, expect, checks[name])))
        if "off_within_ms" in checks:
            off_us = expect.from_us + round(checks["off_within_ms"] * 1000)
            for at_us in range(off_us, off_us + STAYS_OFF_US, TICK_US):
                plan.append((at_us, len(plan), partial(self._check_off, expect.place)))

    def _check_status(self, place: str, wanted: dict[str, Any]) -> None:
        try:
            status = self.rpc("status")
        except NotRunning as e:
            self._problem(place, str(e))
            return
        if isinstance(status["fault"], dict):
            status["fault"] = status["fault"]["name"]
        for key, value in wanted.items():
            if key not in status:
                raise ScenarioError(
                    f"{self.scenario.path}: {place}: the device's status has no {key!r}: "
                    f"use one of {', '.join(status)}"
                )
            self._compare(place, f"status {key}", status[key], value)

    def _check_plant(self, place: str, wanted: dict[str, Any]) -> None:
        for key, value in wanted.items():
            self._compare(place, key, self.measure(key), value)

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

    def _check_follows_pct(self, place: str, percent: float) -> None:
        rate = self.board.plant.rate_opm
        asked = level_rate(self.asked)
        if not asked or abs(rate - asked) > asked * percent / 100:
            self._problem(place, f"the shaft turns at {rate:.0f} opm where {asked:.0f} were asked for")

    def _sample(self, parts: list[float]) -> None:
        asked = level_rate(self.asked)
        parts.append(self.board.plant.rate_opm / asked if asked else 0.0)

    def _check_mean(self, place: str, percent: float, parts: list[float]) -> None:
        off = 100.0 * (sum(parts) / len(parts) - 1.0)
        if abs(off) > percent:
            self._problem(place, f"the mean rate is {off:+.2f} % off")

    def _check_off(self, place: str) -> None:
        if self.measure("run_req") or self.measure("duty"):
            self._problem(place, f"the motor is driven: duty {self.measure('duty'):.3f}")

    def _events_of(self, expect: Expect) -> list[str]:
        return [text for at_us, text in self.events if expect.from_us <= at_us <= expect.to_us]

    def _check_events(self, expect: Expect, wanted: list[str]) -> None:
        came = iter(seen := self._events_of(expect))
        for text in wanted:
            if not any(_is(event, text) for event in came):
                self._problem(expect.place, f"event {text!r} did not come in its turn; there were {seen}")
                return

    def _check_never(self, expect: Expect, unwanted: list[str]) -> None:
        for event in self._events_of(expect):
            if any(_is(event, text) for text in unwanted):
                self._problem(expect.place, f"there was the event {event!r}")

    def _compare(self, place: str, name: str, value: Any, wanted: Any) -> None:
        if isinstance(wanted, list) and len(wanted) == 2 and all(_is_number(w) for w in wanted):
            if not _is_number(value) or not wanted[0] <= value <= wanted[1]:
                self._problem(place, f"{name} is {value}, not within {wanted[0]:g}…{wanted[1]:g}")
        elif value != (None if wanted == "none" else wanted):
            self._problem(place, f"{name} is {value!r}, not {wanted!r}")

    def _problem(self, place: str, text: str) -> None:
        """Note what did not hold, once per place: an expectation over a minute fails once."""
        if not any(place in problem for problem in self.result.problems):
            self.result.problems.append(f"{place}: at {self.now_us / 1e6:.3f} s {text}")


def _is(event: str, wanted: str) -> bool:
    """Whether an event is the wanted one; the wanted text may leave words off at the end."""
    return event == wanted or event.startswith(wanted + " ")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _joined(value: Any) -> Any:
    return ",".join(value) if isinstance(value, list) else value
