"""Drive: levels, slew, soft start, loop and limits."""

from massager import drive as drives
from massager.drive import LEVELS, UNIT, Drive
from massager.settings import Settings
from support import put, raises


def make(**values):
    settings = Settings()
    put(settings, values)
    return Drive(settings)


def follow(drive, ticks, supply_mv=12_000):
    """Run with a shaft that turns as demanded; yields the positions passed through."""
    for _ in range(ticks):
        drive.step(drive.demand_opm, 200, supply_mv)
        yield drive.position


def run(drive, ticks):
    """The same to the end; returns the last position."""
    for _ in follow(drive, ticks):
        pass
    return drive.position


def test_levels_span_the_range_of_the_mains_massagers():
    for level, rate in ((1, 1000), (5, 2080), (LEVELS, 3700)):
        drive = make(slew_s=1)
        assert drive.demand_opm == 0
        drive.rise_to(level)
        run(drive, 100 * level)
        assert drive.demand_opm == rate


def test_soft_start_passes_level_1_and_rises_one_level_per_slew_time():
    drive = make(slew_s=2)
    drive.rise_to(5)
    assert run(drive, 200) == UNIT
    assert drive.demand_opm == 1000
    assert run(drive, 800) == 5 * UNIT
    assert drive.demand_opm == 2080


def test_no_tick_moves_faster_than_the_slew_up_or_down():
    drive = make(slew_s=3)
    last = 0
    for target in (11, 2, 7, 7, 1):
        drive.rise_to(target)
        for position in follow(drive, 400):
            assert abs(position - last) * 3 * 100 <= UNIT
            last = position


def test_fall_ends_at_standstill_in_the_announced_time():
    drive = make()
    drive.rise_to(3)
    run(drive, 700)
    ticks = drive.fall_ms() // 10
    drive.fall()
    run(drive, ticks - 1)
    assert drive.demand_opm > 0
    run(drive, 1)
    assert drive.demand_opm == 0
    assert drive.duty == 0


def test_halt_is_at_once():
    drive = make()
    drive.rise_to(3)
    run(drive, 700)
    assert drive.duty
    drive.halt()
    assert drive.duty == drive.demand_opm == drive.step(2000, 200, 12_000) == 0


def test_feed_forward_alone_is_the_motor_equation():
    drive = make(drive_kp=0, drive_ki=0)
    drive.rise_to(5)
    run(drive, 1200)
    omega = 2080 * 2 * 3.14159265 / 60
    expected_mv = 11 * omega + 2.38 * 200
    assert abs(drive.voltage_mv - expected_mv) < 5
    assert abs(drive.duty - expected_mv / 12_000 * 65_535) < 40


def test_a_slow_shaft_raises_the_voltage_until_it_turns_as_asked():
    drive = make()
    drive.rise_to(1)
    run(drive, 300)
    before = drive.voltage_mv
    for _ in range(100):
        drive.step(900, 200, 12_000)
    assert drive.voltage_mv > before + 200


def test_load_current_raises_the_voltage_by_its_share_of_the_drop():
    drive = make(drive_kp=0, drive_ki=0, drive_comp_pct=50)
    drive.rise_to(1)
    run(drive, 300)
    free = drive.voltage_mv
    drive.step(1000, 700, 12_000)
    assert drive.voltage_mv - free == 2380 * 500 // 2000


def test_current_limit_holds_the_voltage_back_and_says_so():
    drive = make(current_limit_ma=1000)
    drive.rise_to(11)
    for _ in range(2500):
        drive.step(500, 200, 12_000)
    assert drive.limited
    assert drive.voltage_mv <= 11_000 * 500 // 9549 + 2380 + 1


def test_derating_takes_the_level_down_to_one_and_gives_it_back():
    drive = make(slew_s=1)
    drive.rise_to(6)
    run(drive, 700)
    drive.derate = True
    assert run(drive, 510) < 5 * UNIT
    run(drive, 5000)
    assert drive.position == UNIT
    drive.derate = False
    run(drive, 5000)
    assert drive.position == 6 * UNIT


def test_a_dip_lowers_the_demand_for_its_time_only():
    drive = make()
    drive.rise_to(1)
    run(drive, 300)
    drive.dip(300)
    falling = [drive.demand_opm for _ in follow(drive, drives.DIP_SLOPE)]
    assert falling == sorted(falling, reverse=True)
    run(drive, 30 - drives.DIP_SLOPE)
    assert drive.demand_opm == 750
    rising = [drive.demand_opm for _ in follow(drive, drives.DIP_SLOPE)]
    assert rising == sorted(rising)
    assert drive.demand_opm == 1000


def test_the_loop_does_not_wind_up_in_a_dip():
    drive = make(drive_kp=0)
    drive.rise_to(1)
    run(drive, 300)
    before = drive.voltage_mv
    drive.dip(300)
    for _ in range(30 + drives.DIP_SLOPE):
        drive.step(1000, 200, 12_000)  # a shaft too heavy to follow
    assert drive.voltage_mv == before


def test_every_value_stays_a_small_integer_of_the_pico():
    most = 1 << 30
    drive = make(motor_ke_uvs=60_000, motor_r_mohm=20_000, drive_kp=10_000, drive_ki=40_000)
    drive.rise_to(11)
    for rate in (0, 3_700, 60_000 // 4):
        for supply in (5_000, 12_600, 37_000):
            for _ in range(50):
                duty = drive.step(rate, 3_000, supply)
                assert 0 <= duty <= 65_535
                assert isinstance(drive.voltage_mv, int)
                assert (drive.voltage_mv << 14) < most
                assert drive._ke * max(drive.demand_opm, rate) < most
                assert abs(drive._kp * (drive.demand_opm - rate) + drive._integral_uv) < most


def test_constants_agree_with_each_other():
    assert drives.FALL_STEP * drives.FALL_MS_PER_LEVEL // 10 == UNIT
    assert raises(AssertionError, raises, ValueError, int, "1")
