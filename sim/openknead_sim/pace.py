"""Pace: how far virtual time may run now, given the wall clock and what the host is doing.

A virtual board that runs ahead of its host would make a three-second heartbeat expire in ten milliseconds.
So an accelerated board waits for a host that has not read what it was sent, and falls back to real time
when a host that was talking has been silent for half a second of virtual time.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX = float("inf")  # as fast as the machine goes
SLICE_US = 40_000  # longest run without looking at the host
TALKING_S = 5.0  # a host that sent a byte within this much wall time is there
SILENT_US = 500_000  # … and holds time back when it has sent nothing for this much virtual time
UNREAD_US = 200_000  # how far time may run past output that the host has not read
HOLD_S = 0.25  # a host that reads nothing for this long is not waited for any longer
CATCH_UP_S = 0.25  # after a longer gap (a suspended process) the lost time is not made up


@dataclass
class Pace:
    """speed: virtual seconds per wall second, > 0, or MAX. All wall times in seconds, of one clock."""

    speed: float = 1.0
    holding: bool = field(default=False, init=False)  # time stands still until the host has read
    _rate: float = field(default=0.0, init=False)
    _anchor_s: float = field(default=0.0, init=False)
    _anchor_us: int = field(default=0, init=False)
    _heard_s: float = field(default=-1e9, init=False)
    _heard_us: int = field(default=0, init=False)
    _unread: int = field(default=0, init=False)
    _unread_s: float = field(default=0.0, init=False)
    _unread_us: int = field(default=0, init=False)

    def heard(self, wall_s: float, clock_us: int) -> None:
        """The host has sent something."""
        self._heard_s = wall_s
        self._heard_us = clock_us
        self._unread_s = wall_s

    def talking(self, wall_s: float) -> bool:
        """Whether a host is there."""
        return wall_s - self._heard_s < TALKING_S

    def unread(self, wall_s: float, clock_us: int, waiting: int) -> None:
        """How many bytes of output the host has not read yet."""
        if waiting < self._unread or self._unread == 0:
            self._unread_s = wall_s
            self._unread_us = clock_us
        self._unread = waiting

    def stalled(self, wall_s: float) -> bool:
        """Whether output has been lying unread for longer than anybody waits."""
        return self._unread > 0 and wall_s - self._unread_s >= HOLD_S

    def allowance_us(self, wall_s: float, clock_us: int, busy: bool) -> int:
        """Virtual µs that may pass now, 0…SLICE_US. busy: something happens (the motor runs)."""
        rate = self.rate(wall_s, clock_us, busy)
        behind = self._unread > 0 and clock_us - self._unread_us >= UNREAD_US
        if rate > 1.0 and behind and not self.stalled(wall_s):
            self._rate = 0.0  # begin again afterwards
            self.holding = True
            return 0
        self.holding = False
        if rate == MAX:
            self._rate = rate
            return SLICE_US
        due = round((wall_s - self._anchor_s) * rate * 1e6) - (clock_us - self._anchor_us)
        if rate != self._rate or due > CATCH_UP_S * 1e6 * max(rate, 1.0):
            self._rate = rate
            self._anchor_s = wall_s
            self._anchor_us = clock_us
            return 0
        return min(max(due, 0), SLICE_US)

    def rate(self, wall_s: float, clock_us: int, busy: bool) -> float:
        """The speed that holds now."""
        if self.speed <= 1.0:
            return self.speed
        if self.talking(wall_s):
            return 1.0 if clock_us - self._heard_us > SILENT_US else self.speed
        return 1.0 if self.speed == MAX and not busy else self.speed
