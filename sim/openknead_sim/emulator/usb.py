"""The host's end of the emulated Pico's USB serial line.

A real host that has nothing to send lets the device's OUT endpoint wait: it answers nothing, and the device
is not disturbed. The emulator's host (rp2040py 0.3.6) completes such a read at once with zero bytes, the
device arms the endpoint again, and so on every 10 µs: the guest spends nearly all its time in the USB
interrupt, and everything takes a hundred times as long. `HostPort` therefore holds an armed read back until
there is something to deliver.
"""

from rp2040py.clock.clock import IClock
from rp2040py.usb.cdc import USBCDC

TURNAROUND_NS = 20_000  # from the host's write to the packet at the device: well below a 1 ms USB frame


class HostPort:
    """Serial port as a host program sees it: `send` queues bytes, `received` collects the device's.

    `connections` counts how often the device enumerated (1 after the first boot, +1 after each reset).
    A reset of the device loses what was queued, as on a real port.
    """

    def __init__(self, cdc: USBCDC, clock: IClock) -> None:
        self.received = bytearray()
        self.connections = 0
        self._cdc = cdc
        self._queue = bytearray()
        self._armed: int | None = None  # bytes the device is ready to take, None while it is not
        self._deliver_alarm = clock.create_alarm(self._deliver)
        self._usb = cdc.usb
        self._other_reads = self._usb.on_endpoint_read
        self._cdc_reset = self._usb.on_reset
        self._usb.on_endpoint_read = self._on_endpoint_read
        self._usb.on_reset = self._on_reset
        cdc.on_serial_data = self.received.extend
        cdc.on_device_connected = self._on_connected

    def send(self, data: bytes) -> None:
        """Queue bytes for the device; they travel while emulated time runs, at the pace it takes them."""
        self._queue += data
        if self._armed is not None:
            self._deliver_alarm.schedule(TURNAROUND_NS)

    @property
    def unsent(self) -> int:
        """Bytes queued that the device has not taken yet."""
        return len(self._queue)

    def _on_connected(self) -> None:
        self.connections += 1

    def _on_endpoint_read(self, endpoint: int, size: int) -> None:
        if endpoint != self._cdc._out_endpoint:
            if self._other_reads is not None:
                self._other_reads(endpoint, size)
            return
        self._armed = size
        if self._queue:
            self._deliver_alarm.schedule(TURNAROUND_NS)

    def _deliver(self) -> None:
        if self._armed is None or not self._queue:
            return
        packet = bytes(self._queue[: self._armed])
        del self._queue[: self._armed]
        self._armed = None
        self._usb.endpoint_read_done(self._cdc._out_endpoint, packet)

    def _on_reset(self) -> None:
        self._armed = None
        self._queue.clear()
        self._deliver_alarm.cancel()
        if self._cdc_reset is not None:
            self._cdc_reset()
