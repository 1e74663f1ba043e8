"""A transcript of the conversation with a device: through a shared port too, and by pyserial's own spy."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import pytest
from openknead import connect
from openknead.cli.root import run


@pytest.fixture(autouse=True)
def _no_trace_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENKNEAD_TRACE", "")


def spoken(path: Path) -> list[tuple[str, str]]:
    """Direction and method of what was traced; "" for a reply."""
    found = []
    for line in path.read_text(encoding="ascii").splitlines():
        _, direction, text = line.split(" ", 2)
        if direction != "#":
            found.append((direction, json.loads(text.rpartition("*")[0]).get("method", "")))
    return found


def test_a_command_leaves_a_transcript(port: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trace.txt"
    assert run(["--port", port, "--timeout", "10", "status", "--trace", str(path)]) == 0
    assert ">" in path.read_text(encoding="ascii")
    assert (">", "hello") in spoken(path) and (">", "status") in spoken(path) and ("<", "") in spoken(path)


def test_one_that_joins_traces_its_own_lines(port: str, tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    with connect(port, timeout=10) as holder:
        holder.share()
        os.environ["OPENKNEAD_TRACE"] = str(path)
        with connect(port, timeout=10) as joined:
            assert joined.shared
            joined.status()
    assert "shared by another process" in path.read_text(encoding="ascii")
    assert spoken(path).count((">", "status")) == 1
    assert "token" not in path.read_text(encoding="ascii")


def test_a_port_of_pyserials_spy_is_a_port(port: str, tmp_path: Path) -> None:
    if port.startswith("socket://"):
        pytest.skip("the spy of pyserial watches serial ports")
    path = tmp_path / "spy.txt"
    with connect(f"spy://{port}?file={path}", timeout=10) as device:
        assert device.status().state
    assert "TX" in path.read_text(encoding="utf-8") and "RX" in path.read_text(encoding="utf-8")


def test_verbose_logs_the_connection(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    root, package = logging.getLogger(), logging.getLogger("openknead")
    handlers, level = list(root.handlers), package.level
    root.handlers.clear()
    try:
        assert run(["-v", "--port", port, "--timeout", "10", "status"]) == 0
        assert f"opened {port}" in capsys.readouterr().err
    finally:
        root.handlers[:] = handlers
        package.setLevel(level)
