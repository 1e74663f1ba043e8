"""An emulated Pico in lock step with its caller.

Time is the emulated chip's own and stands still between calls; the same calls give the same run, whatever
the wall clock does. Emulated time is dear while the CPU works (about 100 s of wall time for a second at
full load) and nearly free while it sleeps.

Emulated silicon flatters: 125 MHz without flash wait states or interrupt-entry cycles, and flash erases in
no time. Figures taken here are lower bounds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rp2040py.boards import BoardSpec
from rp2040py.device.base_device import BaseDevice, ResetCause
from rp2040py.execute_batch import execute_batch
from rp2040py.gpio_pin import FUNCTION_PWM, FUNCTION_SIO

from openknead_sim.emulator.filesystem import FS_SIZE, FS_START
from openknead_sim.emulator.usb import HostPort

__all__ = ("EmulatedPico", "EmulatedTimeout", "PinState", "PwmState", "Repeating", "ReplError", "ResetCause")

CTRL_A, CTRL_B, CTRL_C, CTRL_D = b"\x01", b"\x02", b"\x03", b"\x04"
RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"

WATCHDOG_TIMER = 1  # register WATCHDOG.REASON, bit TIMER
CYCLE_NS = 8  # 125 MHz
IDLE_BEAT_CYCLES = 12_500  # 100 us: how soon a state machine that was just started or woken is noticed
SHORTEST_BEAT_CYCLES = 8  # an instruction so late is not lost; a faster program would take for ever


class EmulatedTimeout(AssertionError):
    """Something awaited did not happen within its emulated time; the message ends with the serial output."""


class ReplError(Exception):
    """Code run through the raw REPL raised; the message is MicroPython's traceback."""


@dataclass(frozen=True)
class PinState:
    """What a GPIO does right now: function selected (5 SIO, 4 PWM, 6/7 PIO), driven or not, level driven."""

    function: int
    output: bool
    high: bool

    @property
    def plain_low(self) -> bool:
        """True when software, not a peripheral, drives the pin low: no PWM or PIO can raise it again."""
        return self.function == FUNCTION_SIO and self.output and not self.high


@dataclass(frozen=True)
class PwmState:
    """A PWM output from the slice's registers: frequency in Hz, duty 0…1, enabled = it reaches the pin."""

    freq_hz: float
    duty: float
    enabled: bool


class Repeating:
    """A call every `period_us` of emulated time; `cancel()` ends it."""

    def __init__(self, pico: "EmulatedPico", period_us: float, call: Callable[[], None]) -> None:
        self.period_us = period_us
        self._call = call
        self._alarm = pico.clock.create_alarm(self._fire)
        self._alarm.schedule(period_us * 1000)

    def _fire(self) -> None:
        self._alarm.schedule(self.period_us * 1000)
        self._call()

    def cancel(self) -> None:
        self._alarm.cancel()


class EmulatedPico:
    """One Pico: image in flash, file system behind it, a host on its USB port.

    image: path of a checked UF2 (see `images.find`); filesystem: littlefs image from `filesystem.build`,
    None leaves the flash erased (MicroPython then makes its own).
    The chip starts with the first `run_*` call.
    """

    def __init__(self, image: Path, filesystem: bytes | None = None) -> None:
        self._device = BaseDevice(board=BoardSpec(image=image))
        self.mcu = self._device.mcu
        self._simulator = self._device.simulator
        self.clock = self._simulator.clock
        self.port = HostPort(self._device.cdc, self.clock)
        self._tapped: list[Callable[[bytes], None]] = []
        if filesystem is not None:
            if len(filesystem) != FS_SIZE:
                raise ValueError(f"file system image has {len(filesystem)} bytes, expected {FS_SIZE}")
            self.mcu.flash[FS_START : FS_START + FS_SIZE] = filesystem
        self._stop_alarm = self.clock.create_alarm(self._halt)
        self._beat_alarm = self.clock.create_alarm(self._beat)
        self._beat_due = False
        self._beat()
        self._device._leave_reset()

    # -- time --------------------------------------------------------------------------------------------

    @property
    def now_us(self) -> float:
        """Emulated microseconds since the chip was made; resets do not set it back."""
        return self.clock.nanos / 1000

    def run_us(self, duration_us: float) -> None:
        """Let exactly that much emulated time pass."""
        self._stop_alarm.schedule(duration_us * 1000)
        self._simulator.stopped = False
        while not self._simulator.stopped:
            execute_batch(self._simulator, 1)  # 1: alarms fire on their instant, not a batch later

    def run_until(
        self, condition: Callable[[], bool], timeout_us: float, what: str = "condition", step_us: float = 1000
    ) -> None:
        """Run until `condition()`, looked at every `step_us`; EmulatedTimeout after `timeout_us`."""
        end = self.now_us + timeout_us
        while not condition():
            if self.now_us >= end:
                tail = bytes(self.port.received[-400:])
                raise EmulatedTimeout(f"no {what} within {timeout_us / 1000:.0f} ms; serial output: {tail!r}")
            self.run_us(min(step_us, end - self.now_us))

    def every_us(self, period_us: float, call: Callable[[], None]) -> Repeating:
        """Call `call` every `period_us` of emulated time, first one period from now."""
        return Repeating(self, period_us, call)

    def alarm(self, call: Callable[[], None]) -> Callable[[float], None]:
        """A one-shot timer: calling the result with a delay in µs schedules `call` (again)."""
        alarm = self.clock.create_alarm(call)
        return lambda delay_us: alarm.schedule(delay_us * 1000)

    def _halt(self) -> None:
        self._simulator.stopped = True

    def _beat(self) -> None:
        """Keep PIO time exact while the CPU sleeps.

        The emulator then jumps from alarm to alarm and grants each state machine one instruction a jump, so
        there has to be an alarm at the instant at which the next instruction of any of them is due, and one
        a cycle later, when it is done, to see when that is.
        """
        self._beat_due = not self._beat_due
        if not self._beat_due:
            self._beat_alarm.schedule(CYCLE_NS)
            return
        wait_cycles = IDLE_BEAT_CYCLES
        for pio in self.mcu.pio:
            if not pio.stopped:
                wait_cycles = min(wait_cycles, (pio.next_due_fp - pio.cycle_fp + 255) // 256)
        self._beat_alarm.schedule(max(wait_cycles, SHORTEST_BEAT_CYCLES) * CYCLE_NS)

    # -- serial ------------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Queue bytes on the serial line; they arrive as time runs."""
        for listener in self._tapped:
            listener(data)
        self.port.send(data)

    def tap(self, sent: Callable[[bytes], None], received: Callable[[bytes], None]) -> None:
        """Listen in on the serial line: calls with what the host sends, and with what comes, as it comes."""
        self._tapped.append(sent)
        cdc = self._device.cdc
        collect = cdc.on_serial_data

        def both(data: bytes | bytearray) -> None:
            if collect is not None:
                collect(data)
            received(bytes(data))

        cdc.on_serial_data = both

    def expect(self, pattern: bytes, timeout_us: float = 5e6) -> bytes:
        """Run until `pattern` came from the device; returns and consumes everything up to its end."""
        received = self.port.received
        self.run_until(lambda: pattern in received, timeout_us, f"{pattern!r} from the device")
        end = received.index(pattern) + len(pattern)
        text = bytes(received[:end])
        del received[:end]
        return text

    def connect(self, timeout_us: float = 5e6) -> None:
        """Run until the device has (again) enumerated on USB after its start or a reset."""
        seen = self.port.connections
        self.run_until(lambda: self.port.connections > seen, timeout_us, "USB enumeration")

    def interrupt(self) -> None:
        """Ctrl-C, until the friendly REPL's prompt."""
        self.port.received.clear()
        self.send(CTRL_C)
        self.expect(b">>> ")

    def soft_reset(self) -> None:
        """Ctrl-D at the friendly REPL: MicroPython starts again, runs boot.py and main.py; USB stays."""
        self.port.received.clear()
        self.send(CTRL_D)
        self.expect(b"soft reboot\r\n")

    def exec(self, source: str, timeout_us: float = 10e6) -> str:
        """Run code through the raw REPL, which must be idle; returns what it printed.

        Raises ReplError when the code raised. Leaves the friendly REPL.
        """
        self.port.received.clear()
        self.send(CTRL_A)
        self.expect(RAW_PROMPT)
        self.send(source.encode() + CTRL_D)
        self.expect(b"OK")
        printed = self.expect(CTRL_D, timeout_us)[:-1]
        raised = self.expect(CTRL_D)[:-1]
        self.expect(b">")
        self.send(CTRL_B)
        self.expect(b">>> ")
        if raised:
            raise ReplError(raised.decode().replace("\r\n", "\n"))
        return printed.decode().replace("\r\n", "\n")

    # -- pins and peripherals ----------------------------------------------------------------------------

    def pin(self, number: int) -> PinState:
        """State of GP`number` as the chip drives it."""
        gpio = self.mcu.gpio[number]
        return PinState(gpio.function_select, bool(gpio.output_enable), bool(gpio.output_value))

    def drive(self, number: int, level: bool | None) -> None:
        """Drive GP`number` from outside, high or low; None lets it float to its pull resistor."""
        gpio = self.mcu.gpio[number]
        if level is None:
            gpio.release_input()
        else:
            gpio.set_input_value(level)

    def loop_back(self, number: int) -> None:
        """From now on GP`number` reads the level it drives, as on the chip; nothing else may drive it.

        The emulator does not read an output back. Undriven, the pin reads low, as with a pull-down.
        """
        gpio = self.mcu.gpio[number]
        gpio.set_input_value(False)
        gpio.add_listener(lambda value, _before: gpio.set_input_value(value == 1))

    def on_edge(self, number: int, call: Callable[[bool], None]) -> Callable[[], None]:
        """Call `call(high)` whenever the chip drives GP`number` to another level; the result ends it."""

        def listener(value: int, _before: int) -> None:
            if value in (0, 1):
                call(value == 1)

        return self.mcu.gpio[number].add_listener(listener)

    def pwm(self, number: int) -> PwmState:
        """PWM on GP`number`, from the registers: what the next period will be."""
        channel = self.mcu.pwm.channels[(number >> 1) & 7]
        compare = channel.cc >> 16 if number & 1 else channel.cc & 0xFFFF
        divider = ((channel.div >> 4) & 0xFF or 256) + (channel.div & 15) / 16
        running = bool(channel.csr & 1)
        return PwmState(
            freq_hz=self.mcu.clk_sys / divider / (channel.top + 1) / (2 if channel.csr & 2 else 1),
            duty=min(compare / (channel.top + 1), 1.0),
            enabled=running and self.mcu.gpio[number].function_select == FUNCTION_PWM,
        )

    def adc(self, channel: int, code: int) -> None:
        """What ADC `channel` (0…4) reads from now on: 12-bit code, 0…4095, clipped."""
        self.mcu.adc.channel_values[channel] = min(max(code, 0), 4095)

    # -- flash and reset ---------------------------------------------------------------------------------

    def filesystem(self) -> bytes:
        """Copy of the littlefs image as it is in flash now."""
        return bytes(self.mcu.flash[FS_START : FS_START + FS_SIZE])

    def hard_reset(self, cause: ResetCause = ResetCause.RUN_PIN) -> None:
        """Reset the chip, flash kept; `cause` is what `machine.reset_cause()` will tell.

        WATCHDOG stands for a watchdog that ran out.
        """
        self.port.received.clear()
        if cause is ResetCause.WATCHDOG:
            self.mcu.watchdog._reason = WATCHDOG_TIMER  # survives the reset, as on the chip
        self._device.hard_reset(cause=cause)
