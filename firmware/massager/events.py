"""Events: what happened, kept in a ring of integers until the console has time to tell it.

The ring is filled in the control tick, so it allocates nothing; when it overflows the oldest go, counted.
"""

from array import array

from micropython import const

STATE = const(1)
CUE = const(2)
FAULT = const(3)
LIMITER = const(4)
BUTTON = const(5)
BOOT = const(6)
STAGE = const(7)
SELECT = const(8)
WARNING = const(9)
CONFIRM = const(10)

# value, name, meaning
EVENTS = (
    (STATE, "state", "The session's state changed; with `reason` when a session ended."),
    (CUE, "cue", "A cue was given."),
    (FAULT, "fault", "A fault was latched."),
    (LIMITER, "limiter", "The set of limiters changed; value = names."),
    (BUTTON, "button", "A button was pressed."),
    (BOOT, "boot", "The device started."),
    (STAGE, "stage", "Another stage of the program began; value = its number, from 1."),
    (SELECT, "select", "Another program was selected; value = its name."),
    (WARNING, "warning", "The session that starts nears a limit of the dose; value = names."),
    (
        CONFIRM,
        "confirm",
        "Changes wait for MODE: asked, applied, refused, expired, replaced, cancelled; with `number`.",
    ),
)

_SIZE = const(16)


class Events:
    """First in, first out. `count` of them wait; `kind`, `value`, `detail`, `t_ms` are what `take` took."""

    def __init__(self):
        self._ring = array("i", [0] * (4 * _SIZE))
        self._first = 0
        self.count = 0
        self.lost = 0
        self.kind = self.value = self.detail = self.t_ms = 0
        self.now_ms = 0  # set by the app once a tick

    def put(self, kind, value, detail=0):
        """Add an event with the time of this tick."""
        if self.count == _SIZE:
            self._first = (self._first + 1) % _SIZE
            self.count -= 1
            self.lost += 1
        at = (self._first + self.count) % _SIZE * 4
        ring = self._ring
        ring[at] = kind
        ring[at + 1] = value
        ring[at + 2] = detail
        ring[at + 3] = self.now_ms
        self.count += 1

    def take(self):
        """Oldest event into the attributes; False when there is none."""
        if not self.count:
            return False
        at = self._first * 4
        ring = self._ring
        self.kind, self.value, self.detail, self.t_ms = ring[at], ring[at + 1], ring[at + 2], ring[at + 3]
        self._first = (self._first + 1) % _SIZE
        self.count -= 1
        return True
