"""The JSON Schema of program files, for editors, made from the table that `check` uses.

What it cannot say, `check` does: low ≤ high, the length of all stages together, the size on the device.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from openknead.programs import STEADY, table
from openknead.programs.table import Key, Pattern

Schema = dict[str, Any]
FILE = "program.schema.json"


def text() -> str:
    """The schema as the text of a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Schema:
    """The schema, draft 2020-12."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "OpenKnead massage program",
        "description": f"Stages that a massager plays; all together last {table.TOTAL_MAX_S} s at most.",
    }
    return head | _table(table.FILE)


def _table(keys: Sequence[Key]) -> Schema:
    return {
        "type": "object",
        "properties": {key.name: {"description": key.doc, **_KINDS[key.kind](key)} for key in keys},
        "required": [key.name for key in keys if key.required],
        "additionalProperties": False,
    }


def _stage(pattern: Pattern) -> Schema:
    """A stage of one pattern, which tells the keys that it takes."""
    stage = _table((*table.STAGE, *pattern.keys))
    stage["properties"]["pattern"] = {"const": pattern.name, "description": pattern.doc}
    return {"title": pattern.name, **stage}


def _name(key: Key) -> Schema:
    return {"type": "string", "pattern": f"^{table.NAME}$", "not": {"const": STEADY}}


def _line(key: Key) -> Schema:
    return {"type": "string", "minLength": key.low, "maxLength": key.high, "pattern": f"^{table.LINE}$"}


def _text(key: Key) -> Schema:
    return {"type": "string", "minLength": key.low, "pattern": f"^{table.TEXT}$"}


def _whole(key: Key) -> Schema:
    return {"type": "integer", "minimum": key.low, "maximum": key.high}


def _choice(key: Key) -> Schema:
    return {"enum": list(key.choices)} | ({} if key.default is None else {"default": key.default})


def _tables(key: Key) -> Schema:
    stages = [_stage(pattern) for pattern in table.PATTERNS]
    items = {"oneOf": stages} if key.keys is table.STAGE else _table(key.keys)
    size = {"minItems": 1} if key.required else {}
    return {"type": "array", "items": items, **size} | ({"maxItems": key.high} if key.high else {})


def _list(of: Any) -> Any:
    return lambda key: {"type": "array", "items": of(key)}


_KINDS = {
    "name": _name,
    "line": _line,
    "text": _text,
    "texts": _list(_text),
    "choice": _choice,
    "choices": _list(_choice),
    "whole": _whole,
    "tables": _tables,
}
