"""Heap before and after 10,000 ticks of a running session, plain or of a program; run on MicroPython.

The hand presses, the level changes, cues sound and a limiter comes on meanwhile. Prints the difference, and
what becomes of a tick that wants heap.
"""

import gc
import sys

gc.threshold(40_000)  # as main.py does: sources are compiled here

from massager import buttons  # noqa: E402
from massager.program import Program  # noqa: E402
from support import Bench  # noqa: E402

TICKS = 10_000
PROGRAM = (
    ("ramp", 20, "ramp", 1, 3, 0, "calf_left", "stage"),
    ("wave", 20, "wave", 1, 4, 8, "calf_left", "stage"),
    ("pulse", 30, "pulse", 0, 2, 12, "calf_right", "move_on"),
    ("off", 10, "off", 0, 0, 0, "", "stage"),
    ("steady", 40, "steady", 2, 2, 0, "foot", "stage"),
)


def main(program):
    bench = Bench(remote=False)
    bench.run_ms(50)
    bench.app.settings.values["default_level"] = 4
    if program:
        bench.app.session.selected = Program("p", PROGRAM)
    bench.press(buttons.PLUS)
    board, app = bench.board, bench.app
    assert app.session.motor_on
    us = app._last_us
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    for n in range(TICKS):
        us = (us + 10_000) & 0x3FFFFFFF
        demand = app.drive.demand_opm
        if demand:
            board.tach_periods = 1
            board.tach_count = 1_500_000 // demand
        else:
            board.tach_periods = board.tach_count = 0
        board.adc_current = 7_000 + (n & 255) if demand else 0
        board.buttons = buttons.PLUS if n % 1_000 < 10 else buttons.MINUS if n % 700 < 10 else 0
        if n > 4_000 and board.temperatures[2] > 20_500:
            board.temperatures[2] -= 3  # as slowly as heat comes
        board.temperatures[3] = 10_000 if n & 511 < 8 else 30_000  # jumps for a single reading
        app.tick(us)
    after = gc.mem_alloc()
    gc.enable()
    assert app.session.motor_on
    assert app.session.stage() == (5 if program else 0)
    assert app.safety.limiters
    assert app.events.lost or app.events.count
    print("allocated", after - before)
    board.sample = lambda: bytearray(100)
    try:
        app.tick(us)
    except MemoryError as error:
        print(error)


main(program=sys.argv[1:] == ["program"])
