"""What `knead flash` installs, for checks to compare with: this package's firmware, MicroPython's images."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

_PROTOCOL = re.compile(r'^PROTOCOL = "([\d.]+)"', re.MULTILINE)


def flash(name: str) -> Any:
    """A module of openknead.flash; None in a package without it."""
    try:
        return import_module(f"openknead.flash.{name}")
    except ModuleNotFoundError:
        return None


def contents() -> set[str]:
    """The hashes by which a board knows this package's firmware, as sources and precompiled."""
    build = flash("build")
    if build is None:
        return set()
    try:
        return {build.content_hash(build.firmware_files(form)) for form in ("source", "mpy")}
    except (FileNotFoundError, ValueError, ImportError):
        return set()


def protocol() -> str | None:
    """The protocol version of this package's firmware."""
    build = flash("build")
    try:
        text = (
            (build.firmware_folder() / "massager" / "methods.py").read_text(encoding="utf-8") if build else ""
        )
    except OSError:
        return None
    found = _PROTOCOL.search(text)
    return found[1] if found else None
