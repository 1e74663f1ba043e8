"""Mechanics: the rules hold, a dimension that breaks one is caught, and what CadQuery wrote is not stale.

None of this needs CadQuery; `make mechanics` builds the solids.
"""

from __future__ import annotations

import copy
import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.mechanics.check import FIGURES, HERE, README, differences, page, problems
from hardware.mechanics.rules import cad_rows, rows
from hardware.mechanics.sizes import Sizes, tables

ROOT = Path(__file__).resolve().parents[2]

PRINTED = ("pad", "carriage", "mount", "saddle", "handle_left", "handle_right")


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return dict(json.loads(FIGURES.read_text(encoding="utf-8")))


def sizes(**changes: float) -> Sizes:
    """The tables with some dimensions changed; "motor__can_d" is motor.can_d."""
    dimensions, massager = tables()
    return Sizes(
        dimensions.changed({name.replace("__", "."): value for name, value in changes.items()}), massager
    )


def broken(s: Sizes) -> set[str]:
    return {row.name for row in rows(s) if not row.holds}


def test_all_rules_hold_and_the_figures_are_of_these_dimensions(figures: dict[str, Any]) -> None:
    assert problems(sizes(), figures) == []


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("counterweight__thickness", 4.5, "counterweight off its target"),
        ("counterweight__thickness", 6.2, "counterweight off its target"),
        ("density__brass", 7.85, "counterweight off its target"),
        ("bearing__mass_g", 8.0, "counterweight off its target"),
        ("counterweight__outer_r", 26.0, "counterweight to end walls"),
        ("counterweight__outer_r", 18.0, "counterweight to housing"),
        ("eccentric__shoulder_t", 0.5, "counterweight to carriage"),
        ("carriage__length", 48.0, "carriage to end walls"),
        ("carriage__slot_y", 24.0, "bearing to the slot's ends"),
        ("fit__pinch", 5.0, "pad to housing"),
        ("handle__wall_t", 0.8, "housing"),
        ("saddle__wall_t", 1.0, "saddle"),
        ("carriage__rail_w", 9.0, "rail around a bushing"),
        ("guide__rod_y", 16.0, "mount beside a rod"),
        ("motor__shaft_d", 5.0, "eccentric, thin side"),
        ("motor__shaft_l", 9.0, "shaft in the eccentric"),
        ("motor__boss_l", 6.0, "motor's boss in the mount"),
        ("motor__can_d", 39.0, "saddle fits the housing"),
        ("sensors__cutoff_l", 14.0, "saddle is longer than the cut-off"),
        ("fit__squeeze_pct", 0.0, "strain relief on the cable"),
        ("handle__grip_h", 46.0, "grip, diameter of the same girth"),
    ],
)
def test_a_dimension_that_breaks_a_rule_is_caught(name: str, value: float, rule: str) -> None:
    assert rule not in broken(sizes())
    assert rule in broken(sizes(**{name: value}))


def test_a_heavier_pad_needs_another_counterweight() -> None:
    dimensions, massager = tables()
    assert "counterweight off its target" in broken(
        Sizes(dimensions, massager.changed({"load.pad_kg": 0.070}))
    )
    assert "counterweight off its target" in broken(
        Sizes(dimensions, massager.changed({"load.stroke_m": 0.0025}))
    )


@given(st.sampled_from(sorted(tables()[0])), st.sampled_from([0.97, 1.03]))
def test_figures_of_other_dimensions_are_stale(name: str, factor: float) -> None:
    old = json.loads(FIGURES.read_text(encoding="utf-8"))
    (said,) = problems(sizes(**{name.replace(".", "__"): tables()[0][name] * factor}), old)
    assert name in said and "make mechanics" in said


@pytest.mark.parametrize(
    ("place", "value", "rule"),
    [
        (("masses_g", "reciprocating"), 66.0, "reciprocating mass off load.pad_kg"),
        (("rotor_gmm", "x"), -70.0, "rotor's moment off its target"),
        (("rotor_gmm", "x"), -62.0, "CAD's moment off the calculation's"),
        (("rotor_gmm", "y"), 5.0, "rotor's moment beside the crank"),
        (("clearance_mm", "counterweight to housing"), 0.4, "least distance, counterweight to housing"),
        (("clearance_mm", "bearing to strips"), 0.0, "least distance, bearing to strips"),
        (("overlap_mm3",), 2.0, "largest overlap of two solids"),
    ],
)
def test_solids_that_break_a_rule_are_caught(
    figures: dict[str, Any], place: tuple[str, ...], value: float, rule: str
) -> None:
    worse = copy.deepcopy(figures)
    inner = worse
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    assert rule in {row.name for row in cad_rows(sizes(), worse) if not row.holds}


def test_every_pair_is_looked_at_through_the_whole_revolution(figures: dict[str, Any]) -> None:
    assert figures["steps"] >= 24
    assert {"counterweight to housing", "carriage to mount", "pad to housing"} <= set(figures["clearance_mm"])


def test_the_mechanism_is_stacked_from_the_skin_up() -> None:
    s = sizes()
    assert s.skirt_z - s.pad_top == s["fit.pinch"]
    assert s.face_z > s.plate_z > s.counter_z > s.bearing_z > s.yoke_z > s.pad_top > 0


def test_differing_figures_are_named(figures: dict[str, Any]) -> None:
    other = copy.deepcopy(figures)
    other["parts"]["pad"]["volume_mm3"] *= 1.01
    del other["parts"]["mount"]
    said = differences(figures, other)
    assert any("parts.pad.volume_mm3" in line for line in said) and any(
        "parts.mount" in line for line in said
    )
    other = copy.deepcopy(figures)
    other["parts"]["pad"]["volume_mm3"] *= 1.0001
    assert differences(figures, other) == []


def test_the_page_is_up_to_date(figures: dict[str, Any]) -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count("<!-- end of mechanics -->") == 3
    assert page(text, sizes(), figures) == text


def test_everything_to_print_is_there_as_it_lies_on_the_bed(figures: dict[str, Any]) -> None:
    for name in PRINTED:
        corners = triangles(HERE / "stl" / f"{name}.stl")
        low, high = ([pick(corner[n] for corner in corners) for n in range(3)] for pick in (min, max))
        assert low[2] == pytest.approx(0, abs=1e-3)
        size = sorted(high[n] - low[n] for n in range(3))
        assert size == pytest.approx(sorted(figures["parts"][name]["size_mm"]), abs=0.1)


def triangles(path: Path) -> list[tuple[float, float, float]]:
    """Corners of a binary STL's triangles."""
    data = path.read_bytes()
    (count,) = struct.unpack_from("<I", data, 80)
    assert len(data) == 84 + 50 * count
    return [struct.unpack_from("<3f", data, 84 + 50 * n + 12 * c) for n in range(count) for c in (1, 2, 3)]


def test_files_are_small_and_complete() -> None:
    files = [path for path in HERE.rglob("*") if path.suffix in {".step", ".stl", ".png"}]
    assert {path.suffix for path in files} == {".step", ".stl", ".png"}
    assert sum(path.stat().st_size for path in files) < 3_000_000
    step = (HERE / "massager.step").read_text(encoding="utf-8")
    assert step.startswith("ISO-10303-21;") and step.count("MANIFOLD_SOLID_BREP(") >= 15


def test_the_command_needs_no_cadquery_and_says_how_it_stands() -> None:
    block = "import sys; sys.modules['cadquery'] = None\n"
    block += "from hardware.mechanics.check import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", block, "--json"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads(done.stdout)
    assert said["problems"] == [] and all(row["holds"] for row in said["rules"])
    without = subprocess.run([sys.executable, "-c", block, "--cad"], cwd=ROOT, capture_output=True, text=True)
    assert without.returncode == 2 and "make mechanics" in without.stderr
