"""What the device tells afterwards: boots, sessions, faults, refusals; self-test and causes of a start."""

import json

from massager import buttons, selftest
from massager import session as sessions
from support import Bench, BenchBoard, MemoryFiles, raises


def records(bench, kind=None):
    found = []
    start = 0
    while start is not None:
        page = bench.call("journal.read", start=start)
        found += page["records"]
        start = page["next"]
    return [r for r in found if kind in (None, r["kind"])]


def results(bench):
    return {name: (state, value) for name, state, value in bench.call("selftest")["tests"]}


def boot(cause=("power_on", 0, 0), files=None, **knobs):
    board = BenchBoard()
    board.cause = cause
    for name in knobs:
        setattr(board, name, knobs[name])
    return Bench(files, board=board)


# -- self-test --------------------------------------------------------------------------------------


def test_a_sound_device_passes_every_test_within_half_a_second():
    bench = Bench()
    report = bench.call("selftest")
    assert report["state"] == "passed"
    assert report["t_ms"] < 500
    assert [name for name, _, _ in report["tests"]] == [row[0] for row in selftest.TESTS]
    assert all(state == "passed" for _, state, _ in report["tests"])
    assert 100_000 <= results(bench)["interlock_drops"][1] <= 110_000


def test_nothing_starts_before_the_self_test_has_passed():
    bench = Bench(settle=False)
    refusals = bench.call("session.start", level=1, run_s=60)["data"]["refusals"]
    assert [row["name"] for row in refusals] == ["selftest"]
    bench.run_ms(500)
    bench.start()


def test_each_broken_part_fails_its_test_and_refuses_the_start():
    for knobs, name in (
        ({"stuck": 0}, "interlock_rises"),
        ({"stuck": 1}, "interlock_drops"),
        ({"stuck": 1}, "interlock_stays"),
        ({"adc_current": 3_000}, "off_current"),
        ({"nfault": True}, "driver"),
        ({"temperatures": [32_768, 32_768, 32_768, 32_768, 40_000]}, "reference"),
        ({"temperatures": [65_535, 32_768, 32_768, 32_768, 32_768]}, "motor_sensor"),
        ({"temperatures": [32_768, 0, 32_768, 32_768, 32_768]}, "driver_sensor"),
        ({"temperatures": [32_768, 32_768, 17_000, 32_768, 32_768]}, "handle_sensor"),
        ({"temperatures": [32_768, 32_768, 32_768, 20_500, 32_768]}, "pad_sensor"),
    ):
        board = BenchBoard()
        for knob in knobs:
            setattr(board, knob, knobs[knob])
        bench = Bench(board=board, settle=False)
        bench.follows = False
        bench.run_ms(600)
        assert bench.call("status")["selftest"] == "failed", name
        assert results(bench)[name][0] == "failed", (name, results(bench))
        error = bench.call("session.start", level=1, run_s=60)
        assert "selftest" in [row["name"] for row in error["data"]["refusals"]], name
        assert name in records(bench, "boot")[0]["failed"]


def test_a_pad_sensor_that_is_not_fitted_is_not_tested():
    files = MemoryFiles()
    before = Bench(files)
    before.agree(pad_sensor=False)
    before.call("settings.save")
    bench = boot(files=files, temperatures=[32_768, 32_768, 32_768, 65_535, 32_768])
    bench.run_ms(500)
    assert bench.call("status")["selftest"] == "passed"
    assert "pad_sensor" not in results(bench)
    bench.agree(pad_sensor=True)
    assert results(bench)["pad_sensor"] == ("pending", None)
    bench.call("selftest", run=True)
    bench.run_ms(500)
    assert results(bench)["pad_sensor"] == ("failed", None)


def test_a_failed_round_is_repeated_and_a_mended_device_passes():
    bench = boot(stuck=0)
    bench.run_ms(500)
    assert bench.call("status")["selftest"] == "failed"
    bench.board.stuck = None
    bench.run_ms(11_000)
    assert bench.call("status")["selftest"] == "passed"


def test_it_is_repeated_every_ten_idle_minutes_and_never_in_a_session():
    bench = Bench()
    first_ms = bench.call("selftest")["t_ms"]
    bench.board.stuck = 0
    bench.run_ms(601_000)
    assert bench.call("selftest")["state"] == "failed"
    assert bench.call("selftest")["t_ms"] > first_ms
    assert records(bench, "selftest")[0]["failed"] == ["interlock_rises", "interlock_drops"]


def test_it_runs_on_demand_but_not_with_a_session():
    bench = Bench()
    bench.run_ms(1_000)
    first_ms = bench.call("selftest")["t_ms"]
    assert bench.call("selftest", run=True)["state"] == "running"
    bench.run_ms(400)
    assert bench.call("selftest")["t_ms"] > first_ms
    bench.start()
    assert bench.call("selftest", run=True)["data"]["name"] == "motor_running"
    assert bench.call("selftest", run=1)["data"]["name"] == "invalid_params"


def test_with_stop_pressed_the_interlock_waits_for_its_turn():
    board = BenchBoard()
    board.buttons = buttons.STOP
    bench = Bench(board=board, settle=False)
    bench.run_ms(1_000)
    assert bench.call("status")["selftest"] == "running"
    assert results(bench)["interlock_drops"] == ("pending", None)
    bench.board.buttons = 0
    bench.run_ms(400)
    assert bench.call("status")["selftest"] == "passed"


def test_changed_firmware_is_found_while_idle():
    bench = Bench()
    bench.files.content_id = "fedcba9876543210"
    bench.call("selftest", run=True)
    bench.run_ms(400)
    assert results(bench)["firmware"] == ("failed", 1)


# -- startup ----------------------------------------------------------------------------------------


def test_a_start_after_the_watchdog_explains_itself():
    bench = boot(("watchdog", 12_345, sessions.RUNNING))
    assert bench.call("status")["fault"]["name"] == "watchdog_reset"
    assert bench.call("status")["boot"] == "watchdog"
    refusals = bench.call("session.start", level=1, run_s=60)["data"]["refusals"]
    assert [row["name"] for row in refusals] == ["fault_latched", "permission_suspended"]
    bench.run_ms(100)
    record = records(bench, "boot")[0]
    assert (record["cause"], record["ran_ms"], record["state"]) == ("watchdog", 12_345, "RUNNING")
    assert bench.clear() == {"cleared": "watchdog_reset"}
    bench.allow()
    bench.start()


def test_a_crash_leaves_its_traceback_and_is_told_once():
    bench = Bench()
    bench.start()
    bench.run_ms(12_000)
    bench.app.crashed(ValueError("boom"))
    assert bench.board.resets == 1
    bench = boot(("reset", 0, 0), bench.switch_off())
    bench.run_ms(100)
    assert bench.call("status")["fault"]["name"] == "crashed"
    record = records(bench, "boot")[-1]
    assert record["cause"] == "crash"
    assert "ValueError: boom" in record["error"]
    assert record["state"] == "RUNNING"
    bench = boot(("reset", 0, 0), bench.switch_off())
    assert bench.app.startup.cause == "reset"
    assert bench.call("status")["latched"] == ["crashed"]  # until it is cleared
    assert bench.app.safety.clear()
    bench.run_ms(100)
    assert boot(("reset", 0, 0), bench.switch_off()).call("status")["latched"] == []


def test_an_error_in_the_tick_is_told_whole_and_leaves_the_heap_open():
    bench = Bench()

    def broken():
        raise ValueError("broken")

    bench.board.sample = broken
    error = raises(ValueError, bench.app.tick, bench.app._next_us)
    assert str(error) == "broken"
    assert len(bytearray(1_000)) == 1_000


def test_a_crash_right_after_the_start_leaves_a_prompt():
    bench = Bench()
    bench.app.crashed(ValueError("boom"))
    assert bench.board.resets == 0


def test_a_torn_record_of_a_crash_is_still_a_crash():
    files = MemoryFiles()
    files.content["crash"] = b'{"err'
    bench = boot(files=files)
    assert bench.call("status")["fault"]["name"] == "crashed"
    bench.run_ms(100)
    assert "crash" not in files.content


def test_new_files_are_a_fault_until_somebody_agrees():
    bench = Bench()
    bench.run_ms(100)
    bench.files.content_id = "fedcba9876543210"
    bench = boot(files=bench.switch_off())
    bench.run_ms(100)
    assert bench.call("status")["fault"]["name"] == "firmware_changed"
    bench = boot(files=bench.switch_off())
    assert bench.call("status")["fault"]["name"] == "firmware_changed"
    assert bench.clear() == {"cleared": "firmware_changed"}
    bench.run_ms(100)
    assert boot(files=bench.switch_off()).call("status")["fault"] is None


def test_files_that_came_in_maintenance_are_agreed():
    bench = Bench()
    bench.run_ms(100)
    bench.call("maintenance")
    in_maintenance = boot(files=bench.switch_off())
    assert in_maintenance.call("status")["state"] == "MAINTENANCE"
    assert in_maintenance.call("selftest", run=True)["data"]["name"] == "wrong_state"
    in_maintenance.files.content_id = "fedcba9876543210"
    after = boot(files=bench.switch_off())
    assert after.call("status")["fault"] is None


# -- records ----------------------------------------------------------------------------------------


def test_a_session_is_recorded_with_why_it_ended_and_what_was_measured():
    bench = Bench()
    bench.start(level=2, run_s=60)
    bench.run_ms(10_000)
    bench.call("session.level", level=4)
    bench.run_ms(10_000)
    bench.call("session.level", level=3)
    bench.run_ms(5_000)
    bench.press(buttons.STOP)
    record = records(bench, "session")[0]
    assert (record["origin"], record["level"], record["run_s"]) == ("remote", 4, 60)
    assert record["reason"] == "stop_button"
    assert record["fault"] is None
    assert abs(record["ran_ms"] - 25_000) <= 20
    low, mean, high = record["rate_opm"]
    assert low < mean < high
    assert abs(high - 1_810) < 60
    assert record["motor_dc"][0] == record["motor_dc"][2] == 250
    assert record["pad_dc"] == [250, 250, 250]
    assert 11_900 < record["supply_mv"][1] < 12_100


def test_a_fault_is_recorded_as_it_was_when_it_came():
    bench = Bench()
    bench.start(level=5)
    bench.run_ms(15_000)
    bench.board.nfault = True
    bench.run_ms(100)
    fault, session = records(bench)[-2:]
    assert (fault["kind"], fault["fault"], fault["state"]) == ("fault", "driver_fault", "RUNNING")
    assert fault["level"] == 5
    assert abs(fault["rate_opm"] - 2_080) < 60
    assert (session["reason"], session["fault"]) == ("fault", "driver_fault")
    bench.board.nfault = False
    bench.clear()
    bench.run_ms(50)
    assert records(bench)[-1]["kind"] == "clear"
    assert records(bench)[-1]["fault"] == "driver_fault"


def test_two_sessions_in_one_breath_are_two_records():
    bench = Bench()
    bench.start(level=1)
    bench.run_ms(3_000)
    bench.call("session.stop")
    bench.start(level=6)
    bench.run_ms(500)
    bench.call("session.stop")
    bench.run_ms(100)
    levels = [record["level"] for record in records(bench, "session")]
    assert levels[-1] == 6
    assert levels == [1, 6] or records(bench, "session")[-1]["lost"] == 1


def test_the_same_refusal_is_recorded_once_a_minute():
    bench = Bench(remote=False)
    for _ in range(5):
        bench.call("session.start", level=1, run_s=60)
        bench.run_ms(1_000)
    assert [r["refusals"] for r in records(bench, "refusal")] == [["remote_disabled", "not_acknowledged"]]
    bench.run_ms(60_000)
    bench.call("session.start", level=1, run_s=60)
    bench.run_ms(100)
    assert len(records(bench, "refusal")) == 2


def test_nothing_is_written_while_a_session_runs():
    bench = Bench()
    bench.start()
    bench.run_ms(20)  # that it begins is written before the motor is armed
    bench.call("clock.set", unix_s=1_800_000_000)
    before = dict(bench.files.content)
    bench.run_ms(5_000)
    bench.call("session.pause")
    bench.run_ms(1_000)
    assert bench.files.content == before
    assert bench.call("journal.read")["data"]["name"] == "motor_running"
    bench.call("session.stop")
    bench.run_ms(100)
    assert [r["kind"] for r in records(bench)[-2:]] == ["clock", "session"]


def test_records_carry_the_hosts_time_once_it_is_known():
    bench = Bench()
    assert records(bench)[0]["unix_s"] is None
    assert bench.call("hello")["unix_s"] is None
    assert bench.call("clock.set", unix_s=1_800_000_000) == {"unix_s": 1_800_000_000, "was": None}
    bench.run_ms(10_000)
    assert bench.call("hello")["unix_s"] == 1_800_000_010
    assert records(bench, "clock")[0]["was"] is None
    for wrong in (-1, 0, 1_600_000_000, 1 << 40):
        assert bench.call("clock.set", unix_s=wrong)["data"]["name"] == "invalid_params"
    assert bench.call("hello")["unix_s"] == 1_800_000_010


def test_a_flash_that_fails_is_a_fault_and_nothing_is_lost():
    bench = Bench()
    bench.files.error = 5
    bench.start()
    bench.run_ms(1_000)
    bench.call("session.stop")
    bench.run_ms(2_000)
    assert bench.call("status")["fault"]["name"] == "flash_failed"
    assert bench.call("fault.clear")["data"]["name"] == "cause_lasts"
    bench.files.error = None
    bench.run_ms(2_000)
    assert bench.clear() == {"cleared": "flash_failed"}
    bench.run_ms(100)
    kinds = [record["kind"] for record in records(bench)]
    assert kinds.count("session") == 1
    assert "fault" in kinds


def test_boots_are_counted():
    files = MemoryFiles()
    for number in (1, 2, 3):
        bench = Bench(files)
        bench.run_ms(100)
        assert bench.call("hello")["boot"] == number
        assert records(bench, "boot")[-1]["boot"] == number


def test_a_page_of_records_fits_a_reply_and_the_pages_make_the_whole():
    bench = Bench()
    for level in (1, 2, 3, 4, 5):
        bench.start(level=level)
        bench.run_ms(300)
        bench.call("session.stop")
        bench.run_ms(50)
    request = {"jsonrpc": "2.0", "id": 1, "method": "journal.read", "params": {}}
    from massager import rpc

    assert len(rpc.answer(bench.app, json.dumps(request).encode())) < 1_000
    numbers = [record["n"] for record in records(bench)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert bench.call("journal.read", start=9_999)["records"] == []
    assert bench.call("journal.read", start=-1)["data"]["name"] == "invalid_params"
