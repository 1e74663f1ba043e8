"""Telemetry over any length of time in bounded memory: what a picture needs, and no peak left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from openknead.model import Event, Sample
from openknead.report import PLACES, Mark

BUCKETS = 4000  # of a trace: more than a picture has columns
WIDTH_S = 0.04  # of a bucket at first: less than the time between two samples
GAP_S = 5.0  # no line is drawn over a longer time without values
RUN_GAP_S = 1.0  # least distance between two runs, however their clocks stand
_T_MASK = 0x3FFFFFFF


@dataclass(slots=True)
class _Bucket:
    """What is kept of the values within one piece of time; each as (time, value)."""

    first: tuple[float, float]
    low: tuple[float, float]
    high: tuple[float, float]
    last: tuple[float, float]
    total: float
    count: int

    def add(self, later: _Bucket) -> None:
        if later.low[1] < self.low[1]:
            self.low = later.low
        if later.high[1] > self.high[1]:
            self.high = later.high
        self.last = later.last
        self.total += later.total
        self.count += later.count


class Trace:
    """One quantity: the first, least, greatest and last value of each of at most BUCKETS pieces of time.

    A line through them looks as one through all values does, peaks included.
    """

    def __init__(self) -> None:
        self._width_s = WIDTH_S
        self._buckets: dict[int, _Bucket] = {}

    def add(self, at_s: float, value: float | None) -> None:
        """Add a value; later than the ones before. None: not measured."""
        if value is None:
            return
        point = (at_s, value)
        while (place := int(at_s / self._width_s)) >= BUCKETS:
            self._widen()
        new = _Bucket(point, point, point, point, value, 1)
        there = self._buckets.setdefault(place, new)
        if there is not new:
            there.add(new)

    def _widen(self) -> None:
        self._width_s *= 2
        before, self._buckets = self._buckets, {}
        for place, bucket in before.items():
            there = self._buckets.setdefault(place // 2, bucket)
            if there is not bucket:
                there.add(bucket)

    @property
    def highest(self) -> float:
        """The greatest value, 0 without any."""
        return max((bucket.high[1] for bucket in self._buckets.values()), default=0.0)

    def line(self) -> tuple[list[float], list[float]]:
        """Times and values to draw a line through; NaN where it is to be interrupted."""
        return self._interrupted(
            point
            for bucket in self._buckets.values()
            for point in sorted({bucket.first, bucket.low, bucket.high, bucket.last})
        )

    def mean(self, over_s: float) -> tuple[list[float], list[float]]:
        """A centred running mean over so many seconds, over fewer near the ends."""
        buckets = list(self._buckets.values())
        at = [(bucket.first[0] + bucket.last[0]) / 2 for bucket in buckets]
        means: list[float] = []
        first = last = count = 0
        total = 0.0
        for now in at:
            reach = min(over_s / 2, now - at[0], at[-1] - now)
            while last < len(at) and at[last] <= now + reach:
                total, count, last = total + buckets[last].total, count + buckets[last].count, last + 1
            while at[first] < now - reach:
                total, count, first = total - buckets[first].total, count - buckets[first].count, first + 1
            means.append(total / count)
        return self._interrupted(zip(at, means, strict=True))

    def _interrupted(self, points: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
        times: list[float] = []
        values: list[float] = []
        gap_s = max(GAP_S, 2 * self._width_s)
        for at_s, value in points:
            if times and at_s - times[-1] > gap_s:
                times.append(at_s)
                values.append(float("nan"))
            times.append(at_s)
            values.append(value)
        return times, values


def _traces() -> dict[str, Trace]:
    return {name: Trace() for name in ("level", "rate", "demand", "current", *(place for place, _ in PLACES))}


@dataclass(slots=True)
class Timeline:
    """What a picture shows: traces by name, marks, and when limiters were at work; times in seconds."""

    traces: dict[str, Trace] = field(default_factory=_traces)
    marks: list[Mark] = field(default_factory=list)
    held_back: list[tuple[float, float, str]] = field(default_factory=list)  # from, to, names
    end_s: float = 0.0
    samples: int = 0
    _base_s: float = 0.0
    _base_utc_s: float | None = None
    _t_ms: int | None = None
    _run_ms: int = 0

    def begin(self, utc_s: float | None = None) -> None:
        """Begin a run, with its first row at that Unix time; the first run begins by itself at 0."""
        if self._base_utc_s is None:
            self._base_utc_s = utc_s
        elif utc_s is not None:
            self._base_s = max(self.end_s + RUN_GAP_S, utc_s - self._base_utc_s)
        self._t_ms, self._run_ms = None, 0

    def at_s(self, t_ms: int) -> float:
        """The time of what carries the device's time t_ms, from the first on."""
        step_ms = 0 if self._t_ms is None else (t_ms - self._t_ms) & _T_MASK
        if step_ms > _T_MASK // 2:
            step_ms = 0  # an event that is a little older than the sample before it
        else:
            self._t_ms = t_ms
        self._run_ms += step_ms
        return self._base_s + self._run_ms / 1000

    def add(self, item: Sample | Event) -> None:
        at_s = self.at_s(item.t_ms)
        self.end_s = max(self.end_s, at_s)
        if isinstance(item, Event):
            self.marks.append(Mark(at_s, item.name, item.value))
            return
        self.samples += 1
        for name, value in _values(item):
            self.traces[name].add(at_s, value)
        self._hold(at_s, " ".join(item.limiters))

    def _hold(self, at_s: float, names: str) -> None:
        last = self.held_back[-1] if self.held_back else None
        if last and names == last[2] and at_s - last[1] < GAP_S:
            self.held_back[-1] = (last[0], at_s, names)
        elif names:
            self.held_back.append((at_s, at_s, names))


def _values(sample: Sample) -> Iterator[tuple[str, float | None]]:
    yield "level", sample.level_milli / 1000
    yield "rate", sample.rate_opm
    yield "demand", sample.demand_opm
    yield "current", None if sample.current_ma is None else sample.current_ma / 1000
    for place, name in PLACES:
        value = getattr(sample, name)
        yield place, None if value is None else value / 10
