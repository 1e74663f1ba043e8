"""The virtual board's flash: a real littlefs on a memory image, with MicroPython's file calls.

Every program and erase operation is counted, takes the time it takes on the board's flash chip, and can be
the one at which the power fails or the chip reports an error.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, overload

from littlefs import LittleFS, UserContext, lfs
from littlefs.errors import LittleFSError

from .flashfile import FlashFile, failure

BLOCK_BYTES = 4096
BLOCKS = 352  # MicroPython's file system on a 2 MiB Pico
PROG_BYTES = 256
READ_BYTES = 32
ERASE_US = 45_000  # one sector, measured on the emulated chip's model of a typical part
PROG_US = 700  # one page of 256 bytes

Torn = Literal["none", "half", "all"]

# MicroPython takes an error in the middle of a folder for one more entry, each time it asks for the next.
_NAMELESS = lfs.LFSStat(type=2, size=0, name="")
# littlefs-python's own "a" does not create a file; MicroPython's does.
_APPEND = lfs.LFSFileFlag(0x2 | 0x100 | 0x800)  # wronly, creat, append

_ERRNO = {
    -2: errno.ENOENT,
    -5: errno.EIO,
    -9: errno.EBADF,
    -12: errno.ENOMEM,
    -17: errno.EEXIST,
    -20: errno.ENOTDIR,
    -21: errno.EISDIR,
    -22: errno.EINVAL,
    -27: errno.EFBIG,
    -28: errno.ENOSPC,
    -36: errno.ENAMETOOLONG,
    -39: errno.ENOTEMPTY,
    -84: 84,  # corrupt; MicroPython passes littlefs's numbers on
}


class PowerCut(BaseException):
    """The power failed in the middle of a flash operation; nothing after it happened."""


class FlashImage(UserContext):
    """The flash chip under littlefs: counts operations and fails on demand.

    operations: program and erase operations so far; cut_at: the number of the operation (counting from the
    next one as 1 when set through `cut_power_after`) at which the power fails; failing: operations report an
    input/output error while True; failed: one did; busy_us: time spent since it was last reset to 0.
    """

    def __init__(self, image: bytes | bytearray | None = None) -> None:
        super().__init__(
            buffer=bytearray(image) if image is not None else bytearray(b"\xff") * (BLOCKS * BLOCK_BYTES)
        )
        if len(self.buffer) != BLOCKS * BLOCK_BYTES:
            raise ValueError(f"a flash image has {BLOCKS * BLOCK_BYTES} bytes, this one {len(self.buffer)}")
        self.operations = 0
        self.cut_at: int | None = None
        self.torn: Torn = "none"
        self.off = False
        self.failing = self.failed = False
        self.busy_us = 0

    def cut_power_after(self, operations: int, torn: Torn = "none") -> None:
        """Fail at the operation after the next `operations` ones, with none, half or all of it done."""
        self.cut_at = self.operations + operations + 1
        self.torn = torn

    def power_on(self) -> None:
        """After a cut: the chip answers again."""
        if self.off:
            self.off = False
            self.cut_at = None

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
        start = block * BLOCK_BYTES + off
        return self.buffer[start : start + size]

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        start = block * BLOCK_BYTES + off
        done = self._operation(len(data))
        if done:  # programming clears bits, it never sets one
            old = int.from_bytes(self.buffer[start : start + done], "little")
            new = old & int.from_bytes(data[:done], "little")
            self.buffer[start : start + done] = new.to_bytes(done, "little")
        self.busy_us += PROG_US * -(-len(data) // PROG_BYTES)
        return 0 if done == len(data) and not self.off else -5

    def erase(self, cfg: Any, block: int) -> int:
        start = block * BLOCK_BYTES
        done = self._operation(BLOCK_BYTES)
        self.buffer[start : start + done] = b"\xff" * done
        self.busy_us += ERASE_US
        return 0 if done == BLOCK_BYTES and not self.off else -5

    def sync(self, cfg: Any) -> int:
        return -5 if self.off else 0

    def _operation(self, size: int) -> int:
        """Count one operation; how many of its bytes happen."""
        if self.off or self.failing:
            self.failed = True
            return 0
        self.operations += 1
        if self.operations != self.cut_at:
            return size
        self.off = True
        return {"none": 0, "half": size // 2, "all": size}[self.torn]


class Flash:
    """File system of one board. Paths are absolute or relative to `cwd`; errors are OSError(errno).

    path: a file that keeps the image over runs of the simulator (written by `save`).
    on_cut: called instead of raising PowerCut.  on_busy: called with the µs that flash operations took.
    """

    def __init__(self, image: bytes | None = None, path: Path | None = None) -> None:
        self.path = path
        if image is None and path is not None and path.exists():
            image = path.read_bytes()
        self.chip = FlashImage(image)
        self.on_cut: Callable[[], None] = _raise_cut
        self.on_busy: Callable[[int], None] = _no_time
        self.cwd = "/"
        self.formatted = False
        self.operation = _Operation(self)
        self._open: list[FlashFile] = []
        self.mount()

    def mount(self) -> None:
        """Mount what the image holds, as at power-on; an image that holds no file system is formatted."""
        self.chip.power_on()
        self.chip.failed = False
        self.cwd = "/"
        self._open = []
        self.formatted = False
        self._fs = self._file_system()
        try:
            self._fs.mount()
        except LittleFSError:
            self._fs.format()
            self._fs.mount()
            self.formatted = True
        self.chip.busy_us = 0

    def _file_system(self) -> LittleFS:
        return LittleFS(
            context=self.chip, mount=False, block_size=BLOCK_BYTES, block_count=BLOCKS, read_size=READ_BYTES,
            prog_size=PROG_BYTES, cache_size=4 * PROG_BYTES, lookahead_size=32, disk_version=0x00020000,
        )  # fmt: skip

    def recover(self) -> None:
        """After an error of the chip: mount again, with what the chip really has.

        Littlefs keeps what it failed to program in its cache, and aborts the process at the next write; in
        MicroPython's build it has no assertions. Files open for reading stay open, others are lost.
        """
        self.chip.failed = False
        fresh = self._file_system()
        with suppress(LittleFSError):  # the chip's content is that of the last complete operation
            fresh.mount()
            self._fs = fresh
        for file in tuple(self._open):
            file.reopen(self._fs.fs)

    def soft_reset(self) -> None:
        """What MicroPython does at a soft reset: close what was left open, start from the root again."""
        for file in tuple(self._open):
            with suppress(OSError):
                file.close()
        self.cwd = "/"

    def save(self) -> None:
        """Write the image to `path`, if there is one."""
        if self.path is not None:
            temporary = self.path.with_name(self.path.name + ".part")
            temporary.write_bytes(self.chip.buffer)
            temporary.replace(self.path)

    @property
    def image(self) -> bytes:
        """A copy of the flash's content."""
        return bytes(self.chip.buffer)

    # -- what firmware sees -------------------------------------------------------------------------

    def open(self, path: str, mode: str = "r", **_options: Any) -> FlashFile:
        """MicroPython's open(): text is UTF-8 with newlines as they are."""
        binary = "b" in mode
        plain = mode.replace("b", "").replace("t", "")
        if plain not in ("r", "w", "a", "x", "r+", "w+", "a+"):
            raise ValueError("invalid mode")
        full = self.resolve(path)
        with self.operation:
            if self._fs.stat(full).type == 2 if plain[0] == "r" else False:
                raise failure(errno.EISDIR)
            handle = lfs.file_open(self._fs.fs, full, _APPEND if plain == "a" else plain + "b", "utf-8")
        file = FlashFile(self, self._fs.fs, handle, full, plain, not binary)
        self._open.append(file)
        return file

    def listdir(self, path: str = "") -> list[str]:
        """Names in a folder."""
        return [name for name, *_ in self.ilistdir(path)]

    @overload
    def ilistdir(self, path: bytes) -> Iterator[tuple[bytes, int, int, int]]: ...
    @overload
    def ilistdir(self, path: str = "") -> Iterator[tuple[str, int, int, int]]: ...
    def ilistdir(self, path: str | bytes = "") -> Iterator[tuple[str | bytes, int, int, int]]:
        """(name, type, inode 0, size) of each entry; type 0x4000 = folder, 0x8000 = file.

        Names are bytes if the path is, but for b"/": MicroPython hands that on as text. As text, a name that
        is not UTF-8 is a UnicodeError. Endless, as on the Pico, where a folder is damaged in such a way.
        """
        as_bytes = isinstance(path, bytes) and path != b"/"
        full = self.resolve(path if isinstance(path, str) else path.decode())
        fs = self._fs.fs
        with self.operation:
            folder = lfs.dir_open(fs, full, "utf-8")
        return self._entries(fs, folder, as_bytes)

    def _entries(self, fs: Any, folder: Any, as_bytes: bool) -> Iterator[tuple[str | bytes, int, int, int]]:
        try:
            while True:
                with self.operation:
                    try:
                        entry = lfs.dir_read(fs, folder, "latin-1")
                    except LittleFSError:
                        entry = _NAMELESS
                if entry is None:
                    return
                if entry.name in (".", ".."):
                    continue
                name = entry.name.encode("latin-1")
                kind = 0x4000 if entry.type == 2 else 0x8000
                yield name if as_bytes else name.decode(), kind, 0, entry.size
        finally:
            lfs.dir_close(fs, folder)

    def stat(self, path: str) -> tuple[int, ...]:
        """Ten numbers as os.stat; only type and size mean something."""
        full = self.resolve(path)
        if full == "/":
            return (0x4000, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        with self.operation:
            s = self._fs.stat(full)
        return (0x4000 if s.type == 2 else 0x8000, 0, 0, 0, 0, 0, s.size if s.type == 1 else 0, 0, 0, 0)

    def statvfs(self, path: str = "/") -> tuple[int, ...]:
        """Block size, fragment size, blocks, free, available, four zeros, longest name."""
        with self.operation:
            free = BLOCKS - self._fs.used_block_count
        return (BLOCK_BYTES, BLOCK_BYTES, BLOCKS, free, free, 0, 0, 0, 0, 255)

    def rename(self, old: str, new: str) -> None:
        """Atomic, also over an existing file."""
        with self.operation:
            self._fs.rename(self.resolve(old), self.resolve(new))

    def remove(self, path: str) -> None:
        """Delete a file or an empty folder."""
        full = self.resolve(path)
        with self.operation:
            self._fs.remove(full)

    unlink = rmdir = remove

    def mkdir(self, path: str) -> None:
        """Make a folder."""
        with self.operation:
            self._fs.mkdir(self.resolve(path))

    def chdir(self, path: str) -> None:
        """Change the folder that relative paths start from."""
        full = self.resolve(path)
        if not self.stat(full)[0] & 0x4000:
            raise failure(errno.ENOENT)
        self.cwd = full

    def getcwd(self) -> str:
        """The folder that relative paths start from."""
        return self.cwd

    def sync(self) -> None:
        """Nothing is held back outside open files."""

    # -- for the simulator --------------------------------------------------------------------------

    def read_file(self, path: str) -> bytes | None:
        """Whole content; None when there is no such file."""
        try:
            with self.open(path, "rb") as f:
                data = f.read()
            return data if isinstance(data, bytes) else data.encode()
        except OSError as e:
            if e.errno in (errno.ENOENT, errno.EISDIR, errno.ENOTDIR):
                return None
            raise

    def write_file(self, path: str, data: bytes) -> None:
        """Create or overwrite, with the folders on the way."""
        parts = self.resolve(path).split("/")[1:-1]
        for n in range(len(parts)):
            folder = "/" + "/".join(parts[: n + 1])
            try:
                self.stat(folder)
            except OSError:
                self.mkdir(folder)
        with self.open(path, "wb") as f:
            f.write(data)

    def fill(self, leave_bytes: int = 0, path: str = "/filler.bin") -> None:
        """Use up the space but for about `leave_bytes` (rounded up to blocks) and two blocks.

        Littlefs could not even compact a folder with less. What it keeps within a folder's blocks (files of
        up to some 500 bytes) may therefore still be written; anything longer fails.
        """
        block = b"\x5a" * BLOCK_BYTES
        with self.open(path, "wb") as f:
            while self.statvfs()[3] > 2 + -(-leave_bytes // BLOCK_BYTES):
                try:
                    f.write(block)
                    f.flush()
                except OSError:
                    return

    def resolve(self, path: str) -> str:
        """Absolute form of a path."""
        parts: list[str] = []
        for part in (path if path.startswith("/") else f"{self.cwd}/{path}").split("/"):
            if part == "..":
                del parts[-1:]
            elif part not in ("", "."):
                parts.append(part)
        return "/" + "/".join(parts)

    def owns(self, file: FlashFile) -> bool:
        """Whether the file was opened since the last mount."""
        return file in self._open

    def forget(self, file: FlashFile) -> None:
        """A file was closed."""
        self._open.remove(file)

    def cut(self) -> None:
        """The power is gone; does not return."""
        self.on_cut()
        raise PowerCut


class _Operation:
    """Errors of littlefs become MicroPython's; a power cut goes up through the firmware."""

    def __init__(self, flash: Flash) -> None:
        self._flash = flash

    def __enter__(self) -> None:
        if self._flash.chip.off:
            self._flash.cut()

    def __exit__(self, kind: Any, error: BaseException | None, _tb: Any) -> None:
        flash = self._flash
        if flash.chip.off:
            flash.cut()
        if flash.chip.failed:
            flash.recover()
        busy, flash.chip.busy_us = flash.chip.busy_us, 0
        if busy:
            flash.on_busy(busy)
        if isinstance(error, LittleFSError):
            code = getattr(error.code, "value", error.code)
            raise failure(_ERRNO.get(int(code), errno.EIO)) from None
        if isinstance(error, FileNotFoundError | IsADirectoryError | FileExistsError) and error.errno is None:
            number = {FileNotFoundError: errno.ENOENT, IsADirectoryError: errno.EISDIR}
            raise failure(number.get(type(error), errno.EEXIST)) from None


def _raise_cut() -> None:
    raise PowerCut


def _no_time(_us: int) -> None:
    pass
