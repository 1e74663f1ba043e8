"""Drive: level → oscillation rate → motor duty, a hundred times a second, in integers.

The demand moves along a slope (soft start, slew); the voltage is feed-forward from the motor's constants,
load compensation from its current and a PI loop on the rate. The surprise: `position` counts
millionths of a level, so that the slowest slew still moves in every tick, and 0…1 level is the soft start
from standstill.
"""

from micropython import const

LEVELS = const(11)
RATE_LEVEL_1_OPM = const(1000)
RATE_STEP_OPM = const(270)

UNIT = const(1_000_000)  # position units a level
TICKS_PER_S = const(100)
FALL_STEP = const(20_000)  # ramp-down at the end: 500 ms a level
FALL_MS_PER_LEVEL = const(500)
DIP_SLOPE = const(20)  # ticks of the way into a dip, and of the way back
DERATE_STEP = const(2_000)  # a limiter takes down (and gives back) one level in 5 s

OPM_PER_MV_UVS = const(9549)  # back-EMF in mV = uV*s/rad * opm / (60000 / 2 pi)
BRIDGE_MOHM = const(200)  # DRV8874, high side and low side together
SUPPLY_FLOOR_MV = const(5_000)  # below it the duty would only run away; safety stops long before
INTEGRAL_LIMIT_UV = const(3_000_000)


class Drive:
    """Closed rate loop. `step` once a tick; duty, demand_opm, voltage_mv and bemf_mv tell the rest.

    target: level asked for, in millionths; position: the slewed one; limited: the current limit holds the
    voltage back in this tick;
    derate: set by safety, takes the level down step by step, never below 1, until it is False again.
    """

    def __init__(self, settings):
        self._settings = settings
        self.derate = False
        self.target = 0
        self.configure()
        self.halt()

    def configure(self):
        """Take the settings over."""
        s = self._settings
        self._rise_step = UNIT // (s["slew_s"] * TICKS_PER_S)
        self._ke = s["motor_ke_uvs"]
        self._r = s["motor_r_mohm"] + BRIDGE_MOHM
        self._no_load_ma = s["motor_no_load_ma"]
        self._no_load_mv = self._r * self._no_load_ma // 1000
        self._comp = self._r * s["drive_comp_pct"] // 100
        self._kp = s["drive_kp"]
        self._ki = s["drive_ki"]
        self._limit_mv = self._r * s["current_limit_ma"] // 1000

    def halt(self):
        """Everything to standstill, at once."""
        self.target = 0
        self.position = 0
        self.demand_opm = 0
        self.duty = 0
        self.voltage_mv = 0
        self.bemf_mv = 0
        self.limited = False
        self._falling = False
        self._integral_uv = 0
        self._dip_ticks = self._dip_depth = 0
        self._cap = LEVELS * UNIT

    def rise_to(self, level):
        """New target level 1…LEVELS; reached at the slew of the settings."""
        self.aim(level * 1000)

    def aim(self, milli):
        """New target in thousandths of a level, 0: to standstill; reached at the slew of the settings."""
        self.target = milli * 1000
        self._falling = False

    def fall(self):
        """Ramp down to standstill, FALL_MS_PER_LEVEL a level."""
        self._falling = True

    def fall_ms(self):
        """How long `fall` would take from here."""
        return self.position // (UNIT // FALL_MS_PER_LEVEL)

    def dip(self, ms):
        """A dip in the rate that the hand feels, for `ms`; slopes lead in and back, against overshoot."""
        self._dip_ticks = ms // 10 + DIP_SLOPE

    def step(self, rate_opm, current_ma, supply_mv):
        """One tick: returns the duty 0…65535 for the measured rate, motor current and supply voltage."""
        position = self.position
        if self._falling:
            goal = 0
            step = FALL_STEP
        else:
            goal = self.target
            cap = self._cap
            if self.derate:
                if cap > position and position > UNIT:
                    cap = position
                if cap > UNIT:
                    cap -= DERATE_STEP
                self._cap = cap
            elif cap < LEVELS * UNIT:
                self._cap = cap = cap + DERATE_STEP
            if goal > cap:
                goal = cap
            step = self._rise_step
        if position < goal:
            position += step
            if position > goal:
                position = goal
        elif position > goal:
            position -= step
            if position < goal:
                position = goal
        self.position = position
        self.limited = False
        if not position:
            self.demand_opm = self.duty = self.voltage_mv = self._integral_uv = 0
            return 0
        milli = position // 1000
        if milli >= 1000:
            demand = RATE_LEVEL_1_OPM + RATE_STEP_OPM * (milli - 1000) // 1000
        else:
            demand = milli * RATE_LEVEL_1_OPM // 1000
        dip = self._dip_ticks
        if dip:
            self._dip_ticks = dip = dip - 1
            depth = self._dip_depth = dip if dip < self._dip_depth else min(self._dip_depth + 1, DIP_SLOPE)
            demand -= demand * depth // (4 * DIP_SLOPE)
        self.demand_opm = demand
        error = demand - rate_opm
        ke = self._ke
        integral = self._integral_uv
        voltage = ke * demand // OPM_PER_MV_UVS + self._no_load_mv + (self._kp * error + integral) // 1000
        load_ma = current_ma - self._no_load_ma
        if load_ma > 0:  # the drop over the winding is known before the rate has suffered from it
            voltage += self._comp * load_ma // 1000
        self.bemf_mv = bemf = ke * rate_opm // OPM_PER_MV_UVS
        highest = bemf + self._limit_mv
        if highest >= supply_mv:
            highest = supply_mv
        elif voltage > highest:
            self.limited = True
        if voltage > highest:
            voltage = highest
        elif voltage < 0:
            voltage = 0
        elif not dip:  # the integral only moves while the voltage is free to follow it
            integral += error * self._ki // TICKS_PER_S
            if integral > INTEGRAL_LIMIT_UV:
                integral = INTEGRAL_LIMIT_UV
            elif integral < -INTEGRAL_LIMIT_UV:
                integral = -INTEGRAL_LIMIT_UV
            self._integral_uv = integral
        self.voltage_mv = voltage
        if supply_mv < SUPPLY_FLOOR_MV:
            supply_mv = SUPPLY_FLOOR_MV
        duty = (voltage << 14) // supply_mv << 2
        self.duty = duty = duty if duty < 65_535 else 65_535
        return duty
