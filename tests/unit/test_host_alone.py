"""A host alone changes no rate of a level, weakens no protection, and changes nothing that a button does.

Random requests, drawn from the device's own table of methods, go to a board without permission and to one
whose permission STOP suspended. Then hands use the device as if nothing had happened, and the plant and the
pins have to show the same as on a board that heard nothing. A longer rest and a smaller dose, which only hold
back, are taken back before that. OPENKNEAD_EXAMPLES: more examples than a normal run has.
"""

from __future__ import annotations

import functools
import json
import math
import os
import zlib
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openknead_sim.rig import MOT_PWM, RUN_REQ
from openknead_sim.rpc import RpcError
from openknead_sim.virtual import NotRunning, VirtualBoard

EXAMPLES = int(os.environ.get("OPENKNEAD_EXAMPLES", "20"))
BOOT_MS = 500
RESTART_MS = 1_500  # asked for and done
CALM_MS = 60_000  # a self-test, a restart and a question are over by then
RISE_MS = 7_000  # to default_level and steady
STEP_MS = 5_000
RATE_PCT = 3  # noise of hand and motor
NO_MATTER = ("area_s", "buzzer")  # a cue comes at another time, or without a beep
# May only protect more: what a host alone may do to hold back. The user takes it back with a press.
LESS = ("host_timeout_s",)
MORE = ("rest_s",)
LIMITS = ("day_limit_min", "area_limit_min")  # 0: none
TAKEN_BACK = ("remote_start", "acknowledged")  # may only become false

Request = tuple[str, dict[str, Any]]


def ask(board: VirtualBoard, request: Request) -> Any:
    """The result, or the name of the error; None without a reply, as from a device that restarts."""
    method, params = request
    try:
        return board.rpc(method, **params)
    except RpcError as e:
        return e.name
    except NotRunning:
        return None


def pages(board: VirtualBoard, section: str) -> list[dict[str, Any]]:
    """All rows of a section of the schema."""
    rows: list[dict[str, Any]] = []
    start: int | None = 0
    while start is not None:
        page = board.rpc("schema", section=section, start=start)
        rows += page["items"]
        start = page["next"]
    return rows


def values(board: VirtualBoard) -> dict[str, Any]:
    """All settings."""
    found: dict[str, Any] = {}
    start: int | None = 0
    while start is not None:
        page = board.rpc("settings.list", start=start)
        found.update(page["values"])
        start = page["next"]
    return found


def ready(suspended: bool) -> VirtualBoard:
    """A board that has passed its self-test: as shipped, or with a permission that STOP suspended."""
    board = VirtualBoard(seed=3, remote_start=suspended)
    board.power_on()
    calm(board)
    if suspended:
        board.press("stop")
        board.run_ms(BOOT_MS)
        assert board.rpc("status")["suspended"] == "stop"
    return board


def calm(board: VirtualBoard) -> dict[str, Any]:
    """Wait until the device only waits for hands; its status."""
    status: dict[str, Any] = {}

    def quiet() -> bool:
        with suppress(NotRunning):
            status.update(board.rpc("status"))
        return status.get("selftest") == "passed" and not status["confirm"]

    board.run_ms(BOOT_MS)
    assert board.run_until(quiet, CALM_MS, 100), status
    return status


@functools.cache
def tables() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rows of methods and of settings, as the device hands them out."""
    board = ready(False)
    return pages(board, "methods"), pages(board, "settings")


def take_back(board: VirtualBoard, changes: dict[str, Any]) -> None:
    """Set these with a press, once the device asks again: questions that nobody answered make it wait."""
    try:
        board.agreed("settings.set", values=changes)
    except RpcError as e:
        if e.name != "confirm_later":
            raise
        board.run_ms(1_000 * e.data["wait_s"])
        board.agreed("settings.set", values=changes)


def rate_opm(board: VirtualBoard) -> int:
    """What the shaft really does."""
    return round(abs(board.plant.omega_rad_s) * 60 / (2 * math.pi))


class Pins:
    """Watches what drives the motor. driven: duties that came while the driver was enabled."""

    def __init__(self, board: VirtualBoard) -> None:
        self.driven: list[float] = []
        self._chip = board.chip
        for pin in (RUN_REQ, MOT_PWM):
            board.chip.watch(pin, self._look)

    def _look(self, _pin: int) -> None:
        duty = self._chip.mean(MOT_PWM)
        if self._chip.levels[RUN_REQ] and duty > 0.0:
            self.driven.append(duty)


def use(board: VirtualBoard) -> tuple[list[Any], list[int]]:
    """What hands find who select, start, change the level, pause, resume and stop: states, and true rates."""
    seen: list[Any] = []
    rates: list[int] = []

    def look(wait_ms: int) -> None:
        board.run_ms(wait_ms)
        status = board.rpc("status")
        names = ("state", "level", "limit_ms", "program", "origin", "reason", "fault", "limiters")
        seen.append([status[name] for name in names])
        rates.append(rate_opm(board))

    for button in ("mode", "minus"):
        board.press(button)
        board.run_ms(BOOT_MS)
        seen.append(board.rpc("program.list")["selected"])
    for button, wait_ms in (
        ("plus", RISE_MS),
        ("plus", STEP_MS),
        ("minus", STEP_MS),
        ("mode", STEP_MS),
        ("mode", STEP_MS),
        ("stop", STEP_MS),
    ):
        board.press(button)
        look(wait_ms)
    return seen, rates


@functools.cache
def untouched(suspended: bool) -> tuple[dict[str, Any], list[Any], list[int]]:
    """Settings and use of a board that no host has said anything to."""
    board = ready(suspended)
    before = values(board)
    seen, rates = use(board)
    assert rates[0] > 900 and rates[1] > rates[0] + 200 and rates[-1] == 0, rates
    return before, seen, rates


def _edges(row: dict[str, Any]) -> st.SearchStrategy[Any]:
    if row["type"] == "bool":
        return st.booleans()
    low, high = row["min"], row["max"]
    sound = st.sampled_from((low, high, row["default"])) | st.integers(low, high)
    return st.one_of(sound, sound, sound, st.sampled_from((low - 1, high + 1, 0, -1, True, "1", None)))


@functools.cache
def _changes() -> st.SearchStrategy[dict[str, Any]]:
    rows = tables()[1]
    pair = st.sampled_from(rows).flatmap(lambda row: st.tuples(st.just(row["name"]), _edges(row)))
    return st.lists(pair, min_size=1, max_size=4).map(dict)


@functools.cache
def _param(name: str, kind: str) -> st.SearchStrategy[Any]:
    known = {
        "values": _changes(),
        "names": st.lists(st.sampled_from([row["name"] for row in tables()[1]]), max_size=4),
        "name": st.sampled_from(("steady", "post-run", "knead", "desk-day", "mine", "", "no such")),
        "program": st.sampled_from(("steady", "post-run", "knead", "desk-day", "mine")),
        "section": st.sampled_from(("settings", "methods", "programs", "faults", "no such")),
        "data": st.sampled_from(("", "AAAA", "!", "T0tQMSAwMDAwMDAwMAp7fQo=")),
        "unix_s": st.sampled_from((1_780_000_000, 1_790_000_000, 4_294_967_295, 0, -1)),
        "level": st.integers(0, 12),
        "run_s": st.sampled_from((1, 10, 60, 300, 900, 901, 0)),
    }
    if name in known:
        return known[name]
    return {
        "int": st.sampled_from((0, 1, 2, 10, 20, -1, 512, (1 << 30) - 1, 1 << 31)) | st.integers(-5, 100),
        "bool": st.booleans(),
        "str": st.text("abc-_ ", max_size=12),
        "object": _changes(),
        "list": st.lists(st.text("abc_", max_size=8), max_size=3),
    }[kind]


@functools.cache
def _request() -> st.SearchStrategy[Request]:
    """Any method, each parameter of its type, at times of another or left out."""

    def of(row: dict[str, Any]) -> st.SearchStrategy[Request]:
        needed = {n: _param(n, k) for n, k in row["params"].items() if not k.endswith("?")}
        spare = {n: _param(n, k[:-1]) for n, k in row["params"].items() if k.endswith("?")}
        return st.fixed_dictionaries(needed, optional=spare).map(lambda params: (row["name"], params))

    return st.sampled_from(tables()[0]).flatmap(of)


def _document(level: int) -> bytes:
    rest = json.dumps({"name": "mine", "stages": [["a", 60, "steady", level, level, 0, "", "none"]]}).encode()
    rest += b"\n"
    return b"OKP1 %08x\n" % zlib.crc32(rest) + rest


def _sent(level: int) -> list[Request]:
    """A sound program of the host's own, and its choice."""
    data = _document(level)
    return [
        ("program.begin", {"name": "mine", "size": len(data)}),
        ("program.write", {"offset": 0, "data": b64encode(data).decode()}),
        ("program.commit", {}),
        ("program.select", {"name": "mine"}),
    ]


def _staged(changes: dict[str, Any]) -> list[Request]:
    return [
        ("settings.stage", {"values": changes, "begin": True}),
        ("settings.set", {"values": {}, "staged": len(changes)}),
    ]


def _set(changes: dict[str, Any]) -> list[Request]:
    return [("settings.set", {"values": changes})]


@functools.cache
def _conversations() -> st.SearchStrategy[list[Request]]:
    alone = _request().map(lambda request: [request])
    change = _changes().map(_set) | _changes().map(_staged)
    kept = _changes().map(lambda changes: [*_set(changes), ("settings.save", {}), ("reboot", {})])
    act = st.one_of(alone, alone, change, kept, st.integers(1, 11).map(_sent))
    return st.lists(act, min_size=1, max_size=8).map(
        lambda acts: [request for act in acts for request in act]
    )


def holds(suspended: bool, requests: Sequence[Request]) -> None:
    """Say all that to a board, then use it."""
    before, seen, rates = untouched(suspended)
    board = ready(suspended)
    watch = Pins(board)
    for request in requests:
        ask(board, request)
        assert not watch.driven, request
    board.run_ms(RESTART_MS)
    if board.rpc("status")["state"] == "MAINTENANCE":
        board.power_cut()
        board.run_ms(BOOT_MS)
        board.power_on()
    status = calm(board)
    assert status["state"] == "IDLE"
    assert ask(board, ("session.start", {"level": 1, "run_s": 60})) == "refused"
    if suspended and status["remote_start"]:
        assert status["suspended"] == "stop"
    for name, value in values(board).items():
        if name in LESS:
            assert value <= before[name], name
        elif name in MORE:
            assert value >= before[name], name
        elif name in LIMITS:
            assert not before[name] or 0 < value <= before[name], name
        elif name in TAKEN_BACK:
            assert before[name] or not value, name
        elif name not in NO_MATTER:
            assert value == before[name], name
    assert not watch.driven
    take_back(board, {name: before[name] for name in (*LESS, *MORE, *LIMITS)})
    calm(board)
    found, true = use(board)
    assert found == seen
    assert watch.driven and not (board.rig.enabled or board.rig.duty)
    for now, then in zip(true, rates, strict=True):
        assert abs(now - then) <= max(then * RATE_PCT // 100, 1), (true, rates)


@pytest.mark.parametrize("suspended", [False, True], ids=["never given", "suspended"])
def test_what_a_host_sends_alone_changes_nothing_that_matters(suspended: bool) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_conversations())
    @example(_set({"motor_ke_uvs": 33_000, "tach_ppr": 3}))
    @example(_set({"default_level": 11, "slew_s": 1}))
    @example(_set({"day_limit_min": 1}))
    @example(_set({"area_limit_min": 1, "rest_s": 3600}))
    @example([*_set({"pad_sensor": False}), ("settings.reset", {})])
    @example([("program.select", {"name": "post-run"})])
    @example(_sent(11))
    def holding(requests: list[Request]) -> None:
        holds(suspended, requests)

    holding()
