"""Rows: every combination of inputs and histories, and in each whether the motor may turn.

The judgement is the requirement itself, written without the circuit: the motor may turn only while there is
supply, RUN_REQ, a duty, kicks, a closed loop, and a re-arm that came after the last loss of loop or supply,
by an edge of the button, with RUN_REQ low.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hardware.interlock.circuit import Circuit
from hardware.interlock.logic import RESET_STEPS, Inputs, Known, Machine

LAPSE_STEPS = 14  # 140 ms after the last rising edge of WD_KICK the motor must be off
KICKS = ("running", "stopped low", "stopped high")


@dataclass(frozen=True)
class Row:
    """A history, then inputs that stay. `held`: the button is down all the while."""

    armed: bool
    run_req: int
    mot_pwm: int
    kicks: str
    estop: bool
    thermostat: bool
    held: bool

    def text(self) -> str:
        """In words, for tables."""
        loop = [
            name for name, closed in (("e-stop", self.estop), ("thermostat", self.thermostat)) if not closed
        ]
        return ", ".join(
            (
                "armed" if self.armed else "never armed",
                f"RUN_REQ {self.run_req}",
                f"duty {'on' if self.mot_pwm else '0'}",
                f"kicks {self.kicks}",
                "loop open at " + " and ".join(loop) if loop else "loop closed",
                *(["button held"] if self.held else []),
            )
        )


def rows() -> list[Row]:
    """All combinations of inputs."""
    values = itertools.product(
        (True, False), (1, 0), (1, 0), KICKS, (True, False), (True, False), (False, True)
    )
    return [Row(*v) for v in values]


def kick(row: str, step: int) -> int:
    """WD_KICK in a step: toggled by each good tick, or standing still."""
    return step % 2 if row == "running" else int(row == "stopped high")


class Judge:
    """The requirement: `allowed` tells whether the motor may turn after the steps seen so far."""

    def __init__(self) -> None:
        self.armed = False
        self._powered_steps = 0
        self._button = True  # held since before power-up until seen released
        self._kick = 1
        self._since_kick = LAPSE_STEPS

    def step(self, inputs: Inputs) -> None:
        self._powered_steps = self._powered_steps + 1 if inputs.powered else 0
        loop = inputs.estop and inputs.thermostat
        pressed = inputs.button and not self._button
        if not loop or self._powered_steps <= RESET_STEPS:
            self.armed = False
        elif pressed and not inputs.run_req:
            self.armed = True
        self._button = inputs.button
        rose = inputs.wd_kick and not self._kick
        self._since_kick = 0 if rose else self._since_kick + 1
        self._kick = inputs.wd_kick

    def allowed(self, inputs: Inputs) -> bool:
        """Whether the motor may turn now."""
        alive = self._since_kick < LAPSE_STEPS and inputs.powered
        loop = inputs.estop and inputs.thermostat
        return bool(self.armed and alive and loop and inputs.run_req and inputs.mot_pwm)


@dataclass(frozen=True)
class Outcome:
    """Of a row or a story: is the motor allowed to turn, and what does it do: "off", "runs", "may run"."""

    name: str
    allowed: bool
    does: str

    @property
    def unsafe(self) -> bool:
        return not self.allowed and self.does != "off"


Story = tuple[str, list[tuple[int, dict[str, object]]]]  # name, (steps, changes of the inputs)
_ON = {"run_req": 1, "mot_pwm": 1, "kicks": "running"}
_ARM: list[tuple[int, dict[str, object]]] = [
    (RESET_STEPS + 2, {"kicks": "running"}),
    (3, {"button": True}),
    (3, {"button": False}),
]
STORIES: tuple[Story, ...] = (
    ("armed, then run", [*_ARM, (16, _ON)]),
    ("everything on at power-up, button never touched", [(20, _ON)]),
    ("button held through power-up", [(RESET_STEPS + 3, {"button": True, "kicks": "running"}), (16, _ON)]),
    (
        "loop opens and closes again while it runs",
        [*_ARM, (6, _ON), (3, {"estop": False}), (16, {"estop": True})],
    ),
    (
        "the same with the thermostat",
        [*_ARM, (6, _ON), (3, {"thermostat": False}), (16, {"thermostat": True})],
    ),
    (
        "re-arm pressed after a trip with RUN_REQ still high",
        [
            *_ARM,
            (6, _ON),
            (3, {"estop": False}),
            (3, {"estop": True}),
            (3, {"button": True}),
            (16, {"button": False}),
        ],
    ),
    (
        "button stuck down, loop opens and closes",
        [
            (RESET_STEPS + 2, {"kicks": "running"}),
            (3, {"button": True}),
            (3, _ON),
            (3, {"estop": False}),
            (16, {"estop": True}),
        ],
    ),
    ("supply dips while it runs", [*_ARM, (6, _ON), (2, {"powered": False}), (16, {"powered": True})]),
    (
        "re-armed with the loop open",
        [(RESET_STEPS + 2, {"estop": False}), (3, {"button": True}), (3, {"button": False}), (16, _ON)],
    ),
    ("loop opens in the moment of re-arming", [(6, {}), (1, {"button": True, "estop": False}), (16, _ON)]),
    ("kicks stop while it runs", [*_ARM, (6, _ON), (20, {"kicks": "stopped low"})]),
    ("kicks stop high while it runs", [*_ARM, (6, _ON), (20, {"kicks": "stopped high"})]),
    ("RUN_REQ falls while it runs", [*_ARM, (6, _ON), (4, {"run_req": 0})]),
    ("duty to 0 while it runs", [*_ARM, (6, _ON), (4, {"mot_pwm": 0})]),
)


def _play(machine: Machine, judge: Judge, steps: int, inputs: Inputs, kicks: str) -> Iterator[Inputs]:
    for n in range(steps):
        now = replace(inputs, wd_kick=kick(kicks, n))
        machine.step(now)
        judge.step(now)
        yield now


def tell(circuit: Circuit, story: Story, stray: tuple[tuple[str, int], ...] = ()) -> Outcome:
    """A story told to the circuit; judged after every step, the worst step counts."""
    name, acts = story
    machine, judge, inputs, kicks = Machine(circuit), Judge(), Inputs(stray=stray), "stopped low"
    does, allowed = "off", False
    for steps, changes in acts:
        changes = dict(changes)
        kicks = str(changes.pop("kicks", kicks))
        inputs = replace(inputs, **changes)  # type: ignore[arg-type]
        for now in _play(machine, judge, steps, inputs, kicks):
            allowed = judge.allowed(now)
            if machine.may_run(now) and not allowed:
                return Outcome(name, False, "runs" if machine.runs(now) else "may run")
            does = "runs" if machine.runs(now) else "may run" if machine.may_run(now) else "off"
    return Outcome(name, allowed, does)


def begun(circuit: Circuit, armed: bool, stray: tuple[tuple[str, int], ...] = ()) -> tuple[Machine, Judge]:
    """Machine and judge after power-up, with or without a re-arm."""
    machine, judge = Machine(circuit), Judge()
    for steps, changes in _ARM if armed else [(RESET_STEPS + 8, {"button": False})]:
        inputs = Inputs(button=bool(changes.get("button", False)), stray=stray)
        for _ in _play(machine, judge, steps, inputs, "running"):
            pass
    return machine, judge


def judge_rows(
    circuit: Circuit, stray: tuple[tuple[str, int], ...] = (), before: Circuit | None = None
) -> list[tuple[Row, Outcome]]:
    """What the circuit does in every row, after the one-shots had time to lapse.

    before: what it was until it was armed, when a fault comes later; only the armed rows then.
    """
    starts = {True: begun(before or circuit, True, () if before else stray)}
    if not before:
        starts[False] = begun(circuit, False, stray)
    known: Known = {}
    found = []
    for row in rows():
        if row.armed not in starts:
            continue
        machine, judge = starts[row.armed][0].go_on(circuit, known), copy.copy(starts[row.armed][1])
        inputs = Inputs(
            row.run_req,
            row.mot_pwm,
            0,
            estop=row.estop,
            thermostat=row.thermostat,
            button=row.held,
            stray=stray,
        )
        *_, now = _play(machine, judge, LAPSE_STEPS + 1, inputs, row.kicks)
        does = "runs" if machine.runs(now) else "may run" if machine.may_run(now) else "off"
        found.append((row, Outcome(row.text(), judge.allowed(now), does)))
    return found
