"""Session: start, refusals, clock, cues, pause, end, heartbeat."""

import json

from massager import buttons, faults, methods, permission, rpc
from massager import session as sessions
from massager.program import Program
from massager.session import HARD_LIMIT_MS, REMOTE
from massager.settings import TABLE
from support import Bench, raises

START = {"level": 1, "run_s": 60}


def reason(bench):
    return sessions.reason_name(bench.app.session.reason)


def test_a_session_runs_its_time_and_ends_completed():
    bench = Bench()
    bench.start(level=2, run_s=60)
    bench.run_ms(59_900)
    assert bench.app.session.state == sessions.ENDING
    assert bench.board.enabled
    bench.run_ms(200)
    assert bench.app.session.state == sessions.IDLE
    assert reason(bench) == "completed"
    assert not bench.board.enabled
    assert bench.board.duty == 0


def test_the_ramp_down_ends_with_the_run_time():
    bench = Bench()
    bench.start(level=3, run_s=60)
    bench.run_ms(59_950)
    assert bench.app.drive.demand_opm < 150


def test_cues_tell_to_move_on_then_thirty_seconds_then_the_end():
    bench = Bench()
    bench.start(level=1, run_s=300)
    bench.run_ms(301_000)
    cues = [value for name, value in bench.event_names() if name == "cue"]
    assert cues == ["move_on", "move_on", "last_30_s", "end"], cues


def test_the_hard_limit_is_refused_not_clamped():
    session = Bench().app.session
    raises(ValueError, session.start, 1, HARD_LIMIT_MS + 1, REMOTE)
    raises(ValueError, session.start, 12, 1000, REMOTE)
    raises(ValueError, session.start, 0, 1000, REMOTE)
    assert session.state == sessions.IDLE
    assert session.start(1, HARD_LIMIT_MS, REMOTE) == 0


def test_stop_cuts_at_once_while_ramping():
    bench = Bench()
    bench.start(level=5)
    bench.run_ms(3_000)
    assert bench.board.duty
    bench.board.buttons = buttons.STOP
    bench.run_ms(10)
    assert bench.board.duty == 0
    assert not bench.board.enabled
    assert reason(bench) == "stop_button"


def test_pause_stops_the_motor_but_not_the_clock():
    bench = Bench()
    bench.start(level=1, run_s=300)
    bench.run_ms(5_000)
    assert bench.call("session.pause")["state"] == "PAUSED"
    bench.run_ms(20_000)
    assert not bench.board.enabled
    assert 274_000 < bench.call("status")["remaining_ms"] < 276_000
    assert bench.call("session.resume")["state"] == "RUNNING"
    bench.run_ms(500)
    assert 0 < bench.app.drive.demand_opm < 1000  # a soft start again


def test_two_minutes_paused_end_the_session():
    bench = Bench()
    bench.start(level=1, run_s=600)
    bench.call("session.pause")
    bench.run_ms(119_900)
    assert bench.app.session.state == sessions.PAUSED
    bench.run_ms(200)
    assert reason(bench) == "pause_timeout"


def test_a_silent_host_ends_a_remote_session():
    bench = Bench()
    bench.call("session.start", level=1, run_s=600)
    bench.run_ms(2_900)
    bench.call("session.keepalive")
    bench.run_ms(2_900)
    bench.call("status")  # not a session command: feeds nothing
    assert bench.app.session.state == sessions.RUNNING
    bench.run_ms(200)
    assert reason(bench) == "host_lost"


def test_a_session_by_button_needs_no_host():
    bench = Bench(remote=False)
    bench.run_ms(50)
    bench.press(buttons.PLUS)
    bench.run_ms(10_000)
    status = bench.call("status")
    assert (status["state"], status["origin"]) == ("RUNNING", "button")


def test_a_host_may_hold_a_session_by_button_back_but_not_drive_it_on():
    bench = Bench(remote=False)
    bench.app.settings.take({"default_level": 4})
    bench.run_ms(50)
    bench.press(buttons.PLUS)
    assert bench.call("session.level", level=5)["data"]["name"] == "local_only"
    assert bench.call("session.level", level=2)["level"] == 2
    assert bench.call("session.pause")["state"] == "PAUSED"
    assert bench.call("session.resume")["data"]["name"] == "local_only"
    assert bench.call("session.stop")["state"] == "IDLE"


def test_all_refusals_come_at_once_with_remedies():
    bench = Bench(remote=False)
    bench.board.temperatures[2] = 300  # handle thermistor shorted
    bench.warm(0, 6_500)  # motor at about 85 C: warm enough for the limiter
    bench.board.adc_supply = 30_000  # 8.6 V
    bench.board.buttons = buttons.STOP
    bench.run_ms(2_000)
    error = bench.call("session.start", level=1, run_s=600)
    names = [refusal["name"] for refusal in error["data"]["refusals"]]
    assert names == [
        "fault_latched",
        "stop_pressed",
        "too_hot",
        "battery_low",
        "remote_disabled",
        "not_acknowledged",
    ], names
    assert all(refusal["remedy"] for refusal in error["data"]["refusals"])


def test_a_second_start_is_refused_and_changes_nothing():
    bench = Bench()
    bench.start(level=2)
    bench.run_ms(1_000)
    error = bench.call("session.start", level=9, run_s=600)
    assert error["data"]["refusals"][0]["name"] == "running"
    assert bench.call("status")["level"] == 2


def test_a_fault_ends_the_session_and_its_first_cause_is_kept():
    bench = Bench()
    bench.start(level=3)
    bench.run_ms(5_000)
    bench.board.temperatures[1] = 65_500  # driver thermistor open
    bench.run_ms(400)
    bench.board.temperatures[2] = 65_500
    bench.run_ms(400)
    status = bench.call("status")
    assert status["state"] == "IDLE"
    assert status["reason"] == "fault"
    assert status["fault"]["name"] == "driver_sensor"
    assert status["fault"]["more"] == 1
    assert bench.app.safety.fault == faults.DRIVER_SENSOR


def test_level_and_pause_are_wrong_when_no_session_runs():
    bench = Bench()
    for method, params in (("session.pause", {}), ("session.resume", {}), ("session.level", {"level": 2})):
        assert bench.call(method, **params)["data"]["name"] == "wrong_state"


def test_the_clock_of_ticks_may_wrap():
    bench = Bench()
    bench.board.us = 0x3FFFFFFF - 5_000_000
    bench.app._last_us = bench.app._next_us = bench.board.us
    bench.start(level=1, run_s=60)
    bench.run_ms(61_000)
    assert reason(bench) == "completed"


def test_all_refusals_there_are_fit_into_one_reply():
    bench = Bench(remote=False)
    session = bench.app.session
    every = 0
    for row in sessions.REFUSALS:
        every |= row[0]
    session.refusals = lambda *_: every
    line = json.dumps({"jsonrpc": "2.0", "id": 0x3FFFFFFF, "method": "session.start", "params": START})
    reply = rpc.answer(bench.app, line.encode())
    assert len(reply) <= rpc.REPLY_ROOM
    rows = json.loads(reply)["error"]["data"]["refusals"]
    assert [row["name"] for row in rows] == [row[1] for row in sessions.REFUSALS]


def test_the_longest_status_fits_into_one_reply():
    bench = Bench()
    app = bench.app
    bench.start()
    app.session.refusals = lambda *_: (1 << len(sessions.REFUSALS)) - 1
    app.settings.saved = dict.fromkeys(app.settings.saved)
    reply = bench.call("status")
    assert reply.get("state") == "RUNNING", reply
    assert reply["unsaved"] == [row[0] for row in TABLE][: len(reply["unsaved"])]
    shown = sum(len(reply[key]) for key in ("unsaved", "refusals"))
    assert shown + reply["unsaved_more"] + reply["left_out"] == len(app.settings.saved) + len(
        sessions.REFUSALS
    )
    app.session.play.program = Program(24 * "p", [["s", 900, "steady", 1, 1, 0, "", "none"]])
    app.confirm.names = sorted(app.settings.saved, key=len)[-3:]
    app.permission.suspended = permission.FAULT
    app.safety.limiters = (1 << len(faults.LIMITERS)) - 1
    app.tick_worst_us = app.clock.uptime_ms = 0x3FFFFFFF
    for n in range(40):
        app.files.skip("programs/" + 40 * "x" + str(n), "a reason that takes some room")
    for row in sorted(faults.FAULTS, key=lambda row: len(row[faults.NAME]))[-methods.LATCHED_MAX - 1 :]:
        app.safety.latch(row[faults.CODE])
    for row in faults.FAULTS:
        app.safety.fault = row[faults.CODE]
        reply = bench.call("status")
        assert reply.get("state") == "RUNNING", reply
        assert reply["fault"]["name"] == row[faults.NAME]
        assert reply["fault"]["remedy"] == row[faults.REMEDY]
        assert reply["left_out"] > 0
