"""An emulated Pico behind a serial port, for any program: `knead`, `mpremote`, a terminal.

    python -m openknead_sim.emulator.served [--image VERSION | --uf2 FILE] [--blank] [--flash FILE]

prints one JSON line {"port": …, "pid": …} once the Pico has booted, then serves until SIGTERM or Ctrl-C.
Motor, sensors and buttons hang on its pins as in `rig`.

Emulated time never overtakes the wall clock, or a time-out on the device would mean nothing. It falls behind
while the CPU works, to a tenth of real time or less with the firmware on it, and never makes up for it.

Where it differs from a Pico on a cable: a hard reset takes the USB port of the real thing away for a second;
here the port stays, and what was under way is lost. A pseudo-terminal does not tell whether anybody has it
open, so the device always finds a host that reads, and beyond a few kilobytes unread output is thrown
away. `knead` sees this process on the port and may blame it when nothing answers.
"""

import argparse
import json
import os
import select
import signal
import time
from pathlib import Path
from types import FrameType

from openknead.flash import images
from openknead.flash.errors import ImageError

from openknead_sim.emulator import filesystem, firmware
from openknead_sim.emulator.pico import EmulatedPico
from openknead_sim.emulator.rig import Rig
from openknead_sim.links import Link, PtyLink
from openknead_sim.plant import Plant

SLICE_US = 5000.0  # longest run without a look at the host
NAP_S = 0.002  # a turn takes this long at least, unless the host has something to say
BACKLOG_BYTES = 4096  # input that the Pico has not taken; more stays with the host's system
SETTINGS = {"remote_start": True, "acknowledged": True}  # as a user leaves a board that a host may start


class Served:
    """A Pico and its link; `serve` moves bytes and time until `stop`."""

    def __init__(self, pico: EmulatedPico, link: Link) -> None:
        self._pico = pico
        self._link = link
        self._stop = False

    def stop(self) -> None:
        """End `serve` soon; may be called from a signal handler."""
        self._stop = True

    def serve(self) -> None:
        """Run until `stop`, then close the link."""
        began = time.monotonic()
        while not self._stop:
            nap_s = began + NAP_S - time.monotonic()
            select.select([*self._link.sockets()], [], [], max(nap_s, 0.0))
            now = time.monotonic()
            self._hear()
            self._pico.run_us(min((now - began) * 1e6, SLICE_US))
            self._speak()
            began = now
        self._link.close()

    def _hear(self) -> None:
        if self._pico.port.unsent < BACKLOG_BYTES:
            self._pico.send(self._link.read())

    def _speak(self) -> None:
        received = self._pico.port.received
        if self._link.full():
            received.clear()
        self._link.write(bytes(received))
        received.clear()


def make_rig(image: Path, content: bytes | None) -> Rig:
    """A bench whose Pico has booted until USB enumerates; content: littlefs image, None for erased flash."""
    pico = EmulatedPico(image, content)
    rig = Rig(pico, Plant())
    pico.connect()
    return rig


def with_firmware(micropython: str = images.REFERENCE) -> bytes:
    """A littlefs image with the firmware, precompiled for this MicroPython, and SETTINGS."""
    files = firmware.firmware_files(firmware.precompiled(micropython))
    files[firmware.SETTINGS_FILE] = firmware.settings_record(SETTINGS)
    return filesystem.build(files)


def main() -> None:
    """The command; see the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m openknead_sim.emulator.served", description="Serve an emulated Pico on a serial port."
    )
    parser.add_argument(
        "--image", default=images.REFERENCE, metavar="VERSION", help="MicroPython; %(default)s"
    )
    parser.add_argument("--uf2", type=Path, metavar="FILE", help="an image of your own; it is not checked")
    parser.add_argument(
        "--blank", action="store_true", help="only MicroPython, as a Pico just flashed with it"
    )
    parser.add_argument(
        "--flash", type=Path, metavar="FILE", help="littlefs image: read if it exists, written at the end"
    )
    options = parser.parse_args()
    try:
        image = options.uf2 or images.find(options.image)
    except ImageError as problem:
        parser.error(str(problem))
    if options.flash and options.flash.exists():
        content: bytes | None = options.flash.read_bytes()
    else:
        content = None if options.blank else with_firmware(options.image)
    pico = make_rig(image, content).pico
    link = PtyLink()
    served = Served(pico, link)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        served.stop()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    print(json.dumps({"port": link.port, "pid": os.getpid()}), flush=True)
    served.serve()
    if options.flash:
        options.flash.write_bytes(pico.filesystem())


if __name__ == "__main__":
    main()
