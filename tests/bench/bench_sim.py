"""How fast the virtual board is: the firmware's own source with the plant, against real time."""

from __future__ import annotations

import time

from bench_plant import peer_speeds
from openknead_sim.plant import StrokeHand
from openknead_sim.virtual import VirtualBoard

SESSION_S = 900
SHORT_S = 20  # of the session, before STOP
PATIENCE_MS = 10_000  # virtual, for any state


def figures(short: bool = False) -> dict[str, dict[str, object]]:
    """sim_firmware_x: a 15-minute session by button under the strokes of a hand, firmware and plant.

    The peers simulate the motor alone. short: the beginning of the session, to see that it works.
    """
    board = VirtualBoard(seed=1, hand=StrokeHand(0.6, seed=1))
    board.power_on()
    wait_for(board, "selftest", "passed")
    board.agreed("settings.set", values={"session_limit_s": SESSION_S, "default_level": 5})
    board.press("plus", 100)
    wait_for(board, "state", "RUNNING")
    seconds = SHORT_S if short else SESSION_S
    began = time.perf_counter()
    board.run_ms(seconds * 1000)
    took = time.perf_counter() - began
    if short:
        board.press("stop")
    wait_for(board, "state", "IDLE")
    reason = board.rpc("status")["reason"]
    if reason != ("stop_button" if short else "completed"):
        raise RuntimeError(f"the session ended with {reason}")
    peers, best = peer_speeds(short)
    speed = seconds / took
    return {
        "sim_firmware_x": {
            "value": round(speed),
            "unit": "× real time",
            "aim": 300,
            "peer": peers,
            "ratio": round(speed / best, 1),
        }
    }


def wait_for(board: VirtualBoard, name: str, value: str) -> None:
    """Let time pass until the status says so. Raises RuntimeError with the status that it says instead."""
    if not board.run_until(lambda: board.rpc("status")[name] == value, PATIENCE_MS):
        raise RuntimeError(f"{name} does not become {value}: {board.rpc('status')}")
