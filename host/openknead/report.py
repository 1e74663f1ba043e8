"""A session in numbers, from its telemetry: collected while it runs, summed up at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from openknead.model import Event, Sample, SessionEnd

_T_MASK = 0x3FFFFFFF  # the device's milliseconds may wrap here
RUNNING = ("RUNNING", "ENDING")
PLACES = (("motor", "motor_dc"), ("driver", "driver_dc"), ("handle", "handle_dc"), ("pad", "pad_dc"))


@dataclass(frozen=True)
class Mark:
    """Something worth telling, `at_s` seconds into the session."""

    at_s: float
    name: str  # the event's: "cue", "limiter", "fault" or "state"
    value: str


@dataclass(frozen=True)
class Summary:
    """A session's key figures; None where nothing was measured."""

    reason: str
    fault: str | None
    duration_s: float
    top_level: int
    mean_rate_opm: float | None  # over the time the motor was to run
    peak_rate_opm: int | None
    energy_j: float  # taken by the motor: supply voltage × motor current × duty
    hottest: str | None
    hottest_c: float | None
    cues: tuple[str, ...]
    limiters: tuple[str, ...]
    samples: int
    missed: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def lines(self) -> list[tuple[str, str]]:
        """The figures as (what, how much) for people."""
        counted = [f"{cue} {self.cues.count(cue)}×" for cue in dict.fromkeys(self.cues)]
        rows = [
            ("Ended", self.reason + (f": {self.fault}" if self.fault else "")),
            ("Duration", clock(self.duration_s)),
            ("Top level", str(self.top_level)),
            ("Mean rate", _unit(self.mean_rate_opm, "opm")),
            ("Peak rate", _unit(self.peak_rate_opm, "opm")),
            ("Energy", f"{self.energy_j:.0f} J ({self.energy_j / 3600:.2f} Wh)"),
            ("Hottest", "–" if self.hottest_c is None else f"{self.hottest} {self.hottest_c:.1f} °C"),
            ("Cues", ", ".join(counted) or "none"),
        ]
        if self.limiters:
            rows.append(("Held back", ", ".join(self.limiters)))
        if self.missed:
            rows.append(("Lost", f"{self.missed} of {self.samples + self.missed} samples"))
        return rows


class Collector:
    """Collects the items of a feed; hands each on to `also`, a recorder for instance."""

    def __init__(self, also: Callable[[Sample | Event], None] | None = None) -> None:
        self.samples: list[Sample] = []
        self.marks: list[Mark] = []
        self._also = also

    def add(self, item: Sample | Event) -> None:
        if self._also:
            self._also(item)
        if isinstance(item, Event):
            at_s = ((item.t_ms - self.samples[0].t_ms) & _T_MASK) / 1000 if self.samples else 0.0
            self.marks.append(Mark(at_s if at_s < 3600 else 0.0, item.name, item.value))
            return
        self.samples.append(item)

    def summary(self, end: SessionEnd, missed: int = 0) -> Summary:
        """The figures of what was collected; end: why the session ended; missed: samples lost."""
        driven = [sample for sample in self.samples if sample.demand_opm]
        rates = [sample.rate_opm for sample in driven if sample.rate_opm is not None]
        heat = [
            (value, place)
            for place, field in PLACES
            if (value := max((v for s in self.samples if (v := getattr(s, field)) is not None), default=None))
            is not None
        ]
        hottest = max(heat, default=None)
        return Summary(
            reason=end.reason,
            fault=end.fault.name if end.fault else None,
            duration_s=max((sample.elapsed_ms for sample in self.samples), default=0) / 1000,
            top_level=max((sample.level for sample in self.samples), default=0),
            mean_rate_opm=sum(rates) / len(rates) if rates else None,
            peak_rate_opm=max(rates, default=None),
            energy_j=energy_j(self.samples),
            hottest=hottest[1] if hottest else None,
            hottest_c=hottest[0] / 10 if hottest else None,
            cues=tuple(mark.value for mark in self.marks if mark.name == "cue"),
            limiters=tuple(dict.fromkeys(name for sample in self.samples for name in sample.limiters)),
            samples=len(self.samples),
            missed=missed,
        )


def energy_j(samples: Sequence[Sample]) -> float:
    """Electrical energy into the motor, in joules.

    `current_ma` is the motor's current while it is driven, so the supply gives it for the share `duty` of
    the time. Gaps of more than a second are left out.
    """
    total = 0.0
    for before, sample in pairwise(samples):
        dt_ms = (sample.t_ms - before.t_ms) & _T_MASK
        if dt_ms <= 1000 and sample.current_ma is not None and sample.supply_mv is not None:
            total += sample.supply_mv * sample.current_ma * sample.duty * dt_ms
    return total / 65535e9


def clock(duration_s: float) -> str:
    """12.3 → "0:12", 600 → "10:00"."""
    whole = round(duration_s)
    return f"{whole // 60}:{whole % 60:02d}"


def _unit(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{value:.0f} {unit}"
