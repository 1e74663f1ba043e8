"""Markdown that generate.py and its modules write."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, one line a row."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_cell(cell) for cell in line) + " |\n" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def code(value: object) -> str:
    """As code."""
    return f"`{value}`"


def anchor(title: str) -> str:
    """What a link to a heading names."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
