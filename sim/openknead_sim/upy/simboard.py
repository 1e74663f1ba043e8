"""The simulated board of a MicroPython process: one chip, one massager, a console in memory, a flash in RAM.

For the MicroPython Unix port, with MICROPYPATH=<this folder>:<folder of openknead_sim>:<firmware>:.frozen.
`machine`, `rp2`, `time` and `select` beside this file are this chip's; sys, gc and micropython cannot be
replaced there, so firmware is handed `Console` instead of sys.stdin, and files through `mount_flash`.
"""

import vfs  # type: ignore[import-not-found]
from openknead_sim.chip import Chip
from openknead_sim.plant import Plant
from openknead_sim.rig import Rig

chip = Chip(0)
plant = Plant()
rig = Rig(chip, plant)

BLOCK_BYTES = 4096
NOTHING, HALF, ALL = 0, 1, 2  # how much of the operation that the power cut hit was done


class PowerCut(BaseException):
    """The power failed in the middle of a flash operation."""


class Console:
    """What board.Console is, over the chip's USB port: feed it with chip.usb.feed, read chip.usb.take()."""

    def __init__(self) -> None:
        self._usb = chip.usb
        self._byte = bytearray(1)

    def read(self) -> int:
        """Next byte as 0…255, or -1 when there is none."""
        return self._usb.get() if self._usb.count else -1

    def write(self, byte: int) -> bool:
        """Send one byte; False when the host does not take it now."""
        if not self._usb.writable:
            return False
        self._byte[0] = byte
        self._usb.put(self._byte)
        return True

    def wait_ms(self, ms: int) -> None:
        """Wait for input, at most this long."""
        if not self._usb.count:
            chip.wait(self._has_input, ms * 1000)

    def _has_input(self) -> int:
        return self._usb.count


class RamFlash:
    """A block device that counts program and erase operations and fails on demand.

    image: the content, of an earlier flash, or the number of blocks of an empty one; cut_at: number of the
    operation at which the power fails (None: never), with `torn` of it done (NOTHING, HALF, ALL); failing:
    operations report an input/output error.
    """

    def __init__(self, image: "bytearray | int" = 64) -> None:
        if isinstance(image, int):
            blocks = image
            image = bytearray(BLOCK_BYTES * blocks)
            for n in range(blocks):  # not in one piece, which would take the room twice
                image[n * BLOCK_BYTES : (n + 1) * BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
        self.image = image
        self.operations = 0
        self.cut_at: int | None = None
        self.torn = NOTHING
        self.off = False
        self.replaced = False  # by a mount after a cut; files that were open then die here
        self.failing = False

    def readblocks(self, block: int, buffer: bytearray, offset: int = 0) -> int:
        """Fill the buffer."""
        if self.replaced:
            return -5
        start = block * BLOCK_BYTES + offset
        buffer[:] = memoryview(self.image)[start : start + len(buffer)]
        return 0

    def writeblocks(self, block: int, buffer: bytearray, offset: int = 0) -> int:
        """Program."""
        start = block * BLOCK_BYTES + offset
        done = self._operation(len(buffer))
        if done:
            self.image[start : start + done] = memoryview(buffer)[:done]
        return self._verdict()

    def ioctl(self, op: int, arg: int) -> int:
        """Block count and size; erase."""
        if op == 4:
            return len(self.image) // BLOCK_BYTES
        if op == 5:
            return BLOCK_BYTES
        if op == 6:
            start = arg * BLOCK_BYTES
            done = self._operation(BLOCK_BYTES)
            if done:
                self.image[start : start + done] = b"\xff" * done
            return self._verdict()
        return 0

    def _operation(self, size: int) -> int:
        if self.off or self.failing:
            return 0
        self.operations += 1
        if self.operations != self.cut_at:
            return size
        self.off = True
        return size * self.torn // 2

    def _verdict(self) -> int:
        if self.replaced:
            return -5
        if self.off:
            raise PowerCut
        return -5 if self.failing else 0


def mount_flash(device: "RamFlash | None" = None, path: str = "/flash") -> RamFlash:
    """Mount the littlefs of a device, or of a new, empty one, as at power-on.

    Returns the device to use from now on: after a power cut it is a new one with the old one's content.
    """
    if device is None:
        device = RamFlash()
        vfs.VfsLfs2.mkfs(device, progsize=256)
    try:  # noqa: SIM105  # MicroPython has no contextlib
        vfs.umount(path)
    except OSError:
        pass  # nothing there yet
    if device.off:
        device.replaced = True
        device = RamFlash(device.image)
    vfs.mount(vfs.VfsLfs2(device, progsize=256), path)
    return device
