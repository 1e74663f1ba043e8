"""A session's figures and its picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from openknead.model import Event, Fault, Sample, SessionEnd
from openknead.picture import _smooth, draw
from openknead.report import Recorder, clock, energy_j

STILL = Sample(
    seq=0,
    t_ms=0,
    state="RUNNING",
    level=3,
    level_milli=3000,
    demand_opm=1540,
    rate_opm=1500,
    duty=65535,
    current_ma=1000,
    supply_mv=10_000,
    battery_pct=80,
    motor_dc=300,
    driver_dc=None,
    handle_dc=310,
    pad_dc=305,
    elapsed_ms=0,
    remaining_ms=0,
    limiters=(),
    fault=None,
)


def samples(count: int, start_ms: int = 0, **changes: object) -> list[Sample]:
    return [
        replace(STILL, seq=n, t_ms=(start_ms + n * 100) & 0x3FFFFFFF, elapsed_ms=n * 100, **changes)  # type: ignore[arg-type]
        for n in range(count)
    ]


def test_energy_is_power_times_time() -> None:
    assert energy_j(samples(101)) == pytest.approx(100.0)
    assert energy_j(samples(101, duty=32768)) == pytest.approx(50.0, rel=1e-4)


def test_energy_leaves_out_gaps_and_unknown_values() -> None:
    track = samples(11)
    late = replace(STILL, t_ms=60_000)

    assert energy_j([*track, late]) == pytest.approx(10.0)
    assert energy_j(samples(11, current_ma=None)) == 0


def test_time_goes_on_over_the_wrap_of_the_devices_clock() -> None:
    recorder = Recorder()
    for sample in samples(3, start_ms=0x3FFFFFFF - 100):
        recorder.add(sample)

    assert recorder.seconds() == [0.0, 0.1, 0.2]


def test_summary_counts_what_was_there() -> None:
    recorder = Recorder()
    for sample in [
        *samples(10),
        replace(STILL, t_ms=1000, elapsed_ms=1000, demand_opm=0, rate_opm=90, limiters=("heat",)),
    ]:
        recorder.add(sample)
    recorder.add(Event("cue", "move_on", 500, {}))
    recorder.add(Event("state", "ENDING", 900, {}))

    summary = recorder.summary(SessionEnd("fault", Fault(2, "stall", "free it")), missed=4)

    assert (summary.reason, summary.fault, summary.duration_s) == ("fault", "stall", 1.0)
    assert (summary.mean_rate_opm, summary.peak_rate_opm) == (1500, 1500)
    assert (summary.hottest, summary.hottest_c) == ("handle", 31.0)
    assert (summary.cues, summary.limiters) == (("move_on",), ("heat",))
    assert ("Lost", "4 of 15 samples") in summary.lines()
    assert ("Ended", "fault: stall") in summary.lines()


def test_a_session_without_samples_has_a_summary_too() -> None:
    summary = Recorder().summary(SessionEnd("host_stop"))

    assert (summary.samples, summary.mean_rate_opm, summary.hottest, summary.energy_j) == (0, None, None, 0)
    assert summary.lines()


@pytest.mark.parametrize("suffix", [".svg", ".png"])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_draws_any_session(tmp_path: Path, suffix: str, count: int) -> None:
    recorder = Recorder()
    for sample in samples(count):
        recorder.add(sample)
    recorder.add(Event("fault", "stall", 100, {}))

    path = draw(recorder.samples, recorder.marks, "title", tmp_path / "new" / f"picture{suffix}")

    assert path.read_bytes().startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")


def test_the_same_session_gives_the_same_picture(tmp_path: Path) -> None:
    first, second = (draw(samples(30), [], "title", tmp_path / name) for name in ("a.svg", "b.svg"))

    assert first.read_bytes() == second.read_bytes()


def test_the_mean_of_a_constant_is_that_constant_up_to_the_ends() -> None:
    track = samples(400)

    assert _smooth([5.0] * 400, track) == pytest.approx([5.0] * 400)
    assert _smooth([float("nan"), *[5.0] * 399], track)[1:] == pytest.approx([5.0] * 399)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (600, "10:00"), (5, "0:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
