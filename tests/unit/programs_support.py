"""What the tests of program files share: sound programs of all kinds, and the firmware's modules."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import strategies as st
from openknead.programs import STEADY, table
from openknead.programs.model import Program, Stage
from openknead.programs.text import dump

ROOT = Path(__file__).resolve().parents[2]

CALVES = """\
# calves, after a run
name = "my-calves"
title = "Calves after a run"
purpose = "Loosens them."
areas = ["calf"]
cautions = [
    "Not on the back of the knee.",  # really not
    "Stop on pain.",
]

[[evidence]]
source = "Somebody 2020"
finding = "Something."

[[stage]]
name = "warm up"
seconds = 60
pattern = "ramp"
from = 1
to = 3
area = "calf_left"

[[stage]]
name = "knead"
seconds = 90
pattern = "wave"
low = 2
high = 4
period = 15
area = "calf_right"
cue = "move_on"

[[stage]]
name = "rest"
seconds = 20
pattern = "off"
cue = "none"
"""

printable = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"))
lines = st.text(printable, min_size=1, max_size=24)
texts = st.text(printable | st.sampled_from("\n\t"), min_size=1, max_size=60)


@st.composite
def stages(draw: st.DrawFn, longest_s: int = 37) -> Stage:
    """One that every device takes; 24 of 37 s are within 900 s."""
    pattern = draw(st.sampled_from(list(table.BY_PATTERN)))
    low, high = sorted(draw(st.tuples(st.integers(1, 11), st.integers(1, 11))))
    a, b = {
        "steady": (low, low),
        "ramp": draw(st.permutations((low, high))),
        "wave": (low, high),
        "pulse": (draw(st.integers(0, high)), high),
        "off": (0, 0),
    }[pattern]
    period_s = draw(st.integers(2, 900)) if pattern in ("wave", "pulse") else 0
    return Stage(
        draw(lines),
        draw(st.integers(1, longest_s)),
        pattern,
        a,
        b,
        period_s,
        draw(st.sampled_from(("", *table.AREAS))),
        draw(st.sampled_from(table.CUES)),
    )


@st.composite
def programs(draw: st.DrawFn, most: int = 24) -> Program:
    listed = tuple(draw(st.lists(stages(), min_size=1, max_size=most)))
    named = tuple(dict.fromkeys(stage.area for stage in listed if stage.area))
    return Program(
        name=draw(st.from_regex(table.NAME, fullmatch=True).filter(lambda name: name != STEADY)),
        stages=listed,
        title=draw(st.just("") | lines),
        purpose=draw(st.just("") | texts),
        areas=draw(st.just(named) | st.lists(st.sampled_from(table.AREAS), max_size=3).map(tuple)),
        cautions=draw(st.lists(texts, max_size=2).map(tuple)),
        evidence=draw(st.lists(st.tuples(texts, texts), max_size=2).map(tuple)),
    )


def files(most: int = 24) -> st.SearchStrategy[bytes]:
    """Sound files, as `dump` writes them."""
    return programs(most).map(lambda program: dump(program).encode())


def built_in() -> dict[str, dict[str, Any]]:
    """The firmware's own programs by name, as their files have them; those that have stages."""
    folder = ROOT / "firmware" / "massager" / "programs"
    found = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))
    }
    return {name: row for name, row in found.items() if row["stages"]}


def firmware(name: str) -> ModuleType:
    """A module of the firmware, imported by this Python."""
    from docs import generate

    generate.load()
    return importlib.import_module(f"massager.{name}")
