"""Checks: do schematics, the firmware's pin map and the harness agree? `python -m hardware.checks`

Each check takes what it compares as an argument and returns what is wrong, so that a broken copy can be
handed in. None needs KiCad; what does stands in `hardware/kicad/headless.py`.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

from hardware import design
from hardware.design import BOARD, BREADBOARD, GND, PINS, Netlist
from hardware.interlock.circuit import Fits, load

ROOT = Path(__file__).resolve().parents[1]
FIRMWARE = ROOT / "firmware" / "massager" / "board.py"
HARNESS = ROOT / "hardware" / "harness" / "harness.yml"

# Pins of the firmware's map that a build leaves open.
LEFT_OPEN = {BREADBOARD: {"REARM"}, BOARD: set[str]()}
# Outputs of the Pico that must be low without it, and inputs of the driver that must be low without anybody.
PULLED_DOWN = ("RUN_REQ", "MOT_PWM", "MOT_PH", "WD_KICK", "BUZZER", "DRV_NSLEEP", "DRV_EN")
NTC_OF = {"MOTOR": "NTC_MOTOR", "DRIVER": "NTC_DRIVER", "HANDLE": "NTC_HANDLE", "PAD": "NTC_PAD"}
NTC_OF |= {"REFERENCE": "REF_HALF"}
# Nets that have to arrive at those ends of the harness where it matters which wire is which.
DEVICES = {
    "SUPPLY": ("VIN", "GND"),
    "ESTOP": ("VFUSED", "VM", "LOOP_FEED", None),
    "STOP": ("STOP_SW", "GND"),
    "LED": ("LED_R_A", "LED_G_A", "LED_B_A", "GND"),
    "BUZZER": ("BUZZER_P", "GND"),
    "TACH": ("+3V3", "TACH_A_SW", "GND"),
    "THERMOSTAT": (None, "TRIP_OK"),
    "NTC_M": ("NTC_MOTOR", "GND"),
    "NTC_D": ("NTC_DRIVER", "GND"),
    "NTC_H": ("NTC_HANDLE", "GND"),
    "NTC_P": ("NTC_PAD", "GND"),
}


def schematic(build: str) -> str:
    """Text of a build's schematic."""
    return (ROOT / "hardware" / "kicad" / f"{build}.kicad_sch").read_text(encoding="utf-8")


def _assigned(tree: ast.Module, name: str) -> ast.expr:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return node.value
    raise KeyError(name)


def pin_map(source: str) -> dict[str, int]:
    """Signal -> GPIO number, from the text of the firmware's board.py, which imports hardware modules."""
    pins: dict[str, int] = ast.literal_eval(_assigned(ast.parse(source), "PINS"))
    return pins


def multiplexer(source: str) -> dict[int, str]:
    """Input of the multiplexer -> channel, from the same text."""
    tree = ast.parse(source)
    order = ast.literal_eval(_assigned(tree, "MUX_LINES"))
    turns = _assigned(tree, "MUX_TURNS")
    found = {}
    assert isinstance(turns, ast.Tuple)
    for turn in turns.elts:
        assert isinstance(turn, ast.Tuple)
        assert isinstance(turn.elts[0], ast.Name)
        bits = dict(zip(order, (ast.literal_eval(bit) for bit in turn.elts[1:]), strict=True))
        found[bits["MUX_S0"] + 2 * bits["MUX_S1"] + 4 * bits["MUX_S2"]] = turn.elts[0].id
    return found


def same_nets(build: str, netlist: Netlist, wanted: Netlist) -> list[str]:
    """Differences between two netlists, pin by pin."""
    where = {pin: net for net, pins in netlist.items() for pin in pins}
    should = {pin: net for net, pins in wanted.items() for pin in pins}
    return [
        f"{build}: {ref}.{pin} is on {where.get((ref, pin), 'no net')}, "
        f"the design says {should.get((ref, pin), 'no net')}"
        for ref, pin in sorted(where.keys() | should.keys())
        if where.get((ref, pin)) != should.get((ref, pin))
    ]


def pins_match(build: str, netlist: Netlist, fits: Fits, source: str) -> list[str]:
    """Differences between a netlist and the firmware's pin map, at the Pico and at the multiplexer."""
    where = {pin: net for net, pins in netlist.items() for pin in pins}
    number = {name: n for n, (name, _) in PINS["pico"].items()}
    pins, wrong = pin_map(source), []
    for signal, gpio in pins.items():
        net = where.get(("A1", number[f"GP{gpio}"]))
        wanted = None if signal in LEFT_OPEN[build] else signal
        if net != wanted:
            wrong.append(f"{build}: GP{gpio} is on {net or 'no net'}, the firmware uses it as {signal}")
    for name, n in number.items():
        net = where.get(("A1", n))
        if name.startswith("GP") and net and int(name[2:]) not in pins.values():
            wrong.append(f"{build}: {name} is on {net}, the firmware does not know it")
    channels = multiplexer(source)
    chip = next(ref for ref, (kind, _) in fits.items() if kind == "74HC4051")
    for n, (name, _) in PINS["74HC4051"].items():
        if name.startswith("Y"):
            wanted = NTC_OF.get(channels.get(int(name[1:]), ""), GND)
            if where.get((chip, n)) != wanted:
                wrong.append(
                    f"{build}: {chip} {name} is on {where.get((chip, n))}, the firmware reads {wanted}"
                )
    return wrong


def pulled_down(build: str, netlist: Netlist, fits: Fits) -> list[str]:
    """Nets that can move the motor and have no resistor to ground."""
    where = {pin: net for net, pins in netlist.items() for pin in pins}
    down = set()
    for ref, (kind, _) in fits.items():
        ends = [where.get((ref, "1"), ""), where.get((ref, "2"), "")]
        if kind == "resistor" and GND in ends:
            down |= set(ends) - {GND}
    return [f"{build}: {net} has no pull-down" for net in PULLED_DOWN if net not in down]


def harness_matches(build: str, netlist: Netlist, fits: Fits, harness: dict[str, Any]) -> list[str]:
    """Differences between the connectors of a netlist and those of the harness, and ends that go nowhere."""
    where = {pin: net for net, pins in netlist.items() for pin in pins}
    connectors = harness["connectors"]
    board = {ref for ref, (kind, _) in fits.items() if kind.startswith("conn")}
    wrong = [f"harness: no {ref}, which the {build} has" for ref in sorted(board - connectors.keys())]
    used = {(ref, pin) for row in harness["connections"] for end in row for ref, pin in _ends(end)}
    for ref in sorted(board & connectors.keys()):
        labels = connectors[ref]["pinlabels"]
        count = len(PINS[fits[ref][0]])
        if len(labels) != count:
            wrong.append(f"harness: {ref} has {len(labels)} pins, on the {build} {count}")
        for n, label in enumerate(labels, start=1):
            net = where.get((ref, str(n)))
            if net != label:
                wrong.append(
                    f"harness: {ref}.{n} is called {label}, on the {build} it is {net or 'on no net'}"
                )
            if (ref, n) not in used and (ref, n) not in SPARE:
                wrong.append(f"harness: no wire at {ref}.{n} ({label})")
    for left, cable, right in harness["connections"]:
        for (a, m), (name, n), (b, k) in zip(_ends(left), _ends(cable), _ends(right), strict=True):
            if a not in board:
                continue
            net, label = where.get((a, str(m))), harness["cables"][name]["wirelabels"][n - 1]
            if label != net:
                wrong.append(f"harness: wire {name}.{n} is called {label} and begins at {net} ({a}.{m})")
            wanted = DEVICES.get(b, ())[k - 1] if b in DEVICES else None
            if wanted and net != wanted:
                wrong.append(f"harness: {net} ({a}.{m}) arrives at {b}.{k}, which needs {wanted}")
    return wrong


SPARE = {("J8", 3)}  # TACH_B is not read


def _ends(end: dict[str, Any]) -> list[tuple[str, int]]:
    """`{J1: [1, 2]}`, `{J7: [1-4]}` or `{J3: 1}` of a connection set as (name, pin)."""
    found = []
    for name, pins in end.items():
        for pin in pins if isinstance(pins, list) else [pins]:
            first, _, last = str(pin).partition("-")
            found += [(name, n) for n in range(int(first), int(last or first) + 1)]
    return found


def wires(harness: dict[str, Any]) -> list[tuple[str, ...]]:
    """Cut list: of each wire its name, label, colour, gauge, insulation, length in mm, and both ends.

    Raises ValueError when a wire of a cable is not connected, or twice.
    """
    ends: dict[tuple[str, int], tuple[str, str]] = {}
    for left, cable, right in harness["connections"]:
        for (a, m), wire, (b, n) in zip(_ends(left), _ends(cable), _ends(right), strict=True):
            if wire in ends:
                raise ValueError(f"wire {wire[0]}.{wire[1]} is connected twice")
            ends[wire] = (f"{a}.{_label(harness, a, m)}", f"{b}.{_label(harness, b, n)}")
    rows: list[tuple[str, ...]] = []
    for name, cable in harness["cables"].items():
        for n, (colour, label) in enumerate(zip(cable["colors"], cable["wirelabels"], strict=True), start=1):
            if (name, n) not in ends:
                raise ValueError(f"wire {name}.{n} is not connected")
            length = f"{cable['length'] * 1000:.0f}"
            rows.append((f"{name}.{n}", label, colour, cable["gauge"], cable["type"], length, *ends[name, n]))
    return rows


def _label(harness: dict[str, Any], connector: str, pin: int) -> str:
    labels = harness["connectors"][connector]["pinlabels"]
    return f"{pin}" if str(labels[pin - 1]) == str(pin) else f"{pin} {labels[pin - 1]}"


def wrong() -> list[str]:
    """All that is wrong in the repository's own files."""
    import yaml  # type: ignore[import-untyped]

    source = FIRMWARE.read_text(encoding="utf-8")
    harness = yaml.safe_load(HARNESS.read_text(encoding="utf-8"))
    found = []
    for build in design.BUILDS:
        netlist, fits = load(schematic(build))
        found += same_nets(build, netlist, design.netlist(build))
        found += pins_match(build, netlist, fits, source)
        found += pulled_down(build, netlist, fits)
        found += harness_matches(build, netlist, fits, harness)
    try:
        wires(harness)
    except ValueError as error:
        found.append(f"harness: {error}")
    return found


def main() -> int:
    found = wrong()
    for line in found:
        print(line)
    if not found:
        print("schematics, pin map and harness agree")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
