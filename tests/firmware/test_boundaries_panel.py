"""The panel's numbers, one step inside and one step outside: chatter, STOP, the light's rhythm, answers."""

from massager import cues, faults, panel, permission, press
from massager import session as sessions
from massager.buttons import MINUS, MODE, PLUS, STOP
from massager.events import Events
from massager.panel import Panel
from support import Bench


class Host:
    """Settings, session and safety as far as the panel looks at them; notes what it calls."""

    def __init__(self):
        self.state = sessions.IDLE
        self.untested = self.cue = self.fault = self.more = self.limiters = 0
        self.permission = 0  # 1: given, and suspended; 2: in force
        self.suspended = 0
        self.calls = []
        self.may = True  # what skip, back, pause and resume return
        self.clears = True
        self.events = Events()
        self.panel = Panel(self, self, self, self.events)

    def blocks(self):
        return self.untested

    def granted(self):
        return self.permission > 0

    def in_force(self):
        return self.permission > 1

    def suspend(self, cause):
        self.suspended = cause

    def resumed(self):
        self.suspended = 0

    def _noted(self, call):
        self.calls.append(call)
        return self.may

    def stop(self, reason):
        self._noted("stop")

    def start_selected(self):
        self._noted("start")

    def step_level(self, step):
        self._noted("level %+d" % step)

    def skip(self):
        return self._noted("skip")

    def back(self):
        return self._noted("back")

    def pause(self):
        return self._noted("pause")

    def resume(self):
        return self._noted("resume")

    def clear(self):
        self.calls.append("clear")
        return self.clears

    def run(self, buttons, ticks, dt_ms=10):
        for _ in range(ticks):
            self.events.now_ms = (self.events.now_ms + dt_ms) & 0x3FFFFFFF
            self.panel.update(buttons, dt_ms)

    def press(self, buttons, ticks=10):
        self.run(buttons, ticks)
        self.run(0, 10)

    def buttons_sent(self):
        found = []
        while self.events.take():
            found.append(self.events.value)
        return found


def ready(**attributes):
    host = Host()
    for name in attributes:
        setattr(host, name, attributes[name])
    host.run(0, 5)
    return host


def test_a_contact_that_changes_24_ticks_in_a_row_is_stuck_until_it_was_calm_for_120():
    for edges, stuck in ((23, False), (24, True)):
        host = ready()
        for i in range(edges):
            host.run(PLUS if i % 2 == 0 else 0, 1)
        assert bool(host.panel.blocks & sessions.BUTTON_STUCK) == stuck, edges
    assert edges % 2 == 0  # it is open now
    host.run(0, 119)
    assert host.panel.blocks & sessions.BUTTON_STUCK
    host.run(0, 1)
    assert not host.panel.blocks & sessions.BUTTON_STUCK
    host.run(0, 20)
    host.press(PLUS)
    assert host.calls == ["start"]


def test_ten_presses_a_second_are_believed_for_six_seconds():
    host = ready(state=sessions.RUNNING)
    for _ in range(55):
        host.run(PLUS, 5)
        host.run(0, 5)
    assert host.calls == ["level +1"] * 55
    for _ in range(10):
        host.run(PLUS, 5)
        host.run(0, 5)
    assert host.panel.blocks & sessions.BUTTON_STUCK
    assert 55 < len(host.calls) < 65


def test_a_press_during_chatter_counts_for_nothing_even_when_it_outlasts_it():
    host = ready()
    for i in range(24):
        host.run(PLUS if i % 2 == 0 else 0, 1)
    host.run(PLUS, 200)
    host.run(0, 10)
    assert host.calls == []


def test_each_button_is_stuck_after_ten_seconds_of_measured_time():
    for button in (PLUS, MINUS, MODE):
        for ticks, dt_ms, stuck in ((999, 10, False), (1_000, 10, True), (111, 90, False), (112, 90, True)):
            host = ready()
            host.run(button, ticks, dt_ms)
            assert bool(host.panel.blocks & sessions.BUTTON_STUCK) == stuck, (button, ticks)
        host.run(0, press.DEBOUNCE)
        assert not host.panel.blocks & sessions.BUTTON_STUCK


def test_stop_acts_at_its_first_sample_and_once():
    host = ready()
    host.run(STOP, 1)
    assert host.calls == ["stop"] and host.suspended == permission.STOP
    assert host.panel.blocks == sessions.STOP_PRESSED
    host.run(STOP, 50)
    assert host.calls == ["stop"]
    host.run(0, 1)
    assert host.panel.blocks == 0
    assert host.buttons_sent() == [STOP]
    host.run(STOP, 1)
    assert host.calls == ["stop"] * 2


def test_stop_reads_as_open_after_ten_seconds_of_measured_time():
    for ticks, dt_ms, is_open in ((999, 10, False), (1_000, 10, True), (199, 50, False), (200, 50, True)):
        host = ready()
        host.run(STOP, ticks, dt_ms)
        assert bool(host.panel.blocks & sessions.STOP_OPEN) == is_open, ticks
        host.run(0, 1)
        assert not host.panel.blocks & (sessions.STOP_OPEN | sessions.STOP_PRESSED)


def test_stop_clears_after_200_samples_and_before_10_s():
    for ticks, dt_ms, clears in (
        (199, 10, False),
        (200, 10, True),
        (999, 10, True),
        (1_000, 10, False),
        (199, 40, False),  # 8 s, but too few samples
        (200, 49, True),
        (200, 50, False),
    ):
        host = ready(fault=faults.CRASHED)
        host.run(STOP, ticks, dt_ms)
        assert "clear" not in host.calls
        host.run(0, 1)
        assert ("clear" in host.calls) == clears, (ticks, dt_ms)
        assert host.cue == 0
    host = ready(fault=faults.CRASHED, clears=False)
    host.press(STOP, 200)
    assert host.cue == cues.REFUSED


def test_stop_clears_nothing_when_what_is_shown_has_changed():
    for name, value in (("more", 1), ("fault", faults.STALL)):
        host = ready(fault=faults.CRASHED)
        host.run(STOP, 150)
        setattr(host, name, value)
        host.run(STOP, 100)
        host.run(0, 1)
        assert "clear" not in host.calls


def test_anything_that_changes_under_a_press_voids_it():
    for name, value in (
        ("more", 1),
        ("more", 200),
        ("fault", faults.CRASHED),
        ("fault", faults.STALL),
        ("state", sessions.MAINTENANCE),
        ("untested", sessions.SELFTEST),
    ):
        host = ready()
        host.run(PLUS, 10)
        setattr(host, name, value)
        host.run(PLUS, 1)
        setattr(host, name, 0)
        host.run(PLUS, 1)
        host.run(0, 10)
        assert host.calls == [], name
        host.press(PLUS)
        assert host.calls == ["start"]
    host = ready()
    host.run(PLUS, 10)
    host.panel.selected = 2
    host.press(PLUS)
    assert host.calls == []


def test_the_state_between_two_presses_may_change():
    host = ready()
    host.state = sessions.RUNNING
    host.press(MODE)
    assert host.calls == ["pause"]


def test_each_press_does_what_its_state_says():
    for state, button, calls, cue in (
        (sessions.IDLE, PLUS, ["start"], 0),
        (sessions.IDLE, MINUS, [], 0),
        (sessions.IDLE, MODE, [], 0),
        (sessions.RUNNING, PLUS, ["level +1"], 0),
        (sessions.PAUSED, MINUS, ["level -1"], 0),
        (sessions.RUNNING, MODE, ["pause"], 0),
    ):
        host = ready(state=state)
        host.press(button)
        assert (host.calls, host.cue) == (calls, cue)
        assert host.buttons_sent() == [button]
        wanted = {MINUS: -1, MODE: 1}.get(button, 0) if state == sessions.IDLE else 0
        assert host.panel.turn == wanted
    host = ready(state=sessions.RUNNING)
    host.press(MODE)
    assert host.suspended == permission.PAUSE
    host = ready(state=sessions.PAUSED, may=False)
    host.press(MODE)
    assert host.calls == ["pause", "resume"] and host.cue == cues.REFUSED


def test_a_press_held_for_300_samples():
    for button, state, ticks, toggles, cue in (
        (MODE, sessions.IDLE, 299, False, 0),
        (MODE, sessions.IDLE, 300, True, 0),
        (MODE, sessions.RUNNING, 300, False, cues.REFUSED),
        (PLUS, sessions.IDLE, 299, False, 0),
        (PLUS, sessions.IDLE, 300, False, cues.REFUSED),
        (MINUS, sessions.IDLE, 300, False, cues.REFUSED),
    ):
        host = ready(state=state)
        host.run(button, ticks)
        assert (host.panel.toggle_remote, host.cue) == (toggles, cue), (button, ticks)
        assert host.calls == [] and host.panel.turn == 0
        if ticks == 300:
            host.run(0, 10)
            assert host.calls == [] and host.panel.turn == 0


def test_plus_and_minus_with_mode_move_between_stages():
    for button, call in ((PLUS, "skip"), (MINUS, "back")):
        for may in (True, False):
            host = ready(state=sessions.RUNNING, may=may)
            host.run(MODE, 10)
            host.run(MODE | button, 10)
            host.run(MODE, 10)
            host.run(0, 10)
            assert host.calls == [call]
            assert host.cue == (0 if may else cues.REFUSED)


def test_an_answer_begins_a_second_after_the_question_at_the_earliest():
    for wait_ticks, answers in ((98, False), (99, True)):  # and one tick until the press begins
        for now_ms in (0, 0x3FFFFFFF - 500):
            host = ready()
            host.events.now_ms = now_ms
            host.panel.ask()
            host.run(0, wait_ticks)
            host.press(MODE)
            assert (host.panel.answer == panel.YES) == answers, (wait_ticks, now_ms)
            assert host.panel.turn == (0 if answers else 1)


def test_each_button_answers_in_its_way():
    for button, ticks, answer, calls in (
        (MODE, 10, panel.YES, []),
        (MODE, 300, panel.NO, []),
        (PLUS, 10, panel.NO, ["start"]),
        (MINUS, 10, panel.NO, []),
        (STOP, 10, panel.NO, ["stop"]),
    ):
        host = ready()
        host.panel.ask()
        host.run(0, 100)
        host.press(button, ticks)
        assert (host.panel.answer, host.calls) == (answer, calls)
        assert not host.panel.toggle_remote


def rhythm(host, start_ms, slot_ms, slots):
    """The light at the start of each slot, as the first letters of its colours."""
    return "".join(cues.COLOURS[host.panel.colour(start_ms + i * slot_ms)][0] for i in range(slots))


def test_the_light_of_each_state():
    for state, limiters, light in (
        (sessions.IDLE, 0, "wwww"),
        (sessions.IDLE, 2, "wwww"),
        (sessions.RUNNING, 0, "gggg"),
        (sessions.RUNNING, 2, "yyyy"),
        (sessions.PAUSED, 0, "dydy"),
        (sessions.PAUSED, 2, "dydy"),
        (sessions.ENDING, 0, "cccc"),
        (sessions.MAINTENANCE, 0, "dmdm"),
    ):
        host = ready(state=state, limiters=limiters)
        assert rhythm(host, 0, 256, 4) == light, (state, limiters)
    host = ready(fault=faults.STALL, state=sessions.RUNNING)
    assert rhythm(host, 0, 256, 4) == "drdr"
    host.panel.ask()
    assert rhythm(host, 0, 256, 4) == "dcdc"
    host = ready(permission=2)
    assert rhythm(host, 0, 256, 8) == "bbbbbbbb"
    host = ready(permission=1)
    assert rhythm(host, 0, 256, 8) == "wwwwbbbb"


def test_the_light_of_each_number():
    for number, light in (
        (1, "wwwwwwwwwwww" + "wwwwww"),
        (2, "wwwwwwwwwwww" + "dww" * 2 + "www"),
        (5, "wwwwwwwwwwww" + "ddddww" + "www"),
        (6, "wwwwwwwwwwww" + "ddddww" + "dww" + "www"),
        (13, "wwwwwwwwwwww" + "ddddww" * 2 + "dww" * 3 + "www"),
    ):
        host = ready()
        host.panel.selected = number
        assert rhythm(host, 0, 128, len(light)) == light


def test_a_stop_that_will_clear_shows_a_calm_light():
    host = ready(fault=faults.CRASHED)
    host.run(STOP, 199)
    assert rhythm(host, 0, 256, 4) == "drdr"
    host.run(STOP, 1)
    assert rhythm(host, 0, 256, 4) == "rrrr"
    host.run(STOP, 800)
    assert rhythm(host, 0, 256, 4) == "drdr"


def test_the_device_shows_a_fault_before_stop_can_clear_it():
    bench = Bench()
    bench.board.buttons = STOP
    bench.app.safety.report(faults.CRASHED)
    bench.app.safety.report(faults.CRASHED, False)
    bench.run_ms(3_000)
    bench.board.buttons = 0
    bench.run_ms(50)
    assert bench.app.safety.fault == faults.CRASHED
