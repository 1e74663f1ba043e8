"""The board's own MicroPython, through its raw REPL: who it is, its files, a restart.

mpremote does the talking; what is run on the board is a handful of functions, sent once (`_PRELUDE`). A file
is written under a temporary name, hashed by the board, and renamed only if that hash is right. Entering stops
whatever runs there: only ports that are a Pico's, a virtual board's, or named by the user may come here.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import json
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openknead.closing import Closing
from openknead.flash.errors import BoardFull, BoardSilent, FlashError, NotVerified
from openknead.link import busy, open_link

if TYPE_CHECKING:
    from mpremote.transport_serial import SerialTransport  # type: ignore[import-untyped]

TEMPORARY = "flash.tmp"
PATIENCE_S = 10.0  # with each answer, at least
PART_BYTES = 2048  # of a file, in one go
ENTRIES = 3  # how often the prompt is asked for: what runs may just be starting
FULL = 28  # errno ENOSPC, also on MicroPython

_PRELUDE = f"""
import binascii, hashlib, json, os
def tell(what):
    print(json.dumps(what))
def blocks(path, digest):
    with open(path, 'rb') as f:
        while True:
            data = f.read(768)
            if not data:
                break
            digest.update(data)
            yield data
def sha(path):
    digest = hashlib.sha256()
    for _ in blocks(path, digest):
        pass
    return binascii.hexlify(digest.digest()).decode()
def walk(folder):
    for entry in os.listdir(folder or '/'):
        path = folder + '/' + entry
        status = os.stat(path)
        if status[0] & 0x4000:
            walk(path)
        else:
            tell((path[1:], status[6]))
def show(path):
    digest = hashlib.sha256()
    for data in blocks(path, digest):
        print(binascii.b2a_base64(data).decode().strip())
    tell(binascii.hexlify(digest.digest()).decode())
def add(text):
    f.write(binascii.a2b_base64(text))
def keep(path, want):
    f.close()
    have = sha('/{TEMPORARY}')
    if have == want:
        folders = path.split('/')[1:-1]
        for n in range(len(folders)):
            try:
                os.mkdir('/' + '/'.join(folders[:n + 1]))
            except OSError:
                pass
        os.rename('/{TEMPORARY}', path)
    tell(have)
def drop(path):
    try:
        os.remove(path)
    except OSError as e:
        if e.args[0] != 2:
            raise
"""
_IDENTIFY = """
import sys, machine
u = os.uname()
v = os.statvfs('/')
tell({'name': sys.implementation.name, 'release': u.release, 'machine': u.machine,
    'mpy': getattr(sys.implementation, '_mpy', 0) & 255,
    'native': getattr(sys.implementation, '_mpy', 0) >> 8, 'sim': getattr(machine, 'SIMULATED', False),
    'board': binascii.hexlify(machine.unique_id()).decode(), 'free': v[0] * v[3], 'block': v[0]})
"""


@dataclass(frozen=True)
class Chip:
    """What a board's MicroPython says of itself. free, block: bytes of its file system."""

    name: str  # "micropython"
    release: str  # "1.24.1"
    machine: str  # "Raspberry Pi Pico with RP2040"
    mpy: int  # version of the bytecode that it runs
    native: int  # architecture and version of the machine code that it loads
    sim: str | bool  # False on hardware, and on an emulated Pico
    board: str
    free: int
    block: int

    @property
    def version(self) -> tuple[int, ...]:
        """The release as numbers, as far as they go: (1, 24, 1)."""
        return tuple(int(part) for part in re.findall(r"\d+", self.release.partition("-")[0])[:3])


class Repl(Closing):
    """The raw REPL of the board at a port; what ran there is stopped by entering it.

    Every method raises BoardSilent when the board goes away or talks nonsense.
    """

    def __init__(self, port: str, patience_s: float = PATIENCE_S) -> None:
        """Raises PortNotFound, PortBusy, PortPermission or PortError."""
        self.port = port
        self._patience_s = max(patience_s, PATIENCE_S)
        _try(port)
        from mpremote.transport import TransportError  # type: ignore[import-untyped]
        from mpremote.transport_serial import SerialTransport
        from serial import SerialException

        # struct.error: mpremote met the end of its patience where it wanted two bytes
        self._troubles = (TransportError, SerialException, OSError, struct.error, ValueError)
        with self._talking():
            self._transport: SerialTransport = SerialTransport(port)
        self._transport.serial.timeout = self._transport.serial.write_timeout = self._patience_s
        try:
            self._enter()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        with suppress(*self._troubles):
            if self._transport.in_raw_repl:
                self._transport.exit_raw_repl()
            self._transport.close()

    # -- talking -----------------------------------------------------------------------------------

    @contextmanager
    def _talking(self) -> Iterator[None]:
        with redirect_stdout(io.StringIO()):  # mpremote prints what it does not understand
            try:
                yield
            except FlashError:
                raise
            except self._troubles as problem:
                said = str(problem) or type(problem).__name__
                raise BoardSilent(f"the MicroPython on {self.port} does not answer: {said}") from problem

    def _enter(self) -> None:
        """Stop what runs, and begin with an empty heap: boot.py runs, main.py does not."""
        for left in reversed(range(ENTRIES)):
            try:
                with self._talking():
                    self._transport.enter_raw_repl(timeout_overall=self._patience_s)
                break
            except BoardSilent:
                if not left:
                    raise
        self.run(_PRELUDE)

    def run(self, source: str, each: Callable[[str], None] | None = None) -> list[str]:
        """Run code on the board; the lines that it printed.

        each: gets every line as it comes, and the result is empty. Raises BoardFull, and FlashError when the
        code raised something else.
        """
        lines = _Lines(each)
        with self._talking():
            printed, raised = self._transport.exec_raw(source, self._patience_s, lines.take if each else None)
            if each is None:
                lines.take(printed)
        if raised:
            raise _problem(raised.decode(errors="replace"))
        return lines.found

    def _ask(self, source: str) -> Any:
        """The one thing that the code tells."""
        try:
            (line,) = self.run(source)
            return json.loads(line)
        except ValueError as problem:
            raise BoardSilent(f"the board at {self.port} gives no clear answer") from problem

    # -- what can be asked for ---------------------------------------------------------------------

    def chip(self) -> Chip:
        """Who it is."""
        told = self._ask(_IDENTIFY)
        try:
            return Chip(**told)
        except TypeError as problem:
            raise BoardSilent(f"the board at {self.port} does not say who it is") from problem

    def sizes(self) -> dict[str, int]:
        """All files: path without a leading slash → size in bytes."""
        return dict(json.loads(line) for line in self.run("walk('')"))

    def hashes(self, paths: Iterable[str]) -> dict[str, str]:
        """SHA-256 of files, as the board finds it."""
        found: dict[str, str] = {}
        names = sorted(paths)
        for start in range(0, len(names), 20):  # the list has to fit into the heap, too
            source = f"for p in {names[start : start + 20]!r}:\n tell((p, sha('/' + p)))"
            found |= dict(json.loads(line) for line in self.run(source))
        return found

    def read(self, path: str, progress: Callable[[int], None] | None = None) -> bytes:
        """A file's content; progress: called with the number of bytes that came. Raises NotVerified."""
        data = bytearray()
        digest: list[str] = []

        def take(line: str) -> None:
            if line.startswith('"'):
                digest.append(json.loads(line))
                return
            part = binascii.a2b_base64(line)
            data.extend(part)
            if progress:
                progress(len(part))

        self.run(f"show({'/' + path!r})", take)
        if digest != [hashlib.sha256(data).hexdigest()]:
            raise NotVerified(f"{path} did not come whole from the board")
        return bytes(data)

    def write(self, path: str, data: bytes, progress: Callable[[int], None] | None = None) -> None:
        """Replace a file, or create it and its folders: the old one or the new one is there at any time.

        progress: called with the number of bytes that the board took. Raises NotVerified, BoardFull.
        """
        self.run(f"f = open('/{TEMPORARY}', 'wb')")
        for place in range(0, len(data), PART_BYTES):
            part = data[place : place + PART_BYTES]
            self.run(f"add({binascii.b2a_base64(part, newline=False)!r})")
            if progress:
                progress(len(part))
        want = hashlib.sha256(data).hexdigest()
        if self._ask(f"keep({'/' + path!r}, {want!r})") != want:
            raise NotVerified(f"the board read back something else than {path}")

    def remove(self, path: str) -> None:
        """Delete a file, if it is there."""
        self.run(f"drop({'/' + path!r})")

    def restart(self) -> None:
        """Reset the chip and close: boot.py and main.py begin."""
        self._leave("machine.reset()")

    def bootloader(self) -> None:
        """Into the boot ROM and close: the board comes back as a drive."""
        self._leave("machine.bootloader()")

    def _leave(self, call: str) -> None:
        """A port that goes away before the board has said that it obeys: it obeyed. Whoever waits for it next
        finds out otherwise.
        """
        with suppress(*self._troubles), redirect_stdout(io.StringIO()):
            self._transport.exec_raw_no_follow(f"import machine\n{call}")
        self._transport.in_raw_repl = False
        self.close()


class _Lines:
    """Lines out of what comes byte by byte."""

    def __init__(self, each: Callable[[str], None] | None) -> None:
        self.found: list[str] = []
        self._each = each or self.found.append
        self._rest = b""

    def take(self, data: bytes) -> None:
        self._rest += data
        while b"\n" in self._rest:
            line, _, self._rest = self._rest.partition(b"\n")
            if text := line.decode().strip("\r\x04"):
                self._each(text)


def _try(port: str) -> None:
    """Open and close it, for an error that says why it cannot be used; mpremote keeps that to itself."""
    link = open_link(port)
    try:
        if link.shared:
            raise busy(port)
    finally:
        link.close()


def _problem(traceback: str) -> FlashError:
    last = traceback.strip().splitlines()[-1]
    if re.search(rf"OSError.*\b{FULL}\b", last):
        return BoardFull("the board's flash is full")
    return FlashError(f"the board's MicroPython says: {last}", data={"traceback": traceback})
