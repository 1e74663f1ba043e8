"""Firmware keeps what older hosts rely on: recorded conversations of earlier minor versions replay on it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openknead_sim.packaged import firmware_files
from replay import merge, replay
from rules import VOLATILE, differences, volatile
from wire import Entry, load

HERE = Path(__file__).resolve().parent
RECORDINGS = sorted(HERE.glob("protocol-*.jsonl"))
FIRST_MINOR = 1  # of version 1 that was recorded
NEVER = {"internal_error"}  # no known request leads to it
METHODS = "massager/methods.py"


def protocol() -> tuple[int, int]:
    """Major and minor version of the firmware as it is."""
    tree = ast.parse(firmware_files()[METHODS])
    values = [
        ast.literal_eval(n.value)
        for n in tree.body
        if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "PROTOCOL"
    ]
    major, minor, _ = values[0].split(".")
    return int(major), int(minor)


def changed(*changes: tuple[str, str, str]) -> dict[str, bytes]:
    """The firmware with some text replaced: file, old, new."""
    files = dict(firmware_files())
    for file, old, new in changes:
        text = files[file].decode()
        assert old in text, (file, old)
        files[file] = text.replace(old, new).encode()
    return files


@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda path: path.stem)
def test_what_an_older_host_relies_on_is_still_there(recording: Path) -> None:
    assert list(replay(recording)) == []


def test_every_earlier_minor_version_has_a_recording() -> None:
    """tests/compat/record.py makes one, before the version is raised or of firmware from history."""
    major, minor = protocol()
    wanted = {f"protocol-{major}.{number}" for number in range(FIRST_MINOR, minor)}
    assert wanted <= {path.stem for path in RECORDINGS}
    assert RECORDINGS


BROKEN = (
    ((METHODS, '"tick_worst_us":', '"worst_us":'), "status/tick_worst_us is missing"),
    (
        (
            METHODS,
            '"uptime_ms": app.uptime_ms,\n        "boot"',
            '"uptime_ms": str(app.uptime_ms),\n        "boot"',
        ),
        "hello/uptime_ms: text in place of number",
    ),
    ((METHODS, '{"hz": "int"}', '{"hz": "int", "burst": "int"}'), "telemetry.subscribe/params/burst is new"),
    ((METHODS, '("session.skip",', '("session.next",'), "schema/methods/session.skip is missing"),
    ((METHODS, '"origin": sessions.ORIGINS[session.origin],', '"origin": None,'), "status/origin"),
    (
        ("massager/errors.py", "WRONG_TYPE = const(-32021)", "WRONG_TYPE = const(-32029)"),
        "schema/errors/wrong_type/code: -32029",
    ),
    (
        ("massager/session.py", '"remote_disabled"', '"remote_off"'),
        "schema/refusals/remote_disabled is missing",
    ),
    (("massager/telemetry.py", '("duty", "1/65535"', '("duty", "%"'), "schema/telemetry/duty/unit"),
    (
        ("massager/settings.py", '("area_s", "int", "s",', '("area_s", "int", "min",'),
        "schema/settings/area_s/unit",
    ),
    (("massager/events.py", '(STAGE, "stage",', '(STAGE, "phase",'), "schema/events/stage is missing"),
    (
        ("massager/wire.py", "self._tail = not checked", "self._tail = True"),
        "hello: a reply without checksum",
    ),
)


@pytest.mark.parametrize(("change", "said"), BROKEN, ids=[said for _, said in BROKEN])
def test_firmware_that_takes_something_away_is_found(change: tuple[str, str, str], said: str) -> None:
    assert any(said in text for text in replay(RECORDINGS[-1], changed(change)))


def test_firmware_that_only_adds_is_not() -> None:
    files = changed(
        (METHODS, '"tick_worst_us":', '"mood": "good",\n        "tick_worst_us":'),
        (METHODS, '{"hz": "int"}', '{"hz": "int", "burst": "int?"}'),
        (METHODS, '("hello", _hello,', '("greet", _hello, {}, FREE, "As hello."),\n    ("hello", _hello,'),
        (METHODS, "CAPABILITIES = (", 'CAPABILITIES = ("moods", '),
        (
            "massager/telemetry.py",
            '(setting pad_sensor)."),\n',
            '(setting pad_sensor)."),\n    ("mood", "", "Good."),\n',
        ),
        ("massager/telemetry.py", "temperature(pad),\n", "temperature(pad),\n        7,\n"),
        ("massager/session.py", "REFUSALS = (\n", 'REFUSALS = (\n    (1 << 20, "monday", "Wait a day."),\n'),
    )
    assert list(replay(RECORDINGS[-1], files)) == []


# -- the recording itself ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return load(RECORDINGS[-1])[1]


def answers(entries: list[Entry]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(method, params, reply) of every request that a method answered."""
    for entry in entries:
        for page in entry.get("pages", ()):
            yield entry["walk"], entry["params"], {"result": page}
        match = re.match(r"(\{.*\"method\".*\})(\*....)?$", entry.get("send", ""))
        if not match or not entry["replies"]:
            continue
        try:
            request = json.loads(match[1])
        except ValueError:
            continue
        yield str(request["method"]), request.get("params", {}), entry["replies"][0]


def table(entries: list[Entry], section: str) -> list[dict[str, Any]]:
    pages = next(e["pages"] for e in entries if e.get("params") == {"section": section} and "pages" in e)
    return list(merge(pages)["items"])


def test_the_recording_has_every_method_answered_and_refused(entries: list[Entry]) -> None:
    good = {method for method, _, reply in answers(entries) if "result" in reply}
    bad = {method for method, _, reply in answers(entries) if "error" in reply}
    methods = table(entries, "methods")
    assert {row["name"] for row in methods} - good == set()
    assert {row["name"] for row in methods if row["params"]} - bad == set()


def test_the_recording_has_every_error_and_every_table(entries: list[Entry]) -> None:
    replies = [reply for entry in entries for reply in entry.get("replies", ())]
    names = {reply["error"]["data"]["name"] for reply in replies if "error" in reply}
    assert {row["name"] for row in table(entries, "errors")} - names == NEVER
    sections = next(r["result"]["sections"] for r in replies if "sections" in r.get("result", {}))
    assert {e["params"]["section"] for e in entries if e.get("walk") == "schema"} == set(sections)


def test_the_recording_has_sessions_to_the_end_faults_and_telemetry(entries: list[Entry]) -> None:
    heard = [entry["heard"] for entry in entries if "heard" in entry]
    events = [message["params"] for message in heard if message["method"] == "event"]
    assert {event["name"] for event in events} >= {
        "boot",
        "state",
        "cue",
        "fault",
        "limiter",
        "button",
        "stage",
        "select",
    }
    assert {e["reason"] for e in events if "reason" in e} >= {
        "completed",
        "stop_button",
        "host_stop",
        "fault",
        "host_lost",
    }
    assert sum(message["method"] == "telemetry" for message in heard) > 30
    assert {entry["checked"] for entry in entries if "checked" in entry} == {True, False}


def test_every_exception_to_the_rules_is_needed_by_some_recording() -> None:
    """A path in VOLATILE that nothing matches hides what comes later."""
    seen: set[str] = set()
    for recording in RECORDINGS:
        for method, params, reply in answers(load(recording)[1]):
            if "error" in reply:
                _paths(reply["error"], f"{method}/error", seen)
                continue
            kind = {True: "/built in", False: "/own"}.get(reply["result"].get("builtin"), "")
            _paths(reply["result"], method + kind if method == "program.get" else method, seen)
            if method == "schema" and "section" in reply["result"]:
                _paths(reply["result"]["items"], f"schema/{params['section']}", seen)
        for entry in load(recording)[1]:
            if "heard" in entry:
                _paths(entry["heard"]["params"], entry["heard"]["method"], seen)
    from fnmatch import fnmatch

    assert [pattern for pattern, _ in VOLATILE if not any(fnmatch(path, pattern) for path in seen)] == []


def _paths(value: Any, path: str, seen: set[str]) -> None:
    seen.add(path)
    if isinstance(value, dict):
        for key, inner in value.items():
            _paths(inner, f"{path}/{key}", seen)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            name = inner.get("name", inner.get("kind", place)) if isinstance(inner, dict) else place
            _paths(inner, f"{path}/{name}", seen)


# -- the rules -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "old", "new", "fine"),
    [
        ("status", {"level": 3}, {"level": 3, "more": 1}, True),
        ("status", {"level": 3}, {"level": 4}, False),
        ("status", {"level": 3}, {"level": True}, False),
        ("status", {"fault": None}, {"fault": {}}, False),
        ("status", {"current_ma": 3}, {"current_ma": None}, True),
        ("status", {"current_ma": 3}, {"current_ma": "3"}, False),
        ("status", {"reason": "fault"}, {"reason": "completed"}, False),
        ("status", {"refusals": ["a"]}, {"refusals": ["b", "a"]}, True),
        ("status", {"refusals": ["a"]}, {"refusals": []}, False),
        ("telemetry", [1, 2], [5, None, 7], True),
        ("telemetry", [1, 2], [1], False),
        ("schema/telemetry", [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}], False),
        (
            "schema/settings",
            [{"name": "a", "unit": "s", "max": 9}],
            [{"name": "a", "unit": "s", "max": 8}],
            True,
        ),
        ("schema/settings", [{"name": "a", "unit": "s"}], [{"name": "a", "unit": "ms"}], False),
        ("schema/methods/x/params", {"a": "int"}, {"a": "int?"}, True),
        ("schema/methods/x/params", {"a": "int?"}, {"a": "int"}, False),
    ],
)
def test_what_a_minor_version_may_change(path: str, old: Any, new: Any, fine: bool) -> None:
    assert (list(differences(old, new, path)) == []) is fine


def test_a_stable_value_is_not_volatile() -> None:
    assert not volatile("status/reason")
    assert not volatile("settings.set/error/code")
    assert volatile("status/uptime_ms")
