"""The heartbeat of a remote session that this process started.

The device ends such a session when its host falls silent for `host_timeout_s`. A beat is due after a
quarter of that time on our clock, or after BEAT_DEVICE_MS on the device's clock as telemetry shows it: an
accelerated virtual board waits for its host, and continues as soon as it hears it.
"""

from __future__ import annotations

import time

from openknead.channel import Channel, Message
from openknead.errors import OpenKneadError

BEAT_DEVICE_MS = 150  # with telemetry at 10 Hz this beats at every other sample, within 250 ms
_T_MASK = 0x3FFFFFFF  # the device's milliseconds may wrap here
_OVER = ("IDLE", "MAINTENANCE")


class Keeper:
    """Sends `session.keepalive` while `active`; turns itself off when the session is over."""

    def __init__(self, channel: Channel) -> None:
        self.active = False
        self._channel = channel
        self.host_timeout_s = 3.0
        self._beat_s = 0.0
        self._beat_device_ms = 0
        self._device_ms = 0
        self._waiting: int | None = None

    def start(self, host_timeout_s: float) -> None:
        """Keep the session that was just started alive."""
        self.host_timeout_s = host_timeout_s
        self._beat_s = time.monotonic()
        self._beat_device_ms = self._device_ms
        self.active = True

    def stop(self) -> None:
        """The session is over, or shall end for want of a heartbeat."""
        self.active = False

    def saw(self, t_ms: int) -> None:
        """The device's clock, from telemetry; sends a beat when one is due by it."""
        self._device_ms = t_ms
        if self.active and (t_ms - self._beat_device_ms) & _T_MASK >= BEAT_DEVICE_MS:
            self._beat()

    def tick(self) -> None:
        """Called often: sends a beat when one is due by our own clock."""
        if self.active and time.monotonic() - self._beat_s >= self.host_timeout_s / 4:
            self._beat()

    def _beat(self) -> None:
        if self._waiting is not None:
            self._channel.forget(self._waiting)
        self._beat_s = time.monotonic()
        self._beat_device_ms = self._device_ms
        self._waiting = self._channel.submit("session.keepalive", None, self._answered)

    def _answered(self, reply: Message | OpenKneadError) -> None:
        self._waiting = None
        if isinstance(reply, OpenKneadError):
            return
        result = reply.get("result")
        if "error" in reply or (isinstance(result, dict) and result.get("state") in _OVER):
            self.active = False
