"""Heap before and after 10,000 ticks of a running session; run on MicroPython.

The hand presses, the level changes, cues sound and a limiter comes on meanwhile. Prints the difference.
"""

import gc

gc.threshold(40_000)  # as main.py does: sources are compiled here

from massager import buttons  # noqa: E402
from support import Bench  # noqa: E402

TICKS = 10_000


def main():
    bench = Bench(remote=False)
    bench.run_ms(50)
    bench.app.settings.values["default_level"] = 4
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
        board.adc_current = 7_000 + (n & 255)
        board.buttons = buttons.PLUS if n % 1_000 < 10 else buttons.MINUS if n % 700 < 10 else 0
        if n > 4_000 and board.temperatures[2] > 20_500:
            board.temperatures[2] -= 3  # as slowly as heat comes
        board.temperatures[3] = 10_000 if n & 511 < 8 else 30_000  # jumps for a single reading
        app.tick(us)
    after = gc.mem_alloc()
    gc.enable()
    assert app.session.motor_on
    assert app.safety.limiters
    assert app.events.lost or app.events.count
    print("allocated", after - before)


main()
