"""`knead doctor` on computers and devices that something is wrong with."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from host_peer import Knead, Peer
from openknead import connect, udev
from openknead.doctor import device as device_checks
from openknead.doctor import packaged
from openknead.doctor.case import Case
from openknead.doctor.checks import CHECKS, examine
from openknead.doctor.finding import Finding, Verdict
from openknead.doctor.system import System
from openknead.flash import build, images
from openknead.framing import encode

TTY = "/dev/ttyACM0"


class Computer:
    """A Linux in a folder. run: what commands print."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.prints: dict[str, str] = {"journalctl": "usb 1-1: new full-speed USB device\n"}
        self.groups = frozenset({1000})
        self.open = True
        self.held: list[tuple[int, str]] = []
        self.file("/etc/group", "root:x:0:\ndialout:x:20:somebody,user\nplugdev:x:46:\n")
        self.file("/proc/version", "Linux version 6.1")
        self.file("/proc/1/comm", "systemd")

    def file(self, path: str, text: str = "") -> Path:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        return place

    def plug(
        self, ids: str, place: str = "1-2", tty: str | None = TTY, product: str = "Board in FS mode"
    ) -> None:
        """A device on USB."""
        for name, value in zip(("idVendor", "idProduct"), ids.split(":"), strict=True):
            self.file(f"/sys/bus/usb/devices/{place}/{name}", value + "\n")
        self.file(f"/sys/bus/usb/devices/{place}/product", product + "\n")
        self.file(f"/sys/bus/usb/devices/{place}:1.0/bInterfaceClass", "02\n")
        if tty:
            folder = self.root / f"sys/bus/usb/devices/{place}/{place}:1.0/tty/{Path(tty).name}"
            folder.mkdir(parents=True)
            self.file(tty).chmod(0o660)

    @property
    def system(self) -> System:
        return System(
            root=self.root,
            platform="linux",
            user="user",
            groups=self.groups,
            may_open=lambda path: self.open,
            holders=lambda port: self.held,
            output=lambda command: self.prints.get(command[0]),
        )

    def found(self, named: str | None = None) -> dict[str, Finding]:
        """Findings by check, of the computer and the way to the device."""
        case = Case(named, 0.3, self.system)
        return {check.name: finding for check, finding in examine(case)}


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    monkeypatch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("OPENKNEAD_PORT", raising=False)
    return Computer(tmp_path / "root")


def assert_problem(finding: Finding, said: str, remedy: str) -> None:
    assert finding.verdict is Verdict.PROBLEM, finding
    assert said in finding.finding
    assert remedy in finding.remedy


# -- is it there? ----------------------------------------------------------------------------------


def test_without_a_device_the_cable_is_suspected(computer: Computer) -> None:
    found = computer.found()
    assert_problem(found["found"], "no Pico is seen", "cable")
    assert "answer" not in found
    assert "permission" not in found


def test_a_pico_on_usb_is_found_with_its_place(computer: Computer) -> None:
    computer.plug("2e8a:0005", "1-2.4")
    found = computer.found()
    assert found["found"].data["ports"] == [TTY]
    assert found["hub"].finding.startswith("behind a hub (1-2.4)")
    assert "which" not in found


def test_two_devices_have_to_be_told_apart(computer: Computer) -> None:
    computer.plug("2e8a:0005", "1-1")
    computer.plug("2e8a:0005", "1-2", "/dev/ttyACM1")
    found = computer.found()
    assert_problem(found["which"], "/dev/ttyACM0, /dev/ttyACM1", "--port")
    assert "answer" not in found
    assert "which" not in computer.found("/dev/ttyACM1")


@pytest.mark.parametrize(
    ("ids", "tty", "said", "remedy"),
    [
        ("2e8a:0003", None, "BOOTSEL", "knead flash"),
        ("2e8a:000f", None, "RP2350", "RP2040"),
        ("2e8a:0005", None, "without a serial port", "cdc_acm"),
        ("2341:0043", TTY, "2341:0043", "knead flash"),
        ("2e8a:000a", TTY, "2e8a:000a", "knead flash"),
    ],
)
def test_other_boards_and_modes_are_told_apart(
    computer: Computer, ids: str, tty: str | None, said: str, remedy: str
) -> None:
    computer.plug(ids, tty=tty)
    assert_problem(computer.found()["found"], said, remedy)


def test_a_linux_inside_windows_has_to_be_given_its_usb(computer: Computer) -> None:
    computer.file("/proc/version", "Linux version 5.15 (Microsoft WSL2)")
    assert_problem(computer.found()["found"], "Windows", "usbipd")


def test_a_container_without_the_port_is_told(computer: Computer) -> None:
    computer.plug("2e8a:0005")
    (computer.root / "dev/ttyACM0").unlink()
    assert_problem(computer.found()["found"], "not in /dev", "container")


def test_a_port_that_was_named_and_is_not_there_is_told_once(computer: Computer) -> None:
    found = computer.found("/dev/ttyACM9")
    assert_problem(found["found"], "there is no port /dev/ttyACM9", "knead list")
    assert found["answer"].remedy == ""
    assert "permission" not in found


# -- may it be opened? -----------------------------------------------------------------------------


def give(computer: Computer, group: int, mode: int = 0o660) -> None:
    """The port belongs to that group."""
    path = computer.root / "dev/ttyACM0"
    path.chmod(mode)
    try:
        os.chown(path, -1, group)
    except PermissionError:
        pytest.skip("only root can give a file away")


def test_a_user_outside_the_group_gets_the_command(computer: Computer) -> None:
    computer.plug("2e8a:0005")
    computer.open = False
    computer.file("/etc/group", "dialout:x:20:somebody\n")
    give(computer, 20)
    finding = computer.found()["permission"]
    assert_problem(finding, "group dialout", "udev --install")
    assert "usermod -aG dialout user" in finding.remedy


def test_a_membership_that_needs_a_new_log_in_is_told(computer: Computer) -> None:
    computer.plug("2e8a:0005")
    computer.open = False
    give(computer, 20)
    assert_problem(computer.found()["permission"], "since a short while", "log out and in again")


def test_a_port_of_roots_own_group_is_no_case_for_usermod(computer: Computer) -> None:
    computer.plug("2e8a:0005")
    computer.open = False
    give(computer, 0)
    finding = computer.found()["permission"]
    assert_problem(finding, "group root", "udev --install")
    assert "usermod" not in finding.remedy


def test_the_udev_rule_is_absent_stale_or_current(computer: Computer) -> None:
    assert computer.found()["udev"].verdict is Verdict.OK, "none is needed without a Pico"
    computer.plug("2e8a:0005")
    assert computer.found()["udev"].verdict is Verdict.NOTE
    path, _ = udev.install(computer.root)
    assert computer.found()["udev"].verdict is Verdict.OK
    path.write_text("# of last year\n")
    stale = computer.found()["udev"]
    assert stale.verdict is Verdict.NOTE
    assert "another version" in stale.finding


def test_modem_manager_without_the_rule_is_worth_a_note(computer: Computer) -> None:
    computer.plug("2e8a:0005")
    computer.file("/proc/77/comm", "ModemManager\n")
    assert computer.found()["modem_manager"].verdict is Verdict.NOTE
    udev.install(computer.root)
    assert computer.found()["modem_manager"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("program", "remedy"), [("screen", "end screen (process 7)"), ("ModemManager", "wait")]
)
def test_a_port_that_is_held_names_its_holder(computer: Computer, program: str, remedy: str) -> None:
    computer.plug("2e8a:0005")
    computer.held = [(7, program)]
    assert_problem(computer.found()["holder"], f"held by {program} (process 7)", remedy)


# -- cable -----------------------------------------------------------------------------------------


def test_usb_errors_of_the_kernel_point_at_the_cable(computer: Computer) -> None:
    computer.prints["journalctl"] = "usb 1-2: device descriptor read/64, error -71\n" * 3
    finding = computer.found()["kernel"]
    assert_problem(finding, "3 USB errors", "another cable")


def test_a_log_that_is_not_for_this_user_is_no_finding(computer: Computer) -> None:
    computer.prints.clear()
    assert computer.found()["kernel"].verdict is Verdict.UNKNOWN


def test_dmesg_is_read_where_the_journal_is_not(computer: Computer) -> None:
    computer.prints = {"journalctl": "", "dmesg": "usb usb1-port2: unable to enumerate USB device\n"}
    assert computer.found()["kernel"].verdict is Verdict.PROBLEM


def test_other_systems_have_no_linux_checks(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> None:
    info = SimpleNamespace(device="COM3", vid=0x2E8A, pid=5, product=None, serial_number="E66", location=None)
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [info])
    case = Case(None, 0.3, System(platform="win32", holders=lambda port: []))
    found = {check.name: finding for check, finding in examine(case)}
    assert found["found"].data["ports"] == ["COM3"]
    assert not {"permission", "udev", "modem_manager", "kernel"} & set(found)


# -- the device ------------------------------------------------------------------------------------

STATUS = {"state": "IDLE", "reason": "host_stop", "unsaved": [], "remote_start": True, "tick_worst_us": 900}


@pytest.fixture
def healthy(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Peer:
    """A device that nothing is wrong with."""
    peer.answers["status"] = lambda params: dict(STATUS)
    peer.hello["unix_s"] = round(time.time())
    monkeypatch.setattr(packaged, "contents", lambda: {""})
    return peer


def examined(peer: Peer, timeout: float = 2.0) -> dict[str, Finding]:
    case = Case(peer.port, timeout, System(output=lambda command: "nothing\n"))
    return {check.name: finding for check, finding in examine(case)}


def test_a_healthy_device_has_no_problem(healthy: Peer) -> None:
    found = examined(healthy)
    named = {
        name: finding for name, finding in found.items() if finding.verdict in (Verdict.PROBLEM, Verdict.NOTE)
    }
    assert set(named) <= {"images"}, named
    assert {"answer", "line", "firmware", "fault", "selftest", "settings", "clock", "journal"} <= set(found)
    assert found["line"].data["rounds"] == device_checks.ROUNDS
    assert found["line"].data["median_ms"] > 0


def test_looking_changes_nothing(healthy: Peer) -> None:
    healthy.hello["unix_s"] = None
    examined(healthy)
    assert set(healthy.methods()) <= {"hello", "status", "schema", "selftest", "journal.read"}
    assert not [request for request in healthy.requests if request.get("params", {}).get("run")]


@pytest.mark.parametrize(
    ("status", "check", "verdict", "said", "remedy"),
    [
        (
            {"fault": {"code": 2, "name": "stall", "remedy": "Free the pad.", "more": 2}},
            "fault",
            Verdict.PROBLEM,
            "stall is latched, and 2 more",
            "Free the pad. Then: knead clear",
        ),
        ({"refusals": ["settings_invalid"]}, "settings", Verdict.PROBLEM, "damaged", "knead save"),
        (
            {"unsaved": ["slew_s"], "unsaved_more": 3},
            "settings",
            Verdict.NOTE,
            "slew_s and 3 more",
            "knead save",
        ),
        (
            {"refusals": ["remote_disabled"], "remote_start": False},
            "start",
            Verdict.NOTE,
            "remote_disabled",
            "Hold MODE",
        ),
        (
            {"skipped": "crash: a folder, not a file", "skipped_more": 2},
            "flash",
            Verdict.NOTE,
            "crash: a folder, not a file, and 2 more",
            "mpremote",
        ),
        ({"tick_worst_us": 31_000}, "load", Verdict.NOTE, "31.0 ms", "report"),
    ],
)
def test_what_the_status_tells_becomes_a_finding(
    healthy: Peer, status: dict[str, Any], check: str, verdict: Verdict, said: str, remedy: str
) -> None:
    healthy.answers["status"] = lambda params: STATUS | status
    finding = examined(healthy)[check]
    assert finding.verdict is verdict
    assert said in finding.finding
    assert remedy in finding.remedy


def test_a_refusal_that_another_check_explains_is_not_told_twice(healthy: Peer) -> None:
    healthy.answers["status"] = lambda params: STATUS | {"refusals": ["fault_latched", "selftest"]}
    assert examined(healthy)["start"].verdict is Verdict.OK


def test_a_selftest_that_failed_names_tests_and_remedies(healthy: Peer) -> None:
    healthy.tests[2] = ["motor_ntc", "failed", -900]
    healthy.polls = 0
    assert_problem(examined(healthy)["selftest"], "motor_ntc", "Check the plug.")


def test_a_clock_that_is_off_is_told_and_not_set(healthy: Peer) -> None:
    healthy.hello["unix_s"] = round(time.time()) - 3600
    finding = examined(healthy)["clock"]
    assert finding.verdict is Verdict.NOTE
    assert abs(finding.data["off_s"] + 3600) < 60
    assert "clock.set" not in healthy.methods()


def test_faults_and_crashes_of_the_journal_are_counted(healthy: Peer) -> None:
    rows = [
        {"kind": "boot", "cause": "crash"},
        {"kind": "fault", "fault": "stall"},
        {"kind": "fault", "fault": "stall"},
    ]
    healthy.journal = [
        {"n": n, "boot": 1, "up_ms": n, "unix_s": None, "lost": 2, **row} for n, row in enumerate(rows, 1)
    ]
    finding = examined(healthy)["journal"]
    assert finding.verdict is Verdict.NOTE
    assert "stall 2×, crash 1×, 6 records lost" in finding.finding


def test_other_firmware_than_the_packages_is_told(healthy: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "contents", lambda: {"0123456789abcdef"})
    monkeypatch.setattr(packaged, "protocol", lambda: "1.9.0")
    finding = examined(healthy)["firmware"]
    assert finding.verdict is Verdict.NOTE
    assert "protocol 1.0.0 where that speaks 1.9.0" in finding.finding
    assert healthy.port in finding.remedy


@pytest.mark.parametrize(("version", "remedy"), [("2.0.0", "pip install"), ("0.9.0", "PORT")])
def test_another_major_protocol_is_a_problem(healthy: Peer, version: str, remedy: str) -> None:
    healthy.hello["protocol"] = version
    finding = examined(healthy)["answer"]
    assert_problem(finding, version, healthy.port if remedy == "PORT" else remedy)


def test_a_silent_device_gets_no_ctrl_c(healthy: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr("openknead.link.SerialLink.write", lambda self, data: sent.append(data))
    finding = examined(healthy, 0.3)["answer"]
    assert_problem(finding, "nothing is heard", "press reset")
    assert sent
    assert not any(b"\x03" in data for data in sent)


def test_a_micropython_prompt_is_told_from_a_device(healthy: Peer) -> None:
    with prompting(healthy):
        finding = examined(healthy, 0.3)["answer"]
    assert_problem(finding, "MicroPython prompt", "reset")


@contextmanager
def prompting(peer: Peer) -> Iterator[None]:
    """The peer repeats what it gets behind a prompt, as MicroPython does."""
    answer = peer._answer

    def echo(request: dict[str, Any]) -> None:
        peer.requests.append(request)
        peer.send_raw(b">>> " + encode(request).replace(b"\n", b"\r\n"))

    peer._answer = echo  # type: ignore[method-assign]
    yield
    peer._answer = answer  # type: ignore[method-assign]


def test_damaged_lines_point_at_the_cable(healthy: Peer) -> None:
    lines = iter(range(1_000_000))

    def garble(line: bytes) -> bytes:
        return line.replace(b"1", b"7") if b'"result"' in line and next(lines) % 9 == 5 else line

    healthy.garble = garble
    finding = examined(healthy)["line"]
    assert_problem(finding, "lines damaged", "another cable")
    assert finding.data["damaged"] > device_checks.BAD_ROUNDS
    assert finding.data["lost"] == 0, "each was asked again"


def test_a_device_that_goes_away_meanwhile_is_told_once(healthy: Peer) -> None:
    healthy.silent = {"status"}
    found = examined(healthy, 0.3)
    silent = [name for name, finding in found.items() if "no answer to status" in finding.finding]
    assert silent == ["fault"]


def test_a_check_that_the_system_forbids_cannot_tell(
    computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(self: System) -> list[str]:
        raise PermissionError("not yours")

    monkeypatch.setattr(System, "kernel_log", forbidden)
    assert computer.found()["kernel"].verdict is Verdict.UNKNOWN


# -- the command -----------------------------------------------------------------------------------


def test_the_command_prints_marks_and_remedies(healthy: Peer, knead: Knead) -> None:
    healthy.answers["status"] = lambda params: STATUS | {"unsaved": ["slew_s"]}
    code, out, _ = knead("doctor")
    assert code == 0, out
    assert "✓ answer" in out
    assert "! settings" in out
    assert out.index("What to do:") < out.index("knead save")


def test_a_problem_ends_with_1_and_json_has_all_of_it(healthy: Peer, knead: Knead) -> None:
    healthy.answers["status"] = lambda params: (
        STATUS | {"fault": {"code": 2, "name": "stall", "remedy": "Free it."}}
    )
    code, out, err = knead("doctor", "--json")
    told = json.loads(out)
    assert (code, err) == (1, "")
    assert told["port"] == healthy.port
    assert told["problems"] >= 1
    rows = {row["check"]: row for row in told["findings"]}
    assert rows["fault"]["verdict"] == "problem"
    assert set(rows) <= {check.name for check in CHECKS}


def test_a_port_shared_by_another_knead_is_joined(healthy: Peer, knead: Knead) -> None:
    with connect(healthy.port, set_clock=False) as holder:
        holder.share()
        code, out, _ = knead("doctor")
    assert code == 0, out
    assert "another knead has the port and shares it" in out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /sys, /proc and /etc")
def test_the_real_computer_can_be_looked_at() -> None:
    system = System()
    assert system.processes()
    assert all(usb.ids.count(":") == 1 for usb in system.usb)
    assert system.owner("/dev/null") is not None
    assert system.membership("no-such-group") == "none"


# -- what the package knows of firmware and images -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "verdict", "said"),
    [
        (b"as it is", Verdict.OK, "MicroPython 1.28.0"),
        (None, Verdict.NOTE, "no image of MicroPython 1.28.0"),
        (b"another", Verdict.PROBLEM, "damaged"),
    ],
)
def test_the_image_cache_is_full_empty_or_damaged(
    computer: Computer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: bytes | None,
    verdict: Verdict,
    said: str,
) -> None:
    image = replace(
        images.known("1.28.0"), size=len(b"as it is"), sha256=hashlib.sha256(b"as it is").hexdigest()
    )
    monkeypatch.setattr(images, "locked", lambda: {"1.28.0": image})
    monkeypatch.setenv("OPENKNEAD_UF2_DIR", str(tmp_path))
    if content is not None:
        (tmp_path / image.file).write_bytes(content)
    finding = computer.found()["images"]
    assert finding.verdict is verdict
    assert said in finding.finding


def test_a_board_may_have_the_packages_firmware_in_three_forms() -> None:
    assert len(packaged.contents()) == 3
    assert {len(content) for content in packaged.contents()} == {16}


def test_the_packages_protocol_is_read_from_its_firmware(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "massager").mkdir()
    (tmp_path / "massager" / "methods.py").write_text('VERSION = "1"\nPROTOCOL = "1.7.0"\n')
    monkeypatch.setattr(build, "firmware_folder", lambda: tmp_path)
    assert packaged.protocol() == "1.7.0"
