"""Sessions on a device, seen from the host."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from openknead import Device, connect
from openknead.errors import DeviceError, Refused, WrongState
from openknead.model import Event
from openknead.recording import read

HANG = 30.0


def knead(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "openknead", *argv], capture_output=True, text=True, timeout=60
    )


def test_a_session_rises_softly_to_its_level_and_stops_at_once(device: Device) -> None:
    slew_s = device.get("slew_s")
    device.start(level=3, minutes=5)
    samples = []
    for sample in device.telemetry(hz=20):
        samples.append(sample)
        if sample.level_milli == 3000:
            assert device.stop().state == "IDLE"
            break

    rising = [(a, b) for a, b in pairwise(samples) if a.level_milli >= 1000]
    assert samples[-1].t_ms - samples[0].t_ms >= 2 * slew_s * 1000
    assert len(rising) >= 40 * slew_s - 2
    for before, after in rising:
        allowed = (after.t_ms - before.t_ms) / slew_s
        assert 0 <= after.level_milli - before.level_milli <= allowed + 1
    assert device.last_end().reason == "host_stop"
    assert device.status().duty == 0


def test_the_heartbeat_keeps_a_session_alive_and_its_end_ends_it(device: Device) -> None:
    device.set({"host_timeout_s": 3})  # a busy machine may starve this process for a second
    device.start(level=1, minutes=5)
    telemetry = device.telemetry(hz=10)
    first = next(telemetry)
    while (sample := next(telemetry)).t_ms < first.t_ms + 5000:
        assert sample.state == "RUNNING"

    device._keeper.stop()  # as if this process hung

    assert list(telemetry), "the session outlasts the last beat"
    assert device.wait(HANG).reason == "host_lost"


def test_pause_stops_the_motor_and_resume_goes_on(device: Device) -> None:
    device.start(level=2, minutes=5)
    assert device.pause().state == "PAUSED"
    status = device.status()
    assert (status.state, status.duty) == ("PAUSED", 0)
    with pytest.raises(WrongState):
        device.pause()

    assert device.resume().state == "RUNNING"


def test_without_a_session_there_is_nothing_to_change(device: Device) -> None:
    for action in (device.pause, device.resume, lambda: device.set_level(2)):
        with pytest.raises(WrongState) as caught:
            action()
        assert caught.value.data["state"] == "IDLE"


@pytest.mark.parametrize(("level", "minutes"), [(0, 5), (12, 5), (3, 0), (3, 15.02)])
def test_a_start_out_of_range_is_refused(device: Device, level: int, minutes: float) -> None:
    with pytest.raises(DeviceError) as caught:
        device.start(level, minutes)

    assert (caught.value.name, caught.value.data["min"]) == ("out_of_range", 1)
    assert device.status().state == "IDLE"


def test_a_second_start_is_refused_with_its_reasons(device: Device) -> None:
    device.start(level=1, minutes=5)

    with pytest.raises(Refused) as caught:
        device.start(level=2, minutes=5)

    assert caught.value.refusals
    assert all(name and remedy for name, remedy in caught.value.refusals)
    assert device.status().level == 1


def test_settings_wait_for_the_motor(device: Device) -> None:
    device.start(level=1, minutes=5)

    with pytest.raises(DeviceError) as caught:
        device.save()

    assert caught.value.name == "motor_running"


def test_events_tell_the_session_in_order(device: Device) -> None:
    with device.feed() as feed:
        device.start(level=1, minutes=0.2)
        states: list[str] = []
        device.subscribe(10)
        while not states or states[-1] != "IDLE":
            item = feed.next(HANG)
            if isinstance(item, Event) and item.name == "state":
                states.append(item.value)

    assert states == ["RUNNING", "ENDING", "IDLE"]
    assert device.last_end().reason == "completed"


def test_two_processes_work_on_one_session(device: Device) -> None:
    device.share()
    device.start(level=1, minutes=5)
    with device.feed() as feed:
        device.subscribe(2)
        changed = knead("--port", device.port, "level", "3", "--json")
        seen = knead("--port", device.port, "watch", "--json", "--samples", "3")
        stopped = knead("--port", device.port, "stop", "--json")
        while not (isinstance(item := feed.next(HANG), Event) and item.value == "IDLE"):
            pass

    assert json.loads(changed.stdout)["level"] == 3, changed.stderr
    assert [json.loads(line)["level"] for line in seen.stdout.splitlines()] == [3, 3, 3], seen.stderr
    assert json.loads(stopped.stdout)["state"] == "IDLE"
    assert device.last_end().reason == "host_stop"


def test_start_from_the_command_line_runs_to_the_end(port: str, tmp_path: Path) -> None:
    result = knead(
        *("--port", port, "--json", "start", "--level", "2", "--minutes", "0.5"),
        *("--record", str(tmp_path / "session.csv")),
    )

    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["reason"], summary["duration_s"], summary["missed"]) == ("completed", 30.0, 0)
    assert 250 <= summary["samples"] <= 320
    (run,) = read(tmp_path / "session.csv")
    assert [len(run.samples), run.lost] == [summary["samples"], 0]
    assert {"state", "cue"} <= {event.name for event in run.events}
    assert run.end and run.end.reason == "session_end"


def test_a_session_outlives_the_process_that_shared_the_port(port: str) -> None:
    holder = connect(port, timeout=HANG)
    holder.share()
    command = [
        sys.executable,
        "-m",
        "openknead",
        "--port",
        port,
        "--json",
        "start",
        "--level",
        "1",
        "--minutes",
        "1",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as guest:
        with holder.feed() as feed:
            while not (isinstance(item := feed.next(HANG), Event) and item.value == "RUNNING"):
                pass
        holder.close()
        out, err = guest.communicate(timeout=60)

    assert guest.returncode == 0, err
    assert json.loads(out)["reason"] == "completed"


def test_demo_runs_ten_minutes_and_draws_them(tmp_path: Path) -> None:
    result = knead("demo", "--json", "--picture", str(tmp_path / "demo.svg"))

    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["reason"], summary["duration_s"], summary["top_level"]) == ("completed", 600.0, 5)
    assert summary["cues"].count("move_on") == 6
    assert {"last_30_s", "end"} <= set(summary["cues"])
    assert Path(summary["picture"]).stat().st_size > 10_000
