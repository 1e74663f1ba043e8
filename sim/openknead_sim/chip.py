"""Chip: one simulated RP2040, with a clock that only moves when code waits.

Runs on CPython and on MicroPython. Everything is visible from outside (`level`, `mean`, `watch`) and can be
made to fail from outside (`stick`, `adc[n]`, `usb`). Nothing sleeps: waiting moves `clock_us`, and the
world around the chip (`world`, set by the rig) moves along with it once per wait.
"""

from .adc import AdcInput, noise_table
from .usb import Usb

try:
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from collections.abc import Callable
        from typing import Protocol

        class Behaviour(Protocol):
            """What a state machine's program does to the chip (pio.py)."""

            inputs: tuple[int, ...]

            def run(self, on: bool) -> None: ...
            def changed(self, pin: int) -> None: ...
            def holds_low(self, pin: int) -> bool: ...

except ImportError:  # MicroPython evaluates no annotation
    pass

PINS = 30
FUNC_NULL, FUNC_SIO, FUNC_PWM, FUNC_PIO = 0, 1, 2, 3
PULL_NONE, PULL_UP, PULL_DOWN = 0, 1, 2
FLOATING = -1

SYSTEM_HZ = 125_000_000
NEVER_US = 1 << 61
PIO_SET_LOW = 0xE000  # the instruction set(pins, 0)
# A firmware that polls the clock without ever waiting would hang a clock that only waits move:
# after this many readings in a row each further one takes a microsecond.
SPIN_READINGS = 2000
WORLD_STEP_US = 5000  # short waits in a row move the world together

HEAP_FREE_BYTES = 160_000  # what a Pico with the firmware loaded has left, roughly

PWRON_RESET = 1
WDT_RESET = 3  # MicroPython reports it for machine.reset() too; `watchdog_reason` tells them apart


class Reset(BaseException):
    """The chip was reset while firmware ran and no board was there to take over. args: (cause,)."""


class Alarm:
    """A function that is due at one instant, and that can be put off at no cost: just move `due_us` later.

    due_us: when the function is called, NEVER_US = not at all; only `set` can bring it forward.
    """

    def __init__(self, chip: "Chip", function: "Callable[[], object]") -> None:
        self.due_us = NEVER_US
        self._chip = chip
        self._function = function
        self._planned_us = NEVER_US  # the chip's event: at due_us or before

    def set(self, due_us: int) -> None:
        """Call the function at due_us; NEVER_US takes it back."""
        self.due_us = due_us
        if due_us < self._planned_us:
            self._planned_us = due_us
            self._chip.at(due_us, self._look)

    def _look(self) -> None:
        if self._chip.clock_us < self._planned_us:
            return  # left over from before it was brought forward
        self._planned_us = NEVER_US
        if self.due_us > self._chip.clock_us:
            self.set(self.due_us)
            return
        self.due_us = NEVER_US
        self._function()


class Slice:
    """One PWM slice: two channels that share a frequency. `div16` is the divider in sixteenths."""

    def __init__(self) -> None:
        self.power_on()

    def power_on(self) -> None:
        """Back to the register values after power-on."""
        self.div16 = 16
        self.top = 0xFFFF
        self.cc = [0, 0]
        self.enabled = False
        self.frozen = 0  # counter value where a disabled slice stands
        self.started_us = 0


class Chip:
    """One RP2040. `seed` fixes its serial number and its ADC noise.

    clock_us: virtual microseconds since power-on; levels: the 30 pins, 0 or 1 (of a running PWM, ask
    `level`); adc: the four inputs plus the temperature sensor; usb: the serial port; world: function(now_us)
    called after waits (short ones together).

    Faults to put in: `stick` a pin; `hang` True: at its next wait or reading of the clock the firmware stops
    for ever (not even Ctrl-C ends that) while time, PIO, world, hard interrupts and watchdog run on, until a
    reset; `jump_us` the firmware's clock; `call_us`: microseconds that each reading of the clock takes, for a
    slow tick; `heap_free_bytes`: what gc.mem_free() says on the desktop tier.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.clock_us = 0
        self.limit_us = NEVER_US  # the clock may run to here without anything but the world noticing
        self.horizon_us = NEVER_US  # where `park` is called
        self.wdt_us = NEVER_US
        self.events: list = []  # type: ignore[type-arg]  # (due_us, order, function)
        self._order = 0
        self.attention = False
        self.interrupt = False
        self.interrupt_char = 3
        self.dead = False  # firmware is being unwound after a reset: it must not touch anything any more
        self.spins = 0
        self.spin_limit = SPIN_READINGS
        self.ahead_us = 0  # of the clock as the firmware reads it
        self.heap_free_bytes = HEAP_FREE_BYTES
        self._call_us = 0
        self._hang = False
        self.park = _no_park
        self.on_reset = _raise_reset
        self.world = self._no_world
        self.world_us = 0  # where the world has got to
        self.levels = bytearray(PINS)
        self.gpio_in = 0  # the same as an integer; a running PWM's pin as it was when the PWM took it
        self._watchers: list = [[] for _ in range(PINS)]  # type: ignore[type-arg]
        self.func = bytearray(PINS)
        self.out_enabled = bytearray(PINS)
        self.out = bytearray(PINS)
        self.pull = bytearray(PINS)
        self.external = [FLOATING] * PINS
        self.stuck = [FLOATING] * PINS
        self.plain = bytearray(b"\1" * PINS)  # 1: the pin is not watched, it is not stuck, has no interrupt
        self.irqs: dict = {}  # type: ignore[type-arg]  # pin -> (handler, trigger, pin object, hard)
        self._irq_queue: list = []  # type: ignore[type-arg]
        self.slices = [Slice() for _ in range(8)]
        self.pwm_stops_on_soft_reset = False  # 1.22 and 1.24 freeze slices 0-3, 1.20 and 1.28 let them run
        self.noise = noise_table(seed)
        self.noise_at = 0
        self.adc = [AdcInput() for _ in range(5)]
        self.machines: dict = {}  # type: ignore[type-arg]  # behaviours of the PIO state machines, by number
        self.pio_inputs: dict = {}  # type: ignore[type-arg]  # pin -> behaviours that look at it
        self.pio_out = bytearray(PINS)  # what state machines have set; pins of function PIO show it
        self.pio_set: dict = {}  # type: ignore[type-arg]  # state machine -> pin that it sets
        self.usb = Usb(self)
        self.reset_cause = PWRON_RESET
        self.watchdog_reason = 0
        self.scratch = [0] * 8  # watchdog scratch registers: survive every reset but power-on
        self.unique_id = bytes([0xE6, 0x61]) + _serial(seed)
        self._pads_default()

    # -- time ---------------------------------------------------------------------------------------

    def sleep_us(self, us: int) -> None:
        """Move the clock by `us` microseconds, and the world with it. Raises what waits for the firmware."""
        self.spins = 0
        target = self.clock_us + us
        if target < self.limit_us:
            if us > 0:
                self.clock_us = target
                if target - self.world_us >= WORLD_STEP_US:
                    self.world(target)
        else:
            self._sleep_through(target)
        if self.attention:
            self._attend()

    def ticks_us(self) -> int:
        """The clock as firmware reads it, not wrapped."""
        self.spins += 1
        if self.spins > self.spin_limit:
            self.spin()
        return self.clock_us + self.ahead_us

    def spin(self) -> None:
        """A reading of the clock that takes time: `call_us`, or the microsecond of a busy loop's turn."""
        spins = self.spins
        self.sleep_us(self._call_us or 1)
        self.spins = spins

    def jump_us(self, delta_us: int) -> None:
        """Let the clock as the firmware reads it jump forward or back. No time passes; a reset mends it."""
        self.ahead_us += delta_us

    @property
    def call_us(self) -> int:
        """Microseconds that each reading of the clock takes, ≥ 0."""
        return self._call_us

    @call_us.setter
    def call_us(self, us: int) -> None:
        self._call_us = us
        self.spin_limit = -1 if us or self._hang else SPIN_READINGS

    @property
    def hang(self) -> bool:
        """Whether the firmware hangs, or will at its next wait or reading of the clock."""
        return self._hang

    @hang.setter
    def hang(self, on: bool) -> None:
        self._hang = on
        self.call_us = self._call_us
        self.attention = self.attention or on

    def wait(self, ready: "Callable[[], object]", timeout_us: int) -> bool:
        """Wait up to `timeout_us` (negative: for ever) until ready().

        Looks whenever the firmware was parked and after every event: nothing else can make it ready.
        """
        end = self.clock_us + timeout_us if timeout_us >= 0 else NEVER_US
        while not ready():
            limit = self.limit_us if self.limit_us < end else end
            if end <= self.clock_us:
                return False
            if limit == NEVER_US:
                raise RuntimeError("the firmware waits for input that will never come")
            self.sleep_us(limit - self.clock_us)
        return True

    def at(self, due_us: int, function: "Callable[[], object]") -> None:
        """Call function() when the clock reaches due_us (at the next wait if that is past)."""
        self._order += 1
        self.events.append((due_us, self._order, function))
        self.events.sort(key=_event_key)
        self.update_limit()

    def run_to(self, horizon_us: int) -> None:
        """Set where the firmware is parked next."""
        self.horizon_us = horizon_us
        self.update_limit()

    def update_limit(self) -> None:
        """Recompute the next instant at which more than the world happens."""
        limit = self.horizon_us
        if self.events and self.events[0][0] < limit:
            limit = self.events[0][0]
        if self.wdt_us < limit:
            limit = self.wdt_us
        self.limit_us = limit

    def _sleep_through(self, target: int) -> None:
        while True:
            limit = self.limit_us
            if target < limit:
                if target > self.clock_us:
                    self.clock_us = target
                    if target - self.world_us >= WORLD_STEP_US:
                        self.world(target)
                return
            if limit > self.clock_us:
                self.clock_us = limit
                if limit - self.world_us >= WORLD_STEP_US:
                    self.world(limit)
            if self.wdt_us <= self.clock_us:
                self.watchdog_reason = 1
                self.reset(WDT_RESET)
            while self.events and self.events[0][0] <= self.clock_us:
                self.events.pop(0)[2]()
            self.update_limit()
            if self.horizon_us <= self.clock_us:
                self.park()
                if self.horizon_us <= self.clock_us:
                    return  # nothing parks here (MicroPython): the clock stands still
            if self.attention:
                return

    def _no_world(self, now_us: int) -> None:
        self.world_us = now_us

    def _attend(self) -> None:
        while self._hang:
            before = self.clock_us
            if self.limit_us == NEVER_US:
                raise RuntimeError("the firmware hangs, and nothing will reset it")
            self._sleep_through(self.limit_us)
            if self.limit_us <= before:
                raise RuntimeError("the firmware hangs where it cannot be parked")
        self.attention = False
        queue, self._irq_queue = self._irq_queue, []
        for handler, pin in queue:
            handler(pin)
        if self.interrupt:
            self.interrupt = False
            raise KeyboardInterrupt

    # -- resets -------------------------------------------------------------------------------------

    def start_watchdog(self, timeout_us: int) -> None:
        """Start or restart the watchdog."""
        self.wdt_us = self.clock_us + timeout_us
        self.update_limit()

    def feed(self, timeout_us: int) -> None:
        """Feed the watchdog; a stopped one stays so."""
        if self.wdt_us != NEVER_US:
            self.wdt_us = due = self.clock_us + timeout_us
            if due < self.limit_us:  # later ones are looked at when the limit is reached
                self.update_limit()

    def stop_watchdog(self) -> None:
        """What clearing the ENABLE bit of its control register does."""
        self.wdt_us = NEVER_US

    def reset(self, cause: int) -> None:
        """Reset from inside the firmware. Does not return: the board takes over, or Reset is raised."""
        self.on_reset(cause)
        raise Reset(cause)

    def hard_reset(self, cause: int) -> None:
        """The chip's state after a reset: pins are inputs with pull-down, peripherals off, serial empty."""
        self.reset_cause = cause
        if cause == PWRON_RESET:
            self.watchdog_reason = 0
            self.scratch = [0] * 8
        self.wdt_us = NEVER_US
        self.interrupt_char = 3
        self.ahead_us = 0
        for s in self.slices:
            s.power_on()
        self._forget_program()
        self.pio_set.clear()
        self.usb.power_on()
        self._pads_default()
        self.update_limit()

    def soft_reset(self) -> None:
        """What Ctrl-D leaves: pins as they were, PIO stopped with its pins as they were, watchdog running.

        The PWM runs on, or freezes where it stands when `pwm_stops_on_soft_reset`.
        """
        if self.pwm_stops_on_soft_reset:
            for n in range(4):
                self.stop_slice(n)
        self._forget_program()

    def _forget_program(self) -> None:
        for machine in self.machines.values():
            machine.run(False)
        self.machines.clear()
        self.pio_inputs.clear()
        self.irqs.clear()
        self.hang = False
        self._irq_queue = []
        self.interrupt = self.attention = False
        self.spins = 0

    def _pads_default(self) -> None:
        for n in range(PINS):
            self.func[n] = FUNC_NULL
            self.out_enabled[n] = self.out[n] = self.pio_out[n] = 0
            self.pull[n] = PULL_DOWN
        for n in range(PINS):
            self.resolve(n, True)

    # -- pins ---------------------------------------------------------------------------------------

    def watch(self, pin: int, function: "Callable[[int], object]") -> None:
        """Call function(pin) whenever the pin's level, function or PWM duty changes."""
        self._watchers[pin].append(function)
        self.plain[pin] = 0

    def drive(self, pin: int, level: int) -> None:
        """Drive an input from outside: 0, 1 or FLOATING."""
        if self.external[pin] != level:
            self.external[pin] = level
            self.resolve(pin)

    def stick(self, pin: int, level: int) -> None:
        """Make a pin read and show `level` whatever anybody does; FLOATING repairs it."""
        self.stuck[pin] = level
        self.plain[pin] = 0
        self.resolve(pin, True)

    def level(self, pin: int) -> int:
        """The pin's level at this instant, 0 or 1; a running PWM by the phase of its counter."""
        if self.func[pin] == FUNC_PWM and self.stuck[pin] < 0:
            return self._pwm_level(pin)
        return self.levels[pin]

    def mean(self, pin: int) -> float:
        """The pin's mean level, 0.0…1.0: the duty of a running PWM, else the level."""
        s = self.slices[(pin >> 1) & 7]
        if self.func[pin] == FUNC_PWM and s.enabled and self.stuck[pin] < 0:
            duty = s.cc[pin & 1] / (s.top + 1)
            return duty if duty < 1.0 else 1.0
        return float(self.levels[pin])

    def resolve(self, pin: int, announce: bool = False) -> None:
        """Work out a pin's level after a change and tell who watches."""
        func = self.func[pin]
        if self.stuck[pin] >= 0:
            level = self.stuck[pin]
        elif func == FUNC_PWM:
            running = self.slices[(pin >> 1) & 7].enabled  # then its level is a matter of the instant
            level = self.levels[pin] if running else self._pwm_level(pin)
            announce = True
        elif func == FUNC_PIO:
            level = self.pio_out[pin]
        elif self.out_enabled[pin]:
            level = self.out[pin]
        elif self.external[pin] >= 0:
            level = self.external[pin]
        else:
            level = 1 if self.pull[pin] == PULL_UP else 0
        before = self.levels[pin]
        if level != before:
            self.levels[pin] = level
            self.gpio_in ^= 1 << pin
            announce = True
            if pin in self.pio_inputs:
                for machine in self.pio_inputs[pin]:
                    machine.changed(pin)
            if pin in self.irqs:
                self._pin_interrupt(pin, level)
        if announce and not self.dead:
            for function in self._watchers[pin]:
                function(pin)

    def _pin_interrupt(self, pin: int, level: int) -> None:
        handler, trigger, source, hard = self.irqs[pin]
        if not handler or not trigger & (8 if level else 4) or self.dead:
            return
        if hard:
            handler(source)
            return
        self._irq_queue.append((handler, source))
        self.attention = True

    # -- PIO ----------------------------------------------------------------------------------------

    def pio_load(self, number: int, machine: "Behaviour") -> None:
        """Put a program on state machine `number`, stopped, in place of the one before."""
        before = self.machines.get(number)
        if before:
            before.run(False)
        self.machines[number] = machine
        self.pio_inputs.clear()
        for each in self.machines.values():
            for pin in each.inputs:
                self.plain[pin] = 0
                self.pio_inputs.setdefault(pin, []).append(each)

    def pio_write(self, pin: int, level: int) -> None:
        """A state machine sets a pin. Another that holds the pin low at this instant has the last word."""
        if level:
            for machine in self.machines.values():
                if machine.holds_low(pin):
                    return
        self.pio_out[pin] = level
        if self.func[pin] == FUNC_PIO:
            self.resolve(pin)

    def pio_exec(self, number: int, instruction: int) -> None:
        """Have state machine `number` execute an instruction at once, running or not: set(pins, 0) only."""
        if instruction != PIO_SET_LOW:
            raise ValueError(f"PIO instruction 0x{instruction:04x} is not simulated")
        if number in self.pio_set:
            self.pio_write(self.pio_set[number], 0)

    # -- PWM ----------------------------------------------------------------------------------------

    def _pwm_level(self, pin: int) -> int:
        s = self.slices[(pin >> 1) & 7]
        return 1 if self.pwm_counter(s) < s.cc[pin & 1] else 0

    def pwm_counter(self, s: Slice) -> int:
        """The slice's counter at this instant, 0…top."""
        if not s.enabled:
            return s.frozen
        return (self.clock_us - s.started_us) * (SYSTEM_HZ // 1_000_000) * 16 // s.div16 % (s.top + 1)

    def start_slice(self, n: int) -> None:
        """Let slice n count, from zero if it stood."""
        s = self.slices[n]
        if not s.enabled:
            s.enabled = True
            s.started_us = self.clock_us
        self.resolve_slice(n)

    def stop_slice(self, n: int) -> None:
        """Stop slice n where it stands: its pins keep the level of that instant."""
        s = self.slices[n]
        s.frozen = self.pwm_counter(s)
        s.enabled = False
        self.resolve_slice(n)

    def resolve_slice(self, n: int) -> None:
        """Tell the pins of slice n that frequency or duty changed."""
        for pin in (2 * n, 2 * n + 1, 2 * n + 16, 2 * n + 17):
            if pin < PINS and self.func[pin] == FUNC_PWM:
                self.resolve(pin)


def _event_key(event: tuple) -> tuple:  # type: ignore[type-arg]
    return event[:2]


def _no_park() -> None:
    pass


def _raise_reset(cause: int) -> None:
    raise Reset(cause)


def _serial(seed: int) -> bytes:
    x = (seed * 2654435761 + 0x9E3779B9) & 0xFFFFFFFFFFFF
    return bytes([(x >> shift) & 0xFF for shift in (40, 32, 24, 16, 8, 0)])
