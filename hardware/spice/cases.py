"""What the drive stage is put through, in the circuit and in the simulator's plant, and what is compared.

The plant gets the same constants, supply and duty; it averages over the PWM period, has no bulk capacitor,
and lets a sleeping driver's current end at once. So it is held against the circuit in speeds and mean
currents (2 %) and decay times (10 %); peaks, ripple and the bus are the circuit's alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from openknead_sim.plant import Hand, Params, Plant

from hardware.params.load import Parameters
from hardware.spice.circuit import Run

MEAN, DECAY = 0.02, 0.10  # how near the plant has to be
FROM_RAD_S, TO_RAD_S = 320.0, 157.0  # of the decays of speed
OFF_S = 0.005  # when a driven motor is let go
HOT_WINDING_C = 120.0
FOREVER_S = 2.0

Answers = dict[str, float]


@dataclass(frozen=True)
class Case:
    """One thing to do: a circuit's run, the plant's answers to the same, the tolerance of each answer."""

    name: str
    run: Run
    plant: Callable[[], Answers]
    tolerance: Mapping[str, float]


@dataclass(frozen=True)
class Corner:
    """A set of constants and a supply voltage: one specimen on one day."""

    name: str
    meaning: str
    parameters: Parameters
    volts: float


def corners(p: Parameters) -> list[Corner]:
    """The reference, and the ends of tolerances and battery."""
    motor = ("motor.r_ohm", "motor.k_vs", "motor.l_h", "motor.j_kgm2", "motor.no_load_a")
    low = {name: p.quantity(name).low for name in motor}
    high = {name: p.quantity(name).high for name in motor}
    hot = 1 + p["heat.copper_per_k"] * (HOT_WINDING_C - 25)
    source = {"supply.battery_ohm": p.quantity("supply.battery_ohm").high}
    stiff = {"supply.battery_ohm": p.quantity("supply.battery_ohm").low}
    worn = {
        "stage.bulk_f": p.quantity("stage.bulk_f").low,
        "stage.bulk_esr_ohm": p.quantity("stage.bulk_esr_ohm").high,
    }
    warm = {"bridge.bridge_ohm": p.quantity("bridge.bridge_ohm").high}
    cells = p["supply.cells"]
    full, empty = cells * p["stage.cell_full_v"], cells * p["stage.cell_empty_v"]
    rows = [
        ("reference", "nominal, 3.7 V a cell", {}, cells * 3.7),
        ("full", "full cells, stiff source", stiff, full),
        ("empty", "empty cells, soft source", source, empty),
        ("strong motor", "R, k, L, J, I0 at their lows, full cells", low | stiff, full),
        ("weak motor", "R, k, L, J, I0 at their highs, empty cells", high | source, empty),
        (
            "hot",
            f"winding at {HOT_WINDING_C:g} °C, bridge hot",
            {"motor.r_ohm": p["motor.r_ohm"] * hot} | warm,
            cells * 3.7,
        ),
        ("old capacitor", "bulk capacitor small and resistive, soft source", worn | source, full),
    ]
    return [Corner(name, meaning, settled(p.changed(change)), volts) for name, meaning, change, volts in rows]


def settled(p: Parameters) -> Parameters:
    """With the current regulation's mean that follows from the other constants (see `mean_limit`)."""
    return p.changed({"bridge.bridge_limit_a": mean_limit(p)})


def mean_limit(p: Parameters) -> float:
    """Mean current of a blocked rotor under regulation, A: the trip less half of an off-time's ripple."""
    trip = p["stage.vref_v"] / p["sense.isense_v_per_a"]
    falls = (p["motor.r_ohm"] + p["bridge.bridge_ohm"]) / p["motor.l_h"] * p["stage.off_s"]
    return trip * (1 - 0.5 * falls)


def cases(corner: Corner) -> list[Case]:
    """All cases at a corner."""
    steady = [("level 1", 1000, 0.5), ("moderate", 3056, 0.5), ("heavy", 3056, 1.0), ("level 11", 3700, 0.5)]
    found = [_steady(corner, name, opm, pressure) for name, opm, pressure in steady]
    return [*found, _stall(corner, 0.3), _stall(corner, 0.98), _start(corner), *_stops(corner)]


def aimed_duty(corner: Corner, rate_opm: float, pressure: float) -> tuple[float, float, float]:
    """Duty at which a motor would run at about that rate, its speed in rad/s and current in A, by hand."""
    p = corner.parameters
    w, k = rate_opm * math.tau / 60, p["motor.k_vs"]
    b = p["load.air_nms"] + pressure * p["load.tissue_nms"]
    i = p["motor.no_load_a"] + b * w / k
    volts = k * w + i * (p["motor.r_ohm"] + p["bridge.bridge_ohm"])
    duty = min(volts / (corner.volts - p["supply.battery_ohm"] * i), 0.97)
    lost = p["bridge.bridge_dead_duty"]
    r = p["motor.r_ohm"] + p["bridge.bridge_ohm"] + (duty - lost) ** 2 * p["supply.battery_ohm"]
    u = (duty - lost) * (corner.volts - p["supply.battery_ohm"] * p["supply.electronics_a"])
    speed = (u - r * p["motor.no_load_a"]) / (k + r * b / k)
    return duty, speed, p["motor.no_load_a"] + b * speed / k


def _steady(corner: Corner, name: str, rate_opm: float, pressure: float) -> Case:
    duty, speed, current = aimed_duty(corner, rate_opm, pressure)
    pad = math.tau / speed  # whole turns, whatever the pulsation does
    settle, length = 0.05, max(2, round(0.04 / pad)) * pad
    end, half = settle + length, settle + length / 2
    window = f"from={settle:g} to={end:g}"
    last = f"from={end - 3e-3:g} to={end:g}"
    measures = {
        "speed_rad_s": f"avg v(w) {window}",
        "current_a": f"avg i(vm) {window}",
        "supply_a": f"avg i(vocv) {window}",
        "before_rad_s": f"avg v(w) from={settle:g} to={half:g}",
        "after_rad_s": f"avg v(w) from={half:g} to={end:g}",
        "peak_a": f"max i(vm) {window}",
        "crest_a": f"max i(vm) {last}",
        "trough_a": f"min i(vm) {last}",
        "bus_low_v": f"min v(bus) {window}",
        "bus_high_v": f"max v(bus) {window}",
    }
    run = Run(end, measures, corner.volts, duty, pressure, speed_rad_s=speed, current_a=current)

    def answer() -> Answers:
        plant = _plant(corner, pressure)
        plant.set_drive(duty, True)
        _advance(plant, 3.0)
        angle, charge, drawn = plant.theta_rad, 0.0, 0.0
        for _ in range(100):
            plant.advance(10_000)
            charge += plant.current_avg_a * 0.01
            drawn += (corner.volts - plant.supply_v) / corner.parameters["supply.battery_ohm"] * 0.01
        return {"speed_rad_s": plant.theta_rad - angle, "current_a": charge, "supply_a": drawn}

    return Case(name, run, answer, {"speed_rad_s": MEAN, "current_a": MEAN, "supply_a": MEAN})


def _stall(corner: Corner, duty: float) -> Case:
    window = "from=0.006 to=0.01"
    measures = {
        "current_a": f"avg i(vm) {window}",
        "supply_a": f"avg i(vocv) {window}",
        "peak_a": "max i(vm) from=0 to=0.01",
        "bus_low_v": f"min v(bus) {window}",
    }
    run = Run(0.01, measures, corner.volts, duty, blocked=True, regulated=duty > 0.5)

    def answer() -> Answers:
        plant = _plant(corner, 0.0)
        plant.blocked = True
        plant.set_drive(duty, True)
        _advance(plant, 0.1)
        drawn = (corner.volts - plant.supply_v) / corner.parameters["supply.battery_ohm"]
        return {"current_a": plant.current_avg_a, "supply_a": drawn}

    return Case(f"stall at duty {duty:g}", run, answer, {"current_a": MEAN, "supply_a": MEAN})


def _start(corner: Corner) -> Case:
    measures = {
        "speed_rad_s": "avg v(w) from=0.0395 to=0.0405",
        "current_a": "avg i(vm) from=0.01 to=0.04",
        "peak_a": "max i(vm) from=0 to=0.0405",
        "bus_low_v": "min v(bus) from=0.01 to=0.0405",
    }
    run = Run(0.0405, measures, corner.volts, 0.98, 0.5, regulated=True)

    def answer() -> Answers:
        plant = _plant(corner, 0.5, turn=0.125)
        plant.set_drive(0.98, True)
        _advance(plant, 0.01)
        charge = 0.0
        for _ in range(3):
            plant.advance(10_000)
            charge += plant.current_avg_a * 0.01
        return {"speed_rad_s": plant.omega_rad_s, "current_a": charge / 0.03}

    return Case("hard start", run, answer, {"speed_rad_s": MEAN, "current_a": MEAN})


def _stops(corner: Corner) -> list[Case]:
    duty, speed, current = aimed_duty(corner, 3200, 0.5)
    off_s = OFF_S + 0.5 * duty / corner.parameters["stage.pwm_hz"]  # mid-pulse: the ripple is at its mean
    fall = f"td={off_s:g} targ v(w) val={TO_RAD_S:g} fall=1 td={off_s:g}"
    begin = f"trig v(w) val={FROM_RAD_S:g} fall=last {fall}"
    driven = Run(0.3, {}, corner.volts, duty, 0.5, speed_rad_s=speed, current_a=current, off_s=off_s)
    found = []
    for name, coast in (("brake", False), ("coast", True)):
        measures = {
            "speed_s": begin,
            "current_s": f"trig at={off_s:.8g} targ i(vm) val={0.02 if coast else 0:g} fall=1 td={off_s:.8g}",
            "reverse_a": f"min i(vm) from={off_s:g} to=0.05",
            "bus_high_v": f"max v(bus) from={off_s:g} to=0.05",
        }
        run = replace(driven, measures=measures, coast=coast, step_s=1e-5)

        def answer(coast: bool = coast) -> Answers:
            return _decay(corner, duty, coast)

        tolerance = {"speed_s": DECAY} if coast else {"speed_s": DECAY, "current_s": DECAY}
        found.append(Case(name, run, answer, tolerance))
    return found


def _decay(corner: Corner, duty: float, coast: bool) -> Answers:
    plant = _plant(corner, 0.5)
    plant.set_drive(duty, True)
    _advance(plant, 3.0)
    begun = plant.t_us
    plant.set_drive(0.0, not coast)
    found: Answers = {}
    faster = begun
    while plant.omega_rad_s > TO_RAD_S and plant.t_us - begun < FOREVER_S * 1e6:
        plant.advance(10)
        if plant.current_a <= 0.0:
            found.setdefault("current_s", (plant.t_us - begun) * 1e-6)
        if plant.omega_rad_s > FROM_RAD_S:
            faster = plant.t_us
    return found | {"speed_s": (plant.t_us - faster) * 1e-6}


def supply_cases(corner: Corner) -> list[Case]:
    """What only the circuit knows: plugging in, and the supply opened at stall current."""
    p = corner.parameters
    plug = Run(
        0.003,
        {"peak_a": "min i(vocv) from=0 to=0.003", "bus_high_v": "max v(bus) from=0 to=0.003"},
        corner.volts,
        charged=False,
        step_s=2e-7,
    )
    i = p["bridge.bridge_limit_a"]
    opened = {
        "peak_a": "max i(vm) from=0.004 to=0.02",
        "bus_high_v": "max v(bus) from=0.004 to=0.02",
        "lockout_s": f"trig at=0.004 targ v(bus) val={p['bridge.bridge_uvlo_v']:g} fall=1 td=0.004",
    }
    stalled = Run(0.02, opened, corner.volts, 0.98, current_a=i, blocked=True, regulated=True, open_s=0.004)
    cut = {
        "bus_high_v": "max v(bus) from=0.004 to=0.006",
        "current_s": "trig at=0.004 targ i(vm) val=0.02 fall=1 td=0.004",
    }
    # Supply and driver go at once, as the emergency stop's two poles do: the coil empties into the bus.
    both = Run(
        0.006, cut, corner.volts, 0.55, current_a=i, blocked=True, off_s=0.004, coast=True, open_s=0.004
    )
    return [
        Case("plugged in", plug, dict, {}),
        Case("supply opened at stall", stalled, dict, {}),
        Case("supply opened, driver asleep", both, dict, {}),
    ]


def bare(corner: Corner) -> Corner:
    """The same with the bulk capacitor's wire off: 10 µF of ceramics at the driver are left."""
    changes = {"stage.bulk_f": 1e-5, "stage.bulk_esr_ohm": 0.01}
    return replace(corner, name="no bulk capacitor", parameters=corner.parameters.changed(changes))


def _plant(corner: Corner, pressure: float, turn: float = 0.0) -> Plant:
    constants = corner.parameters.plant()
    plant = Plant(Params(**constants | {"cells": int(constants["cells"]), "copper_per_k": 0.0}))
    if turn:
        plant._phi = plant._phase(
            turn * math.tau
        )  # as the circuit begins: where the pulsation is at its mean
    plant.supply_override_v = corner.volts
    plant.hand = Hand(pressure)
    return plant


def _advance(plant: Plant, seconds: float) -> None:
    for _ in range(round(seconds * 100)):
        plant.advance(10_000)
