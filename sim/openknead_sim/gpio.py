"""machine.Pin, PWM, ADC and WDT over a simulated chip, as MicroPython's rp2 port documents them.

PWM follows that port's arithmetic to the last count. `chip` is set by the class that `modules` derives for
each chip. Runs on CPython and on MicroPython.
"""

from .adc import CONVERSION, MARGIN, NOISE_MASK, WORLD_AGE_US
from .chip import FUNC_PWM, FUNC_SIO, PINS, SYSTEM_HZ

try:
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from collections.abc import Callable

        from .chip import Chip
except ImportError:
    pass

_TOP_MAX = 65534  # so that a duty of 65535 is 100 %
_DUTY_U16, _DUTY_NS = 1, 2
_KEEP = object()


class Pin:
    """A GPIO. Without `mode` the pin stays as it is; with it, pulls are set too (None: no pull)."""

    chip: "Chip"
    IN, OUT, OPEN_DRAIN, ALT, ANALOG = 0, 1, 2, 3, 4
    PULL_UP, PULL_DOWN = 1, 2
    IRQ_FALLING, IRQ_RISING = 4, 8

    def __init__(
        self,
        id: "int | str | Pin",
        mode: "int | None" = None,
        pull: "int | None" = None,
        value: "int | None" = None,
    ) -> None:
        if isinstance(id, Pin):
            id = id.id
        elif isinstance(id, str):
            if id == "LED":
                id = 25
            elif id[:2] == "GP" and id[2:].isdigit():
                id = int(id[2:])
        if not isinstance(id, int) or not 0 <= id < PINS:
            raise ValueError("invalid pin")
        self.id: int = id
        self._bit = 1 << id
        self._chip = self.chip
        self._levels = self.chip.levels
        if mode is not None or pull is not None or value is not None:
            self.init(mode, pull, value)

    def init(self, mode: "int | None" = None, pull: "int | None" = None, value: "int | None" = None) -> None:
        """Value first, then direction: no glitch. Takes the pin away from PWM and PIO."""
        chip = self._chip
        n = self.id
        if chip.dead:
            return
        if value is not None:
            chip.out[n] = 1 if value else 0
        if mode is not None:
            if mode not in (0, 1):
                raise ValueError("the simulated Pin knows modes IN and OUT only")
            chip.func[n] = FUNC_SIO
            chip.out_enabled[n] = mode
        chip.pull[n] = pull or 0
        chip.resolve(n, True)

    def value(self, x: "int | bool | None" = None) -> "int | None":
        """The pin's level; with an argument sets the output."""
        if x is None:
            return self._chip.level(self.id)
        self._write(x)
        return None

    def __call__(self, x: "int | bool | None" = None) -> "int | None":
        if x is None:
            return self._levels[self.id]
        self._write(x)
        return None

    def on(self) -> None:
        """High."""
        self._write(1)

    def off(self) -> None:
        """Low."""
        self._write(0)

    high, low = on, off

    def toggle(self) -> None:
        """Flip the output register."""
        self._write(not self._chip.out[self.id])

    def irq(
        self, handler: "Callable[[Pin], object] | None" = None, trigger: int = 12, hard: bool = False
    ) -> None:
        """Call handler(pin) after an edge; None takes it away.

        hard: at the instant of the edge, whatever the firmware does; otherwise the next time it waits.
        """
        self._chip.irqs[self.id] = (handler, trigger, self, hard)
        self._chip.plain[self.id] = 0

    def _write(self, x: "int | bool") -> None:
        chip = self._chip
        n = self.id
        level = 1 if x else 0
        if chip.out[n] == level or chip.dead:
            return
        chip.out[n] = level
        if chip.func[n] == FUNC_SIO:
            if chip.plain[n] and chip.out_enabled[n]:
                self._levels[n] = level
                chip.gpio_in ^= self._bit
            else:
                chip.resolve(n)

    def __repr__(self) -> str:
        return f"Pin(GPIO{self.id})"


class PWM:
    """One PWM channel. Eight slices of two channels; the frequency belongs to the slice.

    The slice starts with the first duty after a frequency. `deinit` stops the slice, and the pin stays at
    the level of that instant. A second PWM on the same channel is the same hardware.
    """

    chip: "Chip"

    def __init__(
        self, pin: Pin, freq: "int | None" = None, duty_u16: "int | None" = None, duty_ns: "int | None" = None
    ) -> None:
        self._chip = chip = self.chip
        self._pin = pin.id
        self._n = (pin.id >> 1) & 7
        self._channel = pin.id & 1
        self._kind = 0
        self._duty = 0
        self._slice = chip.slices[self._n]
        if not chip.dead:
            chip.func[pin.id] = FUNC_PWM
            chip.resolve(pin.id)
        self.init(freq, duty_u16, duty_ns)

    def init(
        self, freq: "int | None" = None, duty_u16: "int | None" = None, duty_ns: "int | None" = None
    ) -> None:
        """Set frequency (Hz), then duty."""
        if freq is not None:
            self.freq(freq)
        if duty_u16 is not None:
            self.duty_u16(duty_u16)
        if duty_ns is not None:
            self.duty_ns(duty_ns)

    def freq(self, freq: "int | None" = None) -> int:
        """Frequency in Hz; setting keeps the duty of this channel. ValueError outside 8 Hz…62.5 MHz."""
        s = self._slice
        if freq is None:
            return _hz_round(s.div16 * (s.top + 1))
        if freq <= 0:
            raise ValueError("freq too small")
        if (SYSTEM_HZ + freq // 2) // freq < _TOP_MAX:
            div16 = 16
            top = (SYSTEM_HZ + freq // 2) // freq - 1
        else:
            div16 = -(-16 * SYSTEM_HZ // (_TOP_MAX * freq))
            top = _hz_round(div16 * freq) - 1
        if top < 1:
            raise ValueError("freq too large")
        if div16 >= 256 * 16:
            raise ValueError("freq too small")
        if not self._chip.dead:
            s.div16 = div16
            s.top = top
            self._restore_duty()
        return freq

    def duty_u16(self, duty: "int | None" = None) -> int:
        """Duty 0…65535, rounded to the slice's steps."""
        s = self._slice
        steps = s.top + 1
        if duty is None:
            return (s.cc[self._channel] * 65535 + steps // 2) // steps
        self._kind = _DUTY_U16
        self._duty = duty
        self._set_compare((duty * steps + 32767) // 65535 & 0xFFFF)
        return duty

    def duty_ns(self, ns: "int | None" = None) -> int:
        """Pulse width in nanoseconds. Raises ValueError when longer than a period."""
        s = self._slice
        hz = _hz_round(s.div16)
        if ns is None:
            return (s.cc[self._channel] * 1_000_000_000 + hz // 2) // hz
        cc = (ns * hz + 500_000_000) // 1_000_000_000
        if cc > 65535:
            raise ValueError("duty larger than period")
        self._kind = _DUTY_NS
        self._duty = ns
        self._set_compare(cc)
        return ns

    def deinit(self) -> None:
        """Stop the slice: both of its channels keep the level of this instant."""
        if not self._chip.dead:
            self._chip.stop_slice(self._n)

    def _set_compare(self, cc: int) -> None:
        chip = self._chip
        if chip.dead:
            return
        self._slice.cc[self._channel] = cc
        if self._slice.enabled:
            chip.resolve(self._pin)
        else:
            chip.start_slice(self._n)

    def _restore_duty(self) -> None:
        if self._kind == _DUTY_U16:
            self.duty_u16(self._duty)
        elif self._kind == _DUTY_NS:
            self.duty_ns(self._duty)


class ADC:
    """machine.ADC. `chip` is set by the class that `modules` derives for each chip."""

    chip: "Chip"
    CORE_TEMP = 4

    def __init__(self, source: "Pin | int") -> None:
        number = source if isinstance(source, int) else source.id
        if 26 <= number <= 29:
            number -= 26
        elif not isinstance(source, int) or not 0 <= number <= 4:
            raise ValueError("Pin doesn't have ADC capabilities")
        self.channel = number
        self._chip = self.chip
        self._input = self.chip.adc[number]
        self._noise = self.chip.noise

    def read_u16(self) -> int:
        """One conversion as 0…65535: twelve bits, the upper four repeated below."""
        source = self._input
        chip = self._chip
        if chip.clock_us - chip.world_us > WORLD_AGE_US:
            chip.world(chip.clock_us)
        if not source.noisy:
            return CONVERSION[(source.steps >> 8) + MARGIN]  # type: ignore[no-any-return]
        at = chip.noise_at
        chip.noise_at = (at + 1) & NOISE_MASK
        return CONVERSION[(source.steps + self._noise[at]) >> 8]  # type: ignore[no-any-return]


class WDT:
    """The hardware watchdog, 1…8388 ms. Survives a soft reset; only its control register stops it."""

    chip: "Chip"

    def __init__(self, id: int = 0, timeout: int = 5000) -> None:
        if not 1 <= timeout <= 8388:
            raise ValueError("WDT timeout must be 1..8388 ms")
        self._us = timeout * 1000
        if not self.chip.dead:
            self.chip.start_watchdog(self._us)

    def feed(self) -> None:
        """Another `timeout` milliseconds."""
        if not self.chip.dead:
            self.chip.feed(self._us)


def _hz_round(div16: int) -> int:
    return (16 * SYSTEM_HZ + div16 // 2) // div16
