"""Boundaries of Safety: each threshold and time from both sides, to the unit and to the tick.

The numbers are the design's, written out: a change in the firmware needs the same change here. Safety
stands alone, on readings that the test sets, with nothing filtered in between. `make mutants` breaks the
firmware piece by piece and counts what these and the other tests notice.
"""

from massager import faults
from massager.safety import Safety
from massager.sense import INVALID, PAD, REFERENCE
from support import TURNS

TICK_US = 10_000
NEVER = 10_000  # ticks


def lasting(safety):
    """Codes of the faults whose cause lasts."""
    return [row[faults.CODE] for row in faults.FAULTS if safety.lasts(row[faults.CODE])]


class Readings:
    """What Sense would tell of a sound device whose motor runs at level 3, unloaded."""

    def __init__(self):
        self.sound()

    def sound(self):
        self.current_ma = self.fast_ma = 300
        self.rate_opm = self.emf_opm = 1_500
        self.supply_mv = 12_000
        self.temperatures_dc = [250, 250, 250, 250]
        self.reference = 32_768
        self.fitted = 15
        self.jumped_ms = [0] * 4
        self.channel = REFERENCE
        self.run_req = 1
        self.driver_fault = False


class Motor:
    """What Drive would tell, and what it was told."""

    def __init__(self):
        self.demand_opm = 1_500
        self.voltage_mv = 6_000
        self.bemf_mv = 5_900
        self.limited = False
        self.derate = False


class Watched:
    """Safety on such readings; the channels take turns as the multiplexer's do."""

    def __init__(self, motor_on=True, cells=0):
        self.sense = Readings()
        self.drive = Motor()
        settings = {"battery_cells": cells, "motor_ke_uvs": 11_000, "motor_r_mohm": 2_180}
        self.safety = Safety(settings, self.sense, self.drive)
        self._turn = -1
        self.motor_on = motor_on
        if motor_on:
            self.safety.motor_started()
        else:
            self.rest()

    def rest(self):
        """Readings of a motor that is off and stands."""
        self.motor_on = False
        self.sense.current_ma = self.sense.fast_ma = self.sense.rate_opm = self.sense.run_req = 0

    def tick(self, count=1, period_us=TICK_US):
        for _ in range(count):
            self._turn = (self._turn + 1) % len(TURNS)
            self.sense.channel = TURNS[self._turn]
            self.safety.check(self.motor_on, period_us)
        return self

    def until_fault(self, ticks=600):
        """(name, how many ticks it took); None when there is none within `ticks`."""
        for n in range(1, ticks + 1):
            self.tick()
            if self.safety.fault:
                return faults.fault_name(self.safety.fault), n
        return None

    def limited(self, limiter):
        """Whether it is set once each channel had its turn."""
        return bool(self.tick(len(TURNS)).safety.limiters & limiter)

    def active(self, code):
        return self.safety.lasts(code)

    def lasting(self):
        return lasting(self.safety)


def settled(motor_on=True, cells=0):
    """Half a second in: everything that waits for the start has been waited for."""
    return Watched(motor_on, cells).tick(52)


# -- every tick, motor on ---------------------------------------------------------------------------


def test_the_limits_that_are_judged_in_every_tick():
    for bad, good, name, ticks in (
        ({"fast_ma": 2_601}, {"fast_ma": 2_600}, "over_current", 2),
        ({"current_ma": 19}, {}, None, 0),  # little voltage above back-EMF: little current is right
        ({"rate_opm": 499, "current_ma": 1_000}, {"rate_opm": 500, "emf_opm": 500}, "stall", 21),
        ({"rate_opm": 2_751}, {"rate_opm": 2_750, "emf_opm": 2_750}, "runaway", 16),
        ({"run_req": 0}, {}, "interlock_tripped", 4),
        ({"driver_fault": True}, {}, "driver_fault", 1),
    ):
        watched = settled()
        for field, value in good.items():
            setattr(watched.sense, field, value)
        assert watched.until_fault() is None, good
        before = Readings()
        for _ in range(3):  # a tick too short, again and again: the timer starts anew
            for field, value in bad.items():
                setattr(watched.sense, field, value)
            assert watched.until_fault(ticks - 1) is None, name
            for field in bad:
                setattr(watched.sense, field, getattr(before, field))
            watched.tick()
        for field, value in bad.items():
            setattr(watched.sense, field, value)
        assert watched.until_fault(NEVER if name else 600) == (name and (name, ticks)), name
        watched.tick(60)
        assert watched.safety.more == 0, name  # and no other one with it


def test_no_current_counts_once_200_mv_drive_it():
    for current_ma, voltage_mv, expected in (
        (19, 6_101, ("current_sensor", 51)),
        (20, 6_101, None),
        (19, 6_100, None),
    ):
        watched = settled()
        watched.sense.current_ma = current_ma
        watched.drive.voltage_mv = voltage_mv
        assert watched.until_fault() == expected


def test_a_stall_is_judged_from_500_opm_of_demand():
    for demand, rate, expected in (
        (499, 0, None),
        (500, 166, ("stall", 21)),
        (500, 167, None),
        (501, 167, None),
    ):
        watched = settled()
        watched.sense.current_ma = 1_000
        watched.drive.demand_opm = demand
        watched.sense.rate_opm = watched.sense.emf_opm = rate
        assert watched.until_fault() == expected, demand


def test_a_stall_is_judged_by_the_back_emf_too_once_the_motor_draws_1_a():
    """A late pulse of the tach, or one of its noise, does not make the time anew."""
    for current_ma, emf_opm, expected in (
        (1_001, 499, ("stall", 21)),
        (1_001, 500, ("rate_mismatch", 102)),
        (1_000, 0, ("rate_mismatch", 102)),
    ):
        watched = settled()
        watched.sense.current_ma = current_ma
        watched.sense.emf_opm = emf_opm
        assert watched.until_fault() == expected, (current_ma, emf_opm)
    watched = settled()
    watched.drive.demand_opm = 499
    watched.sense.emf_opm = 0
    watched.sense.rate_opm, watched.sense.current_ma = 400, 2_000
    assert watched.until_fault() is None
    watched.drive.demand_opm = 500
    watched.sense.rate_opm = 501  # too fast: the drive brakes, and the back-EMF cannot be known
    assert watched.until_fault(90) is None
    watched.sense.rate_opm = 500
    assert watched.until_fault() == ("stall", 21)


def test_a_motor_that_turns_by_voltage_and_current_is_no_stall():
    for current_ma, emf_opm, name in (
        (19, 1_001, "current_sensor"),  # nothing is connected
        (20, 1_001, "no_rotation"),
        (999, 1_001, "no_rotation"),
        (1_000, 1_001, "stall"),
        (999, 1_000, "stall"),
    ):
        watched = settled()
        watched.sense.rate_opm = 0
        watched.sense.current_ma = current_ma
        watched.sense.emf_opm = emf_opm
        assert watched.until_fault() == (name, 21)


def test_a_motor_that_coasts_at_the_start_is_no_runaway_for_three_seconds():
    watched = Watched()
    watched.sense.rate_opm = watched.sense.emf_opm = 3_000
    assert watched.until_fault() == ("runaway", 316)
    watched = Watched()
    watched.sense.rate_opm = watched.sense.emf_opm = 3_000
    watched.tick(100)
    watched.sense.rate_opm = 1_500  # as slow as asked for: from now on it is judged
    watched.tick()
    watched.sense.rate_opm = 3_000
    assert watched.until_fault() == ("runaway", 16)
    watched.safety.motor_stopped()
    assert watched.safety.clear()
    watched.safety.motor_started()
    assert watched.until_fault() == ("runaway", 316)


def test_interlock_and_driver_have_50_ms_to_wake():
    watched = Watched()
    watched.sense.run_req = 0
    assert watched.until_fault() == ("interlock_failed", 9)
    watched = Watched().tick()
    watched.sense.run_req = 0
    assert watched.until_fault() == ("interlock_tripped", 8)
    watched = Watched()
    watched.sense.driver_fault = True
    assert watched.until_fault() == ("driver_fault", 6)
    watched = settled()
    watched.safety.motor_stopped()
    watched.safety.motor_started()  # whether it rose is asked anew
    watched.sense.run_req = 0
    assert watched.until_fault() == ("interlock_failed", 9)


def test_the_period_of_a_tick():
    for period_us, name in (
        (50_000, None),
        (50_001, "tick_overrun"),
        (900_000, "tick_overrun"),
        (900_001, "clock_jump"),
        (0, None),
        (-1, "clock_jump"),
    ):
        watched = settled().tick(period_us=period_us)
        assert faults.fault_name(watched.safety.fault) == name, period_us
        watched.tick(20, period_us=period_us)
        assert watched.safety.more == 0, period_us
        watched = settled(motor_on=False).tick(period_us=period_us)  # off, flash may take its time
        assert watched.safety.fault == faults.NONE, period_us


def test_901_s_of_motor_time_are_the_most():
    watched = Watched().tick(10_000, period_us=50_000)
    watched.safety.motor_stopped()  # a pause does not count, and forgives nothing
    watched.rest()
    watched.tick(1_000)
    watched.motor_on = True
    watched.sense.sound()
    watched.safety.motor_started()
    watched.tick(8_020, period_us=50_000)
    assert not watched.safety.fault
    watched.tick(period_us=1)
    assert watched.lasting() == [faults.SESSION_OVERRUN]
    assert faults.fault_name(watched.safety.fault) == "session_overrun"
    watched.safety.motor_stopped()
    assert watched.safety.clear()
    watched.safety.session_started()
    watched.safety.motor_started()
    watched.tick(18_018, period_us=50_000)
    watched.tick(period_us=-700_000)  # counts as nothing
    watched.tick(period_us=800_000)  # counts as 0.1 s
    watched.tick(period_us=0)
    assert not watched.active(faults.SESSION_OVERRUN)
    watched.tick(period_us=1)
    assert watched.active(faults.SESSION_OVERRUN)


# -- every tick, motor off --------------------------------------------------------------------------


def test_off_means_no_current_and_no_release():
    for field, good, bad, expected in (
        ("fast_ma", 150, 151, ("current_sensor", 51)),
        ("run_req", 0, 1, ("interlock_failed", 4)),
        ("rate_opm", 300, 301, ("uncommanded_motion", 21)),
    ):
        watched = settled(motor_on=False)
        setattr(watched.sense, field, good)
        assert watched.until_fault() is None, field
        setattr(watched.sense, field, bad)
        assert watched.until_fault() == expected


def test_off_takes_30_ms_until_it_is_judged():
    watched = settled()
    watched.safety.motor_stopped()
    watched.motor_on = False
    watched.sense.fast_ma = 0
    assert watched.until_fault() == ("interlock_failed", 7)
    watched = settled()
    watched.safety.motor_stopped()
    watched.rest()
    watched.sense.fast_ma = 151
    assert watched.until_fault() == ("current_sensor", 54)
    watched = settled()
    for _ in range(2):  # and so after every use
        watched.safety.motor_stopped()
        watched.motor_on = False
        watched.sense.fast_ma = 0
        watched.tick(6)
        assert not watched.safety.fault
        watched.rest()
        watched.tick(600)
        watched.motor_on = True
        watched.sense.sound()
        watched.safety.motor_started()
        watched.tick(10)


def test_after_a_reset_the_motor_may_coast_until_the_tach_knows():
    for quiet_ticks, expected in ((30, ("uncommanded_motion", 490)), (31, ("uncommanded_motion", 21))):
        watched = Watched(motor_on=False).tick(quiet_ticks)
        watched.sense.rate_opm = 1_500
        assert watched.until_fault() == expected


def test_coasting_only_slows_down():
    for again, expected in ((800, None), (801, ("uncommanded_motion", 21))):
        watched = settled()
        watched.safety.motor_stopped()
        watched.rest()
        for rate in (1_500, 1_200, 900, 700, 500):
            watched.sense.rate_opm = rate
            watched.tick(31 if rate == 1_500 else 4)  # in the first 300 ms the tach may not know yet
        watched.sense.rate_opm = again
        assert watched.until_fault(400) == expected


def test_coasting_begins_at_the_rate_that_tach_or_back_emf_tells_whichever_is_more():
    """A stop in a soft start may come before the tach's first pulse."""
    for rate, emf in ((0, 500), (500, 0)):
        for again, expected in ((800, None), (801, ("uncommanded_motion", 21))):
            watched = settled()
            watched.sense.rate_opm = rate
            watched.sense.emf_opm = emf
            watched.safety.motor_stopped()
            watched.rest()
            watched.sense.rate_opm = again
            assert watched.until_fault(400) == expected, (rate, emf)


def test_after_five_seconds_off_it_stands():
    for rate, expected in (
        (300, None),
        (301, ("uncommanded_motion", 520)),
        (1_500, ("uncommanded_motion", 520)),
    ):
        watched = settled()
        watched.sense.rate_opm = rate
        watched.safety.motor_stopped()
        watched.rest()
        watched.sense.rate_opm = rate
        assert watched.until_fault() == expected


# -- in turn ----------------------------------------------------------------------------------------


def test_heat_of_each_channel():
    for channel, name, limit, fault, released, looks, ticks in (
        (0, "motor_hot", 800, 900, 749, 5, 4),
        (1, "driver_hot", 850, 1_000, 799, 5, 4),
        (2, "handle_hot", 430, 480, 409, 2, 8),
        (3, "pad_hot", 410, 430, 399, 2, 8),
    ):
        watched = Watched(motor_on=False)
        safety, temperatures = watched.safety, watched.sense.temperatures_dc

        temperatures[channel] = limit - 1
        assert not watched.limited(faults.LIMIT_HEAT), name
        temperatures[channel] = limit
        assert watched.limited(faults.LIMIT_HEAT), name
        temperatures[channel] = released + 1
        assert watched.limited(faults.LIMIT_HEAT), name
        temperatures[channel] = released
        assert not watched.limited(faults.LIMIT_HEAT), name
        temperatures[channel] = fault - 1
        assert watched.until_fault() is None, name
        temperatures[channel] = fault
        watched.tick(looks * ticks)
        assert not safety.fault, name
        temperatures[channel] = fault - 1
        watched.tick(ticks)
        temperatures[channel] = fault
        watched.tick(looks * ticks)
        assert not safety.fault, name
        watched.tick(ticks)
        assert faults.fault_name(safety.fault) == name
        temperatures[channel] = released + 1
        watched.tick(40)
        assert not safety.clear(), name
        temperatures[channel] = released
        watched.tick(ticks)
        assert safety.clear(), name
        assert safety.limiters == 0
        temperatures[channel] = fault - 1  # a new rise is judged from its own beginning
        assert watched.until_fault() is None, name


def test_each_thermistor_by_itself():
    for channel, name, looks, ticks in (
        (0, "motor_sensor", 5, 4),
        (1, "driver_sensor", 5, 4),
        (2, "handle_sensor", 2, 8),
        (3, "pad_sensor", 2, 8),
    ):
        watched = Watched(motor_on=False)
        watched.sense.temperatures_dc[channel] = INVALID
        watched.tick(looks * ticks)
        assert not watched.safety.fault
        watched.tick(ticks)
        assert faults.fault_name(watched.safety.fault) == name
        assert not watched.safety.clear()
        watched.sense.temperatures_dc[channel] = 250
        watched.tick(ticks)
        assert watched.safety.clear()
        watched.sense.jumped_ms = [40 * (n == channel) for n in range(4)]
        watched.tick(looks * ticks)
        watched.sense.jumped_ms = [80 * (n != channel) for n in range(4)]
        watched.tick(ticks)
        watched.sense.jumped_ms = [40 * (n == channel) for n in range(4)]
        watched.tick(looks * ticks)
        assert not watched.safety.fault
        watched.tick(ticks)
        assert faults.fault_name(watched.safety.fault) == name


def test_a_thermistor_that_is_taken_out_of_the_settings_ends_its_own_causes_only():
    for value, name in ((INVALID, "pad_sensor"), (430, "pad_hot")):
        watched = Watched(motor_on=False)
        sense, safety = watched.sense, watched.safety
        sense.temperatures_dc[PAD] = value
        sense.temperatures_dc[0] = 800
        watched.tick(3 * 8)
        assert faults.fault_name(safety.fault) == name
        assert not safety.clear()
        sense.fitted = 7  # as Sense does it
        sense.temperatures_dc[PAD] = INVALID
        watched.tick(8)
        assert faults.fault_name(safety.fault) == name
        assert safety.clear()
        assert safety.limiters == faults.LIMIT_HEAT
        sense.temperatures_dc[0] = 250
        watched.tick(200)
        assert (safety.fault, safety.limiters) == (faults.NONE, 0)
        sense.fitted = 15
        watched.tick(2 * 8)
        assert not safety.fault
        watched.tick(8)
        assert faults.fault_name(safety.fault) == "pad_sensor"


def test_the_motor_is_never_40_k_colder_than_the_handle():
    for temperatures, name in (
        ([-150, 250, 250, 250], None),
        ([-151, 250, 250, 250], "motor_sensor"),
        ([250, -151, 250, 250], None),
        ([250, 250, -151, 250], None),
        ([-151, 250, 249, 420], None),
    ):
        watched = Watched(motor_on=False)
        watched.sense.temperatures_dc = temperatures
        watched.tick(100)
        assert faults.fault_name(watched.safety.fault) == name, temperatures


def test_the_supply_on_mains_and_with_cells():
    for cells, low, released, critical, high in (
        (0, 10_500, 11_101, 9_000, 14_500),
        (3, 9_900, 10_501, 9_000, 12_900),
        (4, 13_200, 13_801, 12_000, 17_200),
    ):
        watched = Watched(motor_on=False, cells=cells)
        sense, safety = watched.sense, watched.safety

        sense.supply_mv = low
        assert not watched.limited(faults.LIMIT_BATTERY)
        sense.supply_mv = low - 1
        assert watched.limited(faults.LIMIT_BATTERY)
        sense.supply_mv = released - 1
        assert watched.limited(faults.LIMIT_BATTERY)
        sense.supply_mv = released
        assert not watched.limited(faults.LIMIT_BATTERY)
        sense.supply_mv = critical - 1
        assert watched.until_fault() is None  # with the motor off it only refuses the start
        sense.supply_mv = high
        assert watched.until_fault() is None
        sense.supply_mv = high + 1
        watched.tick(5 * 4)
        assert not safety.fault
        watched.tick(4)
        assert faults.fault_name(safety.fault) == "supply_high"
        assert not safety.clear()
        sense.supply_mv = high
        watched.tick(4)
        assert safety.clear()
        watched = Watched(cells=cells)
        watched.tick(200)
        watched.sense.supply_mv = critical
        assert watched.until_fault() is None
        watched.sense.supply_mv = critical - 1
        watched.tick(13 * 4)
        watched.sense.supply_mv = critical
        watched.tick(4)
        watched.sense.supply_mv = critical - 1
        watched.tick(13 * 4)
        assert not watched.safety.fault
        watched.tick(4)
        assert faults.fault_name(watched.safety.fault) == "battery_critical"


def test_the_settings_decide_which_supply_is_low():
    watched = Watched(motor_on=False)
    watched.sense.supply_mv = 10_000
    watched.tick(4)
    assert watched.safety.limiters == faults.LIMIT_BATTERY
    watched.safety._settings["battery_cells"] = 2
    watched.safety.configure()
    watched.sense.supply_mv = 7_201
    watched.tick(4)
    assert watched.safety.limiters == 0


def test_the_reference_is_half_of_the_rail():
    for reading, expected in (
        (32_768 + 1_638, None),
        (32_768 - 1_638, None),
        (32_768 + 1_639, "adc_reference"),
        (32_768 - 1_639, "adc_reference"),
    ):
        watched = Watched(motor_on=False)
        watched.sense.reference = reading
        watched.tick(5 * 4)
        assert not watched.safety.fault
        watched.tick(4)
        assert faults.fault_name(watched.safety.fault) == expected
        watched.sense.reference = 32_768
        watched.tick(4)
        assert watched.safety.clear()


def test_the_supply_may_fall_by_15_percent_at_the_start():
    for mv, wait, expected in (
        (10_200, 0, None),
        (10_199, 0, "supply_dip"),
        (10_199, 195, "supply_dip"),  # the last look at it is in tick 196, and what it began goes on
        (10_199, 199, None),
    ):
        watched = Watched(motor_on=False)
        watched.motor_on = True
        watched.sense.sound()
        watched.safety.motor_started()
        watched.tick(wait)
        watched.sense.supply_mv = mv
        watched.tick(8)
        assert not watched.safety.fault
        watched.tick(4)
        assert faults.fault_name(watched.safety.fault) == expected, (mv, wait)
    watched = Watched()
    for _ in range(10):  # shorter dips are no fault
        watched.sense.supply_mv = 10_199
        watched.tick(8)
        watched.sense.supply_mv = 10_200
        watched.tick(4)
    assert not watched.safety.fault


# -- limiters and latches ---------------------------------------------------------------------------


def test_the_current_limiter_is_told_for_a_second_and_takes_no_level():
    watched = settled()
    watched.drive.limited = True
    watched.tick()
    watched.drive.limited = False
    watched.tick(99)
    assert watched.safety.limiters == faults.LIMIT_CURRENT
    assert not watched.drive.derate
    watched.tick()
    assert watched.safety.limiters == 0


def test_heat_and_battery_take_the_level_down_as_long_as_they_last():
    watched = settled()
    watched.sense.temperatures_dc[0] = 800
    watched.sense.supply_mv = 10_400
    watched.tick(4)
    assert watched.drive.derate
    assert watched.safety.limiters == faults.LIMIT_HEAT | faults.LIMIT_BATTERY
    watched.sense.temperatures_dc[0] = 700
    watched.tick(4)
    assert watched.drive.derate
    watched.sense.supply_mv = 12_000
    watched.tick(4)
    assert not watched.drive.derate


def test_each_fault_is_shown_and_cleared_by_itself():
    watched = settled(motor_on=False)
    safety = watched.safety
    watched.sense.temperatures_dc[1] = INVALID
    watched.tick(60)
    watched.sense.temperatures_dc[2] = INVALID
    watched.sense.reference = 0
    watched.tick(60)
    assert (safety.fault, safety.more) == (faults.DRIVER_SENSOR, 2)
    assert not safety.clear()
    assert (safety.fault, safety.more, safety.cleared) == (faults.DRIVER_SENSOR, 2, faults.NONE)
    watched.sense.temperatures_dc[1] = 250
    watched.tick(8)
    order = safety.latched()
    assert (order[0], sorted(order[1:])) == (
        faults.DRIVER_SENSOR,
        [faults.HANDLE_SENSOR, faults.ADC_REFERENCE],
    )
    assert safety.clear()
    assert (safety.fault, safety.more) == (order[1], 1)
    assert not safety.clear()  # it is shown now, and its own cause lasts
    watched.sense.sound()
    watched.rest()
    watched.tick(8)
    for left in (order[2:], []):
        shown = safety.fault
        assert safety.clear()
        assert safety.cleared == shown
        assert not safety.is_latched(shown)
        assert safety.latched() == left
        assert safety.more == 0
    safety.cleared = faults.NONE
    assert safety.clear()
    assert (safety.fault, safety.cleared) == (faults.NONE, faults.NONE)


def test_a_fault_that_comes_again_is_latched_once():
    watched = settled(motor_on=False)
    for _ in range(3):
        watched.sense.reference = 0
        watched.tick(60)
        watched.sense.reference = 32_768
        watched.tick(60)
    assert watched.safety.latched() == [faults.ADC_REFERENCE]


def test_what_others_report_is_latched_at_once_and_lasts_until_they_take_it_back():
    for code in (
        faults.HEAP_LOW,
        faults.FLASH_FAILED,
        faults.FIRMWARE_CHANGED,
        faults.WATCHDOG_RESET,
        faults.CRASHED,
    ):
        safety = Watched(motor_on=False).safety
        safety.report(code)
        safety.report(code)  # again: it is the same
        assert (safety.fault, safety.more) == (code, 0)
        assert not safety.clear()
        safety.report(code, False)
        assert safety.fault == code
        assert safety.clear()


def test_a_motor_that_is_off_has_no_stall_but_may_be_hot():
    ends = (
        "stall", "current_sensor", "tick_overrun", "battery_critical", "runaway", "driver_fault",
        "supply_dip", "interlock_tripped", "interlock_failed", "clock_jump", "session_overrun",
        "rate_mismatch",
    )  # fmt: skip
    for row in faults.FAULTS:
        code, name = row[faults.CODE], row[faults.NAME]
        watched = settled()
        safety = watched.safety
        safety.report(code)
        safety._now_us += 1_001_000
        safety.report(code)
        assert lasting(safety) == [code]
        safety.motor_stopped()
        assert lasting(safety) == ([] if name in ends else [code]), name


def test_only_low_memory_lets_the_motor_run_down():
    assert [row[faults.NAME] for row in faults.FAULTS if faults.ramps(row[faults.CODE])] == ["heap_low"]


def test_the_table_has_the_numbers_of_the_design():
    """name: limit, fault, hysteresis, debounce in ms; codes from 32 on are grouped, with gaps."""
    assert [
        row[faults.NAME : faults.NAME + 1] + row[faults.LIMIT : faults.REACTION] for row in faults.FAULTS
    ] == [
        ("over_current", "current_limit_ma", 2_600, 0, 10),
        ("stall", None, None, 0, 200),
        ("motor_hot", 800, 900, 50, 200),
        ("driver_hot", 850, 1_000, 50, 200),
        ("handle_hot", 430, 480, 20, 160),
        ("battery_critical", "3300 a cell, 10500 on mains", "3000 a cell, 9000 on mains", 600, 500),
        ("motor_sensor", None, None, 0, 200),
        ("driver_sensor", None, None, 0, 200),
        ("handle_sensor", None, None, 0, 160),
        ("current_sensor", None, 20, 0, 500),
        ("tick_overrun", None, 50, 0, 0),
        ("runaway", None, 500, 0, 150),
        ("no_rotation", None, None, 0, 200),
        ("uncommanded_motion", None, 300, 0, 200),
        ("driver_fault", None, None, 0, 0),
        ("adc_reference", None, 1_638, 0, 200),
        ("supply_high", None, "4300 a cell, 14500 on mains", 0, 200),
        ("supply_dip", None, 15, 0, 80),
        ("interlock_tripped", None, None, 0, 30),
        ("interlock_failed", None, None, 0, 30),
        ("clock_jump", None, 900, 0, 0),
        ("session_overrun", None, 901, 0, 0),
        ("heap_low", None, 12_000, 0, 0),
        ("flash_failed", None, None, 0, 0),
        ("firmware_changed", None, None, 0, 0),
        ("watchdog_reset", None, None, 0, 0),
        ("crashed", None, None, 0, 0),
        ("pad_hot", 410, 430, 10, 160),
        ("pad_sensor", None, None, 0, 160),
        ("rate_mismatch", None, None, 0, 1_000),
        ("latches_lost", None, None, 0, 0),
    ]
    assert [row[faults.CODE] for row in faults.FAULTS] == list(range(1, 30)) + [32, 50]
    assert faults.limiter_names(faults.LIMIT_HEAT | faults.LIMIT_CURRENT) == ["current", "heat"]
    assert faults.fault_name(faults.CRASHED) == "crashed"
    assert faults.fault_name(faults.NONE) is None


# -- ticks of any length ----------------------------------------------------------------------------


def test_a_start_ends_what_was_timed_while_the_motor_was_off():
    watched = settled(motor_on=False)
    watched.sense.rate_opm = 301
    watched.tick(5)
    watched.motor_on = True
    watched.sense.sound()
    watched.safety.motor_started()
    watched.tick(100)
    assert watched.safety._timed == 0
    watched.safety.motor_stopped()
    watched.rest()
    watched.safety._coasting_opm = 0
    watched.sense.rate_opm = 301
    assert watched.until_fault() == ("uncommanded_motion", 21)


def test_every_time_is_measured_however_long_the_ticks():
    """A cause trips once it has lasted for its time: the reading that shows it first counts as 10 ms."""
    for period_ms in (10, 11, 15, 20, 25, 33, 40, 49, 50):
        for code, field, value, motor_on, turns in (
            ("over_current", "fast_ma", 2_601, True, 1),
            ("stall", "rate_opm", 0, True, 1),
            ("runaway", "rate_opm", 5_000, True, 1),
            ("interlock_tripped", "run_req", 0, True, 1),
            ("uncommanded_motion", "rate_opm", 2_000, False, 1),
            ("supply_high", "supply_mv", 15_000, True, 4),
            ("adc_reference", "reference", 0, False, 4),
            ("rate_mismatch", "emf_opm", 500, True, 4),
        ):
            watched = settled(motor_on)
            watched.sense.current_ma = 1_000 if code == "stall" else watched.sense.current_ma
            while watched.sense.channel != (1 if code == "rate_mismatch" else REFERENCE):
                watched.tick()
            watched.tick(turns - 1, 1_000 * period_ms)
            setattr(watched.sense, field, value)
            debounce_ms = faults.row(faults.code(code))[faults.DEBOUNCE_MS]
            readings = 1
            while 10 + (readings - 1) * turns * period_ms <= debounce_ms:
                readings += 1
            watched.tick((readings - 1) * turns, 1_000 * period_ms)
            assert not watched.safety.fault, (code, period_ms)
            watched.tick(turns, 1_000 * period_ms)
            assert faults.fault_name(watched.safety.fault) == code, (code, period_ms)


def test_over_current_trips_at_its_second_reading_in_ticks_of_any_length():
    for period_us in range(1_000, 50_001, 1_000):
        watched = settled()
        watched.sense.fast_ma = 2_601
        watched.tick(1, period_us)
        assert not watched.safety.fault
        watched.tick(1, period_us)
        assert faults.fault_name(watched.safety.fault) == "over_current"


def test_the_waits_of_start_and_stop_are_measured_too():
    """Coasting, waking, sleeping, standing still, and the limiter's second."""
    for period_ms in (10, 25, 49):
        period_us = 1_000 * period_ms
        watched = Watched()
        watched.sense.rate_opm = watched.sense.emf_opm = 3_000
        watched.tick(3_000 // period_ms, period_us)
        assert not watched.safety.fault
        watched.tick(150 // period_ms + 3, period_us)
        assert faults.fault_name(watched.safety.fault) == "runaway"
        watched = settled()
        watched.safety.motor_stopped()
        watched.rest()
        watched.sense.rate_opm = 1_500
        watched.tick(5_000 // period_ms - 1, period_us)
        assert not watched.safety.fault
        watched.tick(200 // period_ms + 3, period_us)
        assert faults.fault_name(watched.safety.fault) == "uncommanded_motion"
        watched = settled()
        watched.drive.limited = True
        watched.tick()
        watched.drive.limited = False
        watched.tick((1_000 - 1) // period_ms, period_us)
        assert watched.safety.limiters == faults.LIMIT_CURRENT
        watched.tick(1, period_us)
        assert watched.safety.limiters == 0


# -- tach and back-EMF ------------------------------------------------------------------------------


def test_tach_and_back_emf_may_differ_by_what_motors_differ():
    """At 11 mV s/rad, in mV of back-EMF: 1/7, 0.6 ohm and 0.1 V more; 1/4, 0.3 ohm and 0.1 V less."""
    for rate, current_ma, low, high in (
        (1_000, 200, 612, 1_334),
        (1_540, 200, 1_017, 1_951),
        (2_080, 1_000, 1_213, 2_985),
        (3_700, 200, 2_637, 4_419),
        (3_700, 2_000, 2_168, 5_356),
    ):
        for emf, expected in (
            (low, None),
            (high, None),
            (low - 1, "rate_mismatch"),
            (high + 1, "rate_mismatch"),
        ):
            watched = Watched()
            watched.drive.demand_opm = rate
            watched.sense.rate_opm = rate
            watched.sense.current_ma = watched.sense.fast_ma = current_ma
            watched.sense.emf_opm = emf
            found = watched.until_fault(400)
            assert (found and found[0]) == expected, (rate, current_ma, emf, found)
            if found:
                assert 100 <= found[1] <= 108


def test_tach_and_back_emf_of_a_motor_that_generates_or_hardly_turns_are_not_compared():
    for current_ma, demand, expected in (
        (29, 1_500, None),
        (30, 1_500, "rate_mismatch"),
        (300, 499, None),
        (300, 500, "rate_mismatch"),
    ):
        watched = settled()
        watched.sense.current_ma = current_ma
        watched.drive.demand_opm = demand
        watched.sense.rate_opm = demand
        watched.sense.emf_opm = 0
        found = watched.until_fault(400)
        assert (found and found[0]) == expected, (current_ma, demand)


def test_a_short_disagreement_is_no_fault_and_is_forgotten_within_its_own_time():
    watched = settled()
    for _ in range(5):
        watched.sense.emf_opm = 500
        watched.tick(95)
        watched.sense.emf_opm = 1_500
        watched.tick(100)
        assert not watched.safety.fault


def test_a_disagreement_that_comes_and_goes_is_a_fault():
    for good_ticks, trips in ((20, True), (28, True), (44, False)):  # 40 ticks bad in between
        watched = settled()
        for _ in range(12):
            watched.sense.emf_opm = 500
            watched.tick(40)
            watched.sense.emf_opm = 1_500
            watched.tick(good_ticks)
        assert (watched.safety.fault == faults.RATE_MISMATCH) == trips, good_ticks


def test_a_hot_motor_has_more_resistance():
    """At 85 C and 1 A the winding drops half a volt more than when cold, which looks like back-EMF."""
    for celsius, expected in ((25, "rate_mismatch"), (85, None)):
        watched = settled()
        watched.sense.temperatures_dc[0] = 10 * celsius
        watched.sense.current_ma = 1_000
        watched.sense.emf_opm = 1_500 + 214 + 520 + 87 + 200
        found = watched.until_fault(400)
        assert (found and found[0]) == expected, celsius


def test_a_constant_that_no_motor_has_is_noticed_though_tach_and_back_emf_agree():
    """motor_ke_uvs and tach_ppr both wrong by the same factor, or no tach at all."""
    for ke_uvs, expected in ((16_000, None), (22_000, "rate_mismatch"), (55_000, "rate_mismatch")):
        for rate in (1_000, 2_350, 3_700):
            watched = settled()
            watched.safety._settings["motor_ke_uvs"] = ke_uvs
            watched.safety.configure()
            watched.drive.demand_opm = watched.sense.rate_opm = watched.sense.emf_opm = rate
            found = watched.until_fault(400)
            assert (found and found[0]) == expected, (ke_uvs, rate)
