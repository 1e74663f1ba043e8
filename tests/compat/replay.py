"""Replays a recording against firmware: does it still say what a host of that version relies on?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hands import Hands
from openknead_sim.crc import unframed
from rules import differences
from wire import Entry, Wire, load

MERGED = (
    "items",
    "programs",
    "stages",
    "records",
    "values",
    "areas",
    "unsaved",
)  # members that pages share out


def replay(recording: Path, files: Mapping[str, bytes] | None = None) -> Iterator[str]:
    """What is missing in the replies of this firmware (None: the packaged one), and at which line."""
    _head, entries = load(recording)
    wire = Wire(files)
    hands = Hands(wire)
    said: list[Entry] = []
    late_ms = 0  # newer firmware has more to tell: what comes after it comes later, by as much
    for number, entry in enumerate(entries, 2):
        where = f"{recording.name}:{number}: "
        if "heard" in entry:
            said.append(entry)
            continue
        late_ms = max(late_ms, wire.now_ms - entry["at_ms"])
        wire.run_to(entry["at_ms"] + late_ms)
        if "do" in entry:
            hands.before_deed(entry["do"], entry["with"])
            late_ms = max(late_ms, wire.now_ms - entry["at_ms"])
            wire.do(entry["do"], *entry["with"])
            hands.after_deed(entry["do"], entry["with"])
            continue
        found = _walked(wire, entry) if "walk" in entry else _answered(wire, hands, entry)
        yield from (where + text for text in found)
    wire.run_to(wire.now_ms + 1000)
    yield from _heard(said, wire.heard)


def _answered(wire: Wire, hands: Hands, entry: Entry) -> Iterator[str]:
    line = entry["send"].encode("latin-1")
    method = _method(line)
    hands.before_request(method)
    got = hands.answer(entry, line, wire.exchange(line, len(entry["replies"])))
    if len(got) != len(entry["replies"]):
        yield f"{method}: {len(got)} replies, not {len(entry['replies'])}"
        return
    for old, (new, checked) in zip(entry["replies"], got, strict=True):
        if checked != entry["checked"]:
            yield f"{method}: a reply {'with' if checked else 'without'} checksum"
        if (new.get("id"), new.get("jsonrpc")) != (old["id"], "2.0"):
            yield f"{method}: not a reply to this request"
        elif ("error" in old) != ("error" in new):
            if entry.get("either"):
                return
            yield f"{method}: {json.dumps(new)[:200]} in place of {json.dumps(old)[:100]}"
        elif "error" in old:
            yield from differences(old["error"], new["error"], f"{method}/error")
        else:
            yield from differences(old["result"], new["result"], method)


def _walked(wire: Wire, entry: Entry) -> Iterator[str]:
    method, params = entry["walk"], entry["params"]
    pages = wire.walk(method, params)
    if "error" in pages[-1] and "error" not in entry["pages"][-1]:
        yield f"{method} {params}: {pages[-1]}"
        return
    old, new = merge(entry["pages"]), merge(pages)
    if method == "schema":
        yield from differences(old["items"], new["items"], f"schema/{params['section']}")
        del old["items"]
    yield from differences(old, new, _path(method, old))


def _path(method: str, result: dict[str, Any]) -> str:
    """Built-in programs may be revised, a user's own may not."""
    if method != "program.get":
        return method
    return f"{method}/{'built in' if result['builtin'] else 'own'}"


def merge(pages: list[dict[str, Any]]) -> dict[str, Any]:
    """Pages as one: the members that they share out put together."""
    merged: dict[str, Any] = {}
    for page in pages:
        for key, value in page.items():
            if key in MERGED and key in merged:
                merged[key] = {**merged[key], **value} if isinstance(value, dict) else merged[key] + value
            else:
                merged[key] = value
    return merged


def _method(line: bytes) -> str:
    try:
        request = json.loads(unframed(line))
        return str(request["method"])
    except (ValueError, LookupError, TypeError):
        return "a bad line"


def _heard(old: list[Entry], new: list[Entry]) -> Iterator[str]:
    """Every recorded event has come, in order; every sample has the recorded fields. There may be more."""
    for kind, like in (("event", _event), ("telemetry", lambda params: None)):
        left = iter([entry["heard"]["params"] for entry in new if entry["heard"]["method"] == kind])
        for entry in old:
            params = entry["heard"]["params"]
            if entry["heard"]["method"] != kind:
                continue
            found = next((other for other in left if like(other) == like(params)), None)
            if found is None:
                yield f"{kind} {json.dumps(params)} has not come"
                return
            yield from differences(params, found, kind)


def _event(params: dict[str, Any]) -> Any:
    return params.get("name"), params.get("value"), params.get("reason")
