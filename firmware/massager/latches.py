"""Latches: the latched faults that survive a reset and a loss of power, kept on flash until they are cleared.

They are written between ticks with the motor off, as soon as they have changed and before anything else.
While the flash refuses, a scratch register of the watchdog takes them over a reset, but not over a loss of
power.
"""

from micropython import const

from massager import faults
from massager.store import Store

_ROOM = const(4)  # codes in the register, …
_BITS = const(7)  # … each of so many bits


class Latches:
    """kept: codes of the faults that were latched before this start; the journal has them already."""

    def __init__(self, board, files, safety):
        self._board = board
        self._safety = safety
        self._store = Store(files, "latches")
        names = self._store.load().get("latched", [])
        lost = self._store.damaged or not isinstance(names, list)
        self.kept = []
        if not lost:
            self.kept = [code for code in map(faults.code, names) if code]
            lost = len(self.kept) < len(names)  # of a newer firmware, or torn
        bridged = _codes(board.bridged())
        for code in bridged:
            if code not in self.kept:
                self.kept.append(code)
        for code in self.kept:
            safety.latch(code)
        safety.unsaved = bool(bridged)
        if lost:
            safety.latch(faults.LATCHES_LOST)

    def keep(self):
        """Write them, between ticks. Raises StoreError: the register has them until the next try."""
        safety = self._safety
        codes = self.bridge()
        self._store.save({"latched": [faults.fault_name(code) for code in codes]})
        safety.unsaved = False
        self._board.bridge(0)

    def bridge(self):
        """Leave those that survive in the register alone; returns their codes."""
        codes = [code for code in self._safety.latched() if faults.survives(code)]
        self._board.bridge(_word(codes))
        return codes


def _word(codes):
    """The first codes as one number."""
    word = 0
    for code in codes[:_ROOM]:
        word = word << _BITS | code
    return word


def _codes(word):
    """The codes of a number; those that no fault has are left out."""
    codes: list = []
    for _ in range(_ROOM):
        code = word & ((1 << _BITS) - 1)
        if code and faults.known(code):
            codes.insert(0, code)
        word >>= _BITS
    return codes
