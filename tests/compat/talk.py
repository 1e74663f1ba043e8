"""Talk: a host that writes down what it says and what it hears."""

from __future__ import annotations

from typing import Any

from wire import Entry, Wire

BEAT = b'{"jsonrpc":"2.0","method":"session.keepalive"}'
BREATH_S = 2.0  # between two signs of life in a session


class Talk:
    """A conversation over a wire. entries: the recording so far; methods: what it offers, with params.

    Once `methods` are known, what the device does not offer is not asked: older firmware has less.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.entries: list[Entry] = []
        self.methods: dict[str, dict[str, str]] = {}

    def has(self, method: str, *params: str) -> bool:
        """Whether the device offers a method, with these parameters."""
        return not self.methods or (method in self.methods and set(params) <= set(self.methods[method]))

    def line(self, line: bytes, count: int = 1) -> list[dict[str, Any]]:
        """Send any line and take `count` replies; without checksum unless it has one."""
        entry: Entry = {"at_ms": self._wire.now_ms, "send": line.decode("latin-1")}
        replies = self._wire.exchange(line, count)
        if len(replies) != count:
            raise AssertionError(f"{len(replies)} replies to {line[:80]!r}, not {count}")
        entry["checked"] = any(checked for _, checked in replies)
        entry["replies"] = [message for message, _ in replies]
        self._note(entry)
        return list(entry["replies"])

    def ask(self, method: str, /, **params: Any) -> Any:
        """A request with checksum; its result, or the error object. {} for what the device does not offer."""
        return self.insist(method, **params) if self.has(method, *params) else {}

    def insist(self, method: str, /, **params: Any) -> Any:
        """As `ask`, also for what the device does not offer."""
        reply = self.line(self._wire.request(method, params))[0]
        return reply.get("result", reply.get("error"))

    def walk(self, method: str, /, **params: Any) -> list[Any]:
        """All pages of a method."""
        entry: Entry = {"at_ms": self._wire.now_ms, "walk": method, "params": params}
        entry["pages"] = self._wire.walk(method, params)
        self._note(entry)
        return list(entry["pages"])

    def wait(self, seconds: float) -> None:
        """Let time pass, silently."""
        self._wire.run_to(self._wire.now_ms + seconds * 1000)
        self._note()

    def either(self) -> None:
        """The last request may be granted or refused, and lead to what it may."""
        while "send" not in self.entries[-1]:
            self.entries.pop()
        self.entries[-1]["either"] = True

    def alive(self, seconds: float) -> None:
        """Let time pass as a host that keeps its session, and waits for no answers."""
        end_ms = self._wire.now_ms + seconds * 1000
        while self._wire.now_ms < end_ms:
            self.line(BEAT, 0)
            self.wait(min(BREATH_S, max((end_ms - self._wire.now_ms) / 1000, 0)))

    def do(self, what: str, *values: Any) -> None:
        """What hands and mishaps do."""
        self._note({"at_ms": self._wire.now_ms, "do": what, "with": list(values)})
        self._wire.do(what, *values)

    def press(self, button: str, seconds: float) -> None:
        """Press a button for so long."""
        self.do("hold", button)
        self.wait(seconds)
        self.do("release", button)

    def _note(self, entry: Entry | None = None) -> None:
        if entry:
            self.entries.append(entry)
        self.entries += self._wire.heard
        self._wire.heard.clear()
