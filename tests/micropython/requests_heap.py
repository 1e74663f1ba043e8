"""Heap before and after many requests of every method in every state; run on MicroPython.

requests_heap.py [N]: N requests in each state, methods in turn; 10,000 without N. No tick runs meanwhile, so
nothing that waits is taken away. Prints the growth in bytes of each state, once what is bounded is full.
"""

import gc
import json
import sys

gc.threshold(40_000)  # as main.py does: sources are compiled here

from massager import faults, methods  # noqa: E402
from massager import session as sessions  # noqa: E402
from support import Bench, MemoryFiles  # noqa: E402

REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
FILL = 24  # rounds until everything bounded is full
STATES = (
    ("IDLE", sessions.IDLE),
    ("RUNNING", sessions.RUNNING),
    ("PAUSED", sessions.PAUSED),
    ("ENDING", sessions.ENDING),
    ("MAINTENANCE", sessions.MAINTENANCE),
    ("FAULT", sessions.IDLE),
)
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
    """Flash that keeps nothing more once it is `full`: it is not what is measured."""

    full = False

    def write(self, name, data):
        if self.full:
            raise OSError(28)
        super().write(name, data)


def begin(name, state):
    files = Frozen()
    if state == sessions.MAINTENANCE:
        files.content["maintenance"] = b"1"
    bench = Bench(files)
    bench.app.settings.values["host_timeout_s"] = 10_000
    files.full = True
    if name == "FAULT":
        bench.app.safety.report(faults.CRASHED)
    reach(bench.app.session, state)
    assert bench.app.session.state == state, name
    assert bool(bench.app.safety.fault) == (name == "FAULT"), name
    return bench


def reach(session, state):
    """Bring the session back to the state that a request has ended."""
    if session.state == state:
        return
    session.stop(sessions.HOST_STOP)
    if state in (sessions.RUNNING, sessions.PAUSED, sessions.ENDING):
        session.start(1, 60_000, sessions.BUTTON)
    if state == sessions.PAUSED:
        session.pause()
    elif state == sessions.ENDING:
        session._enter(sessions.ENDING)


def send(bench, state, first, rounds):
    """Requests of these rounds; how many there were."""
    count = 0
    session = bench.app.session
    for n in range(first, first + rounds):
        for line in requests(n):
            bench.raw(line)
            count += 1
            if session.state != state:
                reach(session, state)
                assert session.state == state, line
        bench.board.console.sent[:] = b""
    return count


def used():
    gc.collect()
    return gc.mem_alloc()


for name, state in STATES:
    bench = begin(name, state)
    count = after = before = 0  # the table of names has room for them
    each = send(bench, state, 0, FILL) // FILL
    rounds = -(-REQUESTS // each)
    before = used()
    count = send(bench, state, FILL, rounds)
    after = used()
    print(name, count, after - before)
    bench = None
    gc.collect()
