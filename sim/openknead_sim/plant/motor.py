"""The motor's state and its equations; `plant.py` drives them.

The surprise is the coordinate. A pad on a crank gives an inertia J(θ) that pulsates twice a turn, so the
speed ω does too. With φ' = v = ω·√(J(θ)/J̄) the energy is ½·J̄·v² exactly: v and the phase φ obey the
plain motor equations, and ω follows by algebra.

    L·di/dt = u − r·i − k·v·g
    J̄·dv/dt = g·(k·i − b·v·g − c·tanh(v·g/v0))      dφ/dt = v      g = 1/√(J(θ)/J̄)

u is the PWM's mean voltage, b the tissue, c the friction. What is left of the pulsation once g is averaged
away, some 0.02 rad/s through the back-EMF, is a ripple in closed form (`_ripple`).
"""

import math

from .params import Noise, Params
from .zoh import zoh

TURN = 6.283185307179586


class Motor:
    """Brushed DC motor with crank, pad and friction. State: current, v, φ; the hand acts through `_b`."""

    def __init__(self, params: Params, seed: int) -> None:
        p = params
        self.params = p
        self.extra_nm = 0.0
        self.blocked = False
        self._k = p.k_vs
        self._l = p.l_h
        self._j = p.inertia_effective()
        self._eps = p.inertia_ripple()
        self._half = 0.5 * self._eps
        self._mean_over_j = p.inertia_mean() / self._j
        self._friction = p.no_load_a * p.k_vs
        self._friction_rad_s = p.friction_rad_s
        self._calm = False  # True: _i and _v are means over the pulsation, False: they hold it
        self._i = 0.0
        self._v = 0.0
        self._phi = TURN * Noise(seed).next()
        self._b = 0.0
        self._r = p.r_ohm + p.bridge_ohm
        self._charge = 0.0  # ∫i dt since the start of `advance`
        self._i2 = 0.0  # ∫i² dt and …
        self._angle = 0.0  # … angle rubbed, since the last look at the heat
        self._tissue_j = 0.0
        self._extra_j = 0.0
        self._fine_key = (-1.0, -1.0, -1.0)
        self._fine = zoh(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)

    @property
    def current_a(self) -> float:
        """Motor current at this instant, A, averaged over the PWM period."""
        return self._i + self._ripple()[0] if self._calm else self._i

    @property
    def theta_rad(self) -> float:
        """Shaft angle since the tach's zero, rad, growing without wrap."""
        return self._theta(self._phi)

    @property
    def omega_rad_s(self) -> float:
        """Shaft speed at this instant, rad/s, with the pulsation of the pad."""
        v = self._v + self._ripple()[1] if self._calm else self._v
        return v / math.sqrt(self._mean_over_j * (1.0 + self._eps * math.cos(2.0 * self._theta(self._phi))))

    @property
    def rate_opm(self) -> float:
        """Oscillations per minute: the speed averaged over a revolution."""
        return self._v * (60.0 / TURN)

    def _try(self, h: float, u: float, r: float, b: float) -> tuple[float, float, float, float]:
        """Current and speed after h seconds at voltage u, charge and angle passed; nothing is changed."""
        i = self._i
        v = self._v
        if self.blocked:
            end = u / r
            keep = math.exp(-r * h / self._l)
            then = end + (i - end) * keep
            return then, 0.0, end * h + (i - then) * self._l / r, 0.0
        key = (h, r, b)
        if key != self._fine_key:
            self._fine_key = key
            self._fine = zoh(h, r, b, self._k, self._l, self._j)
        bd, kd, rd, a11, a12, a21, a22, n11, n12, n21, n22 = self._fine
        i_mid = i
        v_mid = v
        i_end = v_end = charge = angle = 0.0
        # Pulsation and friction act at the middle of the step: guessed, stepped, corrected.
        for _ in range(2):
            g = self._g(self._phi + 0.5 * h * v_mid)
            u_mid = u - self._k * v_mid * (g - 1.0)
            m = self._k * i_mid * (g - 1.0) - b * v_mid * (g * g - 1.0) - self._drag(v_mid * g) * g
            ie = bd * u_mid - kd * m
            ve = kd * u_mid + rd * m
            di = i - ie
            dv = v - ve
            i_end = ie + a11 * di + a12 * dv
            v_end = ve + a21 * di + a22 * dv
            charge = ie * h + n11 * di + n12 * dv
            angle = ve * h + n21 * di + n22 * dv
            i_mid = charge / h
            v_mid = angle / h
        return i_end, v_end, charge, angle

    def _move(self, h: float, i: float, b: float) -> float:
        """h seconds at a given current: coasting (0) or regulated. Returns the angle."""
        v = self._v
        end = v
        angle = 0.0
        if not self.blocked:
            x = b * h / self._j
            keep = math.exp(-x)
            gain = (1.0 - keep) / x if x > 1e-6 else 1.0 - 0.5 * x
            mid = v
            for _ in range(2):
                g = self._g(self._phi + 0.5 * h * mid)
                m = self._k * i * g - b * mid * (g * g - 1.0) - self._drag(mid * g) * g
                end = v + (m - b * v) * h * gain / self._j
                mid = 0.5 * (v + end)
            angle = mid * h
        self._charge += i * h
        self._i2 += i * i * h
        self._i = i
        self._turn(h, angle, end, b)
        return angle

    def _turn(self, h: float, angle: float, v: float, b: float) -> None:
        mean = angle / h
        full = self._friction + self.extra_nm
        if full > 0.0:
            share = self._drag(mean) / full
            self._angle += angle * share
            self._extra_j += self.extra_nm * angle * share
        self._tissue_j += b * mean * angle
        self._phi += angle
        self._v = v

    def _drag(self, omega: float) -> float:
        """Torque against the rotation, N m: friction and extra, smooth through standstill."""
        return (self._friction + self.extra_nm) * math.tanh(omega / self._friction_rad_s)

    def _theta(self, phi: float) -> float:
        """Shaft angle at the phase φ, to the second order in the pulsation."""
        a = 0.5 * self._half
        return phi - a * math.sin(2.0 * phi) + 1.25 * a * a * math.sin(4.0 * phi)

    def _phase(self, theta: float) -> float:
        """The phase φ at a shaft angle, the inverse of `_theta`."""
        a = 0.5 * self._half
        return theta + a * math.sin(2.0 * theta) - 0.25 * a * a * math.sin(4.0 * theta)

    def _g(self, phi: float) -> float:
        """1/√(J/J̄) at the phase φ."""
        return 1.0 / math.sqrt(self._mean_over_j * (1.0 + self._eps * math.cos(2.0 * self._theta(phi))))

    def _ripple(self) -> tuple[float, float]:
        """What the pulsation adds to the mean current and speed at this phase: the linear response to it."""
        v = self._v
        if v < 1.0:
            return 0.0, 0.0
        k = self._k
        wj = 2.0 * v * self._j
        r = self._r
        x = 2.0 * v * self._l - k * k / wj
        a = k * v * self._half / (r * r + x * x)
        f = self._half * (self._friction + self.extra_nm + 2.0 * self._b * v - k * self._i)
        c = math.cos(2.0 * self._phi)
        s = math.sin(2.0 * self._phi)
        return a * (r * c + x * s), ((k * a * r + f) * s - k * a * x * c) / wj
