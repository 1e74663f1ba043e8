"""The hand on the massager: how hard it presses, as a function of time.

Pressure has no unit: 0 is a pad in the air, 0.5 the moderate case of the load budget (8 mN m at
320 rad/s), 1 the heavy one (16 mN m). 1 is about 30 N (assumption). Every hand has one method,
`pressure(t_s)`, and gives the same answers for the same seed, on every Python.
"""

import math

from .params import Noise


class Hand:
    """A hand that holds still: constant pressure, 0…2 (0 = in the air)."""

    def __init__(self, pressure: float = 0.0) -> None:
        """Raise ValueError outside 0…2."""
        self._p = checked(pressure)

    def pressure(self, t_s: float) -> float:
        """Pressure at time t_s (seconds since power-on, not falling from call to call)."""
        return self._p


class PointsHand(Hand):
    """A hand along given points [(t_s, pressure), …], straight in between, constant outside."""

    def __init__(self, points: list[tuple[float, float]]) -> None:
        """Raise ValueError for no points, times that fall, or a pressure outside 0…2."""
        if not points:
            raise ValueError("a hand needs at least one point")
        last = points[0][0]
        for t_s, value in points:
            checked(value)
            if t_s < last:
                raise ValueError("the points' times must not fall")
            last = t_s
        super().__init__(points[0][1])
        self._points = points
        self._n = 0

    def pressure(self, t_s: float) -> float:
        """Pressure at time t_s; times may go back (a search then starts over)."""
        points = self._points
        n = self._n
        if t_s < points[n][0]:
            n = 0
        while n + 1 < len(points) and points[n + 1][0] <= t_s:
            n += 1
        self._n = n
        t0, p0 = points[n]
        if n + 1 == len(points) or t_s <= t0:
            return p0
        t1, p1 = points[n + 1]
        return p0 + (p1 - p0) * (t_s - t0) / (t1 - t0)


class StrokeHand(Hand):
    """Strokes over the skin: press, glide, lift, pause; each stroke a little different.

    pressure: 0…2 at the top of a mean stroke; period_s: from stroke to stroke, > 0.1; pause: share of
    the period with the pad in the air, 0…0.9; variation: 0…0.5, how much strokes differ in pressure
    and length; seed: the same seed, the same strokes. Raise ValueError beyond.
    """

    def __init__(
        self,
        pressure: float = 0.5,
        period_s: float = 3.0,
        pause: float = 0.2,
        variation: float = 0.2,
        seed: int = 0,
    ) -> None:
        super().__init__(pressure)
        if period_s <= 0.1 or not 0.0 <= pause <= 0.9 or not 0.0 <= variation <= 0.5:
            raise ValueError("stroke out of range")
        self._period = period_s
        self._glide = period_s * (1.0 - pause)
        self._variation = variation
        self._seed = seed
        self._from = 0.0
        self._to = -1.0
        self._top = 0.0
        self._rate = 0.0

    def pressure(self, t_s: float) -> float:
        """Pressure at time t_s: a raised cosine inside a stroke, 0 in the pauses."""
        if not self._from <= t_s < self._to:
            self._stroke(int(t_s // self._period))
        x = (t_s - self._from) * self._rate
        if x >= 1.0:
            return 0.0
        return self._top * (0.5 - 0.5 * math.cos(6.283185307179586 * x))

    def _stroke(self, number: int) -> None:
        noise = Noise(self._seed * 7919 + number)
        self._from = number * self._period
        self._to = self._from + self._period
        self._top = self._p * (1.0 + self._variation * (2.0 * noise.next() - 1.0))
        self._rate = 1.0 / (self._glide * (1.0 - self._variation * noise.next()))


def checked(pressure: float) -> float:
    """The pressure given, or ValueError outside 0…2."""
    if not 0.0 <= pressure <= 2.0:
        raise ValueError("pressure must be 0…2")
    return pressure
