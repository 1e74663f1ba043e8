"""Today's host on a device of an earlier minor version, which a recording plays."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conversation import FILE, TICKLE_S
from openknead import Device, connect
from openknead.errors import (
    CauseLasts,
    DeviceError,
    MotorRunning,
    NotOffered,
    ProgramInvalid,
    Refused,
    SettingError,
    StorageError,
    UnknownProgram,
    WrongState,
)
from openknead.model import Event, Sample
from openknead.programs import transfer
from player import Player, exchanges
from wire import load

RECORDINGS = sorted(Path(__file__).resolve().parent.glob("protocol-*.jsonl"))
HANG_S = 20.0


@pytest.fixture(params=RECORDINGS, ids=lambda path: path.stem)
def player(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Player]:
    for name in ("RUN", "CACHE", "DATA"):
        monkeypatch.setenv(f"OPENKNEAD_{name}_DIR", str(tmp_path / name))
    with Player(request.param) as device:
        yield device
    assert device.unknown == []


@pytest.fixture
def device(player: Player) -> Iterator[Device]:
    with connect(player.port, timeout=HANG_S, set_clock=False) as connected:
        yield connected


def test_the_host_knows_who_it_is(player: Player, device: Device) -> None:
    hello = device.hello
    assert (hello.protocol, hello.content) == (player.head["protocol"], player.head["content"])
    assert {"sessions", "settings", "telemetry", "journal", "selftest", "clock"} <= set(hello.capabilities)
    status = device.status()
    assert (status.state, status.remote_start, status.boot) == ("IDLE", False, "power_on")
    assert "remote_disabled" in status.refusals
    assert device.set_clock(1_780_000_000) is None


def test_the_host_reads_every_table(device: Device) -> None:
    for section in device.sections():
        assert device.schema(section), section
    rows = device.settings()
    assert (rows["area_s"].unit, rows["area_s"].type, rows["remote_start"].local) == ("s", "int", True)
    assert device.fault_remedy("stall")


def test_the_host_reads_and_changes_settings(player: Player, device: Device) -> None:
    assert set(device.get_all()) == set(device.settings())
    assert device.get("area_s") == 90
    assert device.set({"area_s": 60, "buzzer": False}) == ["area_s", "buzzer"]
    with pytest.raises(SettingError) as caught:
        device.set({"area_s": 181})
    assert caught.value.problems == [{"setting": "area_s", "name": "out_of_range", "min": 30, "max": 180}]
    assert device.get("area_s") == 60
    assert device.save() == 1
    assert device.reset(["area_s"]) == ["area_s"]
    player.seek_granted("settings.set", values={"buzzer": False})
    with pytest.raises(StorageError):
        device.save()


def test_the_host_runs_a_session(player: Player, device: Device) -> None:
    with pytest.raises(Refused) as caught:
        device.call("session.start", level=2, run_s=60)
    assert {name for name, _ in caught.value.refusals} >= {"remote_disabled"}
    assert device.get("host_timeout_s") == 3
    area = "calf_left" if "dose" in device.hello.capabilities else ""
    player.seek_granted("session.start", level=3, run_s=120, **({"area": area} if area else {}))
    with device.feed() as feed:
        started = device.start(level=3, minutes=2, area=area)
        assert (started.state, started.level, started.remaining_ms) == ("RUNNING", 3, 120_000)
        items = [feed.get(HANG_S) for _ in range(30)]
    assert any(isinstance(item, Event) and (item.name, item.value) == ("state", "RUNNING") for item in items)
    samples = [item for item in items if isinstance(item, Sample)]
    assert len(samples) > 20
    assert {sample.state for sample in samples} == {"RUNNING"}
    assert samples[-1].rate_opm and samples[-1].supply_mv and samples[-1].motor_dc
    assert device.set_level(5).level == 5
    with pytest.raises(WrongState):
        device.resume()
    assert device.pause().state == "PAUSED"
    with pytest.raises(MotorRunning):
        list(device.journal())
    assert device.resume().state == "RUNNING"
    assert device.stop().state == "IDLE"
    assert device.last_end().reason == "host_stop"


def require(device: Device, capability: str) -> None:
    """Skip what this version did not have yet; the host has to say so."""
    if capability in device.hello.capabilities:
        return
    with pytest.raises((NotOffered, DeviceError)):
        device.dose() if capability == "dose" else device.programs()
    pytest.skip(f"protocol {device.hello.protocol} has no {capability}")


def test_the_host_plays_a_program(player: Player, device: Device) -> None:
    require(device, "programs")
    seek_list(player, "knead")
    names = [entry.name for entry in device.programs()]
    assert names[0] == "steady" and len(names) >= 14
    assert device.program("knead").stages
    with pytest.raises(UnknownProgram):
        device.select_program("nobody")
    player.seek_granted("program.select", name="tickle")
    seek_list(player, "tickle")
    with pytest.raises(ProgramInvalid):
        device.call("session.start", program="tickle", run_s=TICKLE_S, shift=10)
    player.seek_granted("session.start", program="tickle", run_s=TICKLE_S, shift=1)
    device.call("session.start", program="tickle", run_s=TICKLE_S, shift=1)
    status = device.status()
    assert (status.program, status.stage, status.shift, status.level) == ("tickle", 1, 1, 4)
    assert device.skip().remaining_ms == 40_000
    assert device.back().remaining_ms == TICKLE_S * 1000


def seek_list(player: Player, name: str) -> None:
    """Go to where the recording lists that program."""
    player.seek(lambda entry: entry.get("walk") == "program.list" and f'"{name}"' in json.dumps(entry))


def test_the_host_sends_a_program_and_gets_it_back(player: Player, device: Device) -> None:
    require(device, "programs")
    document = _sent(player, "tickle")
    player.seek_granted("program.begin", name="tickle", size=len(document))
    transfer.send(device.call, "tickle", document)
    seek_list(player, "tickle")
    assert device.pull_program("tickle") == FILE
    seek_list(player, "tickle")
    program = device.program("tickle")
    assert (program.title, len(program.stages), program.total_s) == ("Two calves", 3, TICKLE_S)


def _sent(player: Player, name: str) -> bytes:
    """The document of that name that was kept."""
    document = b""
    for method, params, reply in player.exchanges():
        if method == "program.begin":
            document = b""
        elif method == "program.write" and "result" in reply:
            document += b64decode(params["data"])
        elif method == "program.commit" and reply.get("result", {}).get("name") == name:
            return document
    raise LookupError(name)


def test_the_host_clears_a_fault(player: Player, device: Device) -> None:
    player.seek(lambda entry: entry.get("with") == ["motor_ntc", "open"])
    fault = device.status().fault
    assert fault is not None and fault.name == "motor_sensor" and fault.remedy
    with pytest.raises(CauseLasts):
        device.call("fault.clear")
    assert device.call("fault.clear") == {"cleared": "motor_sensor"}


def test_the_host_reads_the_dose(player: Player, device: Device) -> None:
    require(device, "dose")
    player.seek_granted("dose.get")
    assert {"calf_left", "calf_right", "quadriceps_left"} <= set(device.dose().areas)


def test_the_host_reads_selftest_and_journal(player: Player, device: Device) -> None:
    player.seek_granted("selftest", run=True)
    report = device.selftest(timeout=HANG_S)
    assert report.passed and {"ram", "firmware", "interlock_drops"} <= {test.name for test in report.tests}
    player.seek_granted("journal.read")
    records = list(device.journal())
    assert {record.kind for record in records} >= {
        "boot",
        "session",
        "fault",
        "clear",
        "refusal",
        "settings",
        "clock",
    }
    assert {r.word("reason") for r in records if r.kind == "session"} >= {
        "completed",
        "host_lost",
        "stop_button",
    }


def test_the_host_restarts_it(player: Player, device: Device) -> None:
    player.seek_granted("maintenance")
    device.maintenance()
    assert device.status().state == "MAINTENANCE"
    device.reboot()
    assert device.status().state == "IDLE"


def test_the_recording_has_no_bad_line_that_looks_good() -> None:
    """What the player takes for requests was answered as such."""
    for recording in RECORDINGS:
        for entry in load(recording)[1]:
            rows: list[Any] = exchanges(entry)
            assert len(rows) <= max(len(entry.get("replies", ())), len(entry.get("pages", ())))
