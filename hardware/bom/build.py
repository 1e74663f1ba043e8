"""Writes the bill of materials of both builds, checked against the schematic's parts in both directions.

breadboard.csv, board.csv and README.md beside itself; `--check` writes nothing and fails when one is stale, a
part of the schematic has no line, a line is on no schematic, or a value is not the schematic's.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from hardware.bom.parts import CLASSES, Item, PartsError, load  # noqa: E402

DESIGN = HERE.parent / "design.py"
BUILDS = ("breadboard", "board")


@dataclass(frozen=True)
class Line:
    """A part of a build: how many, and where on the schematic (empty: beside it)."""

    item: Item
    quantity: int
    refs: tuple[str, ...]


def schematic(path: Path = DESIGN) -> list[Any]:
    """The schematic's parts: each has ref, mpn, value, builds. Raises PartsError when there is no design."""
    if not path.exists():
        raise PartsError(f"{path}: no such file; the parts of the schematic stand there")
    spec = importlib.util.spec_from_file_location("openknead_design", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return list(module.PARTS)


def problems(items: Mapping[str, Item], parts: Iterable[Any]) -> list[str]:
    """What schematic and parts list do not agree on."""
    parts = list(parts)
    found = [f"{part.ref}: no line for {part.mpn} in parts.toml" for part in parts if part.mpn not in items]
    used = {part.mpn for part in parts}
    found += [
        f"{item.mpn}: on no schematic, and no extra: remove the line or say how many"
        for item in items.values()
        if item.mpn not in used and not item.extra
    ]
    for part in parts:
        item = items.get(part.mpn)
        if item and item.value and item.value != part.value:
            found.append(f"{part.ref}: {part.value} on the schematic, {item.value} in parts.toml")
    for item in items.values():
        found += [f"{item.mpn}: no build is called {name}" for name in item.extra if name not in BUILDS]
    return found


def lines(build: str, items: Mapping[str, Item], parts: Iterable[Any]) -> list[Line]:
    """The bill of one build, in the order of parts.toml."""
    here = [part for part in parts if build in part.builds]
    found = []
    for item in items.values():
        refs = tuple(part.ref for part in here if part.mpn == item.mpn)
        count = len(refs) + item.extra.get(build, 0)
        if count:
            found.append(Line(item, count, refs))
    return found


def table(bill: list[Line]) -> str:
    """The bill as CSV."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("quantity", "mpn", "manufacturer", "function", "references", "limits", "alternatives", "price_class",
         "price_eur", "safety")
    )  # fmt: skip
    for line in bill:
        item = line.item
        first = (line.quantity, item.mpn, item.maker, item.function, " ".join(line.refs), item.limits)
        price = (item.price_class, f"{item.price_eur:.2f}")
        writer.writerow((*first, "; ".join(item.alternatives), *price, item.safety))
    return out.getvalue()


def total_eur(bill: list[Line]) -> float:
    """What the parts of a build cost, EUR."""
    return sum(line.quantity * line.item.price_eur for line in bill)


def pieces(bill: list[Line]) -> int:
    """How many parts a build has."""
    return sum(line.quantity for line in bill)


def page(bills: Mapping[str, list[Line]]) -> str:
    """The page for people."""
    classes = ", ".join(f"{name} up to {most:g}" for name, most in CLASSES[:-1])
    totals = "".join(
        f"| [{build}]({build}.csv) | {len(bill)} | {pieces(bill)} | {total_eur(bill):.0f} |\n"
        for build, bill in bills.items()
    )
    by_mpn = {line.item.mpn: line.item for bill in bills.values() for line in bill}
    counts = {build: {line.item.mpn: line.quantity for line in bill} for build, bill in bills.items()}
    rows = []
    for mpn, item in by_mpn.items():
        numbers = " | ".join(str(counts[build].get(mpn, "")) for build in bills)
        rows.append(
            f"| {item.maker} {mpn} | {numbers} | {item.function} | {item.limits} | "
            f"{'; '.join(item.alternatives)} | {item.price_class} |\n"
        )
    safety = "".join(
        f"| {item.function} | {item.maker} {item.mpn} | {item.safety} |\n"
        for item in by_mpn.values()
        if item.safety
    )
    return f"""# Parts

Written by `hardware/bom/build.py` from [parts.toml](parts.toml) and the schematic's parts. Price classes in
EUR for one: {classes}, E above. Prices are assumptions. Numbers and limits are
from data sheets as remembered: look each up before ordering. Nothing has been bought or built from this list.
Pad, crank, counterweight and handle are not in it.

| build | lines | parts | EUR |
|---|---|---|---|
{totals}
## Parts that safety rests on

An alternative must keep the limits.

| function | part | reason |
|---|---|---|
{safety}
## All parts

| part | {" | ".join(bills)} | function | limits | alternatives | class |
|---|{"---|" * len(bills)}---|---|---|---|
{"".join(rows)}"""


def main() -> int:
    """Check and write; 0 when schematic, list and files agree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is stale")
    parser.add_argument("--design", type=Path, default=DESIGN, metavar="FILE", help="the schematic's parts")
    given = parser.parse_args()
    try:
        items, parts = load(), schematic(given.design)
    except PartsError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    wrong = problems(items, parts)
    bills = {build: lines(build, items, parts) for build in BUILDS}
    wanted = {HERE / f"{build}.csv": table(bill) for build, bill in bills.items()} | {
        HERE / "README.md": page(bills)
    }
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if not given.check and not wrong:
        for path in stale:
            path.write_text(wanted[path], encoding="utf-8")
    for text in wrong:
        print(text)
    if stale and (given.check or wrong):
        print("stale, run hardware/bom/build.py: " + ", ".join(path.name for path in stale))
    for build, bill in bills.items():
        print(f"{build}: {pieces(bill)} parts in {len(bill)} lines, {total_eur(bill):.0f} EUR")
    return 1 if wrong or (stale and given.check) else 0


if __name__ == "__main__":
    sys.exit(main())
