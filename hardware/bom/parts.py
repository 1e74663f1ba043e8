"""The parts list's data: `parts.toml`, read and checked, and the ratings that budgets need."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("parts.toml")
# Upper ends of the price classes, EUR for one.
CLASSES = (("A", 0.2), ("B", 1.0), ("C", 5.0), ("D", 20.0), ("E", float("inf")))


class PartsError(ValueError):
    """The parts list says something impossible; the message names the part and the remedy."""


@dataclass(frozen=True)
class Item:
    """One line: a manufacturer's part. extra: how many a build has beside the schematic."""

    mpn: str
    maker: str
    function: str
    limits: str
    price_eur: float
    alternatives: tuple[str, ...]
    safety: str = ""
    value: str = ""
    extra: Mapping[str, int] = field(default_factory=dict)
    ratings: Mapping[str, float] = field(default_factory=dict)

    @property
    def price_class(self) -> str:
        """A to E, by CLASSES."""
        return next(name for name, most in CLASSES if self.price_eur <= most)


def load(file: Path = FILE) -> dict[str, Item]:
    """Every part by its number. Raises PartsError."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as problem:
        raise PartsError(f"{file}: {problem}") from problem
    found: dict[str, Item] = {}
    for row in document.get("part", ()):
        mpn = str(row.get("mpn", "?"))
        for value in row.pop("values", [""]):
            item = _item({**row, "mpn": mpn.format(value)}, file)
            if item.mpn in found:
                raise PartsError(f"{file.name}: {item.mpn} stands there twice: remove one")
            found[item.mpn] = item
    return found


def _item(row: dict[str, Any], file: Path) -> Item:
    try:
        item = Item(**{**row, "alternatives": tuple(row.get("alternatives", ()))})
    except TypeError as problem:
        raise PartsError(f"{file.name}: {row['mpn']}: {problem}") from problem
    for name in ("maker", "function", "limits", "alternatives"):
        if not getattr(item, name):
            raise PartsError(f"{file.name}: {item.mpn}: {name} is empty: fill it in")
    if not item.price_eur > 0:
        raise PartsError(f"{file.name}: {item.mpn}: price_eur must be above 0")
    return item


def ratings(file: Path = FILE) -> dict[str, float]:
    """All ratings by name. Raises PartsError, also when two parts claim the same one."""
    found: dict[str, float] = {}
    for item in load(file).values():
        for name, value in item.ratings.items():
            if name in found:
                raise PartsError(f"{file.name}: {item.mpn}: {name} is another part's rating, too")
            found[name] = value
    return found
