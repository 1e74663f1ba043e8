"""The observer finds what sabotaged firmware does, and nothing in sound firmware."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from openknead_sim.observer import HARD_LIMIT_US, Observer, level_rate
from openknead_sim.packaged import firmware_files, new_flash
from openknead_sim.plant import Hand
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import Stage


def sabotaged(module: str, sound: str, broken: str) -> Stage:
    """A stage whose firmware has one line changed."""
    files = firmware_files()
    path = f"massager/{module}.py"
    source = files[path].decode()
    assert source.count(sound) == 1, "the firmware has changed: choose the line anew"
    files[path] = source.replace(sound, broken).encode()
    return Stage(Scenario(Path(__file__), "sabotage", 51), new_flash(files))


def start_and_stop(stage: Stage) -> None:
    stage.rpc("session.start", level=3, run_s=60)
    stage.run_s(8)
    stage.board.hold("stop")
    stage.run_s(1)


def run_quarter_of_an_hour(stage: Stage) -> None:
    stage.rpc("settings.set", values={"session_limit_s": 900})
    stage.rpc("session.start", level=1, run_s=900)
    stage.run_s(905)


def two_faults(stage: Stage) -> None:
    for sensor in (0, 1):
        stage.board.rig.ntc_override[sensor] = 3.3
        stage.run_s(2)
        stage.rpc("status")


CASES: tuple[tuple[str, tuple[str, str, str], Callable[[Stage], None]], ...] = (
    ("stop_at_once", ("panel", "session.stop(sessions.STOP_BUTTON)", "pass"), start_and_stop),
    ("off_without_session", ("app", "    board.enable_motor(0)\n", "    pass\n"), start_and_stop),
    ("rate", ("drive", 'UNIT // (s["slew_s"] * TICKS_PER_S)', "UNIT // TICKS_PER_S"), start_and_stop),
    ("rate", ("drive", "RATE_STEP_OPM = const(270)", "RATE_STEP_OPM = const(400)"), start_and_stop),
    (
        "fifteen_minutes",
        ("session", "        left = self.run_ms - self.elapsed_ms\n        if self._safety",
         "        left = self.run_ms - self.elapsed_ms + 60_000\n        if self._safety"),
        run_quarter_of_an_hour,
    ),
    ("first_fault_kept", ("safety", "        if self.fault:\n", "        if False:\n"), two_faults),
)  # fmt: skip


@pytest.mark.parametrize(("promise", "change", "act"), CASES, ids=[f"{c[0]} {c[1][0]}" for c in CASES])
def test_a_broken_promise_is_found(
    promise: str, change: tuple[str, str, str], act: Callable[[Stage], None]
) -> None:
    stage = sabotaged(*change)
    act(stage)
    assert promise in [breach.promise for breach in stage.observer.breaches]


@pytest.mark.parametrize("act", [start_and_stop, two_faults], ids=["session", "faults"])
def test_sound_firmware_breaks_none(act: Callable[[Stage], None]) -> None:
    stage = Stage(Scenario(Path(__file__), "sound", 51))
    act(stage)
    assert stage.observer.breaches == []


def test_a_report_that_lies_is_not_believed() -> None:
    """Tach and back-EMF tell half the rate: the report is as asked for, the shaft turns at twice that."""
    stage = Stage(Scenario(Path(__file__), "lie", 52))
    stage.rpc("settings.set", values={"tach_ppr": 2, "motor_ke_uvs": 22_000})
    stage.board.plant.hand = Hand(0.2)
    stage.rpc("session.start", level=2, run_s=60)
    stage.run_s(8)
    assert abs(stage.rpc("status")["rate_opm"] - 1270) < 60
    assert "rate" in [breach.promise for breach in stage.observer.breaches]


def test_a_motor_that_drives_is_off_within_a_tick_of_stop() -> None:
    observer = Observer()
    observer.session("RUNNING")
    observer.asked(1)
    observer.look(0, 0.1, True, 0.0, False)
    observer.look(10_000, 0.1, True, 0.0, True)
    observer.look(20_000, 0.0, False, 0.0, True)
    assert observer.breaches == []
    assert observer.worst_stop_us == 10_000


def test_braking_with_the_driver_awake_is_not_off() -> None:
    observer = Observer()
    for tick in range(4):
        observer.look(tick * 10_000, 0.0, True, 0.0, False)
    assert [breach.promise for breach in observer.breaches] == ["off_without_session"]


def test_pauses_do_not_stop_the_quarter_of_an_hour() -> None:
    observer = Observer()
    observer.session("RUNNING")
    observer.asked(1)
    observer.look(0, 0.1, True, 0.0, False)
    observer.session("PAUSED")
    observer.look(100_000, 0.0, False, 0.0, False)
    observer.session("RUNNING")
    observer.look(HARD_LIMIT_US + 20_000, 0.1, True, 0.0, False)
    assert [breach.promise for breach in observer.breaches] == ["fifteen_minutes"]


def test_levels_are_rates() -> None:
    assert [level_rate(n) for n in (0, 0.5, 1, 11)] == [0, 500, 1000, 3700]
