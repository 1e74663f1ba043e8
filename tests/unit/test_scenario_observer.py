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
    stage.board.agreed("settings.set", values={"session_limit_s": 900})
    stage.rpc("session.start", level=1, run_s=900)
    stage.run_s(905)


def two_faults(stage: Stage) -> None:
    for sensor in (0, 1):
        stage.board.rig.ntc_override[sensor] = 3.3
        stage.run_s(2)
        stage.rpc("status")


def two_sessions(stage: Stage) -> None:
    stage.rpc("session.start", level=1, run_s=60)
    stage.run_s(5)
    stage.rpc("session.pause")
    stage.run_s(5)
    stage.rpc("session.resume")
    stage.run_s(5)
    stage.rpc("session.stop")
    stage.run_s(1)
    stage.rpc("session.start", level=2, run_s=10)
    stage.run_s(11)
    stage.finish()


def a_fault_in_a_session(stage: Stage) -> None:
    stage.rpc("session.start", level=1, run_s=60)
    stage.run_s(5)
    stage.board.rig.ntc_override[0] = 3.3
    stage.run_s(1)


CASES: tuple[tuple[str, tuple[str, str, str], Callable[[Stage], None]], ...] = (
    ("stop_at_once", ("panel", "session.stop(sessions.STOP_BUTTON)", "pass"), start_and_stop),
    (
        "off_without_session",
        ("app", "self._wake = wake = 0\n            board.enable_motor(0)\n", "self._wake = wake = 0\n"),
        start_and_stop,
    ),
    ("rate", ("drive", 'UNIT // (s["slew_s"] * TICKS_PER_S)', "UNIT // TICKS_PER_S"), start_and_stop),
    ("rate", ("drive", "RATE_STEP_OPM = const(270)", "RATE_STEP_OPM = const(400)"), start_and_stop),
    (
        "fifteen_minutes",
        ("session", "        left = self.run_ms - self.elapsed_ms\n        fault",
         "        left = self.run_ms - self.elapsed_ms + 60_000\n        fault"),
        run_quarter_of_an_hour,
    ),
    (
        "first_fault_kept",
        ("safety", "self.fault = self._queue[0] if", "self.fault = self._queue[queued - 1] if"),
        two_faults,
    ),
    ("off_on_fault", ("session", "if fault and not self._ramps_down(fault)", "if 0"), a_fault_in_a_session),
    ("agreement", ("recorder", '"ran_ms": session.ran_ms', '"ran_ms": 1000'), two_sessions),
    ("agreement", ("recorder", "sessions.reason_name(reason),", "sessions.reason_name(2),"), two_sessions),
    ("agreement", ("recorder", "_session_due = True", "_session_due = session.ended > 1"), two_sessions),
)  # fmt: skip


@pytest.mark.parametrize(("promise", "change", "act"), CASES, ids=[f"{c[0]} {c[1][0]}" for c in CASES])
def test_a_broken_promise_is_found(
    promise: str, change: tuple[str, str, str], act: Callable[[Stage], None]
) -> None:
    stage = sabotaged(*change)
    act(stage)
    assert promise in [breach.promise for breach in stage.observer.breaches]


@pytest.mark.parametrize("act", [start_and_stop, two_faults, a_fault_in_a_session, two_sessions])
def test_sound_firmware_breaks_none(act: Callable[[Stage], None]) -> None:
    stage = Stage(Scenario(Path(__file__), "sound", 51))
    act(stage)
    assert stage.observer.breaches == []


def test_a_report_that_lies_is_not_believed() -> None:
    """Tach and back-EMF show three quarters of the rate: the report is right, the shaft turns faster."""
    stage = Stage(Scenario(Path(__file__), "lie", 52))
    stage.board.plant.set_pulses(3)
    stage.board.agreed("settings.set", values={"tach_ppr": 4, "motor_ke_uvs": 14_667})
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


@pytest.mark.parametrize(("ms", "broken"), [(150, []), (170, ["off_without_session"])])
def test_the_driver_may_be_awake_for_a_self_test_and_no_longer(ms: int, broken: list[str]) -> None:
    observer = Observer()
    for at_us in range(0, ms * 1000, 10_000):
        observer.look(at_us, 0.0, True, 0.0, False)
    assert [breach.promise for breach in observer.breaches] == broken


def test_braking_after_a_session_is_not_off() -> None:
    observer = Observer()
    observer.session("RUNNING")
    observer.look(0, 0.1, True, 0.0, False)
    observer.session("IDLE")
    for tick in range(1, 5):
        observer.look(tick * 10_000, 0.0, True, 0.0, False)
    assert [breach.promise for breach in observer.breaches] == ["off_without_session"]


def test_the_stop_wire_has_run_req_low_in_half_a_millisecond() -> None:
    observer = Observer()
    observer.session("RUNNING")
    observer.asked(1)
    observer.look(0, 0.1, True, 0.0, False)
    observer.look(10_000, 0.1, True, 0.0, True)
    observer.look(10_400, 0.1, False, 0.0, True)
    assert observer.breaches == []
    assert observer.worst_stop_edge_us == 400
    observer.look(11_000, 0.1, True, 0.0, True)
    observer.look(11_600, 0.1, True, 0.0, True)
    assert [breach.promise for breach in observer.breaches] == ["stop_at_once"]


def ramps_down(fault: str, seconds: int) -> Observer:
    """A session at level 1 whose device names a fault and drives on for so long."""
    observer = Observer()
    observer.session("RUNNING")
    observer.asked(1)
    observer.look(0, 0.1, True, 0.0, False)
    observer.fault(fault)
    for at_us in range(10_000, seconds * 1_000_000, 10_000):
        observer.look(at_us, 0.1, True, 0.0, False)
    return observer


def test_a_fault_that_ramps_has_six_seconds_and_another_none() -> None:
    assert ramps_down("heap_low", 6).breaches == []
    assert [breach.promise for breach in ramps_down("heap_low", 7).breaches] == ["off_on_fault"]
    assert [breach.promise for breach in ramps_down("stall", 1).breaches] == ["off_on_fault"]


def test_stop_held_for_two_seconds_may_have_cleared_a_fault() -> None:
    observer = Observer()
    observer.fault("stall")
    for tick in range(210):
        observer.look(tick * 10_000, 0.0, False, 0.0, True)
    observer.look(2_100_000, 0.0, False, 0.0, False)
    observer.session("RUNNING")
    observer.asked(1)
    for tick in range(220, 260):
        observer.look(tick * 10_000, 0.1, True, 0.0, False)
    assert observer.breaches == []


def test_sessions_are_seen_at_the_pins_with_their_pauses() -> None:
    observer = Observer()
    observer.look(0, 0.0, True, 0.0, False)  # a self-test
    observer.look(50_000, 0.0, False, 0.0, False)
    for begin_us in (1_000_000, 9_000_000):
        observer.session("RUNNING")
        observer.look(begin_us, 0.1, True, 0.0, False)
        observer.session("PAUSED")
        observer.look(begin_us + 1_000_000, 0.0, False, 0.0, False)
        observer.session("RUNNING")
        observer.look(begin_us + 2_000_000, 0.1, True, 0.0, False)
        observer.look(begin_us + 3_000_000, 0.0, False, 0.0, False)
        observer.session("IDLE")
    assert [(s.begun_us, s.off_us) for s in observer.sessions] == [
        (1_000_000, 4_000_000),
        (9_000_000, 12_000_000),
    ]


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
