"""Scenario files: what hands, host and hardware do to a board and when, and what must hold.

A TOML file is read whole and checked before anything runs: an unknown key, a wrong type or an impossible
time is an error that names the file, the place in it and the remedy. The tables below are the reference.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import inject
from .observer import PROMISES
from .plant import PARAMS, Hand, PointsHand, StrokeHand
from .rig import BUTTONS

NUMBER: tuple[type, ...] = (int, float)
LONGEST_S = 3600.0

TOP = {
    "title": (str,),
    "about": (str,),
    "seed": (int,),
    "board": (dict,),
    "breaks": (list,),
    "at": (list,),
    "expect": (list,),
}

# key: types, meaning
BOARD: dict[str, tuple[tuple[type, ...], str]] = {
    "as_shipped": ((bool,), "remote start is not enabled (default: MODE has been held)"),
    "keepalive": ((bool,), "the host gives a sign of life every second of a session (default: it does)"),
    "tach": ((bool,), "the tach's wire is fitted (default: it is)"),
    "charge": (NUMBER, "state of charge of the battery, 0…1 (default 1)"),
    "ambient_c": (NUMBER, "temperature of the air and, at first, of everything"),
    "hand": ((int, float, list, dict), "how the hand presses, see `hand`"),
    "plant": ((dict,), "constants of the plant that differ from the reference"),
    "settings": ((dict,), "settings that the host sets before time 0"),
    "clock_ms": ((int,), "the processor's clock at power-on, for runs over a wrap (default 0)"),
}

# action: types of its value, other keys with their types, meaning
ACTIONS: dict[str, tuple[tuple[type, ...], dict[str, tuple[type, ...]], str]] = {
    "press": ((str,), {"ms": NUMBER}, "press a button for this long (default 100 ms)"),
    "hold": ((str,), {}, "press a button and keep it pressed"),
    "release": ((str,), {}, "let go of it"),
    "allow": ((bool,), {}, "MODE is held until hosts may start; what comes next waits for that"),
    "rpc": (
        (str,),
        {"params": (dict,), "error": (str,), "refusals": (list,), "result": (dict,)},
        "call a method, and press MODE if it needs that, unless `error`: it must fail with that name; "
        "`result`: what it must return at least",
    ),
    "send": ((str,), {}, "bytes on the wire, as text"),
    "send_hex": ((str,), {}, "bytes on the wire, in hexadecimal"),
    "inject": ((str,), {"value": (int, float, str)}, "let something fail; names: `knead sim inject --list`"),
    "mend": ((str,), {}, "end what was injected"),
    "ctrl_c": ((bool,), {}, "the byte 0x03"),
    "keepalive": ((bool,), {}, "host silence begins (false) or ends (true)"),
    "cable": ((bool,), {}, "USB cable in or out"),
    "host_reads": ((bool,), {}, "whether the host takes what the device writes"),
    "hand": ((int, float, list, dict), {}, "the hand presses otherwise from now on"),
    "blocked": ((bool,), {}, "the rotor is held still, or free again"),
    "driver_dead": ((bool,), {}, "the bridge stays off whatever it is told"),
    "shorted_fet": ((bool,), {}, "full supply on the motor whatever duty and enable say"),
    "extra_nm": (NUMBER, {}, "more braking torque on the shaft"),
    "supply_v": ((int, float, str), {}, 'voltage of the supply; "own": that of battery or adapter again'),
    "supply_ohm": (NUMBER, {}, "more resistance of the supply"),
    "charge": (NUMBER, {}, "state of charge of the battery, 0…1"),
    "ambient_c": (NUMBER, {}, "temperature of the air"),
    "soak_c": (NUMBER, {}, "everything at this temperature, the air as well"),
    "tach": ((bool,), {}, "the tach's wire, cut or mended"),
    "sensor": (
        (str,),
        {"reads": (int, float, str)},
        'thermistor motor, driver, handle or pad reads "open", "short", "sound" or as at so many °C',
    ),
    "current_drift_v": (NUMBER, {}, "added to the voltage of the current sense"),
    "reset": ((str,), {}, '"watchdog" or "pin"'),
    "power": ((bool,), {}, "supply of the controller off or on"),
}

# check: types of its value, meaning
CHECKS: dict[str, tuple[tuple[type, ...], str]] = {
    "status": ((dict,), "fields of `status`: a value, or [least, most] for a number"),
    "plant": ((dict,), "quantities of board and plant, the same way"),
    "follows_pct": (NUMBER, "the true rate is within so many per cent of what the level asks for"),
    "mean_follows_pct": (NUMBER, "the same for the mean over the time given"),
    "off_within_ms": (NUMBER, "RUN_REQ and PWM are low so soon after t_s, and the PWM stays so for a second"),
    "events": ((list,), 'events that come in this order, others between: "state RUNNING", "cue move_on"'),
    "never": ((list,), "events that do not come"),
}
# Short names of injections: the flag that breaks it; numbers, of which 0 mends.
FLAGS = {
    "cable": ("serial_dropped", False),
    "host_reads": ("host_not_reading", False),
    "blocked": ("blocked", True),
    "driver_dead": ("driver_dead", True),
    "shorted_fet": ("shorted_fet", True),
    "tach": ("tach_cut", False),
}
NUMBERS = {"extra_nm": "stall_torque", "supply_ohm": "supply_weak", "current_drift_v": "current_drift"}
WINDOWED = ("follows_pct", "mean_follows_pct", "events", "never")
PLANT_VALUES = (
    "rate_opm", "duty", "run_req", "current_a", "supply_v", "motor_c", "winding_c", "driver_c", "handle_c",
    "pad_c", "charge", "pressure", "led", "buzzer_hz", "boots", "at_prompt", "pins_low", "energy_j",
)  # fmt: skip
SENSORS = ("motor", "driver", "handle", "pad")
LONGEST_CLOCK_MS = 1 << 31  # twice round


class ScenarioError(Exception):
    """A scenario file cannot be used; the message has file, place, what is wrong and what to do."""


@dataclass(frozen=True)
class Step:
    """Something that happens at at_us: an action of ACTIONS with its value and its other keys."""

    at_us: int
    action: str
    value: Any
    more: dict[str, Any]
    place: str


@dataclass(frozen=True)
class Expect:
    """What must hold at from_us, or all the time until to_us (looked at every every_us)."""

    from_us: int
    to_us: int
    every_us: int
    checks: dict[str, Any]
    place: str


@dataclass
class Scenario:
    """One file. Times count from the moment when the board is ready and its settings are made.

    breaks: promises of the Observer that what fails in here breaks: these, and no others, must be broken.
    """

    path: Path
    title: str
    seed: int = 0
    board: dict[str, Any] = field(default_factory=dict)
    breaks: tuple[str, ...] = ()
    steps: list[Step] = field(default_factory=list)
    expects: list[Expect] = field(default_factory=list)


def load(path: Path | str) -> Scenario:
    """Read and check a file. Raises ScenarioError."""
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ScenarioError(f"{path}: cannot be read ({e.strerror}): give the path of a .toml file") from e
    except ValueError as e:
        raise ScenarioError(f"{path}: no TOML: {e}; correct the file there") from e
    return _Checker(path).scenario(data)


def hand(value: Any, offset_s: float = 0.0) -> Hand:
    """A hand from its description: a pressure, points [[t_s, pressure], …], or strokes {pressure = …}.

    Raises ValueError or TypeError for anything else. offset_s: when time 0 of the points is.
    """
    if isinstance(value, dict):
        return StrokeHand(**value)
    if isinstance(value, list):
        return PointsHand([(float(t) + offset_s, float(p)) for t, p in value])
    return Hand(float(value))


def _spelled_out(step: Step) -> Step:
    """A step by its short name as the injection that it means; any other as it is."""
    value = step.value
    broken = bool(value)
    if step.action in FLAGS:
        name, breaks = FLAGS[step.action]
        broken = value == breaks
        value = None
    elif step.action in NUMBERS:
        name = NUMBERS[step.action]
    elif step.action == "supply_v":
        name = "supply_sag"
        broken = value != "own"
    elif step.action == "sensor":
        name = f"{value}_ntc"
        value = step.more["reads"]
        broken = value != "sound"
    else:
        return step
    more = {} if value is None else {"value": value}
    return Step(step.at_us, "inject" if broken else "mend", name, more, step.place)


class _Checker:
    def __init__(self, path: Path) -> None:
        self._path = path

    def scenario(self, data: dict[str, Any]) -> Scenario:
        self._keys("the top of the file", data, TOP)
        if "title" not in data:
            raise self._error("the top of the file", "there is no title", 'write title = "what is shown"')
        board = data.get("board", {})
        self._keys("[board]", board, {name: row[0] for name, row in BOARD.items()})
        self._hand("[board]", board)
        self._names("[board] plant", board.get("plant", {}), tuple(row[0] for row in PARAMS))
        self._range("[board]", "charge", board, 0.0, 1.0)
        self._range("[board]", "clock_ms", board, 0, LONGEST_CLOCK_MS)
        steps = [self._step(n, item) for n, item in enumerate(data.get("at", []), 1)]
        expects = [self._expect(n, item) for n, item in enumerate(data.get("expect", []), 1)]
        if not expects:
            raise self._error("the file", "nothing is expected", "add an [[expect]] with what must hold")
        steps.sort(key=lambda s: s.at_us)
        breaks = tuple(data.get("breaks", ()))
        for promise in breaks:
            self._one_of("breaks", "promise", promise, PROMISES)
        return Scenario(self._path, data["title"], data.get("seed", 0), board, breaks, steps, expects)

    def _step(self, number: int, item: Any) -> Step:
        place = f"[[at]] number {number}"
        at_us = self._time(place, item, "t_s")
        place = f"{place} (t_s = {item['t_s']:g})"
        actions = [key for key in item if key in ACTIONS]
        if len(actions) != 1:
            raise self._error(
                place, f"{len(actions)} actions", f"give exactly one of {', '.join(sorted(ACTIONS))}"
            )
        action = actions[0]
        types, more, _ = ACTIONS[action]
        self._keys(place, item, {"t_s": NUMBER, action: types, **more})
        self._action(place, action, item)
        step = Step(at_us, action, item[action], {k: item[k] for k in item if k in more}, place)
        step = _spelled_out(step)
        if step.action in ("inject", "mend"):
            self._injection(step)
        return step

    def _action(self, place: str, action: str, item: dict[str, Any]) -> None:
        value = item[action]
        if action in ("press", "hold", "release"):
            self._one_of(place, action, value, tuple(BUTTONS))
            self._range(place, "ms", item, 1, 600_000)
        elif action == "sensor":
            self._one_of(place, action, value, SENSORS)
            reads = item.get("reads")
            if isinstance(reads, str):
                self._one_of(place, "reads", reads, ("open", "short", "sound"))
            elif reads is None:
                raise self._error(place, "what does it read?", 'add reads = "open", "short", "sound" or °C')
        elif action == "reset":
            self._one_of(place, action, value, ("watchdog", "pin"))
        elif action == "hand":
            self._hand(place, item)
        elif action == "supply_v" and isinstance(value, str):
            self._one_of(place, action, value, ("own",))
        elif action == "send_hex":
            try:
                bytes.fromhex(value)
            except ValueError as e:
                raise self._error(place, f"send_hex: {e}", "write pairs of hexadecimal digits") from e
        elif action == "charge":
            self._range(place, action, item, 0.0, 1.0)

    def _injection(self, step: Step) -> None:
        try:
            row = inject.find(step.value)
            if step.action == "inject":
                row.check(step.more.get("value"))
        except inject.InjectError as e:
            raise self._error(step.place, str(e), "`knead sim inject --list` shows names and values") from e

    def _expect(self, number: int, item: Any) -> Expect:
        place = f"[[expect]] number {number}"
        types = {name: row[0] for name, row in CHECKS.items()}
        if isinstance(item, dict) and "t_s" in item:
            self._keys(place, item, {"t_s": NUMBER, **types})
            from_us = to_us = self._time(place, item, "t_s")
        else:
            from_us = self._time(place, item, "from_s")
            to_us = self._time(place, item, "to_s")
            self._keys(place, item, {"from_s": NUMBER, "to_s": NUMBER, "every_s": NUMBER, **types})
            if to_us <= from_us:
                raise self._error(place, "to_s is not after from_s", "exchange them, or use t_s")
        place = f"{place} ({'t_s' if 't_s' in item else 'from_s'} = {item.get('t_s', item.get('from_s')):g})"
        checks = {key: item[key] for key in item if key in CHECKS}
        if not checks:
            raise self._error(place, "it expects nothing", f"give one of {', '.join(CHECKS)}")
        for name in checks:
            if name in WINDOWED and "t_s" in item:
                raise self._error(place, f"{name} at one instant", "give from_s and to_s instead of t_s")
        if "off_within_ms" in checks and "t_s" not in item:
            raise self._error(place, "off_within_ms between two times", "give t_s: it counts from there")
        self._names(f"{place} plant", checks.get("plant", {}), PLANT_VALUES)
        for name in ("events", "never"):
            for text in checks.get(name, ()):
                if not isinstance(text, str) or len(text.split()) not in (1, 2, 3):
                    raise self._error(place, f"{name}: {text!r}", 'write "state IDLE completed" or "cue end"')
        self._range(place, "every_s", item, 0.01, LONGEST_S)
        every_us = round(item.get("every_s", 0.1) * 1e6)
        return Expect(from_us, to_us, every_us, checks, place)

    # -- pieces -------------------------------------------------------------------------------------

    def _keys(self, place: str, table: Any, known: Mapping[str, tuple[type, ...]]) -> None:
        if not isinstance(table, dict):
            raise self._error(place, "not a table", "write it as a TOML table")
        self._names(place, table, tuple(known))
        for key, value in table.items():
            right = isinstance(value, known[key])
            if isinstance(value, bool) and bool not in known[key]:
                right = False
            if not right:
                names = " or ".join(t.__name__ for t in known[key])
                raise self._error(place, f"{key} = {value!r}", f"give {names}")

    def _names(self, place: str, table: dict[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                raise self._error(place, f"unknown key {key!r}", f"use one of {', '.join(sorted(known))}")

    def _one_of(self, place: str, key: str, value: str, known: tuple[str, ...]) -> None:
        if value not in known:
            raise self._error(place, f"{key} = {value!r}", f"use one of {', '.join(known)}")

    def _range(self, place: str, key: str, table: dict[str, Any], least: float, most: float) -> None:
        if key in table and not least <= table[key] <= most:
            raise self._error(place, f"{key} = {table[key]!r}", f"stay within {least:g}…{most:g}")

    def _time(self, place: str, table: Any, key: str) -> int:
        if not isinstance(table, dict) or key not in table:
            raise self._error(place, f"there is no {key}", f"say when: {key} = seconds")
        value = table[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_S:
            raise self._error(place, f"{key} = {value!r}", f"give seconds, 0…{LONGEST_S:g}")
        return round(value * 1e6)

    def _hand(self, place: str, table: dict[str, Any]) -> None:
        if "hand" in table:
            try:
                hand(table["hand"])
            except (ValueError, TypeError) as e:
                raise self._error(
                    place, f"hand: {e}", "give a pressure 0…2, [[t_s, pressure], …] or {pressure = …}"
                ) from e

    def _error(self, place: str, what: str, remedy: str) -> ScenarioError:
        return ScenarioError(f"{self._path}: {place}: {what}: {remedy}")
