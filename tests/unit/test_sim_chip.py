"""The simulated RP2040: rounding, pins, PWM, ADC, PIO, serial, clock, resets."""

import statistics
from typing import Any

import pytest
from openknead_sim.chip import FLOATING, NEVER_US, PWRON_RESET, WDT_RESET, Alarm, Chip, Reset
from openknead_sim.modules import machine_names, rp2_names, select_names, time_names
from openknead_sim.usb import FIFO_BYTES, POLLIN, POLLOUT, RING_BYTES, TextInput, TextOutput


class Names:
    """The namespaces of one chip as attributes."""

    def __init__(self, chip: Chip) -> None:
        for module in (machine_names(chip, "desktop"), rp2_names(chip), time_names(chip), select_names(chip)):
            vars(self).update(module)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


@pytest.fixture
def chip() -> Chip:
    return Chip(seed=3)


@pytest.fixture
def m(chip: Chip) -> Names:
    return Names(chip)


# -- PWM ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freq", "top", "div16"),
    [(20_000, 6249, 16), (25_000, 4999, 16), (2_000, 62_499, 16), (1_000, 64_515, 31), (50, 65_465, 611)],
)
def test_pwm_frequency_picks_divider_and_top_as_micropython_does(chip, m, freq, top, div16):
    pwm = m.PWM(m.Pin(16))
    pwm.freq(freq)
    assert (chip.slices[0].top, chip.slices[0].div16) == (top, div16)
    assert abs(pwm.freq() - freq) <= 1


@pytest.mark.parametrize("duty", [0, 1, 5, 6, 10, 11, 32_767, 32_768, 65_534, 65_535])
def test_pwm_duty_is_rounded_to_the_slices_steps(chip, m, duty):
    pwm = m.PWM(m.Pin(16))
    pwm.freq(20_000)
    pwm.duty_u16(duty)
    assert chip.slices[0].cc[0] == (duty * 6250 + 32_767) // 65_535
    assert abs(pwm.duty_u16() - duty) <= 65_535 / 6250 / 2 + 1
    assert chip.mean(16) == pytest.approx(duty / 65_535, abs=0.5 / 6250)


def test_pwm_frequency_belongs_to_both_channels_of_a_slice(chip, m):
    a, b = m.PWM(m.Pin(16)), m.PWM(m.Pin(17))
    a.freq(20_000)
    a.duty_u16(32_768)
    b.freq(1_000)
    assert a.freq() == 1_000


@pytest.mark.parametrize("freq", [0, 5, 100_000_000])
def test_pwm_frequency_out_of_range_is_refused(m, freq):
    with pytest.raises(ValueError, match="freq too"):
        m.PWM(m.Pin(16)).freq(freq)


def test_pwm_deinit_leaves_the_pin_as_it_happened_to_be(chip, m):
    pwm = m.PWM(m.Pin(16))
    pwm.freq(20_000)  # a period of 50 µs
    pwm.duty_u16(32_768)
    m.sleep_us(110)  # 10 µs into a period: high
    pwm.deinit()
    m.sleep_us(1_000)
    assert chip.mean(16) == 1.0
    assert m.Pin(16).value() == 1


def test_taking_the_pin_back_beats_a_running_pwm(chip, m):
    pwm = m.PWM(m.Pin(16))
    pwm.freq(20_000)
    pwm.duty_u16(65_535)
    m.Pin(16, m.Pin.OUT, value=0)
    assert chip.mean(16) == 0.0
    pwm.duty_u16(65_535)
    assert chip.mean(16) == 0.0


def test_soft_reset_keeps_pins_and_pwm_and_stops_pio(chip, m):
    pwm = m.PWM(m.Pin(16))
    pwm.freq(20_000)
    pwm.duty_u16(40_000)
    m.Pin(3, m.Pin.OUT, value=1)
    chip.soft_reset()
    assert chip.mean(16) == pytest.approx(40_000 / 65_535, abs=1e-4)
    assert chip.levels[3] == 1
    assert not chip.machines


def test_soft_reset_of_some_images_freezes_the_slice(chip, m):
    chip.pwm_stops_on_soft_reset = True
    pwm = m.PWM(m.Pin(16))
    pwm.freq(20_000)
    pwm.duty_u16(65_535)
    chip.soft_reset()
    assert not chip.slices[0].enabled
    assert chip.mean(16) == 1.0


# -- pins ---------------------------------------------------------------------------------------------


def test_pin_reads_pulls_and_what_drives_it(chip, m):
    pin = m.Pin(6, m.Pin.IN, m.Pin.PULL_UP)
    assert pin.value() == 1
    chip.drive(6, 0)
    assert pin() == 0
    chip.drive(6, FLOATING)
    assert pin() == 1


def test_a_stuck_pin_ignores_its_driver(chip, m):
    pin = m.Pin(3, m.Pin.OUT, value=0)
    chip.stick(3, 1)
    pin.off()
    assert chip.level(3) == 1
    chip.stick(3, FLOATING)
    assert chip.level(3) == 0


def test_output_value_is_set_before_the_direction(chip, m):
    seen = []
    chip.watch(3, lambda pin: seen.append(chip.levels[pin]))
    m.Pin(3, m.Pin.OUT, value=0)
    assert 1 not in seen


def test_pin_interrupts_run_when_the_firmware_waits(chip, m):
    edges = []
    m.Pin(7, m.Pin.IN, m.Pin.PULL_UP).irq(lambda pin: edges.append(pin.id), m.Pin.IRQ_FALLING)
    chip.drive(7, 0)
    chip.drive(7, 1)
    assert edges == []
    m.sleep_ms(1)
    assert edges == [7]


def test_a_hard_interrupt_runs_at_the_instant_of_the_edge(chip, m):
    pwm = m.PWM(m.Pin(16))
    pwm.freq(20_000)
    pwm.duty_u16(40_000)
    duties = []
    m.Pin(5, m.Pin.IN, m.Pin.PULL_UP).irq(lambda _: pwm.duty_u16(0), m.Pin.IRQ_FALLING, hard=True)
    chip.watch(5, lambda _: duties.append(chip.mean(16)))
    chip.drive(5, 0)
    chip.drive(5, 1)  # rising: not asked for
    assert duties == [0.0, 0.0]
    pwm.duty_u16(40_000)
    chip.at(300, lambda: chip.drive(5, 0))
    chip.at(301, lambda: duties.append(chip.mean(16)))
    m.sleep_ms(1)
    assert duties[-1] == 0.0


def test_gpio_in_has_the_level_of_every_pin(chip, m):
    def shown() -> int:
        return sum(chip.levels[n] << n for n in range(30))

    pins = [m.Pin(n, m.Pin.OUT, value=n & 1) for n in (2, 3, 11)]
    m.Pin(6, m.Pin.IN, m.Pin.PULL_UP)
    chip.watch(2, lambda _: None)
    for pin in pins * 2:
        pin.toggle()
        assert m.mem32[0xD0000004] == shown()
    chip.drive(6, 0)
    chip.stick(3, 1)
    chip.stick(9, 1)
    assert m.mem32[0xD0000004] == shown() & ~(1 << 6)
    assert shown() >> 9 & 1
    chip.hard_reset(WDT_RESET)
    chip.stick(3, FLOATING)
    chip.stick(9, FLOATING)
    assert m.mem32[0xD0000004] == 0


def test_registers_set_and_clear_several_outputs_at_once(chip, m):
    for n in (2, 3, 20):
        m.Pin(n, m.Pin.OUT, value=0)
    seen = []
    chip.watch(20, lambda pin: seen.append(chip.levels[pin]))
    m.mem32[0xD0000014] = 1 << 2 | 1 << 20
    assert [chip.levels[n] for n in (2, 3, 20)] == [1, 0, 1]
    m.mem32[0xD0000014] = 1 << 20  # is high already
    m.mem32[0xD0000018] = 1 << 20 | 1 << 3
    assert [chip.levels[n] for n in (2, 3, 20)] == [1, 0, 0]
    assert seen == [1, 0]
    m.mem32[0xD0000014] = 1 << 5  # no output: it only keeps the value
    assert chip.levels[5] == 0
    assert m.mem32[0xD0000010] == 1 << 2 | 1 << 5


def test_hard_reset_makes_every_pin_an_input_with_pull_down(chip, m):
    m.Pin(3, m.Pin.OUT, value=1)
    m.Pin(6, m.Pin.IN, m.Pin.PULL_UP)
    chip.hard_reset(WDT_RESET)
    assert not any(chip.levels)
    assert m.reset_cause() == 3


# -- ADC ----------------------------------------------------------------------------------------------


def test_adc_widens_twelve_bits_as_micropython_does(chip, m):
    adc = m.ADC(m.Pin(26))
    chip.adc[0].noisy = False
    for volts, code in ((0.0, 0), (3.3, 4095), (3.3 * 1000.5 / 4096, 1000)):
        chip.adc[0].set_volts(volts)
        assert adc.read_u16() == (code << 4 | code >> 8)


def test_adc_has_wide_codes_and_missing_neighbours(chip, m):
    adc = m.ADC(26)
    source = chip.adc[0]
    source.noisy = False
    codes = []
    for n in range(500, 525):
        source.set_volts((n + 0.5) * 3.3 / 4096)
        codes.append(adc.read_u16() >> 4)
    assert codes.count(512) == 9
    assert 511 not in codes


def test_adc_noise_is_seeded_and_as_large_as_its_effective_bits_say():
    def readings(seed: int) -> list[int]:
        chip = Chip(seed)
        chip.adc[0].set_volts(1.0)
        adc = Names(chip).ADC(0)
        return [adc.read_u16() >> 4 for _ in range(1000)]

    assert readings(1) == readings(1) != readings(2)
    assert statistics.mean(readings(1)) == pytest.approx(1.0 / 3.3 * 4096, abs=1.0)
    assert 2.4 < statistics.pstdev(readings(1)) < 3.3


def test_adc_input_can_be_shorted_and_can_drift(chip, m):
    adc = m.ADC(m.Pin(27))
    source = chip.adc[1]
    source.noisy = False
    source.set_volts(1.0)
    source.override = 3.3
    source.set_volts(1.1)
    assert adc.read_u16() == 65_535
    source.override = None
    assert source.volts == 1.1
    source.drift_volts = 0.1
    assert source.volts == pytest.approx(1.2)
    assert adc.read_u16() >> 4 == int(1.2 * 4096 / 3.3)


def test_a_pin_without_adc_is_refused(m):
    with pytest.raises(ValueError, match="ADC"):
        m.ADC(m.Pin(16))


# -- PIO ----------------------------------------------------------------------------------------------


def test_tach_period_pushes_counts_and_loses_what_nobody_reads(chip, m):
    @m.asm_pio(fifo_join=m.PIO.JOIN_RX)
    def tach_period():
        raise AssertionError("never called")

    machine = m.StateMachine(4, tach_period, freq=50_000, jmp_pin=m.Pin(14))
    machine.active(1)
    for n in range(1, 11):
        chip.machines[4].edge(n * 20_000)
    assert machine.rx_fifo() == 8
    assert [machine.get() for _ in range(8)] == [500] * 8
    assert chip.machines[4].lost == 2


def test_a_pio_program_without_behaviour_is_refused(m):
    @m.asm_pio()
    def blink():
        raise AssertionError("never called")

    with pytest.raises(ValueError, match="no simulated behaviour for PIO program 'blink'"):
        m.StateMachine(0, blink)


# -- time ---------------------------------------------------------------------------------------------


def test_time_moves_only_when_somebody_waits(chip, m):
    assert m.ticks_us() == m.ticks_us() == 0
    m.sleep_ms(5)
    m.sleep_us(7)
    assert (m.ticks_us(), m.ticks_ms()) == (5007, 5)


def test_ticks_wrap_at_two_to_the_thirty(chip, m):
    chip.clock_us = (1 << 30) - 10
    before = m.ticks_us()
    m.sleep_us(30)
    after = m.ticks_us()
    assert after == 20
    assert m.ticks_diff(after, before) == 30
    assert m.ticks_diff(before, after) == -30
    assert m.ticks_add(before, 30) == after


def test_a_busy_loop_on_the_clock_ends(m):
    end = m.ticks_add(m.ticks_us(), 3000)
    while m.ticks_diff(end, m.ticks_us()) > 0:
        pass
    assert 3000 <= m.ticks_us() < 3100


def test_clock_readings_can_be_made_to_cost_time(chip, m):
    chip.call_us = 50
    seen = []
    chip.at(60, lambda: seen.append(chip.clock_us))
    m.ticks_us()
    assert m.ticks_us() == 100
    assert seen == [60]
    chip.call_us = 0
    assert m.ticks_us() == m.ticks_us() == 100


def test_the_firmwares_clock_can_jump_without_time_passing(chip, m):
    m.sleep_ms(5000)
    began = m.time()
    chip.jump_us(-3_000_000)
    assert (m.ticks_us(), m.ticks_ms(), m.time() - began) == (2_000_000, 2000, -3)
    chip.jump_us(10_000_000)
    assert m.ticks_ms() == 12_000
    assert chip.clock_us == 5_000_000
    chip.hard_reset(WDT_RESET)
    assert m.ticks_ms() == 5000


def test_an_alarm_that_is_put_off_comes_once(chip, m):
    seen = []
    alarm = Alarm(chip, lambda: seen.append(chip.clock_us))
    alarm.set(500)
    alarm.set(200)  # brought forward
    alarm.due_us = 900  # and put off
    m.sleep_ms(2)
    assert seen == [900]
    alarm.set(3000)
    alarm.set(NEVER_US)
    m.sleep_ms(2)
    assert seen == [900]


@pytest.mark.parametrize("how", ["sleep", "clock"])
def test_a_hung_firmware_never_comes_back_while_everything_else_goes_on(chip, m, how):
    seen = []
    chip.at(50_000, lambda: seen.append(chip.clock_us))
    m.WDT(timeout=100)
    chip.hang = True
    chip.usb.feed(b"\x03")
    with pytest.raises(Reset):
        m.sleep_ms(1) if how == "sleep" else m.ticks_us()
    assert chip.clock_us == 100_000
    assert seen == [50_000]
    chip.hard_reset(WDT_RESET)
    m.sleep_ms(1)


def test_a_hang_that_nothing_ends_is_an_error(chip, m):
    chip.hang = True
    with pytest.raises(RuntimeError, match="nothing will reset it"):
        m.sleep_ms(1)


def test_events_happen_at_their_time_inside_a_longer_sleep(chip, m):
    seen = []
    chip.at(300, lambda: seen.append(chip.clock_us))
    chip.at(100, lambda: seen.append(chip.clock_us))
    m.sleep_ms(1)
    assert seen == [100, 300]
    assert chip.clock_us == 1000


def test_an_unfed_watchdog_resets(chip, m):
    dog = m.WDT(timeout=100)
    m.sleep_ms(90)
    dog.feed()
    m.sleep_ms(90)
    with pytest.raises(Reset):
        m.sleep_ms(20)
    assert chip.clock_us == 190_000
    assert m.mem32[0x40058008] == 1


def test_the_watchdog_stops_when_its_enable_bit_is_cleared(chip, m):
    control = 0x40058000
    assert not m.mem32[control] >> 30 & 1
    dog = m.WDT(timeout=100)
    assert m.mem32[control] >> 30 & 1
    m.mem32[control] = m.mem32[control] & ~(1 << 30)
    assert not m.mem32[control] >> 30 & 1
    dog.feed()  # does not start it again
    m.sleep_ms(1000)
    with pytest.raises(ValueError, match="started by"):
        m.mem32[control] = 1 << 30
    m.WDT(timeout=100)
    with pytest.raises(Reset):
        m.sleep_ms(200)
    assert chip.clock_us == 1_100_000


def test_a_shorter_watchdog_bites_earlier(chip, m):
    m.WDT(timeout=5000)
    m.WDT(timeout=100)
    with pytest.raises(Reset):
        m.sleep_ms(1000)
    assert chip.clock_us == 100_000


def test_scratch_registers_survive_all_resets_but_power_on(chip, m):
    scratch = [0x4005800C + 4 * n for n in range(4)]
    for n, address in enumerate(scratch):
        m.mem32[address] = n + (1 << 40)
    chip.hard_reset(WDT_RESET)
    assert [m.mem32[address] for address in scratch] == [0, 1, 2, 3]
    chip.hard_reset(PWRON_RESET)
    assert [m.mem32[address] for address in scratch] == [0] * 4


@pytest.mark.parametrize("address", [0x40058001, 0x4005802C, 0x50200000, 0xD0000008])
def test_registers_that_are_not_simulated_are_refused(m, address):
    with pytest.raises(ValueError, match="not simulated"):
        _ = m.mem32[address]
    with pytest.raises(ValueError, match="simulated"):
        m.mem32[address] = 1


def test_a_forced_reset_is_told_from_a_timeout(m):
    with pytest.raises(Reset):
        m.reset()
    assert m.mem32[0x40058008] == 2


def test_the_world_moves_with_the_clock_and_in_steps_for_short_waits(chip, m):
    steps = []

    def world(now: int) -> None:
        steps.append(now)
        chip.world_us = now

    chip.world = world
    for _ in range(10):
        m.sleep_ms(1)
    assert steps == [5000, 10_000]


# -- serial -------------------------------------------------------------------------------------------


def test_ctrl_c_empties_the_ring_and_interrupts_at_the_next_wait(chip, m):
    chip.usb.feed(b"half a line\x03rest")
    with pytest.raises(KeyboardInterrupt):
        m.sleep_us(1)
    assert TextInput(chip.usb).buffer.read(4) == b"rest"


def test_ctrl_c_is_a_plain_byte_when_switched_off(chip, m):
    chip.interrupt_char = -1
    chip.usb.feed(b"\x03")
    m.sleep_us(1)
    assert TextInput(chip.usb).buffer.read(1) == b"\x03"


def test_input_beyond_the_ring_waits_on_the_wire(chip):
    data = bytes(range(32, 127)) * 20
    chip.usb.feed(data)
    assert chip.usb.backlog == len(data) - RING_BYTES
    assert TextInput(chip.usb).buffer.read(len(data)) == data
    assert chip.usb.backlog == 0


def test_poll_tells_what_is_ready(chip, m):
    poll = m.poll()
    stdin = TextInput(chip.usb)
    poll.register(stdin, POLLIN)
    assert poll.poll(20) == []
    assert chip.clock_us == 20_000
    chip.at(25_000, lambda: chip.usb.feed(b"x"))
    assert poll.poll(20) == [(stdin, POLLIN)]
    assert chip.clock_us == 25_000


def test_a_host_that_does_not_read_makes_pollout_false_and_a_write_drop(chip, m):
    out = TextOutput(chip.usb)
    poll = m.poll()
    poll.register(out, POLLOUT)
    chip.usb.host_reading = False
    out.buffer.write(b"x" * FIFO_BYTES)
    assert poll.poll(0) == []
    before = chip.clock_us
    out.buffer.write(b"lost")
    assert chip.clock_us - before == 500_000
    assert chip.usb.dropped == 4
    assert chip.usb.take() == b"x" * FIFO_BYTES
    assert poll.poll(0) == [(out, POLLOUT)]


def test_text_output_ends_lines_as_the_pico_does(chip):
    TextOutput(chip.usb).write("a\nb\n")
    assert chip.usb.take() == b"a\r\nb\r\n"
