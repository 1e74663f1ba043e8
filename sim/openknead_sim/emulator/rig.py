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
from openknead_sim.emulator.overheard import Overheard
from openknead_sim.emulator.pico import EmulatedPico
from openknead_sim.observer import Observer
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
    """An emulated Pico with a massager around it, and a host on its serial line (`host`).

    observer: names the promises that motor pins and shaft broke.
    """

    def __init__(
        self,
        pico: EmulatedPico,
        plant: Plant,
        tach_pulses: int = 1,
        settings: Mapping[str, int | bool] | None = None,
    ) -> None:
        """tach_pulses: a revolution; settings: what a user saved before."""
        self.pico = pico
        self.plant = plant
        self.host = RpcClient(pico)
        self.pins = firmware.pin_map()
        self.observer = Observer()
        self._overheard = Overheard(pico, self.observer, settings or {})
        self._tach = Tach(pico, self.pins["TACH_A"], tach_pulses)
        self._nfault_low = False
        self._fault_shown = True
        self._show_fault()
        pico.loop_back(self.pins["RUN_REQ"])
        self._stop_pressed = False
        self.press("STOP", False)
        self._show_sensors()
        self._steps = pico.every_us(STEP_US, self._step)

    def press(self, button: str, pressed: bool = True) -> None:
        """Press or release STOP, PLUS, MINUS or MODE. STOP opens to its pull-up, the others close."""
        if button == "STOP":
            self._stop_pressed = pressed
        closed = pressed != (button == "STOP")
        self.pico.drive(self.pins[button], False if closed else None)

    @contextmanager
    def held(self, button: str) -> Iterator[None]:
        """Keep a button pressed while the block runs."""
        self.press(button)
        yield
        self.press(button, False)

    @property
    def nfault_low(self) -> bool:
        """Fault put in: the driver's fault line is held low whatever the driver says."""
        return self._nfault_low

    @nfault_low.setter
    def nfault_low(self, low: bool) -> None:
        self._nfault_low = low
        self._show_fault()

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
        run_req = self._is_high("RUN_REQ")
        plant.set_drive(duty, run_req)
        plant.advance(STEP_US)
        self._tach.show(plant)
        self._show_sensors()
        self._show_fault()
        held_back = plant.pressure + 60.0 * plant.extra_nm - 0.05 * plant.supply_v + 10.0 * plant.blocked
        self.observer.look(round(pico.now_us), duty, run_req, plant.rate_opm, self._stop_pressed, held_back)

    def _show_fault(self) -> None:
        fault = self._nfault_low or self.plant.driver_off
        if fault != self._fault_shown:
            self._fault_shown = fault
            self.pico.drive(self.pins["NFAULT"], not fault)

    def _show_sensors(self) -> None:
        plant, adc, code = self.plant, self.pico.adc, analog.adc_code
        address = self._is_high("MUX_S0") + 2 * self._is_high("MUX_S1") + 4 * self._is_high("MUX_S2")
        mux_volts = analog.mux_volts(plant.motor_c, plant.driver_c, plant.handle_c, plant.pad_c)
        adc(ADC_CURRENT, code(analog.current_volts(plant.current_a)))
        adc(ADC_SUPPLY, code(analog.supply_volts(plant.supply_v)))
        adc(ADC_MUX, code(mux_volts[address]))

    def _is_high(self, name: str) -> bool:
        """Level of an output that has a pull-down on the board."""
        pin = self.pico.pin(self.pins[name])
        return pin.output and pin.high


def boot(
    image: Path,
    *,
    form: firmware.Form = "native",
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
    rig = Rig(pico, Plant(), settings=settings)
    pico.connect()
    return rig
