"""Confirm: a host's changes of what protections measure by wait until somebody at the device presses MODE.

They wait in RAM, for a short time, all of them or none; whatever else happens meanwhile calls them off.
"""

from micropython import const

from massager import cues, events, panel
from massager import session as sessions

WITHIN_MS = const(20_000)
_MASK = const(0x3FFFFFFF)

ASKED = const(0)
APPLIED = const(1)
REFUSED = const(2)
EXPIRED = const(3)
REPLACED = const(4)
CANCELLED = const(5)
OUTCOMES = ("asked", "applied", "refused", "expired", "replaced", "cancelled")


class Confirm:
    """One set of changes that waits: `changes`, a dict, or None. number: counts the questions since boot."""

    def __init__(self, settings, session, safety, the_panel, event_log):
        self._settings = settings
        self._session = session
        self._safety = safety
        self._panel = the_panel
        self._events = event_log
        self._asked_ms = 0
        self._fault = self._more = 0  # as they were when it was asked: a fault may be what the change is for
        self.number = 0
        self.changes = None

    def ask(self, changes, now_ms):
        """Wait for a press of MODE from now, uptime in ms. The changes have been checked."""
        self.changes = changes
        self.number = (self.number + 1) & _MASK
        self._asked_ms = now_ms
        self._fault = self._safety.fault
        self._more = self._safety.more
        self._panel.ask()
        self._session.cue = cues.CONFIRM
        self._events.put(events.CONFIRM, ASKED, self.number)

    def replace(self):
        """Another request about settings has come: what waits is called off."""
        if self.changes is not None:
            self._end(REPLACED)

    def settle(self, now_ms, restarting):
        """Between ticks, while something waits: is it over? True when the settings have changed."""
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
            self._settings.take(self.changes)
            self._end(APPLIED)
            return True
        elif answer == panel.NO:
            self._session.cue = cues.REFUSED
            self._end(REFUSED)
        elif (now_ms - self._asked_ms) & _MASK >= WITHIN_MS:
            self._end(EXPIRED)
        return False

    def _end(self, outcome):
        self.changes = None
        self._panel.answer = panel.NO_ANSWER
        self._events.put(events.CONFIRM, outcome, self.number)
