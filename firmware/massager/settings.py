"""Settings: the one table of everything a user may change, and the values in force.

Help, documentation, validation and the host's completion come from TABLE through `schema`. A value out of
range is refused, never clamped. `set` changes RAM; `save` is the store's business.
"""

import json

from micropython import const

RAISED = const(1)  # weakens a protection when it is raised (switched on) …
LOWERED = const(8)  # … or lowered (switched off); both: in a way that depends on the rest
WEAKENS = const(9)  # either
LOCAL = const(2)  # a host may take it back to its default, only the device's own buttons may set it
IDLE_ONLY = const(4)  # a session that runs was granted under it, or its motor is driven by it
# What a protection measures by: wrong, every threshold behind it is wrong and nothing else would notice. A
# host's change that weakens wants a press at the device. (A limit that can be raised stays in its own range.)
CONFIRM = const(16)

# name, type, unit, min, max, default, flags, meaning
TABLE = (
    ("min_level", "int", "level", 1, 11, 1, IDLE_ONLY, "Lowest level that can be chosen."),
    ("max_level", "int", "level", 1, 11, 11, RAISED | IDLE_ONLY, "Highest level that can be chosen."),
    ("default_level", "int", "level", 1, 11, 1, 0, "Level that a start by button rises to."),
    (
        "session_limit_s",
        "int",
        "s",
        300,
        900,
        600,
        RAISED | IDLE_ONLY,
        "Longest session; 900 s cannot be exceeded.",
    ),
    ("slew_s", "int", "s", 1, 10, 2, LOWERED, "Least time for a change by one level."),
    ("area_s", "int", "s", 30, 180, 90, 0, "Time after which the cue says: move on."),
    (
        "host_timeout_s",
        "int",
        "s",
        1,
        30,
        3,
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
        RAISED | LOCAL,
        "A host may start sessions. Hold MODE 3 s to change.",
    ),
    (
        "acknowledged",
        "bool",
        "",
        0,
        1,
        0,
        RAISED | LOCAL,
        "Somebody at the device has read the guidance. Hold MODE 3 s.",
    ),
    ("rest_s", "int", "s", 0, 3600, 0, 0, "Rest that is due after a session of full length; 0 = none."),
    ("day_limit_min", "int", "min", 0, 240, 0, 0, "Most motor time a day; 0 = no limit."),
    ("area_limit_min", "int", "min", 0, 120, 0, 0, "Most motor time a day on one area; 0 = no limit."),
    ("buzzer", "bool", "", 0, 1, 1, 0, "Beeps with cues; LED and motor dip remain without."),
    (
        "current_limit_ma",
        "int",
        "mA",
        500,
        2400,
        2000,
        RAISED,
        "Motor current at which the drive holds back.",
    ),
    (
        "battery_cells",
        "int",
        "",
        0,
        4,
        3,
        WEAKENS | CONFIRM | IDLE_ONLY,
        "Li-ion cells in series; 0 = mains adapter, 12 V.",
    ),
    ("motor_r_mohm", "int", "mohm", 200, 20000, 2180, IDLE_ONLY, "Winding resistance at 25 C."),
    ("motor_ke_uvs", "int", "uV*s/rad", 1000, 60000, 11000, IDLE_ONLY, "Back-EMF constant."),
    ("motor_no_load_ma", "int", "mA", 0, 1000, 200, IDLE_ONLY, "Current of the running motor without load."),
    (
        "tach_ppr",
        "int",
        "1/rev",
        0,
        8,
        1,
        IDLE_ONLY,
        "Tach pulses a revolution; 0 = none, the rate is estimated.",
    ),
    (
        "isense_mv_per_a",
        "int",
        "mV/A",
        100,
        5000,
        1120,
        RAISED | CONFIRM | IDLE_ONLY,
        "Gain of the current sense.",
    ),
    (
        "supply_ratio_milli",
        "int",
        "1/1000",
        1000,
        15000,
        5700,
        WEAKENS | CONFIRM | IDLE_ONLY,
        "Divider of the supply sense.",
    ),
    (
        "ntc_beta_k",
        "int",
        "K",
        2500,
        5000,
        3950,
        RAISED | CONFIRM | IDLE_ONLY,
        "Beta of the 10 k thermistors.",
    ),
    (
        "ntc_pullup_ohm",
        "int",
        "ohm",
        1000,
        100000,
        10000,
        RAISED | CONFIRM | IDLE_ONLY,
        "Their pull-up to 3.3 V.",
    ),
    (
        "pad_sensor",
        "bool",
        "",
        0,
        1,
        1,
        LOWERED | CONFIRM | IDLE_ONLY,
        "Watch the pad's thermistor; off: it has none.",
    ),
    (
        "drive_comp_pct",
        "int",
        "%",
        0,
        90,
        70,
        IDLE_ONLY,
        "Share of the winding's drop under load that is given back.",
    ),
    ("drive_kp", "int", "mV/kopm", 0, 10000, 3000, IDLE_ONLY, "Rate loop: proportional gain."),
    ("drive_ki", "int", "mV/s/kopm", 0, 40000, 10000, IDLE_ONLY, "Rate loop: integral gain."),
)

ROWS = {row[0]: row for row in TABLE}

UNKNOWN_MAX = const(32)  # settings of another firmware that are kept,
UNKNOWN_ROOM = const(80)  # and characters of each

OK = const(0)
UNKNOWN = const(1)
WRONG_TYPE = const(2)
OUT_OF_RANGE = const(3)
LOCAL_ONLY = const(4)
CONFLICT = const(5)
BUSY = const(6)


def check(name, value):
    """OK, UNKNOWN, WRONG_TYPE or OUT_OF_RANGE for one value."""
    row = ROWS.get(name)
    if row is None:
        return UNKNOWN
    if row[1] == "bool":
        return OK if isinstance(value, bool) else WRONG_TYPE
    if isinstance(value, bool) or not isinstance(value, int):
        return WRONG_TYPE
    return OK if row[3] <= value <= row[4] else OUT_OF_RANGE


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
    stored record was readable although there was one; emptied by a successful save. `version` counts
    changes, so that users of a value know when to look again.
    """

    def __init__(self):
        self.values = {row[0]: _default(row) for row in TABLE}
        self.saved = dict(self.values)
        self.unknown = {}
        self.rejected = []

    def __getitem__(self, name):
        return self.values[name]

    def load(self, record):
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
        return dropped

    def check_all(self, changes, local=False, motor_on=False):
        """List of (name, error) for a set of changes; empty when all of them can be taken together."""
        errors = []
        for name in changes:
            error = check(name, changes[name])
            if error == OK:
                flags = ROWS[name][6]
                if flags & LOCAL and not local and changes[name] != _default(ROWS[name]):
                    error = LOCAL_ONLY
                elif flags & IDLE_ONLY and motor_on:
                    error = BUSY
            if error:
                errors.append((name, error))
        if not errors:
            merged = dict(self.values)
            merged.update(changes)
            name = conflict(merged)
            if name:
                errors.append((name, CONFLICT))
        return errors

    def weakened(self, changes, flag=WEAKENS):
        """Names of the changes that weaken a protection against what is in force; of settings with `flag`."""
        names = []
        for name in changes:
            flags = ROWS[name][6]
            value = self.values[name]
            if flags & flag and (
                (flags & RAISED and changes[name] > value) or (flags & LOWERED and changes[name] < value)
            ):
                names.append(name)
        return names

    def set(self, changes, local=False, motor_on=False):
        """Change values in RAM, all or none. Returns the errors as `check_all` does."""
        errors = self.check_all(changes, local, motor_on)
        if not errors:
            self.take(changes)
        return errors

    def take(self, changes):
        """Change values in RAM, after `check_all` had nothing against it."""
        self.values.update(changes)

    def record(self, values):
        """What the store writes for `values`: they and the unknown keys that were loaded."""
        record = dict(self.unknown)
        record.update(values)
        return record

    def mark_saved(self, values):
        """Tell that the record of `values` is on flash now."""
        self.saved = dict(values)
        self.rejected = []

    def unsaved(self):
        """Names whose value differs from the saved one, in table order."""
        return [row[0] for row in TABLE if self.values[row[0]] != self.saved[row[0]]]

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
    return bool(row[5]) if row[1] == "bool" else row[5]
