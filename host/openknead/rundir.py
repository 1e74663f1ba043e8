"""The run folder: who is there on this machine, told by small files.

`boards/<pid>.json` is written by each running virtual board, `shares/<hash>.json` by each `knead` that
holds a port and shares it. Files of processes that are gone are deleted when met.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


def run_dir() -> Path:
    """OPENKNEAD_RUN_DIR, or the user's runtime folder of the platform."""
    given = os.environ.get("OPENKNEAD_RUN_DIR")
    if given:
        return Path(given)
    from platformdirs import user_runtime_path

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without XDG_RUNTIME_DIR it falls back to a folder, and says so
        return user_runtime_path("openknead")


def share_file(port: str) -> Path:
    """Where a process that holds `port` announces that it shares it."""
    name = port if "://" in port else os.path.realpath(port)
    return run_dir() / "shares" / (hashlib.sha256(name.encode()).hexdigest()[:16] + ".json")


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON whole or not at all, readable by this user only (it holds a token)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(temporary, path)


def read_living(path: Path) -> dict[str, Any] | None:
    """The content of a run file, None when it is unreadable, another user's or its process is gone."""
    try:
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("pid"), int):
        return None
    if not alive(content["pid"]):
        with suppress(OSError):
            path.unlink()
        return None
    return content


def boards() -> Iterator[dict[str, Any]]:
    """The run files of the virtual boards that are running, oldest first."""
    found = [read_living(path) for path in (run_dir() / "boards").glob("*.json")]
    living = [board for board in found if board and isinstance(board.get("port"), str)]
    yield from sorted(living, key=lambda board: (board.get("started_unix_s", 0), board["pid"]))


def alive(pid: int) -> bool:
    """Whether a process of this number exists (it may be another user's)."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        import ctypes

        kernel = ctypes.windll.kernel32
        handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
        if not handle:
            return False
        status = ctypes.c_ulong()
        known = kernel.GetExitCodeProcess(handle, ctypes.byref(status))
        kernel.CloseHandle(handle)
        return bool(known) and status.value == 259  # STILL_ACTIVE
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
