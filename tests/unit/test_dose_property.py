"""The dose against a ledger that knows what really happened, over power cycles, wrong clocks and zones.

The whole device runs on a board of raw readings, with files that survive. The ledger here knows the true
time and the motor's real time; of each session it works out whether it must count and whether it may.
Both are wider than the device's own rule, which doesn't know how long the power was off.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

ROOT = Path(__file__).resolve().parents[2]
HOUR_S = 3_600
DAY_S = 24 * HOUR_S
EPOCH_S = 20_800 * DAY_S + 20 * HOUR_S  # the true time at the beginning, UTC
LIMIT_S = 120
LOST_S = HOUR_S  # of idle uptime, which a power cut takes away at most
NEAR_S = 5  # of midnight or 24 hours: rounding may decide
MOTOR_MS = 250  # how well a session's motor time is counted
EXAMPLES = 60
KEPT_APART = 8  # sessions that the device doesn't merge

ERRORS_S = st.sampled_from((0, 0, 0, 3, -3, HOUR_S, -HOUR_S, -30 * HOUR_S, DAY_S, 400 * DAY_S, -200 * DAY_S))
ZONES_MIN = st.sampled_from((None, None, 0, 60, 120, -480, -720, 840))
RUNS_S = st.integers(10, 60)
HOURS = st.sampled_from((0.01, 0.5, 2, 5, 9, 14, 23, 24, 30))


@dataclass
class Done:
    """What a session did.

    error_s, stamped_s: the last clock's error and the true time of the first clock since, None without one.
    dates: first and last that it may be charged to, None: not known yet. up_s: uptime since, at least.
    unreal_s: time that seems to have passed without power, because one of two clocks was wrong.
    """

    least_ms: int
    most_ms: int
    end_s: float
    error_s: int | None
    stamped_s: float | None
    dates: tuple[int, int] | None
    up_s: float = 0
    unreal_s: float = 0

    def see_clock(self, error_s: int, now_s: float, again: bool) -> None:
        """A host sets the clock; again: not for the first time since power-on."""
        if self.error_s is None or self.stamped_s is None:
            self.stamped_s = now_s
        else:
            forward_s = error_s - self.error_s
            self.unreal_s = max(0, self.unreal_s + forward_s)
            if again and forward_s > HOUR_S - NEAR_S:
                self.unreal_s = 0
        self.error_s = error_s


@dataclass
class Clock:
    """What the device was told: how far from the true time, how far from UTC, and since when."""

    error_s: int
    zone_s: int
    since_s: float


class Life(RuleBasedStateMachine):
    """A device in use."""

    support: Any

    def __init__(self) -> None:
        super().__init__()
        self.files = self.support.MemoryFiles()
        self.now_s = float(EPOCH_S)
        self.zone_s = 0  # survives power cycles
        self.clock: Clock | None = None
        self.steady: Clock | None = None  # the last one, which the next power-on may bring back
        self.day: tuple[int, int] | None = None  # the date that the device knew last
        self.done: list[Done] = []
        self.motor_ms = 0
        self.power_on()

    # -- what happens -----------------------------------------------------------------------------------

    @rule(run_s=RUNS_S, error_s=st.none() | ERRORS_S, zone_min=ZONES_MIN)
    def a_whole_session(self, run_s: int, error_s: int | None, zone_min: int | None) -> None:
        if not self.started(run_s):
            return
        self.run(3_000)
        if error_s is not None:
            self.set_clock(error_s, zone_min)
        self.run(run_s * 1_000)
        assert not self.app.session.active()
        self.charge(self.motor_ms - MOTOR_MS, self.motor_ms + MOTOR_MS, self.local_s())

    @rule(run_s=RUNS_S, after_ms=st.integers(0, 12_000))
    def a_session_that_is_stopped(self, run_s: int, after_ms: int) -> None:
        if not self.started(run_s):
            return
        self.run(after_ms)
        self.call("session.stop")
        self.run(50)
        if self.motor_ms:
            self.charge(self.motor_ms - MOTOR_MS, self.motor_ms + MOTOR_MS, self.local_s())

    @rule(run_s=RUNS_S, after_ms=st.integers(0, 60_000), hours=HOURS)
    def the_plug_is_pulled(self, run_s: int, after_ms: int, hours: float) -> None:
        if not self.started(run_s):
            return
        begun_s = self.local_s()
        self.run(after_ms)
        self.cut(run_s, begun_s, hours)

    @rule(run_s=RUNS_S, operations=st.integers(0, 30), hours=HOURS)
    def the_power_fails_in_a_write(self, run_s: int, operations: int, hours: float) -> None:
        if not self.started(run_s):
            return
        begun_s = self.local_s()
        self.files.cut_at = self.files.operations + operations
        try:
            self.run(run_s * 1_000 + 2_000)
        except self.files.PowerCut:
            self.files.cut_at = None
            self.cut(run_s, begun_s, hours)
        else:
            self.files.cut_at = None
            self.charge(self.motor_ms - MOTOR_MS, self.motor_ms + MOTOR_MS, self.local_s())

    @rule(run_s=RUNS_S, after_ms=st.integers(0, 60_000))
    def the_device_restarts_in_a_session(self, run_s: int, after_ms: int) -> None:
        if not self.started(run_s):
            return
        begun_s = self.local_s()
        self.run(after_ms)
        whole = not self.app.session.active()
        self.charge(self.motor_ms - MOTOR_MS, self.motor_ms + (MOTOR_MS if whole else 10_000), begun_s, 61)
        self.power_on(self.bench.board.motor_ms)

    @rule(hours=HOURS)
    def hours_pass(self, hours: float) -> None:
        self.pass_s(hours * HOUR_S)

    @rule(hours=HOURS)
    def the_power_is_off(self, hours: float) -> None:
        self.now_s += hours * HOUR_S
        self.power_on()

    @rule(error_s=ERRORS_S, zone_min=ZONES_MIN)
    def a_host_sets_the_clock(self, error_s: int, zone_min: int | None) -> None:
        self.set_clock(error_s, zone_min)

    @rule(before_s=st.integers(10, 90))
    def shortly_before_midnight(self, before_s: int) -> None:
        local_s = self.local_s()
        if local_s is not None:
            self.pass_s(DAY_S - local_s % DAY_S - before_s)

    # -- what must hold ---------------------------------------------------------------------------------

    @invariant()
    def nothing_is_lost_and_nothing_is_counted_twice(self) -> None:
        self.run(1_200)
        local_s = self.local_s()
        if local_s is not None:
            today = int(local_s // DAY_S)
            self.day = (today, today)
            if not NEAR_S < local_s % DAY_S < DAY_S - NEAR_S:
                return
        least_ms, most_ms = self.bounds()
        assert least_ms <= self.app.dose.total_ms <= most_ms, (self.done, self.clock, self.day, self.now_s)

    def bounds(self) -> tuple[int, int]:
        """Motor time that the day's dose has at least and at most."""
        least_ms = sum(done.least_ms for done in self.done if self.must_count(done))
        merged = len(self.done) > KEPT_APART
        most_ms = sum(done.most_ms for done in self.done if merged or self.may_count(done))
        return least_ms, most_ms

    def must_count(self, done: Done) -> bool:
        """Done in the last 24 hours, by the true time and by the device's, and on no earlier date."""
        age_s = self.now_s - done.end_s + done.unreal_s
        if age_s > DAY_S - NEAR_S:
            return False
        return done.dates is None or self.day is None or done.dates[0] >= self.day[1]

    def may_count(self, done: Done) -> bool:
        """On this date; or, on a later one or none, not surely older than 24 hours."""
        if done.dates and self.day and done.dates[1] < self.day[0]:
            return False
        if self.clock and done.dates and self.day and done.dates[0] <= self.day[0]:
            return True
        known_s: float = 0
        if self.clock and done.stamped_s is not None:
            known_s = self.now_s - max(self.clock.since_s, done.stamped_s)
        return max(done.up_s, known_s) < DAY_S + NEAR_S

    # -- means ------------------------------------------------------------------------------------------

    @property
    def app(self) -> Any:
        return self.bench.app

    def call(self, method: str, **params: Any) -> Any:
        return self.bench.call(method, **params)

    def local_s(self) -> float | None:
        """The device's local time; None without a clock."""
        return self.now_s + self.clock.error_s + self.clock.zone_s if self.clock else None

    def run(self, ms: int) -> None:
        """Run the device, and watch its motor."""
        for _ in range(0, ms, 10):
            self.bench.run_ms(10)
            self.now_s += 0.01
            self.motor_ms += 10 * (self.bench.board.enabled and self.bench.board.duty > 0)
        for done in self.done:
            done.up_s += ms / 1_000

    def pass_s(self, s: float) -> None:
        """Idle time without its ticks."""
        self.app.clock.advance(int(s * 1_000))
        self.now_s += s
        for done in self.done:
            done.up_s += s
        self.run(1_100)

    def power_on(self, motor_ms: int | None = None) -> None:
        """Start the device; the clock is lost. motor_ms: what a reset leaves in the board's register."""
        board = self.support.BenchBoard()
        board.motor_ms = motor_ms
        if motor_ms is not None:
            board.cause = ("reset", 0, 0)
        self.bench = self.support.Bench(self.files, settle=False, board=board)
        self.app.settings.values.update(
            day_limit_min=LIMIT_S // 60, rest_s=0, session_limit_s=900, host_timeout_s=10_000
        )
        self.app.configure()
        self.clock = None
        for done in self.done:
            done.up_s = max(0, done.up_s - LOST_S)
        self.run(1_500)
        assert self.app.selftest.state == "passed"

    def set_clock(self, error_s: int, zone_min: int | None) -> None:
        params = {} if zone_min is None else {"utc_offset_min": zone_min}
        if zone_min is not None:
            self.zone_s = zone_min * 60
        unix_s = round(self.now_s) + error_s
        assert "unix_s" in self.call("clock.set", unix_s=unix_s, **params)
        again = self.clock is not None
        same = self.steady and self.steady.error_s == error_s
        since_s = self.steady.since_s if self.steady and same else self.now_s
        self.clock = self.steady = Clock(error_s, self.zone_s, since_s)
        local_s = self.local_s()
        assert local_s is not None
        for done in self.done:
            done.see_clock(error_s, self.now_s, again)
            if done.dates is None:
                age_s = self.now_s - done.end_s
                done.dates = dates(local_s - age_s, local_s - done.up_s)
        self.run(1_100)

    def started(self, run_s: int) -> bool:
        """Start a session if the limit leaves room; it must be granted then, and never otherwise."""
        self.run(100)
        least_ms, most_ms = self.bounds()
        answer = self.call("session.start", level=1, run_s=run_s, area="calf")
        granted = answer.get("state") == "RUNNING"
        self.motor_ms = 0
        local_s = self.local_s()
        if local_s is not None and not 60 < local_s % DAY_S < DAY_S - 60:
            return granted
        if granted:
            assert least_ms + run_s * 1_000 <= LIMIT_S * 1_000
        else:
            assert [row["name"] for row in answer["data"]["refusals"]] == ["dose_used_up"]
            assert most_ms + run_s * 1_000 > LIMIT_S * 1_000
        return granted

    def cut(self, run_s: int, begun_s: float | None, hours: float) -> None:
        """The power fails: the session is charged as planned if its end is not on flash."""
        self.charge(self.motor_ms - MOTOR_MS, max(run_s * 1_000, self.motor_ms + MOTOR_MS), begun_s, run_s)
        self.now_s += hours * HOUR_S
        self.power_on()

    def charge(self, least_ms: int, most_ms: int, local_s: float | None, more_s: float = 0) -> None:
        """A session is over; midnight may have passed."""
        today_s = self.local_s()
        if today_s is not None and self.day:
            self.day = (self.day[0], max(self.day[1], int(today_s // DAY_S)))
        found = None if local_s is None else dates(local_s, local_s + more_s)
        error_s = self.clock.error_s if self.clock else None
        stamped_s = self.now_s if self.clock else None
        self.done.append(Done(max(0, least_ms), most_ms, self.now_s, error_s, stamped_s, found))


def dates(first_s: float, last_s: float) -> tuple[int, int]:
    """The local dates between two times, and those close to them."""
    return int((first_s - NEAR_S) // DAY_S), int((last_s + NEAR_S) // DAY_S)


@pytest.fixture
def support(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The bench of the firmware's tests, with a firmware of its own."""
    micropython = ModuleType("micropython")
    vars(micropython).update(const=lambda value: value, heap_lock=lambda: None, heap_unlock=lambda: None)
    monkeypatch.syspath_prepend(str(ROOT / "firmware"))
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "firmware"))
    with patch.dict(sys.modules, {"micropython": micropython}):
        for name in [name for name in sys.modules if name.partition(".")[0] in ("massager", "support")]:
            del sys.modules[name]
        import support

        yield support


def test_a_days_dose_is_neither_lost_nor_made(support: ModuleType) -> None:
    class Machine(Life):
        pass

    Machine.support = support
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
