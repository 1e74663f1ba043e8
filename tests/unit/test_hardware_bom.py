"""The parts list: every part of the schematic has its line and back; what is missing or unlike is named."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hardware.bom.build import BUILDS, DESIGN, HERE, lines, problems, schematic, total_eur
from hardware.bom.parts import FILE, Item, PartsError, load, ratings

ROOT = Path(__file__).resolve().parents[2]

needs_design = pytest.mark.skipif(not DESIGN.exists(), reason=f"no {DESIGN.name}: the schematic's parts")


@dataclass(frozen=True)
class Drawn:
    """A part of a small schematic."""

    ref: str
    mpn: str
    value: str = ""
    builds: tuple[str, ...] = BUILDS


FUSE = Item("F-3", "Maker", "fuse", "3 A", 0.5, ("F-3b",), "ends a short", "3 A")
MOTOR = Item("M-1", "Maker", "motor", "12 V", 30.0, ("M-2",), extra={"board": 1})
ITEMS = {item.mpn: item for item in (FUSE, MOTOR)}
PARTS = [Drawn("F1", "F-3", "3 A")]


def test_a_list_that_agrees_has_no_problems() -> None:
    assert problems(ITEMS, PARTS) == []


def test_a_part_without_a_line_is_named() -> None:
    assert problems(ITEMS, [*PARTS, Drawn("R1", "R-1k")]) == ["R1: no line for R-1k in parts.toml"]


def test_a_line_without_a_part_is_named() -> None:
    assert problems(ITEMS, []) == ["F-3: on no schematic, and no extra: remove the line or say how many"]


def test_a_fuse_of_another_size_than_drawn_is_named() -> None:
    smaller = {**ITEMS, "F-3": replace(FUSE, value="1 A")}
    assert problems(smaller, PARTS) == ["F1: 3 A on the schematic, 1 A in parts.toml"]


def test_a_build_that_does_not_exist_is_named() -> None:
    odd = {**ITEMS, "M-1": replace(MOTOR, extra={"bread": 1})}
    assert problems(odd, PARTS) == ["M-1: no build is called bread"]


def test_a_bill_counts_what_is_drawn_and_what_stands_beside_it() -> None:
    board = lines("board", ITEMS, [*PARTS, Drawn("F2", "F-3", builds=("board",))])
    assert [(line.item.mpn, line.quantity, line.refs) for line in board] == [
        ("F-3", 2, ("F1", "F2")),
        ("M-1", 1, ()),
    ]
    assert total_eur(board) == 31.0
    assert [line.item.mpn for line in lines("breadboard", ITEMS, PARTS)] == ["F-3"]


PART = """
[[part]]
mpn = "SC0915"
maker = "M"
function = "f"
limits = "l"
price_eur = 1.0
alternatives = ["Y"]
"""


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('maker = "M"', "", "SC0915.*maker"),
        ('["Y"]', "[]", "alternatives is empty"),
        ("1.0", "0", "above 0"),
        ("price_eur", "price", "SC0915.*price"),
        ("[[part]]", "[[part", "parts.toml"),
    ],
)
def test_a_bad_list_is_named_with_its_part(tmp_path: Path, right: str, wrong: str, says: str) -> None:
    path = tmp_path / "parts.toml"
    path.write_text(PART)
    assert list(load(path)) == ["SC0915"]
    path.write_text(PART.replace(right, wrong))
    with pytest.raises(PartsError, match=says):
        load(path)


def test_a_part_that_stands_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "parts.toml"
    path.write_text(FILE.read_text(encoding="utf-8") + PART)
    with pytest.raises(PartsError, match="SC0915 stands there twice"):
        load(path)


def test_parts_that_safety_rests_on_have_a_reason_and_an_alternative() -> None:
    items = load()
    safety = [item for item in items.values() if item.safety]
    assert len(safety) >= 12
    assert all(len(item.safety) > 20 and item.alternatives for item in safety)
    rated = [item.mpn for item in items.values() if item.ratings]
    assert set(rated) >= {"0297003.WXNV", "Pololu 4035"}
    assert ratings()["fuse_a"] == 3.0


@needs_design
def test_every_part_of_the_schematic_is_in_the_list_and_back() -> None:
    assert problems(load(), schematic()) == []


@needs_design
def test_the_bills_are_up_to_date() -> None:
    run = [sys.executable, str(HERE / "build.py"), "--check"]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_design
def test_a_line_taken_out_of_the_list_is_caught() -> None:
    items = load()
    del items["SMBJ18A"]
    assert [text for text in problems(items, schematic()) if "SMBJ18A" in text]


def test_bills_hold_numbers_makers_and_reasons() -> None:
    for build in BUILDS:
        with (HERE / f"{build}.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert all(
            row["mpn"] and row["manufacturer"] and row["function"] and int(row["quantity"]) for row in rows
        )
        assert any(row["safety"] for row in rows)
