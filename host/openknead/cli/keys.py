"""Single key presses from the terminal, without waiting and without an echo."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

ARROWS = {"\x1b[A": "+", "\x1b[B": "-", "\x1bOA": "+", "\x1bOB": "-"}  # up and down


class Keys:
    """A context manager; `pressed()` gives what was typed since. Reads nothing when stdin is no terminal."""

    def __init__(self) -> None:
        self.active = sys.stdin is not None and sys.stdin.isatty()
        self._kept: Any = None

    def __enter__(self) -> Self:
        if self.active and sys.platform != "win32":
            import termios
            import tty

            self._kept = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)  # Ctrl-C still interrupts
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kept is not None and sys.platform != "win32":
            import termios

            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._kept)

    def pressed(self) -> str:
        """The keys typed since the last call, in order; "" for none."""
        if not self.active:
            return ""
        if sys.platform == "win32":
            import msvcrt

            typed = ""
            while msvcrt.kbhit():
                typed += msvcrt.getwch()
            return typed
        import os
        import select

        typed = b""
        while select.select([sys.stdin], [], [], 0)[0]:
            more = os.read(sys.stdin.fileno(), 64)
            if not more:
                self.active = False  # the terminal has gone
                break
            typed += more
        text = typed.decode(errors="replace")
        for sequence, key in ARROWS.items():
            text = text.replace(sequence, key)
        return text
