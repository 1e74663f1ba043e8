"""Figures of the firmware on the emulated Pico (the reference MicroPython, precompiled install).

All times are emulated: 125 MHz without flash wait states or interrupt-entry cycles, so a real Pico is
somewhat slower. The run itself takes one to two minutes of wall time.

    python tests/bench/bench_emulator.py [VERSION]
"""

import json
import statistics
import sys
from itertools import pairwise

from openknead.flash import images
from openknead_sim.emulator import rig
from openknead_sim.emulator.firmware import precompiled

SETTINGS = {"remote_start": True, "acknowledged": True, "slew_s": 1}

# Runs at the REPL: the app's own tick, paced like the app's own loop, over a start, a level change and cues.
TICKS = """
import gc, time
from array import array
from massager.app import App
from massager.board import Board, Files
app = App(Board(), Files())
gc.collect()
free = gc.mem_free()
took = array("H", [0] * {ticks})
def run(ticks):
    app._last_us = due = time.ticks_us()
    for i in range(ticks):
        due = time.ticks_add(due, 10000)
        left = time.ticks_diff(due, time.ticks_us())
        if left > 0:
            time.sleep_us(left)
        now = time.ticks_us()
        app.tick(now)
        took[i] = time.ticks_diff(time.ticks_us(), now)
app.session.blockers = ()  # the self-test's
run({idle})  # the sensors have their values, as they do a second after power-on
app.board.guard()
app.session.start(1, 60000, 1)
app._announce()  # the motor waits until its session is on the flash
before = after = fault = 0  # the table of names has room for them
gc.collect()
gc.disable()
before = gc.mem_alloc()
run({ticks})
after = gc.mem_alloc()
gc.enable()
fault = app.safety.fault
app.board.enable_motor(0)
print([free, after - before, fault], list(took))
"""
TICK_COUNT = 300
IDLE_TICKS = 20  # no more than the session's

# Longest gap between two answers that the host asks for while the motor runs.
TRAFFIC = (
    ("settings.set", {"values": {"area_s": 60, "slew_s": 3}}),
    ("settings.list", {}),
    ("status", {}),
    ("settings.get", {"name": "slew_s"}),
    ("schema", {"section": "settings"}),
    ("settings.reset", {"names": ["area_s", "slew_s"]}),
    ("session.keepalive", {}),
)
TRAFFIC_MS = 2000


def figures(micropython: str = images.REFERENCE) -> dict[str, dict[str, object]]:
    """name → value, unit, aim, peer, ratio. Raises ImageMissing when the cache lacks the image.

    The short form, with a board that a test has already started, is `under_traffic` and `at_the_prompt`.
    """
    bench = rig.boot(images.find(micropython), form=precompiled(micropython), settings=SETTINGS)
    bench.host.call("hello", timeout_us=10e6)
    found = figure("boot_to_hello_ms", bench.pico.now_us / 1000, "ms", 1200)
    found |= figure("boot_to_ready_ms", ready_ms(bench), "ms")
    found |= under_traffic(bench)
    bench.pico.interrupt()
    return found | at_the_prompt(bench)


def figure(name: str, value: float, unit: str, aim: float | None = None) -> dict[str, dict[str, object]]:
    return {name: {"value": round(value), "unit": unit, "aim": aim, "peer": None, "ratio": None}}


def under_traffic(bench: rig.Rig, duration_ms: float = TRAFFIC_MS) -> dict[str, dict[str, object]]:
    """Figures of a running app whose host asks for much."""
    return figure("tick_period_worst_us", worst_tick_period_us(bench, duration_ms), "us")


def at_the_prompt(bench: rig.Rig, ticks: int = TICK_COUNT) -> dict[str, dict[str, object]]:
    """Figures of ticks made at the prompt, which must be free."""
    text = bench.pico.exec(TICKS.format(ticks=ticks, idle=IDLE_TICKS), timeout_us=20e6)
    (free, allocated, fault), took = json.loads(f"[{text.replace('] [', '], [')}]")
    if fault:
        raise RuntimeError(f"fault {fault} during the measurement")
    found = figure("tick_us_median", statistics.median(took), "us")
    found |= figure("tick_us_worst", max(took), "us", 1200)
    found |= figure("tick_alloc_bytes", allocated, "B", 0)
    return found | figure("heap_free_bytes", free, "B")


def ready_ms(bench: rig.Rig) -> float:
    """Emulated time from power-on until the self-test has passed, ms; looked at every 20 ms."""
    while bench.host.call("selftest")["state"] != "passed":
        bench.run_ms(20)
    return bench.pico.now_us / 1000


def worst_tick_period_us(bench: rig.Rig, duration_ms: float) -> float:
    """Longest time between two edges of WD_KICK (one at the end of each tick) under traffic, µs."""
    edges: list[float] = []
    bench.host.call("session.start", level=2, run_s=60)
    bench.host.call("telemetry.subscribe", hz=10)
    forget = bench.pico.on_edge(bench.pins["WD_KICK"], lambda _high: edges.append(bench.pico.now_us))
    end = bench.pico.now_us + duration_ms * 1000
    while bench.pico.now_us < end:
        for method, params in TRAFFIC:
            bench.host.call(method, **params)
    forget()
    bench.host.call("session.stop")
    return max(later - earlier for earlier, later in pairwise(edges))


if __name__ == "__main__":
    json.dump(figures(*sys.argv[1:]), sys.stdout, indent=2)
