"""Self-test and clock: running a round, its report, and setting the device's clock on connecting."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest
from host_peer import Answer, Knead, Peer
from openknead import connect
from openknead.cli.selftest import limits
from openknead.device import utc_offset_min
from openknead.errors import DeviceError, DeviceTimeout, MotorRunning, NotOffered
from openknead.selftest import SelftestCase, SelftestReport

HANG = 20.0
FAILED = [["ram", "passed", None], ["reference", "failed", 2987], ["motor_ntc", "passed", 251]]


def test_a_round_is_started_once_and_followed_to_its_end(peer: Peer) -> None:
    seen: list[SelftestReport] = []
    with connect(peer.port) as device:
        report = device.selftest(progress=seen.append)

    asked = [request.get("params") for request in peer.requests if request["method"] == "selftest"]
    assert asked == [{"run": True}, None, None]
    assert [now.state for now in seen] == ["running", "running"]
    assert (report.state, report.t_ms, report.passed, report.failed) == ("passed", 7000, True, ())
    assert report.tests[1] == SelftestCase(
        "reference", "passed", 3301, "mV", 3200, 3400, "ADC reference", "Check ADC_VREF."
    )


def test_the_last_report_is_told_without_running(peer: Peer) -> None:
    peer.tests = FAILED
    with connect(peer.port) as device:
        report = device.selftest(run=False)

    assert (report.state, report.passed) == ("failed", False)
    assert [test.name for test in report.failed] == ["reference"]
    assert peer.methods().count("selftest") == 1


def test_a_round_that_never_ends_is_a_timeout(peer: Peer) -> None:
    peer.polls = 1 << 30
    with connect(peer.port) as device, pytest.raises(DeviceTimeout) as caught:
        device.selftest(timeout=0.3)

    assert "release STOP" in caught.value.remedy


def test_a_running_session_is_the_devices_own_error(peer: Peer, knead: Knead) -> None:
    def refuse(params: Any) -> Any:
        raise Answer(-32012, "motor_running")

    peer.answers["selftest"] = refuse
    with connect(peer.port) as device, pytest.raises(MotorRunning):
        device.selftest()
    code, out, err = knead("selftest")

    assert (code, out) == (1, "")
    assert "fix motor_running" in err


def test_firmware_without_self_tests_is_told_with_the_way_out(peer: Peer, knead: Knead) -> None:
    peer.hello["capabilities"] = ["sessions"]
    with connect(peer.port) as device, pytest.raises(NotOffered):
        device.selftest()
    code, out, err = knead("selftest", "--json")

    error = json.loads(err)["error"]
    assert (code, out, error["name"], error["capability"]) == (6, "", "not_offered", "selftest")
    assert error["command"].startswith("knead flash --port")


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"state": "fine", "tests": []},
        {"state": None, "tests": []},
        {"state": "passed"},
        {"state": "passed", "tests": {"ram": "passed"}},
        {"state": "passed", "tests": [["ram", "passed"]]},
        {"state": "passed", "tests": ["ram"]},
        {"state": "passed", "tests": [[1, "passed", 2]]},
    ],
)
def test_an_answer_that_is_no_report_is_an_error(peer: Peer, reply: Any) -> None:
    peer.answers["selftest"] = lambda params: reply
    with connect(peer.port) as device, pytest.raises(DeviceError):
        device.selftest()


@pytest.mark.parametrize("state", ["failed", "pending", "odd"])
def test_a_report_has_passed_only_when_every_test_has(state: str) -> None:
    report = SelftestReport.of({"state": "passed", "t_ms": 1, "tests": [["new", state, None]]}, [])

    assert not report.passed
    assert report.tests[0].remedy == ""


def test_the_table_shows_values_limits_and_results(knead: Knead) -> None:
    code, out, _ = knead("selftest")

    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["TEST", "WHAT", "VALUE", "LIMITS", "RESULT"],
        ["ram", "pattern", "in", "RAM", "–", "–", "passed"],
        ["reference", "ADC", "reference", "3301", "mV", "3200", "…", "3400", "mV", "passed"],
        ["motor_ntc", "motor", "temperature", "25.1", "°C", "at", "least", "-10.0", "°C", "passed"],
        ["all", "3", "tests", "passed"],
    ]


def test_a_failed_test_is_told_with_its_remedy_and_exit_code(peer: Peer, knead: Knead) -> None:
    peer.tests = FAILED

    code, out, _ = knead("selftest")

    assert code == 1
    assert out.splitlines()[-2:] == ["1 of 3 tests failed:", "  reference  Check ADC_VREF."]
    code, out, err = knead("selftest", "--json")
    report = json.loads(out)
    assert (code, err, report["state"], report["tests"][1]["value"]) == (1, "", "failed", 2987)
    assert len(out.splitlines()) == 1


def test_last_shows_a_round_that_is_still_running_and_does_not_call_it_passed(
    peer: Peer, knead: Knead
) -> None:
    peer._left = 5

    code, out, _ = knead("selftest", "--last")

    assert code == 1
    assert "the self-test is running: 3 of 3 tests to come" in out
    assert peer.methods().count("selftest") == 1


def test_in_maintenance_nothing_is_tested(peer: Peer, knead: Knead) -> None:
    tests = [["ram", "pending", None]]
    peer.answers["selftest"] = lambda params: {"state": "none", "t_ms": None, "tests": tests}

    code, out, _ = knead("selftest", "--last")

    assert code == 1
    assert out.splitlines()[-1] == "nothing is tested in maintenance"


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (None, None, "–"),
        (1, 2, "1 … 2 mA"),
        (0, 0, "0 mA"),
        (None, 2, "at most 2 mA"),
        (0, None, "at least 0 mA"),
    ],
)
def test_limits_may_be_open(low: int | None, high: int | None, shown: str) -> None:
    assert limits(SelftestCase("x", "passed", 1, "mA", low, high, "", "")) == shown


def test_a_terminal_sees_the_table_while_the_round_runs(peer: Peer) -> None:
    peer.polls = 3
    peer.tests = FAILED
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "openknead", "--port", peer.port, "selftest"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
    )
    os.close(slave)
    seen = b""
    with suppress(OSError):  # EIO: the other end was closed
        while data := os.read(master, 65536):
            seen += data
    code = process.wait(HANG)
    os.close(master)

    assert code == 1
    assert 0 <= seen.find(b"pending") < seen.find(b"failed")
    assert b"Check ADC_VREF." in seen


def test_status_mentions_only_an_unusual_start_and_self_test(peer: Peer, knead: Knead) -> None:
    peer.answers["status"] = lambda params: {"state": "IDLE", "boot": "power_on", "selftest": "passed"}
    usual = knead("status")[1]
    peer.answers["status"] = lambda params: {"state": "IDLE", "boot": "watchdog", "selftest": "failed"}
    unusual = knead("status")[1]

    assert "Self-test" not in usual and "Started" not in usual
    assert "by watchdog: see what happened with knead log --explain" in unusual
    assert "failed: see knead selftest --last" in unusual


# -- the clock -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("off_s", "told"), [(None, True), (-60, True), (60, True), (0, False), (1, False)])
def test_the_clock_is_set_on_connecting_when_it_is_off(peer: Peer, off_s: int | None, told: bool) -> None:
    peer.hello["unix_s"] = None if off_s is None else int(time.time()) + off_s
    with connect(peer.port) as device:
        assert device.hello.boot == 3

    assert ("clock.set" in peer.methods()) is told
    assert abs(peer.hello["unix_s"] - time.time()) < 5


@pytest.mark.parametrize(
    ("off_min", "told"),
    [(0, False), (60, True), (-840, True), (None, True)],
    ids=["same", "dst", "far", "none"],
)
def test_a_device_in_another_time_zone_is_told_the_zone(peer: Peer, off_min: int | None, told: bool) -> None:
    here_min = utc_offset_min(int(time.time()))
    peer.hello |= {"capabilities": ["clock", "dose"], "unix_s": int(time.time())}
    peer.hello["utc_offset_min"] = None if off_min is None else here_min + off_min
    with connect(peer.port):
        pass

    sent = [request["params"] for request in peer.requests if request["method"] == "clock.set"]
    assert [params["utc_offset_min"] for params in sent] == ([here_min] if told else [])


def test_firmware_whose_day_a_zone_would_empty_is_not_told_the_zone_alone(peer: Peer) -> None:
    peer.hello |= {
        "capabilities": ["clock", "dose"],
        "unix_s": int(time.time()),
    }  # it does not report its own
    with connect(peer.port):
        pass

    assert peer.methods() == ["hello"]


def test_who_joins_after_summer_time_began_says_so(peer: Peer) -> None:
    peer.hello |= {"capabilities": ["clock", "dose"], "unix_s": int(time.time()), "utc_offset_min": -600}
    with connect(peer.port, set_clock=False) as holder:
        holder.share()
        with connect(peer.port) as guest:
            assert guest.shared

    assert peer.methods().count("clock.set") == 1


def test_an_older_device_is_not_told_the_time(peer: Peer) -> None:
    peer.hello = {"protocol": "1.0.0", "firmware": "0.1.0", "capabilities": ["sessions"]}
    with connect(peer.port) as device:
        assert (device.hello.unix_s, device.hello.boot) == (None, None)
        with pytest.raises(NotOffered):
            device.set_clock()

    assert peer.methods() == ["hello"]


def test_a_device_that_refuses_the_time_is_connected_all_the_same(peer: Peer) -> None:
    def refuse(params: Any) -> Any:
        raise Answer(-32022, "out_of_range", param="unix_s", min=0, max=1)

    peer.answers["clock.set"] = refuse
    with connect(peer.port) as device:
        assert device.status().state == "IDLE"
        with pytest.raises(DeviceError):
            device.set_clock()


def test_a_device_that_is_silent_about_the_time_costs_one_timeout(peer: Peer) -> None:
    peer.silent = {"clock.set"}
    with connect(peer.port, timeout=0.3) as device:
        assert device.status().state == "IDLE"

    assert peer.methods().count("clock.set") == 1


def test_the_clock_can_be_set_by_hand_and_left_alone(peer: Peer) -> None:
    with connect(peer.port, set_clock=False) as device:
        assert peer.methods() == ["hello"]
        assert device.set_clock(1_700_000_000) is None
        assert device.set_clock() == 1_700_000_000

    assert abs(peer.hello["unix_s"] - time.time()) < 5


def test_listing_devices_sends_nothing_but_hello(peer: Peer, knead: Knead, tmp_path: Any) -> None:
    boards = tmp_path / "run" / "boards"
    boards.mkdir(parents=True)
    (boards / "1.json").write_text(json.dumps({"pid": os.getpid(), "port": peer.port}))

    knead("list")

    assert peer.methods() == ["hello"]


def test_who_joins_through_another_process_leaves_the_clock_to_that_one(peer: Peer) -> None:
    with connect(peer.port, set_clock=False) as holder:
        holder.share()
        with connect(peer.port) as guest:
            assert guest.shared
            assert guest.selftest().passed

    assert "clock.set" not in peer.methods()
