"""Cues: the signals for hand, ear and eye, from one table; and the player that gives them.

A cue is a row of beeps, a light that flashes along, and, while the motor runs, a dip in its rate that the
hand feels. Without the buzzer the light and the dip remain.
"""

from micropython import const

MOVE_ON = const(1)
LAST_30_S = const(2)
END = const(3)
REFUSED = const(4)
FAULT = const(5)
REMOTE_ON = const(6)
REMOTE_OFF = const(7)
STAGE = const(8)
LIMIT = const(9)
CONFIRM = const(10)

# colours as the board takes them: 4 red, 2 green, 1 blue
DARK = const(0)
BLUE = const(1)
GREEN = const(2)
CYAN = const(3)
RED = const(4)
MAGENTA = const(5)
YELLOW = const(6)
WHITE = const(7)
COLOURS = ("dark", "blue", "green", "cyan", "red", "magenta", "yellow", "white")

# value, name, meaning, motor dip in ms (0 = none), beeps as (Hz, ms on, ms off), colour that flashes
CUES = (
    (MOVE_ON, "move_on", "Time for the next area.", 300, ((2000, 80, 0),), WHITE),
    (LAST_30_S, "last_30_s", "The session ends in 30 s.", 300, ((2000, 80, 120), (2000, 80, 0)), YELLOW),
    (END, "end", "The session is over.", 0, ((2000, 150, 100), (1500, 300, 0)), CYAN),
    (REFUSED, "refused", "That is not possible now.", 0, ((400, 200, 0),), RED),
    (
        FAULT,
        "fault",
        "Stopped by a fault.",
        0,
        ((400, 150, 100), (400, 150, 100), (400, 400, 0)),
        RED,
    ),
    (REMOTE_ON, "remote_on", "A host may start sessions now.", 0, ((1500, 100, 50), (2500, 100, 0)), BLUE),
    (
        REMOTE_OFF,
        "remote_off",
        "A host can start no session any more.",
        0,
        ((2500, 100, 50), (1500, 100, 0)),
        BLUE,
    ),
    (STAGE, "stage", "The next stage of the program begins.", 300, ((1500, 80, 80), (2500, 80, 0)), BLUE),
    (
        LIMIT,
        "limit",
        "As far as it goes: end of the levels, held back, or near a limit of the dose.",
        0,
        ((700, 120, 80), (700, 120, 0)),
        YELLOW,
    ),
    (
        CONFIRM,
        "confirm",
        "A host asks for a change that needs a press: MODE agrees, any other button refuses.",
        0,
        ((2500, 80, 80), (1500, 80, 80), (2500, 80, 0)),
        CYAN,
    ),
)

# The number of the selected program is counted out: a long one for five, a short one for one.
FIVE = (700, 350, 150)
ONE = (1800, 100, 150)


class Player:
    """Gives one cue at a time; a new one replaces the old. colour: the light's meanwhile, else -1."""

    def __init__(self, board, settings):
        self._board = board
        self._settings = settings
        self._beeps: tuple = ()
        self._shade = DARK
        self._index = 0
        self._left_ms = 0
        self._sounding = False
        self.playing = False  # a beep or the silence after it is under way
        self.colour = -1

    def play(self, cue):
        """Start a cue. Returns the length of its motor dip in ms."""
        row = CUES[cue - 1]
        self._begin(row[4], row[5])
        return row[3]

    def count(self, number):
        """Count a number out. Not in the tick: it allocates."""
        fives, ones = divmod(number, 5)
        self._begin((FIVE,) * fives + (ONE,) * ones, WHITE)

    def _begin(self, beeps, colour):
        self._beeps = beeps
        self._shade = colour
        self._index = 0
        self._left_ms = 0
        self._sounding = False
        self.playing = True

    def tick(self, dt_ms):
        """Go on by dt_ms."""
        if not self.playing:
            return
        if self._left_ms > dt_ms:
            self._left_ms -= dt_ms
            return
        beeps = self._beeps
        index = self._index
        if index >= len(beeps):
            self._board.buzz(0)
            self.colour = -1
            self.playing = False
            return
        hz, on_ms, off_ms = beeps[index]
        if self._sounding:
            self._board.buzz(0)
            self.colour = DARK
            self._sounding = False
            self._left_ms = off_ms
            self._index = index + 1
        else:
            if self._settings["buzzer"]:
                self._board.buzz(hz)
            self.colour = self._shade
            self._sounding = True
            self._left_ms = on_ms
