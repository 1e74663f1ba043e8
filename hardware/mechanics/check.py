"""Checks the mechanics: balance, air, walls, seats; exit code 1 when a rule is broken or a file is stale.

Without options it calculates, and judges figures.json, which CadQuery wrote; that takes a second. `--cad`
builds the solids and turns them through a revolution; `--write` also writes all files.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from hardware.budgets.rows import INFO, Row
from hardware.mechanics.rules import Figures, cad_rows, rows
from hardware.mechanics.sizes import Sizes, tables
from hardware.params.load import ParamError

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "figures.json"
README = HERE / "README.md"
BLOCK = re.compile(r"(<!-- mechanics: (\w+) -->\n).*?(<!-- end of mechanics -->)", re.DOTALL)
SAME = 2e-3  # relative: figures of another version of the geometry kernel may differ by this


def problems(s: Sizes, figures: Figures) -> list[str]:
    """What is broken or stale, in words; nothing when all is well."""
    if figures["inputs"] != s.inputs:
        inputs = figures["inputs"]
        changed = sorted(n for n in s.inputs.keys() | inputs.keys() if s.inputs.get(n) != inputs.get(n))
        return [f"{FIGURES.name} is stale ({', '.join(changed)} changed): make mechanics ARGS=--write"]
    return [f"{row.group}: {told(row)}" for row in rows(s) + cad_rows(s, figures) if not row.holds]


def told(row: Row) -> str:
    """A row as a line."""
    limit = "" if row.sense == INFO else f" {row.sense} {row.limit:.4g} {row.unit}"
    return f"{row.name}: {row.value:.4g} {row.unit}{limit}"


def differences(old: Any, new: Any, place: str = "") -> list[str]:
    """Where two sets of figures differ by more than SAME."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return [
            text for n in names for text in differences(old.get(n), new.get(n), f"{place}.{n}".strip("."))
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            text
            for n, pair in enumerate(zip(old, new, strict=True))
            for text in differences(*pair, f"{place}[{n}]")
        ]
    if isinstance(old, int | float) and isinstance(new, int | float):
        return (
            []
            if abs(old - new) <= max(SAME * abs(new), 0.02)
            else [f"{place}: {old} in {FIGURES.name}, {new} now"]
        )
    return [] if old == new else [f"{place}: {old} in {FIGURES.name}, {new} now"]


def page(text: str, s: Sizes, figures: Figures) -> str:
    """README.md with its tables as they are now."""
    tables_ = {"rules": lambda: _rules(rows(s) + cad_rows(s, figures)), "parts": lambda: _parts(figures)}
    tables_ |= {"sizes": _sizes}
    return BLOCK.sub(lambda block: block[1] + tables_[block[2]]() + block[3], text)


def _rules(found: list[Row]) -> str:
    lines = ["| rule | value | limit | basis |", "|---|---|---|---|"]
    for row in found:
        limit = "" if row.sense == INFO else f"{row.sense} {row.limit:.4g} {row.unit}"
        lines.append(f"| {row.name} | {row.value:.4g} {row.unit} | {limit} | {row.basis} |")
    return "\n".join(lines) + "\n"


def _parts(figures: Figures) -> str:
    lines = ["| part | g | mm |", "|---|---|---|"]
    for name, part in figures["parts"].items():
        size = " × ".join(f"{length:g}" for length in part["size_mm"])
        lines.append(f"| {name.replace('_', ' ')} | {part['mass_g']:g} | {size} |")
    return "\n".join(lines) + "\n"


def _sizes() -> str:
    dimensions, _ = tables()
    lines = ["| dimension | value | unit | source |", "|---|---|---|---|"]
    for name in dimensions:
        q = dimensions.quantity(name)
        lines.append(f"| `{name}` | {q.value:g} | {q.unit} | {q.source} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Check, with CadQuery if asked to; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--cad", action="store_true", help="build the solids and compare them with figures.json"
    )
    parser.add_argument("--write", action="store_true", help="build the solids and write all files")
    parser.add_argument("--json", action="store_true", help="print the rules as JSON")
    given = parser.parse_args()
    try:
        s = Sizes(*tables())
    except ParamError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    broken = [row for row in rows(s) if not row.holds]
    if broken:  # no use in building what cannot be right
        print("\n".join(f"BROKEN  {told(row)}" for row in broken))
        return 1
    wrong: list[str] = []
    if given.cad or given.write:
        try:
            now = _build(s, given.write)
        except ImportError as problem:
            print(f"error: {problem}: make mechanics installs CadQuery", file=sys.stderr)
            return 2
        if given.write:
            FIGURES.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        else:
            wrong = differences(json.loads(FIGURES.read_text(encoding="utf-8")), now)
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    wrong += problems(s, figures)
    if not wrong:
        text = README.read_text(encoding="utf-8")
        fresh = page(text, s, figures)
        if given.write:
            README.write_text(fresh, encoding="utf-8")
        elif fresh != text:
            wrong.append("README.md is stale: make mechanics ARGS=--write")
    found = rows(s) + (cad_rows(s, figures) if figures["inputs"] == s.inputs else [])
    if given.json:
        keys = ("group", "name", "value", "unit", "sense", "limit", "holds")
        plain = [{key: getattr(row, key) for key in keys if key != "limit" or row.sense} for row in found]
        print(json.dumps({"rules": plain, "problems": wrong}, ensure_ascii=False))
    else:
        for row in found:
            print(f"{'ok    ' if row.holds else 'BROKEN'}  {told(row)}")
        print("\n".join(wrong) or f"all {len(found)} rules hold")
    return 1 if wrong else 0


def _build(s: Sizes, write: bool) -> dict[str, Any]:
    from hardware.mechanics import assembly, export, parts

    _say("building the parts (15 s)")
    solids = parts.build(s)
    _say(f"turning them through {assembly.STEPS} positions")
    figures = assembly.figures(s, solids)
    if write:
        _say("writing STEP, STL and pictures")
        total = sum(path.stat().st_size for path in export.write(s, solids))
        _say(f"{total / 1e6:.1f} MB")
    return figures


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
