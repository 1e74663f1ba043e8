"""Writes what is generated from the parameter file: the plant's constants, and the table for people.

MicroPython has no TOML, so the simulator's plant gets them as a module. `docs/generate.py` writes and checks
these files along with the documents.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from hardware.params.load import FILE, PLANT, Parameters, Quantity, load

ROOT = Path(__file__).resolve().parents[2]
CONSTANTS = ROOT / "sim" / "openknead_sim" / "plant" / "constants.py"
README = FILE.with_name("README.md")

HEAD = '''"""The plant's constants. Written by docs/generate.py from hardware/params/massager.toml."""

# name, value, unit, source
# fmt: off
PARAMS = (
'''
INTRO = """# Parameters

Written by `docs/generate.py` from [massager.toml](massager.toml), the one place of these numbers. Low and
high are what another specimen may have. Nothing here was measured by us unless its source says so.

"""


def files() -> dict[Path, str]:
    """Every generated file and its text."""
    parameters = load()
    return {CONSTANTS: constants(parameters), README: INTRO + table(parameters)}


def constants(parameters: Parameters) -> str:
    """The module of the plant's constants."""
    rows = []
    for quantity in _rows(parameters):
        section, _, key = quantity.name.partition(".")
        if section in PLANT:
            parts = [f'"{part}"' for part in textwrap.wrap(quantity.source, 95, drop_whitespace=False)]
            source = "\n     ".join(parts)
            rows.append(f'    ("{key}", {quantity.value!r}, "{quantity.unit}",\n     {source}),\n')
    return HEAD + "".join(rows) + ")\n"


def table(parameters: Parameters) -> str:
    """All quantities as a Markdown table."""
    lines = ["| parameter | value | low | high | unit | source |", "|---|---|---|---|---|---|"]
    for q in _rows(parameters):
        span = ("", "") if q.low == q.high else (f"{q.low:.4g}", f"{q.high:.4g}")
        lines.append(f"| `{q.name}` | {q.value:.6g} | {span[0]} | {span[1]} | {q.unit} | {q.source} |")
    return "\n".join(lines) + "\n"


def _rows(parameters: Parameters) -> list[Quantity]:
    return [parameters.quantity(name) for name in parameters]
