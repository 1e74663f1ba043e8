"""Repl: MicroPython's prompt on a virtual board, byte by byte as a person and `mpremote` know it.

Friendly, paste, raw and raw-paste mode are those of docs.micropython.org/en/latest/reference/repl.html; no
history, completion or moving within the line. The code runs on CPython, in the board's sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .sandbox import HEAP_BYTES, MACHINE, VERSION, Sandbox
from .sources import is_whole

if TYPE_CHECKING:
    from .chip import Chip

CTRL_A, CTRL_B, CTRL_C, CTRL_D, CTRL_E = range(1, 6)
BACKSPACE, NEWLINE, ENTER, ESCAPE, DELETE = 8, 10, 13, 27, 127
WINDOW_BYTES = 128  # of raw-paste mode; the host may be two windows ahead
BANNER = f"MicroPython v{VERSION}, simulated by OpenKnead on CPython; {MACHINE}\r\n"
BANNER += 'Type "help()" for more information.\r\n'


class Repl:
    """The prompt of one board, over all its soft resets; a reset makes `raw` False.

    refusal: when not empty, nothing typed is run; the error says this instead.
    """

    def __init__(self, chip: Chip) -> None:
        self.raw = False
        self.refusal = ""
        self._chip = chip
        self._usb = chip.usb
        self._line_end = 0  # the byte that ended a line, if nothing else came since

    def run(self, sandbox: Sandbox) -> None:
        """Prompt until a soft reset is asked for."""
        self._chip.interrupt_char = -1
        while self._raw_mode(sandbox) if self.raw else self._friendly_mode(sandbox):
            pass

    def _run(self, sandbox: Sandbox, code: bytes, *, interactive: bool = False) -> bool:
        """Run what came; False: it asked for a soft reset."""
        end = b"" if interactive else b"\x04"
        if self.refusal:
            return sandbox.execute(self._refuse, end)
        if len(code) > HEAP_BYTES:
            return sandbox.execute(_no_memory, end)
        return sandbox.run_typed(code, interactive=interactive, end=end)

    def _refuse(self) -> None:
        raise RuntimeError(self.refusal)

    def _put(self, text: str) -> None:
        self._usb.put(text.encode())

    # -- for people ---------------------------------------------------------------------------------

    def _friendly_mode(self, sandbox: Sandbox) -> bool:
        """From the banner on; False: a soft reset is asked for."""
        self._put(BANNER)
        while True:
            key, code = self._statement()
            if key == ENTER:
                if code.strip() and not self._run(sandbox, code, interactive=True):
                    return False
                continue
            self._put("\r\n")
            if key == CTRL_A:
                self.raw = True
            if key in (CTRL_A, CTRL_B, CTRL_D):
                return key != CTRL_D
            if key == CTRL_E:
                pasted = self._paste()
                if pasted is not None and not self._run(sandbox, pasted, interactive=True):
                    return False

    def _statement(self) -> tuple[int, bytes]:
        """(ENTER, code), of as many lines as it takes, or (control key, b"")."""
        key, code = self._line(">>> ")
        while key == ENTER and not is_whole(code.decode()):
            key, line = self._line("... ")
            if key == CTRL_D:  # enough of it
                return ENTER, code
            if key == ENTER:
                code += b"\n" + line
        return key, code

    def _line(self, prompt: str) -> tuple[int, bytes]:
        """(ENTER, the line), echoed; or (control key, b"") for one that counts here."""
        self._put(prompt)
        line = bytearray()
        while True:
            byte = self._usb.get()
            if byte == CTRL_C or (CTRL_A <= byte <= CTRL_E and not line):
                return byte, b""
            if self._ends_line(byte):
                self._put("\r\n")
                return ENTER, bytes(line)
            if byte in (BACKSPACE, DELETE):
                if line:
                    del line[-1]
                    self._put("\b\x1b[K")
            elif byte == ESCAPE:
                self._skip_sequence()
            elif byte == 9 or 32 <= byte < DELETE:
                typed = b"    " if byte == 9 else bytes([byte])
                if len(line) <= HEAP_BYTES:
                    line += typed
                self._usb.put(typed)

    def _ends_line(self, byte: int) -> bool:
        """Whether a line ends here: either byte of a pair such as CR LF ends one, the other is skipped."""
        ends = byte in (NEWLINE, ENTER) and self._line_end in (0, byte)
        self._line_end = byte if ends else 0
        return ends

    def _skip_sequence(self) -> None:
        """The rest of what an arrow key or its like sends, as far as MicroPython knows such sequences."""
        byte = self._usb.get()
        if byte == ord("O") or (byte == ord("[") and self._usb.get() in b"0123456789"):
            self._usb.get()

    def _paste(self) -> bytes | None:
        """What is pasted up to Ctrl-D; None after Ctrl-C."""
        self._put("paste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== ")
        code = bytearray()
        while True:
            byte = self._usb.get()
            if byte in (CTRL_C, CTRL_D):
                self._put("\r\n")
                return bytes(code).replace(b"\r", b"\n") if byte == CTRL_D else None
            if len(code) <= HEAP_BYTES:
                code.append(byte)
            self._usb.put(b"\r\n=== " if byte == ENTER else bytes([byte]))

    # -- for programs -------------------------------------------------------------------------------

    def _raw_mode(self, sandbox: Sandbox) -> bool:
        """From its banner on; False: a soft reset is asked for."""
        self._put("raw REPL; CTRL-B to exit\r\n>")
        code = bytearray()
        while True:
            byte = self._usb.get()
            if byte == CTRL_A:
                if len(code) != 2 or code[0] != CTRL_E:
                    return True
                if not self._raw_paste(sandbox, code[1]):
                    return False
            elif byte == CTRL_B:
                self._put("\r\n")
                self.raw = False
                return True
            elif byte == CTRL_D:
                self._put("OK")
                if not code:
                    self._put("\r\n")
                    return False
                if not self._run(sandbox, bytes(code)):
                    return False
            elif byte != CTRL_C:
                if len(code) <= HEAP_BYTES:
                    code.append(byte)
                continue
            code.clear()
            if byte != CTRL_C:
                self._put(">")

    def _raw_paste(self, sandbox: Sandbox, command: int) -> bool:
        """Take code with flow control, and run it; False: a soft reset is asked for."""
        usb = self._usb
        if command != ord("A"):
            usb.put(b"R\x00")
            return True
        usb.put(b"R\x01" + WINDOW_BYTES.to_bytes(2, "little") + b"\x01")
        code = bytearray()
        received = 0
        while True:
            byte = usb.get()
            if byte in (CTRL_C, CTRL_D):
                break
            if len(code) <= HEAP_BYTES:
                code.append(byte)
            received += 1
            if received % WINDOW_BYTES == 0:
                usb.put(b"\x01")
        usb.put(b"\x04")
        if byte == CTRL_C:
            return sandbox.execute(_interrupted, b"\x04")
        return self._run(sandbox, bytes(code))


def _no_memory() -> None:
    raise MemoryError("memory allocation failed")


def _interrupted() -> None:
    raise KeyboardInterrupt
