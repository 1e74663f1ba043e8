"""Interlock: RUN_REQ is high only while this hardware allows it, whatever the CPU does.

Three programs in PIO block 0 share the pin. One raises it and holds it while it is fed; the others only ever
pull it low, so each of them has the last word. They fill the block's 32 instructions. Once low, the pin stays
low until it is armed again: feeding is not arming.
"""

import rp2
from machine import Pin, mem32
from micropython import const

# The words of the dead-man program. While armed any other but 0 trips it; otherwise they are ignored.
KEY_1 = const(21)  # arming takes both keys, in this order
KEY_2 = const(10)
FEED = const(1)
OFF = const(2)

DEADMAN_HZ = const(10_000)
DEADMAN_COUNTS = const(28)  # 29 rounds of 35 cycles: low 102.1…105.6 ms after the last feed
STOP_HZ = const(50_000)  # low at most 60 us after STOP opens
CAP_HZ = const(1_955)  # 27 << 15 counts of two cycles: 905.1 s, 15 min and 5 s

# Registers of PIO block 0. MicroPython's own calls take longer, wait when the FIFO is full, or allocate.
TXF0 = const(0x50200010)
SM0_INSTR = const(0x502000D8)
SET_LOW = const(0xE000)  # the instruction set(pins, 0)


@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def deadman():
    """Low until both keys came and STOP is closed; then high while fed. jmp_pin: STOP, 1 = stop."""
    wrap_target()
    label("trip")
    set(pins, 0)
    set(y, 21)  # KEY_1
    pull(block)
    mov(x, osr)
    jmp(x_not_y, "trip")
    set(y, 10)  # KEY_2
    pull(block)
    mov(x, osr)
    jmp(x_not_y, "trip")
    jmp(pin, "trip")
    set(pins, 1)
    label("fed")
    set(y, 28)  # DEADMAN_COUNTS
    label("look")
    jmp(pin, "trip")
    set(x, 0)[29]
    pull(noblock)  # without a word: the 0 of x
    mov(x, osr)
    jmp(not_x, "none")
    jmp(x_dec, "word")
    label("word")
    jmp(not_x, "fed")  # the word was FEED
    jmp("trip")
    label("none")
    jmp(y_dec, "look")
    wrap()


@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def stop_guard():
    """Low as long as STOP reads 1. in_base: STOP."""
    wrap_target()
    wait(1, pin, 0)
    set(pins, 0)
    wrap()


@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW, in_shiftdir=rp2.PIO.SHIFT_LEFT)
def session_cap():
    """Low once it has been high for 27 << 15 counts. in_base, jmp_pin: the shared pin itself."""
    wrap_target()
    label("wait")
    wait(1, pin, 0)
    set(x, 27)
    mov(isr, x)
    in_(null, 15)
    mov(x, isr)
    label("count")
    jmp(x_dec, "still")
    set(pins, 0)
    jmp("wait")
    label("still")
    jmp(pin, "count")
    wrap()


class Interlock:
    """The three programs on their pins. Off until `arm`, and again after every `disarm` or trip."""

    def __init__(self, run_req, stop):
        """run_req, stop: GPIO numbers; stop must be an input with its pull-up already."""
        pin = Pin(run_req)
        stop_pin = Pin(stop)
        # The lower number loses when two write in the same cycle: the dead-man, which alone writes 1.
        self._deadman = rp2.StateMachine(0, deadman, freq=DEADMAN_HZ, set_base=pin, jmp_pin=stop_pin)
        self._guard = rp2.StateMachine(1, stop_guard, freq=STOP_HZ, set_base=pin, in_base=stop_pin)
        self._cap = rp2.StateMachine(2, session_cap, freq=CAP_HZ, set_base=pin, in_base=pin, jmp_pin=pin)
        for machine in (self._guard, self._cap, self._deadman):
            machine.active(1)

    def arm(self):
        """Ask for RUN_REQ; it rises within 2 ms (6 ms after a `disarm` just before) unless STOP is open."""
        mem32[TXF0] = KEY_1
        mem32[TXF0] = KEY_2

    def feed(self):
        """Hold it for another 100 ms. Without effect when it is not armed."""
        mem32[TXF0] = FEED

    def disarm(self):
        """RUN_REQ low at once; only `arm` raises it again."""
        mem32[SM0_INSTR] = SET_LOW
        mem32[TXF0] = OFF
