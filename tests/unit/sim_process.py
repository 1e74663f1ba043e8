"""A virtual board in a process of its own, and the port it announces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import serial
from openknead_sim.crc import framed, unframed

PATIENCE_S = 30.0
posix = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and signals")


class Process:
    """`python -m openknead_sim` with its announcement read."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "openknead_sim", "--json", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.announced: dict[str, Any] = json.loads(line)
        self.port: str = self.announced["port"]

    @property
    def run_file(self) -> Path:
        return Path(os.environ["OPENKNEAD_RUN_DIR"]) / "boards" / f"{self.process.pid}.json"

    def entry(self) -> dict[str, Any]:
        return dict(json.loads(self.run_file.read_text()))

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.communicate()


def call(port: serial.SerialBase, method: str, **params: Any) -> Any:
    """One request and its reply; other lines are skipped."""
    port.write(framed({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        line = port.readline()
        message = json.loads(unframed(line)) if line.startswith(b"{") else {}
        if message.get("id") == 1:
            return message.get("result", message.get("error"))
    pytest.fail(f"no reply to {method}")


def opened(port: str) -> Any:
    return serial.serial_for_url(port, 115200, timeout=PATIENCE_S)
