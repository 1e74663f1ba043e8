"""Writes the tables of BUILD.md and BRINGUP.md; `--check` writes nothing and fails when one is stale."""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from hardware.bench import readings
from hardware.bench.readings import Reading
from hardware.bom.build import DESIGN, schematic
from hardware.bom.parts import PartsError
from hardware.params.load import Parameters, load

HARDWARE = Path(__file__).resolve().parents[1]
PAGES = (HARDWARE / "BUILD.md", HARDWARE / "BRINGUP.md")
BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end of bench -->)", re.DOTALL)
# The breadboard's nets in the order in which they are wired; a name that ends in * stands for all it begins.
WIRING = {
    "rails": ("GND", "+3V3"),
    "supply": ("VIN", "VFUSED", "VM", "V5", "VSYS"),
    "driver": (
        "RUN_REQ", "DRV_NSLEEP", "ILK_OK", "MOT_PWM", "DRV_EN", "MOT_PH", "NFAULT", "CS", "I_SENSE", "MOT_A",
        "MOT_B", "WD_KICK",
    ),
    "sensing": ("V_BAT", "REF_HALF", "T_MUX", "MUX_*", "NTC_*", "TACH_*"),
    "panel": ("STOP*", "PLUS*", "MINUS*", "MODE*", "LED_*", "BUZZER*"),
}  # fmt: skip
# Parts in the order in which they are soldered: low ones first, what heat or statics harm last.
SOLDERING = (
    ("1", "resistors", ("resistor",)),
    ("2", "protection diodes (on the copper side, band to plus)", ("tvs",)),
    ("3", "sockets of the chips, without the chips", ("74HC4051", "74HC123", "74HC74", "74HC21")),
    ("4", "capacitors", ("capacitor",)),
    ("5", "sockets of Pico, driver carrier and regulator", ("pico", "drv8874", "buck")),
    ("6", "connectors and fuse holder", ("conn2", "conn4", "conn6", "fuse")),
    ("7", "electrolytic capacitor (long lead: plus)", ("electrolytic",)),
    (
        "8, after the meter",
        "Schottky (band to VSYS), transistor, supervisor",
        ("schottky", "npn", "supervisor"),
    ),
)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)


def tables(parts: list[Any], p: Parameters) -> dict[str, Callable[[], str]]:
    """Every table by name."""
    found: dict[str, Callable[[], str]] = {
        f"wiring_{step}": functools.partial(wiring, parts, step) for step in WIRING
    }
    found["soldering"] = lambda: soldering(parts)
    found["ohms"] = lambda: _both(lambda build: readings.ohms(parts, build), "between")
    found["volts"] = lambda: _both(lambda build: readings.volts(parts, build, p), "net, to ground")
    found["thermistors"] = lambda: table(
        ("temperature", "thermistor, unplugged", "voltage at its net"),
        ((ohms.where, ohms.span, volts.span) for _, ohms, volts in readings.thermistors(p)),
    )
    found["free_running"] = lambda: table(
        ("level", "oscillations per minute", "motor current", "supply current at 12 V"),
        ((level, opm, motor.span, supply.span) for level, opm, motor, supply in readings.free_running(p)),
    )
    found["limits"] = lambda: _limits(p)
    found["motor"] = lambda: _motor(p)
    found["times"] = lambda: _times(parts, p)
    return found


def nets_of(parts: Iterable[Any], build: str) -> dict[str, list[str]]:
    """Net → its pins, such as "A1.21 GP16"."""
    names = _pin_names()
    found: dict[str, list[str]] = {}
    for part in parts:
        if build in part.builds:
            for number, net in part.nets.items():
                name = names[part.kind][number][0]
                label = f"{part.ref}.{number}" + ("" if name == number else f" {name}")
                found.setdefault(net, []).append(label)
    return found


def step_of(net: str) -> list[str]:
    """The steps of WIRING that have a net: one, if all is well."""
    return [
        step
        for step, names in WIRING.items()
        if any(net == name or (name[-1] == "*" and net.startswith(name[:-1])) for name in names)
    ]


def wiring(parts: Iterable[Any], step: str) -> str:
    """The breadboard's nets of one step."""
    nets = nets_of(parts, "breadboard")
    rows = ((f"`{net}`", " · ".join(pins)) for net, pins in nets.items() if step_of(net) == [step])
    return table(("net", "joins"), rows)


def soldering(parts: Iterable[Any]) -> str:
    """The board's parts in the order in which they are soldered."""
    here = [part for part in parts if "board" in part.builds]
    rows = []
    for order, what, kinds in SOLDERING:
        of_kind = sorted((p for p in here if p.kind in kinds), key=lambda p: (p.value, len(p.ref), p.ref))
        groups: dict[str, list[str]] = {}
        for part in of_kind:
            groups.setdefault(part.value, []).append(part.ref)
        rows.append((order, what, "; ".join(f"**{v}** {' '.join(refs)}" for v, refs in groups.items())))
    return table(("order", "what", "which"), rows)


def _pin_names() -> dict[str, dict[str, tuple[str, str]]]:
    module: Any = sys.modules["openknead_design"]  # where `schematic` has put it
    names: dict[str, dict[str, tuple[str, str]]] = module.PINS
    return names


def _both(make: Callable[[str], list[Reading]], head: str) -> str:
    """Readings of both builds beside each other."""
    by_build = {build: {(r.where, r.note): r for r in make(build)} for build in readings.BUILDS}
    keys = list(dict.fromkeys(key for build in reversed(readings.BUILDS) for key in by_build[build]))
    rows = []
    for where, note in keys:
        spans = [
            by_build[b][where, note].span if (where, note) in by_build[b] else "–" for b in readings.BUILDS
        ]
        rows.append((where, *spans, note))
    return table((head, *readings.BUILDS, "what it is"), rows)


def _limits(p: Parameters) -> str:
    what = {"bare": "no motor", "free": "motor without mechanism", "loaded": "pad pressed by hand"}
    rows = (
        (what[step], f"{a:.2f} A", f"{most:.2f} A") for step, (a, most) in readings.current_limits(p).items()
    )
    return table(("step", "limit of the bench supply", "most to be expected"), rows)


def _motor(p: Parameters) -> str:
    reading = readings.winding(p)
    return f"Winding: {reading.span}; {reading.note}.\n"


def _times(parts: Iterable[Any], p: Parameters) -> str:
    shot = readings.one_shot(parts)
    rows = [
        (
            "RUN_REQ, after the last feed of the dead-man",
            "100…110 ms",
            "firmware, measured on an emulated RP2040: 102 ms",
        ),
        (
            "nSLEEP and EN (board), after the last rising edge of WD_KICK",
            f"{shot.low:.0f}…{shot.high:.0f} ms",
            "R20, C20",
        ),
        ("RUN_REQ, after STOP opens", "< 0.5 ms", "PIO 20 µs on an emulated RP2040, R31 and C30 57 µs"),
        (
            "cap: RUN_REQ high without a break",
            f"{p['protection.cap_s'] - 1:g}…{p['protection.cap_s'] + 1:g} s",
            "PIO",
        ),
        ("WD_KICK", "50 Hz, square", "an edge at the end of every tick of 10 ms"),
        ("MOT_PWM", f"{p['stage.pwm_hz'] / 1e3:g} kHz", "pwm_hz"),
    ]
    for level in (3, 11):
        reading = readings.coasting(p, level)
        rows.append(
            (
                f"coasting from level {level} to standstill",
                f"at most {reading.high:.1f} s",
                "friction of the motor alone",
            )
        )
    return table(("what", "expected", "from"), rows)


def render(text: str, made: dict[str, Callable[[], str]]) -> str:
    """A page with its tables as they are now. KeyError: there is no such table."""
    return BLOCK.sub(lambda block: block[1] + made[block[2]]() + block[3], text)


def main() -> int:
    """Write or check the pages; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(";", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a page is stale")
    parser.add_argument("--design", type=Path, default=DESIGN, metavar="FILE", help="the schematic's parts")
    given = parser.parse_args()
    try:
        made = tables(schematic(given.design), load())
    except PartsError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    stale = []
    for path in PAGES:
        old = path.read_text(encoding="utf-8")
        new = render(old, made)
        if new != old:
            stale.append(path.name)
            if not given.check:
                path.write_text(new, encoding="utf-8")
    if stale:
        print(
            ("stale, run python -m hardware.bench.pages: " if given.check else "written: ") + ", ".join(stale)
        )
    return 1 if stale and given.check else 0


if __name__ == "__main__":
    sys.exit(main())
