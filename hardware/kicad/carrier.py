"""The one footprint that KiCad's libraries lack: sockets for the motor driver's carrier.

The board is 15.2 by 17.8 mm (Pololu); the order of its pins and the distance of its rows are a guess, see
`design.PINS`. Change both, and run the generator again: the board routes itself.
"""

from __future__ import annotations

from typing import Any

from hardware.kicad.sexp import Text, uid
from hardware.kicad.symbols import effects

NAME = "DRV8874_carrier"
PITCH_MM = 2.54
ROWS_MM = 12.7  # between the two rows of pins
LEFT_PINS = 7
WIDTH_MM, HEIGHT_MM = 15.24, 17.78


def pads() -> list[tuple[str, float, float]]:
    """(number, x, y) from the middle: down the left edge, up the right one."""
    found = []
    for n in range(1, 14):
        row = n - 1 if n <= LEFT_PINS else 13 - n
        x = -ROWS_MM / 2 if n <= LEFT_PINS else ROWS_MM / 2
        found.append((str(n), x, (row - 3) * PITCH_MM))
    return found


def _text(key: str, value: str, y: float, layer: str) -> list[Any]:
    at = ["at", 0, y, 0]
    return ["property", Text(key), Text(value), at, ["layer", Text(layer)], uid(NAME, key), effects(size=1.0)]


def _rectangle(layer: str, margin: float, width: float) -> list[Any]:
    x, y = WIDTH_MM / 2 + margin, HEIGHT_MM / 2 + margin
    made: list[Any] = ["fp_rect", ["start", -x, -y], ["end", x, y]]
    made += [["stroke", ["width", width], ["type", "solid"]], ["fill", "no"], ["layer", Text(layer)]]
    return [*made, uid(NAME, layer)]


def footprint() -> list[Any]:
    """The footprint as KiCad's file holds it."""
    made: list[Any] = ["footprint", Text(NAME), ["version", "20241229"], ["generator", Text("openknead")]]
    made += [["generator_version", Text("9.0")], ["layer", Text("F.Cu")]]
    made += [_text("Reference", "REF**", -HEIGHT_MM / 2 - 1.2, "F.SilkS"), _text("Value", NAME, 0, "F.Fab")]
    made += [["attr", "through_hole"], _rectangle("F.SilkS", 0.12, 0.12), _rectangle("F.CrtYd", 0.5, 0.05)]
    made.append(_rectangle("F.Fab", 0, 0.1))
    for number, x, y in pads():
        shape = "rect" if number == "1" else "circle"
        pad = ["pad", Text(number), "thru_hole", shape, ["at", x, y], ["size", 1.7, 1.7], ["drill", 1.0]]
        made.append([*pad, ["layers", Text("*.Cu"), Text("*.Mask")], uid(NAME, "pad", number)])
    return made
