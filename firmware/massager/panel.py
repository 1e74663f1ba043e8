"""Panel: buttons → intents for session and app, state → colour of the LED.

STOP acts on its first sample; the others are debounced. A button that was down at power-on, is held for ten
seconds, or bounces without end, counts as stuck: it does nothing until it is released and calm, and no
session can start.
"""

from array import array

from micropython import const

from massager import cues, events
from massager import session as sessions
from massager.buttons import MINUS, MODE, PLUS, STOP

DEBOUNCE_MS = const(30)
LONG_MS = const(3_000)
CLEAR_MS = const(2_000)
STUCK_MS = const(10_000)
OPEN_MS = const(10_000)  # nobody presses STOP for so long: a wire is off
EDGE = const(6)  # chatter: each edge adds, each tick takes one away; ten presses a second take 6 s to …
CHATTER_MAX = const(120)  # … get here, a contact that bounces in every tick a quarter of a second

NO_ANSWER = const(0)
ASKING = const(1)
YES = const(2)
NO = const(3)

_DEBOUNCED = (PLUS, MINUS, MODE)
_ALL = PLUS | MINUS | MODE

_COLOURS = (cues.WHITE, cues.GREEN, cues.YELLOW, cues.CYAN, cues.MAGENTA)  # by session state
_BLINKS = (False, False, True, False, True)
BLINK_MS = const(256)
SLOT_MS = const(128)  # the number of the selected program is shown in these
GAP_SLOTS = const(12)  # light between two times
FIVE_SLOTS = const(4)  # dark for a five, as many as …
ONE_SLOTS = const(1)  # … for a one; light for two after either


class Panel:
    """Feed it every tick with `update`; it calls the session itself.

    toggle_remote: MODE was held; turn: MODE (1) or - (-1) asked for the next program, or the one before; both
    are taken by the app. selected: number of the program that + starts, from 1; the light counts it out.
    answer: what was said to `ask`: NO_ANSWER, ASKING, YES (MODE) or NO (any other button, or MODE held).
    """

    def __init__(self, settings, session, safety, event_log):
        self._settings = settings
        self._session = session
        self._safety = safety
        self._events = event_log
        self._held_ms = array("h", [0, 0, 0])
        self._down = 0  # debounced buttons that are down
        self._done = _ALL  # presses that have had their effect, or may have none
        self._quiet = False  # all of them were up in the last tick, nothing is left to do
        self._raw = 0
        self._chatter = 0
        self._stop_ms = 0
        self.toggle_remote = False
        self.turn = 0
        self.selected = 1
        self.answer = NO_ANSWER

    def ask(self):
        """Let the next press be an answer. A button that is down already says nothing."""
        self.answer = ASKING
        for i in range(3):
            if self._held_ms[i]:
                self._done |= _DEBOUNCED[i]

    def update(self, buttons, dt_ms):
        """One tick: `buttons` as the board sampled them."""
        stuck = 0
        if buttons & STOP:
            if self.answer == ASKING:
                self.answer = NO
            self._stop(dt_ms)
        elif self._stop_ms:
            self._stop_ms = 0
            self._session.blocks &= ~(sessions.STOP_PRESSED | sessions.STOP_OPEN)
        raw = buttons & ~STOP
        if self._quiet and not raw:
            return
        chatter = self._chatter
        if raw != self._raw:
            self._raw = raw
            chatter += EDGE
            if chatter >= CHATTER_MAX:
                chatter = 2 * CHATTER_MAX  # calm for a second and more before it counts again
        if chatter:
            chatter -= 1
            if chatter >= CHATTER_MAX:
                stuck = sessions.BUTTON_STUCK
                self._done = _ALL
        self._chatter = chatter
        self._quiet = not (raw or self._down or self._done or chatter)
        held = self._held_ms
        for i in range(3):
            button = _DEBOUNCED[i]
            if buttons & button:
                ms = held[i]
                if ms < STUCK_MS:
                    held[i] = ms = ms + dt_ms
                else:
                    stuck = sessions.BUTTON_STUCK
                if ms >= DEBOUNCE_MS and not self._done & button:
                    self._pressed(button, ms)
            else:
                held[i] = 0
                if self._down & button and not self._done & button:
                    self._short(button)
                self._down &= ~button
                self._done &= ~button
        if stuck:
            self._session.blocks |= sessions.BUTTON_STUCK
        else:
            self._session.blocks &= ~sessions.BUTTON_STUCK

    def colour(self, uptime_ms):
        """Colour of the LED now, as the board takes it."""
        if self.answer == ASKING:  # also with a fault: it may be what the change is for
            return cues.CYAN if uptime_ms & BLINK_MS else cues.DARK
        if self._safety.fault:
            return cues.RED if uptime_ms & BLINK_MS else cues.DARK
        state = self._session.state
        if _BLINKS[state] and not uptime_ms & BLINK_MS:
            return cues.DARK
        if state == sessions.IDLE:
            if self.selected > 1 and _counts(self.selected, uptime_ms // SLOT_MS):
                return cues.DARK
            return cues.BLUE if self._settings["remote_start"] else cues.WHITE
        if state == sessions.RUNNING and self._safety.limiters:
            return cues.YELLOW
        return _COLOURS[state]

    def _stop(self, dt_ms):
        session = self._session
        if not self._stop_ms:
            session.blocks |= sessions.STOP_PRESSED
            session.stop(sessions.STOP_BUTTON)
            self._events.put(events.BUTTON, STOP)
        before = self._stop_ms
        if before < OPEN_MS:
            self._stop_ms = now = before + dt_ms
            if now >= OPEN_MS:
                session.blocks |= sessions.STOP_OPEN
            if before < CLEAR_MS <= now and self._safety.fault and not self._safety.clear():
                session.cue = cues.REFUSED

    def _pressed(self, button, ms):
        if not self._down & button:
            self._down |= button
            self._events.put(events.BUTTON, button)
            if self.answer == ASKING and button != MODE:
                self.answer = NO
                self._done |= button
            elif button != MODE and self._session.state != sessions.IDLE:
                self._done |= button
                if self._down & MODE:
                    self._done |= MODE
                    self._step(button)
                else:
                    self._session.step_level(1 if button == PLUS else -1)
        elif ms >= LONG_MS:
            self._done |= button
            if self.answer == ASKING:
                self.answer = NO
            elif button == MODE and self._session.state == sessions.IDLE:
                self.toggle_remote = True
            else:
                self._session.cue = cues.REFUSED

    def _step(self, button):
        """+ or - while MODE is held: to the next stage, or back."""
        session = self._session
        if not (session.skip() if button == PLUS else session.back()):
            session.cue = cues.REFUSED

    def _short(self, button):
        """A button was let go. Only now does it start something: a contact that is shorted starts nothing."""
        session = self._session
        if self.answer == ASKING:
            self.answer = YES  # only MODE comes here
        elif session.state == sessions.IDLE:
            if button == PLUS:
                session.start_selected()
            else:
                self.turn = 1 if button == MODE else -1
        elif button != MODE or not (session.pause() or session.resume()):
            session.cue = cues.REFUSED


def _counts(number, slot):
    """Whether the light is dark in this slot, because it counts `number` out."""
    fives = number // 5
    ones = number - 5 * fives
    slot %= GAP_SLOTS + fives * (FIVE_SLOTS + 2) + ones * (ONE_SLOTS + 2)
    if slot < GAP_SLOTS:
        return False
    slot -= GAP_SLOTS
    if slot < fives * (FIVE_SLOTS + 2):
        return slot % (FIVE_SLOTS + 2) < FIVE_SLOTS
    return (slot - fives * (FIVE_SLOTS + 2)) % (ONE_SLOTS + 2) < ONE_SLOTS
