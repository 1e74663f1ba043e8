"""Guard around the app: outputs off first, and off again however the app ends.

Ctrl-C (byte 0x03) raises KeyboardInterrupt inside the app: the guard leaves the motor off and MicroPython
leaves a REPL, so that `mpremote` works as everyone expects.
"""

from boot import safe

safe()
try:
    from massager.app import App
    from massager.board import Board, Files

    App(Board(), Files()).run()
finally:
    safe()
