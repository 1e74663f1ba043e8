"""A virtual board of one's own: the simulator as a process, with a serial port like any other device's."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any

from openknead.errors import OpenKneadError

BOOT_S = 20.0  # a slow machine may take a while to start Python and the firmware


class NoVirtualBoard(OpenKneadError):
    """The simulator did not start."""

    code, name, exit_code = -33041, "no_virtual_board", 4
    remedy = "see what it says: python -m openknead_sim"


@contextmanager
def virtual_board(*options: str) -> Iterator[str]:
    """A virtual board of our own, as fast as it can; gives its port and ends it afterwards, always.

    options: of `knead sim`, such as "--seed", "3", "--hand", "heavy". Raises NoVirtualBoard.
    """
    command = [sys.executable, "-m", "openknead_sim", "--json", "--speed", "max", *options]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    errors: list[str] = []
    reader = threading.Thread(target=_drain, args=(process.stderr, errors), daemon=True)
    reader.start()
    try:
        yield _port(process, errors)
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(timeout=1)
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def massager_state(port: str) -> dict[str, Any]:
    """What the massager of the virtual board at `port` really does: energy drawn, charge, temperatures, …"""
    command = [sys.executable, "-m", "openknead_sim", "state", "--json", "--board", port]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=BOOT_S
    )
    if done.returncode:
        raise NoVirtualBoard(f"the virtual board does not tell its state: {done.stderr.strip()[-200:]}")
    state: dict[str, Any] = json.loads(done.stdout)
    return state


def agreeing(port: str) -> Callable[[Sequence[str], float], None]:
    """For `waiting`: MODE of the virtual board at `port` is pressed, once."""
    pressed: list[bool] = []

    def press(_names: Sequence[str], _left_s: float) -> None:
        if not pressed:
            pressed.append(True)
            command = [sys.executable, "-m", "openknead_sim", "press", "mode", "--board", port]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=BOOT_S)

    return press


def _drain(pipe: IO[str] | None, into: list[str]) -> None:
    for line in pipe or ():
        into[:] = [*into[-20:], line.rstrip()]


def _port(process: subprocess.Popen[str], errors: list[str]) -> str:
    """The port that the simulator announces in its first line, waiting at most BOOT_S for it."""
    first: list[str] = []
    assert process.stdout is not None
    waiter = threading.Thread(
        target=lambda out: first.append(out.readline()), args=(process.stdout,), daemon=True
    )
    waiter.start()
    waiter.join(BOOT_S)
    try:
        return str(json.loads(first[0])["port"])
    except (IndexError, ValueError, KeyError, TypeError) as problem:
        said = f": {errors[-1]}" if errors else ""
        raise NoVirtualBoard(f"the virtual board did not start{said}") from problem
