"""Boundaries of Session, which stands alone here: each time and level from both sides, and every transition.

The numbers are the design's, written out: a change in the firmware needs the same change here.
"""

from massager import cues, faults
from massager import session as sessions
from massager.dose import Dose
from massager.events import Events
from massager.session import Session
from support import raises


class Told:
    """In the place of Drive, Safety, Permission and a blocker: log is what a session told them."""

    def __init__(self):
        self.log = []
        self.blocks = self.suspended = 0
        self.position = 1
        self.falls_ms = 0
        self.fault = faults.NONE
        self.more = 0
        self.limiters = 0

    def session_over(self):
        pass

    def rise_to(self, level):
        self.log.append(("rise_to", level))

    def fall(self):
        self.log.append("fall")

    def halt(self):
        self.log.append("halt")

    def fall_ms(self):
        return self.falls_ms

    def session_started(self):
        self.log.append("session_started")

    def motor_started(self):
        self.log.append("motor_started")

    def motor_stopped(self):
        self.log.append("motor_stopped")

    def take(self):
        log, self.log = self.log, []
        return log


class Values:
    """Settings as a session reads them, all of them saved."""

    invalid = False

    def __init__(self):
        self._values = {
            "host_timeout_s": 3,
            "area_s": 90,
            "remote_start": True,
            "acknowledged": True,
            "min_level": 2,
            "max_level": 5,
            "session_limit_s": 600,
            "rest_s": 0,
            "day_limit_min": 0,
            "area_limit_min": 0,
        }

    def __getitem__(self, name):
        return self._values[name]

    def __setitem__(self, name, value):
        self._values[name] = value


ON = ["motor_started", ("rise_to", 3)]
OFF = ["halt", "motor_stopped"]


def new_session(run_ms=None, origin=sessions.REMOTE):
    """A session alone, and those it talks to; begun at level 3 when run_ms is given."""
    told = Told()
    settings = Values()
    session = Session(settings, told, told, told, Dose(settings), Events())
    session.blockers = (told,)
    if run_ms is not None:
        assert session.start(3, run_ms, origin) == 0
        told.take()
    return session, told


def taken_cue(session):
    cue, session.cue = session.cue, 0
    return cue


def states(session):
    """(state, reason) of the events that wait."""
    found = []
    while session._events.take():
        found.append((session._events.value, session._events.detail))
    return found


def test_a_new_session_object_is_idle():
    session, _ = new_session()
    assert (session.state, session.reason, session.origin) == (sessions.IDLE, 0, 0)
    assert not session.motor_on and not session.active() and not session.cue and not session.ended
    assert session.remaining_ms() == 0


def test_level_and_run_time_of_a_start():
    for level, run_ms, good in (
        (0, 1, False),
        (1, 1, True),
        (11, 1, True),
        (12, 1, False),
        (1, 0, False),
        (1, 900_000, True),
        (1, 900_001, False),
    ):
        session, told = new_session()
        if good:
            assert session.start(level, run_ms, sessions.BUTTON) == 0
            assert told.take() == ["session_started", "motor_started", ("rise_to", level)]
            assert session.motor_on and session.active() and not session.cue
            assert (session.level, session.top_level, session.remaining_ms()) == (level, level, run_ms)
            assert session.origin == session.started_by == sessions.BUTTON
            assert states(session) == [(sessions.RUNNING, 0)]
        else:
            raises(ValueError, session.start, level, run_ms, sessions.BUTTON)
            assert told.take() == [] and not session.active() and not session.cue


def test_each_reason_against_a_start_by_itself():
    for change, refusals in (
        ({}, 0),
        ({"fault": faults.STALL}, sessions.FAULT_LATCHED),
        ({"limiters": faults.LIMIT_HEAT}, sessions.TOO_HOT),
        ({"limiters": faults.LIMIT_BATTERY}, sessions.BATTERY_LOW),
        ({"limiters": faults.LIMIT_CURRENT}, 0),
    ):
        session, told = new_session()
        for name, value in change.items():
            setattr(told, name, value)
        assert session.refusals(sessions.BUTTON) == session.refusals(sessions.REMOTE) == refusals
        told.blocks = sessions.SELFTEST
        refusals |= sessions.SELFTEST
        assert session.start(1, 1_000, sessions.REMOTE) == refusals
        assert told.take() == [] and not session.active() and not session.motor_on
        assert taken_cue(session) == cues.REFUSED
        assert (session.refused, session.refused_to) == (refusals, sessions.REMOTE)
    session, told = new_session()
    told.suspended = 1
    assert session.refusals(sessions.BUTTON) == 0
    assert session.refusals(sessions.REMOTE) == sessions.SUSPENDED
    session, _ = new_session()
    session._settings.invalid = True
    assert session.refusals(sessions.BUTTON) == sessions.SETTINGS_INVALID
    session, _ = new_session()
    session._settings["remote_start"] = False
    assert session.refusals(sessions.BUTTON) == 0
    assert session.refusals(sessions.REMOTE) == sessions.REMOTE_DISABLED
    session, _ = new_session(60_000)
    assert session.refusals(sessions.BUTTON) == sessions.RUNNING_ALREADY
    session.pause()
    assert session.refusals(sessions.BUTTON) == sessions.RUNNING_ALREADY


def test_the_names_of_refusals_and_reasons():
    bits = [1 << n for n in range(len(sessions.REFUSALS))]
    assert [row[0] for row in sessions.REFUSALS] == bits
    assert [row[1] for row in sessions.refusal_rows(sessions.TOO_HOT | sessions.STOP_OPEN)] == [
        "too_hot",
        "stop_open",
    ]
    assert [row[1] for row in sessions.REFUSALS if row[0] & sessions.BUTTON_STUCK] == ["button_stuck"]
    assert sessions.reason_name(sessions.NO_REASON) is None
    names = ["completed", "stop_button", "host_stop", "fault", "host_lost", "pause_timeout", "interrupted"]
    values = (
        sessions.COMPLETED, sessions.STOP_BUTTON, sessions.HOST_STOP,
        sessions.FAULT, sessions.HOST_LOST, sessions.PAUSE_TIMEOUT, sessions.INTERRUPTED,
    )  # fmt: skip
    assert [sessions.reason_name(value) for value in values] == names
    for value, name in (
        (sessions.IDLE, "IDLE"),
        (sessions.RUNNING, "RUNNING"),
        (sessions.PAUSED, "PAUSED"),
        (sessions.ENDING, "ENDING"),
        (sessions.MAINTENANCE, "MAINTENANCE"),
    ):
        assert sessions.STATES[value][:2] == (value, name)
    assert sessions.ORIGINS[sessions.BUTTON] == "button" and sessions.ORIGINS[sessions.REMOTE] == "remote"
    assert sessions.ORIGINS[sessions.NO_ORIGIN] is None


def test_it_ends_when_its_time_is_over():
    session, told = new_session(1_000)
    session.tick(999)
    assert session.active() and session.remaining_ms() == 1
    session.tick(1)
    assert session.reason == sessions.COMPLETED
    assert told.take() == OFF
    assert (session.state, session.level, session.origin, session.motor_on) == (sessions.IDLE, 0, 0, False)
    assert (session.ran_ms, session.ended, session.started_by) == (1_000, 1, sessions.REMOTE)
    assert states(session) == [(sessions.RUNNING, 0), (sessions.IDLE, sessions.COMPLETED)]
    assert taken_cue(session) == cues.END
    assert session.remaining_ms() == 0
    session.tick(10)
    session.stop(sessions.HOST_STOP)  # again: nothing
    assert told.take() == [] and states(session) == [] and not session.cue
    assert (session.ran_ms, session.ended, session.reason) == (1_000, 1, sessions.COMPLETED)


def test_it_ramps_down_so_that_it_ends_in_time():
    session, told = new_session(40_000, sessions.BUTTON)
    told.falls_ms = 1_500
    session.tick(38_499)
    session.cue = 0
    assert session.state == sessions.RUNNING
    session.tick(1)
    assert session.state == sessions.ENDING and session.motor_on
    assert told.take() == ["fall"]
    assert taken_cue(session) == cues.END
    assert not session.set_level(5) and not session.pause() and not session.resume()
    session.tick(1_499)
    assert session.state == sessions.ENDING and told.take() == [] and not session.cue
    session.tick(1)
    assert (session.reason, told.take(), session.cue) == (sessions.COMPLETED, OFF, 0)


def test_ramping_down_goes_before_moving_on():
    session, told = new_session(130_000, sessions.BUTTON)
    told.falls_ms = 40_000
    session.tick(90_000)
    assert (session.state, session.cue) == (sessions.ENDING, cues.END)


def test_it_ends_early_once_the_motor_stands():
    session, told = new_session(40_000, sessions.BUTTON)
    told.falls_ms = 40_000
    session.tick(10)
    assert session.state == sessions.ENDING
    told.position = 0
    session.tick(10)
    assert (session.reason, session.ran_ms) == (sessions.COMPLETED, 20)
    session, told = new_session(40_000, sessions.BUTTON)
    told.position = 0  # the first tick of a soft start
    session.tick(10)
    assert session.state == sessions.RUNNING


def test_stopped_early_nothing_is_left():
    session, _ = new_session(60_000)
    session.tick(500)
    session.stop(sessions.HOST_STOP)
    assert (session.remaining_ms(), session.ran_ms, session.reason) == (0, 500, sessions.HOST_STOP)
    assert session.start(3, 60_000, sessions.REMOTE) == 0
    assert (session.remaining_ms(), session.reason) == (60_000, sessions.NO_REASON)


def test_the_tick_that_ends_it_does_nothing_else():
    """Each end falls into the tick in which a cue and the ramp-down are due as well."""
    for elapsed_ms, origin, prepare, reason, cue in (
        (30_000, sessions.BUTTON, "fault", sessions.FAULT, cues.FAULT),
        (60_000, sessions.BUTTON, None, sessions.COMPLETED, cues.END),
        (60_000, sessions.BUTTON, "pause", sessions.COMPLETED, cues.END),
        (30_000, sessions.REMOTE, None, sessions.HOST_LOST, cues.END),
    ):
        session, told = new_session(60_000, origin)
        told.falls_ms = 40_000
        if prepare == "fault":
            told.fault = faults.STALL
        elif prepare:
            session.pause()
            told.take()
        session.tick(elapsed_ms)
        assert (session.state, session.reason, session.cue) == (sessions.IDLE, reason, cue)
        assert told.take() == OFF
        assert session.ended == 1


def test_a_fault_cuts_in_the_same_tick():
    for paused in (False, True):
        session, told = new_session(60_000)
        session.tick(500)
        if paused:
            session.pause()
            told.take()
        told.fault = faults.STALL
        session.tick(10)
        assert told.take() == OFF
        assert (session.reason, session.state, session.ran_ms) == (sessions.FAULT, sessions.IDLE, 510)
        assert taken_cue(session) == cues.FAULT
        assert not session.motor_on


def test_low_memory_lets_it_run_down_once():
    session, told = new_session(60_000)
    told.fault = faults.HEAP_LOW
    session.tick(10)
    assert (session.state, told.take(), taken_cue(session)) == (sessions.ENDING, ["fall"], cues.FAULT)
    assert session.motor_on
    session.tick(10)
    assert (session.state, told.take(), session.cue) == (sessions.ENDING, [], 0)
    told.position = 0
    session.tick(10)
    assert (session.state, told.take(), session.reason) == (sessions.IDLE, OFF, sessions.FAULT)
    for paused in (False, True):  # anything more cuts; and so does a motor that is off already
        session, told = new_session(60_000)
        if paused:
            session.pause()
        else:
            told.more = 1
        told.fault = faults.HEAP_LOW
        session.tick(10)
        assert (session.state, session.reason) == (sessions.IDLE, sessions.FAULT)


def test_a_host_may_be_silent_for_its_timeout():
    session, _ = new_session(60_000)
    session.tick(2_000)
    session.heard_host()
    session.tick(3_000)
    assert session.state == sessions.RUNNING
    session.tick(1)
    assert (session.state, session.reason) == (sessions.IDLE, sessions.HOST_LOST)
    assert session.start(3, 60_000, sessions.REMOTE) == 0  # and again from the start
    session.tick(3_000)
    assert session.state == sessions.RUNNING
    session.pause()
    session.tick(1)
    assert session.reason == sessions.HOST_LOST
    session, _ = new_session(60_000, sessions.BUTTON)
    session.tick(30_000)
    assert session.state == sessions.RUNNING
    session, _ = new_session()
    session._settings["host_timeout_s"] = 5
    session.configure()
    session.start(3, 60_000, sessions.REMOTE)
    session.tick(5_000)
    assert session.state == sessions.RUNNING
    session.tick(1)
    assert session.reason == sessions.HOST_LOST


def test_a_pause_lasts_two_minutes_each_time():
    session, told = new_session(900_000, sessions.BUTTON)
    for _ in range(2):
        assert session.pause()
        assert (session.state, session.motor_on, told.take()) == (sessions.PAUSED, False, OFF)
        assert not session.pause()
        session.tick(119_999)
        assert session.state == sessions.PAUSED
        assert session.resume()
        assert (session.state, session.motor_on, told.take()) == (sessions.RUNNING, True, ON)
        assert not session.resume()
    assert session.elapsed_ms == 239_998  # the clock went on
    session.pause()
    session.tick(119_999)
    session.tick(1)
    assert (session.state, session.reason) == (sessions.IDLE, sessions.PAUSE_TIMEOUT)
    assert not session.pause() and not session.resume()
    pause = sessions.PAUSED
    assert [state for state, _ in states(session)] == [1, pause, 1, pause, 1, pause, sessions.IDLE]


def test_no_resuming_under_a_block_or_a_fault():
    session, told = new_session(60_000)
    session.pause()
    told.take()
    told.blocks = sessions.STOP_PRESSED
    assert not session.resume()
    told.blocks = 0
    told.fault = faults.STALL
    assert not session.resume()
    assert told.take() == [] and not session.motor_on and session.state == sessions.PAUSED
    told.fault = faults.NONE
    assert session.resume()


def test_levels_while_running_and_paused():
    session, told = new_session(60_000)
    assert session.set_level(5)
    assert (session.level, session.top_level, told.take()) == (5, 5, [("rise_to", 5)])
    assert session.set_level(4)
    assert (session.level, session.top_level, told.take()) == (4, 5, [("rise_to", 4)])
    session.pause()
    told.take()
    assert session.set_level(3)
    assert (session.level, told.take()) == (3, [])
    session.stop(sessions.HOST_STOP)
    told.take()
    assert not session.set_level(4)
    assert (session.level, session.top_level, told.take()) == (0, 5, [])


def test_buttons_step_within_the_levels_of_the_settings():
    session, _ = new_session(60_000)
    for step, level, refused in (
        (1, 4, 0),
        (1, 5, 0),
        (1, 5, 1),
        (-1, 4, 0),
        (-1, 3, 0),
        (-1, 2, 0),
        (-1, 2, 1),
    ):
        session.step_level(step)
        assert session.level == level
        assert taken_cue(session) == (cues.LIMIT if refused else 0)
    session.stop(sessions.HOST_STOP)
    session.cue = 0
    session.step_level(3)
    assert (taken_cue(session), session.level) == (cues.REFUSED, 0)


def test_cues_come_at_their_time():
    session, _ = new_session(300_000, sessions.BUTTON)
    heard = []
    for n in range(300_000):
        session.tick(1)
        if session.cue:
            heard.append((n + 1, taken_cue(session)))
    move, last, end = cues.MOVE_ON, cues.LAST_30_S, cues.END
    assert heard == [(90_000, move), (180_000, move), (270_000, last), (300_000, end)]
    assert session.start(3, 120_000, sessions.BUTTON) == 0  # and again, counted anew
    session.tick(89_999)
    assert not session.cue
    session.tick(1)
    assert taken_cue(session) == last  # 30 s before the end goes before moving on
    for run_ms, cue in ((30_001, last), (30_000, 0)):
        session, _ = new_session(run_ms, sessions.BUTTON)
        session.tick(1)
        assert taken_cue(session) == cue
        session.tick(1)
        assert not session.cue


def test_the_area_of_the_settings():
    session, _ = new_session(300_000, sessions.BUTTON)
    session._settings["area_s"] = 60
    session.configure()
    session.tick(50_000)
    session.pause()
    session.tick(100_000)  # nobody works on an area meanwhile
    session.resume()
    session.tick(9_999)
    assert not session.cue
    session.tick(1)
    assert session.cue == cues.MOVE_ON


def test_nothing_is_active_in_maintenance():
    session, told = new_session()
    session.state = sessions.MAINTENANCE
    assert not session.active()
    session.tick(10)
    session.stop(sessions.HOST_STOP)
    assert session.state == sessions.MAINTENANCE
    assert told.take() == [] and not session.pause() and not session.resume() and not session.set_level(1)
