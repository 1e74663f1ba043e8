"""Rules of the mechanics that need arithmetic only: balance, air, walls, seats. Rows as in the budgets.

What needs the solids themselves, such as masses and distances through a revolution, stands in figures.json,
which CadQuery wrote; `cad_rows` holds those figures against their limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from hardware.budgets.rows import AT_LEAST, AT_MOST, INFO, Row
from hardware.mechanics.sizes import Sizes

Figures = Mapping[str, Any]


def rows(s: Sizes) -> list[Row]:
    """All rules on the dimensions."""
    return [row for group in (_balance, _air, _walls, _seats, _grip) for row in group(s)]


# fmt: off
def _balance(s: Sizes) -> Iterator[Row]:
    group = "Balance"
    off = 100 * abs(s.counter_gmm - s.wanted_gmm) / s.wanted_gmm
    yield Row(group, "eccentric and bearing", s.crank_gmm, "g·mm", basis="calculation")
    yield Row(group, "counterweight has to have", s.wanted_gmm, "g·mm",
              basis=f"its own crank and {s.counter_part:g} of {s.pad_g:g} g at {s.stroke:g} mm")
    yield Row(group, "counterweight has", s.counter_gmm, "g·mm", basis="half ring, the magnet in it")
    yield Row(group, "counterweight off its target", off, "%", AT_MOST, s["limits.balance_pct"], "design")
    yield Row(group, "half ring's centre off the budget's radius", abs(s.half_ring_r - s.counter_r), "mm",
              AT_MOST, s["limits.centre_mm"], "body.counter_m")


def _air(s: Sizes) -> Iterator[Row]:
    group, air = "Air between what moves and what does not", s["fit.running"]
    swing = s["counterweight.outer_r"]
    boss = s.face_z - s["motor.boss_l"]
    travel = s["carriage.length"] / 2 + s.stroke
    in_slot = s["carriage.slot_y"] / 2 - s["bearing.outer_d"] / 2 - s.stroke
    yoke_top = s.yoke_z + s["carriage.yoke_t"]
    gaps = (
        ("counterweight to end walls", s.end_x - swing),
        ("counterweight to housing", s.inner_y - 3.0 - swing),
        ("counterweight to mount", s.plate_z - s.counter_z - s["counterweight.thickness"]),
        ("counterweight to boss", boss - s.counter_z - s["counterweight.thickness"]),
        ("carriage to end walls", s.end_x - travel),
        ("carriage to housing, across", s.inner_y - s["guide.rod_y"] - s["carriage.rail_w"] / 2),
        ("bearing to the slot's ends", in_slot),
    )
    for name, gap in gaps:
        yield Row(group, name, gap, "mm", AT_LEAST, air, "calculation; fit.running")
    yield Row(group, "counterweight to carriage", s.counter_z - yoke_top, "mm", AT_LEAST, air / 2,
              "calculation; half of fit.running, both turn about one shaft")
    yield Row(group, "pad to housing", s.skirt_z - s.pad_top, "mm", AT_MOST, s["limits.pinch_mm"],
              "design; no finger goes in")
    yield Row(group, "pad to housing", s.skirt_z - s.pad_top, "mm", AT_LEAST, air, "design; fit.running")


def _walls(s: Sizes) -> Iterator[Row]:
    group, least = "Walls", s["limits.wall_print_mm"]
    thin = s["bearing.bore_d"] / 2 - s.stroke - s["motor.shaft_d"] / 2
    rod_end = s["mount.half_y"] - 1.7 - s["guide.rod_y"] - s["guide.rod_d"] / 2
    bushing = (min(s["carriage.rail_w"], s["carriage.rail_h"]) - s["guide.bushing_d"]) / 2
    printed = (
        ("housing", s["handle.wall_t"]),
        ("rail around a bushing", bushing),
        ("mount beside a rod", rod_end),
        ("mount over the hall switch", s["mount.plate_t"] - s.seat("sensors.hall_t")),
        ("saddle", s["saddle.wall_t"]),
        ("boss around its insert", s["handle.boss_r"] - s["handle.insert_d"] / 2),
        ("boss around the screw's head", s["handle.boss_r"] - s["handle.head_d"] / 2),
        ("pad's plate under screw heads", s["pad.plate_t"] - 1.9),
        ("yoke beside its slot", s["carriage.length"] / 2 - s.slot_x),
        ("web around its insert", (s["carriage.web_x"] - s["handle.insert_d"]) / 2),
    )
    for name, wall in printed:
        yield Row(group, name, wall, "mm", AT_LEAST, least, "design; three lines of a 0.4 mm nozzle")
    metal = s["limits.wall_metal_mm"]
    yield Row(group, "eccentric, thin side", thin, "mm", AT_LEAST, metal, "design; turned steel")
    yield Row(group, "counterweight's ring", s["counterweight.collar_r"] - s["eccentric.collar_d"] / 2, "mm",
              AT_LEAST, metal, "design; turned brass")


def _seats(s: Sizes) -> Iterator[Row]:
    group = "Seats"
    engaged = s.counter_z + s["counterweight.thickness"] - max(s.bearing_z, s.shaft_z)
    yield Row(group, "shaft in the eccentric", engaged, "mm", AT_LEAST, 2.5 * s["motor.shaft_d"],
              "calculation; 2.5 diameters")
    yield Row(group, "shaft above the pad's plate", s.shaft_z - s.pad_top, "mm", AT_LEAST, s["fit.running"],
              "calculation; fit.running")
    yield Row(group, "motor's boss in the mount", s["mount.plate_t"], "mm", AT_LEAST, s["motor.boss_l"],
              "calculation; its tip does not reach the counterweight")
    shoulder = s["eccentric.shoulder_d"]
    yield Row(group, "shoulder on the bearing's inner ring", shoulder, "mm", AT_MOST,
              (s["bearing.bore_d"] + s["bearing.outer_d"]) / 2 - 1.0, "estimate; clear of the outer ring")
    yield Row(group, "shoulder on the bearing's inner ring", shoulder, "mm", AT_LEAST,
              s["bearing.bore_d"] + 2.0, "data sheet of such bearings, abutment (recalled)")
    yield Row(group, "saddle is longer than the cut-off", s["saddle.height"], "mm", AT_LEAST,
              s["sensors.cutoff_l"] + 2 * s["fit.seat"], "calculation")
    yield Row(group, "saddle fits the housing", s.inner_y - s.saddle_r, "mm", AT_LEAST, s["fit.seat"],
              "calculation")
    yield Row(group, "magnet in the half ring", s["counterweight.outer_r"] - s["counterweight.magnet_r"]
              - s["sensors.magnet_d"] / 2, "mm", AT_LEAST, 1.0, "calculation")
    yield Row(group, "magnet to hall switch", s.plate_z - s.counter_z - s["counterweight.thickness"], "mm",
              AT_MOST, 3.0, "calculation; assumption: well above 12 mT there")
    yield Row(group, "room over the motor", s.top_z - s["handle.wall_t"] - s.face_z - s["motor.can_l"]
              - s["motor.terminals_l"], "mm", AT_LEAST, 5.0, "calculation; wires")


def _grip(s: Sizes) -> Iterator[Row]:
    group = "Grip"
    wide, high, cut = 2 * s["handle.half_y"], s["handle.grip_h"], s["handle.grip_chamfer"]
    around = 2 * (wide + high) - (8 - 4 * math.sqrt(2)) * cut
    yield Row(group, "grip, diameter of the same girth", around / math.pi, "mm", AT_MOST,
              s["limits.grip_d_mm"], "calculation; assumption")
    yield Row(group, "grip's length", s["handle.grip_l"], "mm", AT_LEAST, 100.0,
              "design; width of a hand and some")
    yield Row(group, "strain relief on the cable", s.clamp_d, "mm", AT_MOST, s["sensors.cable_d"] - 0.5,
              "design; it has to pinch")


def cad_rows(s: Sizes, figures: Figures) -> list[Row]:
    """Rules on what CadQuery found. KeyError when figures.json is of another shape: write it again."""
    group, masses, sweep = "From the solids", figures["masses_g"], figures["clearance_mm"]
    found = []
    moving = masses["reciprocating"]
    off = 100 * abs(moving - s.pad_g) / s.pad_g
    found.append(Row(group, "reciprocating mass", moving, "g", basis="CAD, densities, and what is not drawn"))
    found.append(Row(group, "reciprocating mass off load.pad_kg", off, "%", AT_MOST,
                     s["limits.reciprocating_pct"], "CAD; design"))
    left = figures["rotor_gmm"]["x"]
    target = -s.counter_part * s.pad_g * s.stroke
    found.append(Row(group, "rotor's moment off its target", 100 * abs(left - target) / s.wanted_gmm, "%",
                     AT_MOST, s["limits.balance_pct"], "CAD; design"))
    found.append(Row(group, "rotor's moment beside the crank", abs(figures["rotor_gmm"]["y"]), "g·mm",
                     AT_MOST, 0.02 * s.wanted_gmm, "CAD; symmetric"))
    calculated = s.crank_gmm - s.counter_gmm
    found.append(Row(group, "CAD's moment off the calculation's",
                     100 * abs(left - calculated) / s.wanted_gmm, "%", AT_MOST, s["limits.cad_pct"],
                     "two ways to the same figure"))
    for name, gap in sweep.items():
        found.append(Row(group, f"least distance, {name}", gap, "mm", AT_LEAST, _least(s, name),
                         f"CAD, {figures['steps']} positions of a revolution"))
    found.append(Row(group, "largest overlap of two solids", figures["overlap_mm3"], "mm³", AT_MOST, 0.01,
                     f"CAD, {figures['steps']} positions"))
    body = masses["body"]
    found.append(Row(group, "moves with the handle, cable not counted", body, "g",
                     basis=f"CAD and parts; body.handle_kg says {s.handle_g:g} g"))
    worst = max(s.counter_part, 1 - s.counter_part) * s.pad_g * s.stroke
    found.append(Row(group, "handle moves to each side, held loosely", worst / body, "mm",
                     basis="calculation with that mass and the counterweight"))
    found.append(Row(group, "rocking couple, level 11", figures["couple_nm_at_top"], "N·m", INFO,
                     basis="CAD; counterweight and pad do not lie in one plane"))
    return found


# Pairs that may come nearer than fit.running: what is clamped, what rolls, what turns about one shaft.
LEAST = {
    "mount to housing": "fit.seat",
    "saddle to housing": "fit.seat",
    "motor to housing": "fit.seat",
    "saddle to motor": "fit.seat",
    "bearing to strips": "fit.slide",
}
HALF = ("counterweight to carriage", "bearing to carriage")


def _least(s: Sizes, pair: str) -> float:
    if pair in LEAST:
        return s[LEAST[pair]]
    return s["fit.running"] / (2 if pair in HALF else 1)
