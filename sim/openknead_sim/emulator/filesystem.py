"""Littlefs images as MicroPython lays them out in the Pico's flash."""

from collections.abc import Mapping

from littlefs import LittleFS, UserContext

# The layout of official RPI_PICO images: the last 1,408 KiB of the 2 MiB flash.
FS_START = 0xA0000
BLOCK_SIZE = 4096
BLOCK_COUNT = 352
FS_SIZE = BLOCK_SIZE * BLOCK_COUNT
PROG_SIZE = 256
DISK_VERSION = 0x0002_0000  # 2.0: MicroPython before 1.21 refuses to mount the newer 2.1


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
