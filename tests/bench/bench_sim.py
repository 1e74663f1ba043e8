"""How fast the virtual board is: the firmware's own source with the plant, against real time."""

from __future__ import annotations

import time

from bench_plant import peer_speeds
from openknead_sim.plant import StrokeHand
from openknead_sim.virtual import VirtualBoard

SESSION_S = 900


def figures() -> dict[str, dict[str, object]]:
    """sim_firmware_x: a 15-minute session by button under the strokes of a hand, firmware and plant.

    The peers simulate the motor alone.
    """
    board = VirtualBoard(seed=1, hand=StrokeHand(0.6, seed=1))
    board.power_on()
    board.run_ms(100)
    board.rpc("settings.set", values={"session_limit_s": SESSION_S, "default_level": 5})
    board.press("plus", 100)
    began = time.perf_counter()
    board.run_ms(SESSION_S * 1000)
    took = time.perf_counter() - began
    status = board.rpc("status")
    if status["reason"] != "completed":
        raise RuntimeError(f"the session ended with {status['reason']}")
    peers, best = peer_speeds()
    speed = SESSION_S / took
    return {
        "sim_firmware_x": {
            "value": round(speed),
            "unit": "× real time",
            "aim": 300,
            "peer": peers,
            "ratio": round(speed / best, 1),
        }
    }
