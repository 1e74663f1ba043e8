"""Confirm: what a host may not do alone waits until MODE is pressed at the device, for 20 s at most.

It waits in RAM, and whatever else happens meanwhile calls it off. After a question without a yes the next
ones are refused for a time that doubles, so that a host that asks without end does not take the presses of
MODE.
"""

from micropython import const

from massager import cues, errors, events, panel
from massager import session as sessions
from massager.errors import RpcError

WITHIN_MS = const(20_000)
PAUSE_MS = const(5_000)  # after the first question without a yes; it doubles, up to …
PAUSE_MAX_MS = const(600_000)
_MASK = const(0x3FFFFFFF)

ASKED = const(0)
APPLIED = const(1)
REFUSED = const(2)
EXPIRED = const(3)
REPLACED = const(4)
CANCELLED = const(5)
OUTCOMES = ("asked", "applied", "refused", "expired", "replaced", "cancelled")


class Confirm:
    """One question at a time. number: counts them since boot; names: of what waits, empty if nothing does."""

    def __init__(self, session, safety, the_panel, event_log):
        self._session = session
        self._safety = safety
        self._panel = the_panel
        self._events = event_log
        self._apply = _nothing
        self._asked_ms = self._ended_ms = self._pause_ms = 0
        self._fault = self._more = 0  # as they were when it was asked: a fault may be what it is about
        self.number = 0
        self.names: list = []

    def ask(self, names, apply):
        """Wait for a press of MODE; raises RpcError, which says so, or that it is too early to ask again.

        names: of what is to change, not empty; apply: what a yes does, called between ticks.
        """
        if self._session.state != sessions.IDLE:
            raise RpcError(errors.WRONG_STATE, {"state": sessions.STATES[self._session.state][1]})
        self.replace()
        self.require_calm()
        self.names = names
        self._apply = apply
        self.number = (self.number + 1) & _MASK
        self._asked_ms = self._events.now_ms
        self._fault = self._safety.fault
        self._more = self._safety.more
        self._panel.ask()
        self._session.cue = cues.CONFIRM
        self._events.put(events.CONFIRM, ASKED, self.number)
        raise RpcError(
            errors.CONFIRM_NEEDED,
            {
                "names": names,
                "after_s": panel.LEAD_MS // 1000,
                "within_s": WITHIN_MS // 1000,
                "number": self.number,
            },
        )

    def require_calm(self):
        """Raise RpcError while a question waits, or it is too early for the next one.

        A restart needs that as well, or it would make a host's questions endless.
        """
        wait_ms = self.left_ms() or self._pause_ms - self._since(self._ended_ms)
        if wait_ms > 0:
            raise RpcError(errors.CONFIRM_LATER, {"wait_s": (wait_ms + 999) // 1000})

    def left_ms(self):
        """Time left for an answer."""
        return max(WITHIN_MS - self._since(self._asked_ms), 0) if self.names else 0

    def replace(self):
        """Call off what waits: another request of the kind has come."""
        if self.names:
            self._end(REPLACED)

    def settle(self, restarting):
        """Between ticks: is the question answered, or over?"""
        if not self.names:
            return
        answer = self._panel.answer
        safety = self._safety
        if (
            self._session.state != sessions.IDLE
            or restarting
            or safety.fault != self._fault
            or safety.more != self._more
        ):
            self._end(CANCELLED)
        elif answer == panel.YES:
            apply = self._apply
            self._end(APPLIED)
            apply()
        elif answer == panel.NO:
            self._session.cue = cues.REFUSED
            self._end(REFUSED)
        elif not self.left_ms():
            self._end(EXPIRED)

    def _since(self, then_ms):
        return (self._events.now_ms - then_ms) & _MASK

    def _end(self, outcome):
        self.names = []
        self._apply = _nothing
        self._panel.answer = panel.NO_ANSWER
        self._ended_ms = self._events.now_ms
        if outcome == APPLIED:
            self._pause_ms = 0
        else:
            self._pause_ms = min(max(2 * self._pause_ms, PAUSE_MS), PAUSE_MAX_MS)
        self._events.put(events.CONFIRM, outcome, self.number)


def _nothing():
    """What a yes does while no question waits."""
