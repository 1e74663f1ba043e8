"""Names for devices: `devices.toml` says which board, or which address, a name stands for.

A board is found wherever it is plugged in: by its USB serial number, which is its id, and where that cannot
be seen by asking `hello`. Nothing else is ever sent to a port while looking.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openknead.errors import DeviceNameError, OpenKneadError, PortAmbiguous, PortNotFound

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEYS = {"board", "port"}


@dataclass(frozen=True, slots=True)
class Known:
    """A named device. board: its id; port: where it always is, for what cannot be found by its board."""

    name: str
    board: str | None = None
    port: str | None = None


def file() -> Path:
    """Where the names are kept: in OPENKNEAD_CONFIG_DIR, or the user's configuration folder."""
    given = os.environ.get("OPENKNEAD_CONFIG_DIR")
    if given:
        return Path(given) / "devices.toml"
    from platformdirs import user_config_path

    return user_config_path("openknead") / "devices.toml"


def load() -> dict[str, Known]:
    """All names; none when there is no file. Raises DeviceNameError for a file that cannot be read."""
    try:
        content = tomllib.loads(file().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise DeviceNameError(f"cannot read {file()}: {problem.strerror}", remedy="") from problem
    except ValueError as problem:
        raise DeviceNameError(f"{file()} is no TOML: {problem}", remedy="mend it, or remove it") from problem
    return {name: _known(name, entry) for name, entry in content.items()}


def find(name: str) -> Known:
    """The device of this name. Raises DeviceNameError."""
    known = load()
    if name not in known:
        there = f"; there are {', '.join(known)}" if known else "; there are none yet"
        raise DeviceNameError(
            f"no device is called {name}{there}", remedy="name the connected one: knead device add NAME"
        )
    return known[name]


def locate(known: Known, timeout: float) -> str:
    """The port at which the device is now. Raises PortNotFound, PortAmbiguous."""
    from openknead import ports

    if known.port:
        return known.port
    candidates = ports.candidates()
    board = str(known.board).lower()
    found = [port.port for port in candidates if (port.serial or "").lower() == board]
    if not found:
        found = [
            port.port for port in candidates if not port.serial and _board_at(port.port, timeout) == board
        ]
    if not found:
        raise PortNotFound(f"{known.name} (board {board}) is at none of the {len(candidates)} ports")
    if len(found) > 1:
        raise PortAmbiguous(f"{known.name} (board {board}) is at {', '.join(found)}", data={"ports": found})
    return found[0]


def add(known: Known, *, replace: bool = False) -> None:
    """Keep a name; what else is in the file, comments too, stays. Raises DeviceNameError."""
    import tomlkit

    if not _NAME.fullmatch(known.name):
        raise DeviceNameError(
            f"{known.name!r} is no name for a device",
            remedy="use up to 64 letters, digits, dots, hyphens and underscores, a letter or digit first",
        )
    if known.name in load() and not replace:
        raise DeviceNameError(f"{known.name} is a device already", remedy="choose another, or --replace it")
    entry = tomlkit.table()
    for key in sorted(_KEYS):
        if value := getattr(known, key):
            entry[key] = value
    document = _document()
    document[known.name] = entry
    _write(tomlkit.dumps(document))


def remove(name: str) -> None:
    """Forget a name. Raises DeviceNameError when there is none."""
    import tomlkit

    find(name)
    document = _document()
    del document[name]
    _write(tomlkit.dumps(document))


def _known(name: str, entry: Any) -> Known:
    fits = isinstance(entry, Mapping) and entry and set(entry) <= _KEYS
    if not fits or not all(isinstance(value, str) and value for value in entry.values()):
        raise DeviceNameError(
            f"{file()}: [{name}] has to have `board` or `port`, both texts, and nothing else",
            remedy="mend it",
        )
    return Known(name, entry.get("board"), entry.get("port"))


def _board_at(port: str, timeout: float) -> str | None:
    from openknead.device import connect

    try:
        with connect(port, timeout=min(timeout, 1.0), set_clock=False) as device:
            return device.hello.board.lower()
    except OpenKneadError:
        return None


def _document() -> Any:
    import tomlkit

    path = file()
    return tomlkit.parse(path.read_text(encoding="utf-8")) if path.exists() else tomlkit.document()


def _write(text: str) -> None:
    path = file()
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as problem:
        raise DeviceNameError(f"cannot write {path}: {problem.strerror}", remedy="") from problem
