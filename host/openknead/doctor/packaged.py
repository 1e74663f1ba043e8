"""The firmware of this package, for checks to compare with: its hashes, its protocol."""

from __future__ import annotations

import re

from openknead.flash import build

_PROTOCOL = re.compile(r'^PROTOCOL = "([\d.]+)"', re.MULTILINE)
FORMS: tuple[build.Form, ...] = ("source", "mpy", "native")


def contents() -> set[str]:
    """Its hashes, in each form; empty when it is not there."""
    try:
        return {build.content_hash(build.firmware_files(form)) for form in FORMS}
    except (OSError, ValueError, ImportError):
        return set()


def protocol() -> str | None:
    """The version that this package's firmware speaks."""
    try:
        text = (build.firmware_folder() / "massager" / "methods.py").read_text(encoding="utf-8")
    except OSError:
        return None
    found = _PROTOCOL.search(text)
    return found[1] if found else None
