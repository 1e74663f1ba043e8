"""Assembly: the massager at any crank angle, and what only the solids can tell: masses, moments, distances.

A Scotch yoke: the bearing orbits with the crank, the carriage follows its x and nothing else. Needs CadQuery.
"""

from __future__ import annotations

import math
from typing import Any

from hardware.mechanics import parts
from hardware.mechanics.parts import Solid
from hardware.mechanics.sizes import Sizes

STEPS = 24  # positions of a revolution that are looked at
HOUSING = tuple(parts.HALVES)
PAIRS = {  # what must not touch, of the moving parts and of those that are put together
    "counterweight to mount": (("counterweight",), ("mount",)),
    "counterweight to carriage": (("counterweight",), ("carriage",)),
    "counterweight to housing": (("counterweight",), HOUSING),
    "counterweight to motor": (("counterweight", "magnet"), ("motor",)),
    "bearing to strips": (("bearing",), ("strips",)),
    "bearing to carriage": (("bearing",), ("carriage",)),
    "carriage to mount": (("carriage",), ("mount",)),
    "carriage to rods": (("carriage",), ("rods",)),
    "carriage to housing": (("carriage",), HOUSING),
    "pad to mount": (("pad",), ("mount",)),
    "pad to housing": (("pad",), HOUSING),
    "shaft to pad": (("motor",), ("pad",)),
}
STANDING = {
    "mount to housing": (("mount",), HOUSING),
    "motor to housing": (("motor",), HOUSING),
    "saddle to housing": (("saddle",), HOUSING),
    "saddle to motor": (("saddle",), ("motor",)),
}


def place(s: Sizes, solids: dict[str, Solid], angle_rad: float) -> dict[str, Solid]:
    """The parts with the crank at an angle from +x."""
    turned = {
        name: solids[name].rotate((0, 0, 0), (0, 0, 1), math.degrees(angle_rad)) for name in parts.ROTOR
    }
    moved = {name: solids[name].translate((s.stroke * math.cos(angle_rad), 0, 0)) for name in parts.MOVING}
    return solids | turned | moved


def figures(s: Sizes, solids: dict[str, Solid] | None = None) -> dict[str, Any]:
    """All that figures.json holds, rounded so that it does not change with the last digit of a float."""
    solids = solids or parts.build(s)
    values = {name: solid.val() for name, solid in solids.items()}
    mass = {name: _mass(s, name, value.Volume()) for name, value in values.items()}
    centre = {name: value.Center() for name, value in values.items()}
    rotor = {axis: sum(mass[n] * getattr(centre[n], axis) for n in parts.ROTOR) for axis in "xy"}
    gaps, overlap = _sweep(s, solids)
    moving = sum(mass[name] for name in parts.MOVING) + s["carriage.rest_g"]
    moving_z = sum(mass[n] * centre[n].z for n in parts.MOVING) / sum(mass[n] for n in parts.MOVING)
    force = s.counter_part * s.pad_g * s.stroke * 1e-6 * (3700 * math.tau / 60) ** 2
    return {
        "inputs": s.inputs,
        "steps": STEPS,
        "parts": {name: _part(value, mass[name]) for name, value in sorted(values.items())},
        "masses_g": {
            "rotor": round(sum(mass[name] for name in parts.ROTOR), 2),
            "reciprocating": round(moving, 2),
            "body": round(sum(mass[n] for n in mass if n not in parts.MOVING), 1),
        },
        "rotor_gmm": {axis: round(moment, 2) + 0.0 for axis, moment in rotor.items()},
        "couple_nm_at_top": round(force * (centre["counterweight"].z - moving_z) / 1e3, 3),
        "clearance_mm": {pair: round(gap, 3) for pair, gap in gaps.items()},
        "overlap_mm3": round(overlap, 3),
    }


def _mass(s: Sizes, name: str, volume_mm3: float) -> float:
    bought = {"bearing": s["bearing.mass_g"], "motor": s["motor.mass_g"]}
    return bought[name] if name in bought else volume_mm3 * s[f"density.{parts.MATERIAL[name]}"] / 1e3


def _part(value: Any, mass_g: float) -> dict[str, Any]:
    bounds, centre = value.BoundingBox(), value.Center()
    size = (bounds.xlen, bounds.ylen, bounds.zlen)
    return {
        "volume_mm3": round(value.Volume(), 1),
        "mass_g": round(mass_g, 2),
        "size_mm": [round(length, 2) for length in size],
        "centre_mm": [round(part, 2) + 0.0 for part in centre.toTuple()],
    }


def _sweep(s: Sizes, solids: dict[str, Solid]) -> tuple[dict[str, float], float]:
    """Least distance of each pair over a revolution, and the largest overlap of any."""
    least: dict[str, float] = {}
    overlap = 0.0
    around = parts.box((-60, 60), (-60, 60), (0, s.saddle_z + s["saddle.height"] + 10))
    near = {
        name: solids[name].intersect(around) for name in HOUSING
    }  # without the grip it is ten times faster
    for step in range(STEPS):
        now = place(s, solids | near, step * math.tau / STEPS)
        for pair, (ones, others) in (PAIRS if step else PAIRS | STANDING).items():
            for one in (now[name].val() for name in ones):
                for other in (now[name].val() for name in others):
                    gap = one.distance(other)
                    least[pair] = min(gap, least.get(pair, math.inf))
                    if gap < 1e-6:
                        overlap = max(overlap, one.intersect(other).Volume())
    return least, overlap
