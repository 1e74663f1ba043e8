"""Programs, played whole on the virtual board: every one that is built in, and what people do meanwhile.

What is asked for is worked out by the host's `curve`, which is not the firmware's; the shaft is the plant's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openknead.programs import curve
from openknead.programs.model import Stage as Part
from openknead_sim.observer import TICK_US
from openknead_sim.packaged import firmware_folder
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import Stage

PARTS = {
    path.stem: [Part(*part) for part in json.loads(path.read_text(encoding="utf-8"))["stages"]]
    for path in sorted((firmware_folder() / "massager" / "programs").glob("*.json"))
}
PLAYED = sorted(name for name, parts in PARTS.items() if parts)
LEVEL_OPM = 270
DIP_S = 1.0  # the motor's dip of a cue, and what comes after it
BEGUN_S = 0.05  # the session begins once its plan is on flash
WRITTEN_S = 0.1  # at the end the journal is written before the device talks again
START_S = 1.5  # after the motor came on the shaft may lag
FAULT_C = {"motor_c": 90.0, "driver_c": 100.0, "handle_c": 48.0, "pad_c": 43.0}
WORST = {"charge": 0.25, "ambient_c": 35.0, "hand": {"pressure": 0.5}}
BATTERY_USED = 0.2  # part of the 2.6 Ah that ten minutes may take


def stage(seed: int, **conditions: Any) -> Stage:
    return Stage(Scenario(Path(__file__), "programs", seed, conditions))


def length_s(parts: list[Part]) -> int:
    return sum(part.seconds for part in parts)


def play(on: Stage, name: str) -> tuple[int, list[tuple[float, float]]]:
    """Play a program to its end: when it began, and (seconds, rate of the shaft) ten times a second."""
    total_s = length_s(PARTS[name])
    on.rpc("session.start", program=name, run_s=total_s)
    began_us = on.now_us
    seen = []
    for n in range(total_s * curve.HZ + 1):
        on.run_to(began_us + n * 1_000_000 // curve.HZ)
        seen.append((n / curve.HZ, on.board.plant.rate_opm))
    on.run_s(2)
    on.finish()
    return began_us, seen


@pytest.mark.parametrize("name", PLAYED)
def test_a_built_in_program_is_what_its_plot_shows_and_its_cues_come_on_time(name: str) -> None:
    on = stage(51, hand={"pressure": 0.3})
    parts = PARTS[name]
    began_us, seen = play(on, name)
    points = curve.evaluate(parts)
    given = curve.cues(parts)
    felt = [cue.t_s for cue in given if cue.name != "end"]
    quiet_s = -START_S  # the shaft is at rest, or comes from there
    off, windows = [], []
    for (t_s, rate), point in zip(seen, points, strict=True):
        if not point.level_milli:
            quiet_s = t_s
        if t_s - quiet_s < START_S or any(0 <= t_s - at_s <= DIP_S for at_s in felt) or t_s < START_S:
            continue
        wanted = curve.rate_opm(point.level_milli)
        if point.level_milli >= 1000:
            windows.append((rate, wanted))
        if abs(rate - wanted) > LEVEL_OPM + 0.05 * wanted:
            off.append((t_s, round(rate), wanted))
    assert off == []
    if windows:
        assert sum(rate for rate, _ in windows) == pytest.approx(sum(want for _, want in windows), rel=0.05)
    else:
        assert name in ("stretch-timer", "ice-timer") and max(rate for _, rate in seen) == 0.0
    assert not on.observer.breaches
    assert on.rpc("status")["reason"] == "completed"
    check_times(on, parts, began_us)


def check_times(on: Stage, parts: list[Part], began_us: int) -> None:
    """Cues and stages came when they should."""
    cues = curve.cues(parts)
    total_s = length_s(parts)
    late_s = 3 * TICK_US / 1e6  # a tick, and two that a transcript takes
    heard: dict[str, list[float]] = {}
    for at_us, text in on.events:
        heard.setdefault(text, []).append((at_us - began_us) / 1e6)
    warned_s = total_s - 30
    for cue in cues:
        at = heard.get(f"cue {cue.name}", [])
        if cue.name == "end":  # begins with the ramp down, or is told once the journal is written
            assert any(cue.t_s - 4 <= at_s <= cue.t_s + WRITTEN_S for at_s in at)
        elif cue.t_s != warned_s or cue.name == "last_30_s":  # which goes before another one
            assert any(-late_s <= at_s - cue.t_s <= late_s + BEGUN_S for at_s in at), (cue, at)
    begun = [round(at_s, 1) for text, at in heard.items() if text.startswith("stage ") for at_s in at]
    assert begun == [float(sum(part.seconds for part in parts[:n])) for n in range(1, len(parts))]


@pytest.mark.parametrize("name", [name for name in PLAYED if "timer" not in name])
def test_the_worst_allowed_battery_and_room_take_a_program_without_a_fault(name: str) -> None:
    on = stage(53, **WORST)
    plant = on.board.plant
    charge = plant.soc
    hottest = dict.fromkeys(FAULT_C, 0.0)
    on.rpc("session.start", program=name, run_s=length_s(PARTS[name]))
    while on.state != "IDLE":
        on.run_s(1)
        for part in hottest:
            hottest[part] = max(hottest[part], getattr(plant, part))
    assert on.rpc("status")["reason"] == "completed"
    assert all(hottest[part] < most for part, most in FAULT_C.items()), hottest
    assert 0.0 < charge - plant.soc < BATTERY_USED
    on.finish()
    assert not on.observer.breaches


def test_a_program_chosen_by_mode_runs_without_any_host() -> None:
    on = stage(54, as_shipped=True)
    board = on.board
    board.press("mode")
    on.run_s(0.2)
    board.press("mode")
    on.run_s(2)
    assert [text for _, text in on.events if text.startswith("select")] == ["select warm-up", "select knead"]
    board.press("plus")
    on.run_s(100)
    board.press("plus")  # all of it one level up
    on.run_s(30)
    status = on.rpc("status")
    assert (status["program"], status["shift"], status["origin"]) == ("knead", 1, "button")
    on.run_s(length_s(PARTS["knead"]))
    on.finish()
    assert on.rpc("status")["reason"] == "completed"
    assert not on.observer.breaches


def test_skip_back_pause_and_stop_within_a_program() -> None:
    on = stage(55)
    board = on.board
    on.rpc("session.start", program="knead", run_s=length_s(PARTS["knead"]))
    on.run_s(70)
    board.hold("mode")
    on.run_s(0.2)
    board.press("plus")
    board.release("mode")
    on.run_s(0.5)
    assert on.rpc("status")["stage"] == 3
    on.rpc("session.back")
    on.run_s(2)
    assert on.rpc("status")["stage"] == 2
    on.rpc("session.pause")
    on.run_s(10)
    on.rpc("session.resume")
    on.run_s(20)
    board.press("stop")
    on.run_s(1)
    assert on.rpc("status")["reason"] == "stop_button"
    on.finish()
    assert not on.observer.breaches


def test_a_firmware_that_plays_a_wrong_level_is_found() -> None:
    on = stage(56)
    assert on.board.sandbox
    program = on.board.sandbox.module("massager.program").Program
    right = program.target
    program.target = lambda self, index, t_ds, shift: right(self, index, t_ds, shift + 1)
    on.rpc("session.start", program="roller", run_s=length_s(PARTS["roller"]))
    on.run_s(60)
    assert any(breach.promise == "rate" for breach in on.observer.breaches)


def test_the_dose_is_that_of_the_shaft() -> None:
    on = stage(57, as_shipped=True)
    turns = 0.0
    board = on.board
    for _ in range(2):
        board.press("mode")
        on.run_s(0.3)
    board.press("plus")
    for _ in range(length_s(PARTS["knead"]) * 20):
        on.run_s(0.05)
        turns += board.plant.rate_opm * 0.05 / 60
    on.run_s(2)
    dose = on.rpc("dose.get")
    counted = sum(entry[1] for entry in dose["areas"].values())
    assert counted == pytest.approx(turns, rel=0.02)
