"""Settings: the one table of everything a user may change, and the values in force.

Help, documentation, validation and the host's completion come from TABLE through `schema`. A value out of
range is refused, never clamped. `set` changes RAM; `save` is the store's business.
"""

import json

from micropython import const

from massager.authority import BUTTONS, FREE, IDLE, IDLE_REMOTE, PRESS

# which change of a setting weakens a protection; the authority for that is PRESS, whatever the row's own is
NEVER = const(0)
RAISED = const(1)
LOWERED = const(2)
EITHER = const(3)  # in a way that depends on the rest
LIMIT = const(4)  # raised, or taken away by 0

# The columns of TABLE.
NAME = const(0)
TYPE = const(1)
UNIT = const(2)
LEAST = const(3)
MOST = const(4)
DEFAULT = const(5)
AUTHORITY = const(6)
WEAKENS = const(7)
MEANING = const(8)

# A host alone may lengthen rests and tighten the limits of the dose, which only holds back. PRESS in both
# directions: what a protection measures by, and what the rate of a level depends on; wrong, nothing notices.
TABLE: tuple = (
    ("min_level", "int", "level", 1, 11, 1, IDLE_REMOTE, RAISED, "Lowest level that can be chosen."),
    ("max_level", "int", "level", 1, 11, 11, IDLE_REMOTE, RAISED, "Highest level that can be chosen."),
    ("default_level", "int", "level", 1, 11, 1, IDLE_REMOTE, NEVER, "Level that a start by button rises to."),
    (
        "session_limit_s",
        "int",
        "s",
        300,
        900,
        600,
        IDLE_REMOTE,
        RAISED,
        "Longest session; 900 s cannot be exceeded.",
    ),
    ("slew_s", "int", "s", 1, 10, 2, IDLE_REMOTE, LOWERED, "Least time for a change by one level."),
    ("area_s", "int", "s", 30, 180, 90, FREE, NEVER, "Time after which the cue says: move on."),
    (
        "host_timeout_s",
        "int",
        "s",
        1,
        30,
        3,
        IDLE,
        RAISED,
        "A remote session ends after this silence of the host.",
    ),
    (
        "remote_start",
        "bool",
        "",
        0,
        1,
        0,
        BUTTONS,
        RAISED,
        "A host may start sessions. Hold MODE 3 s to change.",
    ),
    (
        "acknowledged",
        "bool",
        "",
        0,
        1,
        0,
        BUTTONS,
        RAISED,
        "The guidance has been read at the device. Hold MODE 3 s.",
    ),
    (
        "rest_s",
        "int",
        "s",
        0,
        3600,
        0,
        IDLE,
        LOWERED,
        "Rest that is due after a session of full length; 0 = none.",
    ),
    ("day_limit_min", "int", "min", 0, 240, 0, IDLE, LIMIT, "Most motor time a day; 0 = no limit."),
    (
        "area_limit_min",
        "int",
        "min",
        0,
        120,
        0,
        IDLE,
        LIMIT,
        "Most motor time a day on one area; 0 = no limit.",
    ),
    ("buzzer", "bool", "", 0, 1, 1, FREE, NEVER, "Beeps with cues; LED and motor dip remain without."),
    (
        "current_limit_ma",
        "int",
        "mA",
        500,
        2400,
        2000,
        PRESS,
        RAISED,
        "Motor current at which the drive holds back.",
    ),
    ("battery_cells", "int", "", 0, 4, 3, PRESS, EITHER, "Li-ion cells in series; 0 = mains adapter, 12 V."),
    ("motor_r_mohm", "int", "mohm", 200, 20000, 2180, PRESS, EITHER, "Winding resistance at 25 C."),
    ("motor_ke_uvs", "int", "uV*s/rad", 1000, 60000, 11000, PRESS, EITHER, "Back-EMF constant."),
    (
        "motor_no_load_ma",
        "int",
        "mA",
        0,
        1000,
        200,
        PRESS,
        EITHER,
        "Current of the running motor without load.",
    ),
    (
        "tach_ppr",
        "int",
        "1/rev",
        0,
        8,
        1,
        PRESS,
        EITHER,
        "Tach pulses a revolution; 0 = none, the rate is estimated.",
    ),
    ("isense_mv_per_a", "int", "mV/A", 100, 5000, 1120, PRESS, RAISED, "Gain of the current sense."),
    ("supply_ratio_milli", "int", "1/1000", 1000, 15000, 5700, PRESS, EITHER, "Divider of the supply sense."),
    ("ntc_beta_k", "int", "K", 2500, 5000, 3950, PRESS, RAISED, "Beta of the 10 k thermistors."),
    ("ntc_pullup_ohm", "int", "ohm", 1000, 100000, 10000, PRESS, RAISED, "Their pull-up to 3.3 V."),
    ("pad_sensor", "bool", "", 0, 1, 1, PRESS, EITHER, "Watch the pad's thermistor; off: it has none."),
    (
        "drive_comp_pct",
        "int",
        "%",
        0,
        90,
        70,
        PRESS,
        EITHER,
        "Share of the winding's drop under load that is given back.",
    ),
    ("drive_kp", "int", "mV/kopm", 0, 10000, 3000, PRESS, EITHER, "Rate loop: proportional gain."),
    ("drive_ki", "int", "mV/s/kopm", 0, 40000, 10000, PRESS, EITHER, "Rate loop: integral gain."),
)

ROWS = {row[NAME]: row for row in TABLE}

UNKNOWN_MAX = const(32)  # settings of another firmware that are kept,
UNKNOWN_ROOM = const(80)  # and characters of each

OK = const(0)
UNKNOWN = const(1)
WRONG_TYPE = const(2)
OUT_OF_RANGE = const(3)
CONFLICT = const(4)


def check(name, value):
    """OK, UNKNOWN, WRONG_TYPE or OUT_OF_RANGE for one value."""
    row = ROWS.get(name)
    if row is None:
        return UNKNOWN
    if row[TYPE] == "bool":
        return OK if isinstance(value, bool) else WRONG_TYPE
    if isinstance(value, bool) or not isinstance(value, int):
        return WRONG_TYPE
    return OK if row[LEAST] <= value <= row[MOST] else OUT_OF_RANGE


def conflict(values):
    """Name of the first setting that contradicts another one; None when all agree."""
    if values["min_level"] > values["max_level"]:
        return "min_level"
    if not values["min_level"] <= values["default_level"] <= values["max_level"]:
        return "default_level"
    return None


class Settings:
    """Values in force, as attributes-by-name in `values`, with what is saved and what was rejected.

    rejected: names whose stored value was not valid (the default is in force), or ["record"] when no
    stored record was readable although there was one; emptied by a successful save.
    invalid: what is in force is not what was saved, until a host saves it: no session starts.
    """

    def __init__(self):
        self.values = {row[NAME]: _default(row) for row in TABLE}
        self.saved = dict(self.values)
        self.unknown = {}
        self.rejected = []
        self.invalid = False

    def __getitem__(self, name):
        return self.values[name]

    def load(self, record, damaged=False):
        """Take a stored record over: valid known keys count, unknown ones stay, missing ones get defaults.

        Returns how many unknown ones could not stay.
        """
        dropped = 0
        for name in record:
            value = record[name]
            error = check(name, value)
            if error == OK:
                self.values[name] = value
            elif error == UNKNOWN and _can_stay(name, value) and len(self.unknown) < UNKNOWN_MAX:
                self.unknown[name] = value
            elif error == UNKNOWN:
                dropped += 1
            else:
                self.rejected.append(name)
        name = conflict(self.values)
        if name:
            self.rejected.append(name)
            for name in ("min_level", "default_level", "max_level"):
                self.values[name] = _default(ROWS[name])
        self.saved = dict(self.values)
        self.invalid = damaged or bool(self.rejected)
        return dropped

    def check_all(self, changes):
        """List of (name, error) for a set of changes; empty when all of them make sense together."""
        errors = [(name, check(name, changes[name])) for name in changes]
        errors = [error for error in errors if error[1]]
        if not errors:
            merged = dict(self.values)
            merged.update(changes)
            name = conflict(merged)
            if name:
                errors.append((name, CONFLICT))
        return errors

    def authority(self, name, value):
        """What a host needs to set a valid value; FREE for the one in force, PRESS to weaken a protection."""
        row = ROWS[name]
        before = self.values[name]
        if value == before:
            return FREE
        if row[AUTHORITY] == BUTTONS:
            return FREE if value == _default(row) else BUTTONS
        return PRESS if _weakens(row[WEAKENS], before, value) else row[AUTHORITY]

    def take(self, changes):
        """Change values in RAM; they have been checked."""
        self.values.update(changes)

    def record(self, values):
        """What the store writes for `values`: they and the unknown keys that were loaded."""
        record = dict(self.unknown)
        record.update(values)
        return record

    def mark_saved(self, values):
        """Note that the record of `values` is on flash now."""
        self.saved = dict(values)
        self.rejected = []
        self.invalid = False

    def unsaved(self):
        """Names whose value differs from the saved one, in table order."""
        return [row[NAME] for row in TABLE if self.values[row[NAME]] != self.saved[row[NAME]]]

    def defaults(self, names=None):
        """Defaults of the named settings (all when None) as a dict of changes."""
        return {name: _default(ROWS[name]) for name in (ROWS if names is None else names)}


def _can_stay(name, value):
    """Whether a setting of another firmware is small, and can be written as it was read."""
    try:
        text = json.dumps(value)
        return len(name) + len(text) <= UNKNOWN_ROOM and json.loads(text) == value
    except (ValueError, RuntimeError):  # an infinite number; nested too deep
        return False


def _default(row):
    return bool(row[DEFAULT]) if row[TYPE] == "bool" else row[DEFAULT]


def _weakens(when, before, after):
    if when == LIMIT:
        return before and (not after or after > before)
    return after > before if when == RAISED else after < before if when == LOWERED else when == EITHER
