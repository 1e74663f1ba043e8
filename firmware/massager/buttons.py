"""Buttons: the bits in which the board reports them and the panel reads them."""

from micropython import const

STOP = const(1)
PLUS = const(2)
MINUS = const(4)
MODE = const(8)

# bit, name
BUTTONS = ((STOP, "stop"), (PLUS, "plus"), (MINUS, "minus"), (MODE, "mode"))
