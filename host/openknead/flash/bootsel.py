"""The drive as which a board shows up when it is plugged in with BOOTSEL held.

A file INFO_UF2.TXT tells which chip it is. Once the last block of a UF2 has been written the board restarts
and takes the drive away, often before the copy is said to be complete: the proof is that it comes back as
MicroPython, not that the copy went well.
"""

from __future__ import annotations

import os
import re
import string
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from openknead.errors import PortNotFound
from openknead.flash.errors import DriveError, WrongBoard

INFO = "INFO_UF2.TXT"
CHIPS = {"RPI-RP2": "RP2040", "RP2350": "RP2350"}  # by Board-ID
PART_BYTES = 65_536
POLL_S = 0.2
UNMOUNTED = Path("/dev/disk/by-label/RPI-RP2")

Progress = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True)
class Drive:
    """A board in BOOTSEL mode. chip: "RP2040", or another one that the firmware does not run on."""

    path: Path
    chip: str


def look(path: Path) -> Drive | None:
    """The drive at a folder, None when it is none."""
    try:
        found = re.search(r"^Board-ID:\s*(\S+)", (path / INFO).read_text("ascii", "replace"), re.MULTILINE)
    except OSError:
        return None
    return Drive(path, CHIPS.get(found[1], found[1])) if found else None


def drives() -> list[Drive]:
    """All that are mounted."""
    return [drive for path in dict.fromkeys(_mounted()) if (drive := look(path))]


def _mounted() -> Iterator[Path]:
    """Where drives may be mounted on this system."""
    if sys.platform == "win32":
        yield from (Path(f"{letter}:/") for letter in string.ascii_uppercase)
    elif sys.platform == "darwin":
        yield from Path("/Volumes").glob("*")
    else:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for mount in mounts:
            _, place, kind, *_rest = mount.split(" ")
            if kind in ("vfat", "msdos"):  # octal escapes stand for blanks and the like
                yield Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place))


def named(path: Path) -> Drive:
    """The drive at a folder that the user named. Raises DriveError, WrongBoard."""
    drive = look(path)
    if drive is None:
        raise DriveError(f"{path} is no drive of a board in BOOTSEL mode: it has no {INFO}")
    return suitable(drive)


def suitable(drive: Drive) -> Drive:
    """The same. Raises WrongBoard when the firmware does not run on that chip."""
    if drive.chip != "RP2040":
        raise WrongBoard(f"the board at {drive.path} has the chip {drive.chip}")
    return drive


def wait(path: Path | None, timeout_s: float) -> Drive:
    """The drive of a board that is just entering BOOTSEL mode: at `path`, or the only one there is.

    Raises DriveError.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = drives() if path is None else [drive for drive in (look(path),) if drive]
        if len(found) == 1:
            return suitable(found[0])
        if len(found) > 1:
            raise DriveError(f"{len(found)} boards are in BOOTSEL mode", remedy="leave one plugged in")
        time.sleep(POLL_S)
    hint = f"mount it: udisksctl mount -b {UNMOUNTED}" if UNMOUNTED.exists() else None
    raise DriveError(f"no BOOTSEL drive within {timeout_s:g} s", remedy=hint)


def write(drive: Drive, data: bytes, progress: Progress | None = None) -> None:
    """Copy an image to a drive. Raises DriveError when that fails and the drive is still there."""
    target = drive.path / "image.uf2"
    try:
        with open(target, "wb", buffering=0) as file:
            for place in range(0, len(data), PART_BYTES):
                file.write(data[place : place + PART_BYTES])
                os.fsync(file.fileno())
                if progress:
                    progress(min(place + PART_BYTES, len(data)), len(data))
    except OSError as problem:
        if look(drive.path) is not None:
            said = problem.strerror or problem
            raise DriveError(f"{drive.path} does not take the image: {said}") from problem


def wait_for_port(port: str | None, before: set[str], timeout_s: float) -> str:
    """The serial port as which the board comes back: `port`, or the one that was not there `before`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if port is None:
            new = picos() - before
            if len(new) == 1:
                return new.pop()
        elif "://" in port or os.name == "nt" or Path(port).exists():
            return port
        time.sleep(POLL_S)
    raise PortNotFound(
        f"the board did not come back as a serial port within {timeout_s:g} s",
        remedy="plug it in again and run the same command again",
    )


def picos() -> set[str]:
    """Serial ports of boards that run MicroPython."""
    from openknead.ports import candidates

    return {port.port for port in candidates() if port.kind == "usb"}
