"""Inject: the one table of what can be made to fail on a virtual board, and how to do it.

`begin` and `mend` are all there is, for scenario files, `knead sim --inject` and Python alike. Nothing here
tells the firmware: it has to notice. A real board has no such method.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import failures
from .analog import MUX_DRIVER, MUX_HANDLE, MUX_MOTOR, MUX_PAD
from .failures import ADC_INPUTS, Begin, InjectError, Mend, put
from .rig import BUTTONS
from .virtual import VirtualBoard

__all__ = ["BY_NAME", "TABLE", "InjectError", "Injection", "begin", "find", "injected", "mend", "parse"]

Value = float | str | None

DRIFT_K_S = 1.0
MENDED, RESTART, SAVED = "until mended", "until the next start", "until the settings are saved"
ONCE = "over at once"


@dataclass(frozen=True)
class Injection:
    """One row of the table.

    part: what it fails; a new failure of a part takes the place of the one before; provokes: names of the
    faults, refusals, limiters and reasons that it can lead to; low, high: range of a number in `unit`;
    choices: words that it takes instead; default: what it is without a value (None: a value must be given, if
    it takes any); lasts: until when.
    """

    name: str
    part: str
    meaning: str
    provokes: str
    begin: Begin
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    default: Value = None
    lasts: str = MENDED

    @property
    def takes(self) -> str:
        """The values it takes, in words; empty when it takes none."""
        parts = list(self.choices)
        if self.low is not None:
            parts.append(f"{self.low:g}…{self.high:g} {self.unit}".rstrip())
        default = f" (default {_shown(self.default)})" if self.default is not None else ""
        return ", ".join(parts) + default

    def check(self, value: object) -> Value:
        """The value that counts. Raises InjectError when it is none that this injection takes."""
        if value is None and (self.default is not None or not self.takes):
            return self.default
        if not self.takes:
            raise InjectError(f"{self.name} takes no value")
        if isinstance(value, str) and value in self.choices:
            return value
        if self.low is not None and self.high is not None and _is_number(value):
            number = float(value)  # type: ignore[arg-type]
            if self.low <= number <= self.high:
                return number
        given = "no value" if value is None else repr(value)
        raise InjectError(f"{self.name} takes {self.takes}, not {given}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _thermistor(n: int, name: str) -> tuple[Injection, ...]:
    part = f"{name} thermistor"
    hot, sensor = f"{name}_hot", f"{name}_sensor"
    low = f"{sensor} 40 K below the handle" if name == "motor" else "nothing below the truth"
    return (
        Injection(f"{name}_ntc", part, f"the {name}'s thermistor reads open, short or as at so many °C",
                  f"{sensor}, {hot}, too_hot", failures.ntc(n), "°C", -40, 200, ("open", "short")),
        Injection(f"{name}_ntc_drift", part, f"the {name}'s thermistor drifts by 1 K a second, up to so many",
                  f"{hot}, too_hot; {low}", failures.ntc_off(n, name, DRIFT_K_S), "K", -100, 100),
        Injection(f"{name}_ntc_jump", part, f"the {name}'s thermistor is off by so much, all at once",
                  f"{sensor} (from 10 K on)", failures.ntc_off(n, name, 0.0), "K", -100, 100, default=20.0),
    )  # fmt: skip


TABLE = (
    # motor and driver
    Injection("blocked", "rotor", "the rotor is held still", "stall", failures.plant("blocked")),
    Injection("stall_torque", "shaft", "more braking torque on the shaft", "stall, current",
              failures.plant("extra_nm"), "N m", 0, 1, default=0.2),
    Injection("shorted_fet", "bridge", "full supply on the motor whatever duty and enable say",
              "over_current, runaway; uncommanded_motion with the motor off", failures.plant("shorted_fet")),
    Injection("driver_dead", "driver", "the bridge stays off whatever it is told", "current_sensor, stall",
              failures.plant("driver_dead")),
    Injection("motor_unplugged", "driver", "there is no motor at the driver", "current_sensor, stall",
              failures.plant("driver_dead")),
    Injection("driver_fault", "fault line", "the driver's fault line is low", "driver_fault",
              lambda board, _value: put(board.rig, "nfault_low", True)),
    Injection("tach_cut", "tach", "the tach's wire is cut", "no_rotation, stall",
              lambda board, _value: put(board.rig, "tach_fitted", False)),
    Injection("tach_pulses", "tach magnet", "the tach gives so many pulses a turn", "rate_mismatch, runaway",
              failures.tach_pulses, "", 2, 8, default=2.0),
    Injection("run_req_stuck", "RUN_REQ", "RUN_REQ is shorted to the rail or to ground",
              "interlock_failed, interlock_tripped, selftest", failures.run_req, choices=("high", "low")),
    # sensors
    *_thermistor(MUX_MOTOR, "motor"),
    *_thermistor(MUX_DRIVER, "driver"),
    *_thermistor(MUX_HANDLE, "handle"),
    *_thermistor(MUX_PAD, "pad"),
    Injection("adc_reference", "reference", "half of the rail reads off", "adc_reference (from 5 % on)",
              failures.reference, "%", -100, 100, default=10.0),
    Injection("adc_stuck", "ADC", "an input keeps the code it has now, or all keep that of the supply",
              "adc_reference (temperatures, away from 25 °C); current_sensor (current, with the motor off); "
              "adc_reference or a thermistor's fault (all)",
              failures.adc_stuck, choices=(*ADC_INPUTS, "all"), default="all"),
    Injection("current_drift", "current sense", "so much is added to the voltage of the current sense",
              "over_current, current_sensor", failures.current_drift, "V", -3.3, 3.3),
    Injection("current_short", "current sense", "the current sense is shorted to ground or to the rail",
              "current_sensor (ground), over_current (rail)", failures.current_short,
              choices=("ground", "rail")),
    # supply and surroundings
    Injection("supply_sag", "supply", "voltage of the supply", "battery, battery_critical, battery_low",
              failures.plant("supply_override_v"), "V", 0, 30, default=8.5),
    Injection("supply_high", "supply", "voltage of the supply", "supply_high",
              failures.plant("supply_override_v"), "V", 0, 30, default=16.0),
    Injection("supply_dip", "supply", "the supply is lower by so much while the driver is awake",
              "supply_dip", failures.supply_dip, "V", 0, 13, default=3.0),
    Injection("supply_weak", "cells", "more resistance of the supply: old cells, a loose contact",
              "supply_dip, battery, battery_critical", failures.plant("supply_extra_ohm"), "ohm", 0, 20,
              default=3.0),
    Injection("charge", "charge", "state of charge of the battery", "battery, battery_critical, battery_low",
              failures.plant("soc"), "", 0, 1),
    Injection("ambient", "surroundings", "temperature of the air",
              "motor_hot, driver_hot, handle_hot, pad_hot, too_hot", failures.ambient, "°C", -40, 100),
    Injection("soak", "surroundings", "everything at this temperature, the air as well",
              "motor_hot, driver_hot, handle_hot, pad_hot, too_hot; from 10 K on the sensors' faults",
              failures.soak, "°C", -40, 150),
    # buttons
    Injection("button_stuck", "buttons", "a button reads pressed",
              "button_stuck; stop_button, stop_open (stop)", failures.button_stuck, choices=tuple(BUTTONS)),
    Injection("button_bouncing", "buttons", "a button's contact comes and goes without end",
              "button_stuck; stop_button (stop)", failures.button_bounces, choices=tuple(BUTTONS)),
    Injection("stop_open", "STOP", "STOP's wire is off", "stop_button, stop_pressed, stop_open",
              failures.stop(1)),
    Injection("stop_shorted", "STOP", "STOP's wires touch, pressing it does nothing", "", failures.stop(0)),
    # processor and firmware
    Injection("hang", "processor", "the firmware does nothing any more, interrupts still run",
              "watchdog_reset, if the motor was on since the start", failures.hang, lasts=RESTART),
    Injection("slow_tick", "loop", "a control tick takes so much longer",
              "tick_overrun (above 50 ms), clock_jump (above 900 ms)", failures.slow_tick, "ms", 0, 5000,
              default=60.0, lasts=RESTART),
    Injection("crash", "loop", "an exception in the control loop", "crashed", failures.crash, lasts=RESTART),
    Injection("clock_jump", "clock", "the clock that the firmware reads jumps", "clock_jump, tick_overrun",
              failures.clock_jump, "s", -500, 500, default=2.0, lasts=ONCE),
    Injection("heap_low", "memory", "free memory", "heap_low (below 12000 B)",
              lambda board, value: put(board.chip, "heap_free_bytes", round(value)), "B", 0, 200_000,
              default=8000.0),
    Injection("session_clock_stands", "session", "the session's clock stands, or its supervision's as well",
              "session_overrun; interlock_tripped (both)", failures.session_clock,
              choices=("session", "both"), default="session", lasts=RESTART),
    Injection("drive_runaway", "drive", "the drive asks for this duty whatever it should be",
              "runaway, over_current", failures.drive_runaway, "", 0, 1, default=1.0, lasts=RESTART),
    Injection("watchdog", "processor", "the watchdog runs out now",
              "watchdog_reset, if the motor was on since the start", failures.watchdog, lasts=ONCE),
    Injection("brown_out", "processor", "a dip in the controller's own supply resets it", "",
              lambda board, _value: board.brown_out(), lasts=ONCE),
    # flash
    Injection("flash_failing", "flash", "writing and erasing fail", "flash_failed",
              lambda board, _value: put(board.flash.chip, "failing", True)),
    Injection("flash_full", "space", "no space is left on the flash", "flash_failed", failures.flash_full),
    Injection("firmware_file_changed", "firmware", "a byte of a firmware file is another",
              "firmware_changed, at the next start", failures.file_changed),
    Injection("settings_corrupt", "settings", "both records of the settings are damaged",
              "settings_invalid, at the next start", failures.records_corrupt(failures.SETTINGS_FILES),
              lasts=SAVED),
    Injection("latches_corrupt", "latches", "both records of the latched faults are damaged",
              "latches_lost, at the next start", failures.records_corrupt(failures.LATCHES_FILES),
              lasts=ONCE),
    # serial
    Injection("serial_dropped", "serial", "the USB cable is out", "host_lost", failures.cable_out),
    Injection("serial_garbled", "serial", "of so many bytes one is lost or has a bit flipped, both ways",
              "host_lost, if nothing whole gets through", failures.garbled, "bytes", 2, 10_000,
              default=100.0),
    Injection("host_silent", "serial", "nothing comes from the host", "host_lost", failures.host_silent),
    Injection("host_not_reading", "serial", "the host reads nothing", "", failures.host_not_reading),
)  # fmt: skip

BY_NAME: Mapping[str, Injection] = {row.name: row for row in TABLE}
SERIAL = frozenset(row.name for row in TABLE if row.part == "serial")


def find(name: str) -> Injection:
    """A row of the table. Raises InjectError that lists those there are."""
    if name not in BY_NAME:
        raise InjectError(f"there is no injection {name!r}; there are {', '.join(BY_NAME)}")
    return BY_NAME[name]


def begin(board: VirtualBoard, name: str, value: Value = None) -> None:
    """Let something fail from now on, in place of what fails of the same part.

    Raises InjectError for an unknown name, an impossible value, or firmware to be changed where none runs.
    """
    row = find(name)
    value = row.check(value)
    for other in injected(board):
        if BY_NAME[other].part == row.part:
            mend(board, other)
    undo = row.begin(board, value)
    if undo is not None:
        _lasting(board)[name] = undo, board.boots


def mend(board: VirtualBoard, name: str) -> bool:
    """End it; whether there was something to end. Raises InjectError for an unknown name."""
    find(name)
    undo, _boots = _lasting(board).pop(name, (None, 0))
    if undo is None:
        return False
    undo()
    return True


def injected(board: VirtualBoard) -> list[str]:
    """Names of what fails now, as far as it was put in by `begin` and can be mended."""
    return [
        name
        for name, (_undo, boots) in _lasting(board).items()
        if BY_NAME[name].lasts == MENDED or boots == board.boots
    ]


def parse(text: str) -> tuple[str, Value]:
    """Name and value of NAME or NAME=VALUE, checked. Raises InjectError."""
    name, equals, given = text.partition("=")
    row = find(name)
    if not equals:
        return name, row.check(None)
    try:
        return name, row.check(float(given))
    except ValueError:
        return name, row.check(given)


def _lasting(board: VirtualBoard) -> dict[str, tuple[Mend, int]]:
    """What fails: it is kept with the board, and goes with it."""
    lasting: dict[str, tuple[Mend, int]] = vars(board).setdefault("_injected", {})
    return lasting
