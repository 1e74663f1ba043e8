"""The firmware on an emulated Pico: its files, as `knead flash` makes them, and what a bench has to know."""

import ast
from collections.abc import Mapping
from typing import Any

from openknead.flash.build import NATIVE_SINCE, Form, compile_mpy, firmware_files, firmware_folder

__all__ = (
    "SETTINGS_FILE",
    "Form",
    "compile_mpy",
    "firmware_files",
    "firmware_folder",
    "pin_map",
    "precompiled",
    "settings_record",
)

SETTINGS_FILE = "settings.a"  # the first of the two record files


def precompiled(micropython: str) -> Form:
    """The form that `knead flash` installs on a board with this version of MicroPython."""
    return "native" if tuple(map(int, micropython.split("."))) >= NATIVE_SINCE else "mpy"


def pin_map() -> dict[str, int]:
    """Signal name → GPIO number, read from the source of the firmware's `board.py` without running it."""
    tree = ast.parse((firmware_folder() / "massager" / "board.py").read_bytes())
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "PINS" for t in node.targets
        ):
            pins: dict[str, int] = ast.literal_eval(node.value)
            return pins
    raise ValueError("the firmware's board.py has no table PINS")


def settings_record(settings: Mapping[str, int | bool]) -> bytes:
    """Content of SETTINGS_FILE with these values, by the firmware's own store.

    Of its source everything but the imports of other firmware, which `build` does not use, is run.
    """
    path = firmware_folder() / "massager" / "store.py"
    tree = ast.parse(path.read_bytes(), path)
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("massager"))
    ]
    store: dict[str, Any] = {}
    exec(compile(tree, path, "exec"), store)
    record: bytes = store["build"](1, dict(settings))
    return record
