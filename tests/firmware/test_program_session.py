"""A session that plays a program: stages, cues, motor off in between, shift, skip, back, pause, refusals."""

from array import array

from massager import buttons, cues
from massager import session as sessions
from massager.program import Program
from support import Bench

PROGRAM = (
    ("warm", 20, "ramp", 1, 3, 0, "calf_left", "stage"),
    ("hold", 30, "pulse", 0, 2, 20, "calf_left", "stage"),
    ("rest", 15, "off", 0, 0, 0, "", "none"),
    ("end", 40, "steady", 2, 2, 0, "calf_right", "move_on"),
)
LENGTH_MS = 105_000


def playing(stages=PROGRAM, shift=0, **settings):
    """A bench with the program begun from the host, which never falls silent."""
    bench = Bench()
    bench.app.settings.values.update(settings)
    bench.app.settings.values["host_timeout_s"] = 10_000
    bench.app.configure()
    bench.program = Program("p", stages)
    assert bench.app.session.start_program(bench.program, shift, sessions.REMOTE) == 0
    return bench


def told(bench, kind):
    return [value for name, value in bench.event_names() if name == kind]


def test_a_program_runs_its_stages_and_ends_completed():
    bench = playing()
    bench.run_ms(LENGTH_MS + 100)
    session = bench.app.session
    assert (session.state, sessions.reason_name(session.reason)) == (sessions.IDLE, "completed")
    assert told(bench, "stage") == [2, 3, 4]
    assert told(bench, "cue") == ["stage", "move_on", "last_30_s", "end"]
    assert session.ran_ms <= LENGTH_MS and session.ran_ms > LENGTH_MS - 1_000
    assert session.top_level == 3


def test_stages_and_their_cues_come_on_time():
    bench = playing()
    app = bench.app
    heard = array("i", [0] * 8)  # in the tick nothing can be appended
    count = 0
    give = app._give_cue

    def listen():
        nonlocal count
        heard[count] = app.session.elapsed_ms
        heard[count + 1] = app.session.cue
        count += 2
        give()

    app._give_cue = listen
    bench.run_ms(LENGTH_MS)
    assert count >= 6
    for n, (due_ms, due) in enumerate(
        ((20_000, cues.STAGE), (65_000, cues.MOVE_ON), (75_000, cues.LAST_30_S))
    ):
        assert heard[2 * n + 1] == due and abs(heard[2 * n] - due_ms) <= 10, list(heard)


def test_the_level_follows_the_program_at_the_slew():
    bench = playing()
    program = bench.program
    drive = bench.app.drive
    began_ms = 0
    before = 0
    for index in range(program.count):
        for t_ms in range(0, program.length_ms(index), 10):
            bench.run_ms(10)
            if bench.app.session.state == sessions.ENDING:
                return
            assert abs(drive.position - before) <= 5_000, "faster than a level in 2 s"
            before = drive.position
            target = program.target(index, t_ms // 100, 0)
            elapsed_ms = began_ms + t_ms
            if index == 0 and t_ms > 3_000:  # a soft start of 2 s; the ramp itself is slower than the slew
                assert abs(drive.position // 1000 - target) <= 200, (elapsed_ms, drive.position, target)
        began_ms += program.length_ms(index)


def test_the_motor_is_disarmed_while_the_program_pauses_it():
    bench = playing()
    board = bench.board
    bench.run_ms(20_000 + 6_000)
    assert board.enabled and board.duty and bench.app.session.level == 2
    bench.run_ms(4_000 + 8_000)  # the second half of the period: level 2 takes 4 s to standstill
    session = bench.app.session
    assert session.state == sessions.RUNNING and not session.motor_on
    assert not board.enabled and board.duty == 0 and session.level == 0
    bench.run_ms(5_000)  # the next period has begun
    assert session.motor_on and board.enabled and board.duty


def test_a_timer_never_enables_the_driver():
    stages = (
        ("hold", 30, "off", 0, 0, 0, "hamstring_left", "none"),
        ("turn", 30, "off", 0, 0, 0, "", "stage"),
    )
    bench = playing(stages)
    for _ in range(6_010):
        bench.run_ms(10)
        assert not bench.board.enabled and bench.board.duty == 0
    assert sessions.reason_name(bench.app.session.reason) == "completed"
    assert told(bench, "cue") == ["last_30_s", "end"]  # it comes together with the stage's and goes first
    assert told(bench, "stage") == [2]


def test_stop_ends_a_program_in_every_kind_of_stage():
    for at_ms in (5_000, 42_000, 55_000, 80_000):
        bench = playing()
        bench.run_ms(at_ms)
        bench.board.buttons = buttons.STOP
        bench.run_ms(10)
        assert bench.board.duty == 0 and not bench.board.enabled
        assert sessions.reason_name(bench.app.session.reason) == "stop_button"
        bench.board.buttons = 0
        bench.run_ms(20_000)
        assert not bench.board.enabled


def test_buttons_shift_the_whole_program_within_the_levels():
    bench = playing(max_level=5)
    session = bench.app.session
    bench.press(buttons.PLUS)
    bench.press(buttons.PLUS)
    assert session.play.shift == 2
    bench.press(buttons.PLUS)  # its highest level, 3, is at 5 now
    assert session.play.shift == 2 and told(bench, "cue") == ["limit"]
    for _ in range(3):
        bench.press(buttons.MINUS)
    assert session.play.shift == 0  # its lowest one, 1, is at 1
    assert told(bench, "cue") == ["limit", "limit"]
    bench.press(buttons.PLUS)
    bench.run_ms(24_000)
    assert session.level == 3  # the pulse's 2


def test_a_level_from_the_host_shifts_the_program():
    bench = playing()
    bench.run_ms(70_000)
    assert bench.call("session.level", level=4)["level"] == 4
    assert bench.app.session.play.shift == 2
    assert bench.call("session.level", level=11)["data"]["name"] == "wrong_state"
    assert bench.app.session.play.shift == 2
    bench.call("session.back")
    assert bench.call("session.back")["level"] == 0
    assert bench.call("session.level", level=3)["data"]["name"] == "wrong_state"  # in a motor-off stage
    assert bench.call("session.level", level=12)["data"]["name"] == "out_of_range"


def test_skip_goes_to_the_next_stage_and_shortens_the_session():
    bench = playing()
    bench.run_ms(5_000)
    session = bench.app.session
    assert session.skip()
    assert session.stage() == 2 and session.run_ms == LENGTH_MS - 15_000
    for _ in range(2):
        assert session.skip()
    assert not session.skip() and session.stage() == 4
    assert session.run_ms == 5_000 + 40_000
    bench.run_ms(40_100)
    assert sessions.reason_name(session.reason) == "completed"


def test_back_repeats_a_stage_and_lengthens_the_session_up_to_its_limit():
    bench = playing()
    bench.run_ms(25_000)
    session = bench.app.session
    assert session.back() and session.stage() == 2
    assert session.run_ms == LENGTH_MS + 5_000
    bench.run_ms(1_000)
    assert session.back() and session.stage() == 1
    assert session.run_ms == LENGTH_MS + 5_000 + 21_000
    bench.run_ms(10_000)
    session._settings.values["session_limit_s"] = 300
    for _ in range(100):
        if not session.back():
            break
        bench.run_ms(5_000)
    else:
        raise AssertionError("never refused")
    assert session.run_ms <= 300_000
    bench.run_ms(300_000)
    assert session.state == sessions.IDLE and session.ran_ms <= 300_000


def test_mode_with_plus_and_minus_skips_and_goes_back():
    bench = playing()
    bench.run_ms(10_000)
    board, session = bench.board, bench.app.session
    board.buttons = buttons.MODE
    bench.run_ms(100)
    bench.press(buttons.PLUS)
    assert session.stage() == 2 and session.play.shift == 0
    bench.press(buttons.MINUS)
    assert session.stage() == 1
    board.buttons = 0
    bench.run_ms(100)
    assert session.state == sessions.RUNNING  # letting go of MODE paused nothing


def test_a_plain_session_has_no_stages_to_skip():
    bench = Bench()
    bench.start()
    session = bench.app.session
    assert not session.skip() and not session.back() and session.stage() == 0
    assert bench.call("session.skip")["data"]["name"] == "wrong_state"
    assert bench.call("session.back")["data"]["name"] == "wrong_state"
    assert session.run_ms == 600_000


def test_the_program_goes_on_through_a_pause():
    bench = playing()
    bench.run_ms(15_000)
    session = bench.app.session
    assert session.pause()
    bench.run_ms(10_000)
    assert session.stage() == 2 and not bench.board.enabled
    assert "stage" not in told(bench, "cue")  # nobody holds it
    assert session.resume()
    bench.run_ms(3_000)
    assert bench.board.enabled and session.level == 2
    bench.run_ms(LENGTH_MS)
    assert sessions.reason_name(session.reason) == "completed" and session.ran_ms <= LENGTH_MS


def test_move_on_comes_inside_long_stages_but_not_in_timers():
    stages = (("long", 100, "steady", 1, 1, 0, "", "none"), ("off", 100, "off", 0, 0, 0, "", "none"))
    bench = playing(stages + (("end", 40, "steady", 1, 1, 0, "", "none"),), area_s=40)
    bench.run_ms(241_000)
    assert told(bench, "cue") == ["move_on", "move_on", "last_30_s", "end"]


def test_a_program_that_does_not_fit_is_refused_by_button_and_host():
    bench = Bench()
    bench.app.settings.take({"max_level": 2})
    program = Program("p", PROGRAM)
    session = bench.app.session
    assert session.start_program(program, 0, sessions.BUTTON) == sessions.PROGRAM_INVALID
    assert session.cue == cues.REFUSED
    session.selected = program
    bench.press(buttons.PLUS)
    assert session.state == sessions.IDLE
    session.selected = Program("damaged", ())
    bench.press(buttons.PLUS)
    assert session.state == sessions.IDLE and session.refused == 0  # taken by the journal


def test_a_fault_ends_a_program():
    bench = playing()
    bench.run_ms(10_000)
    bench.follows = False
    bench.board.tach_periods = bench.board.tach_count = 0
    bench.board.adc_current = 40_000
    bench.run_ms(1_000)
    assert sessions.reason_name(bench.app.session.reason) == "fault"
    assert not bench.board.enabled
    bench.run_ms(60_000)
    assert not bench.board.enabled


def test_telemetry_and_status_name_the_stage():
    bench = playing()
    bench.run_ms(25_000)
    status = bench.call("status")
    assert (status["program"], status["stage"], status["shift"]) == ("p", 2, 0)
    assert status["stage_left_ms"] == 25_000
    bench.app.session.stop(sessions.HOST_STOP)
    status = bench.call("status")
    assert (status["program"], status["stage"], status["stage_left_ms"]) == (None, None, None)
