"""Failures: the ways in which a virtual board's parts fail, each a function that says how it is mended.

`begin(board, value)` lets something fail and returns the function that mends it, or None when it happened and
was over. What there is by which name, with which values, is defined in the table of `inject`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

from .analog import MUX_HALF_RAIL, RAIL_V, ntc_volts
from .chip import FLOATING, WDT_RESET
from .flash import BLOCK_BYTES, Flash
from .rig import BUTTONS, I_SENSE, RUN_REQ, T_MUX, V_BAT
from .virtual import VirtualBoard

Mend = Callable[[], object]
Begin = Callable[[VirtualBoard, Any], Mend | None]

NTC_VOLTS = {"open": RAIL_V, "short": 0.0}
ADC_INPUTS = {"current": I_SENSE, "temperatures": T_MUX, "supply": V_BAT}
REFRESH_US = 20_000  # what follows the plant does so every two ticks
DIP_LOOK_US = 5_000
BOUNCE_US = 7_000  # not in step with the firmware's ticks of 10 ms
FILLER = "/filler"
FIRMWARE_FILE = "/massager/cues.py"
SETTINGS_FILES = ("/settings.a", "/settings.b")
LATCHES_FILES = ("/latches.a", "/latches.b")
CTRL_C = 3


class InjectError(Exception):
    """There is no such injection, or not with that value. The message says what there is."""


def put(thing: object, name: str, value: object) -> Mend:
    """Set an attribute; what mends it sets what was there before."""
    before = getattr(thing, name)
    setattr(thing, name, value)
    return partial(setattr, thing, name, before)


def plant(name: str) -> Begin:
    """A condition of the plant: the value, or True without one."""
    return lambda board, value: put(board.plant, name, True if value is None else value)


def patch(board: VirtualBoard, module: str, owner: str, name: str, wrap: Callable[[Any], Any]) -> Mend:
    """Put a wrapper around a method of the running firmware; it goes when the firmware starts again."""
    if board.sandbox is None or not board.powered:
        raise InjectError("no firmware runs: the board has no power")
    cls = getattr(board.sandbox.module(module), owner)
    return put(cls, name, wrap(getattr(cls, name)))


def _all(mends: list[Mend]) -> Mend:
    def mend() -> None:
        for each in reversed(mends):
            each()

    return mend


def _repeat(board: VirtualBoard, every_us: int, act: Callable[[], object], undo: Mend) -> Mend:
    """Act now and every so many µs until it is mended."""
    chip = board.chip
    going = True

    def go() -> None:
        if going:
            act()
            chip.at(chip.clock_us + every_us, go)

    def mend() -> None:
        nonlocal going
        going = False
        undo()

    go()
    return mend


def _stick(board: VirtualBoard, pin: int, level: int) -> Mend:
    board.chip.stick(pin, level)
    return partial(board.chip.stick, pin, FLOATING)


# -- sensors ----------------------------------------------------------------------------------------------


def _show(board: VirtualBoard, channel: int, volts: float | None) -> None:
    """What an input of the multiplexer reads; None: what its sensor says."""
    board.rig.ntc_override[channel] = volts


def ntc(channel: int) -> Begin:
    """A thermistor is open, short or as at so many °C."""

    def begin(board: VirtualBoard, value: str | float) -> Mend:
        _show(board, channel, NTC_VOLTS[value] if isinstance(value, str) else ntc_volts(value))
        return partial(_show, board, channel, None)

    return begin


def ntc_off(channel: int, place: str, k_s: float) -> Begin:
    """The thermistor of a place is off by so many K: at once when k_s is 0, else by k_s more every second."""

    def begin(board: VirtualBoard, value: float) -> Mend:
        chip, plant = board.chip, board.plant
        began_us = chip.clock_us

        def show() -> None:
            most = k_s * (chip.clock_us - began_us) / 1e6 if k_s else abs(value)
            off_k = min(most, abs(value)) * (1.0 if value > 0.0 else -1.0)
            true_c = getattr(plant, f"{place}_c")
            _show(board, channel, ntc_volts(max(true_c + off_k, -60.0)))

        return _repeat(board, REFRESH_US, show, partial(_show, board, channel, None))

    return begin


def reference(board: VirtualBoard, percent: float) -> Mend:
    """Half of the rail is off."""
    _show(board, MUX_HALF_RAIL, RAIL_V / 2 * (1.0 + percent / 100.0))
    return partial(_show, board, MUX_HALF_RAIL, None)


def adc_stuck(board: VirtualBoard, which: str) -> Mend:
    """An input, or every one, keeps returning the code of this instant; every one: that of the supply."""
    adc = board.chip.adc
    numbers = ADC_INPUTS.values() if which == "all" else (ADC_INPUTS[which],)
    code = adc[V_BAT if which == "all" else ADC_INPUTS[which]].steps >> 8
    return _all([put(adc[number], "stuck_code", code) for number in numbers])


def current_drift(board: VirtualBoard, volts: float) -> Mend:
    """The current sense has an offset."""
    return put(board.chip.adc[I_SENSE], "drift_volts", volts)


def current_short(board: VirtualBoard, to: str) -> Mend:
    """The current sense is shorted to ground or rail."""
    return put(board.chip.adc[I_SENSE], "override", RAIL_V if to == "rail" else 0.0)


# -- motor, supply, surroundings --------------------------------------------------------------------------


def supply_dip(board: VirtualBoard, volts: float) -> Mend:
    """The supply is lower by so much whenever the driver is awake."""
    plant, rig = board.plant, board.rig
    idle_v = plant.supply_v

    def look() -> None:
        nonlocal idle_v
        if rig.enabled:
            plant.supply_override_v = max(idle_v - volts, 0.0)
        else:
            plant.supply_override_v = None
            idle_v = plant.supply_v

    return _repeat(board, DIP_LOOK_US, look, partial(setattr, plant, "supply_override_v", None))


def ambient(board: VirtualBoard, celsius: float) -> Mend:
    """The air is hot or cold."""
    return put(board.plant.heat, "ambient_c", celsius)


def soak(board: VirtualBoard, celsius: float) -> Mend:
    """Everything is hot or cold."""
    heat = board.plant.heat
    before_c = heat.ambient_c

    def take(to_c: float) -> None:
        heat.ambient_c = to_c
        heat.soak(to_c)

    take(celsius)
    return partial(take, before_c)


# -- hands and wires --------------------------------------------------------------------------------------


def button_stuck(board: VirtualBoard, button: str) -> Mend:
    """A button stays pressed."""
    return _stick(board, BUTTONS[button], 1 if button == "stop" else 0)


def button_bounces(board: VirtualBoard, button: str) -> Mend:
    """A button is pressed and released without end."""
    levels = itertools.cycle((1, 0))
    pin = BUTTONS[button]
    return _repeat(
        board,
        BOUNCE_US,
        lambda: board.chip.stick(pin, next(levels)),
        partial(board.chip.stick, pin, FLOATING),
    )


def stop(level: int) -> Begin:
    """STOP reads this whoever presses it: 1 = pressed."""
    return lambda board, _value: _stick(board, BUTTONS["stop"], level)


def run_req(board: VirtualBoard, level: str) -> Mend:
    """RUN_REQ is high or low whatever the interlock does."""
    return _stick(board, RUN_REQ, 1 if level == "high" else 0)


# -- chip and firmware ------------------------------------------------------------------------------------


def hang(board: VirtualBoard, _value: None) -> Mend:
    """The firmware does nothing any more."""
    board.chip.hang = True
    return partial(setattr, board.chip, "hang", False)


def slow_tick(board: VirtualBoard, ms: float) -> Mend:
    """A tick takes longer."""
    chip = board.chip

    def wrap(tick: Callable[..., None]) -> Callable[..., None]:
        def slow(app: Any, now_us: int) -> None:
            tick(app, now_us)
            chip.sleep_us(round(ms * 1000))

        return slow

    return patch(board, "massager.app", "App", "tick", wrap)


def clock_jump(board: VirtualBoard, seconds: float) -> None:
    """The clock that the firmware reads jumps."""
    board.chip.jump_us(round(seconds * 1e6))


def crash(board: VirtualBoard, _value: None) -> Mend:
    """The next tick raises an exception."""

    def wrap(_tick: Callable[..., None]) -> Callable[..., None]:
        def fail(_app: Any, _now_us: int) -> None:
            raise RuntimeError("injected")

        return fail

    return patch(board, "massager.app", "App", "tick", wrap)


def session_clock(board: VirtualBoard, which: str) -> Mend:
    """No time passes for the session; with "both" none for the safety checks either."""

    def still(tick: Callable[..., None]) -> Callable[..., None]:
        return lambda session, _dt_ms: tick(session, 0)

    def blind(check: Callable[..., None]) -> Callable[..., None]:
        return lambda safety, motor_on, _period_us: check(safety, motor_on, 0)

    mends = [patch(board, "massager.session", "Session", "tick", still)]
    if which == "both":
        mends.append(patch(board, "massager.safety", "Safety", "check", blind))
    return _all(mends)


def tach_pulses(board: VirtualBoard, pulses: float) -> Mend:
    """The tach gives so many pulses a turn."""
    before = board.plant.pulses
    board.plant.set_pulses(round(pulses))
    return lambda: board.plant.set_pulses(before)


def drive_runaway(board: VirtualBoard, duty: float) -> Mend:
    """The drive asks for this duty as soon as it asks for any."""

    def wrap(step: Callable[..., int]) -> Callable[..., int]:
        def far_too_much(*arguments: Any) -> int:
            return round(duty * 65_535) if step(*arguments) else 0

        return far_too_much

    return patch(board, "massager.drive", "Drive", "step", wrap)


def watchdog(board: VirtualBoard, _value: None) -> None:
    """The watchdog runs out."""
    board.reset(WDT_RESET, watchdog_reason=1)


# -- flash ------------------------------------------------------------------------------------------------


def _quietly(flash: Flash, act: Callable[[], object]) -> None:
    """Touch the flash from outside: that takes the firmware no time."""
    mend = put(flash, "on_busy", lambda _us: None)
    try:
        act()
    finally:
        mend()


def flash_full(board: VirtualBoard, _value: None) -> Mend:
    """Files take up every block: what is appended to a file needs a new one."""
    flash = board.flash
    fillers = [FILLER]

    def fill() -> None:
        flash.fill(path=FILLER)
        while flash.statvfs()[3]:
            fillers.append(f"{FILLER}{len(fillers)}")
            flash.write_file(fillers[-1], bytes(BLOCK_BYTES // 2))

    def empty() -> None:
        for path in reversed(fillers):
            flash.remove(path)

    _quietly(flash, fill)
    return partial(_quietly, flash, empty)


def file_changed(board: VirtualBoard, _value: None) -> Mend:
    """A byte of the firmware changes, in a docstring: it runs as before."""
    flash = board.flash
    content = flash.read_file(FIRMWARE_FILE)
    if content is None:
        raise InjectError(f"there is no {FIRMWARE_FILE} on the flash")
    _quietly(flash, partial(flash.write_file, FIRMWARE_FILE, content[:3] + b"?" + content[4:]))
    return partial(_quietly, flash, partial(flash.write_file, FIRMWARE_FILE, content))


def records_corrupt(paths: tuple[str, ...]) -> Begin:
    """A bit flips in each of the records."""
    return lambda board, _value: _flip_bits(board, paths)


def _flip_bits(board: VirtualBoard, paths: tuple[str, ...]) -> None:
    flash = board.flash
    for path in paths:
        content = flash.read_file(path) or b"OK1 1 2 0\n{}"
        middle = len(content) // 2
        broken = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        _quietly(flash, partial(flash.write_file, path, broken))


# -- serial -----------------------------------------------------------------------------------------------


def _wire(board: VirtualBoard, sent: Callable[[bytes], bytes], got: Callable[[bytes], bytes]) -> Mend:
    """Let all bytes of the host, and all of the device, go through functions."""
    usb = board.chip.usb
    feed, take = usb.feed, usb.take
    return _all([put(usb, "feed", lambda data: feed(sent(data))), put(usb, "take", lambda: got(take()))])


def _as_it_is(data: bytes) -> bytes:
    return data


def _nothing(_data: bytes) -> bytes:
    return b""


def cable_out(board: VirtualBoard, _value: None) -> Mend:
    """The USB cable is pulled."""
    return put(board.chip.usb, "connected", False)


def host_silent(board: VirtualBoard, _value: None) -> Mend:
    """What the host sends does not arrive."""
    return _wire(board, _nothing, _as_it_is)


def host_not_reading(board: VirtualBoard, _value: None) -> Mend:
    """What the device writes piles up."""
    usb = board.chip.usb
    return _all([put(usb, "host_reading", False), put(usb, "take", bytes)])


def garbled(board: VirtualBoard, every: float) -> Mend:
    """Of so many bytes one is lost, or has a bit flipped that does not make it a Ctrl-C."""
    return _wire(board, _garbler(round(every)), _garbler(round(every)))


def _garbler(every: int) -> Callable[[bytes], bytes]:
    count = 0

    def garble(data: bytes) -> bytes:
        nonlocal count
        out = bytearray()
        for byte in data:
            count += 1
            turn, rest = divmod(count, every)
            flipped = byte ^ 1 << turn % 4
            if rest:
                out.append(byte)
            elif turn % 3 and flipped != CTRL_C:
                out.append(flipped)
        return bytes(out)

    return garble
