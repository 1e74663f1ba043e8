"""Safety: watches every tick, sets limiters, latches faults.

Each protection has a room of its own, a function of a few lines: clock, rate, rest, current, interlock, heat,
supply, and the tach against the back-EMF. Quantities that change slowly take turns, one a tick. All times are
measured: a fault trips once its cause has lasted for its time, however long the ticks are; the reading that
shows it first counts as FIRST_US at most. Behind it stand the driver's own protection, the PIO interlock and
the watchdog, which trust nothing here. What is not measured in a tick (memory, flash, the cause of a restart)
comes in through `report`.
"""

from array import array

from micropython import const

from massager import faults
from massager.drive import OPM_PER_MV_UVS
from massager.sense import (
    DRIVEN_MA,
    DRIVER,
    HALF_RAIL,
    HANDLE,
    INVALID,
    MOTOR,
    REFERENCE,
)

FIRST_US = const(10_000)  # a reading says nothing about the time before it: a tick's, however late it comes
CLOCK_MASK = const(0x1FFFFFFF)  # the sum of two is a small integer still
LONGEST_US = const(100_000)  # longer ticks count as this; with the motor on a much shorter one is a fault
STALL_DEMAND_OPM = const(500)  # below it, soft start and ramp-down are not judged
TURNING_MA = const(1000)  # a motor that draws less turns, if its back-EMF says so; one that stands draws more
LIMITED_US = const(1_000_000)  # the current limiter comes and goes with the stroke: reported for a second
DRIVEN_MV = const(200)  # voltage above back-EMF that must draw current
ASLEEP_MA = const(150)  # the current sense of a driver that sleeps reads nothing
WAKE_US = const(50_000)  # after which the interlock has risen and the driver is awake
SLEEP_US = const(30_000)  # after which both are off again
COAST_US = const(3_000_000)  # a motor that still coasts at a start is below the demand by then
STANDSTILL_US = const(5_000_000)  # a motor that was switched off stands by then
START_US = const(2_000_000)  # the supply's dip is looked for in this time
COLDER_DC = const(400)
UNKNOWN_OPM = const(100_000)  # after a reset the motor may still coast, …
TACH_US = const(300_000)  # … and the tach knows it by then

# The back-EMF is at most a seventh above the tach, or a quarter below (motor, magnet), and what follows.
OFF_MV = const(100)  # dead time of the bridge, errors of current and supply
HOTTER_MOHM = const(600)  # winding, brushes and bridge above what is known of them
COLDER_MOHM = const(300)
COLD_DC = const(250)
COPPER_PPM_DC = const(390)  # more resistance a tenth of a kelvin
MOST_KE_UVS = const(16_000)  # with a motor that makes more, the supply does not suffice for level 11

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
# By temperature channel: code when hot, code of its sensor, limit, fault threshold, hysteresis (0.1 C).
_HEAT = tuple(
    (hot, sensor) + faults.row(hot)[faults.LIMIT : faults.DEBOUNCE_MS]
    for hot, sensor in (
        (faults.MOTOR_HOT, faults.MOTOR_SENSOR),
        (faults.DRIVER_HOT, faults.DRIVER_SENSOR),
        (faults.HANDLE_HOT, faults.HANDLE_SENSOR),
        (faults.PAD_HOT, faults.PAD_SENSOR),
    )
)
# What has no cause any more once the motor is off.
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
    faults.RATE_MISMATCH,
)
# By code.
_CODES = max(row[faults.CODE] for row in faults.FAULTS) + 1
_DEBOUNCE_US = array("i", [0] * _CODES)
for _row in faults.FAULTS:
    _DEBOUNCE_US[_row[faults.CODE]] = _row[faults.DEBOUNCE_MS] * 1000

# states of a cause
_GONE = const(0)
_TIMED = const(1)  # it is there, for less than its time
_LASTS = const(2)


class Safety:
    """fault: code of the latched fault that is shown, 0 = none; more: how many others are latched, each shown
    once those before it have been cleared; limiters: LIMIT_* bits; cleared: the fault that was cleared last,
    taken by the journal; unsaved: whether the latched faults that survive differ from those on flash, taken
    by `latches`.
    """

    def __init__(self, settings, sense, drive):
        self._settings = settings
        self._sense = sense
        self._drive = drive
        self._now_us = 0  # goes while a cause is timed
        self._causes = bytearray(_CODES)  # the state of each
        self._since_us = array("i", [0] * _CODES)
        self._looked_us = 0  # when `_judge_slowly` looked last
        self._timed = 0  # how many causes are there at all: in a calm tick none
        self._queue = bytearray(_CODES)  # codes of the latched faults, oldest first
        self._queued = 0
        self._most_ma = ASLEEP_MA  # currents that need no closer look
        self._least_ma = 0
        self._limited_us = 0
        self._hot_channels = 0
        self._driven_us = 0  # motor time of this session
        self._on_at_us = 0  # what that was when the motor went on
        self._off_us = 0  # since it went off
        self._caught = False  # whether the rate was below the demand since the motor went on
        self._risen = True  # whether the interlock rose since then
        self._coasting_opm = UNKNOWN_OPM  # lowest rate since the motor went off
        self._supply_least_mv = 0
        self.fault = faults.NONE
        self.more = 0
        self.limiters = 0
        self.cleared = faults.NONE
        self.unsaved = False
        self.configure()

    def configure(self):
        """Take the settings over."""
        s = self._settings
        cells = s["battery_cells"]
        self._supply_limit_mv = cells * 3_300 if cells else 10_500
        self._supply_fault_mv = cells * 3_000 if cells else 9_000
        self._supply_high_mv = cells * 4_300 if cells else 14_500
        self._ke_uvs = ke = s["motor_ke_uvs"]
        self._most_ke_uvs = min(ke + ke // 7, MOST_KE_UVS)
        self._r_mohm = s["motor_r_mohm"]
        # An eighth apart needs no closer look, unless no motor has such a constant.
        self._near = 3 if ke <= MOST_KE_UVS else 30

    def check(self, motor_on, period_us):
        """Judge one tick. motor_on: the session drives the motor; period_us: since the last tick began."""
        if period_us < 0 or period_us > _TICK_MAX_US:
            period_us = self._check_clock(motor_on, period_us)
        timed = self._timed
        if timed:
            self._now_us = (self._now_us + (period_us or FIRST_US)) & CLOCK_MASK  # even if the clock stands
        sense = self._sense
        if motor_on:
            self._check_rate(period_us)
        else:
            self._check_rest(period_us)
        if sense.fast_ma > self._most_ma or sense.current_ma < self._least_ma or timed:
            self._check_current(motor_on)
        if sense.run_req != motor_on or sense.driver_fault or timed or not self._risen:
            self._check_interlock(motor_on)
        channel = sense.channel
        if channel == REFERENCE:
            self._check_supply(motor_on)
        else:
            self._check_heat(channel)
            if channel == DRIVER and motor_on:
                near = sense.rate_opm >> self._near
                far = not -near < sense.emf_opm - sense.rate_opm < near
                if far or (timed and self._causes[faults.RATE_MISMATCH]):
                    self._judge_slowly(faults.RATE_MISMATCH, self._apart())
        if self._drive.limited or self._limited_us:
            self._report_limited(period_us)

    def session_started(self):
        """A new session's motor time counts from here."""
        self._driven_us = self._on_at_us = 0

    def motor_started(self):
        """The motor is switched on."""
        self._on_at_us = self._driven_us
        self._caught = self._risen = False
        self._most_ma = _OVER_CURRENT_MA
        self._least_ma = _NO_CURRENT_MA
        self._supply_least_mv = self._sense.supply_mv * (100 - _DIP_PCT) // 100
        self._judge(faults.UNCOMMANDED_MOTION, False)

    def motor_stopped(self):
        """The motor went off: what is only judged while it runs has no lasting cause any more."""
        sense = self._sense
        self._off_us = 0
        self._risen = True
        self._most_ma = ASLEEP_MA
        self._least_ma = 0
        # In a soft start the tach may not know yet that the motor turns; the back-EMF does.
        self._coasting_opm = sense.rate_opm if sense.rate_opm > sense.emf_opm else sense.emf_opm
        for code in _ENDS_WITH_MOTOR:
            self._judge(code, False)

    def report(self, code, bad=True):
        """Take a fault that was detected elsewhere, or that its cause is gone."""
        self._judge(code, bad)

    def lasts(self, code):
        """Whether the cause of a fault lasts."""
        return self._causes[code] == _LASTS

    def is_latched(self, code):
        """Whether a fault is latched, shown or not."""
        for i in range(self._queued):  # noqa: SIM110 (a generator allocates)
            if self._queue[i] == code:
                return True
        return False

    def latched(self):
        """Codes of the latched faults, oldest first; not in a tick."""
        return list(self._queue[: self._queued])

    def latch(self, code):
        """Latch a fault, unless it is. The first one is shown."""
        if self.is_latched(code):
            return
        self._queue[self._queued] = code
        self._queued += 1
        self._show(code)

    def clear(self):
        """Forget the fault that is shown, and show the next. False while its cause lasts: nothing changes."""
        code = self.fault
        if self._causes[code] == _LASTS:
            return False
        if code:
            self.cleared = code
            queue = self._queue
            self._queued -= 1
            for i in range(self._queued):
                queue[i] = queue[i + 1]
            self._show(code)
        return True

    def _show(self, changed):
        """The set of latched faults has changed by that one."""
        queued = self._queued
        self.fault = self._queue[0] if queued else faults.NONE
        self.more = queued - 1 if queued else 0
        if faults.survives(changed):
            self.unsaved = True

    def _judge(self, code, bad):
        """Time one cause; it is latched once it has lasted for its time."""
        causes = self._causes
        state = causes[code]
        if not bad:
            if state:
                causes[code] = _GONE
                self._timed -= 1
            return
        if state == _LASTS:
            return
        if state == _GONE:
            causes[code] = _TIMED
            self._timed += 1
            self._since_us[code] = self._now_us - FIRST_US
        if (self._now_us - self._since_us[code]) & CLOCK_MASK > _DEBOUNCE_US[code]:
            causes[code] = _LASTS
            self.latch(self._why_still() if code == faults.STALL else code)

    def _judge_slowly(self, code, bad):
        """Time a cause that comes and goes because the drive reacts to it: it is forgotten as it was counted.

        For one cause only: `_looked_us` is its own.
        """
        now_us = self._now_us
        passed_us = (now_us - self._looked_us) & CLOCK_MASK
        self._looked_us = now_us
        if not bad and self._causes[code] == _TIMED:
            since_us = self._since_us[code]
            if ((now_us - since_us) & CLOCK_MASK) > 2 * passed_us:
                self._since_us[code] = (since_us + 2 * passed_us) & CLOCK_MASK
                return
        self._judge(code, bad)

    # -- in every tick ------------------------------------------------------------------------------

    def _check_clock(self, motor_on, period_us):
        """A tick that is late, or a clock that jumps. Returns what the tick counts as."""
        if motor_on:
            self._judge(faults.TICK_OVERRUN if 0 < period_us <= _CLOCK_MAX_US else faults.CLOCK_JUMP, True)
        if period_us < 0:
            return 0
        return period_us if period_us < LONGEST_US else LONGEST_US

    def _check_rate(self, period_us):
        """The driven motor: for how long, and whether it turns as it should."""
        self._driven_us = driven_us = self._driven_us + period_us
        if driven_us > _OVERRUN_US:
            self._judge(faults.SESSION_OVERRUN, True)
        sense = self._sense
        rate = sense.rate_opm
        demand = self._drive.demand_opm
        fast = slow = False
        if rate > demand:
            if rate - _RUNAWAY_OPM > demand + (demand >> 1):
                fast = self._caught or driven_us - self._on_at_us > COAST_US
        else:
            self._caught = True
            # A tach of one pulse a turn needs a quarter of a second to know; the back-EMF knows at once.
            if demand >= STALL_DEMAND_OPM:
                slow = rate * 3 < demand or (sense.current_ma > TURNING_MA and sense.emf_opm * 3 < demand)
        if fast or slow or self._timed:
            causes = self._causes
            if fast or causes[faults.RUNAWAY]:
                self._judge(faults.RUNAWAY, fast)
            if slow or causes[faults.STALL]:
                self._judge(faults.STALL, slow)

    def _check_rest(self, period_us):
        """The motor that is off: it may coast, which only slows it down."""
        rate = self._sense.rate_opm
        off_us = self._off_us
        if off_us < STANDSTILL_US:
            self._off_us = off_us = off_us + period_us
        moves = False
        if rate < self._coasting_opm:
            if off_us > TACH_US:
                self._coasting_opm = rate
        elif rate > _UNCOMMANDED_OPM:
            moves = rate - _UNCOMMANDED_OPM > self._coasting_opm or off_us >= STANDSTILL_US
        if moves or (self._timed and self._causes[faults.UNCOMMANDED_MOTION]):
            self._judge(faults.UNCOMMANDED_MOTION, moves)

    def _check_current(self, motor_on):
        sense = self._sense
        fast_ma = sense.fast_ma
        over = fast_ma > _OVER_CURRENT_MA
        if motor_on:
            wrong = sense.current_ma < _NO_CURRENT_MA and (
                self._drive.voltage_mv > self._drive.bemf_mv + DRIVEN_MV
            )
        else:
            wrong = fast_ma > ASLEEP_MA and self._off_us > SLEEP_US
        causes = self._causes
        if over or causes[faults.OVER_CURRENT]:
            self._judge(faults.OVER_CURRENT, over)
        if wrong or causes[faults.CURRENT_SENSOR]:
            self._judge(faults.CURRENT_SENSOR, wrong)

    def _check_interlock(self, motor_on):
        """RUN_REQ, which must be as the motor is, and the driver's fault line."""
        run_req = self._sense.run_req
        tripped = failed = False
        if not motor_on:
            failed = run_req and self._off_us > SLEEP_US
        elif run_req:
            self._risen = True
        elif self._driven_us - self._on_at_us > WAKE_US:
            tripped = self._risen
            failed = not tripped
        causes = self._causes
        if tripped or causes[faults.INTERLOCK_TRIPPED]:
            self._judge(faults.INTERLOCK_TRIPPED, tripped)
        if failed or causes[faults.INTERLOCK_FAILED]:
            self._judge(faults.INTERLOCK_FAILED, failed)
        # A driver that wakes complains; it is forgiven before it is driven.
        if motor_on and self._driven_us - self._on_at_us > WAKE_US and self._drive.demand_opm:
            self._judge(faults.DRIVER_FAULT, self._sense.driver_fault)

    def _report_limited(self, period_us):
        """The current limiter, for a while after it let go."""
        if self._drive.limited:
            self._limited_us = LIMITED_US
            self.limiters |= faults.LIMIT_CURRENT
            return
        self._limited_us -= period_us
        if self._limited_us <= 0:
            self._limited_us = 0
            self.limiters &= ~faults.LIMIT_CURRENT

    def _why_still(self):
        """What a rate far below the demand comes from, as voltage and current tell it."""
        sense = self._sense
        if sense.current_ma < _NO_CURRENT_MA:
            return faults.CURRENT_SENSOR
        if sense.current_ma < TURNING_MA and sense.emf_opm * 3 > self._drive.demand_opm * 2:
            return faults.NO_ROTATION
        return faults.STALL

    # -- in turn ------------------------------------------------------------------------------------

    def _check_heat(self, channel):
        sense = self._sense
        value = sense.temperatures_dc[channel]
        hot, sensor, limit, fault, hysteresis = _HEAT[channel]
        broken = sense.fitted >> channel & 1 if value == INVALID else sense.jumped_ms[channel]
        if channel == MOTOR and value < sense.temperatures_dc[HANDLE] - COLDER_DC:
            broken = True
        bit = 1 << channel
        before = channels = self._hot_channels
        if value >= limit:
            channels |= bit
        elif value < limit - hysteresis:
            channels &= ~bit
        if channels != before:
            self._hot_channels = channels
            self._limit(faults.LIMIT_HEAT, channels)
        if broken or value >= fault or self._timed:
            causes = self._causes
            if broken or causes[sensor]:
                self._judge(sensor, broken)
            if value >= fault or causes[hot]:  # once tripped, the cause lasts until the limiter lets go
                self._judge(hot, value >= fault or (causes[hot] == _LASTS and channels & bit))

    def _check_supply(self, motor_on):
        mv = self._sense.supply_mv
        if self.limiters & faults.LIMIT_BATTERY:
            self._limit(faults.LIMIT_BATTERY, mv <= self._supply_limit_mv + _BATTERY_HYSTERESIS_MV)
        elif mv < self._supply_limit_mv:
            self._limit(faults.LIMIT_BATTERY, True)
        off = self._sense.reference - HALF_RAIL
        wrong = off > _REFERENCE_OFF or off < -_REFERENCE_OFF
        high = mv > self._supply_high_mv
        timed = self._timed
        causes = self._causes
        if wrong or high or timed:
            if wrong or causes[faults.ADC_REFERENCE]:
                self._judge(faults.ADC_REFERENCE, wrong)
            if high or causes[faults.SUPPLY_HIGH]:
                self._judge(faults.SUPPLY_HIGH, high)
        if not motor_on:  # a low supply only refuses the start
            return
        low = mv < self._supply_fault_mv
        dips = mv < self._supply_least_mv
        if low or dips or timed:
            if low or causes[faults.BATTERY_CRITICAL]:
                self._judge(faults.BATTERY_CRITICAL, low)
            if causes[faults.SUPPLY_DIP] or (dips and self._driven_us - self._on_at_us < START_US):
                self._judge(faults.SUPPLY_DIP, dips)

    def _apart(self):
        """Whether tach and back-EMF of the driven motor differ by more than motors do, in mV."""
        sense = self._sense
        amps = sense.current_ma
        if amps < DRIVEN_MA or self._drive.demand_opm < STALL_DEMAND_OPM:
            return False
        ke = self._ke_uvs
        emf_mv = ke * sense.emf_opm // OPM_PER_MV_UVS
        case_dc = sense.temperatures_dc[MOTOR]
        if case_dc != INVALID:  # the winding is as warm as the case at least
            emf_mv -= self._r_mohm * (case_dc - COLD_DC) // 1000 * COPPER_PPM_DC // 1000 * amps // 1000
        tach_mv = ke * sense.rate_opm // OPM_PER_MV_UVS
        if emf_mv < tach_mv - (tach_mv >> 2) - amps * COLDER_MOHM // 1000 - OFF_MV:
            return True
        most_mv = self._most_ke_uvs * sense.rate_opm // OPM_PER_MV_UVS
        return emf_mv > most_mv + amps * HOTTER_MOHM // 1000 + OFF_MV

    def _limit(self, limiter, on):
        limiters = self.limiters | limiter if on else self.limiters & ~limiter
        if limiters != self.limiters:
            self.limiters = limiters
            self._drive.derate = limiters & ~faults.LIMIT_CURRENT != 0
