"""Finds the MicroPython Unix port: one on the path, or the one that the package index brings."""

import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PICO_HEAP_BYTES = 233_664  # gc heap of a Pico with MicroPython 1.24.1
HEAP_BYTES = PICO_HEAP_BYTES * 3 // 2  # objects here are twice as large: still less room than on a Pico


@pytest.fixture(scope="session")
def micropython():
    """A function: run a script with arguments on MicroPython; returns the finished process."""
    path = shutil.which("micropython") or shutil.which("micropython", path=sysconfig.get_path("scripts"))
    if path is None:
        reason = "no `micropython` on the path and none from the package index for this platform"
        if sys.platform == "linux" and platform.machine() == "x86_64":
            pytest.fail(reason + "; install the extra `dev`")
        pytest.skip(reason)

    def run(script, *arguments, heap=HEAP_BYTES, more=0, path_entries=("tests/firmware", "firmware")):
        search = ":".join([*(str(ROOT / entry) for entry in path_entries), ".frozen"])
        return subprocess.run(
            [path, "-X", f"heapsize={heap + more}", str(ROOT / script), *arguments],
            env={"MICROPYPATH": search, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=240,
        )

    assert "micropython" in run("tests/micropython/which.py").stdout
    return run
