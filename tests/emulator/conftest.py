"""Emulated boards for the tests; a test whose image is missing is skipped with the remedy.

An observer watches the motor's pins of every board; a test in which a promise was broken fails, whatever it
was about. Who moves the motor by hand, at the REPL, takes them with `boards.breaches`, which forgets them.
"""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from openknead.flash import images
from openknead_sim.emulator import filesystem
from openknead_sim.emulator.firmware import precompiled
from served_port import Port

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "unit")]  # the firmware's PIO programs, assembled

# As a user leaves a board that a host may start; the quickest slew, because emulated time is dear.
SETTINGS = {"remote_start": True, "acknowledged": True, "slew_s": 1, "host_timeout_s": 30}


@pytest.fixture(scope="session")
def image():
    """Function: MicroPython version → path of its checked image; skips the test where it is missing."""

    def find(micropython=images.REFERENCE):
        pytest.importorskip("rp2040py", reason="the emulator is missing: pip install 'openknead[emulator]'")
        try:
            return images.find(micropython)
        except images.ImageMissing as missing:
            pytest.skip(str(missing))

    return find


class Boards:
    """Running boards with the firmware, one for each MicroPython and way of installing."""

    settings = SETTINGS

    def __init__(self, find_image):
        self._find_image = find_image
        self._rigs = {}
        self._made = []

    def get(self, micropython=images.REFERENCE):
        """A board whose app runs, idle and without fault; a new one when the last test left it otherwise."""
        if micropython not in self._rigs or not is_at_rest(self._rigs[micropython]):
            self._rigs[micropython] = self.ready(self.make(micropython))
        return self._rigs[micropython]

    def get_at_prompt(self, micropython=images.REFERENCE):
        """A board whose firmware is installed and was interrupted."""
        rig = self._rigs.get(micropython) or self.get(micropython)
        rig.pico.interrupt()
        return rig

    def make(self, micropython=images.REFERENCE, *, form=None, settings=SETTINGS, replace=None):
        """A board of one's own, just switched on; form None: precompiled, as that MicroPython takes it."""
        path = self._find_image(micropython)
        from openknead_sim.emulator import rig

        board = rig.boot(path, form=form or precompiled(micropython), settings=settings, replace=replace)
        self._made.append(board)
        return board

    def ready(self, board):
        """Wait until its app answers and has passed its self-test; returns the board."""
        board.host.call("hello", timeout_us=10e6)
        for _ in range(20):
            board.run_ms(100)
            if board.host.call("status")["selftest"] == "passed":
                return board
        pytest.fail(f"the self-test does not pass: {board.host.call('selftest')}")

    def breaches(self):
        """Promises broken since the last call, by any board."""
        found = [breach for board in self._made for breach in board.observer.breaches]
        for board in self._made:
            board.observer.breaches.clear()
        self._made = list(self._rigs.values())
        return found


def is_at_rest(board):
    """Does the app answer, with no session, no fault and all tests passed?"""
    try:
        status = board.host.call("status", timeout_us=300_000)
    except AssertionError:  # no answer in time
        return False
    return (status["state"], status["fault"], status["selftest"]) == ("IDLE", None, "passed")


@pytest.fixture(scope="session")
def boards(image):
    """Boards shared by all tests of a run."""
    return Boards(image)


@pytest.fixture(autouse=True)
def promises_are_kept(request):
    """By every board of the test."""
    used = request.getfixturevalue("boards") if "boards" in request.fixturenames else None
    yield
    if used:
        assert used.breaches() == []


@pytest.fixture
def serve(image, tmp_path, monkeypatch):
    """Function: serve an emulated Pico whose flash holds these files (None: as MicroPython leaves it), and
    write the flash to `flash` at the end. uf2: the image it runs, None: the reference; wait: for the app."""
    image()
    flash = tmp_path / "flash"
    monkeypatch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("OPENKNEAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENKNEAD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("OPENKNEAD_NO_GUIDE", "1")  # an emulated Pico cannot tell that it is none

    @contextmanager
    def run(files=None, uf2=None, wait=True):
        if files is not None:
            flash.write_bytes(filesystem.build(files))
        command = [sys.executable, "-m", "openknead_sim.emulator.served", "--blank", "--flash", str(flash)]
        command += ["--uf2", str(uf2)] if uf2 else []
        with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8") as process:
            try:
                port = Port(json.loads(process.stdout.readline())["port"])
                if files is not None and wait:
                    port.wait_for_the_app()
                yield port
            finally:
                process.terminate()
        assert process.returncode == 0

    run.flash = flash
    return run
