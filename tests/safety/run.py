"""Measures every figure of the safety case, prints them and writes build/safety.json.

Usage: run.py [--points N] [--sessions N] [--seed S] [--long] [--quote] [part ...]; parts: campaign, emulator,
mutants, power_cuts; all of them by default. What was not measured is null, with the reason. Exit code 1 when
an aim is missed or a test fails. A run of full size also writes docs/safety-figures.json, quoted by
docs/safety.md: commit it, and what docs/generate.py makes of it.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import campaign
from cases import CASES
from openknead.flash import images

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "build" / "safety.json"
QUOTED = ROOT / "docs" / "safety-figures.json"
MUTANTS = ROOT / "build" / "mutants.json"
CAP_S = 905.0
TESTS = {
    "emulator": ("tests/emulator/test_interlock.py", "tests/emulator/test_watchdog.py"),
    "power_cuts": ("tests/scenarios/test_power_cuts.py", "tests/emulator/test_power_cuts_emulated.py"),
}
FAILED = "its tests fail"

Values = Sequence[float]


@dataclass(frozen=True)
class Figure:
    """unit; part: what measures it; rule: how a value stands to the aim; aim: None = there is none; of: which
    of several measured values counts; long: measured only by --long."""

    unit: str
    part: str
    rule: str
    aim: float | None
    of: Callable[[Values], float] = max
    long: bool = False


def _farthest_from_cap(values: Values) -> float:
    return max(values, key=lambda seconds: abs(seconds - CAP_S))


RULES: dict[str, Callable[[float, float], bool]] = {
    "at most": lambda value, aim: value <= aim,
    "at least": lambda value, aim: value >= aim,
    "within 0.1 % of": lambda value, aim: abs(value - aim) <= 0.001 * aim,
}
FIGURES = {
    "stop_edge_us": Figure("us", "emulator", "at most", 500),
    "deadman_ms_min": Figure("ms", "emulator", "at least", 100, min),
    "deadman_ms_max": Figure("ms", "emulator", "at most", 110),
    "cap_s": Figure("s", "emulator", "within 0.1 % of", CAP_S, _farthest_from_cap),
    "driver_fault_edge_us": Figure("us", "emulator", "at most", 100),
    "stall_off_ms": Figure("ms", "campaign", "at most", 500),
    "stall_off_pico_ms": Figure("ms", "emulator", "at most", 500, long=True),
    "overcurrent_off_ms": Figure("ms", "campaign", "at most", 30),
    "overcurrent_off_pico_ms": Figure("ms", "emulator", "at most", 30, long=True),
    "fault_detected_pct": Figure("%", "campaign", "at least", 100),
    "false_alarms": Figure("", "campaign", "at most", 0),
    "mutants_killed_pct": Figure("%", "mutants", "at least", 90),
    "power_cut_points": Figure("", "power_cuts", "", None, sum),
    "power_cut_lost": Figure("", "power_cuts", "at most", 0, sum),
}
PARTS = ("campaign", "emulator", "mutants", "power_cuts")
Measured = dict[str, float | str]  # a value, or why there is none


def of_tests(part: str, long: bool) -> Measured:
    """The figures that tests leave in pytest's report; a failure spoils all of them."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        options = ["-q", f"--junitxml={report}"]
        if not long:
            options += ["-m", "not emulator_long"]
        done = subprocess.run([sys.executable, "-m", "pytest", *options, *TESTS[part]], cwd=ROOT)
        found = properties(report) if report.exists() else {}
    names = [name for name, figure in FIGURES.items() if figure.part == part and (long or not figure.long)]
    if done.returncode:
        return dict.fromkeys(names, FAILED)
    return {
        name: FIGURES[name].of(found[name])
        if name in found
        else "its tests were skipped: no MicroPython image"
        for name in names
    }


def properties(report: Path) -> dict[str, list[float]]:
    """Numbers of the tests' properties, by name, from a report of pytest in the form of JUnit."""
    found: dict[str, list[float]] = {}
    for item in ElementTree.parse(report).iter("property"):
        name = str(item.get("name"))
        if name in FIGURES:
            found.setdefault(name, []).append(float(str(item.get("value"))))
    return found


def of_mutants() -> Measured:
    """Those of the last whole run; a run takes long, so it is done here only when there was none."""
    if not MUTANTS.exists():
        subprocess.run([sys.executable, "tests/mutants/run.py"], cwd=ROOT)
    if not MUTANTS.exists():
        return {"mutants_killed_pct": "tests/mutants/run.py did not come to its end"}
    return {"mutants_killed_pct": json.loads(MUTANTS.read_text())["mutants_killed_pct"]["value"]}


def as_figure(name: str, value: float | str) -> dict[str, Any]:
    """A figure of today, in the form of build/bench.json with its aim's rule; `why`: there is no value."""
    figure = FIGURES[name]
    known: dict[str, Any] = {"value": value, "unit": figure.unit, "aim": figure.aim, "rule": figure.rule}
    if isinstance(value, str):
        known |= {"value": None, "why": value}
    return known | {"measured": datetime.date.today().isoformat(), "peer": None, "ratio": None}


def figures_before() -> dict[str, dict[str, Any]]:
    """Those of earlier runs, each with its day: on this machine, else as the documents quote them."""
    if TARGET.exists():
        found: dict[str, dict[str, Any]] = json.loads(TARGET.read_text())
    else:
        found = json.loads(QUOTED.read_text(encoding="utf-8"))["figures"] if QUOTED.exists() else {}
    return found


def missed(figures: dict[str, dict[str, Any]]) -> list[str]:
    """Names of the figures that were measured and miss their aim."""
    return [
        name
        for name, figure in figures.items()
        if figure["value"] is not None
        and figure["aim"] is not None
        and not RULES[figure["rule"]](figure["value"], figure["aim"])
    ]


def micropythons() -> list[str]:
    """Versions of MicroPython whose images are here."""
    found = []
    for version in images.locked():
        try:
            images.find(version)
        except images.ImageError:
            continue
        found.append(version)
    return found


def main() -> int:
    """Measure, print, write; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--points", type=int, default=campaign.POINTS, metavar="N", help="for each failure")
    parser.add_argument(
        "--sessions", type=int, default=campaign.SESSIONS, metavar="N", help="without a failure"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--long", action="store_true", help="with the emulator's long tests")
    parser.add_argument(
        "--quote", action="store_true", help="a smaller run for the documents too: they say how small it was"
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"{', '.join(PARTS)}; all by default")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    parts = options.parts or PARTS
    full = options.points >= campaign.POINTS and options.sessions >= campaign.SESSIONS
    measured: Measured = {}
    played = None
    for part in parts:
        print(f"— {part}", flush=True)
        if part == "campaign":
            played = campaign.run(CASES, options.points, options.sessions, options.seed)
            campaign.show(played)
            measured |= played.figures()
        elif part == "mutants":
            measured |= of_mutants()
        else:
            measured |= of_tests(part, options.long)
    # Read this late: other parts may have been measured at the same time.
    before = figures_before()
    figures = {
        name: as_figure(name, measured.get(name, "not measured yet"))
        if name in measured or name not in before
        else before[name]
        for name in FIGURES
    }
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(figures, indent=1) + "\n")
    for name, figure in figures.items():
        value = figure.get("why") if figure["value"] is None else f"{figure['value']} {figure['unit']}"
        print(
            f"  {name:24} {value}   aim: {figure['rule']} {'–' if figure['aim'] is None else figure['aim']}"
        )
    below = missed(figures)
    print(f"{TARGET.relative_to(ROOT)}: " + (f"missed: {', '.join(below)}" if below else "every aim is met"))
    if full or options.quote:
        quote(figures, played and played.as_dict(options.points))
    wrong = played is not None and played.problems
    return 1 if below or wrong or FAILED in measured.values() else 0


def quote(figures: dict[str, dict[str, Any]], played: dict[str, Any] | None) -> None:
    """Write what the documents quote. played: the campaign; None: the one before still counts."""
    quoted = json.loads(QUOTED.read_text(encoding="utf-8")) if QUOTED.exists() else {}
    quoted |= {"micropython": micropythons(), "figures": figures}
    if played:
        quoted["campaign"] = {"measured": datetime.date.today().isoformat(), **played}
    QUOTED.write_text(json.dumps(quoted, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{QUOTED.relative_to(ROOT)}: written; docs/generate.py puts it into the documents")


if __name__ == "__main__":
    sys.exit(main())
