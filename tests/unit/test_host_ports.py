"""Which port is taken, who holds one, and how two processes share one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_peer import Peer
from openknead import connect, ports, rundir
from openknead.channel import Channel
from openknead.errors import LinkLost, PortAmbiguous, PortBusy, PortError, PortNotFound, PortPermission
from openknead.link import SerialLink, SocketLink

HANG = 20.0


@pytest.fixture(autouse=True)
def folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("OPENKNEAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENKNEAD_PORT", raising=False)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    return tmp_path / "run"


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer() as device:
        yield device


def announce(run: Path, port: str, pid: int) -> Path:
    path = run / "boards" / f"{pid}.json"
    rundir.write_private(path, {"pid": pid, "port": port})
    return path


def test_no_device_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(PortNotFound) as caught:
        connect()

    assert "knead sim" in caught.value.remedy
    assert caught.value.exit_code == 4


def test_the_only_virtual_board_is_taken(folders: Path, peer: Peer) -> None:
    announce(folders, peer.port, os.getpid())

    with connect() as device:
        assert device.port == peer.port


def test_between_two_devices_nobody_guesses(folders: Path) -> None:
    announce(folders, "/dev/a", os.getpid())
    announce(folders, "/dev/b", os.getppid())

    with pytest.raises(PortAmbiguous) as caught:
        connect()

    assert sorted(caught.value.data["ports"]) == ["/dev/a", "/dev/b"]


def test_the_environment_and_then_the_argument_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENKNEAD_PORT", "/dev/env")

    assert ports.choose() == "/dev/env"
    assert ports.choose("/dev/arg") == "/dev/arg"


def test_picos_on_usb_are_found_by_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    class Info:
        def __init__(self, device: str, vid: int | None, pid: int | None) -> None:
            self.device, self.vid, self.pid, self.serial_number = device, vid, pid, "E660"

    listed = [
        Info("/dev/ttyS0", None, None),
        Info("/dev/ttyACM0", 0x2E8A, 5),
        Info("/dev/ttyACM1", 0x2341, 5),
    ]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)

    assert [port.port for port in ports.candidates()] == ["/dev/ttyACM0"]


def test_the_run_file_of_a_dead_board_is_deleted(folders: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path = announce(folders, "/dev/gone", gone.pid)

    assert ports.candidates() == []
    assert not path.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid":"x"}', b"\xff"])
def test_a_broken_run_file_is_ignored(folders: Path, content: bytes) -> None:
    path = announce(folders, "/dev/x", os.getpid())
    path.write_bytes(content)

    assert ports.candidates() == []


def test_run_files_are_private(folders: Path) -> None:
    path = announce(folders, "/dev/x", os.getpid())

    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("port", "error"),
    [
        ("/dev/not-there", PortNotFound),
        ("socket://127.0.0.1:1", PortNotFound),
        ("socket://nonsense", PortError),
        ("socket://127.0.0.1:99999", PortError),
        ("/dev/null", PortError),
        ("", PortNotFound),
    ],
)
def test_a_port_that_cannot_be_opened_is_a_typed_error(port: str, error: type[PortError]) -> None:
    with pytest.raises(error):
        connect(port, timeout=0.2)


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.EACCES, PortPermission),
        (errno.EPERM, PortPermission),
        (errno.EBUSY, PortBusy),
        (errno.EAGAIN, PortBusy),
        (errno.ENXIO, PortNotFound),
        (errno.EIO, PortError),
    ],
)
def test_what_the_system_says_about_a_port_becomes_a_typed_error(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[PortError]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("serial.Serial", refuse)

    with pytest.raises(error) as caught:
        SerialLink("/dev/ttyACM0")
    assert type(caught.value) is error
    assert caught.value.remedy


FOREIGN = """
import serial, sys
port = serial.Serial(sys.argv[1], exclusive=len(sys.argv) > 2)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="holders are known on Linux only")
@pytest.mark.parametrize("lock", [["lock"], []], ids=["with a lock", "without"])
def test_a_port_that_another_program_holds_names_it(peer: Peer, lock: list[str]) -> None:
    command = [sys.executable, "-c", FOREIGN, peer.port, *lock]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        peer.silent = {"hello"}  # without a lock the other program may swallow the answers
        with pytest.raises(PortBusy) as caught:
            connect(peer.port, timeout=0.2)
        holder.communicate()

    assert caught.value.data["holders"][0]["pid"] == holder.pid
    assert str(holder.pid) in caught.value.message


def test_two_hosts_share_one_port(peer: Peer) -> None:
    peer.answers["settings.get"] = lambda params: {"name": "who", "value": params["name"]}
    with connect(peer.port) as holder:
        holder.share()
        with connect(peer.port) as guest, guest.feed() as guests, holder.feed() as holders:
            assert guest.shared
            assert not holder.shared
            assert [guest.get("guest"), holder.get("holder"), guest.get("guest")] == [
                "guest",
                "holder",
                "guest",
            ]
            peer.event("cue", "move_on", t_ms=7)
            for feed in (guests, holders):
                heard = feed.get(HANG)
                assert heard is not None
                assert heard.t_ms == 7
    with connect(peer.port) as alone:
        assert not alone.shared, "the holder took its share file with it"


def test_each_gets_telemetry_at_its_own_rate(peer: Peer) -> None:
    with connect(peer.port) as holder, holder.feed() as holders:
        holder.share()
        holder.subscribe(10)
        with connect(peer.port) as guest, guest.feed() as guests:
            guest.subscribe(2)
            asked = [
                request["params"]["hz"] for request in peer.requests if "hz" in request.get("params", {})
            ]
            for t_ms in range(0, 2000, 100):
                peer.sample(t_ms)
            peer.event("cue", "end")

            seen: dict[str, list[int]] = {}
            for name, feed in (("holder", holders), ("guest", guests)):
                seen[name] = []
                while (item := feed.get(HANG)) is not None and not hasattr(item, "name"):
                    seen[name].append(item.t_ms)
                assert feed.missed == 0

    assert asked == [10, 10]
    assert seen["holder"] == list(range(0, 2000, 100))
    assert seen["guest"] == [0, 500, 1000, 1500]


def test_the_rate_falls_when_the_faster_one_leaves(peer: Peer) -> None:
    def rates() -> list[int]:
        return [request["params"]["hz"] for request in peer.requests if "hz" in request.get("params", {})]

    with connect(peer.port) as holder:
        holder.share()
        holder.subscribe(5)
        with connect(peer.port) as guest:
            guest.subscribe(20)
        deadline = time.monotonic() + HANG
        while len(rates()) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)

    assert rates() == [5, 20, 5]


def test_the_guest_is_told_when_the_holder_leaves(peer: Peer) -> None:
    holder = connect(peer.port)
    holder.share()
    with connect(peer.port, timeout=HANG) as guest, guest.feed() as feed:
        holder.close()
        with pytest.raises(LinkLost):
            feed.get(HANG)


def test_a_guest_without_the_token_is_sent_away(peer: Peer, folders: Path) -> None:
    with connect(peer.port) as holder:
        holder.share()
        share = json.loads(next((folders / "shares").glob("*.json")).read_text())
        host, _, number = share["address"].partition(":")
        channel = Channel(SocketLink(peer.port, (host, int(number)), first=b'{"token":"guess"}\n'))
        before = len(peer.requests)
        with pytest.raises(LinkLost):
            channel.call("status", timeout=HANG)
        channel.close()

    assert len(peer.requests) == before


def read_until(channel: Channel, deadline: float) -> None:
    while time.monotonic() < deadline:
        channel._pump()


def test_a_guest_that_does_not_read_stops_nobody(peer: Peer) -> None:
    with connect(peer.port, timeout=HANG) as holder:
        holder.share()
        guest = connect(peer.port, timeout=HANG)
        guest.subscribe(20)
        for number in range(60):
            for seq in range(400 * number, 400 * (number + 1)):
                holder.channel._notify("telemetry", [seq, 50 * seq, *[0] * 1000])
        assert holder.status().state == "IDLE"
        deadline = time.monotonic() + HANG
        with pytest.raises(LinkLost):
            read_until(guest.channel, deadline)
        guest.close()


def test_a_port_that_is_locked_and_not_shared_is_busy(peer: Peer) -> None:
    with connect(peer.port), pytest.raises(PortBusy):
        connect(peer.port)


def test_a_socket_that_serves_another_host_is_busy() -> None:
    with Peer(tcp=True, hang_ups=1000) as peer, pytest.raises(PortBusy, match="another host"):
        connect(peer.port)


def test_a_socket_that_becomes_free_is_taken() -> None:
    with Peer(tcp=True, hang_ups=2) as peer, connect(peer.port) as device:
        assert device.status().state == "IDLE"
