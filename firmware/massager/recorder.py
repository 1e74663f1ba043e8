"""Recorder: what is worth a record, kept in numbers until the motor is off and the journal may write.

`sample` runs in the control tick and allocates nothing; the rest runs between ticks. `flush` writes one
record at a time, and only while no session is under way: flash is written with interrupts off.
"""

from array import array

from micropython import const

from massager import faults
from massager import session as sessions
from massager.sense import INVALID

# Measured in turn, one every fourth tick: each every 280 ms.
QUANTITIES = ("rate_opm", "current_ma", "supply_mv", "motor_dc", "driver_dc", "handle_dc", "pad_dc")
_N = const(7)
_FIRST_TEMPERATURE = const(3)
_MASK = const(0x3FFFFFFF)
REPEAT_MS = const(60_000)  # the same refusal again within this time is no news, nor is another clock
CLOCKS_MAX = const(10)
NOTES_MAX = const(8)  # notes that wait for the motor to be off; later ones are lost, and counted


class Recorder:
    """Watches session and safety; `lost` counts records that came too fast to be written.

    kept: codes of the faults that were latched before this start; their records say so.
    """

    def __init__(self, journal, session, safety, sense, dose):
        self._journal = journal
        self._dose = dose
        self._areas = {}  # of the session that is over
        self._session = session
        self._safety = safety
        self._sense = sense
        self._turn = 0
        self._ended = 0
        self._limiters = self._limiters_done = 0
        self._refused_before = 0
        self._refused_ms = -REPEAT_MS
        self._clock_ms = None  # since when clock records are counted
        self._clocks = 0
        self._stats = self._fresh()
        self._done = self._fresh()  # of the session that is over
        self._session_due = False
        self._fault = array("i", [0] * 6)  # code, state, level, rate, current, supply
        self._fault_due = False
        self._ended_by = faults.NONE  # the fault that ended the session that is over
        self.kept = []
        self._extra = []  # (kind, values) from between the ticks
        self.lost = 0

    def _fresh(self):
        """Lowest, sum, highest and count of each quantity."""
        return tuple(array("i", [0] * _N) for _ in range(4))

    # -- in the tick --------------------------------------------------------------------------------

    def sample(self):
        """Take one value of this tick; only while the motor is driven."""
        turn = self._turn
        self._turn = turn + 1 if turn < _N - 1 else 0
        sense = self._sense
        if turn == 0:
            value = sense.rate_opm
        elif turn == 1:
            value = sense.current_ma
        elif turn == 2:
            value = sense.supply_mv
        else:
            value = sense.temperatures_dc[turn - _FIRST_TEMPERATURE]
            if value == INVALID:
                return
        low, total, high, count = self._stats
        n = count[turn]
        if not n or value < low[turn]:
            low[turn] = value
        if not n or value > high[turn]:
            high[turn] = value
        total[turn] += value
        count[turn] = n + 1

    def take_fault(self):
        """A fault was latched in this tick, and nothing has reacted to it yet."""
        kept = self._fault
        kept[0] = self._safety.fault
        kept[1] = self._session.state
        kept[2] = self._session.level
        kept[3] = self._sense.rate_opm
        kept[4] = self._sense.current_ma
        kept[5] = self._sense.supply_mv
        if self._fault_due:
            self.lost += 1
        self._fault_due = True

    # -- between the ticks --------------------------------------------------------------------------

    def watch(self):
        """Notice the end of a session. Before anything can start the next one."""
        session = self._session
        self._limiters |= self._safety.limiters
        if session.ended != self._ended:
            self._ended = session.ended
            if self._session_due:
                self.lost += 1
            self._session_due = True
            self._stats, self._done = self._done, self._stats
            self._areas = self._dose.close(session.ran_ms)
            self._limiters_done = self._limiters
            self._ended_by = self._fault[0]
            self._limiters = 0
            self._clear()

    def _clear(self):
        for part in self._stats:
            for i in range(_N):
                part[i] = 0

    def note(self, kind, values):
        """A record that is made up outside the tick; written when its turn comes."""
        if len(self._extra) < NOTES_MAX:
            self._extra.append((kind, values))
        else:
            self.lost += 1

    def note_clock(self, was, now_ms):
        """The clock was set to another time: at most CLOCKS_MAX records in REPEAT_MS."""
        if self._clock_ms is None or (now_ms - self._clock_ms) & _MASK >= REPEAT_MS:
            self._clock_ms = now_ms
            self._clocks = 0
        if self._clocks < CLOCKS_MAX:
            self._clocks += 1
            self.note("clock", {"was": was})

    def noted(self):
        """Whether a record that `note` was given still waits."""
        return len(self._extra) > 0

    def flush(self, now_ms, unix_s):
        """Write the next record that waits; False when there is none. StoreError: it waits on."""
        found = self._next(now_ms)
        if found is None:
            return False
        kind, values = found
        if self.lost:
            values["lost"] = self.lost
        self._journal.append(kind, values, now_ms, unix_s)
        self.lost = 0
        self._taken(kind)
        return True

    def _next(self, now_ms):
        if self._extra:
            return self._extra[0]
        cleared = self._safety.cleared
        if self._fault_due and cleared in (faults.NONE, self._fault[0]):
            return "fault", self._fault_record()
        if self._session_due:
            return "session", self._session_record()
        if cleared:
            return "clear", {"fault": faults.fault_name(cleared)}
        if self._session.refused:
            return self._refusal(now_ms)
        return None

    def _taken(self, kind):
        if self._extra:
            self._extra.pop(0)
        elif kind == "fault":
            self._fault_due = False
        elif kind == "session":
            self._session_due = False
        elif kind == "clear":
            if self._safety.cleared in self.kept:
                self.kept.remove(self._safety.cleared)
            self._safety.cleared = faults.NONE
        else:
            self._session.refused = 0

    def _fault_record(self):
        code, state, level, rate, current, supply = self._fault
        record = {
            "fault": faults.fault_name(code),
            "state": sessions.STATES[state][1],
            "level": level,
            "rate_opm": rate,
            "current_ma": current,
            "supply_mv": supply,
        }
        if code in self.kept:
            record["kept"] = True  # latched before this start
        return record

    def _session_record(self):
        session = self._session
        play = session.play
        reason = session.reason
        record = {
            "origin": sessions.ORIGINS[session.started_by],
            "level": session.top_level,
            "run_s": session.run_ms // 1000,
            "ran_ms": session.ran_ms,
            "reason": sessions.reason_name(reason),
            "fault": faults.fault_name(self._ended_by) if reason == sessions.FAULT else None,
            "limiters": faults.limiter_names(self._limiters_done),
            "program": play.program.name if play.program else None,
            "shift": play.shift,
            "day": self._dose.day,
            "areas": self._areas,
            "charged": "counted",
        }
        low, total, high, count = self._done
        for i in range(_N):
            n = count[i]
            record[QUANTITIES[i]] = [low[i], (total[i] + n // 2) // n, high[i]] if n else None
        return record

    def _refusal(self, now_ms):
        session = self._session
        bits = session.refused
        if bits == self._refused_before and 0 <= now_ms - self._refused_ms < REPEAT_MS:
            session.refused = 0
            return None
        self._refused_before = bits
        self._refused_ms = now_ms
        names = [row[1] for row in sessions.refusal_rows(bits)]
        return "refusal", {"origin": sessions.ORIGINS[session.refused_to], "refusals": names}
