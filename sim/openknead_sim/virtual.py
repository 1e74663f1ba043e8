"""VirtualBoard: a Pico with the firmware, wired to a massager, in this process and on a virtual clock.

The firmware's endless loop runs in a greenlet that is parked whenever its clock has reached the end of the
time it was given: no threads, nothing sleeps, the same seed gives the same run.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from greenlet import GreenletExit, greenlet  # type: ignore[import-untyped]

from .chip import NEVER_US, PWRON_RESET, WDT_RESET, Chip
from .crc import unframed
from .flash import Flash, PowerCut
from .packaged import new_flash
from .plant import Hand, Plant
from .repl import Repl
from .rig import Rig
from .rpc import RpcError, request, result
from .sandbox import Sandbox

STEP_MS = 10  # how often run_until looks, unless told otherwise
RPC_STEP_MS = 1
EXITS = 100  # how often firmware that is being unwound is asked to go before it is left lying
SETTLE_MS = 200  # for boot, debouncing and saving
READ_MS = 1_100  # a question takes no press that begins earlier
LONG_PRESS_MS = 3_300  # MODE held: a little more than the firmware's 3 s


class NotRunning(Exception):
    """The board has no power, or did not do in time what was waited for."""


class VirtualBoard:
    """One board. Off until `power_on`; time moves only in the run_… methods, `rpc` and `press`.

    seed: serial number, ADC noise, rotor position; remote_start: hold MODE at the first power-on, so that a
    host may start sessions; hand: what presses on the pad; flash: an earlier board's flash, else a new one
    with the packaged firmware; plant: another massager; start_us: where the clock begins, in microseconds, if
    not at 0 or where the plant is, for runs over a wrap: ticks_us wraps at multiples of 1 << 30, ticks_ms at
    multiples of 1000 << 30.
    Open to everybody: chip (pins, ADC, serial), rig (buttons, LED), plant, flash, repl.
    """

    def __init__(
        self,
        seed: int = 0,
        remote_start: bool = False,
        hand: Hand | None = None,
        flash: Flash | None = None,
        plant: Plant | None = None,
        start_us: int = 0,
    ) -> None:
        self.chip = Chip(seed)
        self.plant = plant or Plant(seed=seed)
        if start_us:
            self.plant.t_us = start_us
        if hand is not None:
            self.plant.hand = hand
        self.chip.clock_us = self.chip.world_us = self.plant.t_us  # a plant may have a past
        self.rig = Rig(self.chip, self.plant)
        self.repl = Repl(self.chip)
        self.flash = flash or new_flash()
        self.sandbox: Sandbox | None = None
        self.powered = False
        self.boots = 0  # hard and soft ones
        self.bootsel = False  # the firmware asked for the boot ROM
        self.at_prompt = False  # main.py has ended
        self.notifications: list[dict[str, Any]] = []  # what `rpc` met on the way to its replies
        self._remote_start = remote_start
        self._firmware: greenlet | None = None
        self._hub: greenlet | None = None
        self._graveyard: list[greenlet] = []
        self._reset_cause: int | None = None
        self._cut = False
        self._partial = b""
        self._exits = 0
        self._stopped = False
        self._ids = itertools.count(1)
        self.chip.park = self._park
        self.chip.on_reset = self._on_reset
        self.flash.on_cut = self._on_cut
        self.flash.on_busy = self.chip.sleep_us

    # -- power --------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Apply power: boot.py and main.py begin. No time passes, unless MODE is to be held."""
        if self.powered:
            return
        self._start(PWRON_RESET)
        if self._remote_start:
            self._remote_start = False
            self.run_ms(SETTLE_MS)
            if not self.rpc("status")["remote_start"]:
                self.allow()
            self.receive()

    def __enter__(self) -> VirtualBoard:
        self.power_on()
        return self

    def __exit__(self, *_error: object) -> None:
        self.power_cut()

    def power_cut(self) -> None:
        """Take the power away at this instant. Time passes on (`run_ms`) with the motor coasting."""
        self._kill()
        self.chip.hard_reset(PWRON_RESET)
        self.powered = False

    def reset(self, cause: int = WDT_RESET, watchdog_reason: int = 2) -> None:
        """Reset from outside; PWRON_RESET is what the RUN pin does."""
        self._kill()
        self.chip.watchdog_reason = watchdog_reason if cause == WDT_RESET else 0
        self._start(cause)

    def brown_out(self) -> None:
        """A dip in the controller's own supply: a reset with power-on as its cause, the massager runs on.

        Flash operations under way are completed; `flash.chip.cut_power_after` cuts one short.
        """
        self.reset(PWRON_RESET)

    # -- time ---------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> float:
        """Milliseconds of the virtual clock since the board was made."""
        return self.chip.clock_us / 1000

    def run_ms(self, ms: float) -> None:
        """Let virtual time pass."""
        self._run_to(self.chip.clock_us + round(ms * 1000))

    def run_to_line(self, max_ms: float) -> None:
        """Let time pass, but no further than to the end of the next line that the device writes."""
        usb = self.chip.usb
        usb.on_line = self._stop_here
        try:
            self._run_to(self.chip.clock_us + round(max_ms * 1000))
        finally:
            usb.on_line = None

    def run_until(self, done: Callable[[], object], max_ms: float, step_ms: float = STEP_MS) -> bool:
        """Let time pass until done() holds, looked at every step_ms; whether it did within max_ms."""
        end = self.chip.clock_us + round(max_ms * 1000)
        step = round(step_ms * 1000)
        while not done():
            if self.chip.clock_us >= end:
                return False
            self._run_to(min(self.chip.clock_us + step, end))
        return True

    # -- people -------------------------------------------------------------------------------------

    def press(self, button: str, ms: float = 100) -> None:
        """Press stop, plus, minus or mode for this long; time passes."""
        self.hold(button)
        self.run_ms(ms)
        self.release(button)

    def hold(self, button: str) -> None:
        """Press a button and keep it pressed."""
        self.rig.press(button)

    def release(self, button: str) -> None:
        """Let go of a button."""
        self.rig.release(button)

    def allow(self) -> None:
        """Give hosts the permission to start, as the user does: hold MODE. Raises NotRunning."""
        self.press("mode", LONG_PRESS_MS)
        self.run_ms(SETTLE_MS)
        status = self.rpc("status")
        if not status["remote_start"] or status["suspended"]:
            raise NotRunning("the firmware did not give the permission when MODE was held")

    def agreed(self, method: str, **params: Any) -> Any:
        """Call a method as `rpc` does, and press MODE if it needs that: its result, None after a press."""
        try:
            return self.rpc(method, **params)
        except RpcError as e:
            if e.name != "confirm_needed":
                raise
            self.agree()
            return None

    def agree(self) -> None:
        """Answer the device's question with MODE, as someone does who has read what it is about."""
        self.run_ms(READ_MS)
        self.press("mode")
        self.run_ms(SETTLE_MS)

    # -- serial -------------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Bytes from the host; the firmware meets them when time passes."""
        self.chip.usb.feed(data)

    def receive(self) -> bytes:
        """All that the device has written since the last call."""
        return self.chip.usb.take()

    def rpc(self, method: str, timeout_ms: float = 2000, **params: Any) -> Any:
        """Call a method over the serial port and let time pass until the reply: its result.

        Raises RpcError for an error reply, NotRunning when none comes in time. Other lines that arrive
        meanwhile go to `notifications`.
        """
        number = next(self._ids)
        self.send(request(number, method, params))
        end = self.chip.clock_us + round(timeout_ms * 1000)
        while True:
            reply = None
            for message in self._messages():
                if message.get("id") == number and "method" not in message:
                    reply = message
                else:
                    self.notifications.append(message)
            if reply is not None:
                return result(reply)
            if self.chip.clock_us >= end:
                raise NotRunning(f"no reply to {method} within {timeout_ms:g} ms of virtual time")
            self.run_ms(RPC_STEP_MS)

    def _messages(self) -> list[dict[str, Any]]:
        lines = (self._partial + self.receive()).split(b"\n")
        self._partial = lines.pop()
        found = []
        for line in lines:
            try:
                message = json.loads(unframed(line))
            except ValueError:
                continue  # a traceback or a boot message
            if isinstance(message, dict):
                found.append(message)
        return found

    # -- the firmware's side ------------------------------------------------------------------------

    def _start(self, cause: int) -> None:
        chip = self.chip
        chip.dead = False
        chip.hard_reset(cause)
        self.flash.mount()
        self._cut = False
        self._reset_cause = None
        self.powered = True
        self.bootsel = False
        self.repl.raw = False
        self._firmware = greenlet(self._boot)

    def _run_to(self, until_us: int) -> None:
        chip = self.chip
        self._stopped = False
        while chip.clock_us < until_us and not self._stopped:
            firmware = self._firmware
            if firmware is None:  # no power, or waiting in the boot ROM
                chip.run_to(NEVER_US)
                chip.sleep_us(until_us - chip.clock_us)
                break
            chip.run_to(until_us)
            self._hub = greenlet.getcurrent()
            firmware.parent = self._hub
            firmware.switch()
            self._after_switch()
        if self.plant.t_us < chip.clock_us:
            self.rig.sync(chip.clock_us)

    def _after_switch(self) -> None:
        if self._cut:
            self.power_cut()
        elif self._reset_cause is not None:
            cause = self._reset_cause
            self._kill()
            if cause == 0:
                self.chip.hard_reset(PWRON_RESET)
                self.bootsel = True
            else:
                self._start(cause)

    def _boot(self) -> None:
        """The greenlet: what the chip does from reset on. Never ends by itself."""
        while True:
            self.boots += 1
            self.at_prompt = False
            self.sandbox = sandbox = Sandbox(self.chip, self.flash)
            if sandbox.run_file("/boot.py") and (self.repl.raw or sandbox.run_file("/main.py")):
                self.at_prompt = True
                self.repl.run(sandbox)
            self.chip.usb.put(b"MPY: soft reboot\r\n")
            self.flash.soft_reset()
            self.chip.soft_reset()

    def _stop_here(self) -> None:
        self._stopped = True
        self.chip.run_to(self.chip.clock_us)

    def _park(self) -> None:
        assert self._hub is not None
        if self.chip.dead and self._exits < EXITS:
            self._exits += 1
            raise GreenletExit
        self._hub.switch()

    def _on_reset(self, cause: int) -> None:
        self._reset_cause = cause
        self._leave()

    def _on_cut(self) -> None:
        self._cut = True
        self._leave()

    def _leave(self) -> None:
        """Called inside the firmware, which is never resumed but to be unwound."""
        if self._firmware is not None and greenlet.getcurrent() is self._firmware and not self.chip.dead:
            self._park()

    def _kill(self) -> None:
        """End the firmware as a reset does: whatever it does while it is unwound has no effect."""
        firmware, self._firmware = self._firmware, None
        if firmware is None:
            return
        self.chip.dead = True
        self.chip.run_to(0)
        self._exits = 0
        self.flash.chip.off = True
        firmware.parent = greenlet.getcurrent()
        self._hub = greenlet.getcurrent()
        if firmware:
            with suppress(PowerCut):  # from a file that is closed on the way out
                firmware.throw()
        if not firmware.dead:
            self._graveyard.append(firmware)  # it caught even that: never to run again
        self.chip.dead = False
        self.flash.chip.off = False
