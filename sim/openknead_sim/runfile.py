"""The run file of a virtual board: how `knead list` and `knead sim press` find a board that is running."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from typing import Any

from openknead.rundir import boards, read_living, run_dir, write_private


class RunFile:
    """One board's run file in `<run dir>/boards/<pid>.json`. `token` opens its control channel."""

    def __init__(self, board: str, control: str) -> None:
        self.token = secrets.token_hex(16)
        self._path = run_dir() / "boards" / f"{os.getpid()}.json"
        self._content: dict[str, Any] = {
            "pid": os.getpid(),
            "port": None,
            "board": board,
            "control": control,
            "token": self.token,
            "started_unix_s": int(time.time()),
            "sim": "desktop",
        }

    def write(self, port: str | None) -> None:
        """Announce the board at `port`; None: it is unplugged, no host is to find it."""
        if port is None:
            self._content["unplugged"] = self._content["port"]
        self._content["port"] = port
        write_private(self._path, self._content)

    def remove(self) -> None:
        """Take the announcement back."""
        with suppress(FileNotFoundError):
            self._path.unlink()


def running(port: str | None = None) -> list[dict[str, Any]]:
    """Run files of the virtual boards that run now, all or the one at `port`."""
    return [board for board in boards() if port is None or board["port"] == port]


def unplugged(port: str | None = None) -> list[dict[str, Any]]:
    """Run files of those that run, but with their cable out: all, or the one that was at `port`."""
    found = [read_living(path) for path in (run_dir() / "boards").glob("*.json")]
    return [
        {**board, "port": board["unplugged"]}
        for board in found
        if board and board["port"] is None and port in (None, board["unplugged"])
    ]
