"""Board: places, wide tracks and ground of the board build, as a .kicad_pcb.

Needs KiCad's footprint libraries and its Python module (to fill the ground); routing is `router`'s. Where
amperes flow the tracks are listed here by hand, as wide as `width_mm` says.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hardware import design
from hardware.design import GND
from hardware.kicad import router
from hardware.kicad.router import Copper, Grid, Terminal
from hardware.kicad.sexp import Text, child, children, parse, uid

LIBRARIES = Path("/usr/share/kicad/footprints")
OWN = Path(__file__).resolve().parent / "openknead.pretty"
ORIGIN_MM = 25.4  # of the board on KiCad's sheet, a whole number of steps
WIDTH_MM, HEIGHT_MM = 163.83, 101.6
HOLE_MM = 3.2  # M3
HOLES = ((4.0, 97.0), (159.5, 97.0), (52.0, 4.5), (159.5, 4.5))
PEAK_A, RISE_K, COPPER_UM = 5.0, 20.0, 35.0  # stall at 12.6 V; rise allowed; 1 oz

# Rows of parts: x and y of the first origin, pitch in x, rotation, references. mm.
UP = 270  # two-terminal parts upright, pin 1 on top
Row = tuple[float, float, float, int, str]
ROWS: tuple[Row, ...] = (
    (8.255, 8.255, 0, 0, "J1"),
    (20.32, 8.255, 0, 0, "J2"),
    (8.255, 20.32, 0, 0, "F1"),
    (20.32, 31.115, 0, 0, "D1"),
    (30.48, 15.24, 0, 0, "D2"),
    (28.575, 26.035, 0, 0, "C1"),
    (26.035, 48.26, 0, 0, "U8"),
    (39.37, 34.925, 0, 0, "C2"),
    (41.91, 44.45, 0, 0, "J3"),
    (8.89, 33.02, 0, 0, "U7"),
    (14.605, 43.18, 0, UP, "D3"),
    (5.08, 64.77, 3.81, UP, "R1 R2 R3 C3 R4 C4 R5 R6 C5 R7 R8 R9 R10 R11 R12"),
    (60.96, 9.525, 0, 0, "A1"),
    (92.71, 10.16, 15.875, 0, "U1 U2 U3 U4"),
    (104.14, 10.16, 15.875, UP, "C24 C25 C26 C27"),
    (90.17, 36.195, 3.81, UP, "R20 R21 R54 R27 R28 R53 R51 R52 R55 R22 R23 R50 C22 R24 R25 C23 R26"),
    (90.17, 52.705, 10.16, 0, "C20 C21 U5 Q1"),
    (
        63.5,
        64.77,
        3.81,
        UP,
        "R30 R31 C30 R32 R33 R34 R35 R36 R37 R38 R40 R41 C40 R42 R43 R44 C44 R45 C45 R46 C46",
    ),
    (143.51, 64.77, 3.81, UP, "R47 C47 R48 R49 C48"),
    (10.16, 79.375, 0, 0, "U6"),
    (21.59, 79.375, 0, UP, "C49"),
    (30.48, 93.98, 0, 0, "J9"),
    (40.64, 93.98, 0, 0, "J10"),
    (50.8, 93.98, 0, 0, "J11"),
    (60.96, 93.98, 0, 0, "J12"),
    (71.12, 93.98, 0, 0, "J8"),
    (86.36, 93.98, 0, 0, "J6"),
    (106.68, 93.98, 0, 0, "J7"),
    (128.27, 93.98, 0, 0, "J4"),
    (139.7, 93.98, 0, 0, "J5"),
)

# Wide tracks: net, layer, width in mm, corners. They lead from pad to pad.
WIDE: tuple[tuple[str, str, float, tuple[tuple[float, float], ...]], ...] = (
    ("VIN", "F.Cu", 3.0, ((8.255, 8.255), (8.255, 23.72))),
    ("VFUSED", "F.Cu", 3.0, ((18.165, 23.72), (18.165, 8.255), (20.32, 8.255))),
    ("VFUSED", "F.Cu", 2.0, ((18.165, 23.72), (18.165, 31.115))),
    (
        "VM",
        "F.Cu",
        3.0,
        ((24.28, 8.255), (28.575, 8.255), (28.575, 26.035), (28.575, 34.925), (32.385, 34.925)),
    ),
    ("VM", "F.Cu", 2.0, ((32.385, 34.925), (32.385, 40.64))),
    ("VM", "F.Cu", 1.0, ((32.385, 34.925), (39.37, 34.925))),
    ("MOT_A", "F.Cu", 2.0, ((32.385, 45.72), (38.1, 45.72), (38.1, 44.45), (41.91, 44.45))),
    ("MOT_B", "F.Cu", 2.0, ((32.385, 48.26), (45.87, 48.26), (45.87, 44.45))),
    ("GND", "B.Cu", 2.0, ((32.385, 43.18), (35.56, 43.18), (35.56, 26.035))),
    (
        "GND",
        "B.Cu",
        3.0,
        ((35.56, 26.035), (33.575, 26.035), (33.575, 13.335), (12.215, 13.335), (12.215, 8.255)),
    ),
)
# Vias at the protection diodes and along the ampere path: x, y, columns, rows. Ground is the lower layer, and
# on the upper one an area where amperes flow.
STITCH_MM = 1.27
STITCHES = ((24.765, 29.21, 1, 4), (24.765, 34.29, 1, 4), (35.56, 15.24, 1, 4), (37.465, 17.78, 1, 4))
UPPER_GROUND = (1.0, 1.0, 50.0, 59.0)
# Between which pads a wide path has to lead: (net, pin, pin).
AMPERES = (
    ("VIN", ("J1", "1"), ("F1", "1")),
    ("VFUSED", ("F1", "2"), ("J2", "1")),
    ("VM", ("J2", "2"), ("U8", "13")),
    ("VM", ("J2", "2"), ("C1", "1")),
    ("MOT_A", ("U8", "11"), ("J3", "1")),
    ("MOT_B", ("U8", "10"), ("J3", "2")),
    ("GND", ("J1", "2"), ("U8", "12")),
    ("GND", ("J1", "2"), ("C1", "2")),
)


def width_mm(ampere: float = PEAK_A, rise_k: float = RISE_K) -> float:
    """Least width of an outer track for a current, by IPC-2221: I = 0.048 · ΔT^0.44 · A^0.725, A in mil²."""
    area_mil2: float = (ampere / (0.048 * rise_k**0.44)) ** (1 / 0.725)
    return area_mil2 * 0.0254**2 / (COPPER_UM / 1000)


@dataclass(frozen=True)
class Pad:
    """A pad on the board: mm from the board's corner; width and height as it lies."""

    ref: str
    number: str
    x: float
    y: float
    width: float
    height: float
    layers: tuple[int, ...]
    net: str | None


def thin(sheet: list[Any]) -> list[str]:
    """Ampere paths of a parsed .kicad_pcb that no chain of tracks as wide as `width_mm` closes."""
    names = {int(net[1]): str(net[2]) for net in children(sheet, "net")}
    where: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for footprint in children(sheet, "footprint"):
        ref = next((str(p[2]) for p in children(footprint, "property") if p[1] == "Reference"), "")
        at = [float(v) for v in child(footprint, "at")[1:]]
        for pad in children(footprint, "pad"):
            x, y = (float(v) for v in child(pad, "at")[1:3])
            dx, dy = _turn(x, y, int(at[2]) % 360 if len(at) > 2 else 0)
            where.setdefault((ref, str(pad[1])), []).append((at[0] + dx, at[1] + dy))
    wide: dict[str, list[tuple[tuple[float, float], tuple[float, float], float]]] = {}
    for segment in children(sheet, "segment"):
        width = float(child(segment, "width")[1])
        if width >= width_mm():
            a, b = (tuple(float(v) for v in child(segment, end)[1:3]) for end in ("start", "end"))
            wide.setdefault(names[int(child(segment, "net")[1])], []).append((a, b, width))  # type: ignore[arg-type]
    return [
        f"no track of {width_mm():.2f} mm leads from {'.'.join(one)} to {'.'.join(two)} ({net})"
        for net, one, two in AMPERES
        if not _leads(wide.get(net, []), where.get(one, []), where.get(two, []))
    ]


def _leads(
    tracks: list[tuple[tuple[float, float], tuple[float, float], float]],
    start: list[tuple[float, float]],
    goal: list[tuple[float, float]],
) -> bool:
    """Whether tracks lead from a pad to a pad; ends that lie within a track's width are joined."""
    reached, grew = list(start), True
    while grew:
        grew = False
        for a, b, width in tracks:
            for one, two in ((a, b), (b, a)):
                if two not in reached and any(math.dist(one, p) < width / 2 for p in reached):
                    reached.append(two)
                    grew = True
    return any(math.dist(p, g) < width_mm() / 2 for p in reached for g in goal)


def places() -> dict[str, tuple[float, float, int]]:
    """reference -> (x, y, rotation)."""
    found = {}
    for x, y, pitch, angle, refs in ROWS:
        for n, ref in enumerate(refs.split()):
            found[ref] = (x + n * pitch, y, angle)
    return found


def library_footprint(name: str) -> list[Any]:
    """A footprint from KiCad's libraries or our own. Raises FileNotFoundError."""
    library, _, item = name.partition(":")
    folder = OWN if library == "openknead" else LIBRARIES / f"{library}.pretty"
    return parse((folder / f"{item}.kicad_mod").read_text(encoding="utf-8"))


def _turn(x: float, y: float, angle: int) -> tuple[float, float]:
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[angle]
    return x * cos + y * sin, -x * sin + y * cos


def pads(part: design.Part, place: tuple[float, float, int], footprint: list[Any]) -> Iterator[Pad]:
    """The pads of a part on the board."""
    x, y, angle = place
    for pad in children(footprint, "pad"):
        at, size = child(pad, "at"), child(pad, "size")
        dx, dy = _turn(float(at[1]), float(at[2]), angle)
        width, height = float(size[1]), float(size[2])
        own = int(float(at[3])) if len(at) > 3 else 0
        if (angle + own) % 180:
            width, height = height, width
        layers = (0,) if pad[2] == "smd" else (0, 1)
        number = str(pad[1])
        yield Pad(part.ref, number, x + dx, y + dy, width, height, layers, part.nets.get(number))


class Layout:
    """The board build on copper; `file` is the whole as a list for `sexp.dump`, ground still empty."""

    def __init__(self, parts: list[design.Part], sheet: list[Any]) -> None:
        """sheet: the parsed schematic, whose identifiers the footprints refer to."""
        self._parts = parts
        self._sheet = sheet
        self._footprints = {part.ref: library_footprint(part.footprint) for part in parts}
        where = places()
        self.pads = [p for part in parts for p in pads(part, where[part.ref], self._footprints[part.ref])]
        self.nets = ["", *sorted({net for part in parts for net in part.nets.values()})]
        self._unconnected: dict[tuple[str, str], str] = {}
        self.ways = self._route()

    def _route(self) -> dict[int, list[router.Way]]:
        grid = Grid(WIDTH_MM, HEIGHT_MM)
        numbers = {net: n for n, net in enumerate(self.nets)}
        far = 1000.0
        edge = 0.5 - router.CLEARANCE_MM
        for left, top, right, bottom in (
            (-far, -far, edge, far),
            (WIDTH_MM - edge, -far, far, far),
            (-far, -far, far, edge),
            (-far, HEIGHT_MM - edge, far, far),
        ):
            grid.close(Copper(router.CLOSED, (0, 1), left, top, right, bottom))
        for x, y in HOLES:
            r = HOLE_MM / 2 + edge
            grid.close(Copper(router.CLOSED, (0, 1), x - r, y - r, x + r, y + r))
        for box in self._kept_free():
            grid.close(Copper(router.CLOSED, (0, 1), *box))
        for x, y, _, _ in self._stitches():
            r = router.VIA_MM / 2
            grid.close(Copper(numbers[GND], (0, 1), x - r, y - r, x + r, y + r))
        for pad in self.pads:
            net = numbers[pad.net] if pad.net else router.CLOSED
            w, h = pad.width / 2, pad.height / 2
            grid.close(Copper(net, pad.layers, pad.x - w, pad.y - h, pad.x + w, pad.y + h))
        for name, layer, width, corners in WIDE:
            for (ax, ay), (bx, by) in pairwise(corners):
                w, on = width / 2, (router.LAYERS.index(layer),)
                box = (min(ax, bx) - w, min(ay, by) - w, max(ax, bx) + w, max(ay, by) + w)
                grid.close(Copper(numbers[name], on, *box))
        terminals: dict[int, list[Terminal]] = {}
        for pad in self.pads:
            if pad.net:
                terminals.setdefault(numbers[pad.net], []).append(
                    Terminal(numbers[pad.net], pad.x, pad.y, pad.layers)
                )
        return router.route(grid, terminals)

    def _kept_free(self) -> Iterator[tuple[float, float, float, float]]:
        """Boxes around the areas that footprints keep free of copper, such as the Pico W's antenna."""
        for part in self._parts:
            x, y, angle = places()[part.ref]
            for zone in children(self._footprints[part.ref], "zone"):
                if ["tracks", "not_allowed"] in child(zone, "keepout"):
                    corners = list(children(child(child(_moved(zone, x, y, angle), "polygon"), "pts"), "xy"))
                    xs, ys = [c[1] for c in corners], [c[2] for c in corners]
                    yield min(xs), min(ys), max(xs), max(ys)

    @staticmethod
    def _stitches() -> Iterator[tuple[float, float, int, int]]:
        """Vias that join both ground areas, in rows: (x, y, column, row)."""
        for left, top, columns, rows in STITCHES:
            for column in range(columns):
                for row in range(rows):
                    yield left + column * STITCH_MM, top + row * STITCH_MM, column, row

    # -- writing --------------------------------------------------------------------------------------

    def file(self) -> list[Any]:
        """The board as KiCad's file holds it."""
        layers: list[Any] = ["layers"]
        for number, name, kind in (
            ("0", "F.Cu", "signal"),
            ("2", "B.Cu", "signal"),
            ("5", "F.SilkS", "user"),
            ("7", "B.SilkS", "user"),
            ("1", "F.Mask", "user"),
            ("3", "B.Mask", "user"),
            ("13", "F.Paste", "user"),
            ("15", "B.Paste", "user"),
            ("19", "Cmts.User", "user"),
            ("25", "Edge.Cuts", "user"),
            ("31", "F.CrtYd", "user"),
            ("29", "B.CrtYd", "user"),
            ("35", "F.Fab", "user"),
            ("33", "B.Fab", "user"),
        ):
            layers.append([number, Text(name), kind])
        head: list[Any] = ["kicad_pcb", ["version", "20241229"], ["generator", Text("openknead")]]
        head += [["generator_version", Text("9.0")], ["general", ["thickness", 1.6]], ["paper", Text("A4")]]
        setup = ["setup", ["pad_to_mask_clearance", 0], ["allow_soldermask_bridges_in_footprints", "yes"]]
        nets = [["net", n, Text(net)] for n, net in enumerate([*self.nets, *self._open_nets()])]
        corners = [(0.0, 0.0), (WIDTH_MM, HEIGHT_MM)]
        (ax, ay), (bx, by) = ((x + ORIGIN_MM, y + ORIGIN_MM) for x, y in corners)
        outline = [
            "gr_rect",
            ["start", ax, ay],
            ["end", bx, by],
            ["stroke", ["width", 0.1], ["type", "solid"]],
        ]
        outline += [["fill", "no"], ["layer", Text("Edge.Cuts")], uid("outline")]
        footprints = [self._footprint(part) for part in self._parts]
        holes = [self._hole(n, x, y) for n, (x, y) in enumerate(HOLES, start=1)]
        tracks = [*self._wide(), *self._tracks()]
        whole = (0.5, 0.5, WIDTH_MM - 0.5, HEIGHT_MM - 0.5)
        zones = [self._zone("F.Cu", UPPER_GROUND), self._zone("B.Cu", whole)]
        return [*head, layers, setup, *nets, *footprints, *holes, outline, *self._texts(), *tracks, *zones]

    def _open_nets(self) -> list[str]:
        """KiCad gives each open pin a net of its own."""
        names = []
        for pad in self.pads:
            if pad.net is None and (pad.ref, pad.number) not in self._unconnected:
                kind = next(part.kind for part in self._parts if part.ref == pad.ref)
                name = design.PINS[kind][pad.number][0]
                shown = "~{" + name.replace("n", "", 1) + "}" if "n" in name else name
                self._unconnected[pad.ref, pad.number] = f"unconnected-({pad.ref}-{shown}-Pad{pad.number})"
        for net in self._unconnected.values():
            if net not in names:
                names.append(net)
        return names

    def _net(self, pad: Pad) -> list[Any]:
        name = pad.net or self._unconnected[pad.ref, pad.number]
        numbers = {net: n for n, net in enumerate([*self.nets, *self._open_nets()])}
        return ["net", numbers[name], Text(name)]

    def _footprint(self, part: design.Part) -> list[Any]:
        x, y, angle = places()[part.ref]
        symbol = next(
            s
            for s in children(self._sheet, "symbol")
            if any(p[1] == "Reference" and p[2] == part.ref for p in children(s, "property"))
        )
        on_board = {(p.number, round(p.x, 3), round(p.y, 3)): p for p in self.pads if p.ref == part.ref}
        made: list[Any] = [
            "footprint",
            Text(part.footprint),
            ["layer", Text("F.Cu")],
            uid("footprint", part.ref),
        ]
        made.append(["at", x + ORIGIN_MM, y + ORIGIN_MM, angle])
        count = 0
        for item in self._footprints[part.ref][2:]:
            name = item[0] if isinstance(item, list) else ""
            if name in (
                "version",
                "generator",
                "generator_version",
                "layer",
                "uuid",
                "tedit",
                "embedded_fonts",
            ):
                continue
            count += 1
            item = [i for i in item if not (isinstance(i, list) and i and i[0] == "uuid")]
            if name == "property":
                if item[1] not in ("Reference", "Value"):
                    continue
                item = self._property(part, item, angle)
            elif name == "pad":
                at = child(item, "at")
                dx, dy = _turn(float(at[1]), float(at[2]), angle)
                turned = (angle + (int(float(at[3])) if len(at) > 3 else 0)) % 360
                pad = on_board[str(item[1]), round(x + dx, 3), round(y + dy, 3)]
                item = [["at", at[1], at[2], turned] if i is at else i for i in item]
                item.append(self._net(pad))
            elif name == "group":
                continue
            elif name == "zone":  # the only thing in a footprint that is not relative to it
                item = _moved(item, x + ORIGIN_MM, y + ORIGIN_MM, angle)
            elif name == "fp_text":
                at = child(item, "at")
                item = [["at", at[1], at[2], angle] if i is at else i for i in item]
            if name not in ("descr", "tags", "attr", "model", "solder_mask_margin"):
                item = [*item, uid("footprint", part.ref, count)]
            made.append(item)
        for key, value in (("Datasheet", ""), ("Description", part.why), ("MPN", part.mpn)):
            at = ["at", 0, 0, angle]
            font = ["effects", ["font", ["size", 1, 1], ["thickness", 0.15]]]
            shown = ["property", Text(key), Text(value), at, ["layer", Text("F.Fab")], ["hide", "yes"]]
            made.append([*shown, uid("footprint", part.ref, key), font])
        made += [["path", Text("/" + child(symbol, "uuid")[1])], ["sheetname", Text("/")]]
        made.append(["sheetfile", Text(f"{design.BOARD}.kicad_sch")])
        return made

    def _property(self, part: design.Part, item: list[Any], angle: int) -> list[Any]:
        reference = item[1] == "Reference"
        at = child(item, "at")
        x, y = float(at[1]), float(at[2])
        if reference and part.kind in ("resistor", "capacitor"):  # inside its outline
            xs = [float(child(pad, "at")[1]) for pad in children(self._footprints[part.ref], "pad")]
            x, y = sum(xs) / 2, 0.0
        size = 0.8 if reference else 0.6
        font = ["effects", ["font", ["size", size, size], ["thickness", 0.12]]]
        value = part.ref if reference else part.value
        return ["property", item[1], Text(value), ["at", x, y, angle], child(item, "layer"), font]

    @staticmethod
    def _hole(n: int, x: float, y: float) -> list[Any]:
        """A hole without copper, cut like the outline."""
        centre, rim = (
            ["center", x + ORIGIN_MM, y + ORIGIN_MM],
            ["end", x + HOLE_MM / 2 + ORIGIN_MM, y + ORIGIN_MM],
        )
        made = ["gr_circle", centre, rim, ["stroke", ["width", 0.1], ["type", "solid"]], ["fill", "no"]]
        return [*made, ["layer", Text("Edge.Cuts")], uid("hole", n)]

    def _texts(self) -> Iterator[list[Any]]:
        for n, (text, x, y) in enumerate((("OpenKnead: never built, never measured", 118.0, 4.0),)):
            font = ["effects", ["font", ["size", 1.2, 1.2], ["thickness", 0.15]]]
            at = ["at", x + ORIGIN_MM, y + ORIGIN_MM]
            yield ["gr_text", Text(text), at, ["layer", Text("F.SilkS")], uid("text", n), font]

    @staticmethod
    def _segment(
        a: tuple[float, float], b: tuple[float, float], width: float, layer: str, net: int
    ) -> list[Any]:
        start = ["start", a[0] + ORIGIN_MM, a[1] + ORIGIN_MM]
        end = ["end", b[0] + ORIGIN_MM, b[1] + ORIGIN_MM]
        made = ["segment", start, end, ["width", width], ["layer", Text(layer)], ["net", net]]
        return [*made, uid("segment", layer, net, a, b)]

    def _wide(self) -> Iterator[list[Any]]:
        for name, layer, width, corners in WIDE:
            for a, b in pairwise(corners):
                yield self._segment(a, b, width, layer, self.nets.index(name))

    def _tracks(self) -> Iterator[list[Any]]:
        seen: set[tuple[object, ...]] = set()
        for x, y, _, _ in self._stitches():
            yield self._via((x, y), self.nets.index(GND))
        for net in sorted(self.ways):
            own = [pad for pad in self.pads if pad.net == self.nets[net]]
            for way in self.ways[net]:
                for (one, ax, ay), (two, bx, by) in _runs(way.cells):
                    a, b = (
                        (ax * router.STEP_MM, ay * router.STEP_MM),
                        (bx * router.STEP_MM, by * router.STEP_MM),
                    )
                    if one != two:
                        if (net, a) not in seen and not any(
                            _inside(pad, a) for pad in own if len(pad.layers) > 1
                        ):
                            seen.add((net, a))
                            yield self._via(a, net)
                    elif a != b:
                        yield self._segment(a, b, router.TRACK_MM, router.LAYERS[one], net)
                for layer, column, row in (way.cells[0], way.cells[-1]):
                    end = (column * router.STEP_MM, row * router.STEP_MM)
                    for pad in own:
                        middle = (round(pad.x, 4), round(pad.y, 4))
                        if layer in pad.layers and _inside(pad, end) and math.dist(middle, end) > 1e-3:
                            key = (net, layer, end, middle)
                            if key not in seen:
                                seen.add(key)
                                yield self._segment(end, middle, router.TRACK_MM, router.LAYERS[layer], net)

    @staticmethod
    def _via(at: tuple[float, float], net: int) -> list[Any]:
        made: list[Any] = ["via", ["at", at[0] + ORIGIN_MM, at[1] + ORIGIN_MM], ["size", router.VIA_MM]]
        made += [["drill", router.DRILL_MM], ["layers", Text("F.Cu"), Text("B.Cu")], ["net", net]]
        return [*made, uid("via", net, at)]

    def _zone(self, layer: str, box: tuple[float, float, float, float]) -> list[Any]:
        left, top, right, bottom = (v + ORIGIN_MM for v in box)
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        made: list[Any] = [
            "zone",
            ["net", self.nets.index(GND)],
            ["net_name", Text(GND)],
            ["layer", Text(layer)],
        ]
        made += [uid("zone", layer), ["name", Text(f"ground {layer}")], ["hatch", "edge", 0.5]]
        made += [["connect_pads", ["clearance", 0.25]], ["min_thickness", 0.25]]
        made.append(["fill", "yes", ["thermal_gap", 0.3], ["thermal_bridge_width", 0.5]])
        made.append(["polygon", ["pts", *(["xy", x, y] for x, y in corners)]])
        return made


def _moved(zone: list[Any], x: float, y: float, angle: int) -> list[Any]:
    """A footprint's zone where the footprint lies on the board."""

    def turned(point: list[Any]) -> list[Any]:
        dx, dy = _turn(float(point[1]), float(point[2]), angle)
        return ["xy", x + dx, y + dy]

    polygons = [
        ["polygon", ["pts", *map(turned, children(child(p, "pts"), "xy"))]] for p in children(zone, "polygon")
    ]
    return [*(item for item in zone if not (isinstance(item, list) and item[0] == "polygon")), *polygons]


def _inside(pad: Pad, point: tuple[float, float]) -> bool:
    return abs(pad.x - point[0]) <= pad.width / 2 and abs(pad.y - point[1]) <= pad.height / 2


def _runs(cells: list[router.Cell]) -> Iterator[tuple[router.Cell, router.Cell]]:
    """Straight runs and changes of layer of a way."""
    start = cells[0]
    for n in range(1, len(cells)):
        before, here = cells[n - 1], cells[n]
        after = cells[n + 1] if n + 1 < len(cells) else None
        straight = after is not None and all(here[k] - before[k] == after[k] - here[k] for k in range(3))
        if not straight or before[0] != here[0]:
            yield start, here
            start = here
