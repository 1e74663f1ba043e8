"""Sense: units, filters, thermistors, tach and the estimate without one."""

import math

from massager.sense import INVALID, PERIOD_MS, REFERENCE, Sense, ntc_table
from massager.settings import Settings
from support import BenchBoard, put


def make(**values):
    settings = Settings()
    put(settings, values)
    return Sense(settings), BenchBoard()


def run(sense, board, ticks=100, voltage_mv=0):
    for _ in range(ticks):
        board.sample()
        sense.update(board, voltage_mv)


def reading(celsius, beta=3950, pullup=10_000):
    ohm = 10_000 * math.exp(beta * (1 / (celsius + 273.15) - 1 / 298.15))
    return round(65_536 * ohm / (ohm + pullup))


def test_current_and_supply_have_their_units():
    sense, board = make()
    board.adc_current = round(1.12 / 3.3 * 65_535)
    board.adc_supply = round(12.0 / 5.7 / 3.3 * 65_535)
    run(sense, board)
    assert abs(sense.current_ma - 1000) <= 3
    assert abs(sense.supply_mv - 12_000) <= 15


def test_the_first_supply_reading_counts_in_full():
    sense, board = make()
    run(sense, board, 1)
    assert sense.supply_mv > 11_900


def test_a_supply_that_goes_or_comes_back_is_believed_at_once():
    sense, board = make()
    high = board.adc_supply
    run(sense, board)
    full = sense.supply_mv
    board.adc_supply = high // 2
    run(sense, board, 1)
    assert abs(sense.supply_mv - full // 2) < 15
    board.adc_supply = high
    run(sense, board, 1)
    assert sense.supply_mv == full


def test_small_rises_of_the_supply_are_filtered():
    sense, board = make()
    run(sense, board)
    full = sense.supply_mv
    board.adc_supply += 1000  # 0.29 V
    run(sense, board, 1)
    assert full < sense.supply_mv < full + 60


def test_temperatures_are_right_within_half_a_degree_where_it_matters():
    for celsius in (0, 10, 25, 37, 41, 43, 48, 60, 80, 90, 100):
        sense, board = make()
        board.temperatures = [reading(celsius)] * 5
        run(sense, board)
        for value in sense.temperatures_dc:
            assert abs(value - 10 * celsius) <= 5, (celsius, value)


def test_open_and_shorted_thermistors_are_invalid():
    sense, board = make()
    board.temperatures = [65_535, 0, 32_768, 0, 32_768]
    run(sense, board)
    assert list(sense.temperatures_dc) == [INVALID, INVALID, 250, INVALID]
    board.temperatures = [32_768] * 5
    run(sense, board, 8)
    assert list(sense.temperatures_dc) == [250, 250, 250, 250]


def test_each_thermistor_is_as_old_as_its_period_at_most():
    sense, board = make()
    run(sense, board)
    seen = [0, 0, 0, 0]
    for tick in range(1, 81):
        run(sense, board, 1)
        if sense.channel != REFERENCE:
            assert tick < 9 or tick - seen[sense.channel] == PERIOD_MS[sense.channel] // 10
            seen[sense.channel] = tick
    assert min(seen) > 72


def test_a_jump_is_believed_after_two_seconds_on_every_channel():
    for channel in range(4):
        sense, board = make()
        run(sense, board)
        board.temperatures[channel] = 20_000  # 42 C
        run(sense, board, 200)
        assert [n for n in range(4) if sense.jumped_ms[n]] == [channel]
        assert sense.temperatures_dc[channel] == 250
        run(sense, board, 17)
        assert not any(sense.jumped_ms)
        assert sense.temperatures_dc[channel] > 420


def test_a_thermistor_that_jumps_for_hours_counts_no_further():
    sense, board = make()
    run(sense, board)
    for n in range(2_000):
        board.temperatures[3] = (20_000, 45_000)[n & 1]
        run(sense, board, 8)
    assert list(sense.jumped_ms) == [0, 0, 0, 2_000]


def test_another_thermistor_is_no_jump():
    sense, board = make()
    board.temperatures = [20_000] * 5
    run(sense, board)
    put(sense._settings, {"ntc_pullup_ohm": 4_700})
    sense.configure()
    run(sense, board, 8)
    other, _ = make(ntc_pullup_ohm=4_700)
    run(other, board)
    assert list(sense.temperatures_dc) == list(other.temperatures_dc)
    assert min(other.temperatures_dc) > 520
    assert not any(sense.jumped_ms)


def test_a_pad_without_a_sensor_has_no_temperature():
    sense, board = make()
    run(sense, board)
    board.temperatures[3] = 20_000
    run(sense, board, 8)
    assert sense.temperatures_dc[3] == 250
    assert sense.jumped_ms[3]
    put(sense._settings, {"pad_sensor": False})
    sense.configure()
    assert (sense.temperatures_dc[3], sense.jumped_ms[3]) == (INVALID, 0)
    run(sense, board)
    assert (sense.temperatures_dc[3], sense.jumped_ms[3]) == (INVALID, 0)
    assert list(sense.temperatures_dc)[:3] == [250, 250, 250]


def test_the_tach_gives_the_rate_over_all_periods_of_a_tick():
    sense, board = make()
    board.tach_periods, board.tach_count = 1, 1_500
    run(sense, board, 1)
    assert sense.rate_opm == 1000
    sense, board = make(tach_ppr=4)
    board.tach_periods, board.tach_count = 3, 3 * 375
    run(sense, board, 1)
    assert sense.rate_opm == 1000


def test_without_edges_the_rate_falls_and_is_zero_after_a_quarter_second():
    sense, board = make()
    board.tach_periods, board.tach_count = 1, 405
    run(sense, board, 1)
    assert sense.rate_opm == 3703
    board.tach_periods = board.tach_count = 0
    last = sense.rate_opm
    for tick in range(26):
        run(sense, board, 1)
        assert sense.rate_opm <= last
        assert sense.rate_opm <= 60_000 // (10 * (tick + 1))
        last = sense.rate_opm
    assert last == 0


def test_without_a_tach_the_rate_is_the_back_emf():
    sense, board = make(tach_ppr=0)
    board.adc_current = round(0.5 * 1.12 / 3.3 * 65_535)
    omega = 2080 * 2 * math.pi / 60
    run(sense, board, voltage_mv=round(11 * omega + 2.38 * 500))
    assert abs(sense.rate_opm - 2080) < 10
    run(sense, board, voltage_mv=0)
    assert sense.rate_opm < 5


def emf_opm(voltage_mv, current_ma):
    return (voltage_mv - 2.38 * current_ma) / 11 * 60 / (2 * math.pi)


def current(ma):
    return round(ma / 1000 * 1.12 / 3.3 * 65_535)


def test_between_tach_edges_the_back_emf_tells_what_changed():
    sense, board = make(motor_ke_uvs=10_000)  # 10 % off: the tach trims it away
    for tick in range(300):
        board.adc_current = current(400)
        board.tach_periods, board.tach_count = (1, 750) if tick % 3 == 2 else (0, 0)
        run(sense, board, 1, voltage_mv=3_256)
    assert abs(sense.prompt_opm - 2000) < 30
    board.tach_periods = board.tach_count = 0
    board.adc_current = current(800)
    run(sense, board, 3, voltage_mv=3_256)
    drop = emf_opm(3_256, 400) - emf_opm(3_256, 800)
    assert abs(sense.prompt_opm - (2000 - drop * 7 / 8 * 1.1)) < 40
    assert sense.rate_opm == 2000


def test_a_motor_that_is_not_driven_has_the_rate_of_its_tach_alone():
    sense, board = make()
    board.tach_periods, board.tach_count = 1, 500
    run(sense, board, 5, voltage_mv=0)
    assert sense.prompt_opm == sense.rate_opm == 3000
    run(sense, board, 5, voltage_mv=2_000)  # the shaft drives the motor: no current to be seen
    assert sense.prompt_opm == 3000


def test_battery_percent_rises_with_the_voltage():
    sense, _board = make()
    last = -1
    for mv in range(8_500, 13_000, 50):
        sense.supply_mv = mv
        pct = sense.battery_pct(3)
        assert 0 <= pct <= 100
        assert pct >= last
        last = pct
    assert last == 100
    assert sense.battery_pct(0) is None


def test_a_nearly_open_thermistor_does_not_come_and_go():
    sense, board = make()
    run(sense, board)
    for n in range(40):  # noise around the limit
        board.temperatures[1] = 65_050 if n & 1 else 64_950
        run(sense, board, 4)
    assert sense.temperatures_dc[1] == INVALID
    board.temperatures[1] = 32_768
    run(sense, board, 8)
    assert sense.temperatures_dc[1] == 250


def test_every_thermistor_that_may_be_set_has_a_table():
    for beta in (2_500, 3_950, 5_000):
        for pullup in (1_000, 10_000, 100_000):
            table = ntc_table(beta, pullup)
            assert list(table) == sorted(table, reverse=True), (beta, pullup)
