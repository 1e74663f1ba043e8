"""Circuit: the interlock's nets, chips and resistors as a schematic file has them, and their voltages.

Levels have three values: 0, 1, and X for whatever lies between the thresholds, floats, or is driven by two
at once. X is never taken for safe. What is connected to what comes from the netlist and stands nowhere here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

from hardware.design import GND, PINS, V33, Netlist
from hardware.kicad import reader
from hardware.kicad.sexp import parse

RAIL_V = 3.3
HIGH_V, LOW_V = (
    2.31,
    0.99,
)  # thresholds of 74HC at 3.3 V: 0.7 and 0.3 of the supply (data sheets: at 2 and 4.5 V)
OUTPUT_OHM = 50.0  # of a 74HC or RP2040 output, roughly; resistors around them are 100 Ω and more
NPN_ON_V, NPN_OFF_V = 1.0, 0.4  # unloaded voltage at the base
X = 2
Level = int  # 0, 1, X
Fits = Mapping[str, tuple[str, str]]  # reference -> (kind, value)

_LOGIC = ("74HC21", "74HC74", "74HC123", "npn", "supervisor", "drv8874")  # whose pins' voltages are asked for
_UNITS = {"k": 1e3, "M": 1e6, "u": 1e-6, "n": 1e-9, "p": 1e-12}


def value_of(text: str) -> float:
    """`2k2`, `470n film`, `100` as a number in Ω or F."""
    word = text.split()[0]
    for letter, factor in _UNITS.items():
        if letter in word:
            return float(word.replace(letter, ".").rstrip(".")) * factor
    return float(word)


class Circuit:
    """A netlist with faults: `net` tells a pin's net, `levels` what drives it to which level.

    opens: pins that touch nothing; joins: pairs of nets that are one.
    """

    def __init__(
        self,
        netlist: Netlist,
        fits: Fits,
        opens: Iterable[tuple[str, str]] = (),
        joins: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.fits = fits
        # asked for again and again
        self.levels = cache(self._levels)
        self.pins = cache(self._pins)
        self.of = cache(self._of)
        self.between = cache(self._between)
        self.has_supply = cache(self._has_supply)
        self.net: dict[tuple[str, str], str] = {}
        same = _joined([*joins, *self._links(netlist)])
        for name, pins in netlist.items():
            for pin in pins:
                self.net[pin] = same.get(name, name)
        for ref, number in opens:
            self.net[ref, number] = f"{ref}.{number} open"
        self._same = same
        watched = {
            self.at(ref, pin) for ref, (kind, _) in fits.items() if kind in _LOGIC for pin in PINS[kind]
        }
        ends = ((ref, self.at(ref, "1"), self.at(ref, "2")) for ref in self.of("resistor"))
        self._resistors = [(a, b, value_of(fits[ref][1])) for ref, a, b in ends if {a, b} & watched]

    def _links(self, netlist: Netlist) -> list[tuple[str, str]]:
        """The wires of the breadboard, as pairs of nets."""
        where = {pin: name for name, pins in netlist.items() for pin in pins}
        return [(where[ref, "1"], where[ref, "2"]) for ref in self.of("link")]

    def at(self, ref: str, pin: str) -> str:
        """Net of a pin; one of its own when the pin is connected to nothing."""
        return self.net.get((ref, pin), f"{ref}.{pin} open")

    def named(self, net: str) -> str:
        """What a net is called after the joins."""
        return self._same.get(net, net)

    def _pins(self, ref: str) -> dict[str, str]:
        """Pin name -> net of a part."""
        return {name: self.at(ref, number) for number, (name, _) in PINS[self.fits[ref][0]].items()}

    def _of(self, kind: str) -> list[str]:
        """References of a kind of part."""
        return [ref for ref, (k, _) in self.fits.items() if k == kind]

    def _has_supply(self, ref: str) -> bool:
        """Whether both supply pins of a chip are where they belong."""
        pins = self.pins(ref)
        plus, minus = pins.get("VCC", pins.get("VDD")), pins.get("GND", pins.get("VSS"))
        return plus == self.named(V33) and minus == self.named(GND)

    def _between(self, kind: str, one: str, two: str) -> float | None:
        """Value of the first two-terminal part of a kind between two nets, None when there is none."""
        for ref in self.of(kind):
            if {self.at(ref, "1"), self.at(ref, "2")} == {one, two}:
                return value_of(self.fits[ref][1])
        return None

    def _levels(
        self, sources: frozenset[tuple[str, Level]], contacts: frozenset[tuple[str, str]], powered: bool
    ) -> dict[str, tuple[float, float]]:
        """Lowest and highest voltage of each net that something drives.

        sources: (net, level) of each output; contacts: pairs of nets that a closed switch connects.
        """
        low = self._solve(sources, contacts, powered, 0.0)
        if X not in (level for _, level in sources):
            return {net: (volts, volts) for net, volts in low.items()}
        high = self._solve(sources, contacts, powered, RAIL_V)
        return {net: (low[net], high[net]) for net in low}

    def _solve(
        self,
        sources: frozenset[tuple[str, Level]],
        contacts: frozenset[tuple[str, str]],
        powered: bool,
        unknown_v: float,
    ) -> dict[str, float]:
        """Voltage of each net that something drives, be it through resistors."""
        same = _joined((self.named(one), self.named(two)) for one, two in contacts)
        rails = {self.named(GND): 0.0}
        rails.setdefault(self.named(V33), RAIL_V if powered else 0.0)
        pushes = [  # (net, V, 1/Ω)
            (same.get(net, net), unknown_v if level == X else level * rails.get(V33, RAIL_V), 1 / OUTPUT_OHM)
            for net, level in sources
        ]
        between: list[tuple[str, str, float]] = []
        for one, two, ohm in self._resistors:
            a, b = same.get(one, one), same.get(two, two)
            if a in rails or b in rails:
                net, rail = (b, a) if a in rails else (a, b)
                pushes.append((net, rails[rail], 1 / ohm))
            else:
                between.append((a, b, 1 / ohm))
        volts_of = dict(rails)
        for group in _groups(
            {net for net, _, _ in pushes} | {n for a, b, _ in between for n in (a, b)}, between
        ):
            pushed = tuple(sorted(p for p in pushes if p[0] in group and p[0] not in rails))
            if pushed:
                volts_of |= _relax(tuple(sorted(e for e in between if e[0] in group)), pushed)
        return volts_of | {net: volts_of[kept] for net, kept in same.items() if kept in volts_of}


def _groups(nets: set[str], between: list[tuple[str, str, float]]) -> list[set[str]]:
    """Nets that resistors connect, group by group."""
    groups = {net: {net} for net in nets}
    for a, b, _ in between:
        if groups[a] is not groups[b]:
            groups[a] |= groups[b]
            for net in groups[b]:
                groups[net] = groups[a]
    return list({id(group): group for group in groups.values()}.values())


@cache
def _relax(
    between: tuple[tuple[str, str, float], ...], pushes: tuple[tuple[str, float, float], ...]
) -> dict[str, float]:
    """Voltages of a group of nets: every resistor pulls its ends together until nothing moves."""
    ends: dict[str, list[tuple[str, float]]] = {net: [] for net, _, _ in pushes}
    for a, b, siemens in between:
        ends.setdefault(a, []).append((b, siemens))
        ends.setdefault(b, []).append((a, siemens))
    volts_of = dict.fromkeys(ends, 1.0)
    for _ in range(500):
        moved = 0.0
        for net, others in ends.items():
            flows = [(volts_of[other], g) for other, g in others]
            flows += [(volts, g) for pushed, volts, g in pushes if pushed == net]
            volts = sum(v * g for v, g in flows) / sum(g for _, g in flows)
            moved = max(moved, abs(volts - volts_of[net]))
            volts_of[net] = volts
        if moved < 1e-4:
            break
    return volts_of


def _joined(joins: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Net -> the name it takes when pairs of nets become one; a rail keeps its own."""
    same: dict[str, str] = {}
    for one, two in joins:
        a, b = same.get(one, one), same.get(two, two)
        if a in (GND, V33):
            a, b = b, a
        if a != b:
            same = {net: b if kept == a else kept for net, kept in same.items()} | {a: b}
    return same


def load(text: str) -> tuple[Netlist, dict[str, tuple[str, str]]]:
    """Netlist and parts of a .kicad_sch file's text."""
    sheet = parse(text)
    return reader.netlist(sheet), reader.fitted(sheet)
