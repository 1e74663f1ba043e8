"""Clock: uptime, the time and time zone that a host has set, and the local time.

The uptime in ms is a small integer and wraps after 12 days; `up_s` does not.
"""

from micropython import const

TIME_MASK = const(0x3FFFFFFF)


class Clock:
    """uptime_ms: 0…TIME_MASK; offset_s: local time minus UTC, None until a host has sent it."""

    def __init__(self):
        self.uptime_ms = 0
        self.offset_s = None
        self._wraps = 0
        self._base_s = None  # the time at uptime 0, once a host has set it
        self._seen_s = -1  # the second that `new_second` reported last

    def advance(self, dt_ms):
        """Advance by dt_ms; returns the new uptime_ms. Allocates nothing."""
        left_ms = TIME_MASK - self.uptime_ms
        if dt_ms <= left_ms:
            uptime_ms = self.uptime_ms + dt_ms
        else:
            uptime_ms = dt_ms - left_ms - 1
            self._wraps += 1
        self.uptime_ms = uptime_ms
        return uptime_ms

    def up_s(self):
        """Whole seconds of uptime."""
        if not self._wraps:
            return self.uptime_ms // 1000
        return (self._wraps * (TIME_MASK + 1) + self.uptime_ms) // 1000

    def new_second(self):
        """Whether another second of uptime has begun since the last call, or the clock was set."""
        seen_s, self._seen_s = self._seen_s, self.up_s()
        return seen_s != self._seen_s

    def unix_s(self):
        """The time in seconds since 1970; None until a host has set it."""
        return None if self._base_s is None else self._base_s + self.up_s()

    def local_s(self):
        """As `unix_s`, in local time; UTC until a host has sent its zone."""
        unix_s = self.unix_s()
        return None if unix_s is None else unix_s + (self.offset_s or 0)

    def set(self, unix_s, offset_s=None):
        """Take the time over from a host. offset_s: None keeps the zone that is known."""
        self._base_s = unix_s - self.up_s()
        if offset_s is not None:
            self.offset_s = offset_s
        self._seen_s = -1
