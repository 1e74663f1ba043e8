"""MicroPython images: where they lie, and whether they are what they claim to be.

The images are not shipped: each user puts the official files into a cache folder. An emulator test that
ran on a damaged or foreign image would prove nothing, so every use compares size and SHA-256 with
`images.lock.json`, which also says how far each hash was confirmed.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from platformdirs import user_cache_path

LOCK_FILE = Path(__file__).resolve().parent.parent / "images.lock.json"
REFERENCE = "1.24.1"  # the MicroPython whose figures the project quotes


class ImageError(Exception):
    """An image cannot be used; the message says which file, why, and what to do."""


class ImageMissing(ImageError, FileNotFoundError):
    """The image is not in the cache; the message says which file to put where, and its address."""


class ImageMismatch(ImageError):
    """A file of that name is there, but its content is not that of the lock file."""


@dataclass(frozen=True)
class Image:
    """One row of the lock file.

    file: official file name; micropython: version, as "1.24.1"; size: bytes; sha256: lower-case hex;
    url: official address; checked: how the hash was confirmed.
    """

    file: str
    micropython: str
    size: int
    sha256: str
    url: str
    checked: str

    @property
    def version(self) -> tuple[int, ...]:
        """The MicroPython version as numbers, (1, 24, 1)."""
        return tuple(int(part) for part in self.micropython.split("."))


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
    """Path of the checked image of that MicroPython version.

    Raises ImageMissing when the cache lacks it, ImageMismatch when the file differs from the lock file,
    ImageError for a version the lock file does not know.
    """
    image = locked().get(micropython)
    if image is None:
        raise ImageError(f"no image of MicroPython {micropython} is known; known: {', '.join(locked())}")
    path = folder() / image.file
    if not path.is_file():
        raise ImageMissing(
            f"MicroPython image missing: download {image.url} and save it as {path} "
            f"(or set OPENKNEAD_UF2_DIR to the folder that holds {image.file})"
        )
    check(path, image)
    return path


def check(path: Path, image: Image) -> None:
    """Raise ImageMismatch unless the file's size and SHA-256 are those of `image`."""
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != image.sha256:
        raise ImageMismatch(
            f"{path}: this is not {image.file}: expected SHA-256 {image.sha256} ({image.size} bytes), "
            f"found {found} ({len(data)} bytes). Delete it and download {image.url} again."
        )
