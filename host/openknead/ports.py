"""Which port: the one named, else the only one there is; never a guess between two."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from openknead import rundir
from openknead.errors import PortAmbiguous, PortNotFound

PICO = (0x2E8A, 0x0005)  # USB vendor and product of MicroPython on a Pico


@dataclass(frozen=True)
class Port:
    """A port on which a device may be. kind: "virtual" or "usb"; detail: a word about it for people.

    serial: the USB serial number, which is the board's id; None where there is none to see.
    """

    port: str
    kind: str
    detail: str
    serial: str | None = None


def candidates() -> list[Port]:
    """Running virtual boards, then USB serial ports of Picos. Nothing is opened or sent."""
    found = [
        Port(board["port"], "virtual", f"virtual board, process {board['pid']}") for board in rundir.boards()
    ]
    from serial.tools import list_ports

    for info in list_ports.comports():
        if (info.vid, info.pid) == PICO:
            serial = info.serial_number or None
            found.append(Port(info.device, "usb", f"USB serial number {serial or 'unknown'}", serial))
    return found


def choose(port: str | None = None) -> str:
    """The port to use: `port`, else OPENKNEAD_PORT, else the only candidate.

    Raises PortNotFound when there is none and PortAmbiguous when there are several.
    """
    named = port or os.environ.get("OPENKNEAD_PORT")
    if named:
        return named
    found = candidates()
    if not found:
        raise PortNotFound("no device found")
    if len(found) > 1:
        listing = ", ".join(f"{item.port} ({item.detail})" for item in found)
        raise PortAmbiguous(
            f"{len(found)} devices found: {listing}", data={"ports": [item.port for item in found]}
        )
    return found[0].port


def holders(port: str) -> list[tuple[int, str]]:
    """(pid, program) of the other processes that have `port` open; known on Linux only.

    Processes of other users are seen by root only; the board behind a pseudo-terminal is left out.
    """
    if not sys.platform.startswith("linux") or "://" in port:
        return []
    target = os.path.realpath(port)
    own = {os.getpid(), *(board["pid"] for board in rundir.boards() if board["port"] == port)}
    return [(pid, _program(pid)) for pid in _opened_by(target) if pid not in own]


def _opened_by(target: str) -> Iterator[int]:
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            handles = [(handle.name, os.readlink(handle)) for handle in os.scandir(process / "fd")]
            if any(file == target for _, file in handles) and not any(
                _is_other_end(process, handle, target) for handle, file in handles if file.endswith("/ptmx")
            ):
                yield int(process.name)
        except OSError:
            continue  # gone meanwhile, or not ours to see


def _is_other_end(process: Path, handle: str, target: str) -> bool:
    """Whether this handle on /dev/ptmx is the other end of the pseudo-terminal `target`."""
    told = (process / "fdinfo" / handle).read_text(encoding="ascii", errors="replace")
    return any(line.split() == ["tty-index:", Path(target).name] for line in told.splitlines())


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "unknown"
