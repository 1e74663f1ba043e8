"""This computer as the checks see it; a test builds a broken one in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from openknead import ports

COMMAND_S = 5.0


@dataclass(frozen=True)
class UsbDevice:
    """A device on USB. place: the kernel's name for where it is plugged in, "1-2.3" = bus 1, port 2 and port
    3 of the hub in it, "" where the system does not tell; ttys: its serial ports, as paths.
    """

    vid: int
    pid: int
    product: str
    serial: str
    place: str
    ttys: tuple[str, ...]

    @property
    def ids(self) -> str:
        """The numbers as `lsusb` writes them."""
        return f"{self.vid:04x}:{self.pid:04x}"


@dataclass(frozen=True)
class Owner:
    """Whose a file is, and who may read and write it."""

    group: str
    mode: int


def _output(command: Sequence[str]) -> str | None:
    """What a command prints; None when it is not there or fails."""
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=COMMAND_S)
        return done.stdout if done.returncode == 0 else None
    return None


def _own_groups() -> frozenset[int]:
    return frozenset({os.getegid(), *os.getgroups()}) if hasattr(os, "getgroups") else frozenset()


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in some containers
        return str(os.getuid()) if hasattr(os, "getuid") else "?"


@dataclass(frozen=True)
class System:
    """root: where /dev, /etc, /proc and /sys are; groups: numbers of those that this process is in;
    may_open: whether it may open a path; holders: (pid, program) of who has a port open;
    output: what a command prints, None when it fails.
    """

    root: Path = Path("/")
    platform: str = sys.platform
    user: str = field(default_factory=_user)
    groups: frozenset[int] = field(default_factory=_own_groups)
    may_open: Callable[[str], bool] = lambda path: os.access(path, os.R_OK | os.W_OK)
    holders: Callable[[str], list[tuple[int, str]]] = ports.holders
    output: Callable[[Sequence[str]], str | None] = _output

    @property
    def linux(self) -> bool:
        return self.platform.startswith("linux")

    def path(self, path: str) -> Path:
        """An absolute path of this system."""
        return self.root / path.lstrip("/")

    @cached_property
    def usb(self) -> tuple[UsbDevice, ...]:
        """All devices on USB; elsewhere than on Linux those with a serial port."""
        return tuple(self._sysfs() if self.linux else _listed())

    def _sysfs(self) -> Iterator[UsbDevice]:
        for folder in sorted(self.path("/sys/bus/usb/devices").glob("*")):
            if ":" in folder.name:
                continue  # an interface
            try:
                vid, pid = (int(_line(folder / name), 16) for name in ("idVendor", "idProduct"))
            except ValueError:
                continue
            ttys = sorted(f"/dev/{tty.name}" for tty in folder.glob(f"{folder.name}:*/tty/*"))
            product, serial = (_line(folder / name) for name in ("product", "serial"))
            yield UsbDevice(vid, pid, product, serial, folder.name, tuple(ttys))

    def processes(self) -> set[str]:
        """Names of the programs that run."""
        return {_line(process) for process in self.path("/proc").glob("[0-9]*/comm")}

    def owner(self, path: str) -> Owner | None:
        """Group and mode of a file; None when it is not there."""
        try:
            stat = self.path(path).stat()
        except OSError:
            return None
        names = {gid: name for name, gid, _ in self._group_file()}
        return Owner(names.get(stat.st_gid, str(stat.st_gid)), stat.st_mode & 0o777)

    def membership(self, group: str) -> str:
        """ "in force", "after log-in" (the user is a member, this process is not yet) or "none"."""
        for name, gid, members in self._group_file():
            if name == group:
                if gid in self.groups:
                    return "in force"
                return "after log-in" if self.user in members else "none"
        return "none"

    def _group_file(self) -> Iterator[tuple[str, int, list[str]]]:
        try:
            lines = self.path("/etc/group").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for line in lines:
            fields = line.split(":")
            if len(fields) == 4 and fields[2].isdigit():
                yield fields[0], int(fields[2]), fields[3].split(",")

    def kernel_log(self) -> list[str] | None:
        """The kernel's messages, the newest last; None when this user may not read them."""
        for command in (("journalctl", "-k", "-q", "--no-pager", "-o", "cat", "--since=-15min"), ("dmesg",)):
            text = self.output(command)
            if text:
                return text.splitlines()
        return None

    def in_windows(self) -> bool:
        """Whether this is a Linux inside Windows, which has no USB until it is handed over."""
        return "microsoft" in _line(self.path("/proc/version")).lower()


def _line(path: Path) -> str:
    """The text of a small file, "" when there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _listed() -> Iterator[UsbDevice]:
    from serial.tools import list_ports

    for info in list_ports.comports():
        if info.vid is not None and info.pid is not None:
            name, serial = info.product or "", info.serial_number or ""
            yield UsbDevice(info.vid, info.pid, name, serial, info.location or "", (info.device,))
