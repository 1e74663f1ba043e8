"""A session's figures and its picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import openknead.timeline
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openknead.model import Event, Fault, Sample, SessionEnd
from openknead.picture import draw
from openknead.report import Collector, clock, energy_j
from openknead.timeline import Timeline, Trace

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
    timeline = Timeline()
    for sample in samples(3, start_ms=0x3FFFFFFF - 100):
        timeline.add(sample)

    assert timeline.traces["level"].line()[0] == [0.0, 0.1, 0.2]


def test_summary_counts_what_was_there() -> None:
    collector = Collector()
    for sample in [
        *samples(10),
        replace(STILL, t_ms=1000, elapsed_ms=1000, demand_opm=0, rate_opm=90, limiters=("heat",)),
    ]:
        collector.add(sample)
    collector.add(Event("cue", "move_on", 500, {}))
    collector.add(Event("state", "ENDING", 900, {}))

    summary = collector.summary(SessionEnd("fault", Fault(2, "stall", "free it")), missed=4)

    assert (summary.reason, summary.fault, summary.duration_s) == ("fault", "stall", 1.0)
    assert (summary.mean_rate_opm, summary.peak_rate_opm) == (1500, 1500)
    assert (summary.hottest, summary.hottest_c) == ("handle", 31.0)
    assert (summary.cues, summary.limiters) == (("move_on",), ("heat",))
    assert ("Lost", "4 of 15 samples") in summary.lines()
    assert ("Ended", "fault: stall") in summary.lines()


def test_a_session_without_samples_has_a_summary_too() -> None:
    summary = Collector().summary(SessionEnd("host_stop"))

    assert (summary.samples, summary.mean_rate_opm, summary.hottest, summary.energy_j) == (0, None, None, 0)
    assert summary.lines()


@pytest.mark.parametrize("suffix", [".svg", ".png"])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_draws_any_session(tmp_path: Path, suffix: str, count: int) -> None:
    collector = Collector()
    for sample in samples(count):
        collector.add(sample)
    collector.add(Event("fault", "stall", 100, {}))

    path = draw(collector.samples, collector.marks, "title", tmp_path / "new" / f"picture{suffix}")

    assert path.read_bytes().startswith(b"<?xml" if suffix == ".svg" else b"\x89PNG")


def test_the_same_session_gives_the_same_picture(tmp_path: Path) -> None:
    first, second = (draw(samples(30), [], "title", tmp_path / name) for name in ("a.svg", "b.svg"))

    assert first.read_bytes() == second.read_bytes()


def test_the_mean_of_a_constant_is_that_constant_up_to_the_ends() -> None:
    trace = Trace()
    for n in range(400):
        trace.add(n / 10, 5.0 if n else None)

    assert trace.mean(20)[1] == pytest.approx([5.0] * 399)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=300), st.integers(1, 40))
def test_a_long_trace_keeps_every_peak_in_little_memory(values: list[float], buckets: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openknead.timeline, "BUCKETS", buckets)
        trace = Trace()
        for n, value in enumerate(values):
            trace.add(n / 10, value)

    times, line = trace.line()

    assert len(line) <= 4 * buckets
    assert (min(line), max(line), line[0], line[-1]) == (min(values), max(values), values[0], values[-1])
    assert times == sorted(times)


def test_no_line_is_drawn_over_a_time_without_values() -> None:
    timeline = Timeline()
    for sample in [*samples(3), *samples(3, start_ms=60_000)]:
        timeline.add(sample)

    times, line = timeline.traces["rate"].line()
    assert [value == value for value in line] == [True] * 3 + [False] + [True] * 3
    assert times[-1] == pytest.approx(60.2)


def test_what_held_back_is_told_from_when_to_when() -> None:
    timeline = Timeline()
    for sample in samples(30, limiters=()):
        timeline.add(replace(sample, limiters=("heat",) if 10 <= sample.seq < 20 else ()))

    assert timeline.held_back == [(1.0, 1.9, "heat")]


def test_runs_stand_where_their_clocks_say_and_never_before_what_was() -> None:
    timeline = Timeline()
    starts = []
    for utc_s in (1000.0, 1060.0, 1060.5):
        timeline.begin(utc_s)
        for sample in samples(11, start_ms=7000):
            timeline.add(sample)
        starts.append(timeline.end_s - 1.0)

    assert starts == pytest.approx([0.0, 60.0, 62.0])


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (600, "10:00"), (5, "0:05")])
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text
