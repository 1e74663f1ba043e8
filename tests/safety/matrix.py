"""The fault matrix: a failure at a random point of operation, and whether the right thing came of it in time.

The rows stand in `cases`; `play` tries one of them. A time counts from the failure, or from
the instant at which it begins to show (`since`). Motor times are taken from the pins; the time until the host
has heard of it includes the tenth of a second in which events wait for their turn.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openknead_sim import inject
from openknead_sim.flash import Flash, PowerCut
from openknead_sim.plant import Hand, StrokeHand
from openknead_sim.rig import MOT_PWM, RUN_REQ
from openknead_sim.rpc import RpcError
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import KEEPALIVE, Stage

TICK_MS = 10
STEP_S = TICK_MS / 1000
SESSION_S = 900
LATE = 3  # a trial waits so many times the stated time, and LATE_MS more, to tell late from never
LATE_MS = 2_000
STAYS_MS = 200  # what was detected must stay, with the motor off
MOMENTS = ("soft_start", "ramping", "steady", "level_change")
LONGEST_S = 1_000.0
PIECE_MS = 900  # of a long wait for what comes at a known time: a sign of life of the host after each
NEAR_MS = 3_000
MOTOR_PROMISES = (
    "off_without_session",
    "fifteen_minutes",
    "stop_at_once",
    "first_fault_kept",
    "off_on_fault",
)


@dataclass
class Point:
    """A point of operation, drawn at random.

    level: 1…11; pressure: 0…1; strokes: the hand moves; charge: 0.15…1, which is 10.5…12.6 V; ambient_c: of
    the air and of everything, °C; slew_s: 1…2; moment: one of MOMENTS; after_s: from the moment to the
    failure, down to the microsecond, so that it falls anywhere into a tick.
    """

    seed: int
    level: int
    pressure: float
    strokes: bool
    charge: float
    ambient_c: float
    slew_s: int
    moment: str
    after_s: float

    def hand(self) -> Hand:
        return StrokeHand(self.pressure, 2.0, seed=self.seed) if self.strokes else Hand(self.pressure)


@dataclass(frozen=True)
class Case:
    """One failure and what must come of it.

    injection, value: as `inject.begin` takes them, value being a number, a word, or (low, high) or words to
    draw from; accepted: what may be reported by way of `reports`: "fault", "reason" (why a session ended),
    "refusal", or "selftest" (names of the tests that failed); within_ms: until the host has heard of it;
    off_ms: until the motor is off, None when it was off or may go on;
    state: "driven", "idle" or "off" (it fails without power); then: what is done a second later, from
    which the time counts: a method `_then_…` of Trial, "" = nothing;
    since: when the failure begins to show, a function of the trial; levels, pressure, moments, ambient_c: the
    points at which it is tried, where others could not show it; lasts_ms: mended after so long, because the
    device cannot speak before; longest: a quarter of an hour a trial; breaks: promises of the observer that
    the failure itself breaks, not the firmware.
    """

    name: str
    injection: str
    accepted: tuple[str, ...]
    within_ms: int
    value: Any = None
    off_ms: int | None = None
    state: str = "driven"
    then: str = ""
    reports: str = "fault"
    since: Callable[[Trial], int | None] | None = None
    levels: tuple[int, int] = (1, 11)
    pressure: tuple[float, float] = (0.0, 1.0)
    moments: tuple[str, ...] = MOMENTS
    ambient_c: tuple[float, float] = (5.0, 35.0)
    lasts_ms: int | None = None
    longest: bool = False
    breaks: tuple[str, ...] = ()

    def draw(self, seed: int) -> tuple[Point, Any]:
        """The point of operation and the value for a seed."""
        rng = random.Random(f"{self.name} {seed}")
        point = Point(
            seed=rng.randrange(1 << 30),
            level=rng.randint(*self.levels),
            pressure=rng.uniform(*self.pressure),
            strokes=rng.random() < 0.4,
            charge=rng.uniform(0.15, 1.0),
            ambient_c=rng.uniform(*self.ambient_c),
            slew_s=rng.choice((1, 1, 2)),
            moment=rng.choice(self.moments),
            after_s=rng.uniform(0.2, 1.5),
        )
        value = self.value
        if isinstance(value, tuple):
            value = rng.choice(value) if isinstance(value[0], str) else rng.uniform(*value)
        return point, value


@dataclass
class Outcome:
    """What a trial came to: problem is None when all was as it must be; times in ms, None: not taken."""

    case: str
    seed: int
    reported: str | None = None
    told_ms: float | None = None
    off_ms: float | None = None
    problem: str | None = None
    point: str = ""

    def line(self) -> str | None:
        """What was wrong, with the seed that repeats it; None when all was right."""
        return f"{self.case}, seed {self.seed}: {self.problem} ({self.point})" if self.problem else None


@functools.cache
def used_flash() -> bytes:
    """The flash of a board that was in use, with remote start allowed: what every trial begins with."""
    return bytes(Stage(Scenario(Path(__file__), "the first start", 1)).board.flash.image)


def new_stage(point: Point, title: str, settings: dict[str, Any]) -> Stage:
    """A board at its point of operation, idle."""
    board = {"charge": point.charge, "ambient_c": point.ambient_c, "settings": settings}
    stage = Stage(Scenario(Path(__file__), title, point.seed, board), flash=Flash(used_flash()))
    stage.board.plant.hand = point.hand()
    return stage


class Trial:
    """One failure at one point of operation."""

    def __init__(self, case: Case, seed: int) -> None:
        self.case = case
        self.point, self.value = case.draw(seed)
        self.outcome = Outcome(case.name, seed, point=f"{self.value} at {self.point}")
        self.rng = random.Random(self.point.seed)
        self.tested_ms = 0
        self.stage = new_stage(
            self.point, case.name, {"slew_s": self.point.slew_s, "session_limit_s": SESSION_S}
        )
        self.board = self.stage.board
        self.armed_us = 0  # when the motor was armed last: a session's begin is on the flash by then
        self.begun_us = 0
        self.off_us = 0  # when the motor was driven last
        self._driven = self._armed = False
        for pin in (RUN_REQ, MOT_PWM):
            self.board.chip.watch(pin, self._look)

    # -- what is seen ---------------------------------------------------------------------------------

    def _look(self, _pin: int) -> None:
        chip = self.board.chip
        if chip.levels[RUN_REQ] == 1 and not self._armed:
            self.armed_us = chip.clock_us
        self._armed = chip.levels[RUN_REQ] == 1
        driven = chip.levels[RUN_REQ] == 1 and chip.mean(MOT_PWM) > 0.0
        if self._driven and not driven:
            self.off_us = chip.clock_us
        self._driven = driven

    @property
    def now_us(self) -> int:
        return self.board.chip.clock_us

    def reported(self) -> tuple[str, int] | None:
        """What was reported first since the failure, and when."""
        case = self.case
        stage = self.stage
        if case.reports == "fault":
            found = [(t, text[6:]) for t, text in stage.events if text.startswith("fault ")]
        elif case.reports == "reason":
            found = [(t, text[11:]) for t, text in stage.events if text.startswith("state IDLE ")]
            if case.lasts_ms and not inject.injected(self.board):  # the event was not heard
                found.append((stage.now_us, str(stage.rpc("status")["reason"])))
        else:
            return self._asked()
        after_us = self.begun_us - stage.zero_us
        return next(((text, t + stage.zero_us) for t, text in found if t >= after_us), None)

    def _asked(self) -> tuple[str, int] | None:
        if self.case.reports == "selftest":
            report = self.stage.rpc("selftest")
            names = [name for name, state, _value in report["tests"] if state == "failed"]
            if report["state"] == "running" or (report["t_ms"] or 0) < self.tested_ms:
                return None
        else:
            names = [name for name in self.stage.rpc("status")["refusals"] if name in self.case.accepted]
        return (",".join(names), self.now_us) if names else None

    # -- what is done ---------------------------------------------------------------------------------

    def play(self) -> Outcome:
        outcome = self.outcome
        try:
            self._play()
        except RpcError as e:
            outcome.problem = f"{e} {e.data}"
        except (Exception, PowerCut) as e:  # one trial's trouble is no reason to lose all the others
            outcome.problem = f"{e!r}; reported {[text for _, text in self.stage.events]}"
        with suppress(PowerCut):
            self.board.power_cut()  # a firmware in the middle of its endless loop is never freed
        return outcome

    def _play(self) -> None:
        case, stage, outcome = self.case, self.stage, self.outcome
        getattr(self, f"_bring_{case.state}")()
        early = [text for _, text in stage.events if text.startswith("fault")]
        if early:
            outcome.problem = f"{early} before anything failed"
            return
        self.begun_us = self.now_us
        inject.begin(self.board, case.injection, self.value)
        shows_us: int | None = self.begun_us
        if case.then:
            stage.run_s(1.0)
            if case.reports != "fault" or self.reported() is None:  # else it was noticed even before
                shows_us = self.now_us
                getattr(self, f"_then_{case.then}")()
        if case.since is not None:
            shows_us = None
        found = None
        give_up_us = self.begun_us + round(LONGEST_S * 1e6)
        mend_us = self.begun_us + 1000 * case.lasts_ms if case.lasts_ms else None
        while self.now_us < give_up_us:
            if mend_us and self.now_us >= mend_us:
                mend_us = None
                inject.mend(self.board, case.injection)
                self.board.send(b"\n?\n")  # ends the line that was cut off, and the device's with an error
            if shows_us is None:
                assert case.since is not None
                shows_us = case.since(self)
            if shows_us is not None:
                self._wait_for(shows_us)
                give_up_us = min(give_up_us, shows_us + (LATE * case.within_ms + LATE_MS) * 1000)
            found = self.reported()
            if found:
                break
            stage.run_s(STEP_S)
        self._judge(found, shows_us)

    def _wait_for(self, at_us: int) -> None:
        """Let time pass until shortly before at_us, at the board's own speed."""
        while self.now_us < at_us - NEAR_MS * 1000:
            self.board.send(KEEPALIVE)
            self.board.run_ms(PIECE_MS)

    def _judge(self, found: tuple[str, int] | None, shows_us: int | None) -> None:
        case, stage, outcome = self.case, self.stage, self.outcome
        if not found:
            outcome.problem = "not detected" if shows_us is not None else "the failure did not show"
            return
        outcome.reported, at_us = found
        if shows_us is None:
            shows_us = at_us  # noticed before its time
        outcome.told_ms = max(0.0, (at_us - shows_us) / 1000)
        names = outcome.reported.split(",")
        problems = []
        if not set(names) <= set(case.accepted):
            problems.append(f"{outcome.reported} is the wrong name")
        if outcome.told_ms > case.within_ms:
            problems.append(f"{outcome.told_ms:.1f} ms instead of {case.within_ms}")
        if case.off_ms is not None:
            stage.run_to(max(stage.now_us, shows_us - stage.zero_us + case.off_ms * 1000))
            outcome.off_ms = (self.off_us - shows_us) / 1000
            if self._driven or outcome.off_ms > case.off_ms:
                problems.append(f"the motor is off after {outcome.off_ms:.1f} ms instead of {case.off_ms}")
        if case.reports in ("fault", "reason"):
            stage.run_s(STAYS_MS / 1000)
            if self._driven and case.off_ms is not None:
                problems.append("the motor is on again")
        problems += [
            f"{breach.promise}: {breach.detail}"
            for breach in stage.observer.breaches
            if breach.promise in MOTOR_PROMISES and breach.promise not in case.breaks
        ]
        outcome.problem = "; ".join(problems) or None

    # -- states, and what is done after the failure ------------------------------------------------------

    def _bring_idle(self) -> None:
        self.board.run_ms(1000 * self.point.after_s)

    def _bring_off(self) -> None:
        self.board.power_cut()
        self.board.run_ms(100)

    def _bring_driven(self) -> None:
        stage, point = self.stage, self.point
        self._start()
        rise_s = point.slew_s * point.level
        if point.moment == "ramping":
            stage.run_s(self.rng.uniform(0.2, 1.0) * rise_s)
        elif point.moment != "soft_start":
            stage.run_s(rise_s + 2.0)
        if point.moment == "level_change":
            stage.rpc("session.level", level=self.rng.randint(*self.case.levels))
        self.board.run_ms(1000 * point.after_s)
        stage.run_s(0)

    def _start(self) -> None:
        self.stage.rpc("session.start", level=self.point.level, run_s=SESSION_S)

    def _then_start(self) -> None:
        self._start()

    def _then_stop(self) -> None:
        self.stage.rpc("session.stop")

    def _then_start_and_stop(self) -> None:
        self._start()
        self.stage.run_s(0.5)
        self.stage.rpc("session.stop")

    def _then_restart(self) -> None:
        self.board.reset()

    def _then_power(self) -> None:
        self.board.power_on()

    def _then_selftest(self) -> None:
        self.tested_ms = self.stage.rpc("status")["uptime_ms"]
        self.stage.rpc("selftest", run=True)


def play(case: Case, seed: int) -> Outcome:
    """Try a case at the point of operation of a seed."""
    return Trial(case, seed).play()
