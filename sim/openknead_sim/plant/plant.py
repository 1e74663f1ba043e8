"""The massager as physics: motor, pad, hand, supply and heat behind a drive input.

A motor that runs calmly takes one exact step per 10 ms, about 2 µs of CPython. Starts, jumps, stops, faults
and the current limit take small ones (`_careful`), so that the speed stays within 0.012 rad/s of the true
solution throughout. Supply and bridge, over the PWM period: u = D·(source − R_source·i_electronics), and
r = R(T) + R_bridge + D²·R_source puts the sag into the motor's own exact step. D is the duty less what the
bridge's dead time takes of it.

Runs on CPython and MicroPython alike and gives the same numbers.
"""

import math

from .hand import Hand
from .heat import Heat, cell_volts
from .motor import TURN, Motor
from .params import Params
from .zoh import zoh

CHUNK_US = 10_000  # longest single step: the firmware's tick
SLOW_US = 100_000  # heat, charge and R(T) are looked at this often
CALM_RAD_S = 60.0  # faster than this, and …
CALM_RAD_S2 = 600.0  # … accelerating less: one step per chunk
FINE_S = 1.0e-3  # step of `_careful`; measured: 0.008 rad/s at most
FINEST_S = 2.5e-4  # … near standstill, where the friction bends
EDGE_S = 1.0e-5  # … and where the current limit ends
BENT_RAD_S = 20.0  # slower than this is near standstill, …
BENT_CHANGE = 0.03  # … unless a step changes the speed by less than this, rad/s
UVLO_RISE_V = 0.1  # lockout ends this far above its threshold
BAND_OHM = 4.0e-3  # matrix kept while r and b stay this near; the rest enters at the predicted midpoint
BAND_NMS = 2.5e-6
REST_RAD_S = 1.0e-5  # slower than this without drive stands still
REST_A = 1.0e-6
NO_LIMIT_A = 1.0e9


class Plant(Motor):
    """One massager on its supply, from power-on at t = 0.

    Conditions, plain attributes to set at any time:
      hand                the Hand that presses
      extra_nm            more braking torque on the shaft, N m, ≥ 0
      blocked             True: the rotor is held still
      shorted_fet         True: full supply on the motor whatever duty and enable say, no current regulation
      driver_dead         True: the bridge stays off
      supply_override_v   replaces battery or adapter voltage, V; None: as it is (0 = unplugged)
      supply_extra_ohm    more source resistance: old cells, a loose contact
      heat.ambient_c      °C

    Results, as of the last `advance`:
      t_us                absolute time, µs
      edges               rising edges of the tach in the last `advance`, absolute µs; the list is reused
      current_avg_a       motor current, mean over the last `advance`: what the sense amplifier's filter sees
      supply_v            at the controller's input, mean over the last 10 ms at most
      energy_j            drawn from the supply's terminals since power-on (regained energy counts back)
      soc, pressure       0…1 of the battery; the hand's value
      driver_off          True: lockout or thermal shutdown, what pulls nFAULT
      and the properties below.
    """

    def __init__(self, params: Params | None = None, seed: int = 0, ppr: int = 1, soc: float = 1.0) -> None:
        """params: constants, None = reference; seed: rotor angle at power-on, any integer.

        ppr: tach pulses per revolution, 0…64 (0 = no tach); soc: state of charge, 0…1.
        Raise ValueError beyond.
        """
        if not 0 <= ppr <= 64 or not 0.0 <= soc <= 1.0:
            raise ValueError("ppr must be 0…64, soc 0…1")
        p = params or Params()
        super().__init__(p, seed)
        self.hand = Hand(0.0)
        self.shorted_fet = False
        self.driver_dead = False
        self.supply_override_v: float | None = None
        self.supply_extra_ohm = 0.0
        self.heat = Heat(p)
        self.t_us = 0
        self.edges: list[int] = []
        self.current_avg_a = 0.0
        self.energy_j = 0.0
        self.soc = soc
        self.pressure = 0.0
        self.driver_off = False

        # The second-order average of the pulsation: tissue torque goes with g².
        self._up = 1.0 + 0.5 * self._half * self._half
        self._i_el = p.electronics_a
        self._duty = 0.0
        self._dead = p.bridge_dead_duty
        self._enabled = False
        self._hot = False
        self._limited = False
        self._uvlo = p.bridge_uvlo_v
        self._limit = p.bridge_limit_a
        self._air = p.air_nms
        self._tissue = p.tissue_nms
        self.set_pulses(ppr)
        self._slow_us = 0
        self._q = 0.0
        self._winding_j = 0.0
        self._bridge_j = 0.0
        self._friction_j = 0.0
        self._electronics_j = 0.0
        self._tissue_seen_j = 0.0  # as of the last look at the heat
        self._lost_j = 0.0
        self._kept = (-1.0, -1.0, -1.0)
        self._zoh = zoh(0.01, 1.0, 1.0, 1.0, 1.0, 1.0)
        self._refresh()
        self.supply_v = self._ocv - self._r_src * self._i_el

    def set_drive(self, duty: float, enabled: bool) -> None:
        """Bridge input from now on: duty 0…1 of the supply; enabled: False = off, the motor coasts.

        Enabled with duty 0 brakes. Raise ValueError for a duty outside 0…1.
        """
        if not 0.0 <= duty <= 1.0:
            raise ValueError("duty must be 0…1")
        self._duty = max(0.0, duty - self._dead) if duty < 1.0 else duty  # nothing switches at 1
        self._enabled = enabled

    def set_pulses(self, ppr: int) -> None:
        """Give the tach so many pulses a revolution from now on, 0…64 (0 = no tach)."""
        self.pulses = ppr
        self._pitch = TURN / ppr if ppr else 1.0e30
        self._pulse = int(self.theta_rad / self._pitch) + 1
        self._edge = self._phase(self._pulse * self._pitch)

    def advance(self, dt_us: int) -> None:
        """Let dt_us ≥ 0 microseconds pass; pressure is taken at the start of each 10 ms.

        Raise ValueError for a negative time.
        """
        self.edges.clear()
        if dt_us <= 0:
            if dt_us < 0:
                raise ValueError("time runs forward only")
            return
        self._charge = 0.0
        left = dt_us
        while left > CHUNK_US:
            self._chunk(CHUNK_US)
            left -= CHUNK_US
        self._chunk(left)
        self.current_avg_a = self._charge / (dt_us * 1e-6)

    @property
    def motor_c(self) -> float:
        """Motor case, °C: where the motor's NTC sits."""
        return self.heat.case_c

    @property
    def winding_c(self) -> float:
        """Winding, °C: no sensor sees it."""
        return self.heat.winding_c

    @property
    def driver_c(self) -> float:
        """Driver chip, °C."""
        return self.heat.driver_c

    @property
    def handle_c(self) -> float:
        """Handle, where the hand holds it, °C."""
        return self.heat.handle_c

    @property
    def pad_c(self) -> float:
        """Pad at its seat, where its NTC is, °C."""
        return self.heat.pad_c

    def balance_j(self) -> dict[str, float]:
        """Where `energy_j` went since power-on, J: heat, work, and what spins and flows at this instant.

        `lost` is what a sudden block or switch-off took from rotor and coil.
        """
        i2 = self._i2
        return {
            "winding": self._winding_j + i2 * self._r_winding,
            "bridge": self._bridge_j + i2 * self.params.bridge_ohm,
            "electronics": self._electronics_j,
            "friction": self._friction_j + self._angle * self._friction,
            "tissue": self._tissue_j,
            "extra": self._extra_j,
            "lost": self._lost_j,
            "stored": 0.5 * (self._j * self._v * self._v + self._l * self._i * self._i),
        }

    def _chunk(self, dt_us: int) -> None:
        """Up to CHUNK_US. Straight-line arithmetic: this is the simulator's hot path."""
        h = dt_us * 1e-6
        t_us = self.t_us
        self.t_us = t_us + dt_us
        self.pressure = p = self.hand.pressure(t_us * 1e-6)
        b = self._air + p * self._tissue
        v = self._v
        ocv = self.supply_override_v
        if ocv is None:
            ocv = self._ocv
        r_src = self._r_src + self.supply_extra_ohm
        if (
            v < CALM_RAD_S
            or not self._enabled
            or self.blocked
            or self.shorted_fet
            or self.driver_off
            or self.driver_dead
            or self._limited
            or ocv < self._uvlo
        ):
            self._careful(t_us, dt_us, b, ocv, r_src)
            return
        d = self._duty
        i_el = self._i_el
        k = self._k
        r = self._r_path + d * d * r_src
        u = d * (ocv - r_src * i_el)
        extra = self.extra_nm
        torque = self._friction + extra
        accel = (k * (u - k * v) / r - b * v - torque) / self._j
        if accel > CALM_RAD_S2 or accel < -CALM_RAD_S2:
            self._careful(t_us, dt_us, b, ocv, r_src)
            return
        r0, b0, h0 = self._kept
        dr = r - r0
        db = b - b0
        if h != h0 or dr > BAND_OHM or dr < -BAND_OHM or db > BAND_NMS or db < -BAND_NMS:
            self._keep(h, r, b)
            dr = db = 0.0
        if not self._calm:
            self._b = b
            self._r = r
            di, dv = self._ripple()
            self._i -= di
            self._v = v = v - dv
            self._calm = True
        i = self._i
        # r and b of the matrix are a little off: their remainder acts as a voltage and a torque.
        mid = v + 0.5 * h * accel
        u -= dr * (u - k * mid) / r
        m = -torque - db * mid
        bd, kd, rd, a11, a12, a21, a22, n11, n12, n21, n22 = self._zoh
        ie = bd * u - kd * m
        ve = kd * u + rd * m
        di = i - ie
        dv = v - ve
        i = ie + a11 * di + a12 * dv
        if i > self._limit:
            self._careful(t_us, dt_us, b, ocv, r_src)
            return
        self._i = i
        self._v = ve + a21 * di + a22 * dv
        charge = ie * h + n11 * di + n12 * dv
        angle = ve * h + n21 * di + n22 * dv
        self._b = b
        self._r = r
        phi = self._phi
        self._phi = end = phi + angle
        if end >= self._edge:
            self._tach(t_us, dt_us, phi, angle)
        self._charge += charge
        mean = charge / h
        self._i2 += charge * mean
        self._angle += angle
        self._tissue_j += b * mid * angle
        if extra:
            self._extra_j += extra * angle
        drawn = d * mean + i_el
        self._q += drawn * h
        self.supply_v = volts = ocv - r_src * drawn
        if volts < self._uvlo:
            self.driver_off = True
        self.energy_j += volts * drawn * h
        self._electronics_j += volts * i_el * h
        self._slow_us += dt_us
        if self._slow_us >= SLOW_US:
            self._slow()

    def _careful(self, t_us: int, dt_us: int, b: float, ocv: float, r_src: float) -> None:
        """The same step in small ones: starts, jumps, stops, faults, the current limit."""
        if self._calm:
            di, dv = self._ripple()
            self._i += di
            self._v += dv
            self._calm = False
        self._b = b
        short = self.shorted_fet
        if ocv < self._uvlo:
            self.driver_off = True
        on = ocv > 0.0 if short else self._enabled and not self.driver_off and not self.driver_dead
        d = 1.0 if short else self._duty
        limit = NO_LIMIT_A if short else self._limit
        i_el = self._i_el
        u = d * (ocv - r_src * i_el)
        self._r = r = self._r_path + d * d * r_src
        if self.blocked and self._v != 0.0:
            self._lost_j += 0.5 * self._j * self._v * self._v
            self._v = 0.0
        if not on:
            self._limited = False
            self._lost_j += 0.5 * self._l * self._i * self._i
            self._i = 0.0
        if -REST_A < self._i < REST_A and -REST_RAD_S < self._v < REST_RAD_S and (not on or u <= 0.0):
            self._i = self._v = 0.0
            self._book(dt_us, 0.0, ocv, r_src)
            return
        left = dt_us * 1e-6
        q = 0.0
        change = BENT_CHANGE
        while left > 0.0:
            v0 = self._v
            phi = self._phi
            h = FINEST_S if v0 < BENT_RAD_S and change >= BENT_CHANGE else FINE_S
            if self._limited and limit > 0.0:  # no further than to where the regulation lets go
                h = min(h, max(EDGE_S, ((u - r * limit) / self._k - v0) * self._j / (self._k * limit)))
            if left < 1.01 * h:
                h = left
            if not on:
                self._move(h, 0.0, b)
                part = 0.0
            elif self._limited:
                part = self._move(h, limit, b)
                # Duty the regulation leaves: what back-EMF and resistances take, drawn through the source.
                take = self._k * part + self._r_path * limit * h
                full = (ocv - r_src * i_el) * h
                root = full * full - 4.0 * r_src * limit * h * take
                small = 2.0 * take / (full + math.sqrt(root)) if root > 0.0 and full > 0.0 else d
                part = small * limit * h
                if u - r * limit - self._k * self._v < 0.0 or limit > self._limit:
                    self._limited = False
            else:
                i, v, charge, angle = self._try(h, u, r, b)
                if i > limit:
                    low = 0.0
                    high = h
                    for _ in range(24):
                        h = 0.5 * (low + high)
                        if self._try(h, u, r, b)[0] > limit:
                            high = h
                        else:
                            low = h
                    h = high
                    i, v, charge, angle = self._try(h, u, r, b)
                    self._limited = True
                self._i2 += charge * charge / h + h * (i - self._i) * (i - self._i) / 12.0
                self._charge += charge
                self._turn(h, angle, v, b)
                self._i = i
                part = d * charge
            q += part
            if self._phi >= self._edge:
                self._tach(t_us + dt_us - left * 1e6, h * 1e6, phi, self._phi - phi)
            change = abs(self._v - v0)
            left -= h
            if left < 1e-9:
                left = 0.0
        self._book(dt_us, q, ocv, r_src)

    def _book(self, dt_us: int, q: float, ocv: float, r_src: float) -> None:
        """Supply side of a careful step: q is the charge the bridge drew, A s."""
        h = dt_us * 1e-6
        drawn = q / h + self._i_el
        self._q += drawn * h
        self.supply_v = volts = max(0.0, ocv - r_src * drawn)
        self.driver_off = self._hot or volts < self._uvlo + (UVLO_RISE_V if self.driver_off else 0.0)
        self.energy_j += volts * drawn * h
        self._electronics_j += volts * self._i_el * h
        self._slow_us += dt_us
        if self._slow_us >= SLOW_US:
            self._slow()

    def _keep(self, h: float, r: float, b: float) -> None:
        k = self._k
        x = 2.0 * self._v * self._l
        brake = 0.5 * (k * self._half) ** 2 * r / (r * r + x * x)
        self._zoh = zoh(h, r, b * self._up + brake, k, self._l, self._j)
        self._kept = (r, b, h)

    def _tach(self, t_us: float, dt_us: float, phi: float, angle: float) -> None:
        """Note the edges between phi and phi + angle, which took dt_us from t_us on."""
        end = self._phi
        while end >= self._edge:
            self.edges.append(int(t_us + dt_us * (self._edge - phi) / angle))
            self._pulse += 1
            self._edge = self._phase(self._pulse * self._pitch)

    def _slow(self) -> None:
        p = self.params
        dt = self._slow_us * 1e-6
        winding = self._i2 * self._r_winding
        bridge = self._i2 * p.bridge_ohm
        friction = self._angle * self._friction
        self._winding_j += winding
        self._bridge_j += bridge
        self._friction_j += friction
        own = p.bridge_own_w if self._enabled else 0.0
        tissue = self._tissue_j - self._tissue_seen_j
        self._tissue_seen_j = self._tissue_j
        self.heat.step(
            dt, winding / dt, friction / dt, bridge / dt + own, tissue / dt, on_skin=self.pressure > 0.0
        )
        if p.cells and self.supply_override_v is None:
            self.soc = min(1.0, max(0.0, self.soc - self._q / (3600.0 * p.cell_ah)))
        self._i2 = self._q = self._angle = 0.0
        self._slow_us = 0
        self._hot = self.heat.driver_c > p.bridge_otp_c - (p.bridge_otp_hyst_c if self._hot else 0.0)
        self.driver_off = self.driver_off or self._hot
        self._refresh()

    def _refresh(self) -> None:
        p = self.params
        self._r_winding = p.r_ohm * (1.0 + p.copper_per_k * (self.heat.winding_c - 25.0))
        self._r_path = self._r_winding + p.bridge_ohm
        self._ocv = p.cells * cell_volts(self.soc) if p.cells else p.adapter_v
        self._r_src = p.battery_ohm if p.cells else p.adapter_ohm
