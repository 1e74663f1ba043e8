"""A board for `knead flash` out of two halves: real MicroPython at the prompt, real firmware when it runs.

Its flash is a folder. At the prompt it is a process of the MicroPython Unix port: what mpremote meets is
MicroPython's own raw REPL. With `main.py` there, a virtual board runs the firmware that lies in the folder.
Between them a thread moves bytes, and can pull the cable after any number of them. What the Unix port lacks
stands in SHIMS.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from openknead_sim.flash import Flash
from openknead_sim.virtual import VirtualBoard

MICROPYTHON = shutil.which("micropython", path=str(Path(sys.executable).parent)) or shutil.which(
    "micropython"
)
RESET, BOOTLOADER = 5, 6  # exit codes of the MicroPython process
SLICE_MS = 20  # of the virtual board's time, a turn
INFO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"

SHIMS = {
    "machine.py": """
import sys
SIMULATED = {sim!r}
class Pin:
    OUT = 1
    def __init__(self, *arguments, **more):
        pass
def unique_id():
    return bytes.fromhex({board!r})
def reset():
    sys.exit(5)
def bootloader():
    sys.exit(6)
""",
    "os.py": """
from uos import *
from uos import statvfs as _statvfs
class _Name:
    sysname = nodename = "rp2"
    release = {release!r}
    machine = {machine!r}
def uname():
    return _Name
import vfs
_posix = vfs.VfsPosix()
def rename(old, new):  # with a root, that of the Unix port mixes its two paths up
    _posix.rename({root!r} + old, {root!r} + new)
def statvfs(path):
    return (4096, 4096, 352, {free}) + _statvfs(path)[4:]
""",
    "start.py": """
import sys, vfs
sys.path[:] = [{shims!r}, ".frozen"]
import builtins, machine, os
vfs.umount("/")
vfs.mount(vfs.VfsPosix({root!r}), "/")
sys.path[:] = ["/", ".frozen"]
_room = [{room}]
_open = builtins.open
class _Full:
    def __init__(self, file):
        self._file = file
    def write(self, data):
        if len(data) > _room[0]:
            raise OSError(28)
        _room[0] -= len(data)
        return self._file.write(data)
    def close(self):
        self._file.close()
def open(path, mode="r"):
    file = _open(path, mode)
    return _Full(file) if "w" in mode and _room[0] >= 0 else file
builtins.open = open
if "boot.py" in os.listdir("/"):
    exec(_open("/boot.py").read(), {{"__name__": "boot"}})
""",
}


class UnixBoard:
    """One board; `port` is its serial port. Use it in a `with` statement.

    drive: the folder that is its drive in BOOTSEL mode; after an image was copied there, `flashed` is called
    with it, and the board starts. release, machine, sim, free: what its MicroPython says of itself, and of
    the blocks free; room: how many bytes can really be written (-1: any number).
    """

    def __init__(self, folder: Path, files: dict[str, bytes] | None = None, *, blank: bool = False) -> None:
        self.root, self.shims, self.drive = folder / "flash", folder / "shims", folder / "drive"
        for place in (self.root, self.shims, self.drive):
            place.mkdir(parents=True)
        for path, data in (files or {}).items():
            self.put(path, data)
        self.board = VirtualBoard(seed=3).chip.unique_id.hex()
        self.port = str(folder / "port")
        self.release, self.machine, self.sim, self.free, self.room = (
            "1.24.1",
            "Pico with RP2040",
            "desktop",
            300,
            -1,
        )
        self.flashed: Callable[[bytes], None] = lambda image: None
        self.cut_after: int | None = None  # pull the cable after so many bytes from the host
        self.sent = 0  # by the host, to the prompt
        self.boots = 0
        self.ran_while_turning = False  # somebody took the board over with the motor on
        self.trouble: BaseException | None = None
        self._blank = blank
        self._app: VirtualBoard | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._inner = -1  # our end of the process's terminal
        self._raw = False
        self._master = -1
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)

    # -- its flash ---------------------------------------------------------------------------------

    def put(self, path: str, data: bytes) -> None:
        """Put a file on the flash."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

    def files(self) -> dict[str, bytes]:
        """What is on the flash."""
        with self._lock:
            self._save()
            found = (path for path in self.root.rglob("*") if path.is_file())
            return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in found}

    def _load(self) -> Flash:
        flash = Flash()
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                flash.write_file("/" + path.relative_to(self.root).as_posix(), path.read_bytes())
        return flash

    def _save(self) -> None:
        """What the virtual board has on its flash, into the folder."""
        if self._app is None:
            return
        flash = self._app.flash
        found: dict[str, bytes] = {}

        def walk(folder: str) -> None:
            for name, kind, _, _ in list(flash.ilistdir(folder or "/")):
                path = f"{folder}/{name}"
                if kind == 0x4000:
                    walk(path)
                else:
                    found[path[1:]] = flash.read_file(path) or b""

        walk("")
        for path in self.root.rglob("*"):
            if path.is_file() and path.relative_to(self.root).as_posix() not in found:
                path.unlink()
        for path, data in found.items():
            self.put(path, data)

    # -- its life ----------------------------------------------------------------------------------

    def __enter__(self) -> UnixBoard:
        self._plug()
        if self._blank:
            self._into_bootsel()
        else:
            self._boot()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._save()
        self._end_process()
        self._unplug()
        if self.trouble:
            raise self.trouble

    def replug(self) -> None:
        """Put the cable back in: the board has lost its power meanwhile."""
        with self._lock:
            self._leave()
            self.cut_after = None
            self._plug()
            self._boot()

    def _plug(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        with suppress(FileNotFoundError):
            os.unlink(self.port)
        os.symlink(os.ttyname(self._slave), self.port)

    def _unplug(self) -> None:
        if self._master >= 0:
            os.unlink(self.port)
            os.close(self._master)
            os.close(self._slave)
            self._master = -1

    def _boot(self) -> None:
        """Power-on, or a hard reset."""
        self._leave()
        self.boots += 1
        if (self.root / "main.py").exists():
            self._app = VirtualBoard(seed=3, flash=self._load())
            self._app.power_on()
        else:
            self._prompt()

    def _leave(self) -> None:
        """End whatever runs."""
        self._save()
        self._app = None
        self._end_process()

    def _prompt(self, raw: bool = False) -> None:
        """MicroPython without main.py."""
        known = {name: getattr(self, name) for name in ("sim", "board", "release", "machine", "free", "room")}
        for name, text in SHIMS.items():
            text = text.format(root=str(self.root), shims=str(self.shims), **known)
            (self.shims / name).write_text(text)
        self._inner, theirs = os.openpty()
        tty.setraw(theirs)
        command = [MICROPYTHON or "micropython", "-i", str(self.shims / "start.py")]
        self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self._raw = raw
        if raw:
            self._await(b">>> ")
            os.write(self._inner, b"\x01")

    def _await(self, text: bytes) -> None:
        heard = b""
        while not heard.endswith(text):
            heard += os.read(self._inner, 4096)

    def _end_process(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            os.close(self._inner)
            self._process = None

    def _into_bootsel(self) -> None:
        self._leave()
        self._unplug()
        (self.drive / "INFO_UF2.TXT").write_text(INFO)

    # -- moving bytes ------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                with self._lock:
                    self._turn()
                self._stop.wait(0.0005)  # or nobody else would ever get the lock
        except BaseException as trouble:  # told when the board is put away
            self.trouble = trouble

    def _turn(self) -> None:
        if self._master < 0:
            self._watch_drive()
        elif self._process:
            self._shuttle(self._process)
        else:
            self._live()

    def _watch_drive(self) -> None:
        self._stop.wait(0.05)
        for path in self.drive.glob("*.uf2"):
            image = path.read_bytes()
            if len(image) > 512 and len(image) == 512 * int.from_bytes(image[24:28], "little"):
                shutil.rmtree(self.drive)
                self.drive.mkdir()
                self.flashed(image)
                self._plug()
                self._boot()

    def _hear(self, timeout_s: float) -> bytes:
        if not select.select([self._master], [], [], timeout_s)[0]:
            return b""
        try:
            return os.read(self._master, 4096)
        except OSError:
            return b""

    def _live(self) -> None:
        """Let the firmware run; Ctrl-C ends it, and what is on its flash is what the prompt finds."""
        app = self._app
        assert app is not None
        heard = self._hear(0.002)
        before, interrupt, after = heard.partition(b"\x03")
        if before:
            app.send(before)
        app.run_ms(SLICE_MS)
        with suppress(BlockingIOError):
            os.write(self._master, app.receive())
        if interrupt:
            self.ran_while_turning |= app.rig.duty > 0
            self._leave()
            self._prompt()
            self._pass_on(after)

    def _shuttle(self, process: subprocess.Popen[bytes]) -> None:
        ready, _, _ = select.select([self._master, self._inner], [], [], 0.02)
        if self._master in ready:
            self._pass_on(self._hear(0))
        if self._master >= 0 and self._inner in ready:
            with suppress(OSError):
                self._say(os.read(self._inner, 4096))
        if self._master >= 0 and process.poll() is not None:
            code = process.returncode
            self._end_process()
            if code == RESET:
                self._boot()
            elif code == BOOTLOADER:
                self._into_bootsel()
            else:  # Ctrl-D: a soft reset
                self._say(b"MPY: soft reboot\r\n")
                if self._raw:
                    self._prompt(raw=True)
                else:
                    self._boot()

    def _pass_on(self, data: bytes) -> None:
        """From the host to the prompt, as far as the cable holds."""
        if self.cut_after is not None and self.sent + len(data) >= self.cut_after:
            self._leave()
            self._unplug()
            return
        self.sent += len(data)
        for byte in data:
            if byte in (1, 2):
                self._raw = byte == 1
        if data:
            os.write(self._inner, data)

    def _say(self, data: bytes) -> None:
        while data and not self._stop.is_set():
            try:
                data = data[os.write(self._master, data) :]
            except BlockingIOError:
                self._stop.wait(0.001)
