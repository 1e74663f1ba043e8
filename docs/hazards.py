"""What the documents take from safety_case.toml and the last measured run. Used by generate.py."""

from __future__ import annotations

import ast
import functools
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from docs.markup import anchor, code, table

ROOT = Path(__file__).resolve().parents[1]
CASE = ROOT / "docs" / "safety_case.toml"
FIGURES = ROOT / "docs" / "safety-figures.json"  # of the last `make safety` of full size
DESKTOP = "simulated board"


@functools.cache
def case() -> dict[str, Any]:
    """Layers and hazards."""
    return tomllib.loads(CASE.read_text(encoding="utf-8"))


@functools.cache
def measured() -> dict[str, Any]:
    """The last measured run; empty when there was none."""
    return json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}


def _failures() -> dict[str, dict[str, Any]]:
    """Rows of the fault matrix, by name."""
    return {row["failure"]: row for row in measured().get("campaign", {}).get("rows", ())}


def _titles() -> dict[str, str]:
    return {layer["name"]: layer["title"] for layer in case()["layer"]}


def layers(_schema: ModuleType) -> str:
    rows = (
        (n, r["title"], r["does"], r["alone"] or "–", r["needs"]) for n, r in enumerate(case()["layer"], 1)
    )
    return table(("", "layer", "does", "works without", "needs"), rows)


def overview(_schema: ModuleType) -> str:
    rows = []
    for hazard in case()["hazard"]:
        used = _layers_of(hazard)
        built = sum(not layer.get("drawn") for layer in case()["layer"] if layer["title"] in used)
        none = len(hazard["no_layer"])
        link = f"[{hazard['title']}](#{anchor(hazard['title'])})"
        rows.append((link, built, ", ".join(used), len(hazard["one_layer"]), none or "–"))
    return table(
        (
            "hazard",
            "layers",
            "which",
            "single failures that meet one layer only",
            "that meet none in software",
        ),
        rows,
    )


def _layers_of(hazard: dict[str, Any]) -> list[str]:
    used = {control["layer"] for control in hazard["control"]}
    return [title for name, title in _titles().items() if name in used]


def pages(_schema: ModuleType) -> str:
    parts = []
    for hazard in case()["hazard"]:
        rows = [
            (
                _titles()[control["layer"]],
                control["does"],
                "<br>".join(_place(place) for place in control["code"]),
                "<br>".join(_test(test) for test in control["tests"]),
                "<br>".join(_figures(control)) or "–",
            )
            for control in hazard["control"]
        ]
        names = ", ".join(code(name) for name in hazard["faults"]) or "none"
        parts.append(f"### {hazard['title']}\n\n{hazard['harm']} Faults: {names}.\n\n")
        parts.append(table(("layer", "control", "in the code", "test", "measured"), rows))
        parts.append("\n" + _points("One layer only", hazard["one_layer"]))
        parts.append(_points("No layer in software", hazard["no_layer"]))
        parts.append(f"- *What remains*: {hazard['residual']}\n\n")
    return "".join(parts)


def _points(what: str, texts: Sequence[str]) -> str:
    return "".join(f"- *{what}*: {text}\n" for text in texts)


def _place(place: str) -> str:
    file, name = place.split(": ")
    return f"[{code(name)}](../{file})"


def _test(test: str) -> str:
    file, _, name = test.partition("::")
    return f"[{code(name.removeprefix('test_') or Path(file).name)}](../{file})"


def _figures(control: dict[str, Any]) -> list[str]:
    found = [f"{name}: {_value(name)}" for name in control.get("figures", ())]
    rows = [row for name in control.get("failures", ()) if (row := _failures().get(name))]
    if rows:
        right, tried = (sum(row[key] for row in rows) for key in ("right", "tried"))
        off_ms = [row["off_ms"] for row in rows if row["off_ms"] is not None]
        told_ms = max(row["told_ms"] for row in rows)
        worst = f"off after {max(off_ms):g} ms, " if off_ms else ""
        found.append(
            f"{right} of {tried} detected; at worst {worst}reported after {told_ms:g} ms ({DESKTOP})"
        )
    return found


def _value(name: str) -> str:
    figure = measured().get("figures", {}).get(name)
    if figure is None:
        return "not measured yet"
    return f"{figure['value']:g} {figure['unit']}".strip() if figure["value"] is not None else figure["why"]


def figures(_schema: ModuleType) -> str:
    figures = measured().get("figures", {})
    rows = [(code(name), _value(name), _aim(figure), figure["measured"]) for name, figure in figures.items()]
    return table(("figure", "measured", "aim", "on"), rows)


def _aim(figure: dict[str, Any]) -> str:
    return "–" if figure["aim"] is None else f"{figure['rule']} {figure['aim']:g} {figure['unit']}".strip()


def run(_schema: ModuleType) -> str:
    if not measured():
        return "Not measured yet.\n"
    text = f"On emulated Picos with MicroPython {', '.join(measured()['micropython'])}"
    if played := measured().get("campaign"):
        text += (
            f"; on the simulated board, {played['measured']}: {played['points']} points of operation a "
            f"failure, {played['sessions']} sessions without one ({played['session_h']} h)"
        )
    return text + ".\n"


def fault_matrix(_schema: ModuleType) -> str:
    rows = []
    for row in _failures().values():
        reported = ", ".join(f"`{name}` {n}" for name, n in row["reported"].items())
        off = "–" if row["off_ms"] is None else f"{row['off_ms']:g} of {row['off_within_ms']}"
        reported_ms = f"{row['told_ms']} of {row['told_within_ms']}"
        rows.append((row["failure"], reported, f"{row['right']} of {row['tried']}", off, reported_ms))
    return table(("failure", "reported as", "right", "motor off, ms", "reported, ms"), rows)


def near_alarms(after_ms: dict[str, int]) -> str:
    """How near sound use came to each fault; after_ms: how long the cause of each must last, by its name."""
    longest_ms = measured().get("campaign", {}).get("nearest_ms", {})
    rows = ((code(name), ms, after_ms[name]) for name, ms in longest_ms.items())
    return table(("fault", "its cause lasted at most, ms", "it comes after, ms"), rows)


def missing(faults: Sequence[str]) -> list[str]:
    """What the safety case names and does not exist, and which of the faults belong to no hazard."""
    found = []
    hazardous = [name for hazard in case()["hazard"] for name in hazard["faults"]]
    found += [f"no hazard has the fault {name}" for name in faults if name not in hazardous]
    found += [f"there is no fault {name}" for name in hazardous if name not in faults]
    for hazard in case()["hazard"]:
        for control in hazard["control"]:
            if control["layer"] not in _titles():
                found.append(f"{hazard['name']}: no layer {control['layer']}")
            found += [f"{hazard['name']}: no {place}" for place in control["code"] if not _is_there(place)]
            found += [f"{hazard['name']}: no {test}" for test in control["tests"] if not _is_there(test)]
            for key, known in (("figures", measured().get("figures", {})), ("failures", _failures())):
                names = control.get(key, ()) if known else ()  # what was measured names what there is
                found += [f"{hazard['name']}: no figure {name}" for name in names if name not in known]
    return found


def _is_there(place: str) -> bool:
    """Whether "file: name", "file::test" or "file" exists."""
    file, _, name = place.replace("::", ": ").partition(": ")
    path = ROOT / file
    return path.is_file() and (not name or name in _names(path))


@functools.cache
def _names(path: Path) -> set[str]:
    """Functions, classes, methods (Class.method) and constants of a module."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names.add(getattr(node, "name", ""))
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)
            }
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            if isinstance(target, ast.Name):
                names.add(target.id)
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
    return names
