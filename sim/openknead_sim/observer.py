"""Observer: watches a board's motor pins and shaft, and names every promise of the design that they break.

It looks at PWM, RUN_REQ, the STOP wire and the plant's true rate. From the device it takes only what the
transcript says (a session runs, a fault was latched), never a measured value: a firmware that reports 2000
while the shaft turns at 4000 is caught.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .virtual import VirtualBoard

TICK_US = 10_000
GRACE_US = TICK_US + 5_000  # a tick, and half of the next: transcripts are read once a tick
STOP_US = TICK_US + 500  # a tick, and a sample's time
STOP_EDGE_US = 500  # from the STOP wire to RUN_REQ low: the interlock decides alone
SELFTEST_US = 150_000  # RUN_REQ may be high so long with no duty: the self-test looks whether it falls
RAMPING_FAULTS = ("heap_low",)  # they let the level fall to standstill …
RAMP_US = 6_000_000  # … which takes so long at most
CLEAR_US = 1_900_000  # STOP that was held for longer may have cleared a fault; the device names the next
HARD_LIMIT_US = 15 * 60 * 1_000_000
RATE_LEVEL_1_OPM = 1000.0  # stands here on its own: a wrong table in the firmware is to be found
RATE_STEP_OPM = 270.0
OVER_PART = 0.04  # overshoot that the rate may have: part of the demand …
OVER_OPM = 120.0  # … and so much beside
SOFT_OVER_OPM = 300.0  # below level 1 a tach with a pulse a turn sees the rate late
LIFT_PART = 0.4  # … while the hand lifts off or the supply comes back, faster than any loop follows
LIFT_STEP = 0.02  # fall of the load from look to look that counts as such
LIFT_US = 600_000
FREE_STEP = 5.0  # a blocked shaft is free again: the rate is not judged for as long
COAST_US = 3_000_000  # a motor that still coasts at a start has this long to come under the demand

PROMISES = (
    "off_without_session",
    "fifteen_minutes",
    "rate",
    "stop_at_once",
    "first_fault_kept",
    "off_on_fault",
    "agreement",  # of the journal with the pins; whoever reads the journal breaks it, by `disagree`
)


def level_rate(level: float) -> float:
    """Oscillations per minute that a level (0…11, parts of levels too) asks for."""
    if level >= 1.0:
        return RATE_LEVEL_1_OPM + RATE_STEP_OPM * (level - 1.0)
    return RATE_LEVEL_1_OPM * level


@dataclass(frozen=True)
class Breach:
    """A promise that was broken. at_us: when; promise: its name; detail: what was seen."""

    at_us: int
    promise: str
    detail: str


class Forbidden:
    """How long it lasts that the motor is on where it must not be."""

    def __init__(self) -> None:
        self._awake_us: int | None = None
        self._driven_us: int | None = None

    def reset(self) -> None:
        """It is not, or may be."""
        self._awake_us = self._driven_us = None

    def too_long(self, now_us: int, duty: float, awake_us: int) -> bool:
        """It is on: whether for too long. awake_us: time that RUN_REQ alone may be high."""
        if self._awake_us is None:
            self._awake_us = now_us
        if duty <= 0.0:
            self._driven_us = None
        elif self._driven_us is None:
            self._driven_us = now_us
        if now_us - self._awake_us > awake_us:
            return True
        return self._driven_us is not None and now_us - self._driven_us > GRACE_US


@dataclass
class Driven:
    """A session as the pins show it. begun_us, off_us: when the motor went on first, and off last."""

    begun_us: int
    off_us: int


class Observer:
    """Feed it with `look` at least once a tick, and with what the transcript says.

    slew_s: least seconds a level; breaches: what was broken, each promise once per occasion;
    worst_over_opm, worst_over_pct: highest overshoot of the true rate over level 1 and above;
    longest_us: longest session seen at the pins; worst_stop_us, worst_stop_edge_us: longest time from STOP to
    the output off, and from the STOP wire to RUN_REQ low; sessions: those seen at the pins, oldest first.
    """

    def __init__(self, slew_s: float = 2.0) -> None:
        self.slew_s = slew_s
        self.breaches: list[Breach] = []
        self.worst_over_opm = 0.0
        self.worst_over_pct = 0.0
        self.longest_us = 0
        self.worst_stop_us = 0
        self.worst_stop_edge_us = 0
        self.sessions: list[Driven] = []
        self._may_run = False
        self._asked = 0.0
        self._envelope = 0.0
        self._following = False
        self._now_us = 0
        self._on = False
        self._awake = False
        self._stray = Forbidden()
        self._faulty = Forbidden()
        self._session: Driven | None = None
        self._in_session = False  # the motor is on for a session
        self._started_us = 0
        self._stop_us: int | None = None
        self._stop_down = False
        self._stop_down_us = 0
        self._wire_us = 0  # RUN_REQ has been high since, at most, with the wire open
        self._fault: str | None = None
        self._fault_us = 0
        self._agreed = False  # there was an act at the device that may have cleared the fault
        self._told: set[str] = set()
        self._lift_us = self._free_us = -COAST_US
        self._load = 0.0

    # -- the transcript -----------------------------------------------------------------------------

    def session(self, state: str) -> None:
        """The device said that its session is in this state (IDLE, RUNNING, PAUSED, ENDING …)."""
        may_run = state in ("RUNNING", "ENDING")
        if may_run and not self._may_run:
            self._told.clear()
        self._may_run = may_run
        if state in ("IDLE", "MAINTENANCE"):
            self._session = None
            self._asked = 0.0

    def asked(self, level: float) -> None:
        """This level was asked for and granted."""
        self._asked = float(level)

    def stop(self, now_us: int) -> None:
        """Something other than the STOP button stopped the session, at now_us."""
        if self._stop_us is None:
            self._stop_us = now_us

    def restarted(self) -> None:
        """The board was reset or lost its power: no session, no latched fault."""
        self.session("IDLE")
        self._fault = None

    def fault(self, name: str | None) -> None:
        """The device named the latched fault that it shows; None after an explicit clear."""
        if name is not None and self._fault is not None and name != self._fault and not self._agreed:
            self._breach("first_fault_kept", f"{self._fault} became {name}")
        if name != self._fault:
            self._agreed = False
            self._fault_us = self._now_us
            self._faulty.reset()
        if name in RAMPING_FAULTS:
            self._asked = 0.0
        self._fault = name

    def agreed(self) -> None:
        """Someone at the device agreed to something: the fault may be cleared, and the next one shown."""
        self._agreed = True

    def disagree(self, detail: str) -> None:
        """The journal does not agree with what was seen."""
        self._breach("agreement", detail)

    # -- pins and shaft -----------------------------------------------------------------------------

    def look(
        self,
        now_us: int,
        duty: float,
        run_req: bool,
        rate_opm: float,
        stop_pressed: bool,
        load: float = 0.0,
    ) -> None:
        """One look. duty 0…1 at MOT_PWM; run_req: level of RUN_REQ; rate_opm: true rate of the shaft.

        load: anything that tells how much the shaft is held back (pressure, torque, missing supply; 10 more
        while it is blocked); only its falls count.
        """
        on = run_req or duty > 0.0
        past_us = now_us - self._now_us
        self._now_us = now_us
        if on and not self._on:
            self._envelope = 0.0
            self._following = False
            self._started_us = now_us
        self._on = on
        self._look_at_stop(now_us, run_req, on, stop_pressed)
        if not on:
            if self._in_session:
                self._in_session = False
                self.sessions[-1].off_us = now_us
            self._stray.reset()
            self._faulty.reset()
            return
        awake_us = GRACE_US if self._in_session else SELFTEST_US
        if self._may_run:
            self._stray.reset()
            self._look_at_length(now_us)
        elif self._stray.too_long(now_us, duty, awake_us):
            self._breach("off_without_session", f"duty {duty:.3f}, RUN_REQ {int(run_req)}")
        if self._fault is None or (self._fault in RAMPING_FAULTS and now_us - self._fault_us < RAMP_US):
            self._faulty.reset()
        elif self._faulty.too_long(now_us, duty, awake_us):
            self._breach("off_on_fault", f"duty {duty:.3f}, RUN_REQ {int(run_req)} under {self._fault}")
        if load < self._load - LIFT_STEP:
            self._lift_us = now_us
            if load < self._load - FREE_STEP:
                self._free_us = now_us
        self._load = load
        self._look_at_rate(now_us, past_us, rate_opm)

    def _look_at_length(self, now_us: int) -> None:
        session = self._session
        if session is None:
            session = self._session = Driven(self._started_us, now_us)
            self.sessions.append(session)
        session.off_us = now_us
        self._in_session = True
        length_us = now_us - session.begun_us
        if length_us > self.longest_us:
            self.longest_us = length_us
        if length_us > HARD_LIMIT_US + TICK_US:
            self._breach("fifteen_minutes", f"the motor is driven since {length_us / 1e6:.2f} s")

    def _look_at_rate(self, now_us: int, past_us: int, rate_opm: float) -> None:
        """The shaft stays under a line that rises and falls by one level per slew_s."""
        step = past_us / (self.slew_s * 1e6)
        envelope = self._envelope
        asked = self._asked
        if envelope < asked:
            envelope = min(asked, envelope + step)
        elif envelope > asked:
            envelope = max(asked, envelope - step)
        self._envelope = envelope
        demand = level_rate(envelope)
        over = rate_opm - demand
        if not self._following:
            if over > SOFT_OVER_OPM:
                if now_us - self._started_us > COAST_US:
                    self._breach("rate", f"{rate_opm:.0f} opm, {demand:.0f} asked for, long after the start")
                return
            self._following = True
        if over <= 0.0 or now_us - self._free_us < LIFT_US:
            return
        if envelope >= 1.0:
            self.worst_over_opm = max(self.worst_over_opm, over)
            self.worst_over_pct = max(self.worst_over_pct, 100.0 * over / demand)
        part = LIFT_PART if now_us - self._lift_us < LIFT_US else OVER_PART
        beside = OVER_OPM if envelope >= 1.0 else SOFT_OVER_OPM
        if over > part * demand + beside:
            self._breach("rate", f"{rate_opm:.0f} opm where level {envelope:.2f} asks for {demand:.0f}")

    def _look_at_stop(self, now_us: int, run_req: bool, on: bool, pressed: bool) -> None:
        if pressed:
            self._look_at_wire(now_us, run_req)
            if not self._stop_down:
                self._stop_down_us = now_us
                if self._stop_us is None:
                    self._stop_us = now_us
        elif self._stop_down and now_us - self._stop_down_us > CLEAR_US:
            self._fault = None
            self._agreed = True
        self._stop_down = pressed
        self._awake = run_req
        if self._stop_us is None:
            return
        if on:
            if now_us - self._stop_us > STOP_US:
                self._breach("stop_at_once", f"driven {(now_us - self._stop_us) / 1000:.1f} ms after STOP")
            return
        self.worst_stop_us = max(self.worst_stop_us, now_us - self._stop_us)
        if not pressed:
            self._stop_us = None
        else:  # held down: it counts from here, should the motor come on again
            self._stop_us = now_us

    def _look_at_wire(self, now_us: int, run_req: bool) -> None:
        """STOP is open: RUN_REQ falls, and cannot rise."""
        if not self._stop_down or (run_req and not self._awake):
            self._wire_us = now_us
        after_us = now_us - self._wire_us
        if not run_req:
            if self._awake:
                self.worst_stop_edge_us = max(self.worst_stop_edge_us, after_us)
        elif after_us > STOP_EDGE_US:
            self._breach("stop_at_once", f"RUN_REQ is high {after_us / 1000:.1f} ms after STOP opened")

    def _breach(self, promise: str, detail: str) -> None:
        if promise not in self._told:
            self._told.add(promise)
            self.breaches.append(Breach(self._now_us, promise, detail))


def attach(observer: Observer, board: VirtualBoard) -> Callable[[], None]:
    """Let the observer look whenever time passes on a virtual board, and at every edge of its motor pins.

    Returns the look itself, for an instant of the caller's choice.
    """
    from .rig import MOT_PWM, RUN_REQ, STOP

    chip = board.chip
    rig = board.rig
    plant = board.plant
    levels = chip.levels
    world = chip.world

    def look() -> None:
        observer.look(
            chip.clock_us,
            chip.mean(MOT_PWM),
            levels[RUN_REQ] == 1,
            plant.rate_opm,
            rig.pressed("stop") or chip.stuck[STOP] == 1,
            plant.pressure + 60.0 * plant.extra_nm - 0.05 * plant.supply_v + (10.0 if plant.blocked else 0.0),
        )

    def move_on(now_us: int) -> None:
        world(now_us)
        look()

    def edge(_pin: int) -> None:
        look()

    chip.world = move_on
    for pin in (RUN_REQ, MOT_PWM, STOP):
        chip.watch(pin, edge)
    return look
