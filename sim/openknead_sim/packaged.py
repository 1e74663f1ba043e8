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
