"""Dose: motor time and oscillations by area, of the session and of the day; the rest after a long session.

The ledger has an entry for each session, ENTRIES of them at most (neighbors are merged), and the day's dose
is the sum of the entries that count now: no change of date erases anything. Each entry has the ledger's own
time, which is uptime kept over power cycles and so gives its least age, and, as soon as a clock is
known, the clock's time and local date. With a clock, entries of today's date count, and those of a later date
while they are less than 24 hours old: only a later date begins a new day. Without a clock, the last known day
lasts for 24 hours of uptime. A time ahead of the clock is put back to now, so a wrong date in the future ends
24 hours after its correction; when a clock that runs is set forward, ages are those of the ledger again.

A session is on flash before its motor is armed. If its end is missing there, the next start charges it: by
the motor time that a register of the board still has, or else as planned.
`sample`, `refusals`, `warnings`, `allowance_ms` and `fits` run in the control tick and allocate nothing.
"""

from array import array

from micropython import const

from massager import session as sessions
from massager.areas import INDEX, LABELS
from massager.drive import RATE_LEVEL_1_OPM, RATE_STEP_OPM

SAMPLE_MS = const(40)
GAP_MS = const(100)  # a longer time since the last sample is that of a pause
DAY_S = const(86_400)
LONGEST_DAY_S = const(90_000)  # when summer time ends
SAVE_S = const(3_600)  # how much of the ledger's time a power cut may take away
WARN_PCT = const(80)  # of a limit
MIN_RUN_MS = const(10_000)  # a limit that leaves less is used up: the soft start alone takes some seconds
ENTRIES = const(8)
UNSPECIFIED = "unspecified"

# An entry of the ledger: its end in ledger time and clock time, its local date (both None: not known yet),
# how its motor time is known, and label → [motor ms, oscillations, sessions]
AT = const(0)
UNIX = const(1)
DATE = const(2)
HOW = const(3)
AREAS = const(4)
COUNTED = const(0)
WITHIN_10_S = const(1)
AS_PLANNED = const(2)
CHARGED = ("counted", "within_10_s", "as_planned")


class Dose:
    """areas: label → [motor ms, oscillations, sessions] of the day; total_ms: motor time of all of them;
    charged_ms: the same by how it is known; day: the last date known, as days since 1970, None if never;
    session_ms: motor time of the session so far; begun: what flash has of a session whose end it has not;
    resting: a rest is due; changed: something is to be saved.
    """

    def __init__(self, settings):
        self._settings = settings
        self.areas = {}
        self.total_ms = 0
        self.charged_ms = [0, 0, 0]
        self.day = None
        self.session_ms = 0
        self.begun = None
        self.resting = False
        self.changed = False
        self._entries = []
        self._counting = 0  # bits of the entries that count
        self._now_s = self._kept_s = 0  # the ledger's time, and what of it is on flash
        self._start_s = -1  # its time at power-on: what is older was loaded
        self._up_s = 0
        self._unix_s = self._local_s = None
        self._rest_s = 0
        self._rest_end_s = 0  # in ledger time
        self._rest_unix_s = None  # the same by the clock, which counts for a rest that was loaded
        self._rest_loaded = False
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
        self.session_ms += ms
        part = self._part + rate_opm * ms
        turns = part // 60_000
        self._part = part - turns * 60_000
        self._turns[area] += turns

    def refusals(self, program, run_ms, area):
        """Refusal bits of a session of run_ms on an area, or of a program. A mere timer is always granted."""
        if program and not program.highest:
            return 0
        bits = sessions.REST_DUE if self.resting else 0
        if self._exceeded(program, max(run_ms, MIN_RUN_MS), area, 100):
            bits |= sessions.DOSE_USED_UP
        return bits

    def warnings(self, program, run_ms, area):
        """Warning bits: which limits such a session would use beyond WARN_PCT."""
        if program and not program.highest:
            return 0
        return self._exceeded(program, run_ms, area, WARN_PCT)

    def allowance_ms(self, run_ms):
        """Part of run_ms that the day's limit leaves; MIN_RUN_MS, which is refused, if it leaves less."""
        limit_ms = self._settings["day_limit_min"] * 60_000
        return min(run_ms, max(limit_ms - self.total_ms, MIN_RUN_MS)) if limit_ms else run_ms

    def fits(self, program, first, last):
        """Whether the limits leave room for the program from stage `first` on, after what the session did.

        last: the stage that runs; time is added to stages first…last.
        """
        if not program.highest:
            return True
        limit_ms = self._settings["day_limit_min"] * 60_000
        if limit_ms and self.total_ms + self.session_ms + program.motor_ms(first) > limit_ms:
            return False
        limit_ms = self._settings["area_limit_min"] * 60_000
        for stage in range(first, last + 1 if limit_ms else first):
            area = program.area(stage)
            if area and self._area_ms(area) + self._ms[area] + program.motor_ms(first, area) > limit_ms:
                return False
        return True

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

    # -- a session ----------------------------------------------------------------------------------

    def begin(self, session, after):
        """Put up the plan of a session whose motor is about to start: what it did, and what is to come.

        after: number of the journal's newest record; one of the session itself will have a higher number.
        """
        program = session.play.program
        if program:
            parts = []
            for area in [part[0] for part in program.areas] + [0]:
                ms = self._ms[area] + program.motor_ms(session.play.stage, area)
                if ms:
                    parts.append([LABELS[area], ms])
            level = (program.lowest + program.highest) // 2 + session.play.shift
        else:
            parts = [[LABELS[session.play.area], session.run_ms]]
            level = session.level
        self.begun = {
            "after": after,
            "unix_s": self._unix_s,
            "local_s": self._local_s,
            "parts": parts,
            "level": level,
            "run_s": session.run_ms // 1000,
            "origin": sessions.ORIGINS[session.origin],
            "program": program.name if program else None,
            "shift": session.play.shift,
        }

    def outgrow(self):
        """The session gets longer than its plan: the plan is put up again before the motor is."""
        if self.begun:
            self.begun = None
            self.changed = True

    def close(self, ran_ms):
        """A session is over: label → [motor ms, oscillations] of it. It counts to the day from here."""
        found = {}
        for i in range(len(LABELS)):
            if self._ms[i]:
                found[LABELS[i] or UNSPECIFIED] = [self._ms[i], self._turns[i]]
            self._ms[i] = self._turns[i] = 0
        self.session_ms = 0
        self.outgrow()
        if found:
            self._charge(found, COUNTED, ran_ms)
        return found

    def settle(self, counted_ms, recorded):
        """Charge the session that had begun when the device restarted; returns its record for the journal.

        counted_ms: its motor time as the board knows it, or None; recorded: its record in the journal, or
        None. Returns None when it has a record.
        """
        begun = self._take_begun()
        self.changed = True
        if recorded:
            areas = _recorded(recorded.get("areas"))
            how = CHARGED.index(recorded["charged"]) if recorded.get("charged") in CHARGED else COUNTED
        else:
            how = AS_PLANNED if counted_ms is None else WITHIN_10_S
            areas = _shares(
                begun["parts"], counted_ms, RATE_LEVEL_1_OPM + RATE_STEP_OPM * (begun["level"] - 1)
            )
        ran_ms = sum(part[0] for part in areas.values())
        unix_s, local_s = begun["unix_s"], begun["local_s"]
        date = None
        if local_s is not None:
            unix_s += ran_ms // 1000
            date = (local_s + ran_ms // 1000) // DAY_S
        if areas:
            self._charge(areas, how, ran_ms, unix_s, date)
        if recorded:
            return None
        return {
            "origin": begun["origin"],
            "level": begun["level"],
            "run_s": begun["run_s"],
            "ran_ms": ran_ms,
            "reason": sessions.reason_name(sessions.INTERRUPTED),
            "fault": None,
            "limiters": [],
            "program": begun["program"],
            "shift": begun["shift"],
            "day": date,
            "areas": areas,
            "charged": CHARGED[how],
        }

    def _take_begun(self):
        begun, self.begun = self.begun, None
        return begun

    def _charge(self, areas, how, ran_ms, unix_s=None, date=None):
        if ran_ms >= self._settings["session_limit_s"] * 1000:
            self._begin_rest(
                self._settings["rest_s"], None if unix_s is None else unix_s + self._settings["rest_s"]
            )
            self._rest_loaded = unix_s is not None
        counted = {label: [areas[label][0], areas[label][1], 1] for label in areas}
        self._entries.append([self._now_s, unix_s, date, how, counted])
        self.changed = True
        self._review()
        if len(self._entries) > ENTRIES:
            self._shrink()
            self._review()
        self._sum()

    # -- time ---------------------------------------------------------------------------------------

    def second(self, up_s, local_s, offset_s=0):
        """Once a second of uptime: what counts now, and is the rest over?

        local_s: local time since 1970, None without a clock; offset_s: its distance from UTC.
        """
        passed_s = up_s - self._up_s
        self._up_s = up_s
        if passed_s > 0:
            self._now_s += passed_s
        unix_s = None if local_s is None else local_s - offset_s
        if unix_s is not None and self._unix_s is not None and unix_s - self._unix_s - passed_s > SAVE_S:
            for entry in self._entries:  # one of the two clocks was wrong: ages are those of the ledger again
                entry[UNIX] = None
            self._rest_unix_s = None
        self._local_s = local_s
        self._unix_s = unix_s
        if local_s is not None and self.day != local_s // DAY_S:
            self.day = local_s // DAY_S
            self.changed = True
        before = self._counting
        self._review()
        if self._counting != before:
            self._sum()
        if (self._entries or self.resting) and self._now_s - self._kept_s >= SAVE_S:
            self.changed = True

    def _review(self):
        """Date what has no date, find out what counts, drop what never will."""
        unix_s = self._unix_s
        today = self.day
        counting = 0
        bit = 1
        stale = None
        for entry in self._entries:
            age_s = up_s = self._now_s - entry[AT]
            if unix_s is not None:
                if entry[DATE] is None:
                    entry[DATE] = (self._local_s - age_s) // DAY_S
                    self.changed = True
                if entry[UNIX] is None or entry[UNIX] > unix_s - age_s:
                    if entry[UNIX] is None or entry[UNIX] > unix_s - age_s + SAVE_S:
                        self.changed = True
                    entry[UNIX] = unix_s - age_s
                elif entry[AT] <= self._start_s:
                    age_s = unix_s - entry[UNIX]  # with the time that the power was off
            date = entry[DATE]
            recent = age_s < DAY_S or (date == today and unix_s is not None and up_s < LONGEST_DAY_S)
            if recent and (date is None or today is None or date >= today):
                counting |= bit
            elif up_s >= LONGEST_DAY_S:
                stale = entry
            bit <<= 1
        self._counting = counting
        self._tend_rest()
        if stale:
            self._entries.remove(stale)
            self.changed = True
            self._review()

    def _sum(self):
        """Add up what counts."""
        areas: dict = {}
        self.charged_ms = [0, 0, 0]
        for i in range(len(self._entries)):
            if self._counting >> i & 1:
                entry = self._entries[i]
                _add(areas, entry[AREAS])
                self.charged_ms[entry[HOW]] += sum(part[0] for part in entry[AREAS].values())
        self.areas = areas
        self.total_ms = sum(self.charged_ms)

    def _shrink(self):
        """Merge the two neighbors of one date that are nearest in time.

        If no two have the same date, the oldest entry goes if it does not count, and is merged if it does.
        """
        entries = self._entries
        best = gap_s = None
        for i in range(len(entries) - 1):
            here, following = entries[i], entries[i + 1]
            if here[DATE] == following[DATE]:
                apart_s = following[AT] - here[AT] + (DAY_S if here[HOW] != following[HOW] else 0)
                if gap_s is None or apart_s < gap_s:
                    best, gap_s = i, apart_s
        if best is None and not self._counting & 1:
            entries.pop(0)
            return
        gone = entries.pop(best or 0)
        kept = entries[best or 0]
        kept[HOW] = max(kept[HOW], gone[HOW])
        _add(kept[AREAS], gone[AREAS])

    # -- rest ---------------------------------------------------------------------------------------

    def rest_left_s(self):
        """Seconds until the rest is over, 0 when none is due."""
        return self._rest_s if self.resting else 0

    def _begin_rest(self, rest_s, unix_s=None):
        self._rest_s = rest_s
        self._rest_end_s = self._now_s + rest_s
        self._rest_unix_s = unix_s
        self._rest_loaded = False
        self.resting = rest_s > 0

    def _tend_rest(self):
        if not self.resting:
            return
        left_s = self._rest_end_s - self._now_s
        if self._unix_s is not None:
            end_s = self._unix_s + left_s
            if self._rest_unix_s is None or self._rest_unix_s > end_s:
                self._rest_unix_s = end_s
            elif self._rest_loaded:
                left_s = self._rest_unix_s - self._unix_s
        self._rest_s = left_s
        self.resting = left_s > 0

    # -- on flash -----------------------------------------------------------------------------------

    def record(self):
        """What the store keeps."""
        self._kept_s = self._now_s
        return {
            "now_s": self._now_s,
            "day": self.day,
            "ledger": self._entries,
            "rest_s": self.rest_left_s(),
            "rest_unix_s": self._rest_unix_s if self.resting else None,
            "begun": self.begun,
        }

    def load(self, record):
        """Take over what `record` gave at an earlier start; what makes no sense counts as none."""
        day, begun = record.get("day"), record.get("begun")
        self.day = day if _is_count(day) else None
        self._now_s = _number(record.get("now_s", record.get("aged_s")))
        self._start_s = self._kept_s = self._now_s
        ledger = record.get("ledger")
        if ledger is None:  # of a firmware that kept a single day
            ledger = [[0, None, self.day, COUNTED, record.get("areas")]]
        for entry in ledger[-ENTRIES:] if isinstance(ledger, list) else ():
            entry = self._sound(entry)
            if entry:
                self._entries.append(entry)
        self._review()
        self._sum()
        until_s = record.get("rest_unix_s")
        rest_s = min(_number(record.get("rest_s")), self._settings["rest_s"])
        self._begin_rest(rest_s, until_s if _is_count(until_s) else None)
        self._rest_loaded = True
        self.begun = begun if _is_plan(begun) else None
        self.changed = False

    def _sound(self, entry):
        """An entry as it was on flash, None when it makes no sense."""
        if not isinstance(entry, list) or len(entry) != 5 or not isinstance(entry[AREAS], dict):
            return None
        at_s, unix_s, date, how, areas = entry
        found = {}
        for label in areas:
            part = areas[label]
            if isinstance(part, list) and len(part) == 3 and (label in INDEX or label == UNSPECIFIED):
                found[label] = [_number(value) for value in part]
        if not found or how not in (COUNTED, WITHIN_10_S, AS_PLANNED):
            return None
        date = date if _is_count(date) and self.day is not None else None
        return [min(_number(at_s), self._now_s), unix_s if _is_count(unix_s) else None, date, how, found]


def _shares(parts, counted_ms, opm):
    """label → [motor ms, oscillations] of the parts of a plan, of the first counted_ms or of all of it."""
    areas: dict = {}
    for i in range(len(parts)):
        label, ms = parts[i]
        if counted_ms is not None:  # stages that were repeated count to the last part
            ms = counted_ms if i == len(parts) - 1 else min(ms, counted_ms)
            counted_ms -= ms
        if ms:
            areas[label or UNSPECIFIED] = [ms, opm * ms // 60_000]
    return areas


def _recorded(areas):
    """The areas of a session's record, without what makes no sense."""
    found = areas if isinstance(areas, dict) else {}
    return {
        label: found[label]
        for label in found
        if isinstance(found[label], list) and len(found[label]) == 2 and all(map(_is_count, found[label]))
    }


def _add(areas, more):
    for label in more:
        entry = areas.setdefault(label, [0, 0, 0])
        for i in range(3):
            entry[i] += more[label][i]


def _is_count(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value):
    return value if _is_count(value) else 0


def _is_plan(begun):
    """Whether this is what `begin` makes."""
    if not isinstance(begun, dict):
        return False
    parts, level = begun.get("parts"), begun.get("level")
    dated = begun.get("local_s") is not None
    numbers = ["after", "run_s"] + (["unix_s", "local_s"] if dated else [])
    return (
        all(_is_count(begun.get(name)) for name in numbers)
        and all(name in begun for name in ("unix_s", "local_s", "origin", "program", "shift"))
        and _is_count(level)
        and begun["level"] <= 11
        and isinstance(parts, list)
        and 0 < len(parts) <= len(LABELS)
        and all(isinstance(p, list) and len(p) == 2 and p[0] in INDEX and _is_count(p[1]) for p in parts)
    )
