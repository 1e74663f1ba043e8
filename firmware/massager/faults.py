"""Faults and limiters: the one table that detection, messages and documentation share.

A limiter holds the motor back and lets it run; a fault stops the motor and latches until it is cleared by an
explicit act. Numbers marked "setting" come from the settings table; the rest are constants of the design.
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
RUNAWAY = const(12)
NO_ROTATION = const(13)
UNCOMMANDED_MOTION = const(14)
DRIVER_FAULT = const(15)
ADC_REFERENCE = const(16)
SUPPLY_HIGH = const(17)
SUPPLY_DIP = const(18)
INTERLOCK_TRIPPED = const(19)
INTERLOCK_FAILED = const(20)
CLOCK_JUMP = const(21)
SESSION_OVERRUN = const(22)
HEAP_LOW = const(23)
FLASH_FAILED = const(24)
FIRMWARE_CHANGED = const(25)
WATCHDOG_RESET = const(26)
CRASHED = const(27)
PAD_HOT = const(28)
PAD_SENSOR = const(29)
# 1 to 29 are as they came. From here on codes have groups with room between them, and are never used twice:
# 32 to 39 drive, 40 to 49 sensors, 50 to 59 controller and flash, 60 to 63 supply.
RATE_MISMATCH = const(32)
LATCHES_LOST = const(50)

LIMIT_CURRENT = const(1)
LIMIT_HEAT = const(2)
LIMIT_BATTERY = const(4)

# reactions
CUT = "cut"  # motor off in the same tick
RAMP = "ramp"  # the level falls to standstill, 500 ms a level; any further fault cuts

# how it is cleared, by an explicit act in every case
_ONCE = "at once"
_GONE = "when its cause is gone"
_STOPPED = "once the motor is off, which ends the cause"

# why it survives
_LOOSE = "A loose contact reads well again after the next start."
_RUNNING = "What is broken shows again only once the motor runs."
_BROKEN = "A part that keeps the motor off has failed."
_UNEXPLAINED = "Nothing says why it happened."
_AGREED = "Nothing but a deliberate act settles it."

# The columns of FAULTS. LIMIT, FAULT: thresholds, a number, the name of a setting, a text, or None;
# SURVIVES: why the latched fault outlives a reset and a loss of power until it is cleared, "" if it does not.
# It does when the device is broken or cannot explain itself, and may look sound after the next start.
CODE = const(0)
NAME = const(1)
MEASURES = const(2)
UNIT = const(3)
LIMIT = const(4)
FAULT = const(5)
HYSTERESIS = const(6)
DEBOUNCE_MS = const(7)
REACTION = const(8)
REMEDY = const(9)
CLEAR = const(10)
SOURCE = const(11)
SURVIVES = const(12)

# fmt: off
FAULTS: tuple = (
    (
        OVER_CURRENT, "over_current", "motor current",
        "mA", "current_limit_ma", 2600, 0, 10, CUT,
        "Press less hard. If it trips without load, look for a blocked mechanism or a short in the motor.",
        _GONE,
        "Below the 2.9 A at which the driver carrier limits; motors considered stall at up to 5.5 A.",
        "",
    ),
    (
        STALL, "stall", "rate below a third of the demand",
        "opm", None, None, 0, 200, CUT,
        "Free the pad, then clear it. If it turns freely, check the motor's plug and the tach.",
        _STOPPED,
        "Heat budget: 20 W at the driver's limit, cut in 0.5 s.",
        "",
    ),
    (
        MOTOR_HOT, "motor_hot", "motor temperature",
        "0.1 C", 800, 900, 50, 200, CUT,
        "Let the motor cool down below 75 C; use a lower level or press less hard.",
        _GONE,
        "Design: below the 98 C cut-off on the motor can.",
        "",
    ),
    (
        DRIVER_HOT, "driver_hot", "driver temperature",
        "0.1 C", 850, 1000, 50, 200, CUT,
        "Let the driver cool down below 80 C; check its copper area and air.",
        _GONE,
        "Design: the driver shuts itself down at 175 C die temperature.",
        "",
    ),
    (
        HANDLE_HOT, "handle_hot", "handle temperature",
        "0.1 C", 430, 480, 20, 160, CUT,
        "Put the device down until the handle is below 41 C.",
        _GONE,
        "48 C for 10 min is a burn threshold (ISO 13732-1, not re-read).",
        "",
    ),
    (
        BATTERY_CRITICAL, "battery_critical", "supply voltage",
        "mV", "3300 a cell, 10500 on mains", "3000 a cell, 9000 on mains", 600, 500, CUT,
        "Charge the battery, or check the adapter and its plug.",
        _STOPPED,
        "Discharge limit of lithium-ion cells.",
        "",
    ),
    (
        MOTOR_SENSOR, "motor_sensor", "motor thermistor open, shorted, jumping, or 40 K below the handle",
        "", None, None, 0, 200, CUT,
        "Check plug and wires of the thermistor on the motor.",
        _GONE,
        "Design: nothing changes by 10 K within 40 ms, and the motor is the source of the heat.",
        _LOOSE,
    ),
    (
        DRIVER_SENSOR, "driver_sensor", "driver thermistor open, shorted or jumping",
        "", None, None, 0, 200, CUT,
        "Check the thermistor at the driver.",
        _GONE,
        "Design: nothing changes by 10 K within 40 ms.",
        _LOOSE,
    ),
    (
        HANDLE_SENSOR, "handle_sensor", "handle thermistor open, shorted or jumping",
        "", None, None, 0, 160, CUT,
        "Check plug and wires of the thermistor in the handle.",
        _GONE,
        "Design: nothing changes by 10 K within 80 ms.",
        _LOOSE,
    ),
    (
        CURRENT_SENSOR, "current_sensor", "current of the driven motor; or 150 mA while the driver sleeps",
        "mA", None, 20, 0, 500, CUT,
        "Check the current sense wire, the motor plug and the driver's supply.",
        _GONE,
        "No-load current is 200 mA; noise of the ADC is 3 mA.",
        _RUNNING,
    ),
    (
        TICK_OVERRUN, "tick_overrun", "control tick period with the motor on",
        "ms", None, 50, 0, 0, CUT,
        "Clear it; if it returns, report it with the firmware version.",
        _STOPPED,
        "Five ticks; half of the interlock's 100 ms.",
        "",
    ),
    (
        RUNAWAY, "runaway", "rate beyond one and a half times the demand",
        "opm", None, 500, 0, 150, CUT,
        "Do not use the device: its driver or drive has failed. Check the driver, motor_ke_uvs and the tach.",
        _STOPPED,
        "Largest overshoot simulated with a hand lifted off: 45 % for 0.1 s.",
        _RUNNING,
    ),
    (
        NO_ROTATION, "no_rotation", "no tach pulses while voltage and current say that the motor turns",
        "opm", None, None, 0, 200, CUT,
        "Check the tach's wire and magnet, and the coupling of the pad.",
        _STOPPED,
        "As stall; below 1000 mA the back-EMF distinguishes the two.",
        _RUNNING,
    ),
    (
        UNCOMMANDED_MOTION, "uncommanded_motion", "rate while commanded off, above that of coasting down",
        "opm", None, 300, 0, 200, CUT,
        "Pull the battery or the adapter: a transistor of the driver may be shorted. Do not use the device.",
        _GONE,
        "Design: coasting only slows down.",
        _BROKEN,
    ),
    (
        DRIVER_FAULT, "driver_fault", "fault line of the motor driver",
        "", None, None, 0, 0, CUT,
        "Look for a short at the motor or an overheated driver, then clear it.",
        _STOPPED,
        "The driver retries by itself; the firmware must not.",
        _RUNNING,
    ),
    (
        ADC_REFERENCE, "adc_reference", "what multiplexer and ADC read as half of the rail, off by",
        "1/65536", None, 1638, 0, 200, CUT,
        "Check the 3.3 V rail, the reference divider and the multiplexer.",
        _GONE,
        "5 %: the divider's 1 % and the ADC's error have room.",
        _UNEXPLAINED,
    ),
    (
        SUPPLY_HIGH, "supply_high", "supply voltage",
        "mV", None, "4300 a cell, 14500 on mains", 0, 200, CUT,
        "Unplug: the supply is too high. Use the adapter or pack that belongs to it; check battery_cells.",
        _GONE,
        "4.25 V a cell (IEC 62133) and the error of the divider.",
        "",
    ),
    (
        SUPPLY_DIP, "supply_dip", "fall of the supply in the first 2 s of driving",
        "%", None, 15, 0, 80, CUT,
        "The supply is too weak: charge the battery, check plugs and wires.",
        _STOPPED,
        "Soft start draws below 1 A; a sound pack falls by 2 %.",
        "",
    ),
    (
        INTERLOCK_TRIPPED, "interlock_tripped", "RUN_REQ low although armed and fed",
        "", None, None, 0, 30, CUT,
        "Clear it; if it returns, check the wires of RUN_REQ and STOP.",
        _STOPPED,
        "Two ticks and what arming takes.",
        _UNEXPLAINED,
    ),
    (
        INTERLOCK_FAILED, "interlock_failed", "RUN_REQ high while disarmed, or low after arming",
        "", None, None, 0, 30, CUT,
        "Pull the battery or the adapter. Check RUN_REQ for a short; run `knead selftest`.",
        _GONE,
        "Two ticks and what arming takes.",
        _BROKEN,
    ),
    (
        CLOCK_JUMP, "clock_jump", "time between two ticks, backwards or beyond",
        "ms", None, 900, 0, 0, CUT,
        "Clear it; if it returns, the board is defective.",
        _STOPPED,
        "The watchdog would have ended a real wait of 1 s.",
        _UNEXPLAINED,
    ),
    (
        SESSION_OVERRUN, "session_overrun", "motor time within a session",
        "s", None, 901, 0, 0, CUT,
        "The session's own clock failed. Report it with the firmware version, then clear it.",
        _STOPPED,
        "15 min and 1 s; the interlock follows at 15 min and 5 s.",
        _UNEXPLAINED,
    ),
    (
        HEAP_LOW, "heap_low", "free memory after a collection",
        "B", None, 12000, 0, 0, RAMP,
        "Reboot; if it returns, report it with the firmware version.",
        _GONE,
        "A request takes 6 kB at most.",
        "",
    ),
    (
        FLASH_FAILED, "flash_failed", "writing the journal",
        "", None, None, 0, 0, CUT,
        "Delete files that are not needed; if it returns, the flash is worn out.",
        _ONCE,
        "Without its journal the device cannot account for what it did.",
        "",
    ),
    (
        FIRMWARE_CHANGED, "firmware_changed", "hash of the firmware's files against the one kept",
        "", None, None, 0, 0, CUT,
        "If you have just installed it, clear it. If not, install the firmware again.",
        _ONCE,
        "SHA-256 over all files of the firmware.",
        _AGREED,
    ),
    (
        WATCHDOG_RESET, "watchdog_reset", "cause of the last reset",
        "", None, None, 0, 0, CUT,
        "The firmware hung and was restarted. Report it with the output of `knead log`, then clear it.",
        _ONCE,
        "The watchdog's time is 1 s.",
        _UNEXPLAINED,
    ),
    (
        CRASHED, "crashed", "error that ended the firmware",
        "", None, None, 0, 0, CUT,
        "The firmware failed and was restarted. Report it with the output of `knead log`, then clear it.",
        _ONCE,
        "",
        _UNEXPLAINED,
    ),
    (
        PAD_HOT, "pad_hot", "pad temperature",
        "0.1 C", 410, 430, 10, 160, CUT,
        "Lift the pad off the skin until it is below 40 C; use a lower level or press less hard.",
        _GONE,
        "On skin: 41 C (IEC 60601-1 ed. 2, 42.3), 43 C (IEC 60601-2-37).",
        "",
    ),
    (
        PAD_SENSOR, "pad_sensor", "pad thermistor open, shorted or jumping",
        "", None, None, 0, 160, CUT,
        "Check plug and wires of the pad's thermistor; if none is fitted: `knead set pad_sensor=false`.",
        _GONE,
        "Design: nothing changes by 10 K within 80 ms.",
        _LOOSE,
    ),
    (
        RATE_MISMATCH, "rate_mismatch", "tach against back-EMF",
        "mV", None, None, 0, 1000, CUT,
        "Check motor_ke_uvs, motor_r_mohm and tach_ppr (`knead calibrate`), then the tach and its magnet.",
        _STOPPED,
        "Beyond motor's, winding's and magnet's spread; see docs/faults.md.",
        _RUNNING,
    ),
    (
        LATCHES_LOST, "latches_lost", "record of the latched faults on flash",
        "", None, None, 0, 0, CUT,
        "Faults from before the last start may be lost. Look at `knead log`, then clear it.",
        _ONCE,
        "Both copies are damaged.",
        _AGREED,
    ),
)
# fmt: on

LIMITERS = (
    (LIMIT_CURRENT, "current", "Motor voltage held back to keep the current at current_limit_ma."),
    (LIMIT_HEAT, "heat", "Level taken down step by step because a temperature is above its limit."),
    (LIMIT_BATTERY, "battery", "Level taken down step by step because the supply is low."),
)


_AT = bytearray(64)  # by code: place in FAULTS, from 1; 0 = there is no such code


def index():
    """Note where in FAULTS each code is."""
    for code in range(len(_AT)):
        _AT[code] = 0
    for place in range(len(FAULTS)):
        _AT[FAULTS[place][CODE]] = place + 1


index()


def known(code):
    """Whether a fault has this code."""
    return 0 <= code < len(_AT) and _AT[code] > 0


def row(code):
    """The row of a fault code. Raises ValueError for a code that no fault has."""
    if not known(code):
        raise ValueError(code)
    return FAULTS[_AT[code] - 1]


def code(name):
    """The code of a fault's name; NONE when there is no such fault."""
    for fault in FAULTS:
        if fault[NAME] == name:
            return fault[CODE]
    return NONE


def fault_name(code):
    """Name of a fault code; None for NONE."""
    return row(code)[NAME] if code else None


def ramps(code):
    """Whether a fault lets the motor run down gently."""
    return row(code)[REACTION] is RAMP


def survives(code):
    """Whether a latched fault outlives a reset and a loss of power until it is cleared."""
    return row(code)[SURVIVES] != ""


def limiter_names(bits):
    """Names of the limiter bits that are set."""
    return [limiter[1] for limiter in LIMITERS if limiter[0] & bits]
