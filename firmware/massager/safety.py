"""Safety: watches every tick, sets limiters, latches the first fault.

First line only: the PIO interlock and the watchdog will stand behind it and trust nothing here. Current,
stall and tick period are judged in every tick; the slow quantities take turns, one a tick.
"""

from array import array

from micropython import const

from massager import faults
from massager.sense import INVALID

TICK_MS = const(10)
SLOW_MS = const(40)  # each slow check comes round every fourth tick

STALL_DEMAND_OPM = const(500)  # below it, soft start and ramp-down are not judged
LIMITED_TICKS = const(100)  # the current limiter comes and goes with the stroke: reported for a second
DRIVEN_MV = const(200)  # voltage above back-EMF by so much must draw current


def _column(code, column):
    return faults.FAULTS[code - 1][column]


_OVER_CURRENT_MA = _column(faults.OVER_CURRENT, 5)
_NO_CURRENT_MA = _column(faults.CURRENT_SENSOR, 5)
_TICK_MAX_US = _column(faults.TICK_OVERRUN, 5) * 1000
_BATTERY_HYSTERESIS_MV = _column(faults.BATTERY_CRITICAL, 6)
# By temperature channel: code when hot, code of its sensor, limit, fault threshold, hysteresis (0.1 C).
_HEAT = tuple(
    (hot, sensor, _column(hot, 4), _column(hot, 5), _column(hot, 6))
    for hot, sensor in (
        (faults.MOTOR_HOT, faults.MOTOR_SENSOR),
        (faults.DRIVER_HOT, faults.DRIVER_SENSOR),
        (faults.HANDLE_HOT, faults.HANDLE_SENSOR),
    )
)
_OVER_CURRENT = 1 << faults.OVER_CURRENT
_STALL = 1 << faults.STALL
_CURRENT_SENSOR = 1 << faults.CURRENT_SENSOR
_TICK_OVERRUN = 1 << faults.TICK_OVERRUN
_FAST = _OVER_CURRENT | _STALL | _CURRENT_SENSOR | _TICK_OVERRUN
_FAST_CODES = (faults.OVER_CURRENT, faults.STALL, faults.CURRENT_SENSOR, faults.TICK_OVERRUN)
_DEBOUNCE_MS = array("h", [0] + [row[7] for row in faults.FAULTS])


class Safety:
    """fault: code of the latched fault (first cause kept), 0 = none; more: how many came after it;
    limiters: LIMIT_* bits; active: faults whose cause lasts, bit `1 << code`.
    """

    def __init__(self, settings, sense, drive):
        self._settings = settings
        self._sense = sense
        self._drive = drive
        self._slow = 0
        self._limited_ticks = 0
        self._timing = 0  # codes whose timer runs, bit `1 << code`
        self._timers_ms = array("h", [0] * len(_DEBOUNCE_MS))
        self._hot_channels = 0
        self.fault = faults.NONE
        self.more = 0
        self.limiters = 0
        self.active = 0
        self.configure()

    def configure(self):
        """Take the settings over."""
        s = self._settings
        cells = s["battery_cells"]
        self._supply_limit_mv = cells * 3_300 if cells else 10_500
        self._supply_fault_mv = cells * 3_000 if cells else 9_000

    def check(self, motor_on, period_us):
        """Judge one tick. motor_on: the session drives the motor; period_us: since the last tick began."""
        sense = self._sense
        drive = self._drive
        bad = 0
        if sense.fast_ma > _OVER_CURRENT_MA:
            bad = _OVER_CURRENT
        if motor_on:
            demand = drive.demand_opm
            if demand >= STALL_DEMAND_OPM and sense.rate_opm * 3 < demand:
                bad |= _STALL
            if sense.current_ma < _NO_CURRENT_MA and drive.voltage_mv > drive.bemf_mv + DRIVEN_MV:
                bad |= _CURRENT_SENSOR
            if period_us > _TICK_MAX_US:
                bad |= _TICK_OVERRUN
        if bad or self._timing & _FAST:  # in a calm tick there is nothing to time
            for code in _FAST_CODES:
                self._judge(code, bad >> code & 1, TICK_MS)
        slow = self._slow
        self._slow = (slow + 1) & 3
        if slow == 3:
            self._check_supply(motor_on)
        else:
            self._check_heat(slow)
        limiters = self.limiters & ~faults.LIMIT_CURRENT
        drive.derate = limiters != 0
        if drive.limited:
            self._limited_ticks = LIMITED_TICKS
        if self._limited_ticks:
            self._limited_ticks -= 1
            limiters |= faults.LIMIT_CURRENT
        self.limiters = limiters

    def motor_stopped(self):
        """The motor went off: what is only judged while it runs has no lasting cause any more."""
        for code in (faults.STALL, faults.CURRENT_SENSOR, faults.TICK_OVERRUN, faults.BATTERY_CRITICAL):
            self._judge(code, False, TICK_MS)

    def clear(self):
        """Forget the latched fault. False, and nothing changes, while the cause of any fault lasts."""
        if self.active:
            return False
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
        else:
            self.fault = code

    def _check_heat(self, channel):
        value = self._sense.temperatures_dc[channel]
        hot, sensor, limit, fault, hysteresis = _HEAT[channel]
        timing = self._timing
        if value == INVALID or timing >> sensor & 1:
            self._judge(sensor, value == INVALID, SLOW_MS)
        bit = 1 << channel
        if value >= limit:
            self._hot_channels |= bit
        elif value < limit - hysteresis:
            self._hot_channels &= ~bit
        if value >= fault or timing >> hot & 1:
            # Once tripped, the cause lasts until the limiter lets go.
            lasts = self.active >> hot & 1 and self._hot_channels & bit
            self._judge(hot, value >= fault or lasts, SLOW_MS)
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
        if motor_on:  # with the motor off a low supply only refuses the start
            self._judge(faults.BATTERY_CRITICAL, mv < self._supply_fault_mv, SLOW_MS)
