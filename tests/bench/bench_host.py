"""Host: the round trip of `status` on a pty, the cold start of `knead`; each beside mpremote in the same run.

    python tests/bench/bench_host.py

The round trip is taken against a peer process that answers at once with a reply of the firmware's size, so
that the figure is the host's and the kernel's; mpremote's `exec` runs against the Unix port likewise.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Figure = dict[str, Any]
ROUNDS, PEER_ROUNDS, STARTS = 2000, 60, 7

# A device that does nothing but answer: a process of its own on a pty, as the virtual board is.
ANSWERER = r"""
import json, os, pty, sys, tty
from binascii import crc_hqx
master, slave = pty.openpty()
tty.setraw(slave)
print(os.ttyname(slave), flush=True)
hello = {"protocol": "1.0.0", "firmware": "0", "content": "", "board": "bench", "sim": False}
status = {"state": "IDLE", "level": 0, "level_milli": 0, "demand_opm": 0, "rate_opm": 0, "duty": 0}
status |= {"current_ma": 0, "supply_mv": 12590, "battery_pct": 100, "motor_dc": 248, "driver_dc": 248}
status |= {"handle_dc": 248, "pad_dc": 248, "elapsed_ms": 0, "remaining_ms": 0, "limit_ms": 0, "origin": None}
status |= {"reason": None, "fault": None, "limiters": [], "refusals": [], "unsaved": [], "remote_start": True}
status |= {"uptime_ms": 123456, "tick_worst_us": 900}
results = {"hello": hello, "status": status}
texts = {method: json.dumps(result, separators=(",", ":")) for method, result in results.items()}
data = b""
while True:
    data += os.read(master, 4096)
    while b"\n" in data:
        line, data = data.split(b"\n", 1)
        request = json.loads(line[:-5])
        reply = '{"jsonrpc":"2.0","id":%d,"result":%s}' % (request["id"], texts[request["method"]])
        body = reply.encode()
        os.write(master, b"%s*%04X\n" % (body, crc_hqx(body, 0xFFFF)))
"""

# Puts a program onto a pty and names its port.
ON_A_PTY = r"""
import os, pty, subprocess, sys, tty
master, slave = pty.openpty()
tty.setraw(slave)
program = subprocess.Popen(sys.argv[1:], stdin=master, stdout=master, stderr=master, start_new_session=True)
print(os.ttyname(slave), flush=True)
program.wait()
"""


def figures(short: bool = False) -> dict[str, Figure]:
    """name → {value, unit, aim, peer, ratio}; ratio: ours to the peer's; None where the peer is missing.

    short: a few rounds, to see that it works.
    """
    rounds, peer_rounds, starts = (20, 10, 1) if short else (ROUNDS, PEER_ROUNDS, STARTS)
    ours_us = status_rtt_us(rounds)
    exec_us = mpremote_exec_us(peer_rounds, as_serial=True)
    shortcut_us = mpremote_exec_us(peer_rounds, as_serial=False)
    version_ms, mpremote_ms = (
        cpu_ms(["knead", "--version"], starts),
        cpu_ms(["mpremote", "--version"], starts),
    )
    assert version_ms is not None, "knead is not installed beside this Python"
    peers = {
        "mpremote exec, as on a serial port": exec_us,
        "mpremote exec, its shortcut for a pty": shortcut_us,
    }
    return {
        "status_rtt_us": {
            "value": round(ours_us, 1),
            "unit": "µs",
            "aim": exec_us and round(exec_us / 50, 1),
            "peer": {name: round(value) for name, value in peers.items() if value} or None,
            "ratio": exec_us and round(ours_us / exec_us, 4),
        },
        "cli_version_cpu_ms": {
            "value": round(version_ms, 1),
            "unit": "ms",
            "aim": 100,
            "peer": mpremote_ms and {"mpremote --version": round(mpremote_ms)},
            "ratio": mpremote_ms and round(version_ms / mpremote_ms, 3),
        },
    }


def status_rtt_us(rounds: int) -> float:
    """Median round trip of `Device.call("status")` with a process that answers at once."""
    from openknead import connect

    with _process([sys.executable, "-c", ANSWERER]) as port, connect(port) as device:
        return _median_us(lambda: device.call("status"), rounds)


def mpremote_exec_us(rounds: int, *, as_serial: bool) -> float | None:
    """Median time of `exec` through mpremote's own transport, the Unix port behind a pty; None without it.

    mpremote looks at the port's name: below /dev/pts it reads without its pauses of 10 ms. as_serial: give
    it another name for the same pty, so that it does what it does with a board.
    """
    micropython = _beside("micropython")
    if not micropython:
        return None
    from mpremote.transport_serial import SerialTransport

    with (
        tempfile.TemporaryDirectory() as folder,
        _process([sys.executable, "-c", ON_A_PTY, micropython, "-i"]) as port,
    ):
        name = os.path.join(folder, "port")
        os.symlink(port, name)
        transport = SerialTransport(name if as_serial else port, timeout=5)
        transport.enter_raw_repl(soft_reset=False)
        assert transport.exec("print(1)").strip() == b"1"
        return _median_us(lambda: transport.exec("print(1)"), rounds)


def cpu_ms(command: list[str], starts: int) -> float | None:
    """Median user + system CPU time of a command, interpreter included; None when it is not installed."""
    program = _beside(command[0])
    if not program:
        return None
    took = []
    for _ in range(starts):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([program, *command[1:]], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(took) * 1000


def _median_us(action: Callable[[], object], rounds: int) -> float:
    for _ in range(rounds // 10):
        action()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        action()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e6


def _beside(program: str) -> str | None:
    """A program of this Python's environment, else of the path."""
    return shutil.which(program, path=os.path.dirname(sys.executable)) or shutil.which(program)


@contextmanager
def _process(command: list[str]) -> Iterator[str]:
    """A process that names its port in its first line; ended, with its children, afterwards."""
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


if __name__ == "__main__":
    print(json.dumps(figures(), indent=1, ensure_ascii=False))
