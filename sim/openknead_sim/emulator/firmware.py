"""The firmware on an emulated Pico: its files, as `knead flash` makes them, and what a bench has to know."""

import ast
import importlib.util
from collections.abc import Mapping

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
    """Content of SETTINGS_FILE with these values, by the firmware's own store (which is plain Python)."""
    path = firmware_folder() / "massager" / "store.py"
    spec = importlib.util.spec_from_file_location("_firmware_store", path)
    assert spec is not None
    assert spec.loader is not None
    store = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(store)
    record: bytes = store.build(1, dict(settings))
    return record
