"""Cues: what the hand, ear and eye are told, from one table; and the player that sounds them.

A cue is a row of beeps and, while the motor runs, a dip in its rate that the hand feels.
"""

from micropython import const

MOVE_ON = const(1)
LAST_30_S = const(2)
END = const(3)
REFUSED = const(4)
FAULT = const(5)
REMOTE_ON = const(6)
REMOTE_OFF = const(7)

# value, name, meaning, motor dip in ms (0 = none), beeps as (Hz, ms on, ms off)
CUES = (
    (MOVE_ON, "move_on", "Time for the next area.", 300, ((2000, 80, 0),)),
    (LAST_30_S, "last_30_s", "The session ends in 30 s.", 300, ((2000, 80, 120), (2000, 80, 0))),
    (END, "end", "The session is over.", 0, ((2000, 150, 100), (1500, 300, 0))),
    (REFUSED, "refused", "That is not possible now.", 0, ((400, 200, 0),)),
    (FAULT, "fault", "Stopped by a fault.", 0, ((400, 150, 100), (400, 150, 100), (400, 400, 0))),
    (REMOTE_ON, "remote_on", "A host may start sessions now.", 0, ((1500, 100, 50), (2500, 100, 0))),
    (REMOTE_OFF, "remote_off", "A host can start no session any more.", 0, ((2500, 100, 50), (1500, 100, 0))),
)


class Player:
    """Plays one cue at a time on the buzzer; a new one replaces the old."""

    def __init__(self, board, settings):
        self._board = board
        self._settings = settings
        self._beeps: tuple = ()
        self._index = 0
        self._left_ms = 0
        self._sounding = False
        self.playing = False  # a beep or the silence after it is under way

    def play(self, cue):
        """Start a cue. Returns the length of its motor dip in ms."""
        row = CUES[cue - 1]
        self._beeps = row[4] if self._settings["buzzer"] else ()
        self._index = 0
        self._left_ms = 0
        self._sounding = False
        self.playing = True
        return row[3]

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
            self.playing = False
            return
        hz, on_ms, off_ms = beeps[index]
        if self._sounding:
            self._board.buzz(0)
            self._sounding = False
            self._left_ms = off_ms
            self._index = index + 1
        else:
            self._board.buzz(hz)
            self._sounding = True
            self._left_ms = on_ms
