"""Boot guard: every actuator pin to plain output low, before anything else runs.

A soft reset leaves PWM slices and PIO state machines driving their pins, so the level they happen to
hold must not be trusted. This file stands alone: it works when the package beside it is damaged.
The pins are board.py's SAFE_LOW; a test holds the two together.
"""

from machine import Pin

SAFE_LOW = (3, 16, 17, 2, 18)  # RUN_REQ first: the driver sleeps without it


def safe():
    """Take every actuator pin back from PWM or PIO and drive it low."""
    for pin in SAFE_LOW:
        Pin(pin, Pin.OUT, value=0)


safe()
