"""Writes the tables in the documents from the firmware's tables and other data: one source of truth.

A document holds blocks `<!-- table: NAME -->` … `<!-- end of table -->`; what stands between is replaced,
the rest is written by hand. `--check` changes nothing and fails when a document is not up to date, or when
safety_case.toml names what does not exist.
"""

from __future__ import annotations

import argparse
import ast
import functools
import importlib
import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from openknead.doctor.checks import CHECKS
from openknead.flash import build
from openknead.programs import schema as program_schema
from openknead.programs import table as program_table
from openknead.recording import columns as recording

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # for `docs` and `hardware`, which are not installed

from docs import hazards, reference  # noqa: E402
from docs.markup import anchor, code, table  # noqa: E402

# The schema of program files: where people read it, and where `openknead` is installed.
PROGRAM_SCHEMAS = [ROOT / folder / program_schema.FILE for folder in ("docs", "host/openknead/programs")]
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
    importlib.import_module("massager.methods")  # they add their own table to the schema
    return importlib.import_module("massager.schema")


class FirmwareFiles:
    """The firmware's files as its own modules read them."""

    def read(self, name: str, most: int) -> bytes:
        return (ROOT / "firmware" / name).read_bytes()

    def names(self, folder: str, belongs: Callable[[str], bool]) -> list[str]:
        return []


def items(schema: ModuleType, section: str) -> list[dict[str, Any]]:
    """All items of a section as the device would hand them out, page by page."""
    from massager.library import Library

    library = Library(FirmwareFiles())
    found: list[dict[str, Any]] = []
    start = 0
    while start is not None:
        page = json.loads(schema.page(section, start, library))
        found += page["items"]
        start = page["next"]
    return found


def settings(schema: ModuleType) -> str:
    rows = []
    for s in items(schema, "settings"):
        span = "true, false" if s["type"] == "bool" else f"{s['min']}…{s['max']}"
        marks = [f"weakens when {s['weakens_when']}"] * s["weakens"]
        marks += ["press"] * s["confirm"] + ["buttons only"] * s["local"]
        default = str(s["default"]).lower()
        unit = UNITS.get(s["unit"], s["unit"])
        rows.append((code(s["name"]), s["type"], unit, span, default, ", ".join(marks), s["doc"]))
    return table(("setting", "type", "unit", "range", "default", "mark", "meaning"), rows)


def fault_names(schema: ModuleType) -> list[str]:
    return [row["name"] for row in items(schema, "faults")]


def faults(schema: ModuleType) -> str:
    rows = []
    for f in items(schema, "faults"):
        limit, fault, hysteresis = (_threshold(f[key], f["unit"]) for key in ("limit", "fault", "hysteresis"))
        row = (f["code"], code(f["name"]), f["measures"], limit, fault, hysteresis)
        survives = "yes" if f["survives"] else "–"
        rows.append((*row, f["debounce_ms"], f["reaction"], survives, f["remedy"]))
    head = (
        *("code", "name", "watches", "limit", "fault", "hysteresis", "after ms", "reaction", "survives"),
        "what to do",
    )
    return table(head, rows)


def near_alarms(schema: ModuleType) -> str:
    return hazards.near_alarms({f["name"]: f["debounce_ms"] for f in items(schema, "faults")})


def _threshold(value: int | str | None, unit: str) -> str:
    if value is None or value == 0:
        return "–"
    if isinstance(value, str):
        return code(value) if value.isidentifier() else f"{value} ({unit})"
    return f"{value / 10:g} °C" if unit == "0.1 C" else f"{value} ({unit})"


def _bits(section: str) -> Any:
    def render_bits(schema: ModuleType) -> str:
        rows = ((r["bit"], code(r["name"]), r["doc"]) for r in items(schema, section))
        return table(("bit", "name", "meaning"), rows)

    return render_bits


def areas(schema: ModuleType) -> str:
    rows = (
        (
            ", ".join(code(r["name"] + side) for side in ("", "_left", "_right")[: 3 if r["sides"] else 1]),
            r["doc"],
        )
        for r in items(schema, "areas")
    )
    return table(("label", "meaning"), rows)


def refusals(schema: ModuleType) -> str:
    rows = ((r["bit"], code(r["name"]), r["remedy"]) for r in items(schema, "refusals"))
    return table(("bit", "name", "what to do"), rows)


def methods(schema: ModuleType) -> str:
    rows = []
    for m in items(schema, "methods"):
        params = ", ".join(f"`{name}`: {kind}" for name, kind in m["params"].items())
        rows.append((code(m["name"]), params or "–", m["doc"]))
    return table(("method", "params", "meaning"), rows)


def errors(schema: ModuleType) -> str:
    rows = ((r["code"], code(r["name"]), r["message"], r["remedy"]) for r in items(schema, "errors"))
    return table(("code", "name", "message", "remedy"), rows)


def telemetry(schema: ModuleType) -> str:
    rows = enumerate(items(schema, "telemetry"))
    return table(
        ("place", "field", "unit", "meaning"), ((n, code(r["name"]), r["unit"], r["doc"]) for n, r in rows)
    )


def recording_columns(schema: ModuleType) -> str:
    """KeyError: a column that neither the firmware's telemetry nor the host has a meaning for."""
    rows = items(schema, "telemetry")
    told = {row["name"]: (UNITS.get(row["unit"], row["unit"]), row["doc"]) for row in rows}
    told |= {name: ("", meaning) for name, meaning in recording.MEANINGS.items()}
    return table(("column", "unit", "meaning"), ((code(name), *told[name]) for name in recording.COLUMNS))


def events(schema: ModuleType) -> str:
    return table(("event", "meaning"), ((code(r["name"]), r["doc"]) for r in items(schema, "events")))


def _values(section: str) -> Any:
    def render_values(schema: ModuleType) -> str:
        rows = ((r["value"], code(r["name"]), r["doc"]) for r in items(schema, section))
        return table(("value", "name", "meaning"), rows)

    return render_values


def sections(schema: ModuleType) -> str:
    rows = ((code(name), ", ".join(map(code, items(schema, name)[0]))) for name in schema.SECTIONS)
    return table(("section", "members of an item"), rows)


def selftests(schema: ModuleType) -> str:
    rows = []
    for r in items(schema, "selftests"):
        low, high = (_limit(r[key], r["unit"]) for key in ("low", "high"))
        rows.append((code(r["name"]), r["measures"], low, high, r["remedy"]))
    return table(("test", "measures", "at least", "at most", "what to do"), rows)


def _limit(value: int, unit: str) -> str:
    return f"{value / 10:g} °C" if unit == "0.1 C" else f"{value} {unit}".strip()


def protocol(_schema: ModuleType) -> str:
    from massager import methods

    names = ", ".join(map(code, methods.CAPABILITIES))
    return f"This is protocol {methods.PROTOCOL}, with the capabilities {names}.\n"


def protocol_limits(_schema: ModuleType) -> str:
    from massager import library, rpc, wire

    rows = (
        ("bytes of a line to the device, newline included", wire.LINE_MAX),
        ("bytes of a line from it, newline included", wire.REPLY_MAX),
        ("highest `id`", f"2^{rpc.ID_MAX.bit_length()}−1"),
        ("ticks (10 ms) after which a reply that is not read is cut off", rpc.DROP_TICKS),
        ("bytes of a program's document", library.SIZE_MAX),
        ("bytes of it in one `program.write`", library.CHUNK),
        ("programs that hosts have sent", library.PROGRAMS_MAX),
    )
    return table(("limit", ""), rows)


def pins(schema: ModuleType) -> str:
    source = (ROOT / "firmware" / "massager" / "board.py").read_text(encoding="utf-8")
    numbers, safe_low = (literal(source, name) for name in ("PINS", "SAFE_LOW"))
    notes = dict(re.findall(r'^    "(\w+)": \d+,(?:  # (.*))?$', source, re.MULTILINE))
    rows = (
        (number, code(name), "low" if name in safe_low else "", notes[name])
        for name, number in numbers.items()
    )
    return table(("GP", "signal", "boot guard", "note"), rows)


def multiplexer(_schema: ModuleType) -> str:
    source = (ROOT / "firmware" / "massager" / "board.py").read_text(encoding="utf-8")
    turns = re.findall(r"^    \((\w+), (\d), (\d), (\d)\),$", source, re.MULTILINE)
    at = {int(s2 + s1 + s0, 2): channel.lower() for channel, s0, s1, s2 in turns}
    rows = ((n, f"{n:03b}", at.get(n, "ground")) for n in range(8))
    return table(("input", "S2 S1 S0", "channel"), rows)


def literal(source: str, name: str) -> Any:
    """The value of a constant at the top of a module, without running the module."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


# -- program files ------------------------------------------------------------------------------------------


def program_keys(_schema: ModuleType) -> str:
    rows = [_key_row("", key) for key in program_table.FILE if not key.keys]
    rows += [_key_row("[[evidence]]", key) for key in program_table.EVIDENCE]
    rows += [_key_row("[[stage]]", key) for key in program_table.STAGE]
    for pattern in program_table.PATTERNS:
        rows += [_key_row(f"{pattern.name} stages", key) for key in pattern.keys]
    return table(("in", "key", "value", "meaning"), rows)


def _key_row(place: str, key: program_table.Key) -> tuple[str, str, str, str]:
    kinds = {
        "name": "text",
        "line": f"text, at most {key.high} characters",
        "text": "text",
        "texts": "list of texts",
        "choices": "list of labels",
        "whole": f"{key.low}…{key.high}",
        "choice": "a label" if key.name == "area" else ", ".join(map(code, key.choices)),
    }
    return place, code(key.name) + ("" if key.required else "?"), kinds[key.kind], key.doc


def program_patterns(_schema: ModuleType) -> str:
    rows = (
        (code(p.name), ", ".join(code(k.name) for k in p.keys) or "–", p.doc) for p in program_table.PATTERNS
    )
    return table(("pattern", "its keys", "meaning"), rows)


def program_areas(_schema: ModuleType) -> str:
    paired = ", ".join(map(code, program_table.PAIRED))
    unpaired = ", ".join(map(code, program_table.UNPAIRED))
    return f"{paired}, each also with `_left` or `_right`; {unpaired}.\n"


# -- the programs -------------------------------------------------------------------------------------------

PROGRAMS = ROOT / "firmware" / "massager" / "programs"


@functools.cache
def built_in(name: str) -> dict[str, Any]:
    """A program that is built in, as its file has it."""
    found: dict[str, Any] = json.loads((PROGRAMS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def programs(schema: ModuleType) -> str:
    rows = []
    for number, row in enumerate(items(schema, "programs"), 1):
        stages = built_in(row["name"])["stages"]
        levels = [level for stage in stages for level in stage[3:5] if level]
        motor = f"{min(levels)}…{max(levels)}" if levels else "motor off" if stages else "as chosen"
        length = _clock(sum(stage[1] for stage in stages)) if stages else "the session's"
        link = f"[{code(row['name'])}](#{anchor(row['name'])})"
        rows.append((number, link, row["title"], length, motor, row["purpose"]))
    return table(("MODE", "program", "", "min:s", "levels", "what it does"), rows)


def program_pages(schema: ModuleType) -> str:
    parts = []
    for row in items(schema, "programs"):
        parts.append(f"### {row['name']}\n\n**{row['title']}.** {row['purpose']}\n\n")
        stages = built_in(row["name"])["stages"]
        if stages:
            lines = [(name, _clock(s), _moves(*how), area or "–", cue) for name, s, *how, area, cue in stages]
            parts.append(table(("stage", "min:s", "level", "area", "cue"), lines) + "\n")
        parts += [f"- *Care*: {text}\n" for text in row["cautions"]]
        parts += [f"- *Known*: {finding} ({source})\n" for source, finding in row["evidence"]]
        parts.append("\n")
    return "".join(parts)


def _clock(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02d}"


def _moves(pattern: str, a: int, b: int, period_s: int) -> str:
    texts = {
        "steady": f"{a}",
        "ramp": f"{a} → {b}",
        "wave": f"{a} ↔ {b} every {period_s} s",
        "pulse": f"{b or 'off'} and {a or 'off'}, {period_s / 2:g} s each",
        "off": "motor off",
    }
    return texts[pattern]


def cues(schema: ModuleType) -> str:
    rows = []
    for row in items(schema, "cues"):
        beeps = ", ".join(f"{hz} Hz {on_ms} ms" for hz, on_ms, _ in row["beeps"])
        dip = f"{row['dip_ms']} ms" if row["dip_ms"] else "–"
        rows.append((code(row["name"]), row["doc"], dip, beeps, row["colour"]))
    return table(("cue", "meaning", "dip of the motor", "beeps", "light flashes"), rows)


# -- the guide ----------------------------------------------------------------------------------------------

GUIDE = ROOT / "host" / "openknead" / "guide" / "guide.toml"


@functools.cache
def guide() -> dict[str, Any]:
    """Questions and pages, as the package has them."""
    return tomllib.loads(GUIDE.read_text(encoding="utf-8"))


def guide_questions(_schema: ModuleType) -> str:
    rows = ((code(q["name"]), q["ask"], q["why"], q["do"]) for q in guide()["question"])
    return table(("name", "question", "why", "if yes, or unsure"), rows)


def guide_stop(_schema: ModuleType) -> str:
    return "".join(f"- {text}\n" for text in guide()["stop"])


def guide_areas(_schema: ModuleType) -> str:
    return "".join(_page(topic) for topic in guide()["topic"] if "areas" in topic)


def guide_general(_schema: ModuleType) -> str:
    return "".join(_page(topic) for topic in guide()["topic"] if "areas" not in topic)


def _page(topic: dict[str, Any]) -> str:
    parts = [f"### {topic['title']}\n\n`knead guide {topic['name']}`\n\n"]
    parts += [f"- {text}\n" for text in (*topic.get("text", ()), *topic.get("technique", ()))]
    rows = [(head, topic[key]) for key, head in GUIDE_ROWS.items() if key in topic]
    rows += [("Not on", " ".join(topic["avoid"]))] if "avoid" in topic else []
    rows += [("Programs", ", ".join(map(code, topic["programs"])))] if "programs" in topic else []
    parts += [f"- *{head}*: {text}\n" for head, text in rows]
    for item in topic.get("evidence", ()):
        again = "" if item.get("reread", True) else " (not re-read)"
        parts.append(f"- *Known*: {item['finding']} {item['source']}{again}.\n")
    return "".join(parts) + "\n"


GUIDE_ROWS = {"strokes": "Strokes", "how_long": "How long", "how_often": "How often"}


# -- the host's code ----------------------------------------------------------------------------------------


def commands(_schema: ModuleType) -> str:
    return table(("command", "what it does"), reference.command_rows())


def command_pages(_schema: ModuleType) -> str:
    return reference.command_pages(table)


def command_options(_schema: ModuleType) -> str:
    return table(*reference.shared_options())


def exit_codes(_schema: ModuleType) -> str:
    return table(("exit code", "meaning"), reference.exit_code_rows())


def host_errors(_schema: ModuleType) -> str:
    return table(("class", "code", "name", "exit code", "meaning", "remedy"), reference.host_error_rows())


def device_errors(schema: ModuleType) -> str:
    rows = reference.device_error_rows(items(schema, "errors"))
    return table(("class", "code", "name", "exit code", "meaning", "remedy"), rows)


def device_methods(_schema: ModuleType) -> str:
    return table(("method", "what it does"), reference.method_rows())


def samples(schema: ModuleType) -> str:
    return table(("field", "type", "unit", "meaning"), reference.sample_rows(items(schema, "telemetry")))


# -- checks of the host ------------------------------------------------------------------------------------


def doctor_checks(_schema: ModuleType) -> str:
    rows = ((code(check.name), check.looks_at, _first_line(check.look)) for check in CHECKS)
    return table(("check", "shown as", "looks at"), rows)


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


TABLES = {
    "settings": settings,
    "faults": faults,
    "limiters": _bits("limiters"),
    "refusals": refusals,
    "doctor_checks": doctor_checks,
    "methods": methods,
    "errors": errors,
    "telemetry": telemetry,
    "events": events,
    "recording_columns": recording_columns,
    "states": _values("states"),
    "reasons": _values("reasons"),
    "cues": cues,
    "programs": programs,
    "program_pages": program_pages,
    "areas": areas,
    "warnings": _bits("warnings"),
    "pins": pins,
    "program_keys": program_keys,
    "program_patterns": program_patterns,
    "program_areas": program_areas,
    "multiplexer": multiplexer,
    "layers": hazards.layers,
    "hazards": hazards.overview,
    "safety_case": hazards.pages,
    "safety_run": hazards.run,
    "safety_figures": hazards.figures,
    "fault_matrix": hazards.fault_matrix,
    "near_alarms": near_alarms,
    "guide_questions": guide_questions,
    "guide_stop": guide_stop,
    "guide_areas": guide_areas,
    "guide_general": guide_general,
    "commands": commands,
    "command_pages": command_pages,
    "command_options": command_options,
    "exit_codes": exit_codes,
    "host_errors": host_errors,
    "device_errors": device_errors,
    "samples": samples,
    "device_methods": device_methods,
    "sections": sections,
    "selftests": selftests,
    "protocol": protocol,
    "protocol_limits": protocol_limits,
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
    wanted = {path: render(path.read_text(encoding="utf-8"), schema) for path in documents()}
    from hardware.params.generate import files

    wanted |= dict.fromkeys(PROGRAM_SCHEMAS, program_schema.text()) | files()
    wanted[ROOT / build.MIP_FILE] = build.mip_package()
    for path, new in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != new:
            stale.append(path.relative_to(ROOT).as_posix())
            if not check:
                path.write_text(new, encoding="utf-8")
    if stale:
        print(("stale, run docs/generate.py: " if check else "written: ") + ", ".join(stale))
    absent = hazards.missing(fault_names(schema))
    for text in absent:
        print(f"docs/safety_case.toml: {text}")
    return 1 if absent or (stale and check) else 0


if __name__ == "__main__":
    sys.exit(main())
