"""Exact step of the motor's linear part, by the closed-form exponential of a 2×2 matrix.

    L·di/dt = u − r·i − k·v        J·dv/dt = k·i − b·v + m

with voltage u and torque m held over the step. Nothing is approximated, whatever the step's length:
the electrical time constant (0.4 ms) may be far shorter than the step.
"""

import math


def zoh(h: float, r: float, b: float, k: float, inductance: float, inertia: float) -> tuple[float, ...]:
    """Coefficients of one step of h seconds: 3 of the equilibrium, 4 of the step, 4 of its integral.

    r ≥ 0 Ω, b ≥ 0 N m s/rad, k > 0 V s/rad. With (bd, kd, rd, a11, a12, a21, a22, n11, n12, n21, n22):
        ie = bd·u − kd·m         ve = kd·u + rd·m         di = i − ie         dv = v − ve
        i' = ie + a11·di + a12·dv                         ∫i dt = ie·h + n11·di + n12·dv
        v' = ve + a21·di + a22·dv                         ∫v dt = ve·h + n21·di + n22·dv
    """
    m11 = -r / inductance
    m12 = -k / inductance
    m21 = k / inertia
    m22 = -b / inertia
    mean = 0.5 * (m11 + m22)
    det = m11 * m22 - m12 * m21
    disc = 0.25 * (m11 - m22) * (m11 - m22) + m12 * m21
    if disc > 0.0:
        q = math.sqrt(disc)
        fast = mean - q
        slow = det / fast
        e_slow = math.exp(slow * h)
        e_fast = math.exp(fast * h)
        c = 0.5 * (e_slow + e_fast)
        s = 0.5 * (e_slow - e_fast) / q
    else:
        w = math.sqrt(-disc)
        e = math.exp(mean * h)
        c = e * math.cos(w * h)
        s = e * math.sin(w * h) / w if w > 0.0 else e * h
    a11 = c + s * (m11 - mean)
    a12 = s * m12
    a21 = s * m21
    a22 = c + s * (m22 - mean)
    d = r * b + k * k
    bd = b / d
    kd = k / d
    rd = r / d
    n11 = -bd * inductance * (a11 - 1.0) + kd * inertia * a21
    n12 = -bd * inductance * a12 + kd * inertia * (a22 - 1.0)
    n21 = -kd * inductance * (a11 - 1.0) - rd * inertia * a21
    n22 = -kd * inductance * a12 - rd * inertia * (a22 - 1.0)
    return (bd, kd, rd, a11, a12, a21, a22, n11, n12, n21, n22)
