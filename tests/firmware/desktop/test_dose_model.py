"""The day's dose against a model of it: any order of sessions, pulled plugs, resets, hours, clocks and zones.

The device is whole, on files that survive its power cycles. The model keeps what was done and every moment at
which the device had a clock, and works the sum out from its history by the rules in plain words; the firmware
keeps stamps on a few entries. Its own file, because MicroPython has no hypothesis.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from massager.dose import DAY_S, ENTRIES
from support import Bench, BenchBoard, MemoryFiles

HOUR_S = 3_600
START_S = 20_800 * DAY_S + 12 * HOUR_S + 20 * 60  # no sum of hours and zones is near midnight
SLACK_S = 300  # seconds of uptime that are not saved before a power cut, and those of sessions
LIMIT_S = 60
ZONES_MIN = (None, 0, -480, 840, 345)
SHIFTS_H = (0, 0, 0, -2, 5, -20, 20, -72, 72, 9_600)  # by how much a host's clock is wrong


@dataclass
class Use:
    """A session: its end in hours of uptime altogether, the start of the device in which it ended."""

    up_s: float
    boot: int
    seconds: float
    date: int | None = None
    clocks: list[float] = field(default_factory=list)  # its end by each clock since: that clock less its age

    def counts(self, now: Model, slack_s: float) -> bool:
        """Whether it counts when it is so much older than known."""
        age_s = now.up_s - self.up_s + slack_s
        if now.unix_s is None:
            return age_s < DAY_S and (self.date is None or now.day is None or self.date >= now.day)
        assert self.date is not None and now.day is not None
        if self.date == now.day and age_s < 25 * HOUR_S:  # the longest day
            return True
        if self.boot < now.boot:  # the power was off since, for as long as the clock says
            age_s = max(age_s, now.unix_s - min(self.clocks) + slack_s)
        return self.date >= now.day and age_s < DAY_S


@dataclass
class Model:
    """What happened to the device."""

    uses: list[Use] = field(default_factory=list)
    up_s: float = 0
    boot: int = 1
    true_s: float = START_S
    unix_s: float | None = None
    offset_s: int = 0
    day: int | None = None

    def advance(self, seconds: float) -> None:
        self.up_s += seconds
        self.true_s += seconds
        if self.unix_s is not None:
            self.unix_s += seconds
        self.see_clock()

    def see_clock(self) -> None:
        """The device has a clock at this moment: it dates what has no date."""
        if self.unix_s is None:
            return
        self.day = int((self.unix_s + self.offset_s) // DAY_S)
        for use in self.uses:
            end_s = self.unix_s - (self.up_s - use.up_s)
            use.clocks.append(end_s)
            if use.date is None:
                use.date = int((end_s + self.offset_s) // DAY_S)

    def sum_s(self, slack_s: float) -> float:
        return sum(use.seconds for use in self.uses if use.counts(self, slack_s))


class Ledger(RuleBasedStateMachine):
    """The device and the model, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.files = MemoryFiles()
        self.model = Model()
        self.power_on(None)

    # -- the device ---------------------------------------------------------------------------------

    def power_on(self, counted_ms: int | None) -> None:
        board = BenchBoard()
        board.motor_ms = counted_ms
        self.bench = Bench(self.files, board=board)
        self.bench.app.settings.values.update(day_limit_min=1, rest_s=0, host_timeout_s=10_000)
        self.bench.app.configure()
        self.run(0.1)

    def run(self, seconds: float) -> None:
        self.bench.run_ms(round(seconds * 1000))
        self.model.advance(seconds)

    def restart(self, counted_ms: int | None, off_s: float) -> None:
        model = self.model
        model.boot += 1
        model.true_s += off_s
        model.unix_s = None
        self.power_on(counted_ms)

    def start(self, run_s: int) -> bool:
        """Start a session if the limit allows it, and hold what the device says against the model."""
        reply: dict[str, Any] = self.bench.call("session.start", level=1, run_s=run_s, area="calf")
        least_s, most_s = self.model.sum_s(SLACK_S), self.model.sum_s(-SLACK_S)
        if reply.get("state") == "RUNNING":
            assert least_s + run_s <= LIMIT_S + 0.5
            return True
        assert [row["name"] for row in reply["data"]["refusals"]] == ["dose_used_up"]
        assert most_s + run_s > LIMIT_S - 0.5
        return False

    # -- what may happen ----------------------------------------------------------------------------

    @precondition(lambda self: len(self.model.uses) < ENTRIES)
    @rule(run_s=st.integers(12, 30), part=st.sampled_from((1.0, 1.0, 0.5)))
    def session(self, run_s: int, part: float) -> None:
        if not self.start(run_s):
            return
        self.run(run_s * part)
        self.bench.call("session.stop")
        self.run(0.3)
        self.model.uses.append(Use(self.model.up_s, self.model.boot, run_s * part))
        self.model.see_clock()

    @precondition(lambda self: len(self.model.uses) < ENTRIES)
    @rule(
        run_s=st.integers(12, 30),
        ran_s=st.integers(1, 11),
        off_h=st.integers(0, 30),
        kind=st.sampled_from(("plug", "reset")),
    )
    def cut_short(self, run_s: int, ran_s: int, off_h: int, kind: str) -> None:
        if not self.start(run_s):
            return
        model = self.model
        use = Use(model.up_s, model.boot, run_s if kind == "plug" else ran_s)
        if model.unix_s is not None:
            use.clocks.append(model.unix_s + use.seconds)
            use.date = int((use.clocks[0] + model.offset_s) // DAY_S)
        self.run(ran_s)
        self.restart(None if kind == "plug" else self.bench.board.motor_ms, off_h * HOUR_S)
        model.uses.append(use)

    @rule(off_h=st.sampled_from((0, 0, 1, 5, 23, 30)))
    def power_cycle(self, off_h: int) -> None:
        self.restart(None, off_h * HOUR_S)

    @rule(hours=st.sampled_from((1, 2, 5, 11, 23, 26)))
    def hours_pass(self, hours: int) -> None:
        self.bench.app.clock.advance(hours * HOUR_S * 1000)
        self.model.advance(hours * HOUR_S)
        self.run(0.1)

    @rule(shift_h=st.sampled_from(SHIFTS_H), zone_min=st.sampled_from(ZONES_MIN))
    def clock_is_set(self, shift_h: int, zone_min: int | None) -> None:
        model = self.model
        unix_s = int(model.true_s) + shift_h * HOUR_S
        zone = {} if zone_min is None else {"utc_offset_min": zone_min}
        assert "unix_s" in self.bench.call("clock.set", unix_s=unix_s, **zone)
        model.unix_s = unix_s
        if zone_min is not None:
            model.offset_s = zone_min * 60
        self.run(0.1)

    # -- what must hold -----------------------------------------------------------------------------

    @invariant()
    def the_device_counts_what_the_model_counts(self) -> None:
        counted_s = self.bench.app.dose.total_ms / 1000
        least_s, most_s = self.model.sum_s(SLACK_S), self.model.sum_s(-SLACK_S)
        rounding_s = 0.4 * len(self.model.uses)
        assert least_s - rounding_s <= counted_s <= most_s + rounding_s
        assert self.bench.call("dose.get")["total_s"] == int(counted_s)

    def teardown(self) -> None:
        """Every session is in the journal once."""
        self.run(0.3)
        found, n = [], 0
        while n is not None:
            page = self.bench.call("journal.read", start=n)
            found += [r["areas"].get("calf", [0])[0] for r in page["records"] if r["kind"] == "session"]
            n = page["next"]
        assert len(found) == len(self.model.uses)
        done_s = sum(use.seconds for use in self.model.uses)
        assert abs(sum(found) / 1000 - done_s) <= 0.4 * len(found)


TestLedger = Ledger.TestCase
TestLedger.settings = settings(max_examples=100, stateful_step_count=25, deadline=None, derandomize=True)
