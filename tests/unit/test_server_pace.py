"""Pace: virtual time against the wall clock and the host's behaviour, with times given by hand."""

import pytest
from openknead_sim.pace import HOLD_S, MAX, SILENT_US, SLICE_US, TALKING_S, UNREAD_US, Pace


def simulated(pace: Pace, wall_s: float, clock_us: int, for_s: float, busy: bool = False) -> int:
    """Virtual µs that pass in for_s seconds of wall time, asked every millisecond."""
    begin = clock_us
    for n in range(round(for_s * 1000)):
        clock_us += pace.allowance_us(wall_s + n / 1000, clock_us, busy)
    return clock_us - begin


@pytest.mark.parametrize("speed", [0.5, 1.0, 10.0])
def test_a_factor_is_kept(speed):
    assert simulated(Pace(speed), 100.0, 0, 1.0) == pytest.approx(speed * 1e6, rel=0.01)


def test_time_lost_in_a_suspended_process_is_not_made_up():
    pace = Pace(1.0)
    clock = simulated(pace, 0.0, 0, 0.1)
    assert simulated(pace, 3600.0, clock, 0.1) == pytest.approx(1e5, rel=0.05)


def test_max_is_real_time_while_nothing_happens():
    assert simulated(Pace(MAX), 0.0, 0, 1.0) == pytest.approx(1e6, rel=0.01)


def test_max_runs_while_the_motor_runs_and_no_host_is_there():
    assert Pace(MAX).allowance_us(10.0, 0, busy=True) == SLICE_US


def test_max_runs_ahead_of_a_talking_host_by_half_a_second_at_most():
    pace = Pace(MAX)
    pace.heard(10.0, 1_000_000)
    clock = 1_000_000
    for _ in range(1000):
        clock += pace.allowance_us(10.001, clock, busy=True)
    assert SILENT_US < clock - 1_000_000 <= SILENT_US + SLICE_US
    pace.heard(10.002, clock)
    assert pace.allowance_us(10.002, clock, busy=True) == SLICE_US


def test_a_silent_host_gets_real_time_and_is_forgotten_in_the_end():
    pace = Pace(60.0)
    pace.heard(10.0, 0)
    clock = SILENT_US + 1
    assert simulated(pace, 10.1, clock, 1.0) == pytest.approx(1e6, rel=0.01)
    assert pace.rate(10.0 + TALKING_S + 0.1, clock, False) == 60.0


def test_time_stands_still_until_output_is_read_but_not_for_ever():
    pace = Pace(MAX)
    pace.heard(10.0, 0)
    pace.unread(10.0, 0, 100)
    assert pace.allowance_us(10.005, UNREAD_US // 2, True) > 0
    clock = UNREAD_US
    assert pace.allowance_us(10.01, clock, True) == 0
    assert pace.holding
    pace.unread(10.02, clock, 40)  # it reads
    clock += UNREAD_US
    assert pace.allowance_us(10.02 + HOLD_S * 0.9, clock, True) == 0
    assert pace.allowance_us(10.02 + HOLD_S * 1.1, clock, True) > 0
    pace.unread(10.5, clock, 0)
    assert not pace.stalled(10.5)


def test_real_time_waits_for_nobody():
    pace = Pace(1.0)
    pace.allowance_us(10.0, 0, False)
    pace.unread(10.0, 0, 100)
    assert pace.allowance_us(10.01, 0, False) == pytest.approx(10_000, abs=1)
