"""Another massager for the simulator: a file of constants, such as `knead calibrate --write` makes.

The sections are those of hardware/params/massager.toml; what in them is none of the plant's is left alone.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from .plant import PARAMS, Params

SECTIONS = ("motor", "load", "bridge", "supply", "heat")


class ParamFileError(ValueError):
    """The file cannot be used; the message names it and what is wrong."""


def read(path: Path) -> Params:
    """The plant's constants, those of the file in place of the reference's. Raises ParamFileError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        rows = {name: row for section in SECTIONS for name, row in document.get(section, {}).items()}
        changes = {}
        units = {name: unit for name, _value, unit, _source in PARAMS}
        for name, row in rows.items():
            if not isinstance(row, dict) or not isinstance(row.get("value"), int | float):
                raise ValueError(f"{name}: write {{ value = NUMBER, unit = …, source = … }}")
            changes[name] = row["value"]
            if name in units and row.get("unit") != units[name]:
                raise ValueError(f"{name}: unit must be {units[name]!r}")
        return Params(**changes)
    except (OSError, ValueError, AttributeError) as problem:
        raise ParamFileError(f"{path}: {problem}") from problem
