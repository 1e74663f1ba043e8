"""What the device tells by itself, samples and events, in the order it told them."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from openknead.channel import Channel
from openknead.closing import Closing
from openknead.errors import DeviceTimeout, OpenKneadError
from openknead.model import Event, Sample

Translate = Callable[[str, Any], Sample | Event | None]  # of a notification

LOOKS = 4
QUEUE_LIMIT = 50_000  # items; at 10 Hz more than an hour behind


class Feed(Closing):
    """A queue of samples and events; close it (or use `with`) when done.

    missed: samples lost, because the device dropped them or this process was too slow.
    """

    def __init__(
        self, channel: Channel, translate: Translate, wake: Callable[[], None] | None = None
    ) -> None:
        """wake: called by the thread that reads, whenever there is something to get; must not block."""
        self.missed = 0
        self._translate = translate
        self._wake = wake
        self._queue: queue.SimpleQueue[Sample | Event | OpenKneadError] = queue.SimpleQueue()
        self._seq: int | None = None
        if channel.lost:
            self._put(channel.lost)
        self._end = channel.listen(self._heard)

    def get(self, timeout: float) -> Sample | Event | None:
        """The next item, None after `timeout` seconds of silence. Raises LinkLost or DeviceRestarted."""
        try:
            item = self._queue.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(item, OpenKneadError):
            self._queue.put(item)  # whoever asks again is told again
            raise item
        return item

    def next(self, timeout: float) -> Sample | Event:
        """The next item; DeviceTimeout when none comes within `timeout` seconds.

        In several looks, so that a process that was suspended does not take its own absence for silence.
        """
        for _ in range(LOOKS):
            item = self.get(timeout / LOOKS)
            if item is not None:
                return item
        raise DeviceTimeout(f"the device has been silent for {timeout:g} s")

    def close(self) -> None:
        """Stop listening. Telemetry stays subscribed."""
        self._end()

    def _heard(self, method: str, params: Any) -> None:
        if method == "lost":
            self._put(params)
            return
        item = self._translate(method, params)
        if item is None:
            return
        if isinstance(item, Sample):
            if self._seq is not None:
                self.missed += max(0, item.seq - self._seq - 1)
            self._seq = item.seq
            if self._queue.qsize() >= QUEUE_LIMIT:
                self.missed += 1
                return
        elif item.name == "boot":
            from openknead.errors import DeviceRestarted

            self._put(DeviceRestarted("the device restarted"))
            return
        self._put(item)

    def _put(self, item: Sample | Event | OpenKneadError) -> None:
        self._queue.put(item)
        if self._wake:
            self._wake()
