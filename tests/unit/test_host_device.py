"""The device object: typed results, schema cache, the heartbeat, sessions seen through telemetry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import openknead
import pytest
from host_peer import FIELDS, Answer, Peer
from openknead import connect
from openknead.errors import DeviceTimeout, SettingError
from openknead.model import Event, Sample, SampleReader, Status
from openknead.schema import cache_file

HANG = 20.0


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + HANG
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def beats(peer: Peer) -> int:
    return peer.methods().count("session.keepalive")


def test_every_public_name_is_there() -> None:
    assert [name for name in openknead.__all__ if getattr(openknead, name) is None] == []


def test_schema_is_fetched_page_by_page_and_asked_once_per_firmware(peer: Peer) -> None:
    peer.hello["content"] = "0123456789abcdef"
    with connect(peer.port) as device:
        assert [item["name"] for item in device.schema("telemetry")] == list(FIELDS)
    asked = peer.methods().count("schema")
    with connect(peer.port) as device:
        device.schema("telemetry")

    assert asked == 4
    assert peer.methods().count("schema") == asked


@pytest.mark.parametrize("content", ["", "{", "[]", '{"telemetry": []}', '{"telemetry": [1]}'])
def test_a_broken_cache_is_fetched_again(peer: Peer, content: str) -> None:
    peer.hello["content"] = "c0ffee"
    path = cache_file("c0ffee")
    assert path is not None
    path.parent.mkdir(parents=True)
    path.write_text(content)

    with connect(peer.port) as device:
        assert len(device.schema("telemetry")) == len(FIELDS)


def test_a_content_hash_cannot_choose_a_path() -> None:
    assert cache_file("../../etc/passwd") is None


def test_status_is_typed_and_bears_nulls_and_strangers() -> None:
    status = Status.of(
        {"state": "IDLE", "level": 0, "rate_opm": None, "motor_dc": None, "unsaved": ["slew_s"], "new": 1}
        | {"fault": {"code": 2, "name": "stall", "remedy": "free it", "more": 1}}
    )

    assert (status.state, status.rate_opm, status.motor_dc, status.unsaved) == (
        "IDLE",
        None,
        None,
        ("slew_s",),
    )
    assert status.fault is not None
    assert (status.fault.name, status.fault.more) == ("stall", 1)


def test_samples_follow_the_devices_own_field_order() -> None:
    reader = SampleReader(
        ["state", "t_ms", "limiters", "fault"], {1: "RUNNING"}, {1: "current", 4: "battery"}, {2: "stall"}
    )

    sample = reader.read([1, 500, 5, 2])

    assert sample is not None
    assert (sample.state, sample.t_ms, sample.limiters) == ("RUNNING", 500, ("current", "battery"))
    assert sample.fault == "stall"
    assert sample.rate_opm is None


@pytest.mark.parametrize("values", [{}, None, [1, 2], [[], 1, 0, 0], [1, 1, "x", 0], [1, 1, 0, {"a": 1}]])
def test_a_malformed_sample_is_left_out(values: object) -> None:
    reader = SampleReader(
        ["state", "t_ms", "limiters", "fault"], {1: "RUNNING"}, {1: "current"}, {2: "stall"}
    )

    assert reader.read(values) is None


def test_fields_this_firmware_lacks_are_none() -> None:
    sample = SampleReader(["t_ms"], {}, {}, {}).read([5])

    assert sample is not None
    assert (sample.t_ms, sample.rate_opm, sample.limiters, sample.fault) == (5, None, (), None)


def test_limiter_events_carry_all_names() -> None:
    assert Event.of({"name": "limiter", "value": ["current", "heat"], "t_ms": 1}).value == "current, heat"
    assert Event.of({"name": "limiter", "value": [], "t_ms": 1}).value == ""


def test_a_session_started_here_is_kept_alive_by_the_clock(peer: Peer) -> None:
    peer.values["host_timeout_s"] = 0.4
    with connect(peer.port) as device:
        device.start(level=3, minutes=5)
        assert eventually(lambda: beats(peer) >= 3)
        request = next(request for request in peer.requests if request["method"] == "session.start")

    assert request["params"] == {"level": 3, "run_s": 300}


def test_and_by_the_devices_clock_when_that_runs_faster(peer: Peer) -> None:
    peer.values["host_timeout_s"] = 10_000
    with connect(peer.port) as device, device.feed():
        device.start(level=3)
        for t_ms in range(100, 3100, 100):
            peer.sample(t_ms)
        assert eventually(lambda: beats(peer) >= 12)
        time.sleep(0.1)

    assert beats(peer) <= 15


def test_the_heartbeat_ends_with_the_session(peer: Peer) -> None:
    peer.values["host_timeout_s"] = 0.2
    with connect(peer.port) as device:
        device.start(level=3)
        assert eventually(lambda: beats(peer) >= 1)
        peer.state = "IDLE"
        peer.event("state", "IDLE", reason="stop_button")
        assert eventually(lambda: not device._keeper.active)
        count = beats(peer)
        time.sleep(0.3)

    assert beats(peer) == count


def test_a_keepalive_that_finds_no_session_stops_the_heartbeat(peer: Peer) -> None:
    peer.values["host_timeout_s"] = 0.2
    with connect(peer.port) as device:
        device.start(level=3)
        peer.state = "IDLE"

        assert eventually(lambda: not device._keeper.active)


def test_who_did_not_start_the_session_does_not_keep_it_alive(peer: Peer) -> None:
    peer.state = "RUNNING"
    with connect(peer.port) as device, device.feed() as feed:
        for t_ms in range(100, 2100, 100):
            peer.sample(t_ms)
        while isinstance(item := feed.get(HANG), Sample) and item.t_ms < 2000:
            pass

    assert beats(peer) == 0


def test_telemetry_ends_with_the_session_it_belongs_to(peer: Peer) -> None:
    with connect(peer.port, timeout=HANG) as device:
        device.start(level=3)
        samples = device.telemetry(hz=10)

        def play() -> None:
            eventually(lambda: "telemetry.subscribe" in peer.methods())
            for t_ms in (100, 200, 300):
                peer.sample(t_ms)
            peer.event("state", "ENDING")
            peer.sample(400, state=3)
            peer.event("state", "IDLE", reason="completed")

        threading.Thread(target=play).start()

        assert [sample.t_ms for sample in samples] == [100, 200, 300, 400]
    assert peer.requests[-1]["params"] == {"hz": 0}


def test_loops_at_different_rates_do_not_disturb_each_other(peer: Peer) -> None:
    with connect(peer.port, timeout=HANG) as device:
        slow, quick = device.telemetry(hz=5), device.telemetry(hz=20)
        peer.answers["telemetry.subscribe"] = lambda params: peer.sample(100) or params
        next(slow)
        peer.answers["telemetry.subscribe"] = lambda params: params
        threading.Timer(0.1, lambda: [peer.sample(t_ms) for t_ms in range(150, 600, 50)]).start()
        assert [next(quick).t_ms for _ in range(9)] == list(range(150, 600, 50))
        assert [next(slow).t_ms for _ in range(2)] == [300, 500]
        quick.close()
        slow.close()
    asked = [
        request["params"]["hz"] for request in peer.requests if request["method"] == "telemetry.subscribe"
    ]
    assert asked == [5, 20, 5, 0]


def test_also_when_that_was_over_before_anybody_listened(peer: Peer) -> None:
    """Somebody pressed STOP at once: a loop that waits for this session's samples would never end."""
    with connect(peer.port, timeout=HANG) as device:
        device.start(level=3)
        peer.state = "IDLE"
        peer.event("state", "IDLE", reason="stop_button")
        assert eventually(lambda: not device._keeper.active)

        assert list(device.telemetry(hz=10)) == []

        peer.answers["telemetry.subscribe"] = lambda params: peer.sample(100, state=0) or params
        assert next(device.telemetry(hz=10)).t_ms == 100, "without a session it goes on"


def test_the_tables_are_fetched_before_the_motor_runs(peer: Peer) -> None:
    """A device faster than us would miss the heartbeat meanwhile."""
    with connect(peer.port) as device:
        device.start(level=3)
        next_to = len(peer.requests)
        with device.feed():
            device.subscribe(10)
    assert "schema" not in [request["method"] for request in peer.requests[next_to:]]


def test_lost_samples_are_counted(peer: Peer) -> None:
    with connect(peer.port) as device, device.feed() as feed:
        for t_ms in (100, 200, 600):
            peer.sample(t_ms)
        while isinstance(item := feed.get(HANG), Sample) and item.t_ms < 600:
            pass

        assert feed.missed == 3


def test_telemetry_that_stays_away_is_a_timeout(peer: Peer) -> None:
    with connect(peer.port, timeout=0.3) as device, pytest.raises(DeviceTimeout, match="silent"):
        next(device.telemetry(hz=20))


def test_waits_for_the_end_and_tells_the_reason(peer: Peer) -> None:
    with connect(peer.port) as device:
        device.start(level=3)
        with pytest.raises(DeviceTimeout):
            device.wait(timeout=0.1)
        peer.state = "IDLE"
        peer.event("state", "IDLE", reason="host_stop")

        assert device.wait(HANG).reason == "host_stop"


def test_a_refused_start_starts_no_heartbeat(peer: Peer) -> None:
    def refuse(params: object) -> object:
        raise Answer(-32023, "local_only", setting="remote_start")

    peer.answers["session.start"] = refuse
    with connect(peer.port) as device:
        with pytest.raises(SettingError):
            device.start(level=3)
        assert not device._keeper.active


def test_a_reboot_is_over_when_the_device_has_gone_down(peer: Peer) -> None:
    def reboot(params: object) -> object:
        threading.Timer(0.3, peer.event, ["boot", ""]).start()
        return {"rebooting": True}

    peer.answers["reboot"] = reboot
    with connect(peer.port, timeout=HANG) as device:
        began = time.monotonic()
        device.reboot()

        assert time.monotonic() - began >= 0.3


def test_a_reboot_that_does_not_happen_is_a_timeout(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openknead.device.RESTART_S", 0.3)
    peer.answers["reboot"] = lambda params: {"rebooting": True}
    with connect(peer.port, timeout=0.3) as device, pytest.raises(DeviceTimeout, match="did not"):
        device.reboot()
