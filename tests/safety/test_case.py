"""The safety case: what it names exists, and a name that does not is found out."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from docs import generate, hazards

LOST = (
    "firmware/massager/safety.py: Safety.lost",
    "tests/firmware/test_safety.py::test_lost",
    "tests/lost.toml",
)


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The safety case, for a test to change."""
    changed: dict[str, Any] = copy.deepcopy(hazards.case())
    monkeypatch.setattr(hazards, "case", lambda: changed)
    return changed


def missing() -> list[str]:
    """As `generate.main` asks for it."""
    found: list[str] = hazards.missing(generate.fault_names(generate.load()))
    return found


def test_everything_that_is_named_exists() -> None:
    assert missing() == []


def test_a_fault_without_a_hazard_is_found(case: dict[str, Any]) -> None:
    for hazard in case["hazard"]:
        hazard["faults"] = [name for name in hazard["faults"] if name != "stall"]
    assert missing() == ["no hazard has the fault stall"]


@pytest.mark.parametrize("lost", LOST)
def test_a_place_that_does_not_exist_is_found(case: dict[str, Any], lost: str) -> None:
    control = case["hazard"][0]["control"][0]
    control["tests" if lost.startswith("tests") else "code"].append(lost)
    assert missing() == [f"unasked: no {lost}"]


def test_every_layer_but_the_host_stands_against_something() -> None:
    used = {control["layer"] for hazard in hazards.case()["hazard"] for control in hazard["control"]}
    assert used == {layer["name"] for layer in hazards.case()["layer"]} - {"host"}
