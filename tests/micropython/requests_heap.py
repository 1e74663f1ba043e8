"""Heap before and after some hundred requests of every method in every state; run on MicroPython.

Prints the difference in bytes of each state, after a round that fills what is bounded.
"""

import gc
import json

gc.threshold(40_000)  # as main.py does: sources are compiled here

from massager import methods  # noqa: E402
from massager import session as sessions  # noqa: E402
from support import Bench, MemoryFiles  # noqa: E402

ROUNDS = 8
VALUES = {
    "int": (0, 1, -1, 60, 0x3FFFFFFF),
    "str": ("knead", "mine", "x" * 60),
    "bool": (True, False),
    "object": ({}, {"area_s": 60, "slew_s": 3}, {"no_such": 1}),
    "list": ([], ["area_s"], [1, None]),
}
EXTRA = {"clock.set": {"unix_s": 1_800_000_000}, "session.start": {"level": 1, "run_s": 60}}
LEAVES = ("maintenance", "reboot", "session.stop")  # they would end the state


def requests(n):
    """The n-th request of every method, as a line."""
    for name, _, spec, _, _ in methods.METHODS:
        if name in LEAVES:
            continue
        params = {}
        for at, param in enumerate(sorted(spec)):
            choice = VALUES[spec[param].rstrip("?")]
            if not spec[param].endswith("?") or (n + at) % 3:
                params[param] = choice[(n + at) % len(choice)]
        if n % 2 and name in EXTRA:
            params = dict(EXTRA[name])
            if "unix_s" in params:
                params["unix_s"] += 1_000 * n
        yield json.dumps({"jsonrpc": "2.0", "id": n, "method": name, "params": params}).encode()


class Frozen(MemoryFiles):
    """Flash that takes nothing any more once it is `full`: what it holds is not what is measured."""

    full = False

    def write(self, name, data):
        if self.full:
            raise OSError(28)
        super().write(name, data)


def begin(state):
    files = Frozen()
    bench = Bench(files)
    if state == sessions.MAINTENANCE:
        files.content["maintenance"] = b"1"
        bench = Bench(files)
    elif state != sessions.IDLE:
        bench.start()
        bench.run_ms(100)
        if state == sessions.PAUSED:
            bench.call("session.pause")
    assert bench.app.session.state == state
    return bench


def send(bench, state, first):
    for n in range(first, first + ROUNDS):
        for line in requests(n):
            bench.raw(line)
            session = bench.app.session
            if session.state != state and state in (sessions.RUNNING, sessions.PAUSED):
                session.resume() if state == sessions.RUNNING else session.pause()
                assert session.state == state
            elif session.state != state:
                session.stop(sessions.HOST_STOP)
        bench.board.console.sent[:] = b""
    gc.collect()
    return gc.mem_alloc()


for state in (sessions.IDLE, sessions.RUNNING, sessions.PAUSED, sessions.MAINTENANCE):
    bench = begin(state)
    bench.files.full = True
    bench.app.settings.values["host_timeout_s"] = 10_000
    send(bench, state, 0)
    send(bench, state, ROUNDS)
    before = send(bench, state, 2 * ROUNDS)
    for n in range(3, 8):
        after = send(bench, state, n * ROUNDS)
    print(sessions.STATES[state][1], after - before)
    bench = None
    gc.collect()
