"""What the tests of the host share: a peer on a port, and `knead` run on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from host_peer import Knead, Peer, Result
from hypothesis import settings
from sim_process import Process

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Peer]:
    monkeypatch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("OPENKNEAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENKNEAD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OPENKNEAD_NO_GUIDE", "1")  # the check has tests of its own
    monkeypatch.delenv("OPENKNEAD_PROFILE", raising=False)
    monkeypatch.delenv("OPENKNEAD_PORT", raising=False)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    with Peer() as device:
        yield device


@pytest.fixture
def knead(peer: Peer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Knead:
    """Run a command on the peer's port: (exit code, stdout, stderr)."""
    from openknead.cli.root import run

    monkeypatch.setenv("OPENKNEAD_PORT", peer.port)

    def command(*argv: str) -> Result:
        capsys.readouterr()
        code = run(argv)
        out, err = capsys.readouterr()
        return code, out, err

    return command


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for run files of this test alone."""
    monkeypatch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def start(run_dir: Path) -> Iterator[Any]:
    """Function: start a virtual board with these options, as a process; killed at the end."""
    processes: list[Process] = []

    def begin(*options: str) -> Process:
        processes.append(Process(*options))
        return processes[-1]

    yield begin
    for process in processes:
        if process.process.poll() is None:
            process.process.kill()
        process.process.communicate()
