"""The fault matrix and sessions without a fault, few of each; `make safety` plays all of them."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from cases import BY_NAME, CASES
from matrix import play
from openknead_sim import inject
from openknead_sim.virtual import VirtualBoard
from sessions import use

ROOT = Path(__file__).resolve().parents[2]
POINTS = range(900, 903)
SESSIONS = range(900, 920)
SHORT = [case.name for case in CASES if not case.longest]


@pytest.mark.parametrize("name", SHORT)
def test_failure_is_detected_in_time_and_by_its_name(name: str) -> None:
    assert [play(BY_NAME[name], seed).line() for seed in POINTS] == [None] * len(POINTS)


def test_a_shaft_that_creeps_on_to_one_more_pulse_of_the_tach_is_off_in_time() -> None:
    assert play(BY_NAME["shaft braked"], 18).line() is None


@pytest.mark.parametrize("seed", SESSIONS)
def test_no_alarm_where_nothing_fails(seed: int) -> None:
    assert use(seed, longest_s=60.0).alarms == []


@pytest.mark.parametrize("button", ["plus", "minus", "mode"])
def test_a_button_that_is_shorted_starts_nothing(button: str) -> None:
    with VirtualBoard(seed=1) as board:
        board.run_ms(1_000)
        inject.begin(board, "button_stuck", button)
        assert not board.run_until(lambda: board.rpc("status")["state"] != "IDLE", 12_000, 100)


def test_every_fault_is_in_the_matrix() -> None:
    with VirtualBoard() as board:
        faults = [row["name"] for row in board.rpc("schema", section="faults")["items"]]
    accepted = {name for case in CASES for name in case.accepted}
    assert [name for name in faults if name not in accepted] == []


def test_the_safety_case_quotes_failures_that_are_tried() -> None:
    hazards = tomllib.loads((ROOT / "docs" / "safety_case.toml").read_text(encoding="utf-8"))["hazard"]
    quoted = [name for h in hazards for control in h["control"] for name in control.get("failures", ())]
    assert [name for name in quoted if name not in BY_NAME] == []


def test_a_failure_that_is_not_noticed_is_found_out() -> None:
    """Trials can fail: a failure that cannot be detected, and a wrong name, are problems."""
    assert "not detected" in str(
        play(replace(BY_NAME["host silent"], injection="host_not_reading"), 1).problem
    )
    assert "wrong name" in str(play(replace(BY_NAME["cable out"], accepted=("completed",)), 1).problem)
    assert "instead of" in str(play(replace(BY_NAME["rotor blocked"], off_ms=1), 1).problem)
