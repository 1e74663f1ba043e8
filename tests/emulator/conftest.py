"""Emulated boards for the tests; a test whose image is missing is skipped with the remedy."""

import pytest
from openknead_sim.emulator import images

# As a user leaves a board that a host may start; the quickest slew, because emulated time is dear.
SETTINGS = {"remote_start": True, "slew_s": 1, "host_timeout_s": 30}


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

    def get(self, micropython=images.REFERENCE):
        """A board whose app runs, idle and without fault; a new one when the last test left it otherwise."""
        if micropython not in self._rigs or not is_at_rest(self._rigs[micropython]):
            board = self.make(micropython)
            board.host.call("hello", timeout_us=10e6)
            self._rigs[micropython] = board
        return self._rigs[micropython]

    def make(self, micropython=images.REFERENCE, *, form="mpy", settings=SETTINGS, replace=None):
        """A board of one's own, just switched on."""
        path = self._find_image(micropython)
        from openknead_sim.emulator import rig

        return rig.boot(path, form=form, settings=settings, replace=replace)


def is_at_rest(board):
    """Does the app answer, with no session and no fault?"""
    try:
        status = board.host.call("status", timeout_us=300_000)
    except AssertionError:  # no answer in time
        return False
    return status["state"] == "IDLE" and status["fault"] is None


@pytest.fixture(scope="session")
def boards(image):
    """Boards shared by all tests of a run."""
    return Boards(image)
