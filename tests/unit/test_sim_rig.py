"""The wiring harness: what the plant does at the chip's pins, and the other way round."""

import pytest
from openknead_sim import rig as wiring
from openknead_sim.analog import ADC_CODES, MUX_HANDLE, RAIL_V, current_volts, ntc_volts, supply_volts
from openknead_sim.chip import FLOATING, Chip
from openknead_sim.modules import machine_names
from openknead_sim.plant import Hand, Plant
from openknead_sim.rig import Rig


@pytest.fixture
def rig() -> Rig:
    return Rig(Chip(1), Plant(seed=1))


def drive(rig: Rig, duty: int) -> None:
    """Wake the driver, wait, and set a duty."""
    m = machine_names(rig.chip, "test")
    m["Pin"](wiring.RUN_REQ, 1, value=1)
    rig.chip.sleep_us(2000)
    pwm = m["PWM"](m["Pin"](wiring.MOT_PWM))
    pwm.freq(20_000)
    pwm.duty_u16(duty)


def seconds(rig: Rig, s: float) -> None:
    for _ in range(round(s * 100)):
        rig.chip.sleep_us(10_000)


def test_duty_and_run_request_reach_the_motor(rig):
    drive(rig, 32_768)
    seconds(rig, 1)
    assert rig.plant.rate_opm > 2000
    assert rig.duty == pytest.approx(0.5, abs=1e-4)
    rig.chip.stick(wiring.RUN_REQ, 0)
    assert not rig.enabled
    seconds(rig, 3)
    assert rig.plant.rate_opm < 10


def test_inputs_show_what_the_plant_has(rig):
    drive(rig, 40_000)
    rig.plant.hand = Hand(0.6)
    seconds(rig, 2)
    volts = [source.volts for source in rig.chip.adc]
    assert volts[wiring.I_SENSE] == pytest.approx(current_volts(rig.plant.current_a), abs=1e-6)
    assert volts[wiring.V_BAT] == pytest.approx(supply_volts(rig.plant.supply_v), abs=1e-6)
    assert volts[wiring.T_MUX] == pytest.approx(ntc_volts(rig.plant.motor_c), abs=0.01)


def test_a_stalled_motors_current_clips_at_the_rail(rig):
    rig.plant.shorted_fet = True
    rig.plant.blocked = True
    drive(rig, 65_535)
    seconds(rig, 0.1)
    assert rig.plant.current_a > 3.0
    assert rig.chip.adc[wiring.I_SENSE].steps >> 8 == ADC_CODES - 1


def test_current_is_seen_while_the_driver_is_awake_only(rig):
    drive(rig, 40_000)
    seconds(rig, 1)
    rig.chip.stick(wiring.RUN_REQ, 0)
    seconds(rig, 0.01)
    assert rig.chip.adc[wiring.I_SENSE].volts == 0.0


def test_the_multiplexer_follows_its_address(rig):
    pin = machine_names(rig.chip, "test")["Pin"]
    rig.plant.heat.soak(60.0)
    seconds(rig, 0.2)
    hot = ntc_volts(rig.plant.motor_c)
    rig.ntc_override[MUX_HANDLE] = 0.0
    seconds(rig, 0.2)
    seen = []
    for address in range(8):
        pin(wiring.MUX_S0, 1, value=address & 1)
        pin(wiring.MUX_S1, 1, value=address >> 1 & 1)
        pin(wiring.MUX_S2, 1, value=address >> 2)
        seen.append(rig.chip.adc[wiring.T_MUX].volts)
    warm = pytest.approx(hot, abs=0.01)
    assert seen == [warm, warm, 0.0, 0.0, warm, 0.0, 0.0, RAIL_V / 2]


def test_stop_is_normally_closed_and_the_others_normally_open(rig):
    m = machine_names(rig.chip, "test")
    pins = {name: m["Pin"](number, 0, 1) for name, number in wiring.BUTTONS.items()}
    assert {name: pin() for name, pin in pins.items()} == {"stop": 0, "plus": 1, "minus": 1, "mode": 1}
    for name in pins:
        rig.press(name)
        assert rig.pressed(name)
    assert {name: pin() for name, pin in pins.items()} == {"stop": 1, "plus": 0, "minus": 0, "mode": 0}
    rig.release("stop")
    assert pins["stop"]() == 0


def test_a_driver_that_gave_up_pulls_its_fault_line(rig):
    pin = machine_names(rig.chip, "test")["Pin"](wiring.NFAULT, 0, 1)
    assert pin() == 1
    rig.plant.supply_override_v = 0.0
    drive(rig, 10_000)
    seconds(rig, 0.5)
    assert pin() == 0
    assert rig.chip.external[wiring.NFAULT] != FLOATING


def test_driving_before_the_driver_is_awake_is_counted(rig):
    m = machine_names(rig.chip, "test")
    pwm = m["PWM"](m["Pin"](wiring.MOT_PWM))
    pwm.freq(20_000)
    pwm.duty_u16(10_000)
    m["Pin"](wiring.RUN_REQ, 1, value=1)
    assert rig.early_drives == 1


def test_light_and_sound_are_seen(rig):
    m = machine_names(rig.chip, "test")
    m["Pin"](wiring.LED_R, 1, value=1)
    m["Pin"](wiring.LED_B, 1, value=1)
    assert rig.led == 5
    buzzer = m["PWM"](m["Pin"](wiring.BUZZER))
    buzzer.freq(2_000)
    buzzer.duty_u16(32_768)
    assert rig.buzzer_hz == 2_000
    buzzer.duty_u16(0)
    assert rig.buzzer_hz == 0
