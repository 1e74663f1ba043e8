"""PIO programs as behaviours: what a program of the firmware does at its pins, by the program's name.

Nothing is assembled; tests hold the behaviours to the real programs. A program that has no behaviour here is
refused when its state machine is made. What a program does is worked out when it matters: at the edge of a
pin, at a word, when a deadline is reached. Runs on CPython and on MicroPython.
"""

from .chip import FUNC_PIO, NEVER_US, PIO_SET_LOW, SYSTEM_HZ, Alarm

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
        self._behaviour: Behaviour | None = None
        if program is not None:
            self.init(program, freq, **pins)

    def init(self, program: Program, freq: int = -1, **pins: "Pin | int") -> None:
        """Load a program; the pin that it sets goes to PIO, at the level of `set_init`.

        Raises ValueError when the simulator has no behaviour of that name.
        """
        behaviour = BEHAVIOURS.get(program.name)
        if behaviour is None:
            raise ValueError(
                f"no simulated behaviour for PIO program '{program.name}': add one to openknead_sim/pio.py"
            )
        chip = self.chip
        self._behaviour = behaviour(chip, program.options, freq, pins)
        if chip.dead:
            return
        chip.pio_load(self.id, self._behaviour)
        pin = self._behaviour.pin
        if pin >= 0:
            chip.pio_set[self.id] = pin
            chip.pio_out[pin] = program.options.get("set_init", PIO.OUT_LOW) & 1
            chip.func[pin] = FUNC_PIO
            chip.resolve(pin, True)

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

    def tx_fifo(self) -> int:
        """Words that wait for the program."""
        return self._loaded().waiting()

    def put(self, word: int, shift: int = 0) -> None:
        """Send a word; waits for room."""
        behaviour = self._loaded()
        if behaviour.waiting() == FIFO_WORDS:
            self.chip.wait(lambda: behaviour.waiting() < FIFO_WORDS, -1)
        if not self.chip.dead:
            behaviour.put((word << shift) & 0xFFFFFFFF)

    def exec(self, instruction: "str | int") -> None:
        """Execute an instruction at once. Raises ValueError for another than set(pins, 0)."""
        if not self.chip.dead:
            is_low = instruction == "set(pins, 0)"
            self.chip.pio_exec(self.id, PIO_SET_LOW if is_low else int(instruction))

    def restart(self) -> None:
        """Begin the program again; words in the FIFO stay."""
        if not self.chip.dead:
            self._loaded().restart()

    def _loaded(self) -> "Behaviour":
        if self._behaviour is None:
            raise ValueError("no program")
        return self._behaviour


class Behaviour:
    """A program on a state machine, stopped. This one does nothing: the others say what they do.

    pin: the pin that it sets, -1 = none; inputs: pins whose level it looks at; count: words in the RX FIFO.
    """

    inputs: "tuple[int, ...]" = ()
    count = 0

    def __init__(self, chip: "Chip", options: dict, freq: int, pins: dict) -> None:  # type: ignore[type-arg]
        self._chip = chip
        self.pin = _number(pins.get("set_base", -1))
        self.running = False
        self._words: list[int] = []  # TX FIFO

    def run(self, on: bool) -> None:
        """Start or stop; what it has set stays."""
        self.running = on

    def restart(self) -> None:
        """Begin again."""

    def changed(self, pin: int) -> None:
        """The level of one of `inputs` has changed."""

    def holds_low(self, pin: int) -> bool:
        """Whether it would undo, within microseconds, what another program writes to this pin now."""
        return False

    def waiting(self) -> int:
        """Words in the TX FIFO, 0…4."""
        return len(self._words)

    def put(self, word: int) -> None:
        """A word for the TX FIFO; lost when that is full."""
        if len(self._words) < FIFO_WORDS:
            self._words.append(word)

    def pop(self) -> int:
        """Take the oldest word of the RX FIFO."""
        raise NotImplementedError

    def edge(self, at_us: int) -> None:
        """A rising edge at one of `inputs` at at_us, too short-lived to be a level."""


class TachPeriod(Behaviour):
    """`tach_period`: after each rising edge, push the time since the one before in counts of two cycles.

    Of a count the lowest 29 bits are kept. Words that find the FIFO full are lost (push noblock). The
    firmware's program loads its counter from the first edge on; the word of the first edge counts from the
    start of the state machine.
    """

    def __init__(self, chip: "Chip", options: dict, freq: int, pins: dict) -> None:  # type: ignore[type-arg]
        super().__init__(chip, options, freq, pins)
        self.inputs = (_number(pins.get("jmp_pin", pins.get("in_base", -1))),)
        self.count_us = 2_000_000 // freq if freq > 0 else 1
        depth = 2 * FIFO_WORDS if options.get("fifo_join", 0) == PIO.JOIN_RX else FIFO_WORDS
        self._received = [0] * depth
        self._first = 0
        self.lost = 0
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
        if self.count == len(self._received):
            self.lost += 1
            return
        count = period // self.count_us & 0x1FFFFFFF
        self._received[(self._first + self.count) % len(self._received)] = count
        self.count += 1

    def pop(self) -> int:
        """Take the oldest word."""
        word = self._received[self._first]
        self._first = (self._first + 1) % len(self._received)
        self.count -= 1
        return word


# What `deadman` does next. The comments are its instructions, cycle by cycle from that one on.
_TRIP = 0  # set(pins, 0), set(y)
_KEY_1 = 1  # pull(block), mov, jmp(x_not_y): to _TRIP, or set(y)
_KEY_2 = 2  # pull(block), mov, jmp(x_not_y): to _TRIP
_CHECK = 3  # jmp(pin): to _TRIP
_RAISE = 4  # set(pins, 1), set(y)
_LOOK = 5  # jmp(pin): to _TRIP, or set(x)[29]
_PULL = 6  # pull(noblock), mov, jmp(not_x): jmp(y_dec), or jmp, jmp, set(y) or jmp to _TRIP

KEY_1, KEY_2, FEED = 21, 10, 1
_ROUND = 35  # cycles from one look to the next
_ROUNDS = 29
_PULLED = 6  # cycles from the pull of a FEED to the next look


class DeadMan(Behaviour):
    """`deadman`: raises its pin after KEY_1 and KEY_2, holds it while it is fed and STOP is closed.

    Goes by the cycle, and does so lazily: while nothing but FEED comes, all that is kept is `_quiet_us`, the
    look after the last of them, so that a feed costs next to nothing.
    """

    def __init__(self, chip: "Chip", options: dict, freq: int, pins: dict) -> None:  # type: ignore[type-arg]
        super().__init__(chip, options, freq, pins)
        self._stop = _number(pins["jmp_pin"])
        self.inputs = (self._stop,)
        self._open = 0
        self._cycle_us = cycle_us = 1_000_000 // freq
        self._round_us = _ROUND * cycle_us
        self._fed_us = 0  # the look since which no FEED has come; for _LOOK and _PULL
        self._quiet_us = NEVER_US  # the same while _LOOK and _PULL go round with nothing else to be seen
        self._before_us = 0  # `_quiet_us` without the last FEED
        self._after_pull_us = 4 * cycle_us  # from a pull that found nothing to the next look
        self._to_look_us = (
            _ROUND - 4 + _PULLED
        ) * cycle_us  # from a look to the next if a FEED comes between
        self._last_pull_us = _ROUNDS * self._round_us - self._after_pull_us
        self._next = _TRIP
        self._at_us = 0  # when `_next` is due; while stopped: how long after the start
        self._alarm = Alarm(chip, self._catch_up)

    def run(self, on: bool) -> None:
        """Start or stop; the pin stays as it is."""
        if on == self.running:
            return
        now = self._chip.clock_us
        if on:
            self._at_us += now
            self._fed_us += now
            self._open = self._chip.levels[self._stop]
            self.running = True
            self._catch_up()
        else:
            self._settle()
            self.running = False
            self._at_us -= now
            self._fed_us -= now
            self._alarm.set(NEVER_US)

    def restart(self) -> None:
        """From the first instruction on; words in the FIFO stay."""
        self._settle()
        self._next = _TRIP
        self._at_us = self._chip.clock_us if self.running else 0
        self._catch_up()

    def changed(self, _pin: int) -> None:
        """STOP was opened or closed."""
        self._settle()
        self._open = self._chip.levels[self._stop]
        self._plan()

    def waiting(self) -> int:
        """Words in the TX FIFO, 0…4."""
        self._catch_up()
        return len(self._words)

    def put(self, word: int) -> None:
        """A word for the TX FIFO; lost when that is full."""
        now = self._chip.clock_us
        fed = self._quiet_us
        if word == FEED and fed <= now < fed + self._last_pull_us:
            self._before_us = fed
            looks = (now - fed + self._after_pull_us) // self._round_us  # until it is pulled
            self._quiet_us = fed = fed + looks * self._round_us + self._to_look_us
            self._alarm.due_us = fed + _ROUNDS * self._round_us
            return
        self._settle()
        if len(self._words) < FIFO_WORDS:
            self._words.append(word)
        if self.running and self._at_us <= now:  # it stands at its pull, until the cycle after this one
            self._at_us += ((now - self._at_us) // self._cycle_us + 1) * self._cycle_us
        self._plan()

    def _catch_up(self) -> None:
        self._settle()
        self._plan()

    def _settle(self) -> None:
        """Do all that is due by now."""
        if not self.running:
            return
        now = self._chip.clock_us
        cycle_us = self._cycle_us
        if self._quiet_us != NEVER_US:
            self._resume(now)
        while self._at_us <= now:
            at = self._at_us
            doing = self._next
            if doing == _TRIP:
                self._go(_KEY_1, at + 2 * cycle_us)
                self._chip.pio_write(self.pin, 0)
            elif doing in (_KEY_1, _KEY_2):
                if not self._words:
                    return
                if self._words.pop(0) != (KEY_1 if doing == _KEY_1 else KEY_2):
                    self._go(_TRIP, at + 3 * cycle_us)
                elif doing == _KEY_1:
                    self._go(_KEY_2, at + 4 * cycle_us)
                else:
                    self._go(_CHECK, at + 3 * cycle_us)
            elif doing == _CHECK:
                self._go(_TRIP if self._open else _RAISE, at + cycle_us)
            elif doing == _RAISE:
                self._go(_LOOK, at + 2 * cycle_us)
                self._fed_us = self._at_us
                self._chip.pio_write(self.pin, 1)
            elif doing == _LOOK:
                if self._open:
                    self._go(_TRIP, at + cycle_us)
                else:
                    self._go(_PULL, at + 31 * cycle_us)
            else:
                self._pull(at)

    def _pull(self, at: int) -> None:
        word = self._words.pop(0) if self._words else 0  # 0 looks like none
        if word == FEED:
            self._go(_LOOK, at + _PULLED * self._cycle_us)
            self._fed_us = self._at_us
        elif word:
            self._go(_TRIP, at + _PULLED * self._cycle_us)
        else:
            self._go(_LOOK, at + 4 * self._cycle_us)
            if self._at_us >= self._fed_us + _ROUNDS * self._round_us:
                self._next = _TRIP

    def _go(self, to: int, at_us: int) -> None:
        self._next = to
        self._at_us = at_us

    def _resume(self, now: int) -> None:
        """Leave the quiet: what is due next, and what is in the FIFO, of all that was not looked at."""
        fed = self._quiet_us
        self._quiet_us = NEVER_US
        if now < fed - _PULLED * self._cycle_us:  # the last FEED has not been pulled yet
            fed = self._before_us
            self._words.append(FEED)
        self._fed_us = fed
        pulls = (now - fed + self._after_pull_us) // self._round_us if now > fed else 0
        if pulls < _ROUNDS:
            self._go(_LOOK, fed + pulls * self._round_us)
        else:
            self._go(_TRIP, fed + _ROUNDS * self._round_us)

    def _plan(self) -> None:
        """Set the alarm to when something may happen, if nothing comes from outside."""
        if not self.running:
            return
        if self._next in (_LOOK, _PULL) and not self._words and not self._open:
            self._quiet_us = self._fed_us
            self._alarm.set(self._fed_us + _ROUNDS * self._round_us)
        elif self._next in (_KEY_1, _KEY_2) and not self._words:
            self._alarm.set(NEVER_US)
        else:
            self._alarm.set(self._at_us)


class StopGuard(Behaviour):
    """`stop_guard`: its pin is low as long as STOP reads 1; here at once, on the chip within 60 µs."""

    def __init__(self, chip: "Chip", options: dict, freq: int, pins: dict) -> None:  # type: ignore[type-arg]
        super().__init__(chip, options, freq, pins)
        self._stop = _number(pins["in_base"])
        self.inputs = (self._stop,)

    def run(self, on: bool) -> None:
        """Start or stop."""
        self.running = on
        self.changed(self._stop)

    def changed(self, _pin: int) -> None:
        """STOP was opened or closed."""
        if self.holds_low(self.pin):
            self._chip.pio_write(self.pin, 0)

    def holds_low(self, pin: int) -> bool:
        """Whether STOP is open."""
        return self.running and pin == self.pin and self._chip.levels[self._stop] == 1


CAP_COUNTS = 27 << 15


class SessionCap(Behaviour):
    """`session_cap`: its pin goes low once it has been high for CAP_COUNTS of two cycles."""

    def __init__(self, chip: "Chip", options: dict, freq: int, pins: dict) -> None:  # type: ignore[type-arg]
        super().__init__(chip, options, freq, pins)
        self._seen = _number(pins["jmp_pin"])
        self.inputs = (self._seen,)
        divider = (SYSTEM_HZ * 256 + freq // 2) // freq  # in steps of 1/256
        self.span_us = (2 * CAP_COUNTS + 6) * divider // (256 * (SYSTEM_HZ // 1_000_000))
        self._alarm = Alarm(chip, self._over)

    def run(self, on: bool) -> None:
        """Start, counting from zero, or stop."""
        self.running = on
        self.changed(self._seen)

    def restart(self) -> None:
        """Count from zero."""
        self.changed(self._seen)

    def changed(self, _pin: int) -> None:
        """The pin rose or fell."""
        counts = self.running and self._chip.levels[self._seen]
        self._alarm.set(self._chip.clock_us + self.span_us if counts else NEVER_US)

    def _over(self) -> None:
        self._chip.pio_write(self.pin, 0)
        self.changed(self._seen)  # something else may hold it high


BEHAVIOURS = {
    "tach_period": TachPeriod,
    "deadman": DeadMan,
    "stop_guard": StopGuard,
    "session_cap": SessionCap,
}


def _number(pin: "Pin | int") -> int:
    return pin if isinstance(pin, int) else pin.id
