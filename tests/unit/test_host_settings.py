"""Changing settings: agreement, the press, firmware that knows less, Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

import pytest
from host_peer import Answer, Knead, Peer
from openknead import connect
from openknead.errors import ConfirmNeeded, NotConfirmed, RequestTooLong

COMMAND = [sys.executable, "-m", "openknead"]
HANG = 20.0


def asks(peer: Peer, within_s: int = 20) -> None:
    """Let the peer want a press for the limit of a session."""

    def change(params: dict[str, Any]) -> Any:
        if "session_limit_s" in params["values"]:
            raise Answer(-32025, "confirm_needed", names=["session_limit_s"], within_s=within_s, number=7)
        return {"changed": list(params["values"]), "unsaved": []}

    peer.answers["settings.set"] = change


def on_terminal(
    peer: Peer, *argv: str, typed: bytes = b"", until: bytes = b"\0", then: Any = None
) -> tuple[int, str]:
    """Run a command on a terminal: `typed` goes in at once; at the sight of `until`, then(process)."""
    master, slave = pty.openpty()
    env = os.environ | {"OPENKNEAD_PORT": peer.port, "TERM": "xterm"}
    process = subprocess.Popen([*COMMAND, *argv], stdin=slave, stdout=slave, stderr=slave, env=env)
    os.close(slave)
    os.write(master, typed)
    seen, deadline = b"", time.monotonic() + HANG
    with suppress(OSError):
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                seen += os.read(master, 4096)
            if then and until in seen:
                then(process)
                then = None
    code = process.wait(HANG)
    os.close(master)
    return code, seen.decode()


def changes(peer: Peer) -> list[Any]:
    return [request["params"] for request in peer.requests if request["method"] == "settings.set"]


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 1), (b"\n", 1)])
def test_on_a_terminal_it_asks_before_a_protection_is_weakened(peer: Peer, typed: bytes, code: int) -> None:
    got, seen = on_terminal(peer, "set", "session_limit_s=900", "buzzer=off", typed=typed)

    assert "session_limit_s 600 → 900 s weakens a protection" in seen
    assert got == code
    assert len(changes(peer)) == (1 if code == 0 else 0)


def test_without_a_terminal_it_names_what_would_weaken(knead: Knead, peer: Peer) -> None:
    code, _, err = knead("set", "session_limit_s=900", "host_timeout_s=30", "--yes-weaken", "host_timeout_s")

    assert code == 1
    assert "session_limit_s would weaken" in err
    assert "remedy: if that is meant: --yes-weaken session_limit_s\n" in err
    assert changes(peer) == []


def test_a_value_that_cannot_be_is_not_asked_about(knead: Knead, peer: Peer) -> None:
    def refuse(params: Any) -> Any:
        raise Answer(-32022, "out_of_range", setting="session_limit_s")

    peer.answers["settings.set"] = refuse

    assert "out_of_range" in knead("set", "session_limit_s=9000", "--json")[2]


@pytest.mark.parametrize(
    ("outcome", "code", "says"),
    [
        ("applied", 0, "session_limit_s = 900 s (was 600)"),
        ("refused", 1, "another button than MODE"),
        ("expired", 1, "MODE was not pressed"),
        ("cancelled", 1, "a session, a fault or a restart"),
    ],
)
def test_it_counts_down_and_tells_what_became_of_it(peer: Peer, outcome: str, code: int, says: str) -> None:
    asks(peer)

    def answer(process: object) -> None:
        peer.event("confirm", "replaced", number=6)  # of an earlier question: no answer to ours
        peer.event("confirm", "asked", number=7)
        peer.event("confirm", outcome, number=7)

    command = ("set", "session_limit_s=900", "--yes-weaken", "session_limit_s")
    got, seen = on_terminal(peer, *command, until=b"19 s left", then=answer)

    assert "session_limit_s: press MODE on the device, 20 s left" in seen
    assert says in seen
    assert got == code


def test_ctrl_c_takes_the_question_back(peer: Peer) -> None:
    asks(peer)
    command = ("set", "session_limit_s=900", "--yes-weaken", "session_limit_s")
    code, _ = on_terminal(
        peer, *command, until=b"s left", then=lambda process: process.send_signal(signal.SIGINT)
    )

    assert code == 130
    assert changes(peer)[-1] == {"values": {}}


def test_a_device_that_tells_nothing_is_not_believed(peer: Peer) -> None:
    asks(peer, within_s=1)
    with connect(peer.port, timeout=0.5) as device:
        with pytest.raises(NotConfirmed) as caught:
            device.set({"session_limit_s": 900}, waiting=lambda names, left_s: None)
        assert caught.value.data["outcome"] == "unknown"
        with pytest.raises(ConfirmNeeded):
            device.set({"session_limit_s": 900})


def test_a_batch_is_sent_in_pieces_only_to_firmware_that_takes_them(peer: Peer) -> None:
    many = {f"a_setting_with_a_long_name_{number}": number for number in range(30)}
    with connect(peer.port) as device, pytest.raises(RequestTooLong):
        device.set(many)
    assert changes(peer) == []

    staged: dict[str, int] = {}

    def stage(params: dict[str, Any]) -> Any:
        if params["begin"]:
            staged.clear()
        staged.update(params["values"])
        return {"staged": len(staged)}

    peer.hello["capabilities"] = [*peer.hello["capabilities"], "confirm"]
    peer.answers["settings.stage"] = stage
    peer.answers["settings.set"] = lambda params: {"changed": list(staged)}
    with connect(peer.port) as device:
        assert device.set(many) == list(many)
    assert staged == many
    assert changes(peer)[-1] == {"values": {}, "staged": 30}
