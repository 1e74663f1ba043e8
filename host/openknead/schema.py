"""The device's own tables (settings, faults, methods, …), fetched page by page and kept on disk.

Firmware of equal content has equal tables: the cache is keyed by the content hash of `hello` and never
goes stale. A cache that cannot be read or written is only slower.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from openknead.errors import DeviceError

Items = list[dict[str, Any]]
PAGES = 200  # more than any table has: ends a device that never says "no more"


def cache_file(content: str) -> Path | None:
    """Where the tables of this firmware are kept; None when the hash is not a plain word."""
    if not content.isalnum():
        return None
    given = os.environ.get("OPENKNEAD_CACHE_DIR")
    if given:
        return Path(given) / "schema" / f"{content}.json"
    from platformdirs import user_cache_path

    return user_cache_path("openknead") / "schema" / f"{content}.json"


def last_kept(section: str) -> Items:
    """The kept table of the device that was used last; empty when there is none. For completion."""
    one = cache_file("0")
    assert one
    files = sorted(one.parent.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for file in files:
        with suppress(OSError, ValueError, AttributeError):
            items = json.loads(file.read_text(encoding="utf-8")).get(section)
            if _is_table(items):
                return list(items)
    return []


class Schema:
    """The tables of one device, section by section."""

    def __init__(self, content: str, call: Callable[..., Any]) -> None:
        """content: the firmware's hash; call: `Device.call`."""
        self._call = call
        self._file = cache_file(content)
        self._sections: dict[str, Items] = self._load()

    def section(self, name: str) -> Items:
        """The items of a section. Raises DeviceError for one the device does not know."""
        if name not in self._sections:
            self._sections[name] = self._fetch(name)
            self._store()
        return self._sections[name]

    def names(self) -> list[str]:
        """The sections the device offers (always asked, never cached)."""
        return [str(name) for name in self._call("schema")["sections"]]

    def by(self, section: str, key: str) -> dict[int, str]:
        """Names of a section's items by an integer member such as `code`, `bit` or `value`."""
        return {item[key]: item["name"] for item in self.section(section)}

    def _fetch(self, name: str) -> Items:
        items: Items = []
        start: int | None = 0
        for _ in range(PAGES):
            page = self._call("schema", section=name, start=start)
            items += page["items"]
            start = page.get("next")
            if start is None:
                return items
        raise DeviceError(f"section {name} of the schema never ends", remedy="report this firmware's version")

    def _load(self) -> dict[str, Items]:
        if not self._file:
            return {}
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        if not isinstance(kept, dict):
            return {}
        with suppress(OSError):
            os.utime(self._file)  # the newest is that of the last device: see `last_kept`
        return {name: items for name, items in kept.items() if _is_table(items)}

    def _store(self) -> None:
        if not self._file:
            return
        temporary = self._file.with_suffix(f".{os.getpid()}.tmp")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(self._sections), encoding="utf-8")
            os.replace(temporary, self._file)


def _is_table(items: object) -> bool:
    return isinstance(items, list) and bool(items) and all(isinstance(item, dict) for item in items)
