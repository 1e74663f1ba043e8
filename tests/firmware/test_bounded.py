"""What a host can feed has a bound, and what the device reports of itself is true."""

import json

from massager import faults, methods
from massager import session as sessions
from massager.buttons import MODE, PLUS, STOP
from massager.recorder import NOTES_MAX
from support import Bench, BenchBoard, MemoryFiles

UNIX_S = 1_800_000_000


def records(bench, kind):
    """All records of a kind in the journal."""
    bench.run_ms(500)
    found, start = [], 0
    while start is not None:
        page = bench.call("journal.read", start=start)
        found += page["records"]
        start = page["next"]
    return [record for record in found if record["kind"] == kind]


def test_a_clock_that_is_set_without_end_leaves_three_records_a_minute():
    bench = Bench()
    bench.start()
    for n in range(300):
        bench.call("clock.set", unix_s=UNIX_S + n % 2 * 1_000)
        bench.run_ms(10)
    assert len(bench.app.recorder._extra) <= NOTES_MAX
    bench.call("session.stop")
    assert len(records(bench, "clock")) == 3
    for n in range(300):
        bench.call("clock.set", unix_s=UNIX_S + n % 2 * 1_000)
        bench.run_ms(100)
    assert len(records(bench, "clock")) == 3
    bench.run_ms(60_000)
    bench.call("clock.set", unix_s=UNIX_S + 5_000)
    assert len(records(bench, "clock")) == 4


def test_notes_that_wait_are_bounded_and_the_lost_ones_counted():
    bench = Bench()
    bench.start()
    for n in range(NOTES_MAX + 5):
        bench.app.recorder.note("settings", {"sequence": n})
    assert len(bench.app.recorder._extra) == NOTES_MAX
    bench.call("session.stop")
    kept = records(bench, "settings")
    assert [record["sequence"] for record in kept] == list(range(NOTES_MAX))
    assert kept[0]["lost"] == 5


VALUES = {
    "int": (0, 1, -1, 99_999_999),
    "str": ("", "roller", "x" * 40),
    "bool": (True,),
    "list": ([], ["x"]),
}


def requests(row):
    """Some requests for a method, with values of the right types."""
    name, _, spec, _, _ = row
    for n in range(4):
        params = {}
        for param in spec:
            kind = spec[param].rstrip("?")
            if kind == "object":
                params[param] = ({}, {"area_s": 60}, {"slew_s": 99}, {"x": 1})[n]
            else:
                values = VALUES[kind]
                params[param] = values[n % len(values)]
        yield json.dumps({"jsonrpc": "2.0", "id": n, "method": name, "params": params})


def sizes(bench):
    """How much of everything that a host may feed is waiting."""
    app = bench.app
    return {
        "notes": len(app.recorder._extra),
        "staged": len(app.staged),
        "events": app.events.count,
        "names": len(app.confirm.names),
        "programs": len(app.library.names),
    }


def test_no_request_makes_anything_grow_in_any_state():
    most = {"notes": NOTES_MAX, "staged": 27, "events": 16, "names": 27, "programs": 14}
    for state in ("idle", "running", "paused", "fault"):
        bench = Bench()
        if state in ("running", "paused"):
            bench.start()
            bench.run_ms(100)
        if state == "paused":
            bench.call("session.pause")
        if state == "fault":
            bench.board.temperatures[0] = 65_500
            bench.run_ms(500)
        for _ in range(3):
            for row in methods.METHODS:
                if row[0] in ("maintenance", "reboot", "session.stop"):
                    continue
                for line in requests(row):
                    bench.raw(line)
                bench.run_ms(20)
                found = sizes(bench)
                assert all(found[name] <= most[name] for name in most), (state, row[0], found)


def test_the_black_box_knows_the_state_in_idle_too():
    bench = Bench()
    bench.start()
    bench.run_ms(1_000)
    assert bench.board.noted[0] == sessions.RUNNING
    bench.call("session.stop")
    bench.run_ms(5_000)
    state, up_ms = bench.board.noted
    assert state == sessions.IDLE
    assert bench.app.uptime_ms - up_ms <= 20


class Armings(BenchBoard):
    """Notes each order to the interlock."""

    def __init__(self):
        BenchBoard.__init__(self)
        self.orders = []

    def enable_motor(self, on):
        self.orders.append(on)
        BenchBoard.enable_motor(self, on)


def test_an_end_and_a_start_between_two_ticks_trip_the_interlock_and_arm_it_again():
    for name, change in (
        ("stop, start", ("session.stop", "session.start")),
        ("pause, resume", ("session.pause", "session.resume")),
    ):
        bench = Bench(board=Armings())
        bench.start(run_s=60)
        bench.run_ms(2_000)
        assert bench.board.enabled
        bench.board.orders = []
        for method in change:
            params = {"level": 1, "run_s": 60} if method == "session.start" else {}
            assert "code" not in bench.call(method, **params), (name, method)
        bench.run_ms(100)
        assert bench.board.orders[0] == 0 and bench.board.orders[-1] == 1, (name, bench.board.orders)
        bench.run_ms(3_000)
        assert bench.app.session.state == sessions.RUNNING
        assert bench.app.safety.fault == 0


class StopInTest(BenchBoard):
    """STOP opens for a moment while the self-test waits for the interlock to drop."""

    presses = 0

    def sleep_us(self, us):
        BenchBoard.sleep_us(self, us)
        if self.presses and self.read_run_req():
            self.presses -= 1
            self.buttons |= STOP
            self.stop_seen = True
            self.read_run_req()
            self.buttons &= ~STOP


def test_a_stop_during_the_self_test_is_no_failure_of_the_board():
    board = StopInTest()
    board.presses = 2
    bench = Bench(board=board, settle=False)
    bench.run_ms(3_000)
    assert board.presses == 0
    assert bench.app.selftest.state == "passed"
    assert bench.app.selftest.failed() == []


def test_a_stream_of_self_tests_comes_to_its_end_and_leaves_nothing_untested():
    bench = Bench()
    began = bench.app.selftest.t_ms
    for _ in range(300):
        bench.call("selftest", run=True)
        bench.run_ms(10)
    assert bench.app.selftest.t_ms != began
    bench.run_ms(1_000)
    assert all(value is not None for value in bench.app.selftest.values)
    bench.start()


def test_a_restart_that_is_near_refuses_every_start():
    for method in ("reboot", "maintenance"):
        bench = Bench()
        assert bench.call(method) == {"rebooting": True}
        names = [row["name"] for row in bench.call("session.start", level=1, run_s=60)["data"]["refusals"]]
        assert names == ["restarting"]
        bench.press(PLUS, 40)
        assert bench.app.session.state == sessions.IDLE
        for _ in range(30):
            if not bench.board.resets:
                bench.run_ms(10)
        assert bench.board.resets


def test_a_reply_that_is_not_read_does_not_hold_a_restart_up():
    bench = Bench()
    bench.board.console.room = 0
    line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "reboot"}) + "\n"
    bench.board.console.received.extend(line.encode())
    waited_ms = 0
    while not bench.board.resets and waited_ms < 3_000:
        bench.run_ms(10)
        waited_ms += 10
    assert bench.board.resets and waited_ms <= 1_200
    assert bench.app.session.state == sessions.IDLE


def test_a_program_that_takes_long_to_read_ends_no_session():
    bench = Bench()
    load = bench.app.library.load

    def slowly(name):
        bench.board.wait_us(170_000)
        return load(name)

    bench.app.library.load = slowly
    assert bench.call("session.start", program="calf-5", run_s=300)["state"] == "RUNNING"
    bench.run_ms(2_000)
    assert bench.app.safety.fault == 0 and bench.app.session.state == sessions.RUNNING


def test_a_start_that_is_refused_reads_no_program():
    for case in ("running", "disabled", "stop"):
        bench = Bench(remote=case != "disabled")
        if case == "running":
            bench.start()
            bench.run_ms(100)
        if case == "stop":
            bench.press(STOP)

        def never(name):
            raise AssertionError("read")

        bench.app.library.load = never
        for program in ("calf-5", "no-such-program"):
            error = bench.call("session.start", program=program, run_s=300)
            assert error["data"]["name"] == "refused", (case, error)
    bench = Bench(remote=False)
    bench.press(MODE)
    assert bench.app.selected == "warm-up"


def test_a_late_tick_with_the_motor_on_is_judged():
    bench = Bench()
    bench.start()
    bench.run_ms(500)
    bench.board.wait_us(170_000)
    bench.run_ms(20)
    assert bench.app.safety.fault == faults.TICK_OVERRUN


class CountingFiles(MemoryFiles):
    """Files that count how often one was read."""

    reads = 0

    def read(self, name, *limit):
        self.reads += 1
        return super().read(name, *limit)


def test_no_method_that_is_refused_touches_the_flash():
    remote = (
        ("session.start", {"program": "calf-5", "run_s": 300}),
        ("program.begin", {"name": "x", "size": 10}),
        ("program.write", {"offset": 0, "data": "AAAA"}),
        ("program.commit", {}),
        ("program.remove", {"name": "x"}),
        ("program.select", {"name": "calf-5"}),
    )
    idle = (
        ("schema", {"section": "programs"}),
        ("program.list", {}),
        ("program.get", {"name": "calf-5"}),
        ("program.fetch", {"name": "x", "offset": 0}),
        ("journal.read", {}),
        ("settings.save", {}),
        ("maintenance", {}),
        ("reboot", {}),
    )
    for case in ("running", "paused", "no permission"):
        files = CountingFiles()
        bench = Bench(files, remote=case != "no permission")
        bench.run_ms(200)
        requests = remote
        if case != "no permission":
            requests += idle
            bench.start()
            bench.run_ms(100)
        if case == "paused":
            bench.call("session.pause")
        before = files.reads, files.operations
        for method, params in requests:
            assert "code" in bench.call(method, **params), (case, method)
        assert (files.reads, files.operations) == before, case
