"""The firmware's own tests and its allocation, on real MicroPython with no more room than a Pico has."""

from pathlib import Path

import pytest

MODULES = sorted(path.stem for path in (Path(__file__).parents[1] / "firmware").glob("test_*.py"))

FLASH_BYTES = 96 * 1024  # of heap: the flash of this module's devices is in it, too

pytestmark = pytest.mark.micropython


@pytest.mark.parametrize("module", MODULES)
def test_module(micropython, module):
    more = FLASH_BYTES if module == "test_flash_content" else 0
    done = micropython("tests/micropython/runner.py", module, more=more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.parametrize("what", ["plain", "program"])
def test_ten_thousand_ticks_allocate_nothing(micropython, what):
    done = micropython("tests/micropython/allocation.py", what)
    assert done.stdout.splitlines() == ["allocated 0", "memory allocation failed, heap is locked"], (
        done.stderr
    )


def test_the_largest_program_takes_two_kilobytes_of_heap_at_most(micropython):
    done = micropython("tests/micropython/program_heap.py")
    assert 0 < int(done.stdout) <= 2 * 2_048, done.stdout + done.stderr  # objects here are twice as large


def test_requests_of_every_method_in_every_state_leave_no_more_on_the_heap(micropython):
    done = micropython("tests/micropython/requests_heap.py")
    rows = [line.split() for line in done.stdout.splitlines()]
    names = ["IDLE", "RUNNING", "PAUSED", "ENDING", "MAINTENANCE", "FAULT"]
    assert [name for name, _, _ in rows] == names, done.stdout + done.stderr
    assert all(int(count) >= 10_000 and int(grown) <= 512 for _, count, grown in rows), rows
