"""Writes the tables in the documents from the firmware's tables, so that there is one source of truth.

A document holds blocks `<!-- table: NAME -->` … `<!-- end of table -->`; what stands between is replaced,
the rest is written by hand. `--check` changes nothing and fails when a document is not up to date.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)
UNITS = {"mohm": "mΩ", "ohm": "Ω", "uV*s/rad": "µV·s/rad", "": ""}


def load() -> ModuleType:
    """The firmware's module `schema`, complete, imported by this Python."""
    if "micropython" not in sys.modules:
        micropython = ModuleType("micropython")
        vars(micropython)["const"] = lambda value: value
        sys.modules["micropython"] = micropython
    sys.pycache_prefix = str(ROOT / "build" / "pycache")  # firmware/ is copied to boards as it is
    folder = str(ROOT / "firmware")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    from massager import methods, schema  # noqa: F401 (methods add their own table to the schema)

    return schema


def items(schema: ModuleType, section: str) -> list[dict[str, Any]]:
    """All items of a section as the device would hand them out, page by page."""
    found: list[dict[str, Any]] = []
    start = 0
    while start is not None:
        page = json.loads(schema.page(section, start))
        found += page["items"]
        start = page["next"]
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, one line a row."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def _code(value: object) -> str:
    return f"`{value}`"


def settings(schema: ModuleType) -> str:
    rows = []
    for s in items(schema, "settings"):
        span = "true, false" if s["type"] == "bool" else f"{s['min']}…{s['max']}"
        marks = ["weakens"] * s["weakens"] + ["buttons only"] * s["local"]
        default = str(s["default"]).lower()
        unit = UNITS.get(s["unit"], s["unit"])
        rows.append((_code(s["name"]), s["type"], unit, span, default, ", ".join(marks), s["doc"]))
    return table(("setting", "type", "unit", "range", "default", "mark", "meaning"), rows)


def faults(schema: ModuleType) -> str:
    rows = []
    for f in items(schema, "faults"):
        limit, fault, hysteresis = (_threshold(f[key], f["unit"]) for key in ("limit", "fault", "hysteresis"))
        row = (f["code"], _code(f["name"]), f["measures"], limit, fault, hysteresis)
        rows.append((*row, f["debounce_ms"], f["reaction"], f["remedy"]))
    head = ("code", "name", "watches", "limit", "fault", "hysteresis", "after ms", "reaction", "what to do")
    return table(head, rows)


def _threshold(value: int | str | None, unit: str) -> str:
    if value is None or value == 0:
        return "–"
    if isinstance(value, str):
        return _code(value) if value.isidentifier() else f"{value} ({unit})"
    return f"{value / 10:g} °C" if unit == "0.1 C" else f"{value} ({unit})"


def limiters(schema: ModuleType) -> str:
    rows = ((r["bit"], _code(r["name"]), r["doc"]) for r in items(schema, "limiters"))
    return table(("bit", "name", "meaning"), rows)


def refusals(schema: ModuleType) -> str:
    rows = ((r["bit"], _code(r["name"]), r["remedy"]) for r in items(schema, "refusals"))
    return table(("bit", "name", "what to do"), rows)


def methods(schema: ModuleType) -> str:
    rows = []
    for m in items(schema, "methods"):
        params = ", ".join(f"`{name}`: {kind}" for name, kind in m["params"].items())
        rows.append((_code(m["name"]), params or "–", m["doc"]))
    return table(("method", "params", "meaning"), rows)


def errors(schema: ModuleType) -> str:
    rows = ((r["code"], _code(r["name"]), r["message"], r["remedy"]) for r in items(schema, "errors"))
    return table(("code", "name", "message", "remedy"), rows)


def telemetry(schema: ModuleType) -> str:
    rows = enumerate(items(schema, "telemetry"))
    return table(
        ("place", "field", "unit", "meaning"), ((n, _code(r["name"]), r["unit"], r["doc"]) for n, r in rows)
    )


def events(schema: ModuleType) -> str:
    return table(("event", "meaning"), ((_code(r["name"]), r["doc"]) for r in items(schema, "events")))


def _values(section: str) -> Any:
    def render_values(schema: ModuleType) -> str:
        rows = ((r["value"], _code(r["name"]), r["doc"]) for r in items(schema, section))
        return table(("value", "name", "meaning"), rows)

    return render_values


def pins(schema: ModuleType) -> str:
    source = (ROOT / "firmware" / "massager" / "board.py").read_text(encoding="utf-8")
    numbers, safe_low = (literal(source, name) for name in ("PINS", "SAFE_LOW"))
    notes = dict(re.findall(r'^    "(\w+)": \d+,(?:  # (.*))?$', source, re.MULTILINE))
    rows = (
        (number, _code(name), "low" if name in safe_low else "", notes[name])
        for name, number in numbers.items()
    )
    return table(("GP", "signal", "boot guard", "note"), rows)


def literal(source: str, name: str) -> Any:
    """The value of a constant at the top of a module, without running the module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


TABLES = {
    "settings": settings,
    "faults": faults,
    "limiters": limiters,
    "refusals": refusals,
    "methods": methods,
    "errors": errors,
    "telemetry": telemetry,
    "events": events,
    "states": _values("states"),
    "reasons": _values("reasons"),
    "cues": _values("cues"),
    "pins": pins,
}


def render(text: str, schema: ModuleType) -> str:
    """A document with its tables as the firmware has them now. KeyError: there is no such table."""
    return BLOCK.sub(lambda block: block[1] + TABLES[block[2]](schema) + block[3], text)


def documents() -> list[Path]:
    """The documents that hold tables."""
    found = [*sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "hardware").glob("*.md"))]
    return [path for path in found if BLOCK.search(path.read_text(encoding="utf-8"))]


def main() -> int:
    """Write the documents, or check them; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail when a document is stale")
    check = parser.parse_args().check
    schema = load()
    stale = []
    for path in documents():
        old = path.read_text(encoding="utf-8")
        new = render(old, schema)
        if new != old:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(new, encoding="utf-8")
    if stale:
        print(("stale, run docs/generate.py: " if check else "written: ") + ", ".join(stale))
    return 1 if stale and check else 0


if __name__ == "__main__":
    sys.exit(main())
