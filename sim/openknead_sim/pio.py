"""PIO programs as behaviours: what a program of the firmware does at its pins, by the program's name.

Nothing is assembled; tests on the emulated Pico run the real programs. A program that has no behaviour
here is refused when its state machine is made. Runs on CPython and on MicroPython.
"""

try:
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from collections.abc import Callable

        from .chip import Chip
        from .gpio import Pin
except ImportError:
    pass

FIFO_WORDS = 4
WORLD_AGE_US = 500  # a FIFO is of a world no older than this


class Program:
    """What @asm_pio leaves of a function: its name and options."""

    def __init__(self, name: str, options: dict) -> None:  # type: ignore[type-arg]
        self.name = name
        self.options = options


class PIO:
    """Constants of rp2.PIO."""

    IN_LOW, IN_HIGH, OUT_LOW, OUT_HIGH = 0, 1, 2, 3
    SHIFT_LEFT, SHIFT_RIGHT = 0, 1
    JOIN_NONE, JOIN_TX, JOIN_RX = 0, 1, 2


def asm_pio(**options: object) -> "Callable[[Callable[..., object]], Program]":
    """Decorator: keep the program's name, leave its body alone."""

    def keep(function: "Callable[..., object]") -> Program:
        return Program(function.__name__, options)

    return keep


class StateMachine:
    """rp2.StateMachine with a behaviour. Calls that no program here needs are not there."""

    chip: "Chip"

    def __init__(
        self, id: int, program: "Program | None" = None, freq: int = -1, **pins: "Pin | int"
    ) -> None:
        if not 0 <= id <= 7:
            raise ValueError("invalid state machine")
        self.id = id
        self._behaviour: TachPeriod | None = None
        if program is not None:
            self.init(program, freq, **pins)

    def init(self, program: Program, freq: int = -1, **pins: "Pin | int") -> None:
        """Load a program. Raises ValueError when the simulator has no behaviour of that name."""
        behaviour = BEHAVIOURS.get(program.name)
        if behaviour is None:
            raise ValueError(
                f"no simulated behaviour for PIO program '{program.name}': add one to openknead_sim/pio.py"
            )
        self._behaviour = behaviour(self.chip, program.options, freq, pins)
        self.chip.machines[self.id] = self._behaviour

    def active(self, on: "int | None" = None) -> bool:
        """Whether it runs; with an argument starts or stops it."""
        if on is not None and not self.chip.dead:
            self._loaded().run(bool(on))
        return self._loaded().running

    def rx_fifo(self) -> int:
        """Words waiting to be read."""
        chip = self.chip
        if chip.clock_us - chip.world_us > WORLD_AGE_US:
            chip.world(chip.clock_us)
        return self._loaded().count

    def get(self) -> int:
        """The oldest word; waits for one."""
        behaviour = self._loaded()
        if not behaviour.count:
            self.chip.wait(lambda: behaviour.count, -1)
        return behaviour.pop()

    def restart(self) -> None:
        """Begin the program again; words in the FIFO stay."""
        self._loaded().restart()

    def _loaded(self) -> "TachPeriod":
        if self._behaviour is None:
            raise ValueError("no program")
        return self._behaviour


class TachPeriod:
    """`tach_period`: after each rising edge, push the time since the one before in counts of two cycles.

    Words that find the FIFO full are lost (push noblock). The firmware's program loads its counter from the
    first edge on; the word of the first edge counts from the start of the state machine.
    """

    def __init__(self, chip: "Chip", options: dict, freq: int, pins: dict) -> None:  # type: ignore[type-arg]
        self._chip = chip
        self.pin = _number(pins.get("jmp_pin", pins.get("in_base", -1)))
        self.count_us = 2_000_000 // freq if freq > 0 else 1
        depth = 2 * FIFO_WORDS if options.get("fifo_join", 0) == PIO.JOIN_RX else FIFO_WORDS
        self._words = [0] * depth
        self._first = 0
        self.count = 0
        self.lost = 0
        self.running = False
        self._last_us = chip.clock_us

    def run(self, on: bool) -> None:
        """Start or stop."""
        if on and not self.running:
            self._last_us = self._chip.clock_us
        self.running = on

    def restart(self) -> None:
        """Begin again: the next word counts from now."""
        self._last_us = self._chip.clock_us

    def edge(self, at_us: int) -> None:
        """A rising edge at the pin at at_us."""
        if not self.running:
            return
        period = at_us - self._last_us
        self._last_us = at_us
        if self.count == len(self._words):
            self.lost += 1
            return
        self._words[(self._first + self.count) % len(self._words)] = period // self.count_us
        self.count += 1

    def pop(self) -> int:
        """Take the oldest word."""
        word = self._words[self._first]
        self._first = (self._first + 1) % len(self._words)
        self.count -= 1
        return word


BEHAVIOURS = {"tach_period": TachPeriod}


def _number(pin: "Pin | int") -> int:
    return pin if isinstance(pin, int) else pin.id
