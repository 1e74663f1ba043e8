"""When a sample was, in UTC: the host's clock at its arrival, without the delays of the way.

A line takes its time through firmware, USB and operating system, now less, now more. A sample that came later
by the device's clock than the promptest one of the last minute was held up by the difference, which is taken
off. So differences are the device's, to its millisecond, the whole is late by the shortest delay there was,
and a drift of the two clocks (30 ppm or so) is followed. With a virtual board that runs faster than real time
it is the time of arrival.
"""

from __future__ import annotations

_T_MASK = 0x3FFFFFFF  # the device's milliseconds wrap here
WINDOW_MS = 30_000  # the promptest of this and the last window counts


class UtcClock:
    """Maps the device's clock to UTC; give it everything that arrives, in order."""

    def __init__(self) -> None:
        self._t_ms: int | None = None
        self._device_ms = 0  # without wraps
        self._window = 0
        self._least_s = self._before_s = float("inf")

    def utc_s(self, t_ms: int, arrived_s: float) -> float:
        """Unix time of what carries the device's time t_ms and arrived at Unix time arrived_s."""
        step_ms = 0 if self._t_ms is None else (t_ms - self._t_ms) & _T_MASK
        if step_ms > _T_MASK // 2:
            step_ms -= _T_MASK + 1  # an event that is older than the sample before it
        self._t_ms = t_ms
        self._device_ms += step_ms
        window = self._device_ms // WINDOW_MS
        offset_s = arrived_s - self._device_ms / 1000
        if window > self._window:
            self._before_s = self._least_s if window == self._window + 1 else float("inf")
            self._least_s = float("inf")
            self._window = window
        self._least_s = min(self._least_s, offset_s)
        return self._device_ms / 1000 + min(self._least_s, self._before_s)
