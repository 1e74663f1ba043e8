"""The connection under bad conditions: a typed error in time, and nothing hangs."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator

import pytest
from host_peer import Answer, Peer
from openknead import connect, handshake
from openknead.channel import Channel
from openknead.errors import (
    DeviceError,
    DeviceRestarted,
    DeviceTimeout,
    LinkLost,
    NotOpenKnead,
    OpenKneadError,
    ProtocolMismatch,
    Refused,
    ReplyDamaged,
    RequestTooLong,
    SettingError,
)
from openknead.framing import encode
from openknead.link import SerialLink

WITHIN = 0.4  # the time-out of these tests; HANG is how long a bug may hold them up
HANG = 20.0


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    monkeypatch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path_factory.mktemp("run")))
    monkeypatch.setenv("OPENKNEAD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    with Peer() as device:
        yield device


def flip(line: bytes) -> bytes:
    return line.replace(b'"jsonrpc"', b'"jsonrpC"')


def once(change: object) -> object:
    """A garbler that acts on the first line only."""
    left = [change]
    return lambda line: left.pop()(line) if left else line


@pytest.mark.parametrize("tcp", [False, True], ids=["pty", "socket"])
def test_greets_and_asks(tcp: bool, peer: Peer) -> None:
    with Peer(tcp=tcp) as other, connect(other.port) as device:
        assert device.hello.board == "e660"
        assert device.hello.sim is None
        assert device.status().state == "IDLE"


def test_noise_before_and_between_answers_does_no_harm(peer: Peer) -> None:
    peer.garble = lambda line: b"\x00\xff MPY: soft reboot\r\n\n>>> \n[1]\n{}\n" + line

    with connect(peer.port) as device:
        assert device.status().state == "IDLE"
        assert device.channel.noise


@pytest.mark.parametrize(
    "tail", [b"", b':2}}*0000\n{"tail":3}*0000\n'], ids=["", "after the tail of an old line"]
)
def test_a_device_slower_than_the_first_hello_allows_is_greeted(
    tail: bytes, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "FIRST_S", 0.05)

    def slowly(params: object) -> object:
        if peer.methods().count("hello") == 1:
            peer.send_raw(tail)
        time.sleep(0.1)
        return dict(peer.hello)

    peer.answers["hello"] = slowly

    with connect(peer.port, timeout=HANG) as device:
        assert device.hello.board == "e660"


def test_a_silent_peer_is_a_timeout(peer: Peer) -> None:
    peer.silent = {"status"}
    with connect(peer.port, timeout=WITHIN) as device:
        began = time.monotonic()
        with pytest.raises(DeviceTimeout, match="status"):
            device.status()

        assert WITHIN <= time.monotonic() - began < HANG
        assert device.get("buzzer") is True, "the next question is answered again"


def test_a_late_answer_is_not_taken_for_the_next_one(peer: Peer) -> None:
    peer.silent = {"status"}
    with connect(peer.port, timeout=WITHIN) as device:
        with pytest.raises(DeviceTimeout):
            device.status()
        peer.send({"id": peer.requests[-1]["id"], "result": {"name": "buzzer", "value": "late"}})

        assert device.get("buzzer") is True


def test_nobody_at_home_is_a_timeout_at_hello(peer: Peer) -> None:
    peer.silent = {"hello"}

    with pytest.raises(DeviceTimeout, match="nothing is heard") as caught:
        connect(peer.port, timeout=WITHIN)

    assert caught.value.exit_code == 5


def test_hello_is_repeated_while_the_device_boots(peer: Peer) -> None:
    peer.silent = {"hello"}
    threading.Timer(0.9, peer.silent.clear).start()

    with connect(peer.port, timeout=HANG) as device:
        assert device.hello.board == "e660"
    assert peer.methods().count("hello") >= 2


@pytest.mark.parametrize("end", [b"\n", b""])  # MicroPython shows no line end
@pytest.mark.parametrize("before", [b"", b">>> "])
def test_a_prompt_that_echoes_is_not_taken_for_a_device(peer: Peer, before: bytes, end: bytes) -> None:
    peer.answers["hello"] = lambda params: peer.send_raw(before + encode(peer.requests[-1]).rstrip() + end)
    peer.garble = lambda line: b""

    with pytest.raises(NotOpenKnead, match="prompt") as caught:
        connect(peer.port, timeout=WITHIN)
    assert "reset" in caught.value.remedy


def test_a_device_that_leaves_the_prompt_is_waited_for(peer: Peer) -> None:
    peer.silent = {"hello"}
    peer.send_raw(b">>> \n")
    threading.Timer(0.9, peer.silent.clear).start()

    with connect(peer.port, timeout=HANG) as device:
        assert device.hello.board == "e660"


def test_the_port_vanishing_mid_command_is_a_lost_link(peer: Peer) -> None:
    peer.silent = {"status"}
    with connect(peer.port, timeout=HANG) as device:
        threading.Timer(0.1, peer.vanish).start()
        with pytest.raises(LinkLost):
            device.status()
        with pytest.raises(LinkLost):
            device.get("buzzer")


def test_the_port_vanishing_under_a_feed_is_a_lost_link(peer: Peer) -> None:
    with connect(peer.port, timeout=HANG) as device, device.feed() as feed:
        threading.Timer(0.1, peer.vanish).start()
        with pytest.raises(LinkLost):
            feed.get(HANG)
        with pytest.raises(LinkLost):
            device.call("status")


def test_the_board_restarting_mid_command_is_told(peer: Peer) -> None:
    peer.answers["status"] = lambda params: peer.event("boot", "power")
    peer.silent = set()
    peer.garble = lambda line: b"" if b'"result":null' in line else line

    with connect(peer.port, timeout=HANG) as device, pytest.raises(DeviceRestarted):
        device.status()


def test_the_board_restarting_under_telemetry_is_told(peer: Peer) -> None:
    with connect(peer.port, timeout=HANG) as device:
        samples = device.telemetry()
        threading.Timer(0.2, peer.event, ["boot", "power"]).start()
        with pytest.raises(DeviceRestarted):
            next(samples)


def test_a_damaged_answer_to_a_harmless_question_is_asked_again(peer: Peer) -> None:
    with connect(peer.port, timeout=HANG) as device:
        peer.garble = once(flip)  # type: ignore[assignment]

        assert device.status().state == "IDLE"
    assert peer.methods().count("status") == 2


@pytest.mark.parametrize("listening", [False, True], ids=["alone", "with reader thread"])
def test_a_damaged_answer_to_a_start_is_never_sent_twice(peer: Peer, listening: bool) -> None:
    with connect(peer.port, timeout=WITHIN) as device:
        if listening:
            device.feed()
        peer.garble = flip
        with pytest.raises(ReplyDamaged):
            device.call("session.start", level=1, run_s=60)

    assert peer.methods().count("session.start") == 1


def test_a_request_that_arrived_damaged_is_sent_again_whatever_it_was(peer: Peer) -> None:
    with connect(peer.port) as device:
        good = peer.answers["session.start"]

        def first_damaged(params: dict[str, object]) -> object:
            peer.answers["session.start"] = good
            peer.garble = once(lambda line: re.sub(rb"^.*\n", b"", line))  # type: ignore[assignment]
            peer.send_raw(
                b'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"checksum mismatch"}}\n'
            )
            return {}

        peer.answers["session.start"] = first_damaged

        assert device.call("session.start", level=1, run_s=60)["state"] == "RUNNING"
    assert peer.methods().count("session.start") == 2


def test_a_link_that_garbles_everything_gives_up_in_time(peer: Peer) -> None:
    with connect(peer.port, timeout=WITHIN) as device:
        peer.garble = flip
        with pytest.raises(ReplyDamaged):
            device.status()
    assert peer.methods().count("status") == 4


def test_an_over_long_request_is_not_sent(peer: Peer) -> None:
    with connect(peer.port) as device:
        with pytest.raises(RequestTooLong):
            device.set({f"name_{number}": number for number in range(100)})
        assert "settings.set" not in peer.methods()


@pytest.mark.parametrize(
    ("protocol", "command"), [("2.0.0", "pip install --upgrade openknead"), ("0.9.1", "knead flash --port")]
)
def test_another_major_protocol_is_refused_with_the_command_to_run(
    peer: Peer, protocol: str, command: str
) -> None:
    peer.hello["protocol"] = protocol

    with pytest.raises(ProtocolMismatch, match=re.escape(protocol)) as caught:
        connect(peer.port)

    assert command in caught.value.remedy
    assert caught.value.exit_code == 6


def test_a_newer_minor_protocol_is_fine(peer: Peer) -> None:
    peer.hello["protocol"] = "1.7.2"

    connect(peer.port).close()


@pytest.mark.parametrize("hello", [{}, [], "hi", None, {"protocol": "1.0.0", "uptime_ms": "x"}])
def test_an_answer_that_is_no_greeting_is_not_taken_for_a_device(peer: Peer, hello: object) -> None:
    peer.answers["hello"] = lambda params: hello

    with pytest.raises(NotOpenKnead):
        connect(peer.port, timeout=WITHIN)


def test_an_answer_without_its_value_is_a_device_error(peer: Peer) -> None:
    peer.answers["settings.get"] = lambda params: {}
    with connect(peer.port) as device, pytest.raises(DeviceError, match="lacks value"):
        device.get("buzzer")


def test_a_listener_that_fails_leaves_nobody_waiting(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    peer.silent = {"status"}
    with connect(peer.port, timeout=HANG) as device:
        device.channel.listen(lambda method, params: 1 / (method != "event"))
        device.channel.background()
        threading.Timer(0.1, peer.event, ["cue", "end"]).start()
        with pytest.raises(OpenKneadError, match="ZeroDivisionError"):
            device.status()


def test_device_errors_carry_code_name_remedy_and_reasons(peer: Peer) -> None:
    def refuse(params: dict[str, object]) -> object:
        raise Answer(
            -32010,
            "refused",
            refusals=[{"name": "stop_pressed", "remedy": "let go"}, {"name": "hot", "remedy": "wait"}],
        )

    peer.answers["session.start"] = refuse
    with connect(peer.port) as device, pytest.raises(Refused) as caught:
        device.start(3)

    assert (caught.value.code, caught.value.name, caught.value.remedy) == (-32010, "refused", "fix refused")
    assert caught.value.refusals == [("stop_pressed", "let go"), ("hot", "wait")]


def test_all_bad_settings_are_listed(peer: Peer) -> None:
    def refuse(params: dict[str, object]) -> object:
        bad = [{"setting": "slew_s", "name": "out_of_range", "min": 1, "max": 10}]
        raise Answer(-32022, "out_of_range", setting="slew_s", errors=bad)

    peer.answers["settings.set"] = refuse
    with connect(peer.port) as device, pytest.raises(SettingError) as caught:
        device.set({"slew_s": 0})

    assert caught.value.problems[0]["max"] == 10


@pytest.mark.parametrize("error", [None, 5, {}, {"code": "x", "data": 7}])
def test_a_malformed_error_is_still_a_device_error(peer: Peer, error: object) -> None:
    with connect(peer.port) as device:
        peer.silent = {"status"}
        peer.answers["settings.get"] = lambda params: peer.send(
            {"id": peer.requests[-1]["id"], "error": error}
        )
        with pytest.raises(DeviceError):
            device.get("buzzer")


def test_many_threads_get_their_own_answers(peer: Peer) -> None:
    peer.answers["settings.get"] = lambda params: {"name": params["name"], "value": params["name"]}
    wrong: list[str] = []
    with connect(peer.port, timeout=HANG) as device:

        def ask(name: str) -> None:
            wrong.extend(name for _ in range(30) if device.get(name) != name)

        for background in (False, True):
            if background:
                device.channel.background()
            threads = [threading.Thread(target=ask, args=(f"s{n}",)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(HANG)
    assert wrong == []


def test_a_handler_may_ask_the_device(peer: Peer) -> None:
    heard: list[object] = []
    channel = Channel(SerialLink(peer.port))

    def ask(method: str, params: object) -> None:
        if method == "event":
            heard.append(channel.call("status", timeout=HANG))

    channel.listen(ask)
    channel.background()
    peer.event("cue", "end")
    deadline = time.monotonic() + HANG
    while not heard and time.monotonic() < deadline:
        time.sleep(0.01)
    channel.close()

    assert heard == [{"state": "IDLE", "reason": "host_stop", "unsaved": []}]


def test_reconnects_after_the_port_came_back(peer: Peer, tmp_path: object) -> None:
    link = f"{tmp_path}/port"
    os.symlink(peer.port, link)
    with connect(link, timeout=WITHIN) as device:
        peer.vanish()
        with pytest.raises(LinkLost):
            device.status()
        with Peer() as again:
            os.unlink(link)
            os.symlink(again.port, link)
            device.reconnect()

            assert device.status().state == "IDLE"
