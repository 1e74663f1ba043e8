"""A flash image that holds the firmware which travels with the simulator, as sources."""

from __future__ import annotations

import functools
from itertools import islice
from pathlib import Path

from openknead.flash import build
from openknead.flash.build import firmware_folder

from .flash import Flash

__all__ = ("firmware_files", "firmware_folder", "new_flash")

ENTRIES_MAX = 1_000  # of a folder that are looked at: a damaged one may have no end


def firmware_files() -> dict[str, bytes]:
    """Path on the board → content: boot.py, main.py, massager/."""
    return build.firmware_files("source")


def installed_files(flash: Flash) -> dict[str, bytes]:
    """Those on a board's flash, in the same form: with files that no longer belong to the firmware."""
    found = {}
    for folder in ("", "massager/", "massager/programs/"):
        try:
            entries = islice(flash.ilistdir("/" + folder), ENTRIES_MAX)
            names = [name for name, kind, *_ in entries if kind == 0x8000]
        except OSError:  # no such folder
            continue
        for name in names if folder else {"boot.py", "main.py"}.intersection(names):
            found[folder + name] = flash.read_file(f"/{folder}{name}") or b""
    return found


def new_flash(files: dict[str, bytes] | None = None, path: Path | None = None) -> Flash:
    """A freshly formatted flash with `files` (default: the packaged firmware) installed."""
    if files is None:
        files = firmware_files()
    return Flash(_image(tuple(files.items())), path)


@functools.lru_cache(maxsize=4)
def _image(files: tuple[tuple[str, bytes], ...]) -> bytes:
    flash = Flash()
    for name, content in files:
        flash.write_file("/" + name, content)
    return flash.image
