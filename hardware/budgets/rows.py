"""The budgets: each a worst case against its limit.

A row holds when its value is at most (or at least) its limit; rows without a limit are for information.
Limits that are ratings of parts come from the parts list, so that another part is another budget.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from openknead import vibration

from hardware.budgets.heat import LONG_S, at, warm
from hardware.params.load import Parameters

AT_MOST, AT_LEAST, INFO = "≤", "≥", ""
SESSION_S = 900.0
COPPER_K = 115.0  # A·√s/mm², PVC-insulated copper in a short circuit (IEC 60364-5-54)
MELTING_SHARE = 0.3  # of the fuse's melting I²t that a pulse may have, which comes thousands of times
MODERATE, HEAVY = 0.5, 1.0  # pressures of the load
LOAD_RAD_S = 320.0

Ratings = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """value and limit in `unit`; sense: AT_MOST, AT_LEAST or INFO; basis: where the two come from."""

    group: str
    name: str
    value: float
    unit: str
    sense: str = INFO
    limit: float = math.nan
    basis: str = ""

    @property
    def margin(self) -> float:
        """What is left of the limit, as a part of it; negative when it is broken, NaN without one."""
        if self.sense == INFO:
            return math.nan
        return (self.limit - self.value) / self.limit * (1 if self.sense == AT_MOST else -1)

    @property
    def holds(self) -> bool:
        """Whether it does; rows for information always do."""
        return self.sense == INFO or self.margin >= 0.0


def budgets(p: Parameters, ratings: Ratings) -> list[Row]:
    """All rows. ratings: of the parts list, such as fuse_a. KeyError when one is missing."""
    groups = (_currents, _heat, _runtime, _fuse, _abuse, _balance)
    return [row for group in groups for row in group(p, ratings)]


def motor_current(p: Parameters, pressure: float, speed_rad_s: float) -> float:
    """Mean motor current in A under a hand's pressure."""
    b = p["load.air_nms"] + pressure * p["load.tissue_nms"]
    return p["motor.no_load_a"] + b * speed_rad_s / p["motor.k_vs"]


def supply_current(p: Parameters, current_a: float, speed_rad_s: float, volts: float) -> float:
    """Mean supply current in A: the bridge passes on the duty's share of the motor's."""
    needed = p["motor.k_vs"] * speed_rad_s + current_a * (p["motor.r_ohm"] + p["bridge.bridge_ohm"])
    return current_a * min(1.0, needed / volts) + p["supply.electronics_a"]


def _top(p: Parameters) -> float:
    return p["firmware.rate_max_opm"] * math.tau / 60


def _most_drawn(p: Parameters) -> float:
    empty = p["supply.cells"] * p["stage.cell_empty_v"]
    return supply_current(p, p["firmware.current_limit_max_a"], _top(p), empty)


# fmt: off
def _currents(p: Parameters, ratings: Ratings) -> Iterator[Row]:
    group = "Current"
    nominal = p["supply.cells"] * 3.7
    for name, pressure in (("moderate", MODERATE), ("heavy", HEAVY)):
        current = motor_current(p, pressure, LOAD_RAD_S)
        drawn = supply_current(p, current, LOAD_RAD_S, nominal)
        yield Row(group, f"motor, {name} hand, {LOAD_RAD_S:g} rad/s", current, "A", basis="calculation")
        yield Row(group, f"supply, {name} hand", drawn, "A", basis="calculation")
    yield Row(group, "motor, heavy hand, level 11", motor_current(p, HEAVY, _top(p)), "A", AT_MOST,
              p["firmware.current_limit_a"], "calculation; the firmware's default limit")
    yield Row(group, "motor at the firmware's default limit", p["firmware.current_limit_a"], "A", AT_MOST,
              ratings["driver_a"], "design; driver carrier, continuous")
    yield Row(group, "motor at the bridge's own limit", p.quantity("bridge.bridge_limit_a").high, "A",
              AT_MOST, ratings["driver_peak_a"],
              "calculation, mirror at its worst; driver's over-current protection")
    most = _most_drawn(p)
    basis = "calculation: highest limit that can be set, level 11, empty cells"
    yield Row(group, "supply, most for long", most, "A", AT_MOST, p["cell.discharge_a"], f"{basis}; cell")
    yield Row(group, "supply, most for long", most, "A", AT_MOST, ratings["adapter_a"], f"{basis}; adapter")
    yield Row(group, "supply, most for long", most, "A", AT_MOST, ratings["estop_a"],
              f"{basis}; emergency stop's contact, DC")
    yield Row(group, "supply, most for long", most, "A", AT_MOST, ratings["connector_a"], f"{basis}; plugs")


def _heat(p: Parameters, ratings: Ratings) -> Iterator[Row]:
    group, air = "Heat", p["body.ambient_c"]
    limits = {
        "winding": p["body.winding_max_c"],
        "case": p["body.case_max_c"],
        "driver": p["body.driver_max_c"],
        "handle": p["body.handle_max_c"],
    }
    current = motor_current(p, HEAVY, LOAD_RAD_S)
    session = warm(p, at(air), current, LOAD_RAD_S, air, SESSION_S)
    for part, limit in limits.items():
        yield Row(group, f"{part}, heavy hand, 15 min from {air:g} °C", getattr(session, part), "°C", AT_MOST,
                  limit, "calculation; limits of the parameter file")
    hottest = warm(p, at(air), p["firmware.current_limit_max_a"], LOAD_RAD_S, air, SESSION_S)
    yield Row(group, "driver at the highest limit that can be set, 15 min", hottest.driver, "°C", AT_MOST,
              p["body.driver_max_c"], "calculation, bridge at its hot resistance")
    gentle = warm(p, at(air), motor_current(p, MODERATE, LOAD_RAD_S), LOAD_RAD_S, air, LONG_S)
    yield Row(group, "winding, moderate hand, for ever", gentle.winding, "°C", AT_MOST,
              p["body.winding_max_c"], "calculation, session after session without a rest")
    yield Row(group, "handle, moderate hand, for ever", gentle.handle, "°C", AT_MOST, p["body.handle_max_c"],
              "calculation, session after session without a rest")
    steady = warm(p, at(air), current, LOAD_RAD_S, air, LONG_S)
    told = "calculation, no firmware: it takes the level down at 43 °C of the handle, 80 °C of the motor"
    yield Row(group, "handle, heavy hand, for ever", steady.handle, "°C", AT_MOST,
              ratings["thermostat_c"] + p["protection.thermostat_tol_k"],
              f"{told}; thermostat in the trip loop")
    hot = p["body.hot_ambient_c"]
    opens = ratings["cutoff_c"] + p["protection.cutoff_tol_k"]
    late = warm(p, at(hot), current, LOAD_RAD_S, hot, LONG_S, opens)
    yield Row(group, f"winding when the cut-off opens, heavy hand, {hot:g} °C", late.winding, "°C", AT_MOST,
              p["body.winding_max_c"], "calculation, no firmware; cut-off at its highest")
    stalled = p.quantity("bridge.bridge_limit_a").high
    rise = stalled**2 * p["motor.r_ohm"] * 1.3 / p["heat.winding_j_k"] * p["protection.stall_cut_s"]
    yield Row(group, "winding's rise in a stall until it is cut", rise, "K", AT_MOST, 10.0,
              "calculation, nothing flows off; design")
    lost = warm(p, at(air), stalled, 0.0, air, LONG_S, opens)
    yield Row(group, "stall that nothing detects: winding when the cut-off opens", lost.winding, "°C",
              basis="calculation: two faults at once; the winding is lost")
    yield Row(group, "stall that nothing detects: cut-off opens after", lost.t_s, "s", AT_MOST,
              p["protection.cap_s"], "calculation; interlock's cap on a session")


def _runtime(p: Parameters, ratings: Ratings) -> Iterator[Row]:
    worn = p.quantity("supply.cell_ah").low
    for name, pressure in (("moderate", MODERATE), ("heavy", HEAVY)):
        drawn = supply_current(p, motor_current(p, pressure, LOAD_RAD_S), LOAD_RAD_S, p["supply.cells"] * 3.7)
        yield Row("Runtime", f"{name} hand, worn cells", worn / drawn, "h", AT_LEAST, p["body.runtime_min_h"],
                  "calculation; design")


def _fuse(p: Parameters, ratings: Ratings) -> Iterator[Row]:
    group, rated, volts = "Fuse, wires, traces", ratings["fuse_a"], p["supply.cells"] * p["stage.cell_full_v"]
    carries = rated * p["protection.fuse_carry"] * p["protection.fuse_derating"]
    yield Row(group, "fuse carries the most for long", _most_drawn(p), "A", AT_MOST, carries,
              "calculation; rating × 100 h factor × derating at 60 °C")
    bypass = (
        p["supply.cells"]
        * 3.7
        / (p.quantity("motor.r_ohm").high + p["bridge.bridge_ohm"] / 2 + p["supply.battery_ohm"])
    )
    opens = rated * p["protection.fuse_open"]
    yield Row(group, "fuse opens: blocked rotor, shorted bridge, high winding", bypass, "A", AT_LEAST, opens,
              "calculation, least current; opens within 10 min, the cut-off on the can is faster")
    r = p["cell.short_ohm"] + p.quantity("stage.bulk_esr_ohm").low
    inrush = 0.5 * p.quantity("stage.bulk_f").high * volts**2 / r
    # Time-current curves of one series scale with the square of the rating.
    melts = p["protection.fuse_i2t"] * (rated / 3.0) ** 2
    yield Row(group, "fuse survives plugging in", inrush, "A²s", AT_MOST, MELTING_SHARE * melts,
              "calculation, ½CV²/R; 30 % of the melting I²t")
    short = volts / p["cell.short_ohm"]
    yield Row(group, "fuse breaks a shorted pack", short, "A", AT_MOST, ratings["fuse_breaks_a"],
              "calculation; data sheet (recalled)")
    yield Row(group, "fuse's voltage", 4 * p["stage.cell_full_v"], "V", AT_MOST, ratings["fuse_v"],
              "design: a pack of four by mistake; data sheet")
    yield Row(group, "wire carries what the fuse may not break", opens, "A", AT_MOST, p["wiring.wire_max_a"],
              "calculation; assumption")
    yield Row(group, "wire's heat until the fuse breaks a short", 2 * melts, "A²s", AT_MOST,
              (COPPER_K * p["wiring.wire_mm2"]) ** 2, "calculation, twice the melting I²t; adiabatic limit")
    trace = trace_current(p["wiring.trace_mm"], p["wiring.trace_um"], p["wiring.trace_rise_k"])
    yield Row(group, "trace carries what the fuse may not break", opens, "A", AT_MOST, trace,
              "calculation, IPC-2221: outer layer, width and rise of the parameter file")


def trace_current(width_mm: float, thickness_um: float, rise_k: float) -> float:
    """Current in A that warms an outer trace by rise_k, by IPC-2221."""
    mil2 = width_mm / 0.0254 * thickness_um / 25.4
    return float(0.048 * rise_k**0.44 * mil2**0.725)


def _abuse(p: Parameters, ratings: Ratings) -> Iterator[Row]:
    group, cells = "Supply abused", p["supply.cells"]
    full = cells * p["stage.cell_full_v"]
    weakest = min(p["stage.bulk_max_v"], p["stage.bridge_max_v"], p["stage.logic_max_v"])
    yield Row(group, "transient: clamped", p["stage.tvs_clamp_v"], "V", AT_MOST, weakest,
              "data sheet (recalled); capacitor, driver, regulator")
    yield Row(group, "one cell too many", (cells + 1) * p["stage.cell_full_v"], "V", AT_MOST,
              p["stage.tvs_standoff_v"], "calculation; TVS, and the firmware refuses (supply_high)")
    yield Row(group, "overcharged pack", cells * p["cell.over_v"], "V", AT_MOST, p["stage.tvs_standoff_v"],
              "calculation; TVS")
    yield Row(group, "reversed pack: current through the TVS into the fuse", full / p["cell.short_ohm"], "A",
              AT_LEAST, 6 * ratings["fuse_a"], "calculation; opens within 0.1 s (ISO 8820-3, recalled)")
    sag = _most_drawn(p) * p.quantity("supply.battery_ohm").high
    yield Row(group, "worn pack: sag at the most drawn", sag, "V", AT_MOST,
              0.15 * cells * p["stage.cell_empty_v"], "calculation; 15 %, the fault supply_dip")
    coil = 0.5 * p.quantity("motor.l_h").high * p.quantity("bridge.bridge_limit_a").high ** 2
    bus = math.sqrt(full**2 + 2 * coil / p.quantity("stage.bulk_f").low)
    yield Row(group, "supply opened at stall: bus", bus, "V", AT_MOST, weakest,
              "calculation; hardware/spice has it without the capacitor, too")
    yield Row(group, "cells as warm as the handle's limit", p["body.handle_max_c"], "°C", AT_MOST,
              p["cell.hot_c"], "design; data sheet (recalled)")


def _balance(p: Parameters, ratings: Ratings) -> Iterator[Row]:
    group, w = "Balance and vibration", _top(p)
    unbalanced = p["load.pad_kg"] * p["load.stroke_m"]
    counter = p["body.counter_part"] * unbalanced / p["body.counter_m"]
    left = max(1 - p["body.counter_part"], p["body.counter_part"]) * unbalanced
    yield Row(group, "force of the pad, level 11, no counterweight", unbalanced * w**2, "N",
              basis="calculation")
    yield Row(group, "counterweight", counter * 1000, "g", basis="calculation, at body.counter_m")
    yield Row(group, "force left, worst direction", left * w**2, "N", AT_MOST, unbalanced * w**2,
              "calculation; without counterweight")
    plain, better = (1000 * moment / p["body.handle_kg"] for moment in (unbalanced, left))
    yield Row(group, "handle moves to each side, no counterweight", plain, "mm", AT_MOST,
              vibration.AMPLITUDE_MM * 1.0001, "calculation, held loosely; what `knead dose` assumes")
    yield Row(group, "handle moves to each side, with it", better, "mm", basis="calculation, held loosely")
    a_hv = vibration.acceleration(p["firmware.rate_max_opm"], plain)
    yield Row(group, "hand: A(8), level 11, no counterweight", vibration.daily([(a_hv, p["body.daily_min"])]),
              "m/s²", AT_MOST, p["body.hand_action_ms2"],
              f"calculation, {p['body.daily_min']:g} min a day; Directive 2002/44/EC, action value")
