"""Symbols: how each kind of part is drawn on the schematic.

Own and few, so that the schematic needs none of KiCad's libraries: boxes with pins left and right, and glyphs
for what has two terminals. Lengths in mm, y upwards as in KiCad's symbol files; all pins are horizontal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hardware.design import PINS
from hardware.kicad.sexp import Text

GRID = 2.54
LIBRARY = "openknead"

# Sides of the boxes: pin numbers from top to bottom, 0 = a gap.
_BOXES: dict[str, tuple[str, str]] = {
    "pico": (" ".join(map(str, range(1, 21))), " ".join(map(str, range(40, 20, -1)))),
    "drv8874": ("1 2 4 3 5 6 7 8", "13 9 0 11 10 0 0 12"),
    "buck": ("2 1", "4 3"),
    "74HC4051": ("13 14 15 12 1 5 2 4", "16 3 11 10 9 6 7 8"),
    "74HC123": ("2 1 3 0 10 9 11 0 16", "13 4 15 14 5 12 7 6 8"),
    "74HC74": ("4 2 3 1 0 10 12 11 13 0 14", "5 0 6 0 0 9 0 8 0 0 7"),
    "74HC21": ("1 2 4 5 3 9 10 12 13 11 14", "0 6 0 0 0 0 8 0 0 0 7"),
    "supervisor": ("2 3", "1 0"),
    "conn2": ("1 2", ""),
    "conn4": ("1 2 3 4", ""),
    "conn6": ("1 2 3 4 5 6", ""),
}
_WIDTH = {"pico": 25.4, "drv8874": 20.32, "buck": 17.78, "conn2": 5.08, "conn4": 5.08, "conn6": 5.08}
_NAMELESS = ("conn2", "conn4", "conn6")


@dataclass(frozen=True)
class Pin:
    """A pin's end, to which wires go: mm from the symbol's centre, y upwards; side: -1 left, 1 right."""

    number: str
    x: float
    y: float
    side: int


def _rows(kind: str) -> int:
    return max(len(side.split()) for side in _BOXES[kind])


def _width(kind: str) -> float:
    return _WIDTH.get(kind, 15.24)


def height(kind: str) -> float:
    """Height of the symbol's body."""
    return _rows(kind) * GRID + GRID if kind in _BOXES else GRID


def pins(kind: str) -> list[Pin]:
    """The pins of a kind of part and where their ends are."""
    if kind == "npn":
        return [Pin("2", -7.62, 0, -1), Pin("1", 7.62, GRID, 1), Pin("3", 7.62, -GRID, 1)]
    if kind not in _BOXES:
        return [Pin("1", -5.08, 0, -1), Pin("2", 5.08, 0, 1)]
    found = []
    top = (_rows(kind) - 1) // 2 * GRID
    for side, numbers in zip((-1, 1), _BOXES[kind], strict=True):
        for row, number in enumerate(numbers.split()):
            if number != "0":
                found.append(Pin(number, side * (_width(kind) / 2 + GRID), top - row * GRID, side))
    assert {pin.number for pin in found} == set(PINS[kind]), kind
    return found


def _stroke(width: float = 0.2) -> list[Any]:
    return ["stroke", ["width", width], ["type", "default"]]


def _line(*points: tuple[float, float], fill: str = "none") -> list[Any]:
    xy = [["xy", float(x), float(y)] for x, y in points]
    return ["polyline", ["pts", *xy], _stroke(), ["fill", ["type", fill]]]


def _rectangle(x1: float, y1: float, x2: float, y2: float, fill: str = "background") -> list[Any]:
    return ["rectangle", ["start", x1, y1], ["end", x2, y2], _stroke(), ["fill", ["type", fill]]]


def _glyph(kind: str) -> list[list[Any]]:
    if kind == "resistor":
        return [_rectangle(-2.54, 0.9, 2.54, -0.9)]
    if kind == "fuse":
        return [_rectangle(-2.54, 0.9, 2.54, -0.9), _line((-2.54, 0), (2.54, 0))]
    if kind == "link":
        return [_line((-2.54, 0), (2.54, 0))]
    if kind in ("capacitor", "electrolytic"):
        plates = [_line((-0.5, 1.4), (-0.5, -1.4)), _line((0.5, 1.4), (0.5, -1.4))]
        plates += [_line((-2.54, 0), (-0.5, 0)), _line((0.5, 0), (2.54, 0))]
        if kind == "electrolytic":
            plates += [_line((-1.9, 0.9), (-1.1, 0.9)), _line((-1.5, 1.3), (-1.5, 0.5))]
        return plates
    if kind in ("schottky", "tvs"):  # cathode left
        hook = 0.5 if kind == "tvs" else -0.5
        bar = _line((-1.27 - hook, 1.27), (-1.27, 1.27), (-1.27, -1.27), (-1.27 + hook, -1.27))
        triangle = _line((1.27, 1.27), (-1.27, 0), (1.27, -1.27), (1.27, 1.27), fill="background")
        return [bar, triangle, _line((-2.54, 0), (2.54, 0))]
    if kind == "npn":
        wires = [_line((-5.08, 0), (-1.27, 0)), _line((-1.27, 1.9), (-1.27, -1.9))]
        wires += [
            _line((-1.27, 0.6), (1.27, GRID), (5.08, GRID)),
            _line((-1.27, -0.6), (1.27, -GRID), (5.08, -GRID)),
        ]
        return [*wires, _line((0.4, -2.5), (1.1, -2.45), (0.75, -1.8), (0.4, -2.5), fill="outline")]
    top = (_rows(kind) - 1) // 2 * GRID
    return [_rectangle(-_width(kind) / 2, top + GRID, _width(kind) / 2, top - _rows(kind) * GRID)]


def effects(*justify: str, hide: bool = False, size: float = 1.27, bold: bool = False) -> list[Any]:
    """The (effects …) of a text."""
    font: list[Any] = ["font", ["size", size, size]]
    if bold:
        font.append(["bold", "yes"])
    made: list[Any] = ["effects", font]
    if justify:
        made.append(["justify", *justify])
    if hide:
        made.append(["hide", "yes"])
    return made


def _head(name: str, reference: str) -> list[Any]:
    made: list[Any] = ["symbol", Text(name)]
    for key, value in (("Reference", reference), ("Value", name), ("Footprint", ""), ("Datasheet", "")):
        made.append(["property", Text(key), Text(value), ["at", 0, 0, 0], effects(hide=True)])
    return made


def _pin(kind: str, pin: Pin) -> list[Any]:
    name, electrical = PINS[kind][pin.number]
    shown = "~" if kind not in _BOXES or kind in _NAMELESS else name
    shown = "~{" + shown.replace("n", "", 1) + "}" if "n" in shown else shown  # nR is drawn as R with a bar
    return [
        "pin",
        electrical,
        "line",
        ["at", pin.x, pin.y, 0 if pin.side < 0 else 180],
        ["length", GRID],
        ["name", Text(shown), effects(size=1.0)],
        ["number", Text(pin.number), effects(size=1.0)],
    ]


def definition(kind: str, prefix: str = "") -> list[Any]:
    """The symbol of a kind of part as KiCad's files hold it; prefix: of its name inside a schematic."""
    made = _head(prefix + kind, "U")
    boxed = kind in _BOXES
    made.append(["pin_names", ["offset", 0.8]] if boxed else ["pin_names", ["offset", 0], ["hide", "yes"]])
    if not boxed:
        made.append(["pin_numbers", ["hide", "yes"]])
    made += [["exclude_from_sim", "no"], ["in_bom", "yes"], ["on_board", "yes"]]
    made.append(["symbol", Text(f"{kind}_0_1"), *_glyph(kind)])
    made.append(["symbol", Text(f"{kind}_1_1"), *(_pin(kind, pin) for pin in pins(kind))])
    return made


def power(name: str, prefix: str = "") -> list[Any]:
    """Ground symbol (`GND`), or the flag that tells the rule check that a net is fed (`PWR_FLAG`)."""
    made = _head(prefix + name, "#PWR" if name == "GND" else "#FLG")
    made += [["power"], ["pin_names", ["offset", 0], ["hide", "yes"]], ["pin_numbers", ["hide", "yes"]]]
    made += [["exclude_from_sim", "no"], ["in_bom", "no"], ["on_board", "yes"]]
    if name == "GND":
        bars = [_line((-w, -y), (w, -y)) for w, y in ((1.0, 1.27), (0.65, 1.7), (0.3, 2.1))]
        glyph, electrical = [_line((0, 0), (0, -1.27)), *bars], "power_in"
    else:
        glyph, electrical = [_line((0, 0), (0, 1.27), (-1, 1.9), (0, 2.54), (1, 1.9), (0, 1.27))], "power_out"
    pin = ["pin", electrical, "line", ["at", 0, 0, 90], ["length", 0]]
    pin += [["name", Text(name), effects()], ["number", Text("1"), effects()]]
    made += [["symbol", Text(f"{name}_0_1"), *glyph], ["symbol", Text(f"{name}_1_1"), pin]]
    return made


def library() -> list[Any]:
    """All symbols as a KiCad library."""
    head: list[Any] = ["kicad_symbol_lib", ["version", "20241209"], ["generator", Text(LIBRARY)]]
    head.append(["generator_version", Text("9.0")])
    return [*head, *(definition(kind) for kind in PINS), power("GND"), power("PWR_FLAG")]
