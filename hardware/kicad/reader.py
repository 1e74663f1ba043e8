"""Reader: the netlist that a schematic file draws, from its wires, labels and pins alone.

It knows nothing of the design, so that a netlist read here and the design's own can disagree. KiCad's own
netlist is compared with it as well, where KiCad is installed.
"""

from __future__ import annotations

from typing import Any

from hardware.design import Netlist
from hardware.kicad.sexp import child, children

Point = tuple[int, int]  # in 10 um, so that equal points are equal


def _point(x: float, y: float) -> Point:
    return round(x * 100), round(y * 100)


def _between(p: Point, a: Point, b: Point) -> bool:
    """Whether p lies on the straight wire from a to b; wires are horizontal or vertical."""
    inside = min(a[0], b[0]) <= p[0] <= max(a[0], b[0]) and min(a[1], b[1]) <= p[1] <= max(a[1], b[1])
    return inside and (a[0] == b[0] or a[1] == b[1])


def _value(symbol: list[Any], key: str) -> str:
    return next(str(p[2]) for p in children(symbol, "property") if p[1] == key)


def fitted(sheet: list[Any]) -> dict[str, tuple[str, str]]:
    """reference -> (kind, value) of the parts on a parsed .kicad_sch."""
    found = {}
    for symbol in children(sheet, "symbol"):
        ref = _value(symbol, "Reference")
        if not ref.startswith("#"):
            found[ref] = (str(child(symbol, "lib_id")[1]).rpartition(":")[2], _value(symbol, "Value"))
    return found


def _pins(library: dict[str, list[Any]], symbol: list[Any]) -> list[tuple[str, Point]]:
    """(number, place on the sheet) of a symbol's pins."""
    at = child(symbol, "at")
    x, y, angle = float(at[1]), float(at[2]), int(float(at[3]))
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[angle]
    found = []
    for unit in children(library[str(child(symbol, "lib_id")[1])], "symbol"):
        for pin in children(unit, "pin"):
            px, py = (float(v) for v in child(pin, "at")[1:3])
            across, up = px * cos - py * sin, px * sin + py * cos
            found.append((str(child(pin, "number")[1]), _point(x + across, y - up)))
    return found


def _joints(points: list[Point], wires: list[tuple[Point, Point]]) -> dict[Point, Point]:
    """Each point's representative: points that wires connect have the same one."""
    parent = {p: p for p in points}

    def root(p: Point) -> Point:
        while parent[p] != p:
            parent[p] = parent[parent[p]]
            p = parent[p]
        return p

    for a, b in wires:
        for p in points:
            if _between(p, a, b):
                parent[root(p)] = root(a)
    return {p: root(p) for p in points}


def netlist(sheet: list[Any]) -> Netlist:
    """net -> {(reference, pin)} of a parsed .kicad_sch; a pin without a name on its net is left out.

    Raises ValueError when one net has two names: two outputs or a signal and ground would be shorted.
    """
    library = {str(s[1]): s for s in children(child(sheet, "lib_symbols"), "symbol")}
    names: list[tuple[Point, str]] = []
    pins: list[tuple[Point, str, str]] = []
    for label in (*children(sheet, "global_label"), *children(sheet, "label")):
        at = child(label, "at")
        names.append((_point(float(at[1]), float(at[2])), str(label[1])))
    for symbol in children(sheet, "symbol"):
        ref, value = _value(symbol, "Reference"), _value(symbol, "Value")
        for number, place in _pins(library, symbol):
            if ref.startswith("#PWR"):
                names.append((place, value))
            elif not ref.startswith("#"):
                pins.append((place, ref, number))
    wires = []
    for wire in children(sheet, "wire"):
        a, b = (_point(float(xy[1]), float(xy[2])) for xy in children(child(wire, "pts"), "xy"))
        wires.append((a, b))
    points = [p for p, _ in names] + [p for p, _, _ in pins] + [p for wire in wires for p in wire]
    joint = _joints(list(dict.fromkeys(points)), wires)
    named: dict[Point, str] = {}
    for place, name in names:
        if named.setdefault(joint[place], name) != name:
            raise ValueError(f"nets {named[joint[place]]} and {name} are connected")
    nets: Netlist = {}
    for place, ref, number in pins:
        if joint[place] in named:
            nets.setdefault(named[joint[place]], set()).add((ref, number))
    return nets
