"""The case under examination: the computer, the port that was chosen, and the device once it has answered."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from openknead import ports
from openknead.doctor.system import System, UsbDevice
from openknead.errors import OpenKneadError, PortError

if TYPE_CHECKING:
    from openknead.device import Device
    from openknead.model import Status

MICROPYTHON = ports.PICO
BOOTSEL = {(0x2E8A, 0x0003): "RP2040", (0x2E8A, 0x000F): "RP2350"}  # boot ROMs, by the chip they are of
RASPBERRY = 0x2E8A  # vendor


@dataclass
class Case:
    """port: the one named by the user, or None; timeout: seconds for each answer of the device."""

    named: str | None = None
    timeout: float = 2.0
    system: System = field(default_factory=System)
    _device: Device | None = None
    _silence: OpenKneadError | None = None

    @cached_property
    def picos(self) -> list[UsbDevice]:
        """Those that run MicroPython."""
        return [usb for usb in self.system.usb if (usb.vid, usb.pid) == MICROPYTHON]

    @cached_property
    def in_bootsel(self) -> list[UsbDevice]:
        """Those that wait in their boot ROM for an image."""
        return [usb for usb in self.system.usb if (usb.vid, usb.pid) in BOOTSEL]

    @cached_property
    def candidates(self) -> list[str]:
        """Ports on which a device may be: virtual boards, then Picos on USB."""
        virtual = [port.port for port in ports.candidates() if port.kind == "virtual"]
        return virtual + [tty for pico in self.picos for tty in pico.ttys[:1]]

    @cached_property
    def port(self) -> str | None:
        """The one named, OPENKNEAD_PORT, or the only one there is; None: there is none, or several."""
        named = self.named or os.environ.get("OPENKNEAD_PORT")
        return named or (self.candidates[0] if len(self.candidates) == 1 else None)

    def linux_file(self, port: str) -> bool:
        """Whether a port is a file under /dev."""
        return self.system.linux and "://" not in port

    @property
    def usb(self) -> UsbDevice | None:
        """The device on USB that the port belongs to; None for any other port."""
        real = os.path.realpath(self.port) if self.port and "://" not in self.port else None
        return next((usb for usb in self.system.usb if real in usb.ttys), None)

    def connect(self) -> Device:
        """The device on the port. The first attempt counts. Raises what it ended with."""
        if self._silence:
            raise self._silence
        if self._device is None:
            from openknead.device import Device

            if self.port is None:
                raise PortError("no port to look at")
            try:
                self._device = Device(self.port, self.timeout, set_clock=False)
            except OpenKneadError as problem:
                self._silence = problem
                raise
        return self._device

    @property
    def device(self) -> Device | None:
        """The device, when it has answered."""
        return self._device

    @cached_property
    def status(self) -> Status:
        """What it is doing. Raises OpenKneadError."""
        return self.connect().status()

    def close(self) -> None:
        """Release the port."""
        if self._device:
            self._device.close()
