"""The safety case: what it names exists, and a name that does not is found out."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOST = (
    "firmware/massager/safety.py: Safety.lost",
    "tests/firmware/test_safety.py::test_lost",
    "tests/lost.toml",
)


@pytest.fixture
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def case(generate: ModuleType, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The safety case, for a test to change."""
    changed: dict[str, Any] = copy.deepcopy(generate.hazards.case())
    monkeypatch.setattr(generate.hazards, "case", lambda: changed)
    return changed


def missing(generate: ModuleType) -> list[str]:
    """As `generate.main` asks for it."""
    found: list[str] = generate.hazards.missing(generate.fault_names(generate.load()))
    return found


def test_everything_that_is_named_exists(generate: ModuleType) -> None:
    assert missing(generate) == []


def test_a_fault_without_a_hazard_is_found(generate: ModuleType, case: dict[str, Any]) -> None:
    for hazard in case["hazard"]:
        hazard["faults"] = [name for name in hazard["faults"] if name != "stall"]
    assert missing(generate) == ["no hazard has the fault stall"]


@pytest.mark.parametrize("lost", LOST)
def test_a_place_that_does_not_exist_is_found(generate: ModuleType, case: dict[str, Any], lost: str) -> None:
    control = case["hazard"][0]["control"][0]
    control["tests" if lost.startswith("tests") else "code"].append(lost)
    assert missing(generate) == [f"unasked: no {lost}"]


def test_every_layer_but_the_host_stands_against_something(generate: ModuleType) -> None:
    used = {control["layer"] for hazard in generate.hazards.case()["hazard"] for control in hazard["control"]}
    assert used == {layer["name"] for layer in generate.hazards.case()["layer"]} - {"host"}
