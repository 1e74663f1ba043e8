"""Memory: what the device keeps by itself, in one record: dose, session that has begun, selection, time zone.

Read at the start and written between ticks with the motor off, like everything on flash.
"""

import json

from massager.dose import DAY_S
from massager.store import Store

ROOM = 2_000  # bytes of journal that are read at a time


class Memory:
    """selected: name of the program selected last, or whatever the record has in its place."""

    def __init__(self, files, dose, clock):
        self._store = Store(files, "memory")
        self._dose = dose
        self._clock = clock
        record = self._store.load()
        found = record.get("dose")
        dose.load(found if isinstance(found, dict) else {})
        offset_s = record.get("utc_offset_s")
        if isinstance(offset_s, int) and -DAY_S < offset_s < DAY_S:
            clock.offset_s = offset_s
        self.selected = record.get("selected")

    def save(self, selected):
        """Write the record. Raises StoreError: the dose is marked as changed until it is on flash."""
        self._dose.changed = True
        dose = self._dose.record()
        self._store.save({"selected": selected, "utc_offset_s": self._clock.offset_s, "dose": dose})
        self._dose.changed = False

    def begin(self, session, after, selected):
        """Write that a session begins. Raises StoreError, and then it has not begun."""
        self._dose.begin(session, after)
        try:
            self.save(selected)
        except Exception:
            self._dose.begun = None
            raise

    def settle(self, journal, counted_ms):
        """Charge a session that had begun when the device restarted.

        counted_ms: see `Dose.settle`. Returns the record that the journal needs; None if it has one, or if no
        session had begun. The journal is written before this record: a cut in between charges nothing twice.
        """
        if not self._dose.begun:
            return None
        start = self._dose.begun["after"] + 1
        while start is not None:
            texts, start = journal.read(start, ROOM)
            for text in texts:
                record = json.loads(text)
                if record["kind"] == "session":
                    return self._dose.settle(None, record)
        return self._dose.settle(counted_ms, None)
