"""Play: where in its program a session is. Its clock is the session's, and runs on while that is paused."""

from micropython import const

STEP_MS = const(100)  # so often the target is worked out
BACK_MS = const(3_000)  # so soon after the start of a stage `back` means the one before


class Play:
    """program: the one that is played, None in a plain session; stage: its number, from 0; shift: levels
    that the buttons added; area: number of the area that is worked on, in `areas.LABELS`.
    """

    def __init__(self):
        self.begin(None, 0)

    def begin(self, program, shift, area=0):
        """From the first stage on; program None: a plain session on one area."""
        self.program = program
        self.shift = shift
        self.area = area
        self._step_ms = 0
        self._enter(0)

    def _enter(self, stage):
        self.stage = stage
        self._stage_ms = 0
        if self.program:
            self.area = self.program.area(stage)

    def left_ms(self):
        """Time left in this stage; only with a program."""
        return self.program.length_ms(self.stage) - self._stage_ms

    def advance(self, dt_ms):
        """Go on by dt_ms; True when another stage has begun. The session's clock ends the last one."""
        ms = self._stage_ms + dt_ms
        over_ms = ms - self.program.length_ms(self.stage)
        if over_ms >= 0 and self.stage + 1 < self.program.count:
            self._enter(self.stage + 1)
            self._stage_ms = over_ms
            self._step_ms = 0
            return True
        self._stage_ms = ms
        return False

    def due(self, dt_ms):
        """Whether it is time to work the target out again."""
        self._step_ms -= dt_ms
        if self._step_ms > 0:
            return False
        self._step_ms = STEP_MS
        return True

    def target(self):
        """Level asked for now, in thousandths."""
        return self.program.target(self.stage, self._stage_ms // 100, self.shift)

    def turns(self):
        """Whether this stage turns the motor."""
        return self.program.turns(self.stage)

    def skip(self):
        """To the next stage. Returns by how much the session gets shorter, 0 when there is no next one."""
        if self.stage + 1 >= self.program.count:
            return 0
        left_ms = self.left_ms()
        self._enter(self.stage + 1)
        self._step_ms = 0
        return left_ms

    def before(self):
        """Number of the stage that `back` leads to: this one, or the one before if this has just begun."""
        return self.stage - 1 if self.stage and self._stage_ms < BACK_MS else self.stage

    def back(self, at_most_ms):
        """To the start of stage `before`.

        Returns by how much the session gets longer; -1, and nothing changes, when that is beyond at_most_ms.
        """
        stage = self.before()
        more_ms = self._stage_ms
        if stage < self.stage:
            more_ms += self.program.length_ms(stage)
        if more_ms > at_most_ms:
            return -1
        self._enter(stage)
        self._step_ms = 0
        return more_ms

    def may_shift(self, shift, low, high):
        """Whether every level of the program stays within low…high when it is shifted so."""
        program = self.program
        return program.highest > 0 and program.lowest + shift >= low and program.highest + shift <= high
