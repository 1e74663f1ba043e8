"""Self-test, clock and journal of a device, seen from the host."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time

import pytest
from openknead import Device, Record, connect
from openknead.errors import DeviceError, MotorRunning, Refused
from openknead.journal import KINDS, MAX, MEAN, MIN

HANG = 30.0
USED = {"journal.read", "selftest", "clock.set"}
QUANTITIES = ("rate_opm", "current_ma", "supply_mv", "motor_dc", "driver_dc", "handle_dc", "pad_dc")


def knead(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "openknead", *argv], capture_output=True, text=True, timeout=60
    )


def last_n(device: Device) -> int:
    return max((record.n for record in device.journal()), default=0)


def written_after(device: Device, n: int, kind: str, **data: object) -> Record:
    """The first such record after number `n`, once the device has written it."""
    deadline = time.monotonic() + HANG
    while time.monotonic() < deadline:
        for record in device.journal(start=n + 1):
            if record.kind == kind and data.items() <= record.data.items():
                return record
    raise AssertionError(f"no {kind} after {n}: {[dict(record.data) for record in device.journal(n + 1)]}")


def test_offers_the_methods_and_says_so(device: Device) -> None:
    assert {item["name"] for item in device.schema("methods")} >= USED
    assert {"journal", "selftest", "clock"} <= set(device.hello.capabilities)


# -- self-test -----------------------------------------------------------------------------------------


def test_a_round_of_self_tests_passes_with_a_value_and_a_remedy_for_each(device: Device) -> None:
    report = device.selftest()

    assert report.passed, report
    assert [test.name for test in report.tests] == [row["name"] for row in device.schema("selftests")]
    assert all(test.value is not None and test.measures and test.remedy for test in report.tests)
    assert device.status().selftest == "passed"
    assert device.selftest(run=False) == report


def test_while_a_round_runs_no_session_starts(device: Device) -> None:
    device.call("selftest", run=True)
    try:
        device.start(level=1, minutes=1)
    except Refused as problem:
        refusals = [name for name, _ in problem.refusals]
    else:
        device.stop()
        pytest.skip("the round was over before this busy machine asked")

    assert refusals == ["selftest"]
    assert device.selftest().passed


def test_a_session_is_not_disturbed_by_tests_or_by_reading_flash(device: Device) -> None:
    device.start(level=1, minutes=5)

    with pytest.raises(MotorRunning):
        device.selftest()
    with pytest.raises(MotorRunning):
        list(device.journal())

    assert device.status().state == "RUNNING"


def test_the_command_shows_the_report(port: str) -> None:
    ran = knead("--port", port, "selftest")
    last = json.loads(knead("--port", port, "selftest", "--last", "--json").stdout)

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == f"all {len(last['tests'])} tests passed"
    assert last["state"] == "passed"


# -- clock ---------------------------------------------------------------------------------------------


def test_connecting_sets_the_clock_and_it_runs_on(device: Device) -> None:
    with_clock = device.call("hello")

    assert with_clock["unix_s"] >= time.time() - HANG
    assert with_clock["boot"] >= 1


@pytest.mark.parametrize("unix_s", [-1, 0, 1_000_000_000, 1 << 32, True, "now"])
def test_a_clock_is_not_set_to_nonsense(device: Device, unix_s: object) -> None:
    before = device.call("hello")["unix_s"]

    with pytest.raises(DeviceError) as caught:
        device.call("clock.set", unix_s=unix_s)

    assert caught.value.data["param"] == "unix_s"
    assert device.call("hello")["unix_s"] >= before


def test_setting_the_clock_is_recorded_with_what_it_showed(device: Device) -> None:
    began_ms = (
        device.status().uptime_ms
    )  # the device records ten clocks a minute, and each connection sets one
    while device.status().uptime_ms - began_ms < 60_000:
        time.sleep(0.05)
    n = last_n(device)
    was = device.set_clock(round(time.time()) + 86_400)

    record = written_after(device, n, "clock", was=was)  # the one of connecting may be written late, too
    assert record.unix_s is not None
    assert record.unix_s >= time.time() + 80_000
    device.set_clock()


# -- journal -------------------------------------------------------------------------------------------


def test_records_are_numbered_through_and_every_page_agrees(device: Device) -> None:
    for _ in range(8):
        device.save()
    everything = list(device.journal())

    assert [record.n for record in everything] == [*range(everything[0].n, everything[0].n + len(everything))]
    assert {record.kind for record in everything} <= set(KINDS)
    for start in (everything[0].n, everything[1].n, everything[-1].n):
        assert [record.data for record in device.journal(start)] == [
            record.data for record in everything if record.n >= start
        ]
    assert list(device.journal(everything[-1].n + 100)) == []


def test_a_session_leaves_a_record_that_agrees_with_what_happened(device: Device) -> None:
    n = last_n(device)
    device.start(level=2, minutes=0.25)
    seen = [sample for sample in device.telemetry(hz=10) if sample.state in ("RUNNING", "ENDING")]

    record = written_after(device, n, "session")
    assert {key: record.data[key] for key in ("origin", "level", "run_s", "reason", "fault")} == {
        "origin": "remote",
        "level": 2,
        "run_s": 15,
        "reason": "completed",
        "fault": None,
    }
    assert record.number("ran_ms") == pytest.approx(15_000, abs=100)
    assert record.unix_s is not None
    for name in QUANTITIES:
        low, mean, high = (record.number(name, place) for place in (MIN, MEAN, MAX))
        assert low is not None and mean is not None and high is not None
        assert low <= mean <= high, name
    fastest = max(sample.rate_opm or 0 for sample in seen)
    assert record.number("rate_opm", MAX) == pytest.approx(fastest, rel=0.1)
    assert not [later for later in device.journal(n + 1) if later.kind in ("fault", "refusal")]


def test_the_reason_in_the_record_is_the_one_the_device_gave(device: Device) -> None:
    n = last_n(device)
    device.start(level=1, minutes=5)
    device.stop()
    assert written_after(device, n, "session").word("reason") == device.last_end().reason == "host_stop"

    n = last_n(device)
    device.set({"host_timeout_s": 1})
    device.start(level=1, minutes=5)
    device._keeper.stop()  # as if this process hung
    device.wait(HANG)
    assert written_after(device, n, "session").word("reason") == "host_lost"


def test_a_refused_start_is_recorded(device: Device) -> None:
    n = last_n(device)
    device.start(level=1, minutes=5)
    with pytest.raises(Refused):
        device.start(level=2, minutes=5)
    device.stop()

    refusal = written_after(device, n, "refusal")
    assert (refusal.word("origin"), refusal.names("refusals")) == ("remote", ["running"])


def test_saved_settings_are_recorded(device: Device) -> None:
    n = last_n(device)
    sequence = device.save()

    assert written_after(device, n, "settings").number("sequence") == sequence


def test_a_restart_is_told_from_power_on_and_counted(device: Device) -> None:
    n, boot = last_n(device), device.hello.boot
    assert boot is not None

    device.reboot()
    device.reconnect(HANG)

    record = written_after(device, n, "boot")
    assert (record.word("cause"), record.word("selftest"), record.boot) == ("reset", "passed", boot + 1)
    assert record.word("content") == device.hello.content
    assert (device.hello.boot, device.status().boot, device.status().fault) == (boot + 1, "reset", None)
    device.share()
    assert "by reset" in knead("--port", device.port, "status").stdout


def test_in_maintenance_nothing_is_tested_and_the_journal_is_readable(device: Device) -> None:
    n = last_n(device)
    device.maintenance()
    device.reconnect(HANG)
    try:
        assert device.selftest(run=False).state == "none"
        assert written_after(device, n, "boot").word("selftest") == "none"
    finally:
        device.reboot()
        device.reconnect(HANG)


def test_the_command_shows_exports_and_explains(device: Device) -> None:
    n = last_n(device)
    device.start(level=1, minutes=5)
    device.stop()
    n = written_after(device, n, "session").n
    raw = [dict(record.data) for record in device.journal()]
    device.share()

    exported = json.loads(knead("--port", device.port, "log", "--json").stdout)["records"]
    table = knead("--port", device.port, "log", "--csv").stdout
    shown = knead("--port", device.port, "log", "--kind", "session", "--limit", "1")
    explained = knead("--port", device.port, "log", "--explain")

    assert exported == raw
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [int(row["n"]) for row in rows] == [record["n"] for record in raw]
    assert next(row for row in rows if int(row["n"]) == n)["origin"] == "remote"
    assert "by remote, level 1" in shown.stdout, shown.stderr
    assert "the session a host started at level 1" in explained.stdout, explained.stderr
    assert explained.stdout.splitlines()[-1] == "Now: nothing is left to do."


def test_the_journal_outlives_the_power(request: pytest.FixtureRequest, tmp_path: object) -> None:
    if request.config.getoption("--dev", default=None):
        pytest.skip("about virtual boards")
    from openknead.virtual import virtual_board

    flash = ("--flash", f"{tmp_path}/board.img")
    with virtual_board(*flash) as port, connect(port, timeout=HANG) as device:
        device.start(level=1, minutes=5)
        device.stop()
        before = written_after(device, 0, "session")
        first = [record.data for record in device.journal()]
    with virtual_board(*flash) as port, connect(port, timeout=HANG) as device:
        boot = written_after(device, before.n, "boot")
        assert [record.data for record in device.journal()][: len(first)] == first
        assert (boot.word("cause"), boot.boot) == ("power_on", before.boot + 1)
