"""Budgets: all hold, each rests on its parameters, and a part or constant that breaks one is caught."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from openknead_sim.plant import Heat, Params

from hardware.bom.parts import ratings
from hardware.budgets.heat import at, warm
from hardware.budgets.rows import INFO, budgets, motor_current, trace_current
from hardware.budgets.run import README, page
from hardware.params.load import load

ROOT = Path(__file__).resolve().parents[2]


def broken(parameters: dict[str, float] | None = None, parts: dict[str, float] | None = None) -> set[str]:
    """Names of the broken rows with other constants or ratings."""
    rows = budgets(load().changed(parameters or {}), ratings() | (parts or {}))
    return {row.name for row in rows if not row.holds}


def test_all_budgets_hold_and_the_page_shows_them() -> None:
    rows = budgets(load(), ratings())
    assert [row.name for row in rows if not row.holds] == []
    assert sum(row.sense != INFO for row in rows) > 30
    assert README.read_text(encoding="utf-8") == page(rows), "run hardware/budgets/run.py"


def test_every_row_says_what_it_rests_on() -> None:
    for row in budgets(load(), ratings()):
        assert row.basis.startswith(("calculation", "design", "data sheet")), row.name


def test_a_fuse_that_is_too_small_is_caught() -> None:
    assert "fuse carries the most for long" in broken(parts={"fuse_a": 2.0})


def test_a_fuse_that_is_too_big_is_caught() -> None:
    assert "fuse opens: blocked rotor, shorted bridge, high winding" in broken(parts={"fuse_a": 4.0})
    assert "trace carries what the fuse may not break" in broken(parts={"fuse_a": 7.5})


def test_a_glass_fuse_is_caught() -> None:
    assert broken(parts={"fuse_breaks_a": 35.0}) == {"fuse breaks a shorted pack"}


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({"wiring.trace_mm": 1.0}, "trace carries what the fuse may not break"),
        ({"wiring.wire_max_a": 4.0}, "wire carries what the fuse may not break"),
        ({"heat.case_k_w": 60.0}, "case, heavy hand, 15 min from 30 °C"),
        ({"load.tissue_nms": 7e-5}, "motor, heavy hand, level 11"),
        ({"supply.cells": 4}, "one cell too many"),
        ({"stage.tvs_clamp_v": 38.9}, "transient: clamped"),
        ({"load.stroke_m": 0.003}, "hand: A(8), level 11, no counterweight"),
        ({"body.winding_max_c": 120.0}, "winding when the cut-off opens, heavy hand, 40 °C"),
        ({"protection.stall_cut_s": 10.0}, "winding's rise in a stall until it is cut"),
    ],
)
def test_a_constant_that_breaks_a_margin_is_caught(change: dict[str, float], row: str) -> None:
    assert row in broken(change)


def test_a_broken_budget_is_an_exit_code(tmp_path: Path) -> None:
    worse = tmp_path / "worse.toml"
    worse.write_text(
        '[load]\ntissue_nms = { value = 9e-5, unit = "N m s/rad", source = "measured: a wall" }\n'
    )
    run = [sys.executable, str(ROOT / "hardware" / "budgets" / "run.py"), "--params", str(worse)]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 1
    assert "BROKEN  motor, heavy hand, level 11" in done.stdout


def test_heat_agrees_with_the_simulators() -> None:
    """Two programs for the same network; the simulator's has a pad, made as good as absent here."""
    p = load()
    current, speed, air = motor_current(p, 1.0, 320.0), 320.0, 30.0
    here = warm(p, at(air), current, speed, air, 900.0)
    constants = p.plant() | {"pad_case_k_w": 1e9}
    heat = Heat(Params(**constants), air)
    for _ in range(9000):
        winding_w = current**2 * p["motor.r_ohm"] * (1 + p["heat.copper_per_k"] * (heat.winding_c - 25))
        friction_w = p["motor.no_load_a"] * p["motor.k_vs"] * speed
        driver_w = current**2 * p.quantity("bridge.bridge_ohm").high + p["bridge.bridge_own_w"]
        heat.step(0.1, winding_w, friction_w, driver_w)
    assert here.winding == pytest.approx(heat.winding_c, abs=0.3)
    assert here.case == pytest.approx(heat.case_c, abs=0.3)
    assert here.driver == pytest.approx(heat.driver_c, abs=0.3)
    assert here.handle == pytest.approx(heat.handle_c, abs=0.3)


def test_trace_current_is_that_of_ipc_2221() -> None:
    """10 mil of 1 oz copper, 10 K: 0.86 A by the formula, worked by hand."""
    assert trace_current(0.254, 34.8, 10.0) == pytest.approx(0.048 * 10**0.44 * 13.70**0.725, rel=2e-3)
