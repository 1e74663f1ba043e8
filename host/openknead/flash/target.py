"""Which board: the one named, else the only one there is; and what runs on it before and after."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from openknead import ports
from openknead.device import IDLE, Device, connect
from openknead.errors import (
    DeviceRestarted,
    DeviceTimeout,
    LinkLost,
    NotOpenKnead,
    PortAmbiguous,
    PortError,
    PortNotFound,
    ProtocolMismatch,
)
from openknead.flash import bootsel
from openknead.flash.bootsel import Drive
from openknead.flash.errors import MotorTurns, NotStarted
from openknead.flash.kept import Kept
from openknead.handshake import MAJOR

REST_S = 10.0  # the motor has come to rest
COAST_S = 3.0  # the same, of firmware that cannot be asked
TURNING_OPM = 30  # a tach sees no slower turning
POLL_S = 0.1


@dataclass(frozen=True)
class Target:
    """port: None for a board of which only the drive is there; drive: None unless it is in BOOTSEL mode."""

    port: str | None
    drive: Drive | None = None


def find(port: str | None, drive: Path | None) -> Target:
    """The board to flash. Nothing is opened or sent. Raises a PortError, or WrongBoard.

    drive: where its BOOTSEL drive is, or will be when MicroPython is replaced.
    """
    named = port or os.environ.get("OPENKNEAD_PORT")
    if drive and (bootsel.look(drive) or not named):
        return Target(named, bootsel.named(drive))
    drives = bootsel.drives()
    if named:
        if drives and "://" not in named and os.name != "nt" and not Path(named).exists():
            raise PortNotFound(
                f"there is no port {named}, but a board in BOOTSEL mode at {drives[0].path}",
                remedy=f"to flash that one: knead flash --drive {drives[0].path}",
            )
        return Target(named)
    running = ports.candidates()
    if len(running) + len(drives) > 1:
        places = [*(item.port for item in running), *(str(item.path) for item in drives)]
        raise PortAmbiguous(
            f"{len(places)} boards found: {', '.join(places)}",
            remedy="name one: --port PORT or --drive FOLDER",
            data={"ports": places},
        )
    if drives:
        return Target(None, bootsel.suitable(drives[0]))
    if not running:
        hint = f"; its drive is there, mount it: udisksctl mount -b {bootsel.UNMOUNTED}"
        raise PortNotFound(
            "no board found",
            remedy="plug a Pico in; one that shows up as nothing: hold BOOTSEL while plugging it in"
            + (hint if bootsel.UNMOUNTED.exists() else ""),
        )
    return Target(running[0].port)


def greet(port: str, timeout_s: float, settle_s: float) -> tuple[Device | None, bool]:
    """The OpenKnead that runs at a port, None when none does; and whether there runs what cannot be asked.

    settle_s: how long a port that cannot be opened is tried again. Raises a PortError, LinkLost, or
    ProtocolMismatch for firmware that is newer than this host.
    """
    deadline = time.monotonic() + settle_s
    while True:
        try:
            return connect(port, timeout=timeout_s, set_clock=False), False
        except NotOpenKnead:
            return None, False
        except DeviceTimeout:
            return None, True
        except ProtocolMismatch as mismatch:
            if int(str(mismatch.data["protocol"]).partition(".")[0]) > MAJOR:
                raise
            return None, True
        except PortError:
            if time.monotonic() > deadline:
                raise
        time.sleep(POLL_S)


def rest(device: Device) -> None:
    """End a session and wait until the motor stands still. Raises MotorTurns."""
    if device.status().state not in IDLE:
        device.stop()
    deadline = time.monotonic() + max(REST_S, 2 * device.timeout)
    seen = 0
    while seen < 2:
        now = device.status()
        still = now.state in IDLE and not now.duty and (now.rate_opm or 0) < TURNING_OPM
        seen = seen + 1 if still else 0
        if time.monotonic() > deadline and not still:
            raise MotorTurns(f"the motor still turns: {now.rate_opm} opm, duty {now.duty}, state {now.state}")
        time.sleep(POLL_S)


def told(device: Device) -> Kept:
    """The settings, as the device tells them, without any files."""
    hello = device.hello
    return Kept(
        board=hello.board,
        files={},
        values=device.get_all(),
        unsaved=tuple(device.unsaved()),
        firmware=hello.firmware,
        protocol=hello.protocol,
    )


def come_up(port: str, timeout_s: float, back_s: float, board: str, content: str) -> Device:
    """The firmware that was installed, once it answers. Raises NotStarted when another one, or none, does."""
    deadline = time.monotonic() + back_s
    while True:
        try:
            device = connect(port, timeout=max(deadline - time.monotonic(), timeout_s))
            device.timeout = timeout_s
            break
        except (PortError, LinkLost, DeviceTimeout, DeviceRestarted, NotOpenKnead) as problem:
            if time.monotonic() > deadline:
                raise NotStarted(f"the firmware does not answer: {problem.message}") from problem
        time.sleep(POLL_S)
    found = device.hello
    if (found.board, found.content) == (board, content):
        return device
    device.close()
    if found.board != board:
        raise NotStarted(f"another board ({found.board}) answers on {port} now, not {board}")
    raise NotStarted(f"the device finds its files to be {found.content}, not {content}")
