"""What the hand that holds the device gets: vibration of the handle, estimated, and what is left for the day.

Directive 2002/44/EC judges the daily exposure A(8) = a_hv·√(T/8 h): above 2.5 m/s² an employer must act, and
5 m/s² must not be exceeded. a_hv is weighted by frequency with Wh of ISO 5349-1, as the directive's values
are: without it the time would seem to be used up fifteen times as fast at 62 Hz.
An estimate from an assumed motion of the handle; only a measurement on the handle, as in ISO 5349-2, tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

ACTION_MS2, LIMIT_MS2 = 2.5, 5.0  # A(8); Directive 2002/44/EC, article 3
DAY_MIN = 480.0  # the eight hours of A(8)
LEVEL_1_OPM, STEP_OPM = 1000, 270  # what the levels ask for
AMPLITUDE_MM = 0.2
ASSUMPTION = (
    "the handle moves in a line, as a sine, {amplitude_mm:g} mm to each side of its middle; 0.2 mm is what "
    "the reference design gives when held loosely: a crank of 2 mm moves 60 g against 0.6 kg"
)
FORMULA = "a_hv = Wh(f) · (2πf)² · x / √2,  A(8) = √(Σ a_hv²·T / 8 h)"
SOURCES = "Directive 2002/44/EC, article 3; Wh: ISO 5349-1:2001, annex A, with the exact values of ISO 8041"

# Poles of Wh: band limits, then from acceleration to velocity. ISO 8041, by the manual of a meter (HVM200).
_F1_HZ, _F2_HZ = 10**0.8, 10**3.1
_F3_HZ = 100 / (2 * math.pi)
_Q1, _Q2 = 1 / math.sqrt(2), 0.64


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of the day at one level, in minutes of motor time."""

    level: int
    rate_opm: int
    a_hv_ms2: float
    action_min: float
    limit_min: float


def weighting(hz: float) -> float:
    """The factor Wh by which hand-arm vibration of this frequency counts, 0…1."""
    if hz <= 0:
        return 0.0
    s = complex(0, hz)
    band = s**2 / (s**2 + s * _F1_HZ / _Q1 + _F1_HZ**2) * _F2_HZ**2 / (s**2 + s * _F2_HZ / _Q1 + _F2_HZ**2)
    velocity = (s + _F3_HZ) * _F3_HZ / (s**2 + s * _F3_HZ / _Q2 + _F3_HZ**2)
    return abs(band * velocity)


def acceleration(rate_opm: float, amplitude_mm: float) -> float:
    """Weighted r.m.s. acceleration a_hv in m/s² of a handle that moves by ±amplitude_mm."""
    hz = rate_opm / 60
    return weighting(hz) * (2 * math.pi * hz) ** 2 * amplitude_mm / 1000 / math.sqrt(2)


def daily(exposures: Iterable[tuple[float, float]]) -> float:
    """A(8) in m/s² of exposures given as (a_hv in m/s², minutes)."""
    return math.sqrt(sum(a_hv**2 * minutes for a_hv, minutes in exposures) / DAY_MIN)


def minutes_left(a_hv_ms2: float, so_far_ms2: float, bound_ms2: float) -> float:
    """Minutes at a_hv until A(8), now so_far, reaches the bound; 0 when it has; inf for no vibration."""
    left = bound_ms2**2 - so_far_ms2**2
    if left <= 0:
        return 0.0
    return math.inf if not a_hv_ms2 else DAY_MIN * left / a_hv_ms2**2


def budget(so_far_ms2: float, amplitude_mm: float, levels: Iterable[int]) -> list[Budget]:
    """What is left of the day at each level."""
    found = []
    for level in levels:
        rate_opm = LEVEL_1_OPM + STEP_OPM * (level - 1)
        a_hv = acceleration(rate_opm, amplitude_mm)
        left = (minutes_left(a_hv, so_far_ms2, bound) for bound in (ACTION_MS2, LIMIT_MS2))
        found.append(Budget(level, rate_opm, a_hv, *left))
    return found
