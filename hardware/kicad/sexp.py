"""S-expressions, the grammar of KiCad's files: read, build, write.

A list is a Python list whose first item is its name; quoted text is `Text`, everything else a plain str.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

_TOKEN = re.compile(r'\s*(?:(\()|(\))|"((?:[^"\\]|\\.)*)"|([^\s()"]+))')
_NAMESPACE = uuid.UUID(
    "6b6e6561-6400-5000-8000-000000000000"
)  # fixed, so that files come out the same each time


class Text(str):
    """Text that stands in quotes."""


def parse(source: str) -> list[Any]:
    """The one list that a file is. Raises ValueError where it is no S-expression."""
    stack: list[list[Any]] = [[]]
    at = 0
    source = source.rstrip()
    while at < len(source):
        token = _TOKEN.match(source, at)
        if not token:
            raise ValueError(f"no S-expression at offset {at}")
        at = token.end()
        if token[1]:
            stack.append([])
        elif token[2]:
            if len(stack) < 2:
                raise ValueError(f"a bracket too many at offset {at}")
            done = stack.pop()
            stack[-1].append(done)
        elif token[3] is not None:
            stack[-1].append(Text(re.sub(r"\\(.)", r"\1", token[3])))
        else:
            stack[-1].append(token[4])
    if len(stack) != 1 or len(stack[0]) != 1:
        raise ValueError("brackets do not match")
    return list(stack[0][0])


def number(value: float) -> str:
    """Millimetres or degrees with up to four decimals."""
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def dump(node: Any, depth: int = 0) -> str:
    """Text of a list: short ones on a line, others one item a line."""
    if isinstance(node, Text):
        return '"' + node.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(node, float):
        return number(node)
    if not isinstance(node, list):
        return str(node)
    flat = "(" + " ".join(dump(item) for item in node) + ")"
    if len(flat) + depth < 100 and "\n" not in flat:
        return flat
    lines = []
    head = []
    for item in node:
        if isinstance(item, list):
            lines.append("\t" * (depth + 1) + dump(item, depth + 1))
        elif lines:
            lines.append("\t" * (depth + 1) + dump(item))
        else:
            head.append(dump(item))
    return "(" + " ".join(head) + "\n" + "\n".join(lines) + "\n" + "\t" * depth + ")"


def children(node: list[Any], name: str) -> Iterator[list[Any]]:
    """The lists in `node` that are called `name`."""
    return (item for item in node if isinstance(item, list) and item and item[0] == name)


def child(node: list[Any], name: str) -> list[Any]:
    """The first list in `node` called `name`. Raises KeyError when there is none."""
    for item in children(node, name):
        return item
    raise KeyError(name)


def uid(*what: object) -> list[Any]:
    """A (uuid …) that depends on `what` alone."""
    return ["uuid", Text(uuid.uuid5(_NAMESPACE, "/".join(str(w) for w in what)))]
