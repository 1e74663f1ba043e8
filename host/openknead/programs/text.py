"""A program as the text of a file: for a file that is generated rather than written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable

from openknead.programs.model import Program


def dump(program: Program, about_stages: str = "") -> str:
    """The program as TOML; what `check` reads from it is equal to `program`. about_stages: a comment."""
    parts = [_pairs(_head(program))]
    for source, finding in program.evidence:
        parts.append("[[evidence]]\n" + _pairs((("source", source), ("finding", finding))))
    parts += [about_stages] if about_stages else []
    parts += ["[[stage]]\n" + _pairs(stage.table().items()) for stage in program.stages]
    return "\n".join(parts)


def _head(program: Program) -> Iterable[tuple[str, object]]:
    yield "name", program.name
    for key in ("title", "purpose"):
        if text := getattr(program, key):
            yield key, text
    if program.areas != tuple(dict.fromkeys(stage.area for stage in program.stages if stage.area)):
        yield "areas", program.areas
    if program.cautions:
        yield "cautions", program.cautions


def _pairs(pairs: Iterable[tuple[str, object]]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in pairs)


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)  # of what a program can hold, TOML writes all alike
