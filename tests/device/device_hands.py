"""Hands at the device: they press the buttons of a virtual board; at a real one the person there does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from openknead import ConfirmLater, Device, NotConfirmed, rundir
from openknead_sim import control

TRIES = 60
WITHIN_S = 19  # a question that has less time left takes an answer


def press(port: str, button: str = "mode", ms: int = 100) -> None:
    """Press a button of the virtual board at this port; on a real one, wait until it was pressed."""
    board = next((board for board in rundir.boards() if board["port"] == port), None)
    if board:
        control.ask(board, "press", timeout_s=10, button=button, ms=ms)
    else:
        print(f"press {button.upper()} for {ms / 1000:g} s")
        time.sleep(2 + ms / 1000)


def pressing(port: str, button: str = "mode") -> Callable[[object, float], None]:
    """For `waiting`: the button is pressed once."""
    pressed: list[bool] = []

    def waiting(names: object, left_s: float) -> None:
        if not pressed:
            pressed.append(True)
            press(port, button)

    return waiting


def agreed(device: Device, port: str, values: Mapping[str, int | bool]) -> None:
    """Set these, with a press where one is needed; again where it is too early or a fault came between."""
    for _ in range(TRIES):
        try:
            device.set(values, waiting=pressing(port))
            return
        except ConfirmLater:
            time.sleep(0.5)
        except NotConfirmed as problem:
            if problem.data["outcome"] != "cancelled":
                raise
    raise AssertionError("the device asks no more")


def allowed(device: Device, port: str) -> None:
    """Give hosts the permission to start."""
    status = device.status()
    if not status.remote_start or status.suspended:
        press(port, ms=3_300)


def patient(device: Device, port: str) -> None:
    """Let the device answer a question with yes, so that it takes the next one at once."""
    before = device.get("current_limit_ma")
    for value in (int(before) - 1, before):
        agreed(device, port, {"current_limit_ma": value})


@contextmanager
def agreeing(device: Device, port: str) -> Iterator[None]:
    """Someone is at the device who agrees to every question."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            question = device.status().question
            if question and question.left_s < WITHIN_S:
                press(port)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
