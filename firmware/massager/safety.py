"""Safety: watches every tick, sets limiters, latches the first fault.

Current, rate, driver, interlock and tick period are judged in every tick; the slow quantities take turns, one
a tick, each timed by its own period. Behind it stand the driver's own protection, the PIO interlock and the
watchdog, which trust nothing here. What is not measured in a tick (memory, flash, the cause of a restart)
comes in through `report`.
"""

from array import array

from micropython import const

from massager import faults
from massager.sense import HALF_RAIL, HANDLE, INVALID, MOTOR, PERIOD_MS, REFERENCE

TICK_MS = const(10)
SLOW_MS = const(40)  # the supply's turn comes with every fourth tick

STALL_DEMAND_OPM = const(500)  # below it, soft start and ramp-down are not judged
TURNING_MA = const(1000)  # a motor that draws less turns, if its back-EMF says so; one that stands draws more
LIMITED_TICKS = const(100)  # the current limiter comes and goes with the stroke: reported for a second
DRIVEN_MV = const(200)  # voltage above back-EMF by so much must draw current
ASLEEP_MA = const(150)  # the current sense of a driver that sleeps reads nothing
WAKE_TICKS = const(5)  # after which the interlock has risen and the driver is awake
SLEEP_TICKS = const(3)  # after which both are off again
COAST_TICKS = const(300)  # a motor that still coasts at a start is below the demand by then
STANDSTILL_TICKS = const(500)  # a motor that was switched off stands by then
START_TICKS = const(200)  # the supply's dip is looked for in the first 2 s
COLDER_DC = const(400)
UNKNOWN_OPM = const(100_000)  # after a reset the motor may still coast, …
TACH_TICKS = const(30)  # … and the tach knows it by then

_STEADY_US = const(100_000)  # longer ticks than this are counted as this


_OVER_CURRENT_MA = faults.row(faults.OVER_CURRENT)[faults.FAULT]
_NO_CURRENT_MA = faults.row(faults.CURRENT_SENSOR)[faults.FAULT]
_TICK_MAX_US = faults.row(faults.TICK_OVERRUN)[faults.FAULT] * 1000
_CLOCK_MAX_US = faults.row(faults.CLOCK_JUMP)[faults.FAULT] * 1000
_OVERRUN_US = faults.row(faults.SESSION_OVERRUN)[faults.FAULT] * 1_000_000
_RUNAWAY_OPM = faults.row(faults.RUNAWAY)[faults.FAULT]
_UNCOMMANDED_OPM = faults.row(faults.UNCOMMANDED_MOTION)[faults.FAULT]
_REFERENCE_OFF = faults.row(faults.ADC_REFERENCE)[faults.FAULT]
_DIP_PCT = faults.row(faults.SUPPLY_DIP)[faults.FAULT]
_BATTERY_HYSTERESIS_MV = faults.row(faults.BATTERY_CRITICAL)[faults.HYSTERESIS]
# By temperature channel: code when hot, code of its sensor, limit, fault threshold, hysteresis (0.1 C), ms.
_HEAT = tuple(
    (hot, sensor) + faults.row(hot)[faults.LIMIT : faults.DEBOUNCE_MS] + (period_ms,)
    for hot, sensor, period_ms in zip(
        (faults.MOTOR_HOT, faults.DRIVER_HOT, faults.HANDLE_HOT, faults.PAD_HOT),
        (faults.MOTOR_SENSOR, faults.DRIVER_SENSOR, faults.HANDLE_SENSOR, faults.PAD_SENSOR),
        PERIOD_MS,
    )
)
# What is judged in every tick, and of that what has no cause any more once the motor is off.
_FAST_CODES = (
    faults.OVER_CURRENT,
    faults.STALL,
    faults.CURRENT_SENSOR,
    faults.TICK_OVERRUN,
    faults.RUNAWAY,
    faults.UNCOMMANDED_MOTION,
    faults.DRIVER_FAULT,
    faults.INTERLOCK_TRIPPED,
    faults.INTERLOCK_FAILED,
    faults.CLOCK_JUMP,
    faults.SESSION_OVERRUN,
)
_ENDS_WITH_MOTOR = (
    faults.STALL,
    faults.CURRENT_SENSOR,
    faults.TICK_OVERRUN,
    faults.BATTERY_CRITICAL,
    faults.RUNAWAY,
    faults.DRIVER_FAULT,
    faults.SUPPLY_DIP,
    faults.INTERLOCK_TRIPPED,
    faults.INTERLOCK_FAILED,
    faults.CLOCK_JUMP,
    faults.SESSION_OVERRUN,
)
_OVER_CURRENT = 1 << faults.OVER_CURRENT
_STALL = 1 << faults.STALL
_CURRENT_SENSOR = 1 << faults.CURRENT_SENSOR
_TICK_OVERRUN = 1 << faults.TICK_OVERRUN
_RUNAWAY = 1 << faults.RUNAWAY
_UNCOMMANDED = 1 << faults.UNCOMMANDED_MOTION
_DRIVER_FAULT = 1 << faults.DRIVER_FAULT
_TRIPPED = 1 << faults.INTERLOCK_TRIPPED
_FAILED = 1 << faults.INTERLOCK_FAILED
_CLOCK_JUMP = 1 << faults.CLOCK_JUMP
_OVERRUN = 1 << faults.SESSION_OVERRUN
_REFERENCE = 1 << faults.ADC_REFERENCE
_SUPPLY_HIGH = 1 << faults.SUPPLY_HIGH
_SUPPLY_DIP = 1 << faults.SUPPLY_DIP
_BATTERY_CRITICAL = 1 << faults.BATTERY_CRITICAL
_FAST = sum(1 << code for code in _FAST_CODES)
_DEBOUNCE_MS = array("h", [0] + [row[faults.DEBOUNCE_MS] for row in faults.FAULTS])


class Safety:
    """fault: code of the latched fault (first cause kept), 0 = none; more: how many came after it;
    limiters: LIMIT_* bits; active: faults whose cause lasts, bit `1 << code`; cleared: the fault that was
    cleared last, taken by the journal.
    """

    def __init__(self, settings, sense, drive):
        self._settings = settings
        self._sense = sense
        self._drive = drive
        self._limited_ticks = 0
        self._timing = 0  # codes whose timer runs, bit `1 << code`
        self._timers_ms = array("h", [0] * len(_DEBOUNCE_MS))
        self._hot_channels = 0
        self._on_ticks = 0  # since the motor went on
        self._off_ticks = 0  # since it went off
        self._driven_us = 0  # motor time of this session
        self._caught = False  # whether the rate was below the demand since the motor went on
        self._risen = False  # whether the interlock rose since then
        self._coasting_opm = UNKNOWN_OPM  # lowest rate since the motor went off
        self._supply_least_mv = 0
        self.fault = faults.NONE
        self.more = 0
        self.limiters = 0
        self.active = 0
        self.cleared = faults.NONE
        self.configure()

    def configure(self):
        """Take the settings over."""
        s = self._settings
        cells = s["battery_cells"]
        self._supply_limit_mv = cells * 3_300 if cells else 10_500
        self._supply_fault_mv = cells * 3_000 if cells else 9_000
        self._supply_high_mv = cells * 4_300 if cells else 14_500

    def check(self, motor_on, period_us):
        """Judge one tick. motor_on: the session drives the motor; period_us: since the last tick began."""
        sense = self._sense
        drive = self._drive
        bad = 0
        if sense.fast_ma > _OVER_CURRENT_MA:
            bad = _OVER_CURRENT
        rate = sense.rate_opm
        if motor_on:
            ticks = self._on_ticks = self._on_ticks + 1
            demand = drive.demand_opm
            if rate > demand:
                if rate - _RUNAWAY_OPM > demand + (demand >> 1) and (self._caught or ticks > COAST_TICKS):
                    bad |= _RUNAWAY
            else:
                self._caught = True
                # A tach of one pulse a turn needs a quarter of a second to tell; the back-EMF tells at once.
                if demand >= STALL_DEMAND_OPM and (
                    rate * 3 < demand or (sense.current_ma > TURNING_MA and sense.emf_opm * 3 < demand)
                ):
                    bad |= _STALL
            if sense.current_ma < _NO_CURRENT_MA and drive.voltage_mv > drive.bemf_mv + DRIVEN_MV:
                bad |= _CURRENT_SENSOR
            if sense.run_req:
                self._risen = True
            elif ticks > WAKE_TICKS:
                bad |= _TRIPPED if self._risen else _FAILED
            if sense.driver_fault and ticks > WAKE_TICKS:
                bad |= _DRIVER_FAULT
            if period_us > _TICK_MAX_US:
                bad |= _TICK_OVERRUN if period_us <= _CLOCK_MAX_US else _CLOCK_JUMP
                period_us = _STEADY_US
            elif period_us < 0:
                bad |= _CLOCK_JUMP
                period_us = 0
            self._driven_us = driven_us = self._driven_us + period_us
            if driven_us > _OVERRUN_US:
                bad |= _OVERRUN
        else:
            ticks = self._off_ticks
            if ticks < STANDSTILL_TICKS:
                self._off_ticks = ticks = ticks + 1
            if rate < self._coasting_opm:
                if ticks > TACH_TICKS:
                    self._coasting_opm = rate
            elif rate > _UNCOMMANDED_OPM and (
                rate - _UNCOMMANDED_OPM > self._coasting_opm or ticks == STANDSTILL_TICKS
            ):
                bad |= _UNCOMMANDED
            if ticks > SLEEP_TICKS:
                if sense.run_req:
                    bad |= _FAILED
                if sense.fast_ma > ASLEEP_MA:
                    bad |= _CURRENT_SENSOR
        if bad or self._timing & _FAST:  # in a calm tick there is nothing to time
            for code in _FAST_CODES:
                self._judge(code, bad >> code & 1, TICK_MS)
        channel = sense.channel
        if channel == REFERENCE:
            self._check_supply(motor_on)
        else:
            self._check_heat(channel)
        limiters = self.limiters & ~faults.LIMIT_CURRENT
        drive.derate = limiters != 0
        if drive.limited:
            self._limited_ticks = LIMITED_TICKS
        if self._limited_ticks:
            self._limited_ticks -= 1
            limiters |= faults.LIMIT_CURRENT
        self.limiters = limiters

    def session_started(self):
        """A new session's motor time counts from here."""
        self._driven_us = 0

    def motor_started(self):
        """The motor goes on."""
        self._on_ticks = 0
        self._caught = self._risen = False
        self._supply_least_mv = self._sense.supply_mv * (100 - _DIP_PCT) // 100

    def motor_stopped(self):
        """The motor went off: what is only judged while it runs has no lasting cause any more."""
        sense = self._sense
        self._off_ticks = 0
        # In a soft start the tach may not have told yet that the motor turns; the back-EMF has.
        self._coasting_opm = sense.rate_opm if sense.rate_opm > sense.emf_opm else sense.emf_opm
        for code in _ENDS_WITH_MOTOR:
            self._judge(code, False, TICK_MS)

    def report(self, code, bad=True):
        """Tell of a fault that somebody else detected, or that its cause is gone."""
        self._judge(code, bad, 1)

    def clear(self):
        """Forget the latched fault. False, and nothing changes, while the cause of any fault lasts."""
        if self.active:
            return False
        if self.fault:
            self.cleared = self.fault
        self.fault = faults.NONE
        self.more = 0
        return True

    def _judge(self, code, bad, elapsed_ms):
        timers = self._timers_ms
        if not bad:
            timers[code] = 0
            self._timing &= ~(1 << code)
            self.active &= ~(1 << code)
            return
        self._timing |= 1 << code
        timer = timers[code] + elapsed_ms
        if timer <= _DEBOUNCE_MS[code]:
            timers[code] = timer
            return
        if self.active >> code & 1:
            return
        timers[code] = timer
        self.active |= 1 << code
        if self.fault:
            self.more += 1
            return
        self.fault = self._why_still() if code == faults.STALL else code

    def _why_still(self):
        """What a rate far below the demand comes from, as voltage and current tell it."""
        sense = self._sense
        if sense.current_ma < _NO_CURRENT_MA:
            return faults.CURRENT_SENSOR
        if sense.current_ma < TURNING_MA and sense.emf_opm * 3 > self._drive.demand_opm * 2:
            return faults.NO_ROTATION
        return faults.STALL

    def _check_heat(self, channel):
        sense = self._sense
        value = sense.temperatures_dc[channel]
        hot, sensor, limit, fault, hysteresis, period_ms = _HEAT[channel]
        timing = self._timing
        broken = sense.fitted >> channel & 1 if value == INVALID else sense.jumped_ms[channel]
        if channel == MOTOR and value < sense.temperatures_dc[HANDLE] - COLDER_DC:
            broken = True
        if broken or timing >> sensor & 1:
            self._judge(sensor, broken, period_ms)
        bit = 1 << channel
        if value >= limit:
            self._hot_channels |= bit
        elif value < limit - hysteresis:
            self._hot_channels &= ~bit
        if value >= fault or timing >> hot & 1:
            # Once tripped, the cause lasts until the limiter lets go.
            lasts = self.active >> hot & 1 and self._hot_channels & bit
            self._judge(hot, value >= fault or lasts, period_ms)
        if self._hot_channels:
            self.limiters |= faults.LIMIT_HEAT
        else:
            self.limiters &= ~faults.LIMIT_HEAT

    def _check_supply(self, motor_on):
        mv = self._sense.supply_mv
        if mv < self._supply_limit_mv:
            self.limiters |= faults.LIMIT_BATTERY
        elif mv > self._supply_limit_mv + _BATTERY_HYSTERESIS_MV:
            self.limiters &= ~faults.LIMIT_BATTERY
        timing = self._timing
        off = self._sense.reference - HALF_RAIL
        bad = off > _REFERENCE_OFF or off < -_REFERENCE_OFF
        if bad or timing & _REFERENCE:
            self._judge(faults.ADC_REFERENCE, bad, SLOW_MS)
        if mv > self._supply_high_mv or timing & _SUPPLY_HIGH:
            self._judge(faults.SUPPLY_HIGH, mv > self._supply_high_mv, SLOW_MS)
        if motor_on:  # with the motor off a low supply only refuses the start
            if mv < self._supply_fault_mv or timing & _BATTERY_CRITICAL:
                self._judge(faults.BATTERY_CRITICAL, mv < self._supply_fault_mv, SLOW_MS)
            dips = mv < self._supply_least_mv
            if (dips and self._on_ticks < START_TICKS) or timing & _SUPPLY_DIP:
                self._judge(faults.SUPPLY_DIP, dips, SLOW_MS)
