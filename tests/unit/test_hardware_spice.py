"""The drive stage in ngspice: what it is given, what the kept results say, and what is caught."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.params.load import load
from hardware.spice import cases as stage_cases
from hardware.spice import circuit
from hardware.spice.cases import DECAY, MEAN, Case, Corner, cases, corners, mean_limit, settled
from hardware.spice.circuit import HOW_TO_INSTALL, SpiceError, netlist, simulate
from hardware.spice.page import page
from hardware.spice.run import HERE, measure, stale

ROOT = Path(__file__).resolve().parents[2]

needs_ngspice = pytest.mark.skipif(shutil.which("ngspice") is None, reason=HOW_TO_INSTALL)


def reference() -> Corner:
    return corners(settled(load()))[0]


def case(name: str) -> Case:
    return next(each for each in cases(reference()) if each.name == name)


def test_the_kept_results_cover_every_corner_and_case_and_none_is_outside_its_limits() -> None:
    rows = json.loads((HERE / "results.json").read_text())
    there = {(row["corner"], row["case"]) for row in rows}
    for corner in corners(settled(load())):
        assert {(corner.name, each.name) for each in cases(corner)} <= there
    assert [row["problems"] for row in rows if row["problems"]] == []
    for row in rows:
        for name, off in row["off"].items():
            allowed = DECAY if name.endswith("_s") and not name.endswith("rad_s") else MEAN
            assert abs(off) <= allowed, (row["corner"], row["case"], name)
            assert row["plant"][name] / row["circuit"][name] - 1 == pytest.approx(off, abs=1e-9)


def test_the_page_is_that_of_the_kept_results() -> None:
    rows = json.loads((HERE / "results.json").read_text())
    written = (HERE / "README.md").read_text(encoding="utf-8")
    assert written == page(rows, settled(load())), "run hardware/spice/run.py"


def test_the_parameters_limit_is_what_the_trip_and_the_ripple_make() -> None:
    assert load()["bridge.bridge_limit_a"] == pytest.approx(mean_limit(load()), rel=2e-3)


def test_without_ngspice_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit.shutil, "which", lambda _name: None)
    with pytest.raises(SpiceError, match="apt-get install ngspice"):
        simulate(load(), case("moderate").run)


def test_results_that_are_not_those_of_now_are_named() -> None:
    row = {"corner": "full", "case": "brake", "circuit": {"speed_s": 0.06, "current_s": math.nan}}
    row["off"] = {"speed_s": 0.0}
    assert stale([row], [row]) == []
    later = {**row, "circuit": {"speed_s": 0.061}}
    assert stale([row], [later]) == ["full, brake: speed_s is 0.061, results.json has 0.06"]
    assert stale([], [later])


def test_gates_leave_the_dead_time_between_the_switches() -> None:
    text = netlist(load(), replace(case("moderate").run, duty=0.5))
    assert "Vhigh high 0 PULSE(0 1 3e-07 10n 10n 2.47e-05 5e-05)" in text
    assert "Vlow low 0 PULSE(1 0 0 10n 10n 2.53e-05 5e-05)" in text


@needs_ngspice
def test_a_blocked_rotor_draws_what_ohms_law_and_the_plant_say() -> None:
    stalled = case("stall at duty 0.3")
    row = measure(reference(), stalled)
    p = reference().parameters
    duty = 0.3 - p["bridge.bridge_dead_duty"]
    r = p["motor.r_ohm"] + p["bridge.bridge_ohm"] + duty**2 * p["supply.battery_ohm"]
    expected = duty * (11.1 - p["supply.battery_ohm"] * p["supply.electronics_a"]) / r
    assert row["circuit"]["current_a"] == pytest.approx(expected, rel=0.01)
    assert row["problems"] == []


@needs_ngspice
def test_regulation_holds_a_blocked_rotor_below_its_trip() -> None:
    row = measure(reference(), case("stall at duty 0.98"))
    p = reference().parameters
    assert row["problems"] == []
    assert row["circuit"]["peak_a"] < 1.01 * p["stage.vref_v"] / p["sense.isense_v_per_a"]


@needs_ngspice
def test_a_plant_with_another_motor_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plant of a motor whose back-EMF constant is 4 % off draws another current."""
    moderate = case("moderate")
    plant = stage_cases._plant

    def other(corner: Corner, *more: float) -> object:
        changed = corner.parameters.changed({"motor.k_vs": 1.04 * corner.parameters["motor.k_vs"]})
        return plant(replace(corner, parameters=changed), *more)

    monkeypatch.setattr(stage_cases, "_plant", other)
    problems = measure(reference(), moderate)["problems"]
    assert any(problem.startswith("current_a: plant -") for problem in problems), problems


@needs_ngspice
def test_an_impossible_circuit_is_an_error_and_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    run = case("stall at duty 0.3").run
    monkeypatch.setattr(circuit, "_motor", lambda *_: ["Rm a m1 nothing"])
    with pytest.raises(SpiceError):
        simulate(reference().parameters, run)


def test_the_script_says_ngspice_is_missing_with_its_own_exit_code() -> None:
    command = [sys.executable, str(HERE / "run.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/nowhere"})
    assert done.returncode == 2
    assert HOW_TO_INSTALL in done.stderr
