"""The JSON Schema says what `check` says, as far as a schema can."""

from __future__ import annotations

import json
import random
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from openknead.programs import schema, table
from openknead.programs.check import check
from openknead.programs.model import Program
from openknead.programs.text import dump
from programs_support import CALVES, built_in, programs

from docs import generate

ROOT = Path(__file__).resolve().parents[2]
VALIDATOR = Draft202012Validator(schema.schema())


def valid(tables: Any) -> bool:
    return bool(VALIDATOR.is_valid(tables))


def test_the_schema_is_a_schema_and_everywhere_the_same() -> None:
    Draft202012Validator.check_schema(schema.schema())
    shipped = files("openknead.programs").joinpath(schema.FILE).read_text(encoding="utf-8")
    assert shipped == (ROOT / "docs" / schema.FILE).read_text(encoding="utf-8") == schema.text()


def test_a_stale_schema_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    stale = tmp_path / "program.schema.json"
    stale.write_text(schema.text().replace("900", "901"))
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "PROGRAM_SCHEMAS", [stale])
    monkeypatch.setattr(generate, "documents", list)
    monkeypatch.setattr(generate.hazards, "missing", lambda faults: [])
    monkeypatch.setattr(generate, "fault_names", lambda schema: [])
    monkeypatch.setattr(generate, "load", lambda: None)
    monkeypatch.setattr("sys.argv", ["generate.py", "--check"])

    assert generate.main() == 1
    assert "stale" in capsys.readouterr().out
    monkeypatch.setattr("sys.argv", ["generate.py"])
    assert generate.main() == 0
    assert stale.read_text() == schema.text()


@given(programs(6))
@settings(max_examples=50)
def test_every_sound_program_is_valid(program: Program) -> None:
    assert valid(tomllib.loads(dump(program)))


def test_examples_are_valid() -> None:
    assert valid(tomllib.loads(CALVES))
    for name, row in built_in().items():
        from openknead.programs.check import of_wire

        assert valid(tomllib.loads(dump(of_wire(name, row["stages"])))), name


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "my-calves"', 'name = "My Calves"'),
        ('name = "my-calves"', 'name = "steady"'),
        ('name = "my-calves"', ""),
        ('title = "Calves after a run"', 'title = "a\\u0007b"'),
        ("title", "titel"),
        ("seconds = 60", "seconds = 0"),
        ("seconds = 60", "seconds = 60.5"),
        ("seconds = 60\n", ""),
        ('pattern = "ramp"', 'pattern = "steady"'),
        ("from = 1", "from = 12"),
        ("period = 15", ""),
        ("low = 2", "low = 0"),
        ('area = "calf_left"', 'area = "neck"'),
        ('cue = "move_on"', 'cue = "beep"'),
        ('areas = ["calf"]', 'areas = "calf"'),
        ('finding = "Something."', ""),
        ("[[evidence]]", "[evidence]"),
    ],
)
def test_what_is_wrong_is_invalid(old: str, new: str) -> None:
    assert old in CALVES
    text = CALVES.replace(old, new)
    assert check(text.encode()).errors
    assert not valid(tomllib.loads(text))


ODD = [
    None,
    0,
    1,
    7,
    11,
    12,
    901,
    True,
    2.5,
    "",
    "x",
    "calf",
    "ramp",
    "wave",
    "stage",
    "steady",
    [],
    {},
    ["calf"],
]
BEYOND = ("above high", "up to here", "bytes on the device")  # what a schema cannot say


@pytest.mark.parametrize("seed", range(4))
def test_schema_and_check_agree_on_changed_files(seed: int) -> None:
    chance = random.Random(seed)
    names = [key.name for key in (*table.FILE, *table.STAGE, *table.EVIDENCE)]
    names += [key.name for pattern in table.PATTERNS for key in pattern.keys]
    told = [0, 0]
    for _ in range(400):
        tables = tomllib.loads(CALVES)
        for _ in range(chance.choice((1, 1, 2))):
            lists = [rows for rows in map(tables.get, ("stage", "evidence")) if isinstance(rows, list)]
            place = chance.choice([tables, *(row for rows in lists for row in rows if isinstance(row, dict))])
            name = chance.choice([*place, *place, *names])
            value = chance.choice(ODD)
            if value is None:
                place.pop(name, None)
            else:
                place[name] = value
        errors = check(as_toml(tables).encode()).errors
        said = [error for error in errors if not any(words in error.what for words in BEYOND)]
        assert valid(tables) == (not said), (tables, errors)
        told[bool(said)] += 1
    assert min(told) > 20


def as_toml(tables: dict[str, Any]) -> str:
    """Any tables as TOML, inline."""

    def value(it: Any) -> str:
        if isinstance(it, dict):
            return "{" + ", ".join(f"{key} = {value(item)}" for key, item in it.items()) + "}"
        if isinstance(it, list):
            return "[" + ", ".join(map(value, it)) + "]"
        return json.dumps(it)

    return "".join(f"{key} = {value(item)}\n" for key, item in tables.items())
