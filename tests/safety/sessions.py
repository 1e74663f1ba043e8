"""Sessions in which nothing fails: hands that press, lift and stroke, minds that change, busy hosts.

Whatever the device complains of in one of them is a false alarm: a fault, a self-test that fails, a start
that is refused, a restart, a promise that the observer sees broken, a journal that tells another story.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matrix import used_flash
from openknead_sim.failures import patch
from openknead_sim.flash import Flash
from openknead_sim.plant import PARAMS, Hand, Params, PointsHand, StrokeHand, specimen
from openknead_sim.rpc import RpcError
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import Stage
from openknead_sim.virtual import NotRunning, VirtualBoard

LENGTHS_S = ((0.80, 10, 60), (0.15, 60, 300), (0.05, 300, 900))  # share, from, to
LEAST_CHARGE = 0.16  # 10.6 V; a long session takes 0.15 of it
FULL_LENGTH_S = 900
SELFTEST_MS = 10_000  # the one of every ten idle minutes takes 4 s, and refuses a start as long
ALLOW_S = 3.2  # MODE held so long gives a host its permission back
BUSY = ("status", "hello", "settings.list", "selftest", "schema")


@dataclass
class Calm:
    """What a session came to.

    alarms: what was complained of, empty as it should be; ran_s: its length; nearest_ms: by fault, the
    longest that its cause lasted without a break, 0 left out.
    """

    seed: int
    ran_s: float = 0.0
    alarms: list[str] = field(default_factory=list)
    nearest_ms: dict[str, int] = field(default_factory=dict)

    def line(self) -> str | None:
        """What was wrong, with the seed that repeats it; None when all was right."""
        return f"session, seed {self.seed}: {'; '.join(self.alarms)}" if self.alarms else None


def _watch_debouncing(board: VirtualBoard, longest_ms: dict[str, int]) -> None:
    """Keep how far the firmware's timers of faults come: how near it was to a false alarm."""
    assert board.sandbox is not None
    fault_name = board.sandbox.module("massager.faults").fault_name

    def watched(judge: Any) -> Any:
        def judge_and_keep(self: Any, code: int, bad: bool) -> None:
            judge(self, code, bad)
            if bad:
                name = fault_name(code)
                lasted_ms = (self._now_us - self._since_us[code]) // 1000
                longest_ms[name] = max(longest_ms.get(name, 0), lasted_ms)

        return judge_and_keep

    patch(board, "massager.safety", "Safety", "_judge", watched)


class Person:
    """Somebody with a sound device, and perhaps a host."""

    def __init__(self, seed: int, longest_s: float) -> None:
        self.calm = Calm(seed)
        self.rng = rng = random.Random(f"calm {seed}")
        _share, low, high = rng.choices(LENGTHS_S, [row[0] for row in LENGTHS_S])[0]
        self.run_s = min(rng.uniform(low, high), longest_s)
        least = LEAST_CHARGE + 0.2 * (self.run_s > 300)
        board: dict[str, Any] = {"ambient_c": rng.uniform(5.0, 35.0), "charge": rng.uniform(least, 1.0)}
        if rng.random() < 0.5:  # a motor off the shelf, not the reference
            params, reference = specimen(seed), Params()
            names = (row[0] for row in PARAMS)
            board["plant"] = {n: v for n in names if (v := getattr(params, n)) != getattr(reference, n)}
        settings = {"slew_s": rng.choice((1, 2, 2, 4)), "session_limit_s": FULL_LENGTH_S}
        settings["default_level"] = rng.randint(1, 11)
        self.stage = Stage(
            Scenario(Path(__file__), f"calm {seed}", seed, {**board, "settings": settings}),
            Flash(used_flash()),
        )
        self.board = self.stage.board
        _watch_debouncing(self.board, self.calm.nearest_ms)
        self.busy = rng.random() < 0.25
        self.local = rng.random() < 0.4
        self.acts = [
            self.level,
            self.level,
            self.level,
            self.hand,
            self.hand,
            self.hand,
            self.pause,
            self.button,
        ]

    def use(self) -> Calm:
        """One session, sometimes another one right after it."""
        calm, stage = self.calm, self.stage
        try:
            for _ in range(self.rng.choice((1, 1, 1, 2))):
                self.session()
                stage.run_s(self.rng.uniform(0.1, 3.0))
            stage.finish()
            status = stage.rpc("status")
        except NotRunning as e:
            calm.alarms.append(f"{e}")
            return calm
        except RpcError as e:
            calm.alarms.append(f"{e} {e.data}")
            return calm
        calm.alarms += [text for _, text in stage.events if text.startswith("fault")]
        # How closely the rate follows a hand that lets go at once is the drive's matter, not an alarm.
        calm.alarms += [f"{b.promise}: {b.detail}" for b in stage.observer.breaches if b.promise != "rate"]
        if status["selftest"] == "failed":
            calm.alarms.append(f"self-test: {stage.rpc('selftest')['tests']}")
        if status["fault"]:
            calm.alarms.append(f"fault {status['fault']['name']}")
        if self.board.boots != 1:
            calm.alarms.append(f"{self.board.boots} starts")
        return calm

    def session(self) -> None:
        rng, stage = self.rng, self.stage
        stage.run_s(rng.uniform(0.0, 2.0) if rng.random() < 0.98 else 620.0)  # or through an idle self-test
        self.board.run_until(lambda: stage.rpc("status")["selftest"] != "running", SELFTEST_MS, 100)
        self.hand()
        if self.busy:
            stage.rpc("telemetry.subscribe", hz=20)
        run_s = max(1, round(self.run_s))
        if self.local:
            self.press("plus")
            if stage.state != "RUNNING":
                self.calm.alarms.append(f"no start by button: {stage.rpc('status')['refusals']}")
                return
        else:
            if stage.rpc("status")["suspended"]:  # STOP ended the session before
                self.press("mode", ALLOW_S)
            stage.rpc("session.start", level=rng.randint(1, 11), run_s=run_s)
        end_us = stage.now_us + round(self.run_s * 1e6)
        while stage.now_us < end_us and stage.state != "IDLE":
            rng.choice(self.acts)()
            self.wait(min(rng.uniform(0.05, 8.0), (end_us - stage.now_us) / 1e6))
        if stage.state != "IDLE":
            self.end()
        self.calm.ran_s += self.run_s

    def end(self) -> None:
        """By STOP, by the host, or by time."""
        if self.local or self.rng.random() < 0.3:
            self.press("stop")
        elif self.rng.random() < 0.5:
            self.stage.rpc("session.stop")
        else:
            self.wait(8.0)

    def wait(self, seconds: float) -> None:
        stage = self.stage
        if not self.busy:
            stage.run_s(max(0.0, seconds))
            return
        until_us = stage.now_us + round(seconds * 1e6)
        while stage.now_us < until_us:
            method = self.rng.choice(BUSY)
            stage.rpc(method, **({"section": "faults"} if method == "schema" else {}))
            stage.run_s(self.rng.uniform(0.0, 0.1))

    # -- what people do -------------------------------------------------------------------------------

    def press(self, button: str, held_s: float | None = None) -> None:
        self.board.hold(button)
        self.stage.run_s(held_s or self.rng.uniform(0.05, 0.4))
        self.board.release(button)
        self.stage.run_s(0.15)

    def level(self) -> None:
        if self.stage.state == "RUNNING" and not self.local:
            try:
                self.stage.rpc("session.level", level=self.rng.randint(1, 11))
            except RpcError as e:
                if e.name != "wrong_state":  # it is ending, or ended meanwhile
                    raise

    def button(self) -> None:
        if self.stage.state == "RUNNING":
            self.press(self.rng.choice(("plus", "minus")))

    def hand(self) -> None:
        rng = self.rng
        now_s = self.board.chip.clock_us / 1e6
        pressure = rng.choice((0.0, 1.0, rng.random(), rng.random()))
        hand: Hand = PointsHand(
            [(now_s, self.board.plant.pressure), (now_s + rng.uniform(0.05, 1.0), pressure)]
        )
        if rng.random() < 0.4:
            hand = StrokeHand(pressure, rng.uniform(0.8, 4.0), seed=rng.randrange(1000))
        self.board.plant.hand = hand

    def pause(self) -> None:
        if self.stage.state != "RUNNING" or self.rng.random() < 0.5:
            return
        self.press("mode")
        self.wait(self.rng.choice((0.1, 1.0, 5.0, 40.0)))
        if self.stage.state == "PAUSED":
            self.press("mode")


def use(seed: int, longest_s: float = FULL_LENGTH_S) -> Calm:
    """One fault-free session, all of it drawn from the seed."""
    person = Person(seed, longest_s)
    calm = person.use()
    person.board.power_cut()
    return calm
