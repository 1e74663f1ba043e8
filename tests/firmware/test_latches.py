"""Latches: what survives a reset and a loss of power, shown and cleared one by one; codes beyond 29."""

import sys

from massager import app, faults
from massager.latches import Latches
from massager.safety import Safety
from massager.store import StoreError, build
from support import Bench, BenchBoard, MemoryFiles, raises

SURVIVING = [row[faults.CODE] for row in faults.FAULTS if row[faults.SURVIVES]]
ORDINARY = [row[faults.CODE] for row in faults.FAULTS if not row[faults.SURVIVES]]


def over(bench, code):
    """A fault whose cause is over at once."""
    safety = bench.app.safety
    if code == faults.STALL:  # a stall that others report is named after what current and voltage say
        safety.latch(code)
        return
    safety.report(code)
    safety._now_us += 1_001_000
    safety.report(code)
    safety.report(code, False)
    assert safety.is_latched(code), code
    assert not safety.lasts(code), code


def again(bench, power=True):
    """The same device after a loss of power, or after a mere reset."""
    board = BenchBoard()
    if not power:
        board.word = bench.board.word
        board.cause = ("reset", 0, 0)
    return Bench(bench.switch_off(), board=board)


def records(bench, *kinds):
    found = []
    start = 0
    while start is not None:
        page = bench.call("journal.read", start=start)
        found += [r for r in page["records"] if r["kind"] in kinds]
        start = page["next"]
    return found


def latched(bench):
    return bench.call("status")["latched"]


def names(codes):
    return [faults.fault_name(code) for code in codes]


# -- what survives ----------------------------------------------------------------------------------


def test_the_table_says_what_survives():
    """Broken or unexplained: yes. What is measured again before the motor turns, or was the user's: no."""
    assert names(ORDINARY) == [
        "over_current", "stall", "motor_hot", "driver_hot", "handle_hot", "battery_critical",
        "tick_overrun", "supply_high", "supply_dip", "heap_low", "flash_failed", "pad_hot",
    ]  # fmt: skip
    for row in faults.FAULTS:
        assert row[faults.SURVIVES] == "" or row[faults.SURVIVES].endswith("."), row[faults.NAME]


def test_what_survives_is_there_after_each_start_until_it_is_cleared():
    for code in SURVIVING:
        bench = Bench()
        over(bench, code)
        bench.run_ms(20)
        for power in (True, False, True):
            bench = again(bench, power)
            assert bench.app.safety.fault == code
            assert latched(bench) == names([code])
            refusals = bench.call("session.start", level=1, run_s=60)["data"]["refusals"]
            assert "fault_latched" in [row["name"] for row in refusals]
        assert bench.app.safety.clear()
        bench.run_ms(20)
        assert again(bench).call("status")["fault"] is None


def test_what_does_not_survive_is_gone_after_a_start():
    for code in ORDINARY:
        bench = Bench()
        over(bench, code)
        bench.run_ms(100)
        assert latched(bench) == names([code])
        assert latched(again(bench)) == []


def test_a_calm_device_writes_no_record_of_latches():
    bench = Bench()
    bench.start(level=3)
    bench.run_ms(5_000)
    bench.call("session.stop")
    bench.run_ms(1_000)
    over(bench, faults.STALL)
    bench.run_ms(1_000)
    assert bench.app.safety.clear()
    bench.run_ms(1_000)
    assert not [name for name in bench.files.content if name.startswith("latches")]


def test_a_fault_in_a_session_is_on_flash_one_tick_later_and_before_its_record():
    bench = Bench()
    bench.start(level=3)
    bench.run_ms(5_000)
    bench.board.temperatures[0] = 0
    while not bench.app.safety.fault:
        assert not [name for name in bench.files.content if name.startswith("latches")]
        bench.run_ms(10)
    assert not bench.board.enabled
    bench.files.cut_at = bench.files.operations + 3  # the file, whole, under its name, and nothing else
    raises(MemoryFiles.PowerCut, bench.run_ms, 10)
    bench.files.cut_at = None
    assert latched(again(bench)) == ["motor_sensor"]


# -- one by one -------------------------------------------------------------------------------------


def test_each_is_shown_told_and_cleared_by_itself():
    """A crash, and files that have changed: neither hides the other."""
    bench = Bench()
    bench.run_ms(200)
    bench.start()
    bench.run_ms(1_000)
    bench.app.crashed(ValueError("boom"))
    bench.files.content_id = "fedcba9876543210"
    bench = again(bench)
    bench.run_ms(100)
    status = bench.call("status")
    assert (status["fault"]["name"], status["fault"]["more"]) == ("crashed", 1)
    assert status["latched"] == ["crashed", "firmware_changed"]
    assert bench.app.safety.clear()
    bench.run_ms(200)
    status = bench.call("status")
    assert (status["fault"]["name"], status["fault"]["more"]) == ("firmware_changed", 0)
    bench = again(bench)  # the files have not been agreed to
    bench.run_ms(100)
    assert latched(bench) == ["firmware_changed"]
    assert bench.app.safety.clear()
    bench.run_ms(200)
    bench = again(bench)
    assert latched(bench) == []
    told = [(r["kind"], r["fault"], "kept" in r) for r in records(bench, "fault", "clear")]
    assert told == [
        ("fault", "crashed", False),
        ("clear", "crashed", False),
        ("fault", "firmware_changed", False),
        ("fault", "firmware_changed", True),
        ("clear", "firmware_changed", False),
    ]


def test_the_next_fault_has_an_event_of_its_own():
    bench = Bench()
    bench.call("telemetry.subscribe", hz=0)
    for code in (faults.STALL, faults.DRIVER_FAULT, faults.MOTOR_SENSOR):
        over(bench, code)
    bench.run_ms(200)
    for _ in range(2):
        assert bench.app.safety.clear()
        bench.run_ms(200)
    told = [value for name, value in bench.event_names() if name == "fault"]
    assert told == ["stall", "driver_fault", "motor_sensor"]


def test_a_fault_that_comes_back_is_told_as_new():
    bench = Bench()
    over(bench, faults.DRIVER_FAULT)
    bench.run_ms(200)
    bench = again(bench)
    bench.run_ms(200)
    assert bench.app.safety.clear()
    bench.run_ms(200)
    over(bench, faults.DRIVER_FAULT)
    bench.run_ms(200)
    assert [r.get("kept") for r in records(bench, "fault")] == [None, True, None]


def test_status_has_room_for_all_of_them():
    bench = Bench()
    for row in faults.FAULTS:
        over(bench, row[faults.CODE])
    bench.run_ms(100)
    status = bench.call("status")
    assert len(status["latched"]) == 8
    assert status["fault"]["more"] == len(faults.FAULTS) - 1
    assert len(bench.app.safety.latched()) == len(faults.FAULTS)
    for code in bench.app.safety.latched():
        assert bench.app.safety.fault == code
        assert bench.app.safety.clear()
    assert bench.app.safety.fault == faults.NONE


# -- flash that fails -------------------------------------------------------------------------------


def test_a_damaged_record_is_a_fault_of_its_own():
    for content in (b"", b"OK1 1 2 00000000\n{}", b"rubbish"):
        bench = Bench()
        bench.files.content["latches.a"] = bench.files.content["latches.b"] = content or b"\n"
        bench = again(bench)
        bench.run_ms(100)
        assert latched(bench) == ["latches_lost"]
        bench = again(bench)
        assert latched(bench) == ["latches_lost"]  # until it is cleared
        assert bench.app.safety.clear()
        bench.run_ms(100)
        assert latched(again(bench)) == []


def test_a_record_of_another_shape_is_as_good_as_damaged():
    for record, known in (
        ({"latched": None}, []),
        ({"latched": "stall"}, []),
        ({"latched": [None]}, []),
        ({"latched": [5]}, []),
        ({"latched": ["crashed", "of a newer firmware", "motor_sensor"]}, ["crashed", "motor_sensor"]),
    ):
        bench = Bench()
        bench.files.content["latches.a"] = build(1, record)
        bench = again(bench)
        assert latched(bench) == known + ["latches_lost"], record


def test_flash_that_refuses_is_bridged_over_a_reset_and_written_once_it_does_not():
    bench = Bench()
    bench.files.error = 28
    for code in (faults.UNCOMMANDED_MOTION, faults.MOTOR_SENSOR, faults.LATCHES_LOST, faults.RUNAWAY):
        over(bench, code)
    bench.run_ms(100)
    assert bench.app.safety.unsaved
    bench.files.error = None
    bench = again(bench, power=False)
    expected = ["uncommanded_motion", "motor_sensor", "latches_lost", "runaway"]
    assert latched(bench) == expected
    bench.run_ms(100)
    assert bench.board.word == 0
    assert latched(again(bench)) == expected


def test_rubbish_in_the_register_latches_nothing_that_does_not_exist():
    for word in (0, 127, 30 << 7, (1 << 28) - 1):
        board = BenchBoard()
        board.word = word
        assert latched(Bench(board=board)) == []


def test_power_may_fail_at_every_write():
    """What is latched is on flash, or its cause has just been seen; what is cleared may come back once."""
    for cut in range(12):
        files = MemoryFiles()
        safety = Safety({"battery_cells": 0, "motor_ke_uvs": 11_000, "motor_r_mohm": 2_180}, None, None)
        latches = Latches(BenchBoard(), files, safety)
        safety.latch(faults.CRASHED)
        latches.keep()
        files.cut_at = files.operations + cut
        done = []
        try:
            safety.latch(faults.MOTOR_SENSOR)
            latches.keep()
            done.append("latched")
            safety.clear()
            latches.keep()
            done.append("cleared")
        except MemoryFiles.PowerCut:
            pass
        files.cut_at = None
        then = again_latched(files)
        if done == ["latched", "cleared"]:
            assert then == ["motor_sensor"]
        elif done:
            assert then in (["crashed", "motor_sensor"], ["motor_sensor"]), cut
        else:
            assert then in (["crashed"], ["crashed", "motor_sensor"]), cut


def again_latched(files):
    safety = Safety({"battery_cells": 0, "motor_ke_uvs": 11_000, "motor_r_mohm": 2_180}, None, None)
    Latches(BenchBoard(), files, safety)
    return names(safety.latched())


def test_a_write_that_fails_is_tried_again():
    files = MemoryFiles()
    safety = Safety({"battery_cells": 0, "motor_ke_uvs": 11_000, "motor_r_mohm": 2_180}, None, None)
    board = BenchBoard()
    latches = Latches(board, files, safety)
    safety.latch(faults.STALL)
    assert not safety.unsaved  # it does not survive
    safety.latch(faults.CRASHED)
    files.error = 5
    raises(StoreError, latches.keep)
    assert safety.unsaved
    assert board.word == faults.CRASHED
    files.error = None
    latches.keep()
    assert not safety.unsaved
    assert board.word == 0
    assert again_latched(files) == ["crashed"]


# -- codes ------------------------------------------------------------------------------------------


def test_a_code_that_no_fault_has_is_an_error():
    for code in (-1, 0, 30, 31, 63, 64, 1_000):
        assert not faults.known(code)
        raises(ValueError, faults.row, code)
    assert faults.code("no such fault") == faults.NONE
    for row in faults.FAULTS:
        assert faults.code(row[faults.NAME]) == row[faults.CODE]


def test_faults_may_be_added_up_to_code_60():
    """Set, timing, survival, clearing and telemetry of codes that the table does not have yet."""
    before, safety_module, table = faults.FAULTS, sys.modules["massager.safety"], app.Safety
    added = [code for code in range(30, 61) if not faults.known(code)]
    try:
        faults.FAULTS = before + tuple(
            (code, "added_%d" % code, "", "", None, None, 0, 200, "cut", "", "", "", "yes." * (code % 2))
            for code in added
        )
        faults.index()
        del sys.modules["massager.safety"]
        from massager.safety import Safety as Larger

        app.Safety = Larger
        bench = Bench()
        safety = bench.app.safety
        for code in added:
            safety.report(code)
        assert not safety.fault  # their time is not over
        bench.run_ms(190)
        for code in added:
            safety.report(code)
        assert not safety.fault
        bench.run_ms(10)
        for code in added:
            safety.report(code)
        assert safety.latched() == added
        bench.run_ms(100)
        status = bench.call("status")
        assert (status["fault"]["code"], status["fault"]["name"]) == (30, "added_30")
        assert status["fault"]["more"] == len(added) - 1
        assert not safety.clear()
        for code in added:
            safety.report(code, False)
        bench = Bench(bench.switch_off())
        safety = bench.app.safety
        assert safety.latched() == [code for code in added if code % 2]
        for code in safety.latched():
            bench.run_ms(20)
            assert bench.call("status")["fault"]["code"] == code
            assert safety.clear()
        assert not safety.fault
    finally:
        faults.FAULTS = before
        faults.index()
        sys.modules["massager.safety"], app.Safety = safety_module, table
