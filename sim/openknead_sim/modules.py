"""The names of machine, rp2, time and select for one simulated chip, as dictionaries.

On CPython the sandbox makes modules of them, one set per board; on the MicroPython Unix port the modules in
`upy/` do. Times come from the virtual clock and wrap as on the Pico.
"""

try:
    import utime as _host_time  # type: ignore[import-not-found]  # MicroPython's own, under upy/time.py
except ImportError:
    import time as _host_time

from .chip import NEVER_US, PWRON_RESET, SYSTEM_HZ, WDT_RESET
from .gpio import ADC, PWM, WDT, Pin
from .pio import PIO, StateMachine, asm_pio
from .usb import POLLERR, POLLHUP, POLLIN, POLLOUT, Poll

try:
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from .chip import Chip
except ImportError:
    pass

TICKS_PERIOD = 1 << 30
TICKS_MASK = TICKS_PERIOD - 1
TICKS_HALF = TICKS_PERIOD >> 1

_SIO_GPIO_IN = 0xD0000004
_SIO_GPIO_OUT = 0xD0000010
_SIO_GPIO_OUT_SET = 0xD0000014
_SIO_GPIO_OUT_CLR = 0xD0000018
_SIO_GPIO_OE = 0xD0000020
_PIO0_TXF0 = 0x50200010
_PIO0_SM0_INSTR = 0x502000D8
_WATCHDOG_CTRL = 0x40058000
_WATCHDOG_ENABLE = 1 << 30
_WATCHDOG_PAUSE = 7 << 24  # set after a reset, and by MicroPython: it stands while a debugger does
_WATCHDOG_REASON = 0x40058008
_SCRATCH = {0x4005800C + 4 * n: n for n in range(8)}
IDLE_US = 100  # machine.idle() waits for an interrupt; the nearest one is not simulated


def bound(cls: type, chip: "Chip") -> type:
    """A subclass of `cls` whose instances belong to `chip`."""
    return type(cls.__name__, (cls,), {"chip": chip})


class Memory:
    """machine.mem32 for the few registers that firmware has a reason to use. Raises ValueError for others.

    SIO's GPIO_IN (there a running PWM's pin reads as before the PWM took it), GPIO_OUT with SET and CLR, and
    GPIO_OE; of PIO block 0 the TX FIFO and the instruction of state machine 0; the watchdog's control (bit
    30, whose clearing stops it), reason and scratch registers.
    """

    def __init__(self, chip: "Chip") -> None:
        self._chip = chip
        self._pins: dict[int, tuple[int, ...]] = {}  # by their bits: few, but in every tick

    def __getitem__(self, address: int) -> int:
        chip = self._chip
        if address == _SIO_GPIO_IN:  # first, and kept up by the chip: firmware reads it in every tick
            return chip.gpio_in
        if address == _SIO_GPIO_OUT:
            return sum(chip.out[n] << n for n in range(30))
        if address == _SIO_GPIO_OE:
            return sum(chip.out_enabled[n] << n for n in range(30))
        if address == _WATCHDOG_CTRL:
            return _WATCHDOG_PAUSE | (0 if chip.wdt_us == NEVER_US else _WATCHDOG_ENABLE)
        if address == _WATCHDOG_REASON:
            return chip.watchdog_reason
        if address not in _SCRATCH:
            raise ValueError(f"mem32[0x{address:08x}] is not simulated")
        return chip.scratch[_SCRATCH[address]]

    def __setitem__(self, address: int, value: int) -> None:
        chip = self._chip
        if chip.dead:
            return
        if address == _SIO_GPIO_OUT_SET:
            self._put(value, 1)
        elif address == _SIO_GPIO_OUT_CLR:
            self._put(value, 0)
        elif address == _PIO0_TXF0:
            machine = chip.machines.get(0)
            if machine:
                machine.put(value)
        elif address in _SCRATCH:
            chip.scratch[_SCRATCH[address]] = value & 0xFFFFFFFF
        elif address == _PIO0_SM0_INSTR:
            chip.pio_exec(0, value)
        elif address == _WATCHDOG_CTRL:
            if value & _WATCHDOG_ENABLE == 0:
                chip.stop_watchdog()
            elif chip.wdt_us == NEVER_US:
                raise ValueError("the simulated watchdog is started by machine.WDT only")
        else:
            raise ValueError(f"mem32[0x{address:08x}] cannot be written on the simulated chip")

    def _put(self, bits: int, level: int) -> None:
        pins = self._pins.get(bits)
        if pins is None:
            pins = self._pins[bits] = tuple(n for n in range(30) if bits >> n & 1)
        chip = self._chip
        for n in pins:
            if chip.out[n] != level:
                chip.out[n] = level
                chip.resolve(n)


def machine_names(chip: "Chip", simulated: str) -> dict:  # type: ignore[type-arg]
    """machine. `simulated` becomes machine.SIMULATED, which no real board has."""

    def reset() -> None:
        chip.watchdog_reason = 2
        chip.reset(WDT_RESET)

    def soft_reset() -> None:
        raise SystemExit

    def bootloader(timeout: int = 0) -> None:
        chip.reset(0)

    def freq(hz: "int | None" = None) -> int:
        if hz not in (None, SYSTEM_HZ):
            raise ValueError("the simulated chip runs at 125 MHz only")
        return SYSTEM_HZ

    return {
        "SIMULATED": simulated,
        "Pin": bound(Pin, chip),
        "PWM": bound(PWM, chip),
        "ADC": bound(ADC, chip),
        "WDT": bound(WDT, chip),
        "mem32": Memory(chip),
        "unique_id": lambda: chip.unique_id,
        "reset": reset,
        "soft_reset": soft_reset,
        "bootloader": bootloader,
        "reset_cause": lambda: chip.reset_cause,
        "freq": freq,
        "idle": lambda: chip.sleep_us(IDLE_US),
        "disable_irq": lambda: 0,
        "enable_irq": lambda state=0: None,
        "PWRON_RESET": PWRON_RESET,
        "WDT_RESET": WDT_RESET,
    }


def rp2_names(chip: "Chip") -> dict:  # type: ignore[type-arg]
    """rp2."""
    return {"PIO": PIO, "StateMachine": bound(StateMachine, chip), "asm_pio": asm_pio}


def time_names(chip: "Chip") -> dict:  # type: ignore[type-arg]
    """time. The calendar starts at 2021-01-01 at power-on, as on a Pico whose clock was never set."""
    ticks = chip.ticks_us
    epoch_s = 1_609_459_200

    def ticks_us() -> int:
        chip.spins = spins = chip.spins + 1
        if spins > chip.spin_limit:
            chip.spin()
        return chip.clock_us + chip.ahead_us & TICKS_MASK

    def seconds() -> int:
        return epoch_s + ticks() // 1_000_000

    def ticks_diff(a: int, b: int) -> int:
        return ((a - b + TICKS_HALF) & TICKS_MASK) - TICKS_HALF

    return {
        "ticks_us": ticks_us,
        "ticks_ms": lambda: ticks() // 1000 & TICKS_MASK,
        "ticks_cpu": lambda: ticks() & TICKS_MASK,
        "ticks_diff": ticks_diff,
        "ticks_add": lambda t, delta: (t + delta) & TICKS_MASK,
        "sleep_us": chip.sleep_us,
        "sleep_ms": lambda ms: chip.sleep_us(ms * 1000),
        "sleep": lambda s: chip.sleep_us(int(s * 1_000_000)),
        "time": seconds,
        "time_ns": lambda: epoch_s * 1_000_000_000 + ticks() * 1000,
        "gmtime": lambda t=None: _calendar(seconds() if t is None else t),
        "localtime": lambda t=None: _calendar(seconds() if t is None else t),
    }


def select_names(chip: "Chip") -> dict:  # type: ignore[type-arg]
    """select."""
    return {
        "poll": bound(Poll, chip),
        "POLLIN": POLLIN,
        "POLLOUT": POLLOUT,
        "POLLERR": POLLERR,
        "POLLHUP": POLLHUP,
    }


def _calendar(t: int) -> tuple:  # type: ignore[type-arg]
    return tuple(_host_time.gmtime(t)[:8])
