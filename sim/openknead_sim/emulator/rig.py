"""A bench around the emulated Pico: motor, sensors and buttons on its real pins.

Once a millisecond the plant sees what the PWM slice and RUN_REQ really do, and the analog inputs show what
the plant became. Tach edges come at their interpolated instants: the firmware measures the time between.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from openknead_sim import analog
from openknead_sim.emulator import filesystem, firmware
from openknead_sim.emulator.client import RpcClient
from openknead_sim.emulator.pico import EmulatedPico
from openknead_sim.plant import Plant

STEP_US = 1000
ADC_CURRENT, ADC_MUX, ADC_SUPPLY = 0, 1, 2  # ADC channels of GP26, 27, 28


class Tach:
    """Hall switch on the shaft: the plant's rising edges, each high for half a pulse."""

    def __init__(self, pico: EmulatedPico, pin: int, pulses: int) -> None:
        self._pico, self._pin, self._half_turn_rad = pico, pin, math.pi / pulses
        pico.drive(pin, False)

    def show(self, plant: Plant) -> None:
        """Schedule the edges of the plant's last step, each as late in the next one."""
        for edge_us in plant.edges:
            rise_us = edge_us - plant.t_us + STEP_US
            high_us = self._half_turn_rad / max(plant.omega_rad_s, 1.0) * 1e6
            self._pico.alarm(lambda: self._pico.drive(self._pin, True))(rise_us)
            self._pico.alarm(lambda: self._pico.drive(self._pin, False))(rise_us + high_us)


class Rig:
    """An emulated Pico with a massager around it, and a host on its serial line (`host`)."""

    def __init__(self, pico: EmulatedPico, plant: Plant, tach_pulses: int = 1) -> None:
        self.pico = pico
        self.plant = plant
        self.host = RpcClient(pico)
        self.pins = firmware.pin_map()
        self._tach = Tach(pico, self.pins["TACH_A"], tach_pulses)
        self.press("STOP", False)
        self._show_sensors()
        self._steps = pico.every_us(STEP_US, self._step)

    def press(self, button: str, pressed: bool = True) -> None:
        """Press or release STOP, PLUS, MINUS or MODE. STOP opens to its pull-up, the others close."""
        closed = pressed != (button == "STOP")
        self.pico.drive(self.pins[button], False if closed else None)

    @contextmanager
    def held(self, button: str) -> Iterator[None]:
        """Keep a button pressed while the block runs."""
        self.press(button)
        yield
        self.press(button, False)

    def run_ms(self, duration_ms: float) -> None:
        """Let emulated time pass."""
        self.pico.run_us(duration_ms * 1000)

    def motor_pins(self) -> dict[str, bool]:
        """For each of RUN_REQ, MOT_PWM and MOT_PH: is it a plain output that drives low?"""
        names = ("RUN_REQ", "MOT_PWM", "MOT_PH")
        return {name: self.pico.pin(self.pins[name]).plain_low for name in names}

    def _step(self) -> None:
        pico, plant = self.pico, self.plant
        pwm = pico.pwm(self.pins["MOT_PWM"])
        if pwm.enabled:
            duty = pwm.duty
        else:
            duty = 1.0 if self._is_high("MOT_PWM") else 0.0
        plant.set_drive(duty, self._is_high("RUN_REQ"))
        plant.advance(STEP_US)
        self._tach.show(plant)
        self._show_sensors()

    def _show_sensors(self) -> None:
        plant, adc, code = self.plant, self.pico.adc, analog.adc_code
        channel = self._is_high("MUX_S0") + 2 * self._is_high("MUX_S1")
        adc(ADC_CURRENT, code(analog.current_volts(plant.current_a)))
        adc(ADC_SUPPLY, code(analog.supply_volts(plant.supply_v)))
        adc(ADC_MUX, code(analog.mux_volts(channel, plant.motor_c, plant.driver_c, plant.handle_c)))

    def _is_high(self, name: str) -> bool:
        """Level of an output that has a pull-down on the board."""
        pin = self.pico.pin(self.pins[name])
        return pin.output and pin.high


def boot(
    image: Path,
    *,
    form: firmware.Form = "mpy",
    settings: Mapping[str, int | bool] | None = None,
    replace: Mapping[str, bytes] | None = None,
) -> Rig:
    """A bench whose Pico was just switched on, run until USB enumerates; the app may still be starting.

    image: see `images.find`; form, replace: see `firmware.firmware_files`; settings: what a user saved
    before.
    """
    files = firmware.firmware_files(form, replace)
    if settings:
        files[firmware.SETTINGS_FILE] = firmware.settings_record(settings)
    pico = EmulatedPico(image, filesystem.build(files))
    rig = Rig(pico, Plant())
    pico.connect()
    return rig
