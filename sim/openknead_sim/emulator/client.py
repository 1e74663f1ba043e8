"""JSON-RPC over the emulated serial line, in emulated time.

The host tool's own client waits in wall time, which stands still for an emulated board; hence this small one.
"""

import json
from typing import Any

from openknead_sim.crc import unframed
from openknead_sim.emulator.pico import EmulatedPico
from openknead_sim.rpc import request, result


class RpcClient:
    """One host on the device's serial line. `notifications` collects what came unasked, oldest first;
    `noise` the lines that were no JSON objects, such as the text of a REPL."""

    def __init__(self, pico: EmulatedPico) -> None:
        self.pico = pico
        self.notifications: list[dict[str, Any]] = []
        self.noise: list[bytes] = []
        self._last_id = 0

    def call(self, method: str, timeout_us: float = 1e6, **params: Any) -> Any:
        """Send a request with checksum and run until its reply; returns the result.

        Raises RpcError for an error reply, EmulatedTimeout when none comes in time.
        """
        self._last_id += 1
        self.pico.send(request(self._last_id, method, params))
        while True:
            message = self.next_message(timeout_us)
            if message.get("id") == self._last_id:
                return result(message)
            self.notifications.append(message)

    def listen(self) -> list[dict[str, Any]]:
        """Take what has arrived so far, and return and forget all notifications."""
        while b"\n" in self.pico.port.received:
            self.notifications.append(self.next_message(0))
        taken, self.notifications = self.notifications, []
        return taken

    def next_message(self, timeout_us: float) -> dict[str, Any]:
        """Run until the next JSON line; raises ValueError when its checksum is wrong."""
        while True:
            line = self.pico.expect(b"\n", timeout_us).strip()
            if not line.startswith(b"{"):
                if line:
                    self.noise.append(line)
                continue
            message: dict[str, Any] = json.loads(unframed(line))
            return message
