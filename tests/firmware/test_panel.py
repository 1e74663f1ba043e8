"""Panel: presses, long presses, stuck buttons, the LED; and the cues that answer."""

from massager import buttons, cues, faults
from massager import session as sessions
from support import Bench, BenchBoard


def ready(**options):
    bench = Bench(**options)
    bench.run_ms(50)
    return bench


def test_plus_starts_at_the_default_level_and_raises():
    bench = ready(remote=False)
    bench.app.settings.take({"default_level": 2})
    bench.press(buttons.PLUS)
    assert bench.app.session.state == sessions.RUNNING
    assert bench.app.session.level == 2
    bench.press(buttons.PLUS)
    assert bench.app.session.level == 3
    bench.press(buttons.MINUS)
    bench.press(buttons.MINUS)
    assert bench.app.session.level == 1


def test_one_press_is_one_step_however_long_and_bouncing():
    bench = ready(remote=False)
    for _ in range(5):  # contact bounce, shorter than the debounce time
        bench.board.buttons = buttons.PLUS
        bench.run_ms(20)
        bench.board.buttons = 0
        bench.run_ms(10)
    assert bench.app.session.state == sessions.IDLE
    bench.press(buttons.PLUS, ms=2_000)
    assert bench.app.session.level == 1


def test_the_ends_of_the_range_are_told_with_a_cue():
    bench = ready(remote=False)
    bench.app.settings.take({"max_level": 2, "default_level": 2})
    bench.press(buttons.PLUS)
    bench.press(buttons.PLUS)
    assert bench.app.session.level == 2
    bench.press(buttons.MINUS)
    bench.press(buttons.MINUS)
    assert bench.app.session.level == 1
    assert bench.event_names().count(("cue", "limit")) == 2


def test_mode_pauses_and_resumes():
    bench = ready(remote=False)
    bench.press(buttons.PLUS)
    bench.press(buttons.MODE)
    assert bench.app.session.state == sessions.PAUSED
    bench.press(buttons.MODE)
    assert bench.app.session.state == sessions.RUNNING


def test_mode_held_three_seconds_allows_remote_starts_and_keeps_it():
    bench = ready(remote=False)
    bench.app.settings.take({"area_s": 60})
    bench.press(buttons.MODE, ms=2_900)
    assert not bench.app.settings["remote_start"]
    bench.press(buttons.MODE, ms=3_100)
    assert bench.app.settings["remote_start"]
    assert bench.app.settings.unsaved() == ["area_s"]
    assert Bench(bench.files, remote=False).app.settings["remote_start"]
    bench.press(buttons.MODE, ms=3_100)
    assert not Bench(bench.files, remote=False).app.settings["remote_start"]
    names = bench.event_names()
    assert ("cue", "remote_on") in names
    assert ("cue", "remote_off") in names


def test_mode_held_with_a_full_flash_changes_nothing():
    bench = ready(remote=False)
    bench.files.error = 28
    bench.press(buttons.MODE, ms=3_100)
    assert not bench.app.settings["remote_start"]
    assert ("cue", "refused") in bench.event_names()


def test_a_button_held_ten_seconds_is_stuck_and_refuses_the_start():
    bench = ready()
    bench.press(buttons.STOP)
    bench.allow()
    bench.board.buttons = buttons.MINUS
    bench.run_ms(10_500)
    assert bench.call("status")["refusals"] == ["button_stuck"]
    bench.board.buttons = 0
    bench.run_ms(50)
    assert bench.call("status")["refusals"] == []


def test_a_plus_that_stays_closed_starts_nothing_not_even_when_it_opens():
    for held_ms in (3_100, 12_000):
        bench = Bench(remote=False)
        bench.board.buttons = buttons.PLUS
        bench.run_ms(held_ms)
        assert bench.app.session.state == sessions.IDLE
        bench.board.buttons = 0
        bench.run_ms(200)
        assert bench.app.session.state == sessions.IDLE
        bench.press(buttons.PLUS)
        assert bench.app.session.state == sessions.RUNNING


def test_a_button_down_at_power_on_starts_nothing():
    bench = Bench(remote=False, settle=False)
    bench.board.buttons = buttons.PLUS
    bench.run_ms(5_000)
    assert bench.app.session.state == sessions.IDLE
    bench.board.buttons = 0
    bench.run_ms(50)
    bench.press(buttons.PLUS)
    assert bench.app.session.state == sessions.RUNNING


def test_stop_wins_over_every_other_button():
    bench = ready(remote=False)
    bench.board.buttons = buttons.STOP | buttons.PLUS
    bench.run_ms(100)
    assert bench.app.session.state == sessions.IDLE


def test_stop_held_two_seconds_clears_a_fault_whose_cause_is_gone():
    bench = ready()
    bench.board.temperatures[0] = 65_500
    bench.run_ms(1_000)
    bench.press(buttons.STOP, ms=2_500)
    assert bench.app.safety.fault
    assert ("cue", "refused") in bench.event_names()
    bench.board.temperatures[0] = 32_768
    bench.run_ms(1_000)
    bench.press(buttons.STOP, ms=1_500)
    assert bench.app.safety.fault
    bench.press(buttons.STOP, ms=2_500)
    assert bench.app.safety.fault == 0


def broken(ms=1_000, **options):
    """A device whose motor thermistor was off for a while: the fault is latched, its cause gone."""
    bench = ready(**options)
    bench.board.temperatures[0] = 65_500
    bench.run_ms(ms)
    assert bench.app.safety.fault == faults.MOTOR_SENSOR
    bench.board.temperatures[0] = 32_768
    bench.run_ms(1_000)
    return bench


def test_stop_clears_when_it_is_let_go_and_the_light_says_when():
    bench = broken()
    bench.board.buttons = buttons.STOP
    bench.run_ms(1_900)
    lights = set()
    for _ in range(60):
        bench.run_ms(10)
        lights.add(bench.board.rgb)
    assert lights == {cues.RED, cues.DARK}
    lights = set()
    for _ in range(60):
        bench.run_ms(10)
        lights.add(bench.board.rgb)
    assert lights == {cues.RED}  # calm: let go now
    assert bench.app.safety.fault
    bench.board.buttons = 0
    bench.run_ms(20)
    assert bench.app.safety.fault == 0


def test_stop_that_stays_open_for_ten_seconds_clears_nothing():
    bench = broken()
    bench.press(buttons.STOP, ms=9_900)
    assert bench.app.safety.fault == 0
    bench = broken()
    bench.press(buttons.STOP, ms=10_100)
    assert bench.app.safety.fault


def test_stop_open_at_power_on_clears_nothing_but_the_next_press_does():
    for held_ms in (2_500, 5_000, 9_000):
        board = BenchBoard()
        board.buttons = buttons.STOP
        board.cause = ("watchdog", 0, 0)
        bench = Bench(board=board, settle=False)
        bench.run_ms(held_ms)
        board.buttons = 0
        bench.run_ms(1_500)
        assert bench.app.safety.fault == faults.WATCHDOG_RESET, held_ms
        bench.press(buttons.STOP, ms=2_500)
        assert bench.app.safety.fault == 0


def test_stop_pressed_before_the_fault_was_shown_does_not_clear_it():
    for before_ms in (300, 10):
        bench = ready()
        bench.board.buttons = buttons.STOP
        bench.run_ms(before_ms)
        bench.app.safety.report(faults.CRASHED)
        bench.app.safety.report(faults.CRASHED, False)
        bench.run_ms(4_000)
        bench.board.buttons = 0
        bench.run_ms(50)
        assert bench.app.safety.fault == faults.CRASHED
        bench.press(buttons.STOP, ms=2_500)
        assert bench.app.safety.fault == 0
    bench = ready()
    bench.app.safety.report(faults.CRASHED)  # and STOP in the tick that latches it
    bench.app.safety.report(faults.CRASHED, False)
    bench.press(buttons.STOP, ms=2_500)
    assert bench.app.safety.fault == faults.CRASHED


def test_a_fault_that_comes_while_stop_is_held_is_not_agreed_to():
    bench = broken()
    bench.board.buttons = buttons.STOP
    bench.run_ms(1_500)
    bench.app.safety.report(faults.CRASHED)
    bench.app.safety.report(faults.CRASHED, False)
    bench.run_ms(2_000)
    bench.board.buttons = 0
    bench.run_ms(50)
    assert bench.app.safety.fault == faults.MOTOR_SENSOR


def late_tick(bench, ms):
    """Something between the ticks takes as long as `ms`: a write to flash, a test, a collection."""
    bench.board.wait_us(ms * 1_000)


def test_a_contact_seen_in_one_sample_is_no_press_however_late_the_tick_is():
    for late_ms in (40, 300, 900):
        for button in (buttons.PLUS, buttons.MINUS, buttons.MODE):
            bench = ready(remote=False)
            late_tick(bench, late_ms)
            bench.board.buttons = button
            bench.run_ms(20)  # two samples, the first one late
            bench.board.buttons = 0
            bench.run_ms(100)
            assert bench.app.session.state == sessions.IDLE
            assert bench.app.selected == "steady"
            assert ("button", "plus") not in bench.event_names()


def test_a_long_press_needs_its_whole_time_seen():
    bench = ready(remote=False)
    bench.board.buttons = buttons.MODE
    bench.run_ms(1_000)
    late_tick(bench, 900)
    bench.run_ms(1_000)
    late_tick(bench, 900)
    bench.run_ms(900)
    assert not bench.app.settings["remote_start"]
    bench.run_ms(200)
    assert bench.app.settings["remote_start"]


def test_stop_held_needs_its_whole_time_seen():
    bench = broken()
    bench.board.buttons = buttons.STOP
    bench.run_ms(1_000)
    late_tick(bench, 900)
    bench.run_ms(500)
    bench.board.buttons = 0
    bench.run_ms(50)
    assert bench.app.safety.fault


def test_a_contact_that_opens_for_a_moment_is_one_press():
    bench = ready(remote=False)
    bench.press(buttons.PLUS)
    assert bench.app.session.level == 1
    bench.board.buttons = buttons.PLUS
    for _ in range(5):
        bench.run_ms(100)
        bench.board.buttons = 0
        bench.run_ms(20)
        bench.board.buttons = buttons.PLUS
    bench.run_ms(100)
    assert bench.app.session.level == 2


def test_stop_voids_every_press_under_way():
    for button in (buttons.PLUS, buttons.MINUS, buttons.MODE):
        for before_ms in (10, 100, 2_900):
            bench = ready(remote=False)
            bench.board.buttons = button
            bench.run_ms(before_ms)
            bench.board.buttons = button | buttons.STOP
            bench.run_ms(100)
            bench.board.buttons = button
            bench.run_ms(500)
            bench.board.buttons = 0
            bench.run_ms(200)
            assert bench.app.session.state == sessions.IDLE
            assert bench.app.selected == "steady"
            assert not bench.app.settings["remote_start"]
            bench.press(buttons.PLUS)
            assert bench.app.session.state == sessions.RUNNING


def test_a_press_that_begins_while_stop_is_open_does_nothing():
    bench = ready(remote=False)
    bench.board.buttons = buttons.STOP
    bench.run_ms(100)
    bench.board.buttons = buttons.STOP | buttons.PLUS
    bench.run_ms(100)
    bench.board.buttons = buttons.PLUS
    bench.run_ms(100)
    bench.board.buttons = 0
    bench.run_ms(100)
    assert bench.app.session.state == sessions.IDLE


def test_a_press_does_not_outlast_the_session_it_was_meant_for():
    for end in (
        lambda bench: bench.call("session.stop"),
        lambda bench: bench.app.safety.report(faults.DRIVER_FAULT),
    ):
        for button in (buttons.MODE, buttons.PLUS, buttons.MINUS):
            bench = ready()
            bench.start()
            bench.board.buttons = button
            bench.run_ms(100)
            end(bench)
            bench.run_ms(100)
            bench.app.safety.report(faults.DRIVER_FAULT, False)
            bench.app.safety.clear()
            bench.run_ms(3_500)
            bench.board.buttons = 0
            bench.run_ms(200)
            assert bench.app.session.state == sessions.IDLE
            assert bench.app.selected == "steady"
            assert bench.app.settings["remote_start"]


def test_a_press_starts_no_other_program_than_was_selected_when_it_began():
    bench = ready()
    bench.board.buttons = buttons.PLUS
    bench.run_ms(100)
    bench.call("program.select", name="roller")
    bench.board.buttons = 0
    bench.run_ms(100)
    assert bench.app.session.state == sessions.IDLE
    bench.press(buttons.PLUS)
    assert bench.app.session.play.program.name == "roller"


def test_a_press_from_before_the_self_test_has_passed_starts_nothing():
    bench = Bench(remote=False, settle=False)
    bench.run_ms(50)
    assert bench.app.selftest.state == "running"
    bench.board.buttons = buttons.PLUS
    for _ in range(100):
        if bench.app.selftest.state == "running":
            bench.run_ms(10)
    bench.run_ms(100)
    bench.board.buttons = 0
    bench.run_ms(100)
    assert bench.app.session.state == sessions.IDLE
    bench.press(buttons.PLUS)
    assert bench.app.session.state == sessions.RUNNING


def test_the_led_tells_the_state():
    bench = ready(remote=False)
    assert bench.board.rgb == 7
    bench.app.settings.take({"remote_start": True, "acknowledged": True})
    bench.run_ms(20)
    assert bench.board.rgb == 1
    bench.press(buttons.PLUS)
    assert bench.board.rgb == 2
    bench.press(buttons.MODE)
    seen = set()
    for _ in range(60):
        bench.run_ms(10)
        seen.add(bench.board.rgb)
    assert seen == {0, 6}
    bench.board.temperatures[0] = 65_500
    bench.run_ms(1_000)
    seen = set()
    for _ in range(60):
        bench.run_ms(10)
        seen.add(bench.board.rgb)
    assert seen == {0, 4}


def waveform(bench, ms):
    """(Hz, ms) of what the buzzer does, silence at the end left out."""
    runs = []
    for _ in range(ms // 10):
        bench.run_ms(10)
        if runs and runs[-1][0] == bench.board.hz:
            runs[-1][1] += 10
        else:
            runs.append([bench.board.hz, 10])
    return [tuple(run) for run in runs if run is not runs[-1] or run[0]]


def test_cues_sound_as_their_table_says():
    for row in cues.CUES:
        bench = ready()
        bench.app.session.cue = row[0]
        expected = []
        for hz, on_ms, off_ms in row[4]:
            expected += [(hz, on_ms), (0, off_ms)]
        expected.pop()
        assert waveform(bench, 2_000) == expected


def test_the_light_flashes_along_with_a_cue_also_without_the_buzzer():
    for row in cues.CUES:
        bench = ready()
        bench.app.settings.take({"buzzer": False})
        bench.app.session.cue = row[0]
        bench.run_ms(20)  # the light is shown between ticks, one later
        for _, on_ms, off_ms in row[4]:
            assert bench.board.rgb == row[5], row[1]
            bench.run_ms(on_ms)
            if off_ms:
                assert bench.board.rgb == cues.DARK, row[1]
                bench.run_ms(off_ms)
        bench.run_ms(20)
        assert bench.board.rgb == cues.BLUE and bench.board.hz == 0  # idle, a host may start


def test_every_cue_can_be_told_from_every_other_by_ear_and_by_eye_and_ear_together():
    assert len({row[4] for row in cues.CUES}) == len(cues.CUES)


def dark_slots(bench, slots):
    """How long the idle light goes dark each time, in slots of 128 ms."""
    runs, run = [], 0
    for _ in range(slots):
        bench.run_ms(130)
        if bench.board.rgb == cues.DARK:
            run += 1
        elif run:
            runs.append(run)
            run = 0
    return runs


def test_the_idle_light_counts_the_selected_program_out():
    for number, fives, ones in ((1, 0, 0), (2, 0, 2), (5, 1, 0), (13, 2, 3)):
        bench = ready()
        bench.app.select(bench.app.library.names[number - 1])
        runs = dark_slots(bench, 12 + fives * 6 + ones * 3 + 1)
        assert sum(1 for run in runs if run >= 3) == fives, (number, runs)
        assert sum(1 for run in runs if run <= 2) == ones, (number, runs)


def test_a_selection_is_beeped_out():
    bench = ready()
    for _ in range(6):
        bench.press(buttons.MODE)
        bench.run_ms(3_000)
    bench.board.buttons |= buttons.MODE
    bench.run_ms(100)
    bench.board.buttons = 0
    sounds = [hz for hz, _ in waveform(bench, 3_000) if hz]
    assert sounds == [cues.FIVE[0]] + [cues.ONE[0]] * 3  # number 8


def test_the_buzzer_can_be_silenced_and_the_motor_still_dips():
    bench = ready()
    bench.app.settings.take({"buzzer": False, "area_s": 30})
    bench.start(level=1)
    bench.run_ms(29_000)
    demands = set()
    for _ in range(200):
        bench.run_ms(10)
        demands.add(bench.app.drive.demand_opm)
        assert bench.board.hz == 0
    assert min(demands) == 750 and max(demands) == 1000
