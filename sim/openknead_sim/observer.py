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

PROMISES = ("off_without_session", "fifteen_minutes", "rate", "stop_at_once", "first_fault_kept")


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


class Observer:
    """Feed it with `look` at least once a tick, and with what the transcript says.

    slew_s: least seconds a level; breaches: what was broken, each promise once per occasion;
    worst_over_opm, worst_over_pct: highest overshoot of the true rate over level 1 and above;
    longest_us: longest session seen at the pins; worst_stop_us: longest time from STOP to the output off.
    """

    def __init__(self, slew_s: float = 2.0) -> None:
        self.slew_s = slew_s
        self.breaches: list[Breach] = []
        self.worst_over_opm = 0.0
        self.worst_over_pct = 0.0
        self.longest_us = 0
        self.worst_stop_us = 0
        self._may_run = False
        self._asked = 0.0
        self._envelope = 0.0
        self._following = False
        self._now_us = 0
        self._on = False
        self._stray_us: int | None = None
        self._begun_us: int | None = None
        self._started_us = 0
        self._stop_us: int | None = None
        self._stop_down = False
        self._fault: str | None = None
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
            self._begun_us = None
            self._asked = 0.0

    def asked(self, level: int) -> None:
        """Somebody asked for this level, and it was granted."""
        self._asked = float(level)

    def stop(self, now_us: int) -> None:
        """Somebody else than the STOP button said stop, and it was granted at now_us."""
        if self._stop_us is None:
            self._stop_us = now_us

    def restarted(self) -> None:
        """The board was reset or lost its power: no session, no latched fault."""
        self.session("IDLE")
        self._fault = None

    def fault(self, name: str | None) -> None:
        """The device named its latched fault; None after an explicit clear."""
        if name is not None and self._fault is not None and name != self._fault:
            self._breach("first_fault_kept", f"{self._fault} became {name}")
        self._fault = name

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
        self._look_at_stop(now_us, on, stop_pressed)
        if not on:
            self._stray_us = None
            return
        if not self._may_run:
            if self._stray_us is None:
                self._stray_us = now_us
            if now_us - self._stray_us > GRACE_US:
                self._breach("off_without_session", f"duty {duty:.3f}, RUN_REQ {int(run_req)}")
        else:
            self._stray_us = None
        if self._begun_us is None:
            self._begun_us = now_us
        length_us = now_us - self._begun_us
        if length_us > self.longest_us:
            self.longest_us = length_us
        if length_us > HARD_LIMIT_US + TICK_US:
            self._breach("fifteen_minutes", f"the motor is driven since {length_us / 1e6:.2f} s")
        if load < self._load - LIFT_STEP:
            self._lift_us = now_us
            if load < self._load - FREE_STEP:
                self._free_us = now_us
        self._load = load
        self._look_at_rate(now_us, past_us, rate_opm)

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

    def _look_at_stop(self, now_us: int, on: bool, pressed: bool) -> None:
        if pressed and not self._stop_down and self._stop_us is None:
            self._stop_us = now_us
        self._stop_down = pressed
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
            rig.pressed("stop"),
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
