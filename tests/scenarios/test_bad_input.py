"""Nonsense on the wire while a session runs: one clear error each, and the session does not notice.

Through the serial port of a virtual board, so that wire, parser and loop are the firmware's own.
"""

from __future__ import annotations

import functools
import gc
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openknead_sim.crc import framed, unframed
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import Stage

LEVEL = 4
REPLY_MAX = 1024
MEGABYTE = 1_000_000
LINES = 10_000


class Wire:
    """A stage whose session runs, started by button, so that no host has to keep it alive."""

    def __init__(self) -> None:
        self.stage = Stage(Scenario(Path(__file__), "bad input", 31, {"settings": {"default_level": LEVEL}}))
        self.board = self.stage.board
        self.stage.keepalive = False
        self.board.hold("plus")
        self.stage.run_s(0.1)
        self.board.release("plus")
        self.stage.run_s(10)
        assert self.status()["state"] == "RUNNING"

    def status(self) -> dict[str, Any]:
        return self.stage.rpc("status")  # type: ignore[no-any-return]

    def replies(self, data: bytes) -> list[dict[str, Any]]:
        """What comes back for these bytes, events left out; each line checked for its length."""
        board = self.board
        board.receive()
        received = bytearray()
        for start in range(0, len(data), 2048):
            board.send(data[start : start + 2048])
            while board.chip.usb.backlog:
                board.run_ms(10)
                received += board.receive()
        for _ in range(5):
            board.run_ms(10)
            received += board.receive()
        assert received == b"" or received.endswith(b"\n")
        lines = bytes(received).split(b"\n")[:-1]
        assert all(len(line) < REPLY_MAX for line in lines)
        messages = [json.loads(unframed(line)) for line in lines]
        return [m for m in messages if "method" not in m]

    def error(self, line: bytes) -> dict[str, Any]:
        """The one error that a line is answered with."""
        replies = self.replies(line + b"\n")
        assert len(replies) == 1, (line[:80], replies)
        error: dict[str, Any] = replies[0]["error"]
        assert error["message"] and error["data"]["name"] and error["data"]["remedy"]
        return error

    def undisturbed(self) -> None:
        """The session goes on as if nothing had been sent."""
        before = self.status()
        self.stage.run_s(0.5)
        after = self.status()
        assert after["state"] == "RUNNING" and after["level"] == LEVEL and after["fault"] is None
        assert 490 <= after["elapsed_ms"] - before["elapsed_ms"] <= 530
        assert abs(self.board.plant.rate_opm - 1810) < 60
        assert self.stage.observer.breaches == []


@pytest.fixture
def wire() -> Wire:
    return Wire()


def request(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


ERRORS = {
    "wrong checksum": (framed({"jsonrpc": "2.0", "id": 1, "method": "status"})[:-5] + b"0000",
                       "checksum_mismatch"),
    "no request: number": (b"17", "invalid_request"),
    "no request: batch": (b"[" + request("status") + b"]", "invalid_request"),
    "no request: no method": (b'{"jsonrpc":"2.0","id":1}', "invalid_request"),
    "no request: version": (b'{"jsonrpc":"1.0","id":1,"method":"status"}', "invalid_request"),
    "no request: id": (b'{"jsonrpc":"2.0","id":1.5,"method":"status"}', "invalid_request"),
    "params by position": (b'{"jsonrpc":"2.0","id":1,"method":"session.level","params":[3]}',
                           "invalid_request"),
    "unknown method": (request("session.faster"), "unknown_method"),
    "unknown param": (request("session.level", level=3, now=True), "invalid_params"),
    "missing param": (request("session.level"), "invalid_params"),
    "wrong type of param": (request("session.level", level="3"), "invalid_params"),
    "param out of range by one": (request("session.level", level=12), "out_of_range"),
    "param below range by one": (request("session.level", level=0), "out_of_range"),
    "unknown setting": (request("settings.set", values={"turbo": 1}), "unknown_setting"),
    "unknown setting to get": (request("settings.get", name="turbo"), "unknown_setting"),
    "setting of the wrong type": (request("settings.set", values={"slew_s": 1.0}), "wrong_type"),
    "setting true for 1": (request("settings.set", values={"slew_s": True}), "wrong_type"),
    "setting above range by one": (request("settings.set", values={"area_s": 181}), "out_of_range"),
    "setting below range by one": (request("settings.set", values={"area_s": 29}), "out_of_range"),
    "NaN": (b'{"jsonrpc":"2.0","id":1,"method":"settings.set","params":{"values":{"slew_s":NaN}}}',
            "wrong_type parse_error"),
    "infinity": (b'{"jsonrpc":"2.0","id":1,"method":"session.level","params":{"level":1e999}}',
                 "invalid_params parse_error"),
    "huge integer": (request("session.level", level=10**200), "out_of_range"),
    "nested list": (b"[" * 500, "parse_error"),
    "nested list, closed": (b"[" * 250 + b"]" * 250, "parse_error invalid_request"),
    "nested object": (b'{"a":' * 80 + b"1" + b"}" * 80, "parse_error invalid_request"),
    "no UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"stat\xff\xfe"}', "parse_error"),
    "half a character": (b'"\xc3', "parse_error"),
    "zero bytes": (b"\x00" * 20, "parse_error"),
    "modem manager": (b"AT+GCAP", "parse_error"),
    "513 bytes": (b"x" * 512, "line_too_long"),
    "a save in the run": (request("settings.save"), "motor_running"),
    "a reboot in the run": (request("reboot"), "motor_running"),
    "a calibration in the run": (request("settings.set", values={"motor_ke_uvs": 9000}), "motor_running"),
    "the device's own buttons": (request("settings.set", values={"remote_start": False, "turbo": 1}),
                                 "unknown_setting"),
}  # fmt: skip


def test_each_bad_line_gets_one_clear_error_and_the_session_goes_on(wire: Wire) -> None:
    for what, (line, names) in ERRORS.items():
        error = wire.error(line)
        assert error["data"]["name"] in names.split(), (what, error)
    wire.undisturbed()


def test_out_of_range_names_the_limits(wire: Wire) -> None:
    error = wire.error(request("settings.set", values={"area_s": 181, "slew_s": 11, "turbo": 1}))
    assert error["data"]["setting"] == "area_s"
    assert (error["data"]["min"], error["data"]["max"]) == (30, 180)
    assert [row["name"] for row in error["data"]["errors"]] == [
        "out_of_range", "out_of_range", "unknown_setting",
    ]  # fmt: skip
    assert wire.stage.rpc("settings.get", name="slew_s")["value"] == 2  # none of them was taken


def test_half_a_line_waits_for_its_other_half(wire: Wire) -> None:
    line = request("session.level", level=LEVEL)
    assert wire.replies(line[:20]) == []
    wire.stage.run_s(5)
    assert wire.replies(line[20:] + b"\n")[0]["result"]["level"] == LEVEL
    wire.undisturbed()


def test_half_a_line_spoils_the_next_one_and_no_more(wire: Wire) -> None:
    assert wire.replies(b'{"jsonrpc":"2.0","id":') == []
    assert wire.error(request("status"))["data"]["name"] == "parse_error"
    assert "result" in wire.replies(request("status") + b"\n")[0]
    wire.undisturbed()


def test_a_line_of_ten_megabytes_is_one_error(wire: Wire) -> None:
    part = b"[{1,2}] *x" * 400
    replies = []
    for _ in range(10 * MEGABYTE // len(part)):
        replies += wire.replies(part)
    replies += wire.replies(b"\n")
    assert [r["error"]["data"]["name"] for r in replies] == ["line_too_long"]
    wire.undisturbed()


def test_a_long_line_at_the_picos_own_pace_delays_no_tick(wire: Wire) -> None:
    wire.board.chip.usb.read_us = 100
    replies = wire.replies(b"z" * 100_000 + b"\n")
    assert [r["error"]["data"]["name"] for r in replies] == ["line_too_long"]
    wire.undisturbed()


def test_ten_thousand_random_lines_get_an_error_each_and_leave_nothing_behind(wire: Wire) -> None:
    rng = random.Random(20_240)
    alphabet = bytes(b for b in range(256) if b not in (3, 10))
    before = wire.stage.rpc("settings.list")

    def lines(count: int) -> None:
        for _ in range(count // 100):
            batch = [bytes(rng.choices(alphabet, k=rng.randrange(1, 60))) for _ in range(100)]
            batch[rng.randrange(100)] = bytes(rng.choices(alphabet, k=rng.randrange(500, 900)))
            wanted = sum(1 for line in batch if line.rstrip(b"\r") or len(line) > 1)
            replies = wire.replies(b"\n".join(batch) + b"\n")
            assert len(replies) == wanted
            assert all("error" in reply for reply in replies)

    lines(1000)
    gc.collect()
    objects = len(gc.get_objects())
    lines(LINES - 1000)
    gc.collect()
    assert len(gc.get_objects()) - objects < 100
    assert wire.stage.rpc("settings.list") == before
    wire.undisturbed()


# -- lines that are nearly right --------------------------------------------------------------------

METHODS = (
    "hello", "schema", "status", "settings.get", "settings.list", "settings.set", "settings.reset",
    "settings.save", "session.start", "session.resume", "session.keepalive", "telemetry.subscribe",
    "fault.clear", "maintenance", "reboot", "", "__init__",
)  # fmt: skip
KEYS = ("section", "start", "name", "values", "names", "level", "run_s", "hz", "", "\x00", "é")
SETTINGS = ("area_s", "slew_s", "host_timeout_s", "buzzer", "max_level", "remote_start", "turbo", "")
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=40), st.sampled_from(SETTINGS)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(SETTINGS) | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | scalars,
        "id": st.integers(0, 9) | scalars,
        "method": st.sampled_from(METHODS) | scalars,
        "params": st.dictionaries(st.sampled_from(KEYS), values, max_size=4) | values,
        "extra": values,
    },
)


@functools.cache
def shared() -> Wire:
    return Wire()


@settings(
    max_examples=400, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(message=requests, ascii_only=st.booleans(), checked=st.booleans())
def test_nearly_right_requests_get_one_answer_and_change_no_session(
    message: dict[str, Any], ascii_only: bool, checked: bool
) -> None:
    wire = shared()
    text = json.dumps(message, ensure_ascii=ascii_only)
    line = text.encode("utf-8", "surrogatepass")
    if checked:
        line = framed(message)[:-1]
    line = line.replace(b"\n", b" ").replace(b"\x03", b"\x02")
    if wire.status()["remaining_ms"] < 10_000:
        shared.cache_clear()
        wire = shared()
    replies = wire.replies(line + b"\n")
    assert len(replies) == (0 if _is_notification(message, line) else 1), (line, replies)
    assert wire.status()["state"] == "RUNNING"
    assert wire.stage.observer.breaches == []


def _is_notification(message: dict[str, Any], line: bytes) -> bool:
    """A well-formed request without id: done, and not answered."""
    return (
        "id" not in message
        and message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and isinstance(message.get("params", {}), dict)
        and len(line) <= 511
    )


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(at=st.integers(0, 60), byte=st.integers(0, 255).filter(lambda b: b not in (3, 10)))
def test_a_damaged_byte_in_a_checked_line_is_never_obeyed(at: int, byte: int) -> None:
    wire = shared()
    line = bytearray(framed({"jsonrpc": "2.0", "id": 5, "method": "session.stop"})[:-1])
    at %= len(line)
    if line[at] == byte or (at > len(line) - 5 and bytes([byte]).upper()[0] == line[at]):
        return  # not damaged: digits of the checksum may be written small
    line[at] = byte
    wire.replies(bytes(line) + b"\n")
    assert wire.status()["state"] == "RUNNING", bytes(line)
