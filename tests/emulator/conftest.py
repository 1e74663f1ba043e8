"""Emulated boards for the tests; a test whose image is missing is skipped with the remedy."""

import pytest
from openknead_sim.emulator import images


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
