"""Least squares: windows → resistance, back-EMF constant, no-load current, with what is uncertain about them.

The winding warms while it is pressed, unseen by the thermistor on the can. Its resistance grows with ∫i² dt,
so that is a regressor of its own (I·∫i² dt), and R is that of the start, when winding and can were alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from openknead.calibrate.windows import Window
from openknead.errors import CalibrationRefused

BRIDGE_OHM = 0.2  # of both switches of the DRV8874, as the firmware has it (BRIDGE_MOHM of its drive)
COPPER_PER_K = 0.0039
REFERENCE_C = 25.0
SENSE_GAIN, SUPPLY_GAIN = 0.06, 0.02  # tolerances of the current mirror and of the supply's divider
LEAST_FREE, LEAST_PRESSED = 8, 8  # windows
LEAST_RISE_A = 0.3  # of the current under the hand, above that of the free pad
TOUCHED_A, TOUCHED_PART = 0.03, 0.1  # of a level's mean off the line through all
WORST_RESIDUAL_V = 0.06
WORST_R, WORST_KE = 0.05, 0.02  # uncertainty that is too much to be of use


@dataclass(frozen=True, slots=True)
class Value:
    """A constant and twice its standard error, as the scatter of the windows tells it."""

    value: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class Constants:
    """What was found.

    resistance: of the winding at 25 °C, Ω; back_emf: V·s/rad; no_load: A, of the free pad, less what grows
    with speed; drop_v: what bridge and brushes take besides; residual_v: r.m.s. of the fit; windows: how
    many; motor_c: at the start; systematic: tolerance of the sensors, as a part, which no scatter shows.
    """

    resistance: Value
    back_emf: Value
    no_load: Value
    drop_v: Value
    residual_v: float
    windows: int
    motor_c: float
    systematic: tuple[float, float, float] = (SENSE_GAIN + SUPPLY_GAIN, SUPPLY_GAIN, SENSE_GAIN)

    def settings(self) -> dict[str, int | bool]:
        """The device's settings that hold them."""
        return {
            "motor_r_mohm": round(self.resistance.value * 1e3),
            "motor_ke_uvs": round(self.back_emf.value * 1e6),
            "motor_no_load_ma": round(self.no_load.value * 1e3),
        }


def fit(windows: Sequence[Window]) -> Constants:
    """The constants behind these windows. Raises CalibrationRefused when they do not tell."""
    free = [w for w in windows if not w.pressed]
    rest = max((w.current_a for w in free), default=0.0)
    pressed = [w for w in windows if w.pressed and w.current_a > rest + LEAST_RISE_A]
    if len(free) < LEAST_FREE or len({w.level for w in free}) < 2:
        raise CalibrationRefused(
            f"the free pad ran steadily for {len(free) / 2:g} s only",
            remedy="hold the device still, with the pad touching nothing, and repeat",
        )
    if len(pressed) < LEAST_PRESSED:
        raise CalibrationRefused(
            f"the pad was pressed steadily for {len(pressed) / 2:g} s, of {LEAST_PRESSED / 2:g} s at least",
            remedy="press the pad firmly and evenly against a cushion, and repeat",
        )
    _check_free(free)
    used = free + pressed
    rows = [(1.0, w.current_a, w.current_a * w.charge, w.speed_rad_s) for w in used]
    (drop, total, _warming, back_emf), errors, residual = solve(rows, [w.volts for w in used])
    temperatures = [w.motor_c for w in free if w.motor_c is not None]
    if not temperatures:
        raise CalibrationRefused(
            "the motor's temperature is not known, so neither is its resistance at 25 °C",
            remedy="mend the motor's thermistor: knead selftest",
        )
    motor_c = temperatures[0]
    to_25 = 1 / (1 + COPPER_PER_K * (motor_c - REFERENCE_C))
    no_load, no_load_error = _no_load(free)
    found = Constants(
        resistance=Value((total - BRIDGE_OHM) * to_25, 2 * errors[1] * to_25),
        back_emf=Value(back_emf, 2 * errors[3]),
        no_load=Value(no_load, 2 * no_load_error),
        drop_v=Value(drop, 2 * errors[0]),
        residual_v=residual,
        windows=len(used),
        motor_c=motor_c,
    )
    _judge(found)
    return found


def _check_free(free: Sequence[Window]) -> None:
    """A pad that was touched draws more at one level than the others let expect; hunting averages out."""
    levels = sorted({w.level for w in free})
    means = []
    for level in levels:
        here = [w for w in free if w.level == level]
        means.append((_mean([w.speed_rad_s for w in here]), _mean([w.current_a for w in here])))
    (current, slope), _, _ = solve([(1.0, speed) for speed, _ in means], [amperes for _, amperes in means])
    for level, (speed, amperes) in zip(levels, means, strict=True):
        expected = current + slope * speed
        if abs(amperes - expected) > TOUCHED_A + TOUCHED_PART * abs(expected):
            raise CalibrationRefused(
                f"the free pad drew {amperes:.2f} A at level {level}, {expected:.2f} A by its other levels",
                remedy="let the pad touch nothing until told to press; or its mechanics bind",
            )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _no_load(free: Sequence[Window]) -> tuple[float, float]:
    """Current of the free pad, the part that grows with speed (air, grease) taken off; and its error."""
    (current, _slope), errors, _ = solve([(1.0, w.speed_rad_s) for w in free], [w.current_a for w in free])
    return current, errors[0]


def _judge(found: Constants) -> None:
    r, ke = found.resistance, found.back_emf
    if r.value <= 0 or ke.value <= 0 or found.no_load.value <= 0:
        numbers = f"{r.value:.3g} Ω, {ke.value * 1000:.3g} mV·s/rad, {found.no_load.value:.3g} A"
        raise CalibrationRefused(
            f"{numbers}: no motor has such constants",
            remedy="press harder and more evenly; check isense_mv_per_a and the tach",
        )
    parts = r.uncertainty / r.value, ke.uncertainty / ke.value
    if found.residual_v > WORST_RESIDUAL_V or parts[0] > WORST_R or parts[1] > WORST_KE:
        nearer = " ".join(f"{name}={value}" for name, value in found.settings().items())
        raise CalibrationRefused(
            f"too uncertain: R by {parts[0] * 100:.0f} %, Ke by {parts[1] * 100:.0f} %, the fit is off by "
            f"{found.residual_v * 1000:.0f} mV",
            remedy="press more evenly; if the motor hunts, its constants are far off: a first estimate for a "
            f"second run is `knead set {nearer}`",
            data={"estimate": found.settings()},
        )


def solve(rows: Sequence[Sequence[float]], values: Sequence[float]) -> tuple[list[float], list[float], float]:
    """Least squares: coefficients, their standard errors, r.m.s. residual.

    Raises CalibrationRefused when the rows do not tell the coefficients apart.
    """
    n = len(rows[0])
    # Columns of one size each, or the normal equations lose what little digits they have.
    sizes = [math.sqrt(sum(row[j] ** 2 for row in rows)) or 1.0 for j in range(n)]
    scaled = [[row[j] / sizes[j] for j in range(n)] for row in rows]
    normal = [[sum(row[i] * row[j] for row in scaled) for j in range(n)] for i in range(n)]
    right = [sum(row[i] * value for row, value in zip(scaled, values, strict=True)) for i in range(n)]
    inverse = _inverse(normal)
    found = [sum(inverse[i][j] * right[j] for j in range(n)) for i in range(n)]
    off = [value - sum(map(float.__mul__, row, found)) for row, value in zip(scaled, values, strict=True)]
    square = sum(each**2 for each in off)
    variance = square / max(1, len(rows) - n)
    errors = [math.sqrt(max(0.0, inverse[j][j] * variance)) / sizes[j] for j in range(n)]
    return [found[j] / sizes[j] for j in range(n)], errors, math.sqrt(square / len(rows))


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    n = len(matrix)
    work = [[*row, *(float(i == j) for j in range(n))] for i, row in enumerate(matrix)]
    for i in range(n):
        best = max(range(i, n), key=lambda k: abs(work[k][i]))
        if abs(work[best][i]) < 1e-9:
            raise CalibrationRefused(
                "speed and load did not vary enough to tell the constants apart",
                remedy="raise max_level, and press the pad as told",
            )
        work[i], work[best] = work[best], work[i]
        pivot = work[i][i]
        work[i] = [each / pivot for each in work[i]]
        for k in range(n):
            if k != i:
                factor = work[k][i]
                work[k] = [a - factor * b for a, b in zip(work[k], work[i], strict=True)]
    return [row[n:] for row in work]
