"""What waits is bounded, the black box is true, and what is accepted or refused happens in a bounded time."""

import json

from massager import buttons, faults, recorder
from massager import session as sessions
from support import Bench, BenchBoard, MemoryFiles

UNIX_S = 1_800_000_000


def records(bench, kind):
    found, start = [], 0
    while start is not None:
        page = bench.call("journal.read", start=start)
        found += [record for record in page["records"] if record["kind"] == kind]
        start = page["next"]
    return found


def refusals(bench):
    return [row["name"] for row in bench.call("session.start", level=1, run_s=60)["data"]["refusals"]]


# -- bounds -----------------------------------------------------------------------------------------


def test_a_clock_that_is_set_again_and_again_in_a_session_makes_one_record():
    bench = Bench()
    bench.call("clock.set", unix_s=UNIX_S)
    bench.run_ms(100)
    bench.start()
    for n in range(300):
        bench.call("clock.set", unix_s=UNIX_S + 1_000 * (n + 1))
        bench.run_ms(10)
        assert len(bench.app.recorder._extra) <= 1
    bench.call("session.stop")
    bench.run_ms(200)
    found = records(bench, "clock")
    assert len(found) == 2
    assert 0 <= found[1]["was"] - UNIX_S <= 2


def test_records_that_wait_are_bounded_and_the_rest_is_counted():
    bench = Bench()
    for n in range(recorder.EXTRA_MAX + 5):
        bench.app.recorder.note("settings", {"sequence": n})
    assert len(bench.app.recorder._extra) == recorder.EXTRA_MAX
    bench.run_ms(200)
    found = records(bench, "settings")
    assert [record["sequence"] for record in found] == list(range(recorder.EXTRA_MAX))
    assert found[0]["lost"] == 5
    bench.app.recorder.lost = recorder.LOST_MAX
    for n in range(recorder.EXTRA_MAX + 1):
        bench.app.recorder.note("settings", {"sequence": n})
    assert bench.app.recorder.lost == recorder.LOST_MAX


# -- the black box ----------------------------------------------------------------------------------


def test_what_the_watchdog_would_find_is_current_in_every_state():
    bench = Bench()
    board, app = bench.board, bench.app

    def noted():
        bench.run_ms(20)
        state, uptime_ms = board.noted
        assert 0 < app.uptime_ms - uptime_ms <= 10 or app.uptime_ms == uptime_ms
        return state

    assert noted() == sessions.IDLE
    bench.start()
    assert noted() == sessions.RUNNING
    bench.call("session.pause")
    assert noted() == sessions.PAUSED
    bench.call("session.stop")
    bench.run_ms(60_000)
    assert noted() == sessions.IDLE


# -- the self-test ----------------------------------------------------------------------------------


class Pressed(BenchBoard):
    """A board on which STOP is pressed for a moment in the n-th wait from now on."""

    def __init__(self):
        super().__init__()
        self.after = None

    def sleep_us(self, us):
        self.wait_us(us)
        if self.after is not None and self._armed:
            self.after -= 1
            if self.after <= 0:
                self.after = None
                self.stop_seen = True
                self.buttons |= buttons.STOP
                self.read_run_req()
                self.buttons &= ~buttons.STOP


def test_stop_in_the_round_repeats_it_instead_of_failing_the_board():
    for after in (1, 2, 3, 50, 100):
        board = Pressed()
        board.after = after
        bench = Bench(board=board, settle=False)
        bench.run_ms(1_500)
        assert board.after is None
        assert bench.app.selftest.state == "passed", (after, bench.app.selftest.failed())
        assert not bench.app.safety.fault


def test_a_board_whose_interlock_does_not_hold_fails_still():
    board = BenchBoard()
    board.stuck = 0
    bench = Bench(board=board)
    assert bench.app.selftest.state == "failed"


def test_a_stream_of_requests_for_a_round_does_not_keep_it_from_ending():
    bench = Bench()
    rounds = set()
    bench.call("selftest", run=True)
    for _ in range(300):
        reply = bench.call("selftest", run=True)
        assert reply["state"] in ("running", "passed")
        bench.run_ms(10)
        rounds.add(bench.app.selftest.t_ms)
    assert len(rounds) > 5


# -- restarts ---------------------------------------------------------------------------------------


def test_from_an_accepted_restart_on_every_start_is_refused():
    for method in ("reboot", "maintenance"):
        bench = Bench()
        bench.call(method)
        assert refusals(bench) == ["restarting"]
        bench.press(buttons.PLUS, 50)
        assert not bench.board.enabled
        assert bench.app.session.state == sessions.IDLE
        assert bench.board.resets == 1
    row = next(row for row in sessions.REFUSALS if row[1] == "restarting")
    assert row[2]


def test_the_restart_comes_although_the_host_never_reads():
    bench = Bench()
    bench.run_ms(200)
    bench.board.console.room = 0
    request = {"jsonrpc": "2.0", "id": 1, "method": "reboot", "params": {}}
    bench.board.console.received += json.dumps(request).encode() + b"\n"
    waited_ms = 0
    while not bench.board.resets:
        bench.run_ms(10)
        waited_ms += 10
        assert waited_ms <= 1_200
    assert bench.app.session.state == sessions.IDLE


def test_a_restart_waits_for_the_reply():
    bench = Bench()
    bench.run_ms(200)
    request = {"jsonrpc": "2.0", "id": 77, "method": "reboot", "params": {}}
    bench.board.console.received += json.dumps(request).encode() + b"\n"
    while not bench.board.resets:
        bench.run_ms(10)
    assert any(line.get("id") == 77 and "result" in line for line in bench.sent())


# -- requests that take long ------------------------------------------------------------------------


class SlowFiles(MemoryFiles):
    """Flash from which reading takes 170 ms; `reads` counts."""

    board = None
    reads = 0

    def read(self, name, *limit):
        self.reads += 1
        if self.board:
            self.board.wait_us(170_000)
        return super().read(name, *limit)


def program_start(bench):
    bench.board.console.received += (
        json.dumps(
            {
                "jsonrpc": "2.0",
                "id": 5,
                "method": "session.start",
                "params": {"program": "calf-5", "run_s": 300},
            }
        ).encode()
        + b"\n"
    )


def test_a_program_that_takes_long_to_load_starts():
    files = SlowFiles()
    bench = Bench(files)
    bench.app.settings.values["host_timeout_s"] = 10_000
    bench.app.configure()
    bench.run_ms(200)
    files.board = bench.board
    program_start(bench)
    bench.run_ms(1_000)
    assert not bench.app.safety.fault, faults.fault_name(bench.app.safety.fault)
    assert bench.app.session.state == sessions.RUNNING, bench.sent()
    assert bench.board.enabled


def test_a_late_tick_with_the_motor_on_is_judged_still():
    bench = Bench()
    bench.start()
    bench.run_ms(500)
    bench.board.wait_us(170_000)
    bench.run_ms(20)
    assert bench.app.safety.fault == faults.TICK_OVERRUN


def test_what_is_refused_is_refused_before_anything_is_loaded():
    requests = (
        ("session.start", {"program": "calf-5", "run_s": 300}),
        ("schema", {"section": "programs"}),
        ("program.list", {}),
        ("program.get", {"name": "calf-5"}),
        ("program.begin", {"name": "x", "size": 10}),
        ("program.write", {"offset": 0, "data": "AAAA"}),
        ("program.commit", {}),
        ("program.fetch", {"name": "x", "offset": 0}),
        ("program.remove", {"name": "x"}),
        ("program.select", {"name": "calf-5"}),
        ("journal.read", {}),
        ("settings.save", {}),
        ("maintenance", {}),
        ("reboot", {}),
    )
    for paused in (False, True):
        files = SlowFiles()
        bench = Bench(files)
        bench.start()
        bench.run_ms(100)
        if paused:
            bench.call("session.pause")
        before = files.reads, files.operations
        for method, params in requests:
            assert "code" in bench.call(method, **params), method
        assert (files.reads, files.operations) == before
    files = SlowFiles()
    bench = Bench(files, remote=False)
    bench.run_ms(200)
    before = files.reads, files.operations
    for method, params in requests:
        if method == "session.start" or method[:9] in ("program.b", "program.w", "program.c", "program.s"):
            assert "code" in bench.call(method, **params), method
    assert (files.reads, files.operations) == before
