"""Faults: every single open and short around the interlock, found from the netlist, and what each does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from hardware.design import GND, PINS, V33, Netlist
from hardware.interlock import rows
from hardware.interlock.circuit import Circuit, Fits

CHIPS = ("74HC123", "74HC74", "74HC21", "supervisor", "npn")
LOOP, BUTTON = "J4", "J5"
WATCHED_PINS = {"drv8874": ("SLEEP", "EN"), "pico": ("GP2", "GP3", "GP4", "GP10", "GP16")}
PASSIVES = ("resistor", "capacitor")


@dataclass(frozen=True)
class Fault:
    """One thing that is broken. opens, joins: as `Circuit` takes them; stray: Pico inputs that drive."""

    name: str
    opens: tuple[tuple[str, str], ...] = ()
    joins: tuple[tuple[str, str], ...] = ()
    stray: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Result:
    """unsafe: rows and stories in which the motor may turn though it must not; works: it can be used."""

    fault: Fault
    unsafe: tuple[str, ...]
    surely: bool  # in at least one of these it turns, whatever the floating and fighting levels are
    works: bool

    @property
    def verdict(self) -> str:
        """In words."""
        if self.unsafe:
            return "unsafe"
        return "hidden" if self.works else "motor stays off"


def _where(netlist: Netlist) -> dict[tuple[str, str], str]:
    return {pin: net for net, pins in netlist.items() for pin in pins}


def _pin_text(fits: Fits, ref: str, pin: str) -> str:
    kind = fits[ref][0]
    name = PINS[kind][pin][0]
    return f"{ref}.{pin}" + ("" if name == pin else f" ({name})")


def faults(netlist: Netlist, fits: Fits) -> list[Fault]:
    """All single faults of a netlist. Shorts of the supply itself are left out: the Pico is off with it."""
    found: dict[Fault, None] = {}
    for fault in itertools.chain(
        _opens(netlist, fits), _to_rails(netlist, fits), _bridges(netlist, fits), _contacts(netlist)
    ):
        found[fault] = None
    found[Fault("firmware drives GP4 high", stray=(("GP4", 1),))] = None
    found[Fault("firmware drives GP10 high", stray=(("GP10", 1),))] = None
    return list(found)


def _around(netlist: Netlist, fits: Fits) -> set[str]:
    """Nets of the interlock but for the rails: at chips, contacts, and pins of the Pico and the driver."""

    def inside(ref: str, pin: str) -> bool:
        kind = fits[ref][0]
        return kind in CHIPS or ref in (LOOP, BUTTON) or PINS[kind][pin][0] in WATCHED_PINS.get(kind, ())

    return {net for net, pins in netlist.items() if any(inside(*pin) for pin in pins)} - {GND, V33}


def _opens(netlist: Netlist, fits: Fits) -> Iterator[Fault]:
    around, where = _around(netlist, fits), _where(netlist)
    for (ref, pin), net in sorted(where.items(), key=lambda item: (item[0][0], int(item[0][1]))):
        kind = fits[ref][0]
        name = PINS[kind][pin][0]
        if kind in CHIPS or name in WATCHED_PINS.get(kind, ()) or ref in (LOOP, BUTTON):
            yield Fault(f"{_pin_text(fits, ref, pin)} open", opens=((ref, pin),))
        elif kind in PASSIVES and pin == "1" and {net, where[ref, "2"]} & around:
            yield Fault(f"{ref} ({fits[ref][1]}) open", opens=((ref, pin),))


def _to_rails(netlist: Netlist, fits: Fits) -> Iterator[Fault]:
    for net in sorted(_around(netlist, fits)):
        for rail in (GND, V33):
            yield Fault(f"{net} shorted to {rail}", joins=((net, rail),))


def _bridges(netlist: Netlist, fits: Fits) -> Iterator[Fault]:
    """Neighbouring pins of the chips, and passive parts that short."""
    where = _where(netlist)
    seen = set()
    for ref, (kind, value) in fits.items():
        if kind in PASSIVES:
            pairs = [("1", "2")]
        elif kind in CHIPS:
            half = len(PINS[kind]) // 2
            pairs = [(str(n), str(n + 1)) for n in range(1, len(PINS[kind])) if n != half or kind == "npn"]
        else:
            continue
        for one, two in pairs:
            nets = frozenset((where.get((ref, one), ""), where.get((ref, two), "")))
            if len(nets) == 2 and "" not in nets and not nets & {GND, V33} and nets not in seen:
                if kind in PASSIVES and not nets <= _around(netlist, fits):
                    continue
                seen.add(nets)
                a, b = sorted(nets)
                what = f"{ref} ({value})" if kind in PASSIVES else f"{ref}.{one} to {ref}.{two}"
                yield Fault(f"{what} shorted: {a} to {b}", joins=((a, b),))


def _contacts(netlist: Netlist) -> Iterator[Fault]:
    where = _where(netlist)
    if (LOOP, "1") in where:
        yield Fault(
            "trip loop: its wires shorted, or contacts welded", joins=((where[LOOP, "1"], where[LOOP, "2"]),)
        )
        yield Fault(
            "re-arm: its wires shorted, or button stuck", joins=((where[BUTTON, "1"], where[BUTTON, "2"]),)
        )


def judge(netlist: Netlist, fits: Fits, fault: Fault, good: Circuit) -> Result:
    """What a fault does in all rows and stories: there from the start, and come after arming.

    good: the circuit without faults, for the time before it came.
    """
    circuit = Circuit(netlist, fits, fault.opens, fault.joins)
    outcomes = [outcome for _, outcome in rows.judge_rows(circuit, fault.stray)]
    later = [outcome for _, outcome in rows.judge_rows(circuit, fault.stray, before=good)]
    told = [rows.tell(circuit, story, fault.stray) for story in rows.STORIES]
    unsafe = [outcome for outcome in (*outcomes, *later, *told) if outcome.unsafe]
    names = tuple(dict.fromkeys(outcome.name for outcome in unsafe))
    return Result(fault, names, any(o.does == "runs" for o in unsafe), told[0].does != "off")
