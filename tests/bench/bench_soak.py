"""Soak: a day of telemetry at 10 Hz from a virtual board through its serial port into a recording.

    python tests/bench/bench_soak.py [HOURS]

Simulated hours, as fast as the machine goes, with a session of three minutes every other hour. Memory of both
processes is taken five minutes after the start, in the middle and at the end. Then `knead record` is stopped
for a while, so that nobody reads: what is lost has to be counted, to the sample, and the board may not grow.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from openknead import connect, rundir
from openknead.cli.demo import virtual_board
from openknead.errors import Refused
from openknead.model import Sample
from openknead.recording import Head, Recorder, entries
from openknead.recording.model import End, Row

Figure = dict[str, Any]
HZ, HOURS = 10, 24.0
WARM_S = 300  # simulated: caches are filled then
SESSION_EVERY_S, SESSION_MIN = 7200, 3.0
DEAF_S = 30.0  # how long nobody reads
SHORT_HOURS, SHORT_DEAF_S = 0.1, 1.0  # to see that it works
PATIENCE_S = 30.0  # until something is recorded
TALK_EVERY = 3  # samples: an accelerated board falls back to real time when its host says nothing
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


def figures(short: bool = False, hours: float = HOURS) -> dict[str, Figure]:
    """name → {value, unit, aim}."""
    if short:
        hours = SHORT_HOURS
    with tempfile.TemporaryDirectory() as folder:
        found = _soak(Path(folder) / "day.csv", hours)
        found |= _deaf(Path(folder) / "deaf.csv", SHORT_DEAF_S if short else DEAF_S)
    return {
        name: {"value": value, "unit": unit, "aim": aim, "peer": None, "ratio": None}
        for name, (value, unit, aim) in found.items()
    }


def _soak(path: Path, hours: float) -> dict[str, tuple[Any, str, Any]]:
    marks = [min(WARM_S, hours * 900), hours * 1800, hours * 3600]
    memory: list[tuple[int, int]] = []
    sessions = refused = 0
    began_s = time.monotonic()
    with virtual_board() as port, connect(port, timeout=30.0) as device:
        board_pid = next(board["pid"] for board in rundir.boards() if board["port"] == port)
        first_ms = None
        with Recorder(path, Head.of(device.hello, HZ)) as recorder, device.feed() as feed:
            device.subscribe(HZ)
            next_session_s = 600.0
            while len(memory) < len(marks):
                item = feed.next(60.0)
                recorder.add(item)
                if not isinstance(item, Sample):
                    continue
                first_ms = item.t_ms if first_ms is None else first_ms
                at_s = (item.t_ms - first_ms) / 1000
                if recorder.samples % TALK_EVERY == 0:
                    device.channel.notify("session.keepalive")
                if at_s >= next_session_s:
                    next_session_s += SESSION_EVERY_S
                    with suppress(Refused):
                        refused += 1
                        device.start(level=2, minutes=SESSION_MIN)
                        sessions, refused = sessions + 1, refused - 1
                if at_s >= marks[len(memory)]:
                    memory.append((_rss_kb(os.getpid()), _rss_kb(board_pid)))
                    host_kb, board_kb = memory[-1]
                    print(f"  {at_s / 3600:.2f} h: host {host_kb} kB, board {board_kb} kB", file=sys.stderr)
            missed = feed.missed
    took_s = time.monotonic() - began_s
    rows = sum(isinstance(entry, Row) and isinstance(entry.item, Sample) for entry in entries(path))
    assert rows == recorder.samples, "not every sample is in the file"
    host, board = zip(*memory, strict=True)
    return {
        "soak_simulated_h": (hours, "h", None),
        "soak_wall_s": (round(took_s), "s", None),
        "soak_samples": (recorder.samples, "", round(hours * 3600 * HZ)),
        "soak_lost": (recorder.lost + missed, "", 0),
        "soak_sessions": (sessions, "", None),
        "soak_refused": (refused, "", 0),
        "soak_host_kb": (list(host), "kB at start, middle, end", None),
        "soak_board_kb": (list(board), "kB at start, middle, end", None),
        "soak_file_mb": (round(path.stat().st_size / 1e6, 1), "MB", None),
    }


def _deaf(path: Path, deaf_s: float) -> dict[str, tuple[Any, str, Any]]:
    """Nobody reads for a while: are those that are missing counted exactly?"""
    with virtual_board() as port:
        board_pid = next(board["pid"] for board in rundir.boards() if board["port"] == port)
        command = [sys.executable, "-m", "openknead", "--port", port, "record", str(path), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            _wait_for_more(path)
            before_kb = _rss_kb(board_pid)
            process.send_signal(signal.SIGSTOP)
            time.sleep(deaf_s)
            after_kb = _rss_kb(board_pid)
            process.send_signal(signal.SIGCONT)
            _wait_for_more(path)
            process.terminate()
            told = json.loads(process.communicate(timeout=30)[0])
    samples = [
        entry.item for entry in entries(path) if isinstance(entry, Row) and isinstance(entry.item, Sample)
    ]
    end = next(entry for entry in entries(path) if isinstance(entry, End))
    due = round((samples[-1].t_ms - samples[0].t_ms) / 1000 * HZ) + 1
    assert end.lost == told["lost"]
    return {
        "deaf_due": (due, "samples", None),
        "deaf_lost": (told["lost"], "samples", None),
        "deaf_not_counted": (due - len(samples) - told["lost"], "samples", 0),
        "deaf_board_grew_kb": (after_kb - before_kb, "kB", None),
    }


def _wait_for_more(path: Path) -> None:
    """Wait until the recording has grown. Raises TimeoutError."""
    before = path.stat().st_size if path.exists() else 0
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists() or path.stat().st_size <= before + 2000:
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing more is recorded in {path.name} within {PATIENCE_S:.0f} s")
        time.sleep(0.05)


def _rss_kb(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB


if __name__ == "__main__":
    print(
        json.dumps(figures(hours=float(sys.argv[1]) if sys.argv[1:] else HOURS), indent=1, ensure_ascii=False)
    )
