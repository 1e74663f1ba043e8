"""The udev rule that comes with the package: who may use a Pico's port, and that ModemManager may not.

Linux only. `root` in place of / is for packagers and tests: it writes there and does not tell the system.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

from openknead.errors import OpenKneadError

FILE = "70-openknead.rules"
FOLDER = "etc/udev/rules.d"
ELSEWHERE = ("run/udev/rules.d", "usr/local/lib/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
ROOT = Path("/")
RELOAD_S = 10.0
# Ports that are plugged in already get the rule, too.
RELOAD = (
    ("udevadm", "control", "--reload"),
    (
        "udevadm",
        "trigger",
        "--subsystem-match=usb",
        "--subsystem-match=tty",
        "--property-match=ID_VENDOR_ID=2e8a",
    ),
)


class NeedsRoot(OpenKneadError):
    """The folder of the system's rules belongs to root; `data["command"]` does it as root."""

    code, name = -33070, "needs_root"


class NoUdev(OpenKneadError):
    """This system has no udev."""

    code, name = -33071, "no_udev"
    remedy = "nothing is to be installed here: other systems let a user open the port"


def rule() -> str:
    """The rule file of this version of the package."""
    return (files("openknead") / "data" / FILE).read_text(encoding="utf-8")


def installed(root: Path = ROOT) -> Path | None:
    """The rule file in force, of whatever version; None when there is none."""
    for folder in (FOLDER, *ELSEWHERE):
        path = root / folder / FILE
        if path.is_file():
            return path
    return None


def is_current(path: Path) -> bool:
    """Whether an installed rule is that of this version of the package."""
    try:
        return path.read_text(encoding="utf-8", errors="replace") == rule()
    except OSError:
        return False


def install(root: Path = ROOT) -> tuple[Path, bool]:
    """Put the rule into place: where it is, and whether that changed anything. Raises NeedsRoot, NoUdev."""
    path = _place(root)
    if path.is_file() and is_current(path):
        return path, False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".new")  # udev reads *.rules only
        temporary.write_text(rule(), encoding="utf-8")
        temporary.chmod(0o644)
        os.replace(temporary, path)
    except PermissionError as problem:
        raise _needs_root(path, "--install") from problem
    return path, True


def remove(root: Path = ROOT) -> tuple[Path, bool]:
    """Take the rule away: where it was, and whether there was one. Raises NeedsRoot, NoUdev."""
    path = _place(root)
    try:
        path.unlink()
    except FileNotFoundError:
        return path, False
    except PermissionError as problem:
        raise _needs_root(path, "--remove") from problem
    return path, True


def reload() -> str:
    """Make udev read its rules again; "" when it did, else why not."""
    for command in RELOAD:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=RELOAD_S)
        except (OSError, subprocess.TimeoutExpired) as problem:
            return f"{command[0]}: {problem}"
        if done.returncode:
            return f"{' '.join(command[:2])}: {done.stderr.strip() or f'ended with {done.returncode}'}"
    return ""


def command(option: str) -> str:
    """The command line that does `option` as root; it names this very `knead`, which sudo would miss."""
    script = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "knead" else None
    words = [os.path.abspath(script)] if script else [sys.executable, "-m", "openknead"]
    return shlex.join(["sudo", *words, "udev", option])


def _place(root: Path) -> Path:
    if root == ROOT and not sys.platform.startswith("linux"):
        raise NoUdev("udev is Linux's, and this is none")
    return root / FOLDER / FILE


def _needs_root(path: Path, option: str) -> NeedsRoot:
    line = command(option)
    return NeedsRoot(f"only root may change {path}", remedy=f"run: {line}", data={"command": line})
