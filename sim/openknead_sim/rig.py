"""Rig: the wires between a simulated chip and the massager it drives, as on the breadboard build.

The plant moves when the clock has moved (`Chip.world`), not when the firmware reads; the ADC asks again only
when its inputs are older than half a millisecond. Runs on CPython and on MicroPython.
"""

from .analog import ISENSE_V_PER_A, MUX_INPUTS, SUPPLY_RATIO, mux_volts
from .chip import FLOATING, Chip

try:
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from .plant import Plant
except ImportError:
    pass

# The pin map is the firmware's (board.py); a test holds the two together.
RUN_REQ, NFAULT, STOP, PLUS, MINUS, MODE = 3, 5, 6, 7, 8, 9
LED_R, LED_G, LED_B, TACH_A, MOT_PWM, MOT_PH, BUZZER = 11, 12, 13, 14, 16, 17, 18
MUX_S0, MUX_S1, MUX_S2 = 19, 22, 20
I_SENSE, T_MUX, V_BAT = 0, 1, 2  # ADC inputs

BUTTONS = {"stop": STOP, "plus": PLUS, "minus": MINUS, "mode": MODE}
WAKE_US = 1000  # the driver needs this long after nSLEEP rises before it follows its inputs
TEMPERATURE_US = 100_000  # thermistors are looked at this often


class Rig:
    """One board wired to one plant.

    tach_fitted: False cuts the tach's wire; nfault_low: True holds the driver's fault line low;
    ntc_override: volts that replace those at the multiplexer's inputs, by `analog.MUX_…` (None: sound; a
    thermistor's 3.3 = open, 0 = short); duty, enabled: what the driver is told now; early_drives: times the
    firmware drove the motor before the driver had woken up.
    """

    def __init__(self, chip: Chip, plant: "Plant") -> None:
        self.chip = chip
        self.plant = plant
        self.tach_fitted = True
        self.duty = 0.0
        self.enabled = False
        self.early_drives = 0
        self._nfault_low = False
        self.ntc_override: list[float | None] = [None] * MUX_INPUTS
        self._woken_us = 0
        self._mux_volts = [0.0] * MUX_INPUTS
        self._temperatures_us = 0
        for pin in (RUN_REQ, MOT_PWM):
            chip.watch(pin, self._drive)
        for pin in (MUX_S0, MUX_S1, MUX_S2):
            chip.watch(pin, self._select)
        for name in BUTTONS:
            self.release(name)
        chip.world = self.sync
        self._isense = chip.adc[I_SENSE]
        self._tmux = chip.adc[T_MUX]
        self._vbat = chip.adc[V_BAT]
        self._temperatures()
        self.sync(chip.clock_us)

    def sync(self, now_us: int) -> None:
        """Bring the plant to now_us and its effects to the pins."""
        plant = self.plant
        chip = self.chip
        past = now_us - plant.t_us
        if past > 0:
            plant.advance(past)
            edges = plant.edges
            if edges and self.tach_fitted and chip.stuck[TACH_A] < 0:
                for machine in chip.pio_inputs.get(TACH_A, ()):
                    for at_us in edges:
                        machine.edge(at_us)
        chip.world_us = now_us
        # The inputs clip at the rail, so that analog.current_volts and .supply_volts come down to this.
        self._isense.set_volts(abs(plant.current_a) * ISENSE_V_PER_A if self.enabled else 0.0)
        self._vbat.set_volts(plant.supply_v / SUPPLY_RATIO)
        if now_us >= self._temperatures_us:
            self._temperatures()
        if (plant.driver_off or self._nfault_low) != (chip.external[NFAULT] == 0):
            self._show_fault()

    @property
    def nfault_low(self) -> bool:
        """Fault put in: the driver's fault line is held low whatever the driver says."""
        return self._nfault_low

    @nfault_low.setter
    def nfault_low(self, low: bool) -> None:
        self._nfault_low = low
        self._show_fault()

    # -- people -------------------------------------------------------------------------------------

    def press(self, button: str) -> None:
        """Press stop, plus, minus or mode. Raises KeyError for another name."""
        pin = BUTTONS[button]
        self.chip.drive(pin, FLOATING if pin == STOP else 0)  # STOP is normally closed

    def release(self, button: str) -> None:
        """Let go of a button."""
        pin = BUTTONS[button]
        self.chip.drive(pin, 0 if pin == STOP else FLOATING)

    def pressed(self, button: str) -> bool:
        """Whether a button is pressed."""
        pin = BUTTONS[button]
        return self.chip.external[pin] == (FLOATING if pin == STOP else 0)

    @property
    def led(self) -> int:
        """Colour that shows: 4 red, 2 green, 1 blue."""
        levels = self.chip.levels
        return levels[LED_R] << 2 | levels[LED_G] << 1 | levels[LED_B]

    @property
    def buzzer_hz(self) -> int:
        """Pitch that sounds, 0 = silence."""
        mean = self.chip.mean(BUZZER)
        if not 0.0 < mean < 1.0:
            return 0
        s = self.chip.slices[(BUZZER >> 1) & 7]
        return 16 * 125_000_000 // (s.div16 * (s.top + 1))

    # -- wires --------------------------------------------------------------------------------------

    def _drive(self, _pin: int) -> None:
        chip = self.chip
        enabled = chip.levels[RUN_REQ] == 1
        duty = chip.mean(MOT_PWM)
        if duty == self.duty and enabled == self.enabled:
            return
        now = chip.clock_us
        if now > self.plant.t_us:
            self.sync(now)
            enabled = chip.levels[RUN_REQ] == 1  # an interrupt may have turned it off
            duty = chip.mean(MOT_PWM)
        if enabled and not self.enabled:
            self._woken_us = now
        if enabled and duty > 0.0 and now - self._woken_us < WAKE_US:
            self.early_drives += 1
        self.duty = duty
        self.enabled = enabled
        self.plant.set_drive(duty, enabled)

    def _show_fault(self) -> None:
        self.chip.drive(NFAULT, 0 if self.plant.driver_off or self._nfault_low else FLOATING)

    def _select(self, _pin: int) -> None:
        levels = self.chip.levels
        self._tmux.set_volts(self._mux_volts[levels[MUX_S0] | levels[MUX_S1] << 1 | levels[MUX_S2] << 2])

    def _temperatures(self) -> None:
        plant = self.plant
        self._temperatures_us = self.chip.clock_us + TEMPERATURE_US
        self._mux_volts = volts = mux_volts(plant.motor_c, plant.driver_c, plant.handle_c, plant.pad_c)
        for n in range(MUX_INPUTS):
            forced = self.ntc_override[n]
            if forced is not None:
                volts[n] = forced
        self._select(MUX_S0)
