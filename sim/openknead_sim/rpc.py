"""JSON-RPC as a simulated or emulated board hears and answers it: requests out, results or RpcError back.

For boards that live in virtual time. The host's own client waits in wall time, which stands still for them.
"""

from __future__ import annotations

from typing import Any

from .crc import framed


class RpcError(Exception):
    """The device answered with an error. code: JSON-RPC's; name: the device's name for it, or None."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.code: int = error["code"]
        self.message: str = error["message"]
        self.data: dict[str, Any] = error.get("data") or {}
        self.name: str | None = self.data.get("name")
        super().__init__(f"{self.name or self.code}: {self.message} {self.data}")


def request(number: int, method: str, params: dict[str, Any]) -> bytes:
    """The line that asks for a method, checksum and newline included."""
    return framed({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def result(reply: dict[str, Any]) -> Any:
    """What a reply brings; raises RpcError when it is an error."""
    if "error" in reply:
        raise RpcError(reply["error"])
    return reply["result"]
