"""Press: one button, from its contact to what was meant by it.

A time that a press must reach is counted in samples, and a time that it must not exceed is measured. So
nothing is assumed about the time between two samples: after a late tick a contact that was seen once is not a
press, and a long press is one that was seen for all of its time.
"""

from micropython import const

DEBOUNCE = const(3)  # samples in a row, of a contact that closes or opens
LONG = const(300)  # samples: 3 s
STUCK_MS = const(10_000)

# what a sample brings
NOTHING = const(0)
BEGUN = const(1)  # the contact closed; not yet a press
DOWN = const(2)  # it has been closed for long enough to be a press
HELD = const(3)  # down for 3 s; its release has no further effect
LET_GO = const(4)  # released before that


class Press:
    """State machine open → closing → down → opening → open. Void until the contact has been open once.

    down: the press counts; answers: for the panel, whether it answers a question.
    """

    def __init__(self):
        self.down = False
        self.answers = False
        self._void = True
        self._closed = self._open = 0  # samples in a row
        self._ms = 0

    def sample(self, closed, dt_ms):
        """Take one sample, dt_ms after the one before. Returns NOTHING, BEGUN, DOWN, HELD or LET_GO."""
        if closed:
            return self._sample_closed(dt_ms)
        self._closed = 0
        if self._open < DEBOUNCE:
            self._open += 1
        if self.down and self._open < DEBOUNCE:
            return NOTHING
        meant = self.down and not self._void
        self.down = False
        self._ms = 0
        if self._open == DEBOUNCE:
            self._void = False
        return LET_GO if meant else NOTHING

    def _sample_closed(self, dt_ms):
        self._open = 0
        if self._ms < STUCK_MS:
            self._ms += dt_ms
        if self._closed < LONG:
            self._closed += 1
        if not self.down:
            self.down = self._closed == DEBOUNCE
            if self._void:
                return NOTHING
            return DOWN if self.down else BEGUN if self._closed == 1 else NOTHING
        if self._closed < LONG or self._void:
            return NOTHING
        self._void = True
        return HELD

    def void(self):
        """Let a press that is under way have no effect; the next one counts again."""
        self._void = True

    def stuck(self):
        """Whether the contact has been closed for longer than anyone presses."""
        return self._ms >= STUCK_MS

    def at_rest(self):
        """Whether there is nothing to wait for while the contact stays open."""
        return not (self.down or self._void or self._closed)
