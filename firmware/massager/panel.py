"""Panel: buttons → intents for session and app, state → colour of the LED.

STOP acts on its first sample; the others are debounced. A button that was down at power-on, is held for ten
seconds, or bounces without end, counts as stuck: it does nothing until it is released and calm, and no
session can start. A press acts only on what was there when it began: STOP, a fault, the end of a session or
any other change of the state makes a press that is under way have no effect.
"""

from micropython import const

from massager import cues, events, permission, press
from massager import session as sessions
from massager.buttons import MINUS, MODE, PLUS, STOP
from massager.press import Press

CLEAR = const(200)  # samples of STOP, 2 s, that clear a fault …
OPEN_MS = const(10_000)  # … when it is let go within this time; after it a wire must be off
EDGE = const(6)  # chatter: each edge adds, each tick takes one away; ten presses a second take 6 s to …
CHATTER_MAX = const(120)  # … get here, a contact that bounces in every tick a quarter of a second
LEAD_MS = const(1_000)  # a press that begins earlier after a question was meant for something else

NO_ANSWER = const(0)
ASKING = const(1)
YES = const(2)
NO = const(3)

_MASK = const(0x3FFFFFFF)  # of the device's milliseconds

_COLOURS = (cues.WHITE, cues.GREEN, cues.YELLOW, cues.CYAN, cues.MAGENTA)  # by session state
_BLINKS = (False, False, True, False, True)
BLINK_MS = const(256)
SUSPENDED_MS = const(1_024)  # blue and white take turns while a host's permission is suspended
SLOT_MS = const(128)  # the number of the selected program is shown in these
GAP_SLOTS = const(12)  # light between two times
FIVE_SLOTS = const(4)  # dark for a five, as many as …
ONE_SLOTS = const(1)  # … for a one; light for two after either


class Panel:
    """Feed it every tick with `update`; it calls the session itself.

    blocks: refusal bits of the buttons; toggle_remote: MODE was held; turn: MODE (1) or - (-1) asked for the
    next program, or the one before; both are taken by the app. selected: number of the program that + starts,
    from 1; the light counts it out.
    answer: the answer to `ask`: NO_ANSWER, ASKING, YES (MODE) or NO (MODE held, or any other button, which
    does what it always does as well).
    """

    def __init__(self, session, safety, permission, event_log):
        self._permission = permission
        self._session = session
        self._safety = safety
        self._events = event_log
        self._plus = Press()
        self._minus = Press()
        self._mode = Press()
        self._quiet = False  # all of them were open in the last tick, nothing is left to do
        self._scene = 0  # what a press under way began in
        self._raw = 0
        self._chatter = 0
        self._stop_samples = 0  # since STOP opened, …
        self._stop_ms = 0
        self._stop_scene = 0  # … in this scene; 0: it clears nothing
        self._shown = 0  # the fault of the last tick, which the light shows; none yet at power-on
        self._asked_ms = 0
        self.blocks = 0
        self.toggle_remote = False
        self.turn = 0
        self.selected = 1
        self.answer = NO_ANSWER

    def ask(self):
        """Let the next press of MODE be an answer, if it begins LEAD_MS from now or later."""
        self.answer = ASKING
        self._asked_ms = self._events.now_ms

    def update(self, buttons, dt_ms):
        """Take one tick's `buttons` as the board sampled them, dt_ms after the ones before."""
        if buttons & STOP:
            self._stop_open(dt_ms)
        elif self._stop_samples:
            self._stop_closed()
        self._shown = self._safety.fault
        raw = buttons & ~STOP
        if self._quiet:
            if not raw:
                return
            self._scene = self._scene_now()
        stuck = self._chatters(raw)
        if self._scene != self._scene_now() or buttons & STOP or stuck:
            self._scene = self._scene_now()
            self._void()
        self._take(self._plus, PLUS, raw & PLUS, dt_ms)
        self._take(self._minus, MINUS, raw & MINUS, dt_ms)
        self._take(self._mode, MODE, raw & MODE, dt_ms)
        if stuck or self._plus.stuck() or self._minus.stuck() or self._mode.stuck():
            self.blocks |= sessions.BUTTON_STUCK
        else:
            self.blocks &= ~sessions.BUTTON_STUCK
        self._quiet = not (raw or self._chatter) and (
            self._plus.at_rest() and self._minus.at_rest() and self._mode.at_rest()
        )

    def colour(self, uptime_ms):
        """Colour of the LED now, as the board takes it."""
        if self.answer == ASKING:  # also with a fault: it may be what the question is about
            return cues.CYAN if uptime_ms & BLINK_MS else cues.DARK
        if self._safety.fault:
            if self._stop_samples == CLEAR and self._stop_clears():
                return cues.RED  # calm: let STOP go now
            return cues.RED if uptime_ms & BLINK_MS else cues.DARK
        state = self._session.state
        if _BLINKS[state] and not uptime_ms & BLINK_MS:
            return cues.DARK
        if state == sessions.IDLE:
            if self.selected > 1 and _counts(self.selected, uptime_ms // SLOT_MS):
                return cues.DARK
            if self._permission.in_force() or (self._permission.granted() and uptime_ms & SUSPENDED_MS):
                return cues.BLUE
            return cues.WHITE
        if state == sessions.RUNNING and self._safety.limiters:
            return cues.YELLOW
        return _COLOURS[state]

    def _scene_now(self):
        """What a press is meant for, as a number: faults, selected program, state, self-test."""
        safety = self._safety
        session = self._session
        number = (safety.more & 255) << 7 | safety.fault
        number = (number << 6 | self.selected) << 3 | session.state
        return number << 1 | (1 if session.blocks() & sessions.SELFTEST else 0)

    def _void(self):
        """Presses under way have no effect."""
        self._plus.void()
        self._minus.void()
        self._mode.void()

    def _chatters(self, raw):
        """Whether the contacts have changed for so often lately that no press can be believed."""
        chatter = self._chatter
        if raw != self._raw:
            self._raw = raw
            chatter += EDGE
            if chatter >= CHATTER_MAX:
                chatter = 2 * CHATTER_MAX  # calm for a second and more before it counts again
        if chatter:
            chatter -= 1
        self._chatter = chatter
        return chatter >= CHATTER_MAX

    def _stop_open(self, dt_ms):
        session = self._session
        if not self._stop_samples:
            self.blocks |= sessions.STOP_PRESSED
            self._permission.suspend(permission.STOP)
            session.stop(sessions.STOP_BUTTON)
            self._events.put(events.BUTTON, STOP)
            self._stop_scene = self._scene_now() if self._shown else 0
            if self.answer == ASKING:
                self.answer = NO
        if self._stop_samples < CLEAR:
            self._stop_samples += 1
        if self._stop_ms < OPEN_MS:
            self._stop_ms += dt_ms
            if self._stop_ms >= OPEN_MS:
                self.blocks |= sessions.STOP_OPEN

    def _stop_closed(self):
        """STOP was let go."""
        if self._stop_clears() and not self._safety.clear():
            self._session.cue = cues.REFUSED
        self._stop_samples = self._stop_ms = 0
        self.blocks &= ~(sessions.STOP_PRESSED | sessions.STOP_OPEN)

    def _stop_clears(self):
        """Whether STOP, let go now, clears the fault: pressed while it was shown, for 2 to 10 s."""
        return (
            self._stop_samples == CLEAR and self._stop_ms < OPEN_MS and self._stop_scene == self._scene_now()
        )

    def _take(self, button_press, button, closed, dt_ms):
        """Take one button's sample and do what its press asks for."""
        brings = button_press.sample(closed, dt_ms)
        if brings == press.NOTHING:
            return
        if brings == press.BEGUN:
            waited_ms = (self._events.now_ms - self._asked_ms) & _MASK
            button_press.answers = button == MODE and self.answer == ASKING and waited_ms >= LEAD_MS
            return
        if brings == press.DOWN:
            self._events.put(events.BUTTON, button)
            self._pressed(button)
        elif button_press.answers:
            if self.answer == ASKING:  # else the question was over before the press was
                self.answer = YES if brings == press.LET_GO else NO
        elif brings == press.LET_GO:
            self._let_go(button)
        elif button == MODE and self._session.state == sessions.IDLE:
            self.toggle_remote = True
        else:
            self._session.cue = cues.REFUSED

    def _pressed(self, button):
        """In a session + and - act at once; with MODE held they move from stage to stage."""
        if button == MODE:
            return
        if self.answer == ASKING:
            self.answer = NO
        if self._session.state == sessions.IDLE:
            return
        (self._plus if button == PLUS else self._minus).void()
        if self._mode.down:
            self._mode.void()
            self._step(button)
        else:
            self._session.step_level(1 if button == PLUS else -1)

    def _step(self, button):
        """To the next stage with +, back with -."""
        session = self._session
        if not (session.skip() if button == PLUS else session.back()):
            session.cue = cues.REFUSED

    def _let_go(self, button):
        """Start, select, pause or resume. Only now: a contact that is shorted starts nothing."""
        session = self._session
        if session.state == sessions.IDLE:
            if button == PLUS:
                session.start_selected()
            else:
                self.turn = 1 if button == MODE else -1
        elif button == MODE and session.pause():
            self._permission.suspend(permission.PAUSE)
        elif button == MODE and session.resume():
            self._permission.resumed()
        else:
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
