"""Restless hands: hundreds of random acts on device, host and hardware, and no promise broken.

Each seed is one run; a failure repeats exactly, its transcript is in the message.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from openknead_sim.analog import MUX_DRIVER, MUX_HANDLE, MUX_MOTOR, MUX_PAD
from openknead_sim.plant import PointsHand, StrokeHand
from openknead_sim.rpc import RpcError
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import Stage
from openknead_sim.virtual import NotRunning

SEEDS = range(12)
ACTS = 120


class Restless:
    """Somebody who can leave nothing alone. Each act leaves the device able to go on."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.stage = Stage(Scenario(Path(__file__), f"restless {seed}", seed))
        self.board = self.stage.board
        self.nameless = False  # an error without name or remedy came
        self.acts: list[Callable[[], None]] = [
            self.start, self.start, self.start, self.level, self.level, self.level, self.pause_or_resume,
            self.button, self.button, self.button, self.hand, self.hand, self.settings, self.clear,
            self.clear, self.wait, self.wait, self.stop, self.block, self.sensor, self.supply, self.cable,
            self.silence, self.reset, self.power, self.ctrl_c, self.noise, self.heat,
        ]  # fmt: skip

    def go(self) -> None:
        for _ in range(ACTS):
            act = self.rng.choice(self.acts)
            self.stage.note(f"# {act.__name__}")
            act()
            self.stage.run_s(self.rng.uniform(0.05, 4.0))

    def ask(self, method: str, **params: object) -> None:
        try:
            self.stage.rpc(method, **params)
        except RpcError as e:
            self.nameless |= not e.name or not e.data["remedy"]

    def start(self) -> None:
        self.ask("session.start", level=self.rng.randint(1, 11), run_s=self.rng.choice([20, 60, 300]))

    def stop(self) -> None:
        self.ask("session.stop")

    def level(self) -> None:
        self.ask("session.level", level=self.rng.randint(0, 12))

    def pause_or_resume(self) -> None:
        self.ask(self.rng.choice(["session.pause", "session.resume"]))

    def clear(self) -> None:
        self.ask("fault.clear")

    def wait(self) -> None:
        self.stage.run_s(self.rng.uniform(1, 20))

    def button(self) -> None:
        button = self.rng.choice(["plus", "plus", "minus", "mode", "stop"])
        self.board.hold(button)
        self.stage.run_s(self.rng.choice([0.01, 0.05, 0.2, 2.5, 3.5]))
        self.board.release(button)

    def hand(self) -> None:
        p = self.rng.uniform(0, 1)
        now_s = self.board.chip.clock_us / 1e6
        move = PointsHand([(now_s, self.board.plant.pressure), (now_s + 0.5, p)])
        self.board.plant.hand = self.rng.choice([move, move, StrokeHand(p, self.rng.uniform(1, 4), seed=7)])

    def settings(self) -> None:
        name, value = self.rng.choice(
            [
                ("slew_s", 1),
                ("slew_s", 4),
                ("max_level", 6),
                ("max_level", 11),
                ("area_s", 30),
                ("buzzer", False),
            ]
        )
        self.ask("settings.set", values={name: value})
        if self.rng.random() < 0.3:
            self.ask("settings.save")

    def block(self) -> None:
        self.board.plant.blocked = True
        self.stage.run_s(self.rng.choice([0.05, 0.2, 1.0]))
        self.board.plant.blocked = False

    def sensor(self) -> None:
        which = self.rng.choice([MUX_MOTOR, MUX_DRIVER, MUX_HANDLE, MUX_PAD])
        self.board.rig.ntc_override[which] = self.rng.choice([0.0, 3.3])
        self.stage.run_s(self.rng.choice([0.05, 1.0]))
        self.board.rig.ntc_override[which] = None

    def supply(self) -> None:
        self.board.plant.supply_override_v = self.rng.choice([0.0, 6.0, 8.5, 9.6, 12.6])
        self.stage.run_s(self.rng.choice([0.02, 0.3, 2.0]))
        self.board.plant.supply_override_v = None

    def heat(self) -> None:
        self.board.plant.heat.soak(self.rng.choice([20.0, 25.0, 30.0, 42.0]))

    def cable(self) -> None:
        self.stage.keepalive = False
        self.board.chip.usb.connected = False
        self.stage.run_s(self.rng.choice([0.5, 5.0]))
        self.board.chip.usb.connected = True
        self.stage.keepalive = True
        self.board.send(b"\n")
        self.ask("status")

    def silence(self) -> None:
        self.stage.keepalive = False
        self.stage.run_s(self.rng.choice([1.0, 4.0]))
        self.stage.keepalive = True

    def noise(self) -> None:
        alphabet = bytes(b for b in range(256) if b != 3)
        self.board.send(bytes(self.rng.choices(alphabet, k=200)) + b"\n")

    def reset(self) -> None:
        self.board.reset()
        self.stage.run_s(0.3)

    def power(self) -> None:
        self.board.power_cut()
        self.stage.run_s(0.5)
        self.board.power_on()
        self.stage.run_s(0.3)

    def ctrl_c(self) -> None:
        self.stage.keepalive = False
        self.board.send(b"\x03")
        self.stage.run_s(0.5)
        assert self.stage.measure("pins_low")
        self.board.send(b"\x04")
        self.stage.run_s(0.5)
        self.stage.keepalive = True


@pytest.mark.parametrize("seed", SEEDS)
def test_restless_hands_break_no_promise(seed: int) -> None:
    restless = Restless(seed)
    stage = restless.stage
    try:
        restless.go()
        stage.rpc("session.stop")
        stage.run_s(1)
        status = stage.rpc("status")
        stage.finish()
    except NotRunning as e:
        pytest.fail(f"{e}\n" + "\n".join(stage.result.transcript[-30:]))
    assert status["state"] == "IDLE"
    assert not stage.measure("run_req")
    assert stage.board.rig.early_drives == 0
    assert not restless.nameless
    for breach in stage.observer.breaches:
        at_s = (breach.at_us - stage.zero_us) / 1e6
        before = [line for line in stage.result.transcript if at_s - 12 < float(line[:9]) < at_s + 0.1]
        pytest.fail("\n".join([f"{at_s:.3f} s {breach.promise}: {breach.detail}", *before]))
