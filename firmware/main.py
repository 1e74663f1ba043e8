"""Guard around the app: outputs off first, and off again however the app ends.

Ctrl-C (byte 0x03) raises KeyboardInterrupt inside the app: the guard leaves the motor off and stops the
watchdog, and MicroPython leaves a REPL, so that `mpremote` works as everyone expects. Any other error leaves
a record for the journal, and a restart; right after the start it leaves a REPL, unless the watchdog runs.
"""

import gc

from boot import safe
from micropython import alloc_emergency_exception_buf

safe()
alloc_emergency_exception_buf(256)  # for an error in the tick, where the heap is locked
app = None
gc.threshold(40_000)  # sources are compiled here: garbage between what stays would leave no room for the last
try:
    from massager.app import App
    from massager.board import Board, Files

    gc.threshold(-1)  # from here on the app collects when it has time
    app = App(Board(), Files())
    app.run()
except KeyboardInterrupt:
    safe()
    if app:
        app.board.release()
    raise
except Exception as e:
    safe()
    if app:
        app.crashed(e)
    raise
finally:
    safe()
