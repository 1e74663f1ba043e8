"""Runs on the Pico, beside the firmware: the interlock in its PIO on real silicon, the motor without supply.

    mpremote connect PORT run hardware/bench/interlock_proof.py

Takes 16 minutes, nearly all of it for the cap. It refuses to begin while V_BAT shows that the motor has a
supply: press the e-stop, leave the Pico on USB. Afterwards `mpremote connect PORT reset`.
"""

import time

from machine import ADC, Pin
from massager.interlock import Interlock

RUN_REQ, STOP, V_BAT = 3, 6, 28
ABSENT = 4_000  # of 65535: 1.1 V at the motor's supply
FEED_MS = 20
CAP_MS = 905_000


def fed_until_low(interlock, run_req, most_ms):
    """Arm, feed until RUN_REQ falls; for how long it was high, ms, None when it stayed high for most_ms."""
    interlock.arm()
    time.sleep_ms(10)
    began = time.ticks_ms()
    told = 0
    while run_req():
        interlock.feed()
        time.sleep_ms(FEED_MS)
        after_ms = time.ticks_diff(time.ticks_ms(), began)
        if after_ms > most_ms:
            interlock.disarm()
            return None
        if after_ms >= told + 60_000:
            told += 60_000
            print("  high for", told // 60_000, "min")
    return time.ticks_diff(time.ticks_ms(), began) + 10


def starved(interlock, run_req):
    """Arm, feed once, feed no more: after how long RUN_REQ falls, ms."""
    interlock.arm()
    time.sleep_ms(10)
    interlock.feed()
    began = time.ticks_us()
    while run_req() and time.ticks_diff(time.ticks_us(), began) < 1_000_000:
        pass
    return time.ticks_diff(time.ticks_us(), began) / 1000


def closed(stop):
    """Wait until STOP has been closed for a second; False when it still is not after 30 s."""
    for _ in range(30):
        open_ = stop()
        time.sleep_ms(1_000)
        if not open_ and not stop():
            return True
    print("STOP reads pressed: release it, or check its wires, then run this again")
    return False


def report(name, passed, told):
    """One line, in capitals when it failed."""
    print("ok     " if passed else "FAILED ", name + ":", told)
    return passed


def prove(cap_ms=CAP_MS):
    """All steps in order; True when every one passed."""
    if ADC(Pin(V_BAT)).read_u16() > ABSENT:
        print("the motor has a supply: press the e-stop, then run this again")
        return False
    stop = Pin(STOP, Pin.IN, Pin.PULL_UP)
    run_req = Pin(RUN_REQ)
    interlock = Interlock(RUN_REQ, STOP)
    if not closed(stop):
        return False
    passed = report("low before it is armed", not run_req(), run_req())
    interlock.feed()
    time.sleep_ms(10)
    passed &= report("feeding is not arming", not run_req(), run_req())
    after_ms = starved(interlock, run_req)
    passed &= report("dead-man, 100 to 110 ms", 100 <= after_ms <= 110, f"{after_ms:.1f} ms")
    interlock.feed()
    time.sleep_ms(10)
    passed &= report("feeding after a trip does not re-arm", not run_req(), run_req())
    print("press STOP within 30 s and let go")
    high_ms = fed_until_low(interlock, run_req, 30_000)
    passed &= report("STOP takes it low", bool(high_ms and stop()), f"after {high_ms} ms")
    if not closed(stop):
        return False
    print("15 minutes: leave STOP alone")
    high_ms = fed_until_low(interlock, run_req, cap_ms + 5_000)
    good = high_ms is not None and cap_ms - 1_000 <= high_ms <= cap_ms + 1_000
    passed &= report(f"cap, {cap_ms // 1000} s", good, f"after {high_ms} ms")
    interlock.disarm()
    print("all passed" if passed else "NOT passed: do not use this board")
    return passed


if __name__ == "__main__":
    prove()
