"""The firmware that travels with the simulator: its files, and a flash image that holds them."""

from __future__ import annotations

import functools
from pathlib import Path

from .flash import Flash


def firmware_folder() -> Path:
    """Where the firmware's sources are: beside the installed package, or in the repository.

    Raises FileNotFoundError when neither is there.
    """
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "openknead_firmware", package.parents[1] / "firmware"):
        if (folder / "main.py").is_file():
            return folder
    raise FileNotFoundError(
        "the firmware's sources are neither beside the package nor in a repository around it"
    )


def firmware_files() -> dict[str, bytes]:
    """Path on the board → content: boot.py, main.py, massager/."""
    folder = firmware_folder()
    paths = [folder / "boot.py", folder / "main.py"]
    for pattern in ("*.py", "programs/*.json"):
        paths += sorted((folder / "massager").glob(pattern))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.is_file()}


def installed_files(flash: Flash) -> dict[str, bytes]:
    """Those on a board's flash, in the same form: with files that no longer belong to the firmware."""
    found = {}
    for folder in ("", "massager/", "massager/programs/"):
        try:
            names = [name for name, kind, *_ in flash.ilistdir("/" + folder) if kind == 0x8000]
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
