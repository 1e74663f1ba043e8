"""Schematic: a build's parts on one sheet, each pin with a short wire to the name of its net.

Names instead of long wires: nothing crosses anything, and what a pin is connected to is read beside it. A
zone is a frame with columns; a column is a list of references from top to bottom.
"""

from __future__ import annotations

from typing import Any

from hardware import design
from hardware.kicad import symbols
from hardware.kicad.sexp import Text, uid
from hardware.kicad.symbols import GRID, LIBRARY, effects

# title, left edge, top edge, width and height in mm, then (x of the column's centre, references)
Zone = tuple[str, float, float, float, float, tuple[tuple[float, str], ...]]
# fmt: off
ZONES: tuple[Zone, ...] = (
    ("Supply", 14, 14, 84, 94, (
        (35, "J1 J2"), (70, "F1 D1 D2 C1 C2 D3 U7"),
    )),
    ("Controller", 101, 14, 84, 94, ((143, "A1"),)),
    ("Driver and motor", 188, 14, 108, 94, (
        (218, "U8 R3 C3 R4 C4"), (269, "J3 R1 R2 R12 R5 R6 C5 R7 R8 R9 R10 R11"),
    )),
    ("Panel", 299, 14, 107, 94, ((325, "J6 J7"), (374, "R30 R31 C30 R32 R33 R34 R35 R36 R37 R38"))),
    ("Interlock", 14, 112, 282, 118, (
        (45, "U1 R20 C20 R21 C21"), (98, "U2 U5 R55 R27 R28 Q1"), (153, "U3 R53 R51 R22 R23 R50 C22"),
        (208, "U4 R54 R52 R24 R25 C23 R26"), (265, "J4 J5 C24 C25 C26 C27"),
    )),
    ("In place of the interlock", 14, 112, 84, 40, ((56, "W1 W2"),)),
    ("Sensors", 299, 112, 107, 134, (
        (332, "U6 J8 J9 J10 J11 J12"),
        (382, "R44 C44 R45 C45 R46 C46 R47 C47 R48 R49 C48 C49 R40 R41 C40 R42 R43"),
    )),
    ("Fed through passive parts (for the rule check)", 14, 234, 110, 32, ()),
)
NOTES = {
    "Interlock": (
        "The motor turns only when both channels allow it.",
        "A: nSLEEP = RUN_A · ARMED_A · WD_OK_A · TRIP_A",
        "B: EN = MOT_PWM · ARMED_B · WD_OK_B · TRIP_B",
        "ARMED: set by the edge of the re-arm button while RUN_REQ is low; cleared by TRIP_OK or POR_N low",
        "WD_OK: high for 110 ms after each rising edge of WD_KICK; WD_OK_B only while RUN_B is high",
        "TRIP_OK: 3.3 V through the trip loop: second pole of the e-stop, thermostat",
    ),
}
# fmt: on
FED = ("VIN", "GND", "VM", "VFUSED", "VSYS")  # fed through passive parts: the rule check has to be told


def _snap(value: float) -> float:
    return round(value / (GRID / 2)) * (GRID / 2)


class Sheet:
    """The schematic of one build; `file` is the whole as a list for `sexp.dump`."""

    def __init__(self, build: str, parts: list[design.Part], zones: tuple[Zone, ...] = ZONES) -> None:
        self._build = build
        self._root = uid(build, "sheet")
        self._kinds: dict[str, None] = {}
        self._items: list[list[Any]] = []
        self._count = 0
        by_ref = {part.ref: part for part in parts}
        placed: set[str] = set()
        for title, left, top, width, tall, columns in zones:
            here = [r for _, refs in columns for r in refs.split() if r in by_ref]
            if not here and columns:
                continue
            self._frame(title, left, top, width, tall)
            for n, note in enumerate(reversed(NOTES.get(title, ()))):
                self._text(note, left + 4, top + tall - 4 - n * 3.5, effects("left", "bottom", size=1.6))
            for centre, refs in columns:
                y = top + 12.7
                for ref in refs.split():
                    if ref in by_ref:
                        y = self._part(by_ref[ref], _snap(centre), y)
                        placed.add(ref)
        missing = set(by_ref) - placed
        if missing:
            raise ValueError(f"no place on the sheet for {', '.join(sorted(missing))}")
        for n, net in enumerate(FED):
            self._flag(net, 25.4 + n * 20.32, 248.92)

    def file(self) -> list[Any]:
        """The schematic as KiCad's file holds it."""
        prefix = LIBRARY + ":"
        library = [symbols.definition(kind, prefix) for kind in self._kinds]
        library += [symbols.power("GND", prefix), symbols.power("PWR_FLAG", prefix)]
        title = f"OpenKnead: {self._build} build"
        return [
            "kicad_sch",
            ["version", "20250114"],
            ["generator", Text(LIBRARY)],
            ["generator_version", Text("9.0")],
            self._root,
            ["paper", Text("A3")],
            [
                "title_block",
                ["title", Text(title)],
                ["comment", "1", Text("Generated from hardware/design.py")],
            ],
            ["lib_symbols", *library],
            *self._items,
            ["sheet_instances", ["path", Text("/"), ["page", Text("1")]]],
            ["embedded_fonts", "no"],
        ]

    def _uid(self) -> list[Any]:
        self._count += 1
        return uid(self._build, self._count)

    def _frame(self, title: str, left: float, top: float, width: float, tall: float) -> None:
        stroke = ["stroke", ["width", 0.15], ["type", "dash"]]
        corners = ["rectangle", ["start", left, top], ["end", left + width, top + tall]]
        self._items.append([*corners, stroke, ["fill", ["type", "none"]], self._uid()])
        self._text(title, left + 2, top + 4.5, effects("left", "bottom", size=2.5, bold=True))

    def _text(self, text: str, x: float, y: float, shown: list[Any]) -> None:
        at = ["at", x, y, 0]
        self._items.append(["text", Text(text), ["exclude_from_sim", "no"], at, shown, self._uid()])

    def _part(self, part: design.Part, x: float, y: float) -> float:
        """Draw a part with its top at y; the top of the next one."""
        self._kinds[part.kind] = None
        body = symbols.height(part.kind)
        boxed = body > GRID
        pins = symbols.pins(part.kind)
        above = max(pin.y for pin in pins) + (GRID if boxed else 0)
        centre = _snap(y + above + (2.54 if boxed else 3.81 if part.kind == "npn" else 0))
        right = max(pin.x for pin in pins if pin.side > 0) if any(p.side > 0 for p in pins) else 5.08
        if boxed:
            half = right - GRID if any(p.side > 0 for p in pins) else GRID
            text = ((x - half, centre - above - 3.2, "left"), (x - half, centre - above - 1.1, "left"))
        elif part.kind == "npn":
            text = ((x - 7, centre - 6.2, "left"), (x - 7, centre - 4.1, "left"))
        else:
            text = ((x - 0.6, centre - 2.1, "right"), (x + 0.6, centre - 2.1, "left"))
        self._symbol(f"{LIBRARY}:{part.kind}", part.ref, part.value, x, centre, 0, text, part)
        for pin in pins:
            self._wire_up(part.nets.get(pin.number), x + pin.x, centre - pin.y, pin.side)
        below = -min(pin.y for pin in pins)
        return centre + below + (7.62 if boxed or part.kind == "npn" else 6.35) - (0 if boxed else above)

    def _wire_up(self, net: str | None, x: float, y: float, side: int) -> None:
        if net is None:
            self._items.append(["no_connect", ["at", x, y], self._uid()])
            return
        end = x + side * GRID
        points = ["pts", ["xy", x, y], ["xy", end, y]]
        stroke = ["stroke", ["width", 0], ["type", "default"]]
        self._items.append(["wire", points, stroke, self._uid()])
        if net == design.GND:
            angle = 270 if side < 0 else 90
            self._symbol(f"{LIBRARY}:GND", self._next("#PWR"), "GND", end, y, angle, None)
        else:
            self._label(net, end, y, side)

    def _label(self, net: str, x: float, y: float, side: int) -> None:
        at = ["at", x, y, 180 if side < 0 else 0]
        shown = effects("right" if side < 0 else "left")
        references = ["property", Text("Intersheetrefs"), Text("${INTERSHEET_REFS}"), ["at", x, y, 0]]
        label = ["global_label", Text(net), ["shape", "passive"], at, shown, self._uid()]
        self._items.append([*label, [*references, effects(hide=True)]])

    def _flag(self, net: str, x: float, y: float) -> None:
        x, y = _snap(x), _snap(y)
        self._symbol(f"{LIBRARY}:PWR_FLAG", self._next("#FLG"), "PWR_FLAG", x, y, 0, None)
        points = ["pts", ["xy", x, y], ["xy", x, y + GRID]]
        self._items.append(["wire", points, ["stroke", ["width", 0], ["type", "default"]], self._uid()])
        if net == design.GND:
            self._symbol(f"{LIBRARY}:GND", self._next("#PWR"), "GND", x, y + GRID, 0, None)
        else:
            label = [
                "global_label",
                Text(net),
                ["shape", "passive"],
                ["at", x, y + GRID, 270],
                effects("right"),
            ]
            self._items.append([*label, self._uid()])

    def _next(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:04d}"

    def _symbol(
        self,
        lib_id: str,
        ref: str,
        value: str,
        x: float,
        y: float,
        angle: int,
        text: tuple[tuple[float, float, str], tuple[float, float, str]] | None,
        part: design.Part | None = None,
    ) -> None:
        at = ["at", x, y, angle]
        made: list[Any] = ["symbol", ["lib_id", Text(lib_id)], at, ["unit", 1], ["exclude_from_sim", "no"]]
        made += [
            ["in_bom", "yes" if part else "no"],
            ["on_board", "yes"],
            ["dnp", "no"],
            uid(self._build, ref),
        ]
        spots = text or ((x, y, "left"), (x, y, "left"))
        for key, shown, (tx, ty, side) in zip(("Reference", "Value"), (ref, value), spots, strict=True):
            made.append(
                ["property", Text(key), Text(shown), ["at", tx, ty, 0], effects(side, hide=text is None)]
            )
        if part:
            fields = (
                ("Footprint", part.footprint),
                ("Datasheet", ""),
                ("Description", part.why),
                ("MPN", part.mpn),
            )
            for key, shown in fields:
                made.append(["property", Text(key), Text(shown), ["at", x, y, 0], effects(hide=True)])
            numbers = [pin.number for pin in symbols.pins(part.kind)]
        else:
            numbers = ["1"]
        made += [["pin", Text(n), self._uid()] for n in numbers]
        path = ["path", Text("/" + self._root[1]), ["reference", Text(ref)], ["unit", 1]]
        made.append(["instances", ["project", Text(self._build), path]])
        self._items.append(made)
