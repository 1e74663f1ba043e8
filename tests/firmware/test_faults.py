"""The faults beyond the first line: each by its cause, within its time, and no other."""

from massager import faults
from massager import session as sessions
from massager.sense import HALF_RAIL, REFERENCE
from support import Bench
from test_safety import fault, running, time_to_fault_ms


def spin(bench, opm):
    """The shaft turns at this rate from now on, whatever is asked for."""
    bench.follows = False
    bench.board.tach_periods, bench.board.tach_count = (1, 1_500_000 // opm) if opm else (0, 0)


def test_a_rate_far_above_the_demand_is_a_runaway():
    bench = running(level=3)
    spin(bench, 4_000)
    assert time_to_fault_ms(bench, 500) <= 200
    assert fault(bench) == "runaway"


def test_an_overshoot_of_half_the_rate_is_none():
    bench = running(level=3)  # 1540 opm
    spin(bench, 2_700)
    bench.board.adc_current = 4_448
    bench.run_ms(1_000)
    assert fault(bench) is None


def test_a_start_while_the_motor_still_coasts_is_no_runaway():
    bench = running(level=11, after_ms=25_000)
    bench.call("session.stop")
    bench.start(level=1)
    for opm in range(3_700, 900, -100):
        spin(bench, opm)
        bench.board.adc_current = 4_448
        bench.run_ms(20)
    bench.follows = True
    bench.run_ms(3_000)
    assert fault(bench) is None


def test_a_coast_that_never_ends_is_a_runaway():
    bench = Bench()
    bench.start(level=1)
    spin(bench, 5_000)
    bench.board.adc_current = 0  # it generates, which the current sense does not see
    assert 3_000 <= time_to_fault_ms(bench, 4_000) <= 3_300
    assert fault(bench) == "runaway"


def test_a_silent_tach_on_a_turning_motor_is_no_rotation():
    bench = running(level=5, after_ms=15_000)
    spin(bench, 0)
    bench.board.adc_current = 8_000
    assert time_to_fault_ms(bench, 1_000) <= 500
    assert fault(bench) == "no_rotation"


def test_a_motor_that_stands_without_current_is_not_connected():
    bench = running(level=5, after_ms=15_000)
    spin(bench, 0)
    bench.board.adc_current = 0
    assert time_to_fault_ms(bench, 1_000) <= 500
    assert fault(bench) == "current_sensor"


def test_a_motor_that_speeds_up_while_off_is_named():
    bench = running()
    bench.call("session.stop")
    for opm in range(1_540, 4_500, 100):
        spin(bench, opm)
        bench.board.adc_current = 0
        bench.run_ms(10)
    assert fault(bench) == "uncommanded_motion"
    assert bench.call("fault.clear")["data"]["name"] == "cause_lasts"
    spin(bench, 0)
    bench.run_ms(1_000)
    assert bench.clear() == {"cleared": "uncommanded_motion"}


def test_a_motor_that_keeps_its_rate_while_off_is_named():
    bench = running()
    bench.call("session.stop")
    spin(bench, 1_500)
    bench.board.adc_current = 0
    bench.run_ms(4_900)
    assert fault(bench) is None
    bench.run_ms(400)
    assert fault(bench) == "uncommanded_motion"


def test_coasting_down_is_nothing():
    bench = running(level=11, after_ms=25_000)
    bench.call("session.stop")
    for opm in range(3_700, 300, -20):
        spin(bench, opm)
        bench.board.adc_current = 0
        bench.run_ms(20)
    spin(bench, 0)
    bench.run_ms(2_000)
    assert fault(bench) is None


def test_a_motor_that_coasts_on_after_a_reset_is_nothing_and_the_self_test_waits_for_it():
    bench = Bench(settle=False)
    spin(bench, 0)
    bench.run_ms(50)  # until the tach has seen a whole turn
    for opm in range(2_500, 100, -20):
        spin(bench, opm)
        bench.board.adc_current = 0
        bench.run_ms(20)
    assert bench.call("selftest")["state"] == "running"
    spin(bench, 0)
    bench.run_ms(1_000)
    assert fault(bench) is None
    assert bench.call("selftest")["state"] == "passed"


def test_a_line_that_nobody_reads_does_not_keep_a_stop_waiting():
    bench = running()
    bench.call("telemetry.subscribe", hz=20)
    bench.board.console.room = 30
    bench.run_ms(200)
    bench.board.console.received.extend(b'{"jsonrpc":"2.0","method":"session.stop"}\n')
    bench.run_ms(1_050)
    assert bench.app.session.state == sessions.IDLE
    assert bench.app.session.reason == sessions.HOST_STOP


def test_current_while_the_driver_sleeps_is_a_broken_sensor():
    bench = Bench()
    bench.follows = False
    bench.board.adc_current = 4_000
    bench.run_ms(700)
    assert fault(bench) == "current_sensor"


def test_the_drivers_complaint_stops_in_the_same_tick():
    bench = running()
    bench.board.nfault = True
    bench.run_ms(10)
    assert fault(bench) == "driver_fault"
    assert not bench.board.enabled
    assert bench.clear() == {"cleared": "driver_fault"}


def test_the_drivers_complaint_while_it_wakes_or_sleeps_is_nothing():
    bench = Bench()
    bench.board.nfault = True
    bench.run_ms(500)
    bench.start()
    bench.run_ms(30)
    bench.board.nfault = False
    bench.run_ms(500)
    assert fault(bench) is None
    assert bench.app.session.state == sessions.RUNNING


def test_a_wrong_reference_is_a_fault_running_and_idle():
    for reading in (HALF_RAIL + 1_700, HALF_RAIL - 1_700, 0, 65_535):
        for make in (Bench, lambda: running(after_ms=2_000)):
            bench = make()
            bench.board.temperatures[REFERENCE] = reading
            bench.run_ms(400)
            assert fault(bench) == "adc_reference", reading
            assert not bench.board.enabled
    bench = running(after_ms=2_000)
    bench.board.temperatures[REFERENCE] = HALF_RAIL + 1_600
    bench.run_ms(1_000)
    assert fault(bench) is None


def test_a_supply_too_high_is_a_fault_before_any_start():
    bench = Bench()
    bench.board.adc_supply = 47_000  # 13.5 V, three cells
    bench.run_ms(500)
    assert fault(bench) == "supply_high"


def test_a_supply_that_dips_at_the_start_is_too_weak():
    bench = Bench()
    bench.start()
    bench.run_ms(200)
    bench.board.adc_supply = 34_500  # from 12.0 to 9.9 V
    assert time_to_fault_ms(bench, 1_000) <= 300
    assert fault(bench) == "supply_dip"
    later = running(after_ms=3_000)
    later.board.adc_supply = 33_500
    later.run_ms(1_000)
    assert fault(later) is None
    assert later.call("status")["limiters"] == ["battery"]


def test_run_req_that_falls_while_driving_is_a_tripped_interlock():
    bench = running()
    bench.board.stuck = 0
    assert time_to_fault_ms(bench, 200) <= 50
    assert fault(bench) == "interlock_tripped"


def test_run_req_that_does_not_rise_is_a_failed_interlock():
    bench = Bench()
    bench.board.stuck = 0
    bench.start()
    bench.run_ms(150)
    assert fault(bench) == "interlock_failed"
    assert bench.board.duty == 0


def test_run_req_that_stays_high_is_a_failed_interlock():
    bench = Bench()
    bench.board.stuck = 1
    bench.run_ms(200)
    assert fault(bench) == "interlock_failed"
    assert bench.call("fault.clear")["data"]["name"] == "cause_lasts"
    bench.board.stuck = None
    bench.run_ms(100)
    assert bench.clear() == {"cleared": "interlock_failed"}


def test_a_clock_that_jumps_either_way_stops_the_motor_and_no_clock_runs_back():
    for jump_us in (2_000_000, -2_000_000):
        bench = running(after_ms=3_000)
        elapsed_ms = bench.app.session.elapsed_ms
        uptime_ms = bench.app.uptime_ms
        bench.board.us = (bench.board.us + jump_us) & 0x3FFFFFFF
        bench.run_ms(10)
        assert fault(bench) == "clock_jump", jump_us
        assert not bench.board.enabled
        assert bench.app.session.ran_ms >= elapsed_ms
        assert bench.app.uptime_ms >= uptime_ms


def test_motor_time_has_a_limit_of_its_own():
    bench = Bench()
    bench.start(level=1, run_s=600)
    for _ in range(92):
        bench.run_ms(10_000)
        bench.app.session.elapsed_ms = 0  # the session's own clock stands
        if bench.app.safety.fault:
            break
    assert fault(bench) == "session_overrun"
    assert not bench.board.enabled
    bench.clear()
    bench.allow()
    bench.start()
    bench.run_ms(1_000)
    assert fault(bench) is None


def test_little_memory_lets_the_motor_run_down():
    bench = running(level=2)
    bench.board.free = 5_000
    bench.app.garbage = 1_000_000
    bench.run_ms(20)
    assert fault(bench) == "heap_low"
    assert bench.app.session.state == sessions.ENDING
    assert bench.board.enabled
    bench.run_ms(1_500)
    assert bench.app.session.state == sessions.IDLE
    assert bench.app.session.reason == sessions.FAULT
    assert not bench.board.enabled
    assert bench.call("fault.clear")["data"]["name"] == "cause_lasts"


def test_a_second_fault_cuts_a_run_down():
    bench = running(level=3)
    bench.app.safety.report(faults.HEAP_LOW)
    bench.run_ms(20)
    assert bench.board.enabled
    bench.board.nfault = True
    bench.run_ms(20)
    assert not bench.board.enabled
    assert fault(bench) == "heap_low"
    assert bench.app.safety.more == 1


def test_a_thermistor_that_jumps_is_broken_until_it_stays():
    for channel, name in ((1, "driver_sensor"), (3, "pad_sensor")):
        bench = running(after_ms=3_000)
        bench.board.temperatures[channel] = 20_000
        took_ms = time_to_fault_ms(bench, 1_000)
        assert took_ms <= 300
        assert fault(bench) == name
        bench.run_ms(1_950 - took_ms)
        assert bench.call("fault.clear")["data"]["name"] == "cause_lasts"
        bench.run_ms(350)
        if name == "pad_sensor":  # it is believed now, and too hot
            assert bench.app.safety.lasts(faults.PAD_HOT)
            assert not bench.app.safety.lasts(faults.PAD_SENSOR)
            bench.warm(channel, 32_768)
            bench.run_ms(500)
        assert bench.clear() == {"cleared": name}


def test_a_motor_much_colder_than_the_handle_has_a_broken_thermistor():
    bench = Bench()
    bench.warm(2, 20_000)  # 45 C
    bench.warm(0, 54_000)  # -13 C
    bench.run_ms(400)
    assert fault(bench) == "motor_sensor"


def test_everything_works_across_the_wraps_of_both_clocks():
    bench = running(level=3, after_ms=5_000)
    bench.board.us = 0x3FFFFFFF - 500_000
    bench.app._last_us = bench.board.us
    bench.app._next_us = bench.board.ticks_add(bench.board.us, 10_000)
    bench.app.clock.uptime_ms = 0x3FFFFFFF - 800
    before_ms = bench.app.session.elapsed_ms
    bench.app.clock.set(1_800_000_000)
    bench.run_ms(2_000)
    assert bench.app.uptime_ms < 2_000
    assert abs(bench.app.session.elapsed_ms - before_ms - 2_000) <= 20
    assert bench.app.clock.unix_s() in (1_800_000_001, 1_800_000_002)
    assert fault(bench) is None
    bench.call("session.stop")
    bench.run_ms(50)
    assert bench.call("journal.read")["records"][-1]["kind"] == "session"
