"""Sense: raw readings of the board → filtered values with units, in integers.

The tach is right but late, by one turn; the back-EMF (voltage applied minus the drop over the
winding) is prompt but only as right as the motor's constants. `rate_opm` is the tach's, for safety and for
people; `prompt_opm` is the back-EMF's trimmed by the tach, for the drive. With no tach both are back-EMF.
Temperatures arrive in turn, one multiplexer channel a tick: each is as old as its PERIOD_MS at most.
"""

import math
from array import array

from micropython import const

from massager.drive import BRIDGE_MOHM, OPM_PER_MV_UVS

INVALID = const(-32_768)  # a temperature whose sensor reads open or shorted
TACH_COUNT_US = const(40)  # one count of the board's tach
TACH_TIMEOUT_US = const(250_000)  # without an edge for this time: standstill
TICK_US = const(10_000)
TICK_MS = const(10)
# No motor of a massager is so fast, and no voltage so far below zero. Beyond them, with a tach that chatters
# or a short circuit, products would be no small integers any more: they need heap, and the tick has none.
MOST_OPM = const(16_000)
LEAST_MV = const(-60_000)

NTC_R25_OHM = const(10_000)
NTC_OPEN = const(65_000)  # ADC readings beyond these are no temperature: below -45 C, above 200 C
NTC_SHORT = const(400)
NTC_BACK = const(500)  # so far inside of them a reading must be to be believed again
SEGMENTS = const(64)
JUMP_DC = const(100)  # between two readings of a thermistor; nothing heats or cools so fast
JUMP_MS = const(2_000)  # a jump that stays for longer is believed: the sensor was changed, or repaired
HALF_RAIL = const(32_768)

DRIVEN_MA = const(30)  # below it the motor may be generating, which the current sense does not see
TRIM_TICKS = const(100)  # back-EMF of longer than this says nothing about the next tach edge

# A supply that goes or comes back is believed at once: a duty reckoned for the other makes the motor jump.
SUPPLY_JUMP_MV = const(500)

_CHARGE = ((3000, 0), (3450, 10), (3650, 30), (3750, 50), (3900, 70), (4050, 88), (4180, 100))  # mV a cell: %

# temperature channels of the board
MOTOR = const(0)
DRIVER = const(1)
HANDLE = const(2)
PAD = const(3)
REFERENCE = const(4)
ALL_FITTED = const(15)  # bits of the thermistors
# Of the thermistors, in ticks of 10 ms; handle and pad, which warm slowly, share a turn.
PERIOD_MS = (40, 40, 80, 80)


def ntc_table(beta_k, pullup_ohm):
    """Temperatures in 0.1 C at SEGMENTS + 1 equally spaced ADC readings (0…65536), for interpolation."""
    table = array("h", [0] * (SEGMENTS + 1))
    for i in range(SEGMENTS + 1):
        x = min(max(i / SEGMENTS, 0.004), 0.996)
        ohm = pullup_ohm * x / (1 - x)
        kelvin = 1 / (1 / 298.15 + math.log(ohm / NTC_R25_OHM) / beta_k)
        table[i] = min(round((kelvin - 273.15) * 10), 32_767)  # what no thermistor reads, shorted or not
    return table


class Sense:
    """Values of the latest tick.

    current_ma, supply_mv, rate_opm, prompt_opm: filtered; fast_ma: the current of this tick alone;
    emf_opm: the rate that voltage and current alone tell;
    temperatures_dc: motor, driver, handle, pad in 0.1 C or INVALID; fitted: bit n set when channel n has a
    thermistor, else its value stays INVALID; jumped_ms: for how long each reads far from the value kept, at
    most JUMP_MS; channel: the one of this tick, or REFERENCE; reference: the half-rail reading, 0…65535;
    run_req: RUN_REQ as it reads; driver_fault: whether the driver complains or has complained since the motor
    went on.
    """

    def __init__(self, settings):
        self._settings = settings
        self.current_ma = self.fast_ma = 0
        self.supply_mv = 0
        self.rate_opm = 0
        self.emf_opm = 0
        self.reference = HALF_RAIL
        self.temperatures_dc = array("h", [INVALID] * 4)
        self.channel = REFERENCE
        self.run_req = 0
        self.driver_fault = False
        self.jumped_ms = array("h", [0] * 4)
        self._supply_acc = 0
        self._current_acc = 0
        self._since_edge_us = TACH_TIMEOUT_US
        self.prompt_opm = 0
        self._trim_opm = self._emf_sum = self._emf_ticks = 0
        self._thermistor = None
        self.configure()

    def configure(self):
        """Take the settings over."""
        s = self._settings
        self._ma_full = 3_300_000 // s["isense_mv_per_a"]  # at ADC full scale
        self._mv_full = 3_300 * s["supply_ratio_milli"] // 1000
        self._ppr = s["tach_ppr"]
        self._ke = s["motor_ke_uvs"]
        self._r = s["motor_r_mohm"] + BRIDGE_MOHM
        thermistor = (s["ntc_beta_k"], s["ntc_pullup_ohm"])
        if thermistor != self._thermistor:  # the table takes a whole tick
            self._thermistor = thermistor
            self._ntc = ntc_table(*thermistor)
            for channel in range(4):  # what was measured by the other one is no temperature to jump from
                self._forget(channel)
        self.fitted = ALL_FITTED
        if not s["pad_sensor"]:
            self.fitted &= ~(1 << PAD)
            self._forget(PAD)

    def update(self, board, voltage_mv, period_us=TICK_US):
        """Convert the board's latest sample.

        voltage_mv: what the drive applied during the last tick; period_us: how long that was, 0…2^29.
        """
        self.run_req = board.run_req
        self.driver_fault = board.driver_fault
        fast = (board.adc_current >> 4) * self._ma_full >> 12
        self.fast_ma = fast
        self._current_acc += fast - self.current_ma
        self.current_ma = self._current_acc >> 2
        mv = (board.adc_supply >> 4) * self._mv_full >> 12
        if -SUPPLY_JUMP_MV < mv - self.supply_mv < SUPPLY_JUMP_MV:
            self._supply_acc += mv - self.supply_mv
        else:
            self._supply_acc = mv << 3
        self.supply_mv = self._supply_acc >> 3
        self.channel = channel = board.mux_channel
        if channel == REFERENCE:
            self.reference = board.adc_mux
        else:
            self._update_temperature(channel, board.adc_mux, period_us)
        emf_mv = voltage_mv - self._r * fast // 1000
        emf = (emf_mv if emf_mv > LEAST_MV else LEAST_MV) * OPM_PER_MV_UVS // self._ke
        if emf > MOST_OPM:
            emf = MOST_OPM
        elif emf < -MOST_OPM:
            emf = -MOST_OPM
        self.emf_opm += (emf - self.emf_opm) >> 2
        if not self._ppr:
            emf = emf if voltage_mv and emf > 0 else 0
            self.rate_opm = self.prompt_opm = self.rate_opm + ((emf - self.rate_opm) >> 2)
            return
        self._update_tach(board.tach_periods, board.tach_count, period_us)
        if not voltage_mv or fast < DRIVEN_MA:
            self.prompt_opm = self.rate_opm
            self._emf_ticks = self._emf_sum = 0
            if not voltage_mv:
                self._trim_opm = 0  # learned again with every start
            return
        ticks = self._emf_ticks = self._emf_ticks + 1
        self._emf_sum += emf
        if board.tach_periods:
            trim = self._trim_opm + ((self.rate_opm - self._emf_sum // ticks - self._trim_opm) >> 2)
            most = self.rate_opm >> 2  # the motor's constants are better than that
            self._trim_opm = most if trim > most else -most if trim < -most else trim
            self._emf_ticks = self._emf_sum = 0
        elif ticks >= TRIM_TICKS:
            self._emf_ticks = self._emf_sum = 0
        prompt = self.prompt_opm + ((emf + self._trim_opm - self.prompt_opm) >> 1)
        self.prompt_opm = prompt if prompt > 0 else 0

    def battery_pct(self, cells):
        """Rough state of charge from the voltage, 0…100; None for a supply without cells."""
        if not cells:
            return None
        mv = self.supply_mv // cells
        below = _CHARGE[0]
        for above in _CHARGE:
            if mv < above[0]:
                span = above[0] - below[0]
                return below[1] + (mv - below[0]) * (above[1] - below[1]) // span if span else 0
            below = above
        return 100

    def _update_temperature(self, channel, reading, period_us):
        if not self.fitted >> channel & 1:
            return
        temperatures = self.temperatures_dc
        if temperatures[channel] == INVALID:
            reading_open = NTC_OPEN - NTC_BACK
            reading_short = NTC_SHORT + NTC_BACK
        else:
            reading_open = NTC_OPEN
            reading_short = NTC_SHORT
        if reading > reading_open or reading < reading_short:
            self._forget(channel)
            return
        ntc = self._ntc
        i = reading >> 10
        low = ntc[i]
        value = low + ((ntc[i + 1] - low) * (reading & 1023) >> 10)
        old = temperatures[channel]
        if old == INVALID:
            temperatures[channel] = value
        elif -JUMP_DC < value - old < JUMP_DC:
            temperatures[channel] = old + ((value - old) >> 2)
            self.jumped_ms[channel] = 0
        else:
            self._jump(channel, value, period_us)

    def _forget(self, channel):
        self.temperatures_dc[channel] = INVALID
        self.jumped_ms[channel] = 0

    def _jump(self, channel, value, period_us):
        """A reading far from the value kept; the first one says nothing about the time before it."""
        lasts_ms = self.jumped_ms[channel]
        lasts_ms += period_us // 1000 * PERIOD_MS[channel] // TICK_MS if lasts_ms else TICK_MS
        if lasts_ms > JUMP_MS:
            self.temperatures_dc[channel] = value
            lasts_ms = JUMP_MS
        self.jumped_ms[channel] = lasts_ms

    def _update_tach(self, periods, count, period_us):
        if periods and count:
            rate = (60_000_000 // TACH_COUNT_US) * periods // count // self._ppr
            self.rate_opm = rate if rate < MOST_OPM else MOST_OPM
            self._since_edge_us = 0
            return
        since = self._since_edge_us
        if since >= TACH_TIMEOUT_US:
            self.rate_opm = 0
            return
        since += period_us
        if since > TACH_TIMEOUT_US:
            since = TACH_TIMEOUT_US
        self._since_edge_us = since
        most = 60_000_000 // (since * self._ppr) if since else MOST_OPM
        if self.rate_opm > most:
            self.rate_opm = most
