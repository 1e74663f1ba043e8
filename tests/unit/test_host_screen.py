"""The screen of `knead watch`: what it says, on terminals of any size, with and without colours and UTF-8."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from host_peer import Peer
from hypothesis import given
from hypothesis import strategies as st
from openknead.cli.screen import About, Screen
from openknead.model import Status
from rich.console import Console
from test_host_recording import sampled
from test_host_report import STILL

HANG = 20.0
ABOUT = About(
    title="OpenKnead e660 · firmware 0.1.0",
    limiters={"heat": "The level is taken down because it is warm."},
    remedies={"stall": "Free the pad, then clear."},
    keys="+ − level · p pause · space stop · q leave",
)
RUNNING = replace(STILL, elapsed_ms=192_000, remaining_ms=408_000, level=5, level_milli=4200, duty=32768)


def lines(screen: Screen, width: int = 80, height: int = 24, encoding: str = "utf-8") -> list[str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(screen)
    out.seek(0)
    return out.read().splitlines()


def shown(*samples: Any, about: About = ABOUT, full: bool = True) -> Screen:
    screen = Screen(about, full)
    for sample in samples:
        screen.sample(sample)
    return screen


def test_everything_there_is_to_know_is_on_one_screen() -> None:
    screen = shown(replace(RUNNING, limiters=("heat",), fault="stall"))
    screen.lost = 3
    screen.events.append((" 3:10", "cue: move on", "cyan"))

    found = lines(screen)
    text = " ".join(" ".join(found).split())

    assert len(found) == 24
    for part in (
        "OpenKnead e660",
        "running",
        "3:12 of 10:00, 6:48 left",
        "level 4.2 → 5",
        "rate 1500 of 1540 opm",
        "1.00 A, duty 50 %",
        "battery 10.0 V 80 %",
        "motor 30.0 °C driver – °C handle 31.0 °C pad 30.5 °C",
        "holding back: heat. The level is taken down because it is warm.",
        "fault: stall. Free the pad, then clear.",
        "1 samples, 3 lost",
        "3:10 cue: move on",
        "p pause",
    ):
        assert part in text, part


def test_a_stage_of_a_program_is_told_with_the_time_left_of_it() -> None:
    screen = shown(replace(RUNNING, stage=2, remaining_ms=400_000))
    screen.stage = "stage 2 of 5: strokes, ramp 1…4, calf left, 1:00"
    screen.status = Status.of(
        {"program": "calf-5", "stage": 2, "stage_left_ms": 40_000, "remaining_ms": 408_000}
    )

    text = "\n".join(lines(screen))

    assert "calf-5, stage 2 of 5: strokes" in text
    assert "0:32 left of it" in " ".join(text.split())
    assert "n next stage" in text


def test_why_a_start_would_be_refused_is_told_at_rest() -> None:
    screen = shown(replace(STILL, state="IDLE"))
    screen.status = Status.of({"reason": "host_lost", "refusals": ["stop_pressed", "remote_disabled"]})

    text = "\n".join(lines(screen))

    assert "no session, the last: host lost" in text
    assert "a start would be refused: stop pressed, remote disabled" in text


def test_the_curve_of_the_last_minute_rises_with_the_rate() -> None:
    screen = shown(*(replace(RUNNING, t_ms=100 * n, rate_opm=5 * n) for n in range(600)))

    rate = next(line for line in lines(screen) if line.startswith("rate"))
    curve = rate[36:].strip()

    assert len(curve) > 40
    assert sorted(curve) == list(curve)
    assert {"▁", "█"} <= set(curve)


def test_older_than_a_minute_is_forgotten() -> None:
    screen = shown(
        *(replace(RUNNING, t_ms=(0x3FFFFFFF - 30_000 + 100 * n) & 0x3FFFFFFF) for n in range(9000))
    )

    assert len(screen._recent) == 601
    assert screen.samples == 9000


@given(
    sample=sampled,
    width=st.integers(20, 200),
    height=st.integers(2, 60),
    full=st.booleans(),
    encoding=st.sampled_from(["utf-8", "ascii"]),
)
def test_any_sample_fits_any_terminal(
    sample: Any, width: int, height: int, full: bool, encoding: str
) -> None:
    found = lines(shown(sample, full=full), width, height, encoding)

    assert max(map(len, found)) <= width
    if full:
        assert len(found) == height
        assert sample.state.lower() in found[0] + found[1]
        assert found[-1].startswith("+")


def test_a_small_terminal_keeps_state_limits_fault_and_keys() -> None:
    found = lines(shown(replace(RUNNING, limiters=("heat",), fault="stall")), 60, 5)

    text = "\n".join(found)
    assert len(found) == 5
    for part in ("running", "fault: stall", "p pause"):
        assert part in text
    assert "battery" not in text


# -- in a real terminal -----------------------------------------------------------------------------------


class Terminal:
    """`knead watch` on a pseudo-terminal of its own."""

    def __init__(self, peer: Peer, *options: str, **env: str) -> None:
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        command = [sys.executable, "-m", "openknead", "--port", peer.port, "watch", *options]
        self.process = subprocess.Popen(
            command,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**os.environ, "TERM": "xterm", **env},
        )
        self.seen = b""
        self._open = True
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            while self._open:
                if select.select([self.master], [], [], 0.05)[0]:
                    self.seen += os.read(self.master, 65536)

    def until(self, text: bytes) -> None:
        deadline = time.monotonic() + HANG
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen[-2000:]
            time.sleep(0.02)

    def end(self) -> int:
        """Wait for its end; the exit code. The terminal has to be as it was."""
        try:
            code = self.process.wait(HANG)
        finally:
            self.process.kill()
        time.sleep(0.1)
        assert termios.tcgetattr(self.slave) == self.before, "line by line and with an echo again"
        assert self.seen.rfind(b"\x1b[?1049l") > self.seen.rfind(b"\x1b[?1049h"), "its own screen has gone"
        assert self.seen.rfind(b"\x1b[?25h") > self.seen.rfind(b"\x1b[?25l"), "the cursor is back"
        self._open = False
        os.close(self.master)
        os.close(self.slave)
        return code


@pytest.fixture
def streaming(peer: Peer) -> Peer:
    """A peer whose session is under way; it sends samples while it is there."""

    def send() -> None:
        t_ms = 0
        while peer._fds and t_ms < 120_000:
            if "telemetry.subscribe" in peer.methods():
                t_ms += 100
                with suppress(OSError, IndexError):
                    peer.sample(t_ms, level=2, level_milli=2000, elapsed_ms=t_ms, remaining_ms=120_000 - t_ms)
            time.sleep(0.02)

    peer.state = "RUNNING"
    threading.Thread(target=send, daemon=True).start()
    return peer


def test_keys_steer_the_session_and_q_leaves(streaming: Peer) -> None:
    streaming.answers["session.pause"] = lambda params: {"state": "PAUSED", "level": 2, "remaining_ms": 1}
    terminal = Terminal(streaming)
    terminal.until(b"running")
    for key, method in ((b"+", "session.level"), (b"\x1b[B", "session.level"), (b"p", "session.pause")):
        streaming.requests.clear()
        os.write(terminal.master, key)
        deadline = time.monotonic() + HANG
        while method not in streaming.methods():
            assert time.monotonic() < deadline, key
            time.sleep(0.02)
        asked = next(request for request in streaming.requests if request["method"] == method)
        assert asked.get("params", {}).get("level") == {b"+": 3, b"\x1b[B": 1}.get(key)
    os.write(terminal.master, b"q")

    assert terminal.end() == 0
    assert b"0 lost" in terminal.seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(streaming: Peer, number: signal.Signals) -> None:
    terminal = Terminal(streaming)
    terminal.until(b"running")
    terminal.process.send_signal(number)

    assert terminal.end() == 0


def test_an_unplugged_device_leaves_the_terminal_as_it_was_and_says_so(streaming: Peer) -> None:
    terminal = Terminal(streaming)
    terminal.until(b"running")
    streaming.vanish()

    assert terminal.end() == 5
    assert b"is gone" in terminal.seen.rpartition(b"\x1b[?1049l")[2]


def test_without_colour_none_is_sent(streaming: Peer) -> None:
    terminal = Terminal(streaming, NO_COLOR="1")
    terminal.until(b"running")
    os.write(terminal.master, b"q")

    assert terminal.end() == 0
    assert not any(f"\x1b[{code}m".encode() in terminal.seen for code in (31, 32, 33, 36))
