"""Random valid programs, played with random presses: 2,000 on the desktop, fewer on MicroPython.

Session, Play, Program and Drive are the firmware's; the motor is imagined, it turns as demanded.
"""

import sys

from massager import session as sessions
from massager.areas import LABELS
from massager.dose import Dose
from massager.drive import FALL_STEP, UNIT, Drive
from massager.events import Events
from massager.permission import Permission
from massager.program import Program, mistake
from massager.session import Session
from massager.settings import Settings
from support import MemoryFiles

COUNT = 2_000 if sys.implementation.name == "cpython" else 60
SEED = 20_261
TICK_MS = 10
STANDING_TICKS = 10  # the target is looked at so often


class Random:
    """The same numbers on every Python."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 1_103_515_245 + 12_345) & 0x7FFFFFFF
        return (self.state >> 8) % n

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def of(self, choices):
        return choices[self.below(len(choices))]


class Calm:
    """In the place of Safety: nothing is wrong."""

    fault = more = limiters = 0

    def session_started(self):
        pass

    motor_started = motor_stopped = session_started


def random_stage(random):
    pattern = random.of(("steady", "ramp", "wave", "pulse", "off"))
    a, b = random.between(1, 11), random.between(1, 11)
    period_s = 0
    if pattern == "steady":
        b = a
    elif pattern == "off":
        a = b = 0
    elif pattern != "ramp":
        a, b = min(a, b), max(a, b)
        period_s = random.between(2, 12)
        if pattern == "pulse" and random.below(2):
            a = 0
    seconds = random.between(1, 12)
    return ["s", seconds, pattern, a, b, period_s, random.of(LABELS), random.of(("none", "stage", "move_on"))]


def new_session(random):
    settings = Settings()
    settings.values["slew_s"] = random.between(1, 4)
    settings.values["remote_start"] = settings.values["acknowledged"] = True
    drive = Drive(settings)
    return (
        Session(settings, Permission(settings, MemoryFiles()), drive, Calm(), Dose(settings), Events()),
        drive,
        settings,
    )


def press(random, session):
    """Something that a person or a host may do."""
    return random.of(
        (
            lambda: session.step_level(1),
            lambda: session.step_level(-1),
            session.skip,
            session.back,
            session.pause,
            session.resume,
            session.resume,
            lambda: session.set_level(random.between(1, 11)),
        )
    )()


def play(random, session, drive, settings, program):
    """Play a program to its end; AssertionError when it does what it must not."""
    slew = UNIT // (settings["slew_s"] * 100)
    limit_ms = settings["session_limit_s"] * 1000
    position = ticks = standing = 0
    while session.active():
        ticks += 1
        session.heard_host()
        run_ms = session.run_ms
        if not random.below(400):
            press(random, session)
        restarts = session.run_ms > run_ms  # it went back: the motor starts softly again
        session.tick(TICK_MS)
        if session.motor_on:
            drive.step(drive.demand_opm, 200, 12_000)
        assert session.run_ms <= limit_ms and session.elapsed_ms <= session.run_ms
        low, high = program.lowest + session.play.shift, program.highest + session.play.shift
        if program.highest:
            assert low >= 1 and high <= 11
        assert 0 <= drive.position <= max(position, high * UNIT)
        moved = drive.position - position
        assert moved <= slew, "rose faster than the slew"
        if moved < -slew:
            ends = session.state == sessions.ENDING and moved >= -FALL_STEP
            assert not session.motor_on or ends or (restarts and drive.position <= slew)
        position = drive.position
        if not session.motor_on:
            assert drive.position == 0 and drive.duty == 0
        if session.state in (sessions.IDLE, sessions.PAUSED):
            assert not session.motor_on
        standing = standing + 1 if session.motor_on and not drive.target and not drive.position else 0
        assert standing <= STANDING_TICKS, "armed though it shall stand and does"
        assert ticks * TICK_MS <= limit_ms + TICK_MS
    return ticks


def test_random_programs_hold_the_invariants():
    random = Random(SEED)
    ended = {}
    for _ in range(COUNT):
        stages = [random_stage(random) for _ in range(random.between(1, 4))]
        assert mistake("p", stages) is None, stages
        program = Program("p", stages)
        assert [program.stage(i) for i in range(program.count)] == stages
        session, drive, settings = new_session(random)
        room = 11 - program.highest if program.highest else 0
        shift = random.between(1 - program.lowest, room) if program.highest else 0
        assert session.start_program(program, shift, sessions.REMOTE) == 0, stages
        play(random, session, drive, settings, program)
        reason = sessions.reason_name(session.reason)
        ended[reason] = ended.get(reason, 0) + 1
    assert ended.get("completed", 0) > COUNT // 2, ended
    assert not set(ended) - {"completed", "pause_timeout"}, ended


def test_left_alone_a_random_program_lasts_its_time_to_the_tick():
    random = Random(SEED + 1)
    for _ in range(COUNT // 20):
        stages = [random_stage(random) for _ in range(random.between(1, 4))]
        program = Program("p", stages)
        session, drive, _ = new_session(random)
        session.start_program(program, 0, sessions.REMOTE)
        ticks = 0
        while session.active():
            ticks += 1
            session.heard_host()
            session.tick(TICK_MS)
            if session.motor_on:
                drive.step(drive.demand_opm, 200, 12_000)
        left_ms = program.total_s * 1000 - ticks * TICK_MS
        assert 0 <= left_ms <= 100, (left_ms, stages)  # the ramp down may stand some ticks early
