"""The measurement: an ordinary session, level after level, then under the hand.

Nothing is bypassed: start, heartbeat, slew, limiters and faults are a session's. What is told to the person
goes through `tell`, so that a terminal, a test and a program each put it in their own way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from openknead.calibrate.windows import HZ, LENGTH, Window, window
from openknead.device import IDLE, Device
from openknead.errors import CalibrationRefused, OpenKneadError
from openknead.feed import Feed
from openknead.model import Event, Sample

FREE_LEVELS = (2, 4, 6, 8, 10)
FREE_WINDOWS = 8  # a level
PRESS_LEVEL = 5
PRESS_WINDOWS = 30
PRESS_RISE_A = 0.3
MINUTES = 5.0  # what a session may always last
WAIT_MS = 90_000  # for the hand to press
SETTLE_MS = 1_500  # after a level was reached: the integral of the rate loop
PATIENCE_S = 1.0
FAR_OFF = (
    "If the motor turns freely, its constants may be far from the settings: set motor_r_mohm from an "
    "ohmmeter, motor_ke_uvs from the data sheet, and repeat."
)

FREE, PRESS, PRESSED, DONE = "free", "press", "pressed", "done"


@dataclass(frozen=True, slots=True)
class Step:
    """What is happening. phase: FREE (hold the pad in the air), PRESS (press it now), PRESSED (hold it so),
    DONE; part: 0…1 of the phase; level, rate_opm, current_a: now.
    """

    phase: str
    part: float
    level: int
    rate_opm: int
    current_a: float


Tell = Callable[[Step], None]


def measure(device: Device, tell: Tell = lambda step: None) -> list[Window]:
    """Run the session and gather its windows.

    Raises Refused for a start that the device refuses, CalibrationRefused without a tach or when the session
    ends before its time, DeviceTimeout, LinkLost, … The motor is off when it returns or raises.
    """
    settings = device.get_all()
    if not settings["tach_ppr"]:
        raise CalibrationRefused(
            "the device has no tach (tach_ppr is 0): its rate is estimated from the very constants sought",
            remedy="fit a tach and set tach_ppr; or measure resistance and back-EMF on the bench",
        )
    lowest, highest = int(settings["min_level"]), int(settings["max_level"])
    levels = [level for level in FREE_LEVELS if lowest <= level <= highest]
    if len(levels) < 2:
        raise CalibrationRefused(
            f"levels {lowest} to {highest} do not spread the rate enough",
            remedy="widen min_level and max_level",
        )
    with device.feed() as feed:
        device.subscribe(HZ)
        try:
            device.start(levels[0], MINUTES)
            return _Run(device, feed, tell).all(levels, min(max(PRESS_LEVEL, lowest), highest))
        finally:
            with suppress(OpenKneadError):
                device.stop()
            with suppress(OpenKneadError):
                device.subscribe(0)


class _Run:
    """The session under way: where its samples go."""

    def __init__(self, device: Device, feed: Feed, tell: Tell) -> None:
        self._device = device
        self._feed = feed
        self._tell = tell
        self._patience = device.timeout + PATIENCE_S
        self._charge = 0.0
        self._running = False
        self._last_ms: int | None = None
        self.windows: list[Window] = []

    def all(self, levels: list[int], press_level: int) -> list[Window]:
        total = len(levels) * FREE_WINDOWS
        for level in levels:
            self._to(level, len(self.windows) / total)
            self._gather(FREE, FREE_WINDOWS, total)
        self._to(press_level, 1.0)
        rest = max(w.current_a for w in self.windows)
        self._wait_for_the_hand(rest + PRESS_RISE_A)
        self._gather(PRESSED, PRESS_WINDOWS, PRESS_WINDOWS, rest + PRESS_RISE_A)
        self._tell(Step(DONE, 1.0, press_level, 0, 0.0))
        return self.windows

    def _to(self, level: int, part: float) -> None:
        """Go to a level and let the drive settle there."""
        self._device.set_level(level)
        reached_ms: int | None = None
        while True:
            sample = self._sample()
            self._tell(_step(FREE, part, sample))
            if sample.level_milli != 1000 * level:
                reached_ms = None
            elif reached_ms is None:
                reached_ms = sample.t_ms
            elif sample.t_ms - reached_ms >= SETTLE_MS:
                return

    def _gather(self, phase: str, count: int, total: int, least_a: float = 0.0) -> None:
        """That many windows, steady ones and above a current; the phase has `total` of them."""
        before = sum(w.pressed == (phase == PRESSED) for w in self.windows)
        got, began_ms = 0, None
        while got < count:
            samples = [self._sample() for _ in range(LENGTH)]
            began_ms = samples[0].t_ms if began_ms is None else began_ms
            found = window(samples, self._charge, phase == PRESSED)
            if found and found.current_a >= least_a:
                self.windows.append(found)
                got += 1
            elif samples[-1].t_ms - began_ms > WAIT_MS:
                return  # the fit says what is missing
            self._tell(_step(phase, (before + got) / total, samples[-1]))

    def _wait_for_the_hand(self, least_a: float) -> None:
        began_ms: int | None = None
        while True:
            samples = [self._sample() for _ in range(LENGTH)]  # one sample alone may be the drive's hunting
            began_ms = samples[0].t_ms if began_ms is None else began_ms
            self._tell(_step(PRESS, 0.0, samples[-1]))
            if sum(sample.current_ma or 0 for sample in samples) / LENGTH / 1000 >= least_a:
                return
            if samples[-1].t_ms - began_ms > WAIT_MS:
                raise CalibrationRefused(
                    f"no press came: the current stayed below {least_a:.2f} A for {WAIT_MS / 1000:g} s",
                    remedy="repeat, and press the pad against a cushion when told to",
                )

    def _sample(self) -> Sample:
        """The next sample of the session, its charge counted."""
        while True:
            item = self._feed.next(self._patience)
            if isinstance(item, Event):
                over = self._running and item.name == "state" and item.value in IDLE
            else:
                self._running = self._running or item.state not in IDLE
                over = self._running and item.state in IDLE
            if over:
                self._ended()
            if isinstance(item, Sample) and self._running:
                if self._last_ms is not None:
                    seconds = max(0, item.t_ms - self._last_ms) / 1000
                    self._charge += ((item.current_ma or 0) / 1000) ** 2 * seconds
                self._last_ms = item.t_ms
                return item

    def _ended(self) -> None:
        end = self._device.last_end()
        fault = f" ({end.fault.name})" if end.fault else ""
        raise CalibrationRefused(
            f"the session ended before enough was measured: {end.reason.replace('_', ' ')}{fault}",
            remedy=f"{end.fault.remedy} {FAR_OFF}" if end.fault else "repeat, and let it run to its end",
        )


def _step(phase: str, part: float, sample: Sample) -> Step:
    return Step(phase, min(1.0, part), sample.level, sample.rate_opm or 0, (sample.current_ma or 0) / 1000)
