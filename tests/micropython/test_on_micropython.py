"""The firmware's own tests and its allocation, on real MicroPython with no more room than a Pico has."""

from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in (Path(__file__).parents[1] / "firmware").glob("test_*.py"))

pytestmark = pytest.mark.micropython


@pytest.mark.parametrize("module", MODULES)
def test_module(micropython, module):
    done = micropython("tests/micropython/runner.py", module)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_ten_thousand_ticks_allocate_nothing(micropython):
    done = micropython("tests/micropython/allocation.py")
    assert done.stdout.strip() == "allocated 0", done.stdout + done.stderr
