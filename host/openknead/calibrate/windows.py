"""Windows: telemetry averaged over half a second, and which of it a fit may use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from openknead.model import Sample

HZ = 20  # telemetry, as fast as a device sends it
LENGTH = 10  # samples a window: filters and the tach's lag are shorter
# Drift of the rate from one half of a window to the other, as a part of it: cues and slopes have more. To
# and fro is no harm to means, and a drive with the wrong constants may hunt.
DRIFT = 0.03
FULL_DUTY = 65_535
SATURATED = 64_000  # above it the bridge hardly switches, which changes what it takes


@dataclass(frozen=True, slots=True)
class Window:
    """Means over half a second. charge: ∫i² dt since the motor went on, A² s, which warms the winding."""

    level: int
    volts: float  # applied: duty × supply
    current_a: float
    speed_rad_s: float
    supply_v: float
    duty: float  # 0…1
    charge: float
    motor_c: float | None
    pressed: bool


def window(samples: Sequence[Sample], charge: float, pressed: bool) -> Window | None:
    """The window of LENGTH samples; None where the drive moves, or a value is missing."""
    rates = [sample.rate_opm or 0 for sample in samples]
    mean = sum(rates) / len(rates)
    half = len(rates) // 2
    drift = abs(sum(rates[:half]) / half - sum(rates[half:]) / (len(rates) - half))
    for sample in samples:
        if (
            sample.state != "RUNNING"
            or sample.level_milli != 1000 * sample.level
            or sample.duty >= SATURATED
            or not sample.current_ma
            or not sample.supply_mv
        ):
            return None
    if mean <= 0 or drift > DRIFT * mean:
        return None
    n = len(samples)
    motor = samples[-1].motor_dc
    return Window(
        level=samples[0].level,
        volts=sum(s.duty * (s.supply_mv or 0) for s in samples) / FULL_DUTY / 1000 / n,
        current_a=sum(s.current_ma or 0 for s in samples) / 1000 / n,
        speed_rad_s=mean * math.tau / 60,
        supply_v=sum(s.supply_mv or 0 for s in samples) / 1000 / n,
        duty=sum(s.duty for s in samples) / FULL_DUTY / n,
        charge=charge,
        motor_c=None if motor is None else motor / 10,
        pressed=pressed,
    )
