"""The fault matrix: what is made to fail, at which points of operation, and what must come of it how soon.

One row of CASES is one failure; `play` tries it at one random point. A time counts from the failure, or from
the instant at which it begins to show (`since`). Motor times are taken from the pins; the time until the host
has heard of it includes the tenth of a second in which events wait for their turn.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openknead_sim import inject
from openknead_sim.analog import ntc_volts
from openknead_sim.flash import Flash, PowerCut
from openknead_sim.observer import level_rate
from openknead_sim.plant import Hand, StrokeHand
from openknead_sim.rig import MOT_PWM, RUN_REQ
from openknead_sim.rpc import RpcError
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import KEEPALIVE, Stage
from openknead_sim.virtual import NotRunning

TICK_MS = 10
STEP_S = TICK_MS / 1000
SESSION_S = 900
STALL_DEMAND_OPM = 500  # below it a stall is not judged (docs/faults.md)
WAKE_S = 0.03  # from the start of a session to the first duty
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

    level: 1…11; pressure: 0…1; strokes: the hand moves; charge: 0.15…1, which is 10.5…12.6 V; ambient_c: °C,
    of the air and of everything; slew_s: 1…2; moment: one of MOMENTS; after_s: from the moment to the failure,
    down to the microsecond, so that it falls anywhere into a tick.
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

    injection, value: as `inject.begin` takes them, value being a number, a word, or (low, high) or words to draw
    from; accepted: what may be reported by way of `reports`: "fault", "reason" (why a session ended), "refusal",
    or "selftest" (names of the tests that failed); within_ms: until the host has heard of it; off_ms: until the
    motor is off, None when it was off or may go on;
    state: "driven", "idle" or "off" (it fails without power); then: what somebody does a second later, from
    which the time counts: a method `_then_…` of Trial, "" = nothing;
    since: when the failure begins to show, a function of the trial; levels, pressure, moments, ambient_c: points
    at which it is tried, where others could not show it; lasts_ms: mended after so long, because the device
    cannot speak before; longest: a quarter of an hour a trial; breaks: promises of the observer that the
    failure itself breaks, not the firmware.
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
        self.started_us = 0
        self.begun_us = 0
        self.off_us = 0  # when the motor was driven last
        self._driven = False
        for pin in (RUN_REQ, MOT_PWM):
            self.board.chip.watch(pin, self._look)

    # -- what is seen ---------------------------------------------------------------------------------

    def _look(self, _pin: int) -> None:
        chip = self.board.chip
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
        except (NotRunning, PowerCut) as e:
            outcome.problem = f"{e!r}; reported {self.reported_names()}"
        except RpcError as e:
            outcome.problem = f"{e} {e.data}"
        return outcome

    def reported_names(self) -> list[str]:
        return [text for _, text in self.stage.events]

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
                self.board.send(b"\n")  # the line that was cut off ends here
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
        self.started_us = self.now_us
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


# -- when a failure shows ---------------------------------------------------------------------------------


def _stall_is_judged(trial: Trial) -> int | None:
    """From a demand of STALL_DEMAND_OPM on, which is half of the soft start."""
    judged_us = trial.started_us + round((WAKE_S + trial.point.slew_s * STALL_DEMAND_OPM / 1000) * 1e6)
    return max(trial.begun_us, judged_us)


def _reads(channel: int, celsius: float) -> Callable[[Trial], int | None]:
    """The thermistor reads so hot."""

    def since(trial: Trial) -> int | None:
        volts = trial.board.rig.ntc_override[channel]
        return trial.now_us if volts is not None and volts <= ntc_volts(celsius) else None

    return since


def _reads_40_k_below_the_handle(trial: Trial) -> int | None:
    volts = trial.board.rig.ntc_override[0]
    cold = volts is not None and volts >= ntc_volts(trial.board.plant.handle_c - 40.0)
    return trial.now_us if cold else None


def _too_fast(trial: Trial) -> int | None:
    """The shaft turns at more than one and a half times the level's rate and 500 opm."""
    return trial.now_us if trial.board.plant.rate_opm > 1.5 * level_rate(trial.point.level) + 500.0 else None


def _turns(trial: Trial) -> int | None:
    """The shaft turns faster than 300 opm, unasked."""
    return trial.now_us if trial.board.plant.rate_opm > 300.0 else None


def _after(seconds: float) -> Callable[[Trial], int | None]:
    """So long after the start of the session."""
    return lambda trial: max(trial.begun_us, trial.started_us + round((WAKE_S + seconds) * 1e6))


HOT = {"motor": 90.0, "driver": 100.0, "handle": 48.0}
HEATS = {"motor": 90.0, "driver": 100.0, "handle": 50.0}
EASY: dict[str, Any] = {"levels": (1, 8), "pressure": (0.0, 0.5)}
SENSORS = (
    "adc_reference",
    "motor_sensor",
    "driver_sensor",
    "handle_sensor",
)  # all go at once: which is first?
PIN_IS_HIGH = ("off_without_session", "off_on_fault", "stop_at_once")  # RUN_REQ itself is what fails


def _thermistors() -> list[Case]:
    cases = []
    for n, name in enumerate(("motor", "driver", "handle")):
        sensor = (f"{name}_sensor",)
        for state, off_ms in (("driven", 360), ("idle", None)):
            for end in ("open", "short"):
                cases.append(
                    Case(f"{name} thermistor {end}, {state}", f"{name}_ntc", sensor, 470, end, off_ms, state)
                )
            cases.append(
                Case(
                    f"{name} thermistor jumps up, {state}",
                    f"{name}_ntc_jump",
                    sensor,
                    470,
                    (12.0, 100.0),
                    off_ms,
                    state,
                )
            )
            cases.append(
                Case(
                    f"{name} thermistor jumps down, {state}",
                    f"{name}_ntc_jump",
                    sensor,
                    430,
                    (-100.0, -12.0),
                    off_ms,
                    state,
                )
            )
        cases.append(
            Case(
                f"{name} gets hot",
                f"{name}_ntc_drift",
                (f"{name}_hot",),
                1_110,
                HEATS[name],
                1_000,
                since=_reads(n, HOT[name]),
            )
        )
    return cases


CASES = (
    # motor and driver
    Case("rotor blocked", "blocked", ("stall", "over_current"), 610, off_ms=500, since=_stall_is_judged),
    Case(
        "shaft braked",
        "stall_torque",
        ("stall", "over_current"),
        610,
        (0.1, 0.5),
        500,
        since=_stall_is_judged,
    ),
    Case("transistor shorted, driven", "shorted_fet", ("over_current", "runaway"), 500, **EASY),
    Case(
        "transistor shorted, until the session ends",
        "shorted_fet",
        ("over_current", "runaway", "uncommanded_motion"),
        5_500,
        then="stop",
    ),
    Case("transistor shorted, idle", "shorted_fet", ("uncommanded_motion",), 500, state="idle", since=_turns),
    Case(
        "bridge dead", "driver_dead", ("current_sensor", "stall"), 1_000, off_ms=800, since=_stall_is_judged
    ),
    Case(
        "motor unplugged",
        "motor_unplugged",
        ("current_sensor", "stall"),
        1_000,
        off_ms=800,
        since=_stall_is_judged,
    ),
    Case("driver complains, driven", "driver_fault", ("driver_fault",), 130, off_ms=1, since=_after(0.05)),
    Case(
        "driver complains, at the start",
        "driver_fault",
        ("driver_fault",),
        200,
        off_ms=90,
        state="idle",
        then="start",
    ),
    Case("tach cut", "tach_cut", ("no_rotation", "stall"), 610, off_ms=500, since=_stall_is_judged),
    Case(
        "drive runs away",
        "drive_runaway",
        ("runaway", "over_current"),
        410,
        off_ms=300,
        since=_too_fast,
        **EASY,
    ),
    # interlock
    Case("RUN_REQ shorted to ground, driven", "run_req_stuck", ("interlock_tripped",), 160, "low", 0),
    Case(
        "RUN_REQ shorted to ground, at the start",
        "run_req_stuck",
        ("interlock_failed",),
        220,
        "low",
        0,
        "idle",
        "start",
    ),
    Case(
        "RUN_REQ shorted to the rail, idle",
        "run_req_stuck",
        ("interlock_failed",),
        190,
        "high",
        None,
        "idle",
        breaks=PIN_IS_HIGH,
    ),
    Case(
        "RUN_REQ shorted to the rail, after a session",
        "run_req_stuck",
        ("interlock_failed",),
        190,
        "high",
        20,
        then="stop",
        breaks=PIN_IS_HIGH,
    ),
    Case(
        "RUN_REQ shorted to the rail, self-test",
        "run_req_stuck",
        ("interlock_drops", "interlock_stays"),
        600,
        "high",
        None,
        "off",
        "power",
        "selftest",
        breaks=PIN_IS_HIGH,
    ),
    Case(
        "RUN_REQ shorted to ground, self-test",
        "run_req_stuck",
        ("interlock_rises", "interlock_drops"),
        600,
        "low",
        None,
        "off",
        "power",
        "selftest",
    ),
    # sensors
    *_thermistors(),
    Case(
        "motor thermistor drifts down",
        "motor_ntc_drift",
        ("motor_sensor",),
        1_110,
        -60.0,
        1_000,
        since=_reads_40_k_below_the_handle,
    ),
    Case("reference high, driven", "adc_reference", ("adc_reference",), 430, (6.0, 100.0), 320),
    Case("reference low, driven", "adc_reference", ("adc_reference",), 430, (-100.0, -6.0), 320),
    Case("reference high, idle", "adc_reference", ("adc_reference",), 430, (6.0, 100.0), None, "idle"),
    Case("reference low, idle", "adc_reference", ("adc_reference",), 430, (-100.0, -6.0), None, "idle"),
    Case("ADC stuck, driven", "adc_stuck", SENSORS, 470, "all", 360),
    Case("ADC stuck, idle", "adc_stuck", SENSORS, 470, "all", None, "idle"),
    Case("temperatures stuck, driven", "adc_stuck", SENSORS, 470, "temperatures", 360, ambient_c=(5.0, 12.0)),
    Case(
        "current sense stuck, after the session",
        "adc_stuck",
        ("current_sensor",),
        800,
        "current",
        None,
        then="stop",
        moments=("ramping", "steady"),
    ),
    Case(
        "current sense at ground",
        "current_short",
        ("current_sensor",),
        1_400,
        "ground",
        1_250,
        since=_after(0.3),
    ),
    Case("current sense at the rail, driven", "current_short", ("over_current",), 140, "rail", 30),
    Case("current sense at the rail, idle", "current_short", ("over_current",), 140, "rail", None, "idle"),
    Case(
        "current sense off upwards, idle",
        "current_drift",
        ("current_sensor", "over_current"),
        700,
        (0.25, 3.3),
        None,
        "idle",
    ),
    Case(
        "current sense off upwards, after the session",
        "current_drift",
        ("current_sensor", "over_current", "stall"),
        700,
        (0.25, 3.3),
        None,
        then="stop",
    ),
    # supply
    Case("supply sags", "supply_sag", ("battery_critical",), 800, (6.0, 8.8), 700, moments=("steady",)),
    Case(
        "supply sags at the start",
        "supply_sag",
        ("supply_dip", "battery_critical"),
        800,
        (6.0, 8.8),
        700,
        moments=("soft_start",),
    ),
    Case("supply gone", "supply_sag", ("driver_fault",), 130, (0.0, 4.0), 20, since=_after(0.05)),
    Case("supply too high, driven", "supply_high", ("supply_high",), 430, (13.3, 20.0), 320),
    Case("supply too high, idle", "supply_high", ("supply_high",), 430, (13.3, 20.0), None, "idle"),
    Case("supply weak", "supply_dip", ("supply_dip",), 430, (2.3, 5.0), 320, "idle", "start"),
    # buttons
    *(
        Case(
            f"{button} stuck",
            "button_stuck",
            ("button_stuck",),
            10_500,
            button,
            None,
            "idle",
            reports="refusal",
        )
        for button in ("plus", "minus", "mode")
    ),
    *(
        Case(
            f"{button} bounces",
            "button_bouncing",
            ("button_stuck",),
            1_500,
            button,
            None,
            "idle",
            reports="refusal",
        )
        for button in ("plus", "minus", "mode")
    ),
    Case("STOP's wire off, driven", "stop_open", ("stop_button",), 120, None, 1, reports="reason"),
    Case("STOP's wire off, idle", "stop_open", ("stop_open",), 10_500, None, None, "idle", reports="refusal"),
    # processor and firmware
    Case("hang", "hang", ("watchdog_reset",), 1_300, None, 110),
    Case("hung tick", "slow_tick", ("watchdog_reset",), 1_300, (1_050.0, 5_000.0), 120),
    Case("watchdog runs out", "watchdog", ("watchdog_reset",), 200, None, 1),
    Case("slow tick", "slow_tick", ("tick_overrun",), 3_000, (52.0, 880.0), 130, lasts_ms=2_000),
    Case("very slow tick", "slow_tick", ("clock_jump",), 3_000, (905.0, 930.0), 130, lasts_ms=2_000),
    Case("crash", "crash", ("crashed",), 1_500, None, 20),
    Case("clock jumps ahead", "clock_jump", ("clock_jump",), 130, (0.95, 500.0), 15),
    Case("clock jumps back", "clock_jump", ("clock_jump",), 130, (-500.0, -0.02), 15),
    Case("clock skips", "clock_jump", ("tick_overrun",), 130, (0.06, 0.85), 15),
    Case("memory low, driven", "heap_low", ("heap_low",), 45_000, (0.0, 11_900.0), 52_000),
    Case("memory low, idle", "heap_low", ("heap_low",), 45_000, (0.0, 11_900.0), None, "idle"),
    # flash
    Case("flash fails", "flash_failing", ("flash_failed",), 300, then="stop"),
    Case("flash full", "flash_full", ("flash_failed",), 300, then="stop"),
    Case(
        "firmware changed, restart",
        "firmware_file_changed",
        ("firmware_changed",),
        500,
        None,
        None,
        "idle",
        "restart",
    ),
    Case(
        "firmware changed, self-test",
        "firmware_file_changed",
        ("firmware",),
        6_000,
        None,
        None,
        "idle",
        "selftest",
        "selftest",
    ),
    Case(
        "settings corrupt",
        "settings_corrupt",
        ("settings_invalid",),
        500,
        None,
        None,
        "off",
        "power",
        "refusal",
    ),
    # serial
    Case("host silent", "host_silent", ("host_lost",), 3_300, None, 3_150, reports="reason"),
    Case("cable out", "serial_dropped", ("host_lost",), 4_600, None, 3_150, reports="reason", lasts_ms=4_500),
    Case(
        "serial garbled",
        "serial_garbled",
        ("host_lost",),
        4_600,
        (2.0, 25.0),
        3_150,
        reports="reason",
        lasts_ms=4_500,
    ),
    # the longest
    Case(
        "session's clock stands",
        "session_clock_stands",
        ("session_overrun",),
        150,
        "session",
        30,
        since=_after(901.0),
        longest=True,
        breaks=("fifteen_minutes",),
    ),
    Case(
        "both clocks stand",
        "session_clock_stands",
        ("interlock_tripped",),
        1_110,
        "both",
        1_000,
        since=_after(905.0),
        longest=True,
        breaks=("fifteen_minutes",),
    ),
)

BY_NAME = {case.name: case for case in CASES}
