"""The benches' runner, and a short form of each bench, so that none can stop working unnoticed.

The short form of the emulator's bench is a test in tests/emulator, which has a board that runs already.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bench
import pytest
from openknead.flash.errors import ImageMissing

BENCH = Path(__file__).parents[1] / "bench"
ON_THE_EMULATOR = ("emulator", "rpc")
SHORT = [name for name in (*bench.PARTS, *bench.LONG_PARTS) if name not in ON_THE_EMULATOR]
FIGURE = {"value": 7, "unit": "us", "aim": None, "peer": None, "ratio": None}


@pytest.mark.parametrize("name", SHORT)
def test_short_form_of_each_bench_gives_its_figures(name: str) -> None:
    figures = importlib.import_module(f"bench_{name}").figures(short=True)

    assert figures
    for figure in figures.values():
        assert set(figure) == set(FIGURE)
        assert figure["value"] is not None
        assert bench.line(figure).startswith(str(figure["value"]))


def test_every_bench_is_a_part() -> None:
    assert {path.stem for path in BENCH.glob("bench_*.py")} == {
        f"bench_{name}" for name in (*bench.PARTS, *bench.LONG_PARTS)
    }


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Function: these are the parts, each with what its `figures` returns or raises; the file of figures."""
    target = tmp_path / "build" / "bench.json"
    monkeypatch.setattr(bench, "TARGET", target)

    def set_up(**outcomes: Any) -> Path:
        monkeypatch.setattr(bench, "PARTS", tuple(outcomes))
        for name, outcome in outcomes.items():

            def figures(outcome: Any = outcome) -> Any:
                if isinstance(outcome, Exception):
                    raise outcome
                return outcome

            monkeypatch.setitem(sys.modules, f"bench_{name}", SimpleNamespace(figures=figures))
        return target

    return set_up


def test_part_that_fails_says_why_and_holds_up_no_other(parts: Any, capsys: Any) -> None:
    target = parts(one={"a_us": FIGURE}, two=RuntimeError("no session begins"), three={"c_us": FIGURE})

    assert bench.main([]) == 1

    assert set(json.loads(target.read_text())) == {"a_us", "c_us"}
    out, err = capsys.readouterr()
    assert "failed: RuntimeError: no session begins" in out
    assert "failed: two" in err


def test_named_part_keeps_the_figures_of_the_others(parts: Any) -> None:
    target = parts(one={"a_us": FIGURE}, two={"b_us": FIGURE})
    assert bench.main([]) == 0
    parts(one={"a_us": {**FIGURE, "value": 9}}, two=RuntimeError("not asked"))

    assert bench.main(["one"]) == 0

    assert {name: figure["value"] for name, figure in json.loads(target.read_text()).items()} == {
        "a_us": 9,
        "b_us": 7,
    }


def test_missing_image_leaves_a_part_out_and_is_no_failure(parts: Any, capsys: Any) -> None:
    target = parts(one=ImageMissing("download it"), two={"b_us": FIGURE})

    assert bench.main([]) == 0
    assert "left out: download it" in capsys.readouterr().out
    assert set(json.loads(target.read_text())) == {"b_us"}


def test_unknown_part_is_refused_with_the_known_ones(parts: Any, capsys: Any) -> None:
    parts(one={})

    assert bench.main(["two"]) == 2
    assert "there are one, soak" in capsys.readouterr().err
