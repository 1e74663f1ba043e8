"""Dose: motor time and oscillations by area, of the session and of the day; the rest after a long session.

`sample` runs in the control tick and allocates nothing; the rest runs between ticks. The day is the host's
local one, known only once a host has set the clock. Until then the day before goes on, for 24 hours of uptime
at most: a limit that somebody has set is not escaped by pulling the plug.
"""

from array import array

from micropython import const

from massager import session as sessions
from massager.areas import INDEX, LABELS

SAMPLE_MS = const(40)
GAP_MS = const(100)  # a longer time since the last sample is that of a pause
DAY_S = const(86_400)
WARN_PCT = const(80)  # of a limit
UNSPECIFIED = "unspecified"
MOST = const(0x3FFFFFFF)  # of any number that is read from flash


class Dose:
    """areas: label → [motor ms, oscillations, sessions] of the day; day: its number since 1970, None if never
    known; total_ms: motor time of all of them; resting: a rest is due; changed: something is to be saved.
    """

    def __init__(self, settings):
        self._settings = settings
        self.areas = {}
        self.day = None
        self.resting = False
        self.changed = False
        self.total_ms = 0
        self._undated = {}  # what of it was done since the start, while no clock was set
        self._dated = False
        self._aged_s = 0  # age of the day while no clock tells it
        self._up_s = 0
        self._rest_s = 0
        self._rest_until = None  # local time at which the rest is over, if a clock was set
        self._ms = array("i", [0] * len(LABELS))
        self._turns = array("i", [0] * len(LABELS))
        self._at_ms = self._part = 0

    # -- in the tick --------------------------------------------------------------------------------

    def sample(self, area, elapsed_ms, rate_opm):
        """Count the time since the last sample for an area, by number; only while the motor is driven."""
        ms = elapsed_ms - self._at_ms
        self._at_ms = elapsed_ms
        if not 0 < ms <= GAP_MS:
            ms = SAMPLE_MS
        self._ms[area] += ms
        part = self._part + rate_opm * ms
        turns = part // 60_000
        self._part = part - turns * 60_000
        self._turns[area] += turns

    def refusals(self, program, run_ms, area):
        """Refusal bits of a session of run_ms on an area, or of a program. A mere timer is always granted."""
        if program and not program.highest:
            return 0
        bits = sessions.REST_DUE if self.resting else 0
        if self._exceeded(program, run_ms or 1, area, 100):
            bits |= sessions.DOSE_USED_UP
        return bits

    def warnings(self, program, run_ms, area):
        """Warning bits: which limits such a session would use beyond WARN_PCT."""
        if program and not program.highest:
            return 0
        return self._exceeded(program, run_ms, area, WARN_PCT)

    def allowance_ms(self, run_ms):
        """What the day's limit leaves of a session of run_ms; run_ms itself when it leaves nothing."""
        limit_ms = self._settings["day_limit_min"] * 60_000
        left_ms = limit_ms - self.total_ms
        return left_ms if limit_ms and 0 < left_ms < run_ms else run_ms

    def _exceeded(self, program, run_ms, area, pct):
        bits = 0
        limit_ms = self._settings["day_limit_min"] * (600 * pct)
        motor_ms = program.motor_s * 1000 if program else run_ms
        if limit_ms and self.total_ms + motor_ms > limit_ms:
            bits = sessions.DAY_LIMIT
        limit_ms = self._settings["area_limit_min"] * (600 * pct)
        if not limit_ms:
            return bits
        if program:
            for part in program.areas:
                if self._area_ms(part[0]) + part[1] * 1000 > limit_ms:
                    bits |= sessions.AREA_LIMIT
        elif area and self._area_ms(area) + run_ms > limit_ms:
            bits |= sessions.AREA_LIMIT
        return bits

    def _area_ms(self, area):
        entry = self.areas.get(LABELS[area])
        return entry[0] if entry and area else 0

    # -- between the ticks --------------------------------------------------------------------------

    def close(self, ran_ms):
        """A session is over: label → [motor ms, oscillations] of it. It counts to the day from here."""
        found = {}
        for i in range(len(LABELS)):
            ms = self._ms[i]
            if ms:
                label = LABELS[i] or UNSPECIFIED
                found[label] = [ms, self._turns[i]]
                _add(self.areas, label, ms, self._turns[i])
                if not self._dated:
                    _add(self._undated, label, ms, self._turns[i])
                self.total_ms += ms
            self._ms[i] = self._turns[i] = 0
        if found:
            self.changed = True
            if ran_ms >= self._settings["session_limit_s"] * 1000:
                self._rest_s = self._settings["rest_s"]
                self.resting = self._rest_s > 0
                self._rest_until = None
        return found

    def second(self, up_s, local_s):
        """Once a second of uptime: is the day over, the rest? local_s: since 1970, None without a clock."""
        if self.resting:
            self._rest_s -= up_s - self._up_s
            if local_s is not None:
                if self._rest_until is None:
                    self._rest_until = local_s + self._rest_s
                self._rest_s = min(self._rest_s, self._rest_until - local_s)
            self.resting = self._rest_s > 0
        self._aged_s += up_s - self._up_s
        self._up_s = up_s
        if local_s is not None:
            day = local_s // DAY_S
            if self.day is not None and day != self.day:
                self._begin_day(self._undated)
            self._undated = {}
            self._dated = True
            self._aged_s = 0
            self.day = day
        elif self._aged_s >= DAY_S:
            self._begin_day({})
            self._aged_s = 0

    def rest_left_s(self):
        """Seconds until the rest is over, 0 when none is due."""
        return self._rest_s if self.resting else 0

    def _begin_day(self, areas):
        self.areas = areas
        self.total_ms = sum(entry[0] for entry in areas.values())
        self.changed = True

    def record(self):
        """What the store keeps."""
        return {
            "day": self.day,
            "aged_s": self._aged_s,
            "areas": self.areas,
            "rest_s": self.rest_left_s(),
            "rest_until": self._rest_until if self.resting else None,
        }

    def load(self, record):
        """Take over what `record` gave at an earlier start; what makes no sense counts as none."""
        day, until = record.get("day"), record.get("rest_until")
        self.day = day if isinstance(day, int) and 0 <= day <= MOST else None
        self._aged_s = _number(record.get("aged_s"))
        self._rest_s = min(_number(record.get("rest_s")), self._settings["rest_s"])
        self.resting = self._rest_s > 0
        self._rest_until = until if isinstance(until, int) and 0 <= until < 1 << 33 else None
        areas = record.get("areas")
        for label in areas if isinstance(areas, dict) else ():
            entry = areas[label]
            if isinstance(entry, list) and len(entry) == 3 and (label in INDEX or label == UNSPECIFIED):
                self.areas[label] = [_number(value) for value in entry]
        self.total_ms = sum(entry[0] for entry in self.areas.values())


def _add(areas, label, ms, turns):
    entry = areas.setdefault(label, [0, 0, 0])
    entry[0] += ms
    entry[1] += turns
    entry[2] += 1


def _number(value):
    return value if isinstance(value, int) and 0 < value <= MOST else 0
