"""Changes that take a protection its measure: a host asks, a press of MODE decides, all or nothing."""

from massager import cues
from massager import session as sessions
from massager import settings as table
from massager.authority import BUTTONS, FREE, IDLE, IDLE_REMOTE, PRESS
from massager.buttons import MINUS, MODE, PLUS, STOP
from massager.confirm import WITHIN_MS
from massager.panel import LEAD_MS
from massager.sense import HANDLE, Sense
from massager.settings import TABLE, Settings
from support import Bench, BenchBoard

WEAKER = {"isense_mv_per_a": 2_000, "area_s": 60}


def outcomes(bench):
    return [value for name, value in bench.event_names() if name == "confirm"]


def asked(values=WEAKER, bench=None, lead_ms=LEAD_MS):
    """A device that was asked lead_ms ago, and the values from before."""
    bench = bench or Bench()
    before = dict(bench.app.settings.values)
    error = bench.call("settings.set", values=values)
    assert error["data"]["name"] == "confirm_needed", error
    assert error["data"]["within_s"] == 20
    assert bench.app.settings.values == before
    bench.run_ms(lead_ms)
    return bench, before


def test_mode_applies_all_of_it():
    bench, _ = asked()
    bench.press(MODE)
    assert outcomes(bench) == ["asked", "applied"]
    assert bench.app.settings["isense_mv_per_a"] == 2_000
    assert bench.app.settings["area_s"] == 60
    assert bench.call("status")["unsaved"] == [
        "area_s",
        "remote_start",
        "acknowledged",
        "isense_mv_per_a",
    ]
    assert bench.app.sense._ma_full == 3_300_000 // 2_000  # handed to who works with it
    assert bench.app.selected == "steady"  # the press chose no program


def test_only_the_names_that_need_it_are_named():
    bench = Bench()
    error = bench.call("settings.set", values={"ntc_beta_k": 4_000, "slew_s": 3, "pad_sensor": False})
    assert sorted(error["data"]["names"]) == ["ntc_beta_k", "pad_sensor"]
    bench = Bench(remote=False)
    error = bench.call("settings.set", values={"ntc_beta_k": 4_000, "slew_s": 3, "area_s": 60})
    assert sorted(error["data"]["names"]) == ["ntc_beta_k", "slew_s"]


def test_any_other_button_calls_it_off_and_does_what_it_always_does():
    for button, outcome, state in (
        (PLUS, "refused", sessions.PAUSED),  # it starts, and MODE pauses
        (MINUS, "refused", sessions.IDLE),
        (STOP, "refused", sessions.IDLE),
    ):
        bench, before = asked()
        bench.press(button)
        bench.press(MODE)
        assert outcomes(bench) == ["asked", outcome], button
        assert bench.app.settings.values == before
        assert bench.app.session.state == state


def test_a_press_in_its_first_second_was_meant_for_something_else():
    for ms_before in (20, LEAD_MS - 100):
        bench, before = asked(lead_ms=ms_before)
        bench.press(MODE)
        assert outcomes(bench) == ["asked"]
        assert bench.app.settings.values == before
        assert bench.app.selected == "warm-up"
        bench.run_ms(LEAD_MS)
        bench.press(MODE)
        assert outcomes(bench) == ["asked", "applied"]


def test_a_host_that_asks_does_not_keep_mode_from_taking_its_permission_away():
    bench = Bench()
    bench.board.buttons |= MODE
    bench.run_ms(1_500)
    asked(bench=bench)
    bench.run_ms(1_000)
    bench.board.buttons &= ~MODE
    assert not bench.app.settings["remote_start"]


def test_a_press_that_outlasts_the_question_does_nothing():
    bench, before = asked()
    bench.board.buttons |= MODE
    bench.run_ms(100)
    bench.call("settings.reset", names=["area_s"])  # replaced
    bench.board.buttons &= ~MODE
    bench.run_ms(100)
    assert outcomes(bench) == ["asked", "replaced"]
    assert bench.app.selected == "steady"
    assert bench.app.settings.values == before


def test_mode_held_is_no_agreement():
    bench, before = asked(bench=Bench(remote=False))
    bench.press(MODE, 3_500)
    assert outcomes(bench) == ["asked", "refused"]
    assert bench.app.settings.values == before


def test_a_press_that_began_before_the_question_is_no_answer():
    bench = Bench()
    bench.board.buttons |= MODE
    bench.run_ms(10)  # not even debounced
    bench, before = asked(bench=bench)
    bench.board.buttons &= ~MODE
    bench.run_ms(100)
    assert bench.app.settings.values == before
    assert outcomes(bench) == ["asked"]
    assert bench.app.selected == "warm-up"  # what it was meant for
    bench.press(MODE)
    assert outcomes(bench) == ["asked", "applied"]


def test_nobody_answers():
    bench, before = asked()
    bench.run_ms(WITHIN_MS)
    assert outcomes(bench) == ["asked", "expired"]
    bench.press(MODE)
    assert bench.app.settings.values == before


def test_another_request_about_settings_takes_its_place():
    for method, params in (
        ("settings.set", {"values": {}}),
        ("settings.set", {"values": {"area_s": 1}}),  # even one that is refused
        ("settings.reset", {"names": ["area_s"]}),
    ):
        bench, before = asked()
        bench.call(method, **params)
        bench.press(MODE)
        assert outcomes(bench) == ["asked", "replaced"], method
        assert bench.app.settings.values == before
    bench, _ = asked()
    error = bench.call("settings.set", values={"isense_mv_per_a": 1_500})
    assert (error["data"]["name"], error["data"]["wait_s"]) == ("confirm_later", 5)
    bench.run_ms(5_000)
    asked({"isense_mv_per_a": 1_500}, bench)
    bench.press(MODE)
    assert outcomes(bench) == ["asked", "replaced", "asked", "applied"]
    assert bench.app.settings["isense_mv_per_a"] == 1_500
    assert bench.app.settings["area_s"] == 90


def test_a_host_that_asks_without_end_takes_few_presses_of_mode():
    bench = Bench()
    asked = selected = 0
    for second in range(3_600):
        for _ in range(2):
            bench.call("settings.set", values={"isense_mv_per_a": 1_500})
            bench.run_ms(500)
        if second % 60 == 30:
            before = bench.app.selected
            bench.press(MODE)
            selected += bench.app.selected != before
            asked += outcomes(bench).count("asked")
            bench.board.console.sent = bytearray()  # a Pico's heap does not hold all of an hour
    assert bench.app.settings["isense_mv_per_a"] == 1_120
    assert selected == 60
    assert 5 < asked < 15


def test_the_time_until_the_next_question_doubles_and_a_yes_ends_it():
    bench = Bench()
    waits = []
    for _ in range(9):
        error = bench.call("settings.set", values={"isense_mv_per_a": 1_500})
        assert error["data"]["name"] == "confirm_needed", error
        bench.run_ms(WITHIN_MS + 20)
        error = bench.call("settings.set", values={"isense_mv_per_a": 1_500})
        waits.append(error["data"]["wait_s"])
        bench.run_ms(waits[-1] * 1_000)
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    bench.agree(isense_mv_per_a=1_500)
    bench.agree(isense_mv_per_a=1_600)


def test_a_restart_does_not_make_questions_endless():
    for method in ("reboot", "maintenance"):
        bench, _ = asked()
        assert bench.call(method)["data"]["name"] == "confirm_later"
        bench.run_ms(WITHIN_MS)
        error = bench.call(method)
        assert error["data"]["name"] == "confirm_later" and 0 < error["data"]["wait_s"] <= 5
        bench.run_ms(5_000)
        assert bench.call(method) == {"rebooting": True}


def test_status_shows_what_is_asked():
    bench, _ = asked()
    assert bench.call("status")["confirm"] == {
        "number": 1,
        "names": ["isense_mv_per_a"],
        "more": 0,
        "left_s": 19,
    }
    bench.press(MODE)
    assert bench.call("status")["confirm"] is None


def test_a_fault_that_says_something_is_broken_is_cleared_with_a_press():
    bench = Bench()
    bench.board.temperatures[HANDLE] = 65_535
    bench.run_ms(500)
    assert bench.call("fault.clear")["data"]["name"] == "cause_lasts"
    bench.board.temperatures[HANDLE] = 32_768
    bench.run_ms(500)
    error = bench.call("fault.clear")
    assert (error["data"]["name"], error["data"]["names"]) == ("confirm_needed", ["handle_sensor"])
    assert bench.app.safety.fault
    bench.run_ms(LEAD_MS)
    bench.press(MODE)
    assert not bench.app.safety.fault


def test_a_session_and_a_fault_call_it_off():
    for what in ("session", "fault"):
        bench, before = asked()
        before = dict(bench.app.settings.values)
        if what == "session":
            bench.start()
            before["host_timeout_s"] = bench.app.settings["host_timeout_s"]
        else:
            bench.board.temperatures[HANDLE] = 65_535
            bench.run_ms(500)
            assert bench.app.safety.fault
        bench.run_ms(20)
        bench.press(MODE)
        assert outcomes(bench) == ["asked", "cancelled"], what
        assert bench.app.settings.values == before


def test_it_does_not_survive_a_restart():
    bench, before = asked()
    bench.call("settings.save")
    again = Bench(bench.switch_off(), remote=False)
    again.press(MODE)
    assert again.app.settings.values == before
    assert outcomes(again) == []


def test_a_latched_fault_does_not_stand_in_the_way():
    board = BenchBoard()
    board.temperatures = [32_768, 32_768, 32_768, 65_535, 32_768]
    bench = Bench(board=board)
    bench.run_ms(1_000)
    assert bench.call("status")["fault"]["name"] == "pad_sensor"
    bench.agree(pad_sensor=False)
    assert bench.clear() == {"cleared": "pad_sensor"}


def test_the_other_direction_needs_nobody():
    bench = Bench()
    assert bench.call("settings.set", values={"host_timeout_s": 1})["changed"] == ["host_timeout_s"]
    error = bench.call("settings.reset", names=["host_timeout_s"])  # back is up again
    assert error["data"]["names"] == ["host_timeout_s"]
    assert bench.call("settings.set", values={"pad_sensor": True})["changed"] == ["pad_sensor"]


def test_not_in_maintenance():
    bench = Bench()
    bench.call("maintenance")
    again = Bench(bench.switch_off())
    assert again.call("settings.set", values=WEAKER)["data"]["name"] == "wrong_state"


def test_light_and_cue_ask():
    bench, _ = asked()
    assert ("cue", "confirm") in bench.event_names()
    bench.run_ms(1_000)
    seen = set()
    for _ in range(60):
        bench.run_ms(10)
        seen.add(bench.board.rgb)
    assert seen == {cues.CYAN, cues.DARK}
    bench.press(MODE)
    bench.run_ms(1_000)
    assert bench.board.rgb == cues.BLUE


def test_a_batch_is_staged_and_taken_at_once():
    bench = Bench()
    assert bench.call("settings.stage", begin=True, values={"max_level": 5, "area_s": 60})["staged"] == 2
    assert bench.call("settings.stage", values={"slew_s": 5})["staged"] == 3
    assert bench.app.settings["area_s"] == 90
    result = bench.call("settings.set", staged=3, values={"default_level": 4})
    assert sorted(result["changed"]) == ["area_s", "default_level", "max_level", "slew_s"]
    assert bench.app.settings["default_level"] == 4


def test_what_is_staged_is_never_taken_by_another_request():
    bench = Bench()
    bench.call("settings.stage", begin=True, values={"slew_s": 5})
    assert bench.call("settings.set", values={"area_s": 60})["changed"] == ["area_s"]
    assert bench.call("settings.set", staged=1, values={})["data"]["name"] == "invalid_params"
    bench.call("settings.stage", begin=True, values={"slew_s": 5})
    bench.call("settings.stage", begin=True, values={"slew_s": 5, "area_s": 30})
    assert bench.call("settings.set", staged=1, values={})["data"]["name"] == "invalid_params"
    assert bench.app.settings["slew_s"] == 2


def test_a_bad_value_ends_the_batch():
    bench = Bench()
    bench.call("settings.stage", begin=True, values={"slew_s": 5})
    for values in ({"area_s": 1}, {"turbo": 1}, {"area_s": True}):
        assert bench.call("settings.stage", values=values)["data"]["setting"] in values
        assert bench.app.staged == {}
    bench.call("settings.stage", begin=True, values={"slew_s": 5})
    bench.call("settings.set", staged=1, values={"area_s": 1})
    assert bench.app.settings["slew_s"] == 2
    bench.call("settings.stage", begin=True, values={"max_level": 2})
    conflict = bench.call("settings.set", staged=1, values={"min_level": 3})
    assert conflict["data"]["name"] == "conflict"
    assert bench.app.settings["max_level"] == 11


def hot_dc(**values):
    """What a thermistor at about 60 C reads as, in 0.1 C, under these settings."""
    settings = Settings()
    settings.take(values)
    sense = Sense(settings)
    board = BenchBoard()
    board.temperatures = [14_000] * 5
    for _ in range(40):
        board.sample()
        sense.update(board, 0)
    return sense.temperatures_dc[HANDLE]


def test_the_direction_that_weakens_is_the_one_in_which_less_is_seen():
    right = hot_dc()
    assert 500 < right < 700
    assert hot_dc(ntc_beta_k=4_300) < right < hot_dc(ntc_beta_k=3_600)
    assert hot_dc(ntc_pullup_ohm=12_000) < right < hot_dc(ntc_pullup_ohm=8_000)
    settings = Settings()
    full = []
    for gain in (1_000, 1_120, 2_000):
        settings.take({"isense_mv_per_a": gain})
        full.append(Sense(settings)._ma_full)
    assert full == sorted(full, reverse=True)


def test_what_scales_a_measurement_or_the_rate_needs_a_press_in_both_directions():
    settings = Settings()
    found = []
    for row in TABLE:
        name = row[table.NAME]
        other = [v for v in (settings[name] - 1, settings[name] + 1) if table.check(name, v) == table.OK]
        if len(other) == 2 and all(settings.authority(name, value) == PRESS for value in other):
            found.append(name)
    assert found == [
        "current_limit_ma",
        "battery_cells",
        "motor_r_mohm",
        "motor_ke_uvs",
        "motor_no_load_ma",
        "tach_ppr",
        "isense_mv_per_a",
        "supply_ratio_milli",
        "ntc_beta_k",
        "ntc_pullup_ohm",
        "drive_comp_pct",
        "drive_kp",
        "drive_ki",
    ]


def test_a_value_in_force_needs_nothing_and_one_that_weakens_a_press():
    settings = Settings()
    settings.take({"day_limit_min": 10, "rest_s": 60, "slew_s": 5, "max_level": 5})
    for name, value, needs in (
        ("motor_ke_uvs", settings["motor_ke_uvs"], FREE),
        ("day_limit_min", 9, IDLE),
        ("day_limit_min", 11, PRESS),
        ("day_limit_min", 0, PRESS),
        ("area_limit_min", 5, IDLE),
        ("rest_s", 61, IDLE),
        ("rest_s", 59, PRESS),
        ("slew_s", 6, IDLE_REMOTE),
        ("slew_s", 4, PRESS),
        ("max_level", 4, IDLE_REMOTE),
        ("max_level", 6, PRESS),
        ("default_level", 2, IDLE_REMOTE),
        ("host_timeout_s", 2, IDLE),
        ("host_timeout_s", 4, PRESS),
        ("pad_sensor", False, PRESS),
        ("remote_start", True, BUTTONS),
        ("remote_start", False, FREE),
        ("area_s", 30, FREE),
    ):
        assert settings.authority(name, value) == needs, (name, value)
