"""Permission: leave for a host to start the motor, given and taken back at the device with MODE held 3 s.

What happens at the device has the last word: STOP, a latched fault and a pause by MODE suspend the
permission, and a host that keeps asking is refused until MODE is held again. The suspension is on flash
before a restart, so that does not end it.
"""

from micropython import const

from massager.store import Store, StoreError

NONE = const(0)
STOP = const(1)
FAULT = const(2)
PAUSE = const(3)

# value, name, meaning
CAUSES = (
    (STOP, "stop", "STOP was pressed, or its wire is off."),
    (FAULT, "fault", "A fault was latched."),
    (PAUSE, "pause", "The session was paused with MODE."),
)


class Permission:
    """suspended: the cause, NONE while a host may use what was granted; unsaved: not yet so on flash."""

    def __init__(self, settings, files):
        self._settings = settings
        self._store = Store(files, "permission")
        kept = self._store.load().get("suspended", NONE)
        # A record that is damaged or of other firmware: better to ask for MODE once more.
        known = isinstance(kept, int) and NONE <= kept <= PAUSE and not self._store.damaged
        self.suspended = kept if known else STOP
        self.unsaved = False
        self._resumable = False  # what suspended it is a pause of the session under way

    def granted(self):
        """Whether a host may start sessions, as far as the settings say."""
        return self._settings["remote_start"] and self._settings["acknowledged"]

    def in_force(self):
        """Whether a host may start sessions now."""
        return not self.suspended and self.granted()

    def cause(self):
        """Name of what suspends it; None."""
        return CAUSES[self.suspended - 1][1] if self.suspended else None

    def suspend(self, cause):
        """Take a host's permission away until it is given back at the device. In the tick."""
        if self.suspended != cause and self.suspended in (NONE, PAUSE) and self.granted():
            self.suspended = cause
            self._resumable = cause == PAUSE
            self.unsaved = True

    def resumed(self):
        """Give back what a pause by MODE took away: MODE ended it, in the same session. In the tick."""
        if self._resumable:
            self._give_back()

    def session_over(self):
        """From now on only MODE held 3 s gives back what a pause took away. In the tick."""
        self._resumable = False

    def toggle(self, save):
        """Do what MODE held 3 s asks for: take the permission away, or give it; whether a host has it now.

        save: writes these settings, and no others. Damaged ones are never written over, so then nothing is
        given. Raises StoreError: it was not given, or is taken away only until power off.
        """
        settings = self._settings
        if self.granted():
            if self.suspended:
                self._give_back()
                return True
            settings.take({"remote_start": False})
            if not settings.invalid:
                save({"remote_start": False})
            return False
        if settings.invalid:
            raise StoreError("the settings are damaged", False)
        changes = {"remote_start": True, "acknowledged": True}
        save(changes)
        settings.take(changes)
        self._give_back()
        return True

    def keep(self):
        """Write the suspension to flash. Raises StoreError."""
        self._store.save({"suspended": self.suspended})
        self.unsaved = False

    def _give_back(self):
        self.unsaved = self.unsaved or self.suspended != NONE
        self.suspended = NONE
