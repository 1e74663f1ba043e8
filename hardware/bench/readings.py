"""Readings to expect on the bench, calculated from the design and the parameters. Nothing here was measured.

A reading has its least and most: the tolerances of the parts and of an ordinary meter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hardware.bench.network import Network, ohm
from hardware.budgets.rows import motor_current, supply_current
from hardware.params.load import Parameters

BUILDS = ("breadboard", "board")
METER = 0.01  # of the reading
RESISTOR = 0.01
SUPPLY_V = 12.0  # what the bench supply is set to
LIMITS_A = {"bare": 0.10, "free": 1.0, "loaded": 3.0}  # current limit of the bench supply, step by step
LEVELS = (1, 3, 6, 11)
CORNERS = ("motor.no_load_a", "motor.k_vs", "motor.r_ohm", "bridge.bridge_ohm")
V5 = (4.8, 5.2)  # regulator, ±4 % (data sheet, recalled)
DIODE_V = (0.15, 0.45)  # 1N5817 at some 30 mA, warm to cold (data sheet, recalled)
PULSE_K = (0.48, 0.55)  # of the 74HC123: K between its values at 2 V and 5 V
FILM = 0.10  # tolerance of the timing capacitor


@dataclass(frozen=True)
class Reading:
    """where: what is measured; builds: those that have it."""

    where: str
    low: float
    typical: float
    high: float
    unit: str
    note: str = ""
    builds: tuple[str, ...] = BUILDS

    @property
    def span(self) -> str:
        """Least to most, rounded outwards enough to read off a meter."""
        if self.typical == 0 and self.high < 1 and self.unit == "Ω":
            return "< 1 Ω"
        if math.isinf(self.typical):
            return "> 1 MΩ"
        scale, unit = (1e3, "kΩ") if self.unit == "Ω" and self.typical >= 1000 else (1.0, self.unit)
        return f"{self.low / scale:.3g}…{self.high / scale:.3g} {unit}"


# net, net, what it is
OHMS = (
    ("VIN", "VFUSED", "the fuse"),
    ("VFUSED", "VM", "e-stop not plugged in"),
    ("VM", "GND", "divider; it rises while C1 charges from the meter"),
    ("VM", "V_BAT", "upper half of the divider"),
    ("V_BAT", "GND", "lower half"),
    ("+3V3", "GND", "half-rail divider"),
    ("REF_HALF", "GND", "its lower half"),
    ("DRV_NSLEEP", "GND", "pull-down: driver asleep"),
    ("DRV_EN", "GND", "pull-down: motor braked"),
    ("RUN_REQ", "GND", "pull-down"),
    ("MOT_PWM", "GND", "pull-down"),
    ("MOT_PH", "GND", "pull-down"),
    ("WD_KICK", "GND", "pull-down"),
    ("BUZZER", "GND", "pull-down"),
    ("+3V3", "NFAULT", "pull-up of the fault line"),
    ("+3V3", "STOP_SW", "pull-up: an open STOP reads as pressed"),
    ("CS", "I_SENSE", "filter of the current sense"),
    ("+3V3", "NTC_MOTOR", "pull-up; NTC not plugged in"),
    ("+3V3", "NTC_DRIVER", "the same"),
    ("+3V3", "NTC_HANDLE", "the same"),
    ("+3V3", "NTC_PAD", "the same"),
    ("+3V3", "TACH_A_SW", "pull-up of the hall switch"),
    ("LED_R", "LED_R_A", "red"),
    ("LED_G", "LED_G_A", "green"),
    ("LED_B", "LED_B_A", "blue"),
    ("+3V3", "LOOP_FEED", "feed of the trip loop"),
    ("LOOP_FEED", "TRIP_OK", "loop not plugged in: only through 3.3 V and ground"),
    ("TRIP_OK", "GND", "two pull-downs: an open loop reads low"),
    ("+3V3", "REARM_FEED", "feed of the re-arm button"),
    ("REARM_CLK", "GND", "pull-down: no edge without the button"),
    ("+3V3", "NRUN", "collector of Q1"),
    ("POR_N", "GND", "cleared without the supervisor"),
    ("WD_RC_A", "+3V3", "timing of one-shot A"),
    ("WD_RC_B", "+3V3", "timing of one-shot B"),
)


def ohms(parts: Iterable[Any], build: str) -> list[Reading]:
    """Resistances of a build with its passive parts and sockets only, nothing plugged in."""
    network = Network(list(parts), build)
    found = []
    for one, two, note in OHMS:
        if one in network.nets and two in network.nets:
            r = network.resistance(one, two)
            spread = RESISTOR + METER
            high = r * (1 + spread) if r else 0.5
            found.append(Reading(f"{one} – {two}", r * (1 - spread), r, high, "Ω", note, (build,)))
    return found


def volts(parts: Iterable[Any], build: str, p: Parameters) -> list[Reading]:
    """Voltages with everything plugged in but the motor, 12 V at the input, nothing running."""
    parts = list(parts)
    rail = p.quantity("stage.vref_v")
    diode = sum(DIODE_V) / 2
    found = [
        Reading("VFUSED, VM", SUPPLY_V * 0.98, SUPPLY_V, SUPPLY_V * 1.02, "V", "as set; e-stop released"),
        Reading("V5", V5[0], sum(V5) / 2, V5[1], "V", "regulator"),
        Reading("VSYS", V5[0] - DIODE_V[1], sum(V5) / 2 - diode, V5[1] - DIODE_V[0], "V", "a Schottky lower"),
        Reading("+3V3", rail.low, rail.value, rail.high, "V", "made by the Pico"),
    ]
    base = Network(parts, build)
    fixed = {"+3V3": rail.value, "GND": 0.0, "VM": SUPPLY_V}
    found.append(_divider(base, "V_BAT", fixed, SUPPLY_V, "supply divider"))
    found.append(_divider(base, "REF_HALF", fixed, rail.value, "half of 3.3 V"))
    found.append(Reading("STOP_SW", 0.0, 0.0, 0.1, "V", "STOP closed"))
    found.append(Reading("STOP_SW", rail.low, rail.value, rail.high, "V", "STOP pressed, or unplugged"))
    for name in ("RUN_REQ", "DRV_NSLEEP", "DRV_EN", "MOT_PWM", "MOT_PH"):
        found.append(Reading(name, 0.0, 0.0, 0.1, "V", "idle"))
    found.append(Reading("NFAULT", 0.95 * rail.low, rail.value, rail.high, "V", "driver content"))
    found.append(Reading("I_SENSE", 0.0, 0.0, 0.05, "V", "no current"))
    if "TRIP_OK" in base.nets:
        loop = Network(parts, build, closed=[("LOOP_FEED", "TRIP_OK")])
        found.append(_divider(loop, "TRIP_OK", fixed, rail.value, "loop closed"))
        found.append(Reading("TRIP_OK", 0.0, 0.0, 0.1, "V", "loop open"))
        pressed = Network(parts, build, closed=[("REARM_FEED", "REARM_CLK")])
        found.append(_divider(pressed, "REARM_CLK", fixed, rail.value, "re-arm held"))
        found.append(Reading("REARM_CLK", 0.0, 0.0, 0.1, "V", "re-arm not pressed"))
        found.append(Reading("POR_N", 0.95 * rail.low, rail.value, rail.high, "V", "supervisor content"))
    return found


def _divider(network: Network, net: str, fixed: dict[str, float], source: float, note: str) -> Reading:
    """A divided voltage: its resistors, its source by 2 %, and the meter."""
    v = network.voltage(net, fixed)
    spread = 2 * RESISTOR * (1 - v / source) + 0.02 + METER
    return Reading(net, v * (1 - spread), v, v * (1 + spread), "V", note)


def thermistors(p: Parameters) -> list[tuple[float, Reading, Reading]]:
    """(°C, the thermistor's resistance unplugged, voltage at its net) of a 1 % thermistor."""
    rail, pull = p["stage.vref_v"], p["sense.ntc_pullup_ohm"]
    found = []
    for celsius in (15.0, 20.0, 25.0, 30.0, 40.0):
        r = 10e3 * math.exp(p["sense.ntc_beta_k"] * (1 / (celsius + 273.15) - 1 / 298.15))
        low, high = r * (1 - 0.01 - METER), r * (1 + 0.01 + METER)
        v_low, v_high = ((rail * x / (x + pull)) for x in (low, high))
        where = f"{celsius:g} °C"
        ohms_ = Reading(where, low, r, high, "Ω")
        found.append(
            (celsius, ohms_, Reading(where, 0.98 * v_low, rail * r / (r + pull), 1.02 * v_high, "V"))
        )
    return found


def free_running(p: Parameters) -> list[tuple[int, int, Reading, Reading]]:
    """(level, opm, motor current, supply current) of the motor alone on 12 V, from specimen to specimen."""
    found = []
    for level in LEVELS:
        opm = 1000 + 270 * (level - 1)
        speed = opm * math.tau / 60
        motor, supply = [], []
        for corner in [p, *_corners(p)]:
            current = motor_current(corner, 0.0, speed)
            motor.append(current)
            supply.append(supply_current(corner, current, speed, SUPPLY_V))
        found.append((level, opm, _range("motor", motor), _range("supply", supply)))
    return found


def _corners(p: Parameters) -> Iterator[Parameters]:
    ends = [(p.quantity(name).low, p.quantity(name).high) for name in CORNERS]
    for values in itertools.product(*ends):
        yield p.changed(dict(zip(CORNERS, values, strict=True)))


def _range(where: str, values: list[float]) -> Reading:
    return Reading(where, min(values), values[0], max(values), "A")


def winding(p: Parameters) -> Reading:
    """The motor's winding between its terminals, leads shorted off."""
    r = p.quantity("motor.r_ohm")
    return Reading(
        "motor", r.low * 0.98, r.value, r.high * 1.2, "Ω", "brushes read high: turn it, take the least"
    )


def coasting(p: Parameters, level: int) -> Reading:
    """Time of coasting to standstill from a level, by the friction of the motor alone."""
    speed = (1000 + 270 * (level - 1)) * math.tau / 60
    inertia = p["motor.j_kgm2"] + 0.5 * p["load.pad_kg"] * p["load.stroke_m"] ** 2
    friction = p.quantity("motor.no_load_a")
    low, value, high = (
        speed * inertia / (p["motor.k_vs"] * a) for a in (friction.high, friction.value, friction.low)
    )
    return Reading(f"level {level}", low, value, high, "s")


def one_shot(parts: Iterable[Any]) -> Reading:
    """The hardware one-shots' time, from R20 and C20."""
    values = {part.ref: part.value for part in parts}
    r, c = ohm(values["R20"]), float(values["C20"].partition("n")[0]) * 1e-9
    low, high = (
        k * r * (1 + s * RESISTOR) * c * (1 + s * FILM) * 1e3 for k, s in zip(PULSE_K, (-1, 1), strict=True)
    )
    return Reading("one-shot", low, 0.5 * r * c * 1e3, high, "ms", "", ("board",))


def current_limits(p: Parameters) -> dict[str, tuple[float, float]]:
    """Step → (limit of the bench supply, most that is expected), A."""
    bare = 2 * p["supply.electronics_a"]  # twice, because the figure is an assumption
    free = max(reading.high for *_, reading in free_running(p))
    loaded = supply_current(
        p, p["firmware.current_limit_a"], p["firmware.rate_max_opm"] * math.tau / 60, SUPPLY_V
    )
    return {
        "bare": (LIMITS_A["bare"], bare),
        "free": (LIMITS_A["free"], free),
        "loaded": (LIMITS_A["loaded"], loaded),
    }
