"""Scenario: plays a scenario file on a virtual board in virtual time, through the real RPC text.

An Observer watches the pins all the while, whatever the file expects.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from . import failures, inject
from .chip import PWRON_RESET, WDT_RESET
from .observer import TICK_US, level_rate
from .rpc import RpcError
from .scenario_file import Expect, Scenario, ScenarioError, Step, hand, load
from .stage import Result, Stage
from .virtual import NotRunning

__all__ = ["Player", "Result", "Scenario", "ScenarioError", "load", "run"]

STAYS_OFF_US = 1_000_000


def run(path: Path | str) -> Result:
    """Play a file. Raises ScenarioError when it cannot be used; what did not hold is in the result."""
    return Player(load(path)).play()


class Player(Stage):
    """Does what a scenario says and checks what it expects."""

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
        self.finish()
        breaches = self.observer.breaches
        breaks = self.scenario.breaks
        for breach in breaches:
            if breach.promise not in breaks:
                at_s = (breach.at_us - self.zero_us) / 1e6
                self.result.problems.append(
                    f"the observer: at {at_s:.3f} s {breach.promise}: {breach.detail}"
                )
        for promise in breaks:
            if not any(breach.promise == promise for breach in breaches):
                self.result.problems.append(f"{promise} was to be broken and held: take it out of `breaks`")
        return self.result

    # -- actions ------------------------------------------------------------------------------------

    def _do(self, step: Step) -> None:
        if step.action != "rpc":
            self.note(f"# {step.action} {step.value} {step.more or ''}".rstrip())
        getattr(self, f"_do_{step.action}")(step)

    def _do_inject(self, step: Step) -> None:
        try:
            inject.begin(self.board, step.value, step.more.get("value"))
        except inject.InjectError as e:
            self._problem(step.place, str(e))

    def _do_mend(self, step: Step) -> None:
        inject.mend(self.board, step.value)

    def _do_press(self, step: Step) -> None:
        self.board.hold(step.value)

    _do_hold = _do_press

    def _do_allow(self, _step: Step) -> None:
        self.board.allow()

    def _do_release(self, step: Step) -> None:
        self.board.release(step.value)

    def _do_rpc(self, step: Step) -> None:
        wanted = step.more.get("error")
        try:
            result = self.rpc(step.value, **step.more.get("params", {}))
        except RpcError as e:
            if e.name == "confirm_needed" and wanted is None:
                self.board.agree()
                if step.value == "fault.clear":
                    self.observer.fault(None)
                self.rpc("status")
                return
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

    def _do_hand(self, step: Step) -> None:
        self.board.plant.hand = hand(step.value, self.zero_us / 1e6)

    def _do_charge(self, step: Step) -> None:
        failures.plant("soc")(self.board, float(step.value))

    def _do_ambient_c(self, step: Step) -> None:
        failures.ambient(self.board, float(step.value))

    def _do_soak_c(self, step: Step) -> None:
        failures.soak(self.board, float(step.value))

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
                plan.append((at_us, len(plan), partial(self._check_off, expect.place, at_us == off_us)))

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

    def _check_off(self, place: str, first: bool) -> None:
        """Off; later on a self-test may wake the driver, with no duty. The observer sees to how long."""
        if self.measure("duty") or (first and self.measure("run_req")):
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
