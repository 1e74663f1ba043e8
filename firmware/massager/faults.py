"""Faults and limiters: the one table that detection, messages and documentation share.

A limiter holds back and goes on; a fault stops the motor and latches until it is cleared by an explicit
act. Numbers marked "setting" come from the settings table; the rest are constants of the design.
"""

from micropython import const

NONE = const(0)
OVER_CURRENT = const(1)
STALL = const(2)
MOTOR_HOT = const(3)
DRIVER_HOT = const(4)
HANDLE_HOT = const(5)
BATTERY_CRITICAL = const(6)
MOTOR_SENSOR = const(7)
DRIVER_SENSOR = const(8)
HANDLE_SENSOR = const(9)
CURRENT_SENSOR = const(10)
TICK_OVERRUN = const(11)

LIMIT_CURRENT = const(1)
LIMIT_HEAT = const(2)
LIMIT_BATTERY = const(4)

# code, name, measures, unit, limit, fault, hysteresis, debounce_ms, reaction, remedy
FAULTS = (
    (
        OVER_CURRENT,
        "over_current",
        "motor current",
        "mA",
        "current_limit_ma",
        2600,
        0,
        20,
        "cut",
        "Press less hard. If it trips without load, look for a blocked mechanism or a short in the motor.",
    ),
    (
        STALL,
        "stall",
        "rate below a third of the demand",
        "opm",
        None,
        None,
        0,
        200,
        "cut",
        "Free the pad, then clear. If it turns freely, check motor plug and tach.",
    ),
    (
        MOTOR_HOT,
        "motor_hot",
        "motor temperature",
        "0.1 C",
        800,
        900,
        50,
        200,
        "cut",
        "Let the motor cool down below 75 C; use a lower level or press less hard.",
    ),
    (
        DRIVER_HOT,
        "driver_hot",
        "driver temperature",
        "0.1 C",
        850,
        1000,
        50,
        200,
        "cut",
        "Let the driver cool down below 80 C; check its copper area and air.",
    ),
    (
        HANDLE_HOT,
        "handle_hot",
        "handle temperature",
        "0.1 C",
        430,
        480,
        20,
        200,
        "cut",
        "Put the device down until the handle is below 41 C.",
    ),
    (
        BATTERY_CRITICAL,
        "battery_critical",
        "supply voltage",
        "mV",
        "3300 a cell, 10500 on mains",
        "3000 a cell, 9000 on mains",
        600,
        500,
        "cut",
        "Charge the battery, or check the adapter and its plug.",
    ),
    (
        MOTOR_SENSOR,
        "motor_sensor",
        "motor thermistor open or shorted",
        "",
        None,
        None,
        0,
        200,
        "cut",
        "Check plug and wires of the thermistor on the motor.",
    ),
    (
        DRIVER_SENSOR,
        "driver_sensor",
        "driver thermistor open or shorted",
        "",
        None,
        None,
        0,
        200,
        "cut",
        "Check the thermistor at the driver.",
    ),
    (
        HANDLE_SENSOR,
        "handle_sensor",
        "handle thermistor open or shorted",
        "",
        None,
        None,
        0,
        200,
        "cut",
        "Check plug and wires of the thermistor in the handle.",
    ),
    (
        CURRENT_SENSOR,
        "current_sensor",
        "no current although the motor is driven",
        "mA",
        None,
        20,
        0,
        500,
        "cut",
        "Check the current sense wire, the motor plug and the driver's supply.",
    ),
    (
        TICK_OVERRUN,
        "tick_overrun",
        "control tick period with the motor on",
        "ms",
        None,
        50,
        0,
        0,
        "cut",
        "Clear and go on; if it comes back, report it with the firmware version.",
    ),
)

LIMITERS = (
    (LIMIT_CURRENT, "current", "Motor voltage held back to keep the current at current_limit_ma."),
    (LIMIT_HEAT, "heat", "Level taken down step by step because a temperature is above its limit."),
    (LIMIT_BATTERY, "battery", "Level taken down step by step because the supply is low."),
)


def fault_name(code):
    """Name of a fault code; None for NONE."""
    return FAULTS[code - 1][1] if code else None


def limiter_names(bits):
    """Names of the limiter bits that are set."""
    return [row[1] for row in LIMITERS if row[0] & bits]
