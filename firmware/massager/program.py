"""Program: a named list of stages, checked, and the level it asks for at any moment.

Time is reckoned in tenths of a second and levels in thousandths, so that everything in the tick is a small
integer. What a person feels is the target after the drive's slew.

A stage is a list: [name, seconds, pattern, a, b, period_s, area, cue].
"""

from array import array

from micropython import const

from massager import cues
from massager.areas import INDEX, LABELS
from massager.drive import LEVELS

STAGES_MAX = const(24)
NAME_MAX = const(24)
TOTAL_MAX_S = const(900)  # no session is longer
PERIOD_MIN_S = const(2)
DAMAGED = (None, "file", "damaged")
FIELDS = ("name", "seconds", "pattern", "a", "b", "period_s", "area", "cue")

STEADY = const(0)
RAMP = const(1)
WAVE = const(2)
PULSE = const(3)
OFF = const(4)

# value, name, meaning
PATTERNS = (
    (STEADY, "steady", "Level a throughout; b is the same."),
    (RAMP, "ramp", "From level a to level b over the stage."),
    (WAVE, "wave", "From level a up to b and back in every period."),
    (PULSE, "pulse", "Level b for the first half of every period, then a; a = 0 is a pause of the motor."),
    (OFF, "off", "Motor off: a timer with cues; a and b are 0."),
)
_BY_NAME = {row[1]: row[0] for row in PATTERNS}

STAGE_CUES = {"none": 0, "stage": cues.STAGE, "move_on": cues.MOVE_ON}
_CUE_NAMES = {STAGE_CUES[name]: name for name in STAGE_CUES}


def mistake(name, stages):
    """What is wrong first: (stage, from 1, or None; field; why). None when nothing is.

    Anything that JSON can hold may come in. Settings are no matter here: see `Program.misfit`.
    """
    if not is_name(name):
        return None, "name", "1 to 24 of a-z, 0-9 and -, a letter first"
    if not isinstance(stages, list) or not 1 <= len(stages) <= STAGES_MAX:
        return None, "stages", "1 to 24 stages"
    total_s = 0
    for i in range(len(stages)):
        found = _stage_mistake(stages[i])
        if found:
            return i + 1, found[0], found[1]
        total_s += stages[i][1]
        if total_s > TOTAL_MAX_S:
            return i + 1, "seconds", "all stages together last longer than 900 s"
    return None


def is_name(name):
    """Whether it can be a program's name."""
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_MAX or not "a" <= name[0] <= "z":
        return False
    return all("a" <= c <= "z" or "0" <= c <= "9" or c == "-" for c in name)


def _is_int(value, low, high):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _stage_mistake(stage):
    """(field, why), None when the stage is sound."""
    if not isinstance(stage, (list, tuple)) or len(stage) != len(FIELDS):
        return "stage", "a list of name, seconds, pattern, a, b, period_s, area, cue"
    name, seconds, pattern, a, b, period_s, area, cue = stage
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_MAX:
        return "name", "1 to 24 characters"
    if not _is_int(seconds, 1, TOTAL_MAX_S):
        return "seconds", "1 to 900"
    if not isinstance(pattern, str) or pattern not in _BY_NAME:
        return "pattern", "steady, ramp, wave, pulse or off"
    kind = _BY_NAME[pattern]
    least = 0 if kind in (PULSE, OFF) else 1
    if not _is_int(a, least, 0 if kind == OFF else LEVELS):
        return "a", "0" if kind == OFF else "%d to 11" % least
    if not _is_int(b, 0 if kind == OFF else 1, 0 if kind == OFF else LEVELS):
        return "b", "0" if kind == OFF else "1 to 11"
    if kind == STEADY and a != b:
        return "b", "the same as a"
    if kind in (WAVE, PULSE) and a > b:
        return "b", "not below a"
    if kind in (WAVE, PULSE):
        if not _is_int(period_s, PERIOD_MIN_S, TOTAL_MAX_S):
            return "period_s", "2 to 900"
    elif not _is_int(period_s, 0, 0):
        return "period_s", "0, for this pattern has none"
    if not isinstance(area, str) or area not in INDEX:
        return "area", "a label of the section areas, or empty"
    if not isinstance(cue, str) or cue not in STAGE_CUES:
        return "cue", "none, stage or move_on"
    return None


class Program:
    """Stages as numbers. Made of what `mistake` found sound; without stages it stands for a file that is not.

    wrong: what is, as `mistake` names it;
    count: stages; total_s: their time; lowest, highest: levels above 0 that occur, both 0 for a mere timer;
    motor_s: time of the stages that turn the motor; areas: (number of the area, such time) of each named one.
    """

    def __init__(self, name, stages, wrong=DAMAGED):
        self.name = name
        self._wrong = wrong
        self.count = count = len(stages)
        self.names = tuple(stage[0] for stage in stages)
        self._length_ds = array("h", [stage[1] * 10 for stage in stages])
        self._pattern = bytes(_BY_NAME[stage[2]] for stage in stages)
        self._a = bytes(stage[3] for stage in stages)
        self._b = bytes(stage[4] for stage in stages)
        self._period_ds = array("h", [stage[5] * 10 for stage in stages])
        self._area = bytes(INDEX[stage[6]] for stage in stages)
        self._cue = bytes(STAGE_CUES[stage[7]] for stage in stages)
        self.total_s = sum(self._length_ds) // 10
        levels = [level for level in self._a + self._b if level]
        self.lowest = min(levels) if levels else 0
        self.highest = max(levels) if levels else 0
        seconds: dict = {}
        for i in range(count):
            if self._b[i]:
                seconds[self._area[i]] = seconds.get(self._area[i], 0) + self._length_ds[i] // 10
        self.motor_s = sum(seconds.values())
        seconds.pop(0, 0)
        self.areas = tuple(seconds.items())

    def stage(self, index):
        """A stage as it came in."""
        pattern = PATTERNS[self._pattern[index]][1]
        return [
            self.names[index],
            self._length_ds[index] // 10,
            pattern,
            self._a[index],
            self._b[index],
            self._period_ds[index] // 10,
            LABELS[self._area[index]],
            _CUE_NAMES[self._cue[index]],
        ]

    def length_ms(self, index):
        """Time of a stage."""
        return self._length_ds[index] * 100

    def area(self, index):
        """Number of a stage's area in `areas.LABELS`."""
        return self._area[index]

    def cue(self, index):
        """Cue that begins a stage, 0 = none."""
        return self._cue[index]

    def motor_ms(self, first, area=-1):
        """Time of the stages from `first` on that turn the motor, of one area if given. Allocates nothing."""
        ds = 0
        for i in range(first, self.count):
            if self._b[i] and (area < 0 or self._area[i] == area):
                ds += self._length_ds[i]
        return ds * 100

    def turns(self, index):
        """Whether a stage turns the motor."""
        return self._b[index] > 0

    def target(self, index, t_ds, shift):
        """Level asked for, in thousandths, at t_ds of a stage, all levels shifted. Allocates nothing."""
        b = self._b[index]
        if not b:
            return 0
        a = self._a[index]
        pattern = self._pattern[index]
        if pattern == STEADY:
            milli = a * 1000
        elif pattern == RAMP:
            milli = a * 1000 + (b - a) * 1000 * t_ds // self._length_ds[index]
        else:
            period = self._period_ds[index]
            half = period // 2
            t_ds %= period
            if pattern == PULSE:
                milli = b * 1000 if t_ds < half else a * 1000
                if not milli:
                    return 0
            else:
                milli = a * 1000 + (b - a) * 1000 * (t_ds if t_ds < half else period - t_ds) // half
        return milli + shift * 1000

    def misfit(self, shift, min_level, max_level, limit_s):
        """Whether these settings, or the shift, forbid a start. Allocates nothing."""
        if not self.count:
            return True
        if not self.highest:
            return False
        low, high = self.lowest + shift, self.highest + shift
        return low < min_level or high > max_level or self.total_s > limit_s

    def why_not(self, settings, shift=0):
        """The place of a misfit, as `mistake` names one; None when it may start."""
        low, high = settings["min_level"], settings["max_level"]
        if not self.count:
            return self._wrong
        for i in range(self.count):
            for field, levels in (("a", self._a), ("b", self._b)):
                if levels[i] and not low <= levels[i] + shift <= high:
                    return i + 1, field, "beyond min_level or max_level"
        if self.highest and self.total_s > settings["session_limit_s"]:
            return None, "seconds", "longer than session_limit_s"
        return None
