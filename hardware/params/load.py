"""Reads the parameter file: quantities with unit, tolerance and source; a second file may override some."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("massager.toml")
KINDS = ("data sheet", "design", "calculation", "assumption", "measured")
PLANT = ("motor", "load", "bridge", "supply", "heat")  # sections that are the simulator's plant


class ParamError(ValueError):
    """The parameter file says something impossible; the message names file, place and remedy."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, what it may be on another specimen (low…high), and where it comes from."""

    name: str  # section.key
    value: float
    unit: str
    low: float
    high: float
    source: str

    @property
    def kind(self) -> str:
        """The kind of its source, one of KINDS."""
        return self.source.partition(":")[0]


class Parameters(Mapping[str, float]):
    """All quantities: `p["motor.r_ohm"]` is the value, `p.quantity("motor.r_ohm")` all of it."""

    def __init__(self, quantities: Mapping[str, Quantity]) -> None:
        self._quantities = dict(quantities)

    def __getitem__(self, name: str) -> float:
        return self._quantities[name].value

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._quantities)

    def __len__(self) -> int:
        return len(self._quantities)

    def quantity(self, name: str) -> Quantity:
        """The whole row. KeyError for an unknown name."""
        return self._quantities[name]

    def plant(self) -> dict[str, float]:
        """Constants of the simulator's plant, by their names there."""
        return {name.partition(".")[2]: self[name] for name in self if name.partition(".")[0] in PLANT}

    def changed(self, changes: Mapping[str, float]) -> Parameters:
        """The same with other values. ParamError for an unknown name."""
        quantities = dict(self._quantities)
        for name, value in changes.items():
            if name not in quantities:
                raise ParamError(f"there is no parameter {name}")
            old = quantities[name]
            quantities[name] = Quantity(name, value, old.unit, old.low, old.high, old.source)
        return Parameters(quantities)


def load(override: Path | None = None, file: Path = FILE) -> Parameters:
    """The parameters, those of `override` in place of the reference's. Raises ParamError."""
    quantities = _read(file)
    if override:
        mine = _read(override)
        unknown = sorted(set(mine) - set(quantities))
        if unknown:
            raise ParamError(f"{override}: {', '.join(unknown)}: not in {file.name}, correct the name")
        for name, quantity in mine.items():
            if quantity.unit != quantities[name].unit:
                raise ParamError(f"{override}: {name}: unit must be {quantities[name].unit!r}")
        quantities |= mine
    return Parameters(quantities)


def _read(path: Path) -> dict[str, Quantity]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise ParamError(f"{path}: {problem}") from problem
    found = {}
    for section, rows in document.items():
        if not isinstance(rows, dict):
            raise ParamError(f"{path}: {section}: write it into a section")
        for key, row in rows.items():
            name = f"{section}.{key}"
            try:
                found[name] = _quantity(name, row)
            except (TypeError, KeyError, ValueError) as problem:
                raise ParamError(f"{path}: {name}: {problem}") from problem
    return found


def _quantity(name: str, row: object) -> Quantity:
    if not isinstance(row, dict):
        raise TypeError("write { value = …, unit = …, source = … }")
    odd = set(row) - {"value", "unit", "tol_pct", "min", "max", "source"}
    lacking = {"value", "unit", "source"} - set(row)
    if odd or lacking:
        raise KeyError(
            " ".join([f"unknown {key}" for key in sorted(odd)] + [f"lacks {key}" for key in sorted(lacking)])
        )
    value = row["value"]
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"value must be a number, 0 or more, not {value!r}")
    part = row.get("tol_pct", 0) / 100
    low, high = row.get("min", value * (1 - part)), row.get("max", value * (1 + part))
    if not low <= value <= high:
        raise ValueError(f"value {value:g} is not within {low:g}…{high:g}")
    source = str(row["source"])
    if source.partition(":")[0] not in KINDS:
        raise ValueError(f"source must begin with one of: {', '.join(KINDS)}, then a colon")
    return Quantity(name, value, str(row["unit"]), low, high, source)
