"""MicroPython images: which there are, where they lie, and whether they are what they claim to be.

The images are not shipped: they are loaded from micropython.org into a cache folder when one is needed, or
put there by hand. A damaged or foreign image could keep a board from starting, and an emulator test with one
would prove nothing: every use compares size and SHA-256 with `images.lock.json`, which also says how far each
hash was confirmed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

from openknead.flash.disk import write_whole
from openknead.flash.errors import HostStorage, ImageError, ImageMismatch, ImageMissing

LOCK_FILE = Path(__file__).resolve().parent / "images.lock.json"
REFERENCE = "1.28.0"  # the MicroPython whose figures the project quotes, and that `knead flash` installs
OLDEST = (1, 20)  # that the firmware is tested on
NOT_RUN = "not run by us"
PART_BYTES = 65_536
SILENCE_S = 30.0  # of the server

Progress = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class Image:
    """One row of the lock file.

    file: official file name; micropython: version, as "1.24.1"; size: bytes; sha256: lower-case hex;
    url: official address; checked: how the hash was confirmed; run: where the project's tests have run on it,
    or NOT_RUN.
    """

    file: str
    micropython: str
    size: int
    sha256: str
    url: str
    checked: str
    run: str = "emulated"

    @property
    def version(self) -> tuple[int, ...]:
        """The MicroPython version as numbers, (1, 24, 1)."""
        return tuple(int(part) for part in self.micropython.split("."))

    @property
    def warning(self) -> str:
        """Why to think twice before installing it; empty for one that the project's tests have run on."""
        return f"hash known, {NOT_RUN}" if self.run == NOT_RUN else ""


@cache
def locked() -> dict[str, Image]:
    """All known images by MicroPython version."""
    rows = json.loads(LOCK_FILE.read_text(encoding="utf-8"))["images"]
    return {row["micropython"]: Image(**row) for row in rows}


def folder() -> Path:
    """The cache folder: `OPENKNEAD_UF2_DIR` if set, else `openknead/uf2` in the user's cache folder."""
    override = os.environ.get("OPENKNEAD_UF2_DIR")
    return Path(override) if override else user_cache_path("openknead") / "uf2"


def find(micropython: str = REFERENCE) -> Path:
    """Path of the checked image of that MicroPython version, which has to be in the cache.

    Raises ImageMissing when the cache lacks it, ImageMismatch when the file differs from the lock file,
    ImageError for a version the lock file does not know.
    """
    image = known(micropython)
    path = folder() / image.file
    if not path.is_file():
        raise ImageMissing(f"MicroPython image missing: {_by_hand(image, path)}")
    check(path, image)
    return path


def get(micropython: str = REFERENCE, progress: Progress | None = None) -> Path:
    """As `find`, but what the cache lacks is loaded from micropython.org.

    progress: called with bytes done and bytes in all. Raises HostStorage when the cache takes no file.
    """
    image = known(micropython)
    path = folder() / image.file
    if not path.is_file():
        data = _load(image, path, progress)
        _compare(data, image, image.url, "Try again; if it lasts, take no image from there.")
        try:
            write_whole(path, data)
        except OSError as problem:
            raise HostStorage(f"{path} cannot be written: {problem.strerror or problem}") from problem
    return find(micropython)


def known(micropython: str) -> Image:
    """The row of a version. Raises ImageError."""
    image = locked().get(micropython)
    if image is None:
        raise ImageError(f"no image of MicroPython {micropython} is known; known: {described()}")
    return image


def described() -> str:
    """All known versions, with a mark at the reference and at those that have not been run."""
    marks = {version: image.warning for version, image in locked().items()}
    marks[REFERENCE] = "default"
    return ", ".join(f"{version} ({mark})" if mark else version for version, mark in marks.items())


def check(path: Path, image: Image) -> None:
    """Raise ImageMismatch unless the file's size and SHA-256 are those of `image`."""
    _compare(path.read_bytes(), image, str(path), f"Delete it and download {image.url} again.")


def _by_hand(image: Image, path: Path) -> str:
    return (
        f"Download {image.url} and save it as {path} "
        f"(or set OPENKNEAD_UF2_DIR to the folder that holds {image.file})"
    )


def _load(image: Image, path: Path, progress: Progress | None) -> bytes:
    """What the address hands out, up to one byte more than there should be."""
    import urllib.request  # takes longer to import than all the rest, and is rarely needed
    from http.client import HTTPException

    data = bytearray()
    try:
        with urllib.request.urlopen(image.url, timeout=SILENCE_S) as source:
            while part := source.read(min(PART_BYTES, image.size + 1 - len(data))):
                data += part
                if progress:
                    progress(len(data), image.size)
    except (OSError, HTTPException) as problem:  # URLError is an OSError
        why = getattr(problem, "reason", None) or problem
        raise ImageMissing(f"{image.url} cannot be loaded ({why}). {_by_hand(image, path)}") from problem
    return bytes(data)


def _compare(data: bytes, image: Image, place: str, remedy: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if found != image.sha256:
        raise ImageMismatch(
            f"{place}: this is not {image.file}: expected SHA-256 {image.sha256} ({image.size} bytes), "
            f"found {found} ({len(data)} bytes). {remedy}"
        )
