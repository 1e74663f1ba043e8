"""The day's dose through the whole device: power cycles, clocks and zones, sessions without an end."""

from massager import buttons
from massager import session as sessions
from massager.areas import INDEX
from massager.dose import AS_PLANNED, COUNTED, DAY_S, ENTRIES, WITHIN_10_S, Dose
from massager.program import Program
from support import Bench, BenchBoard, MemoryFiles

MIDNIGHT_S = 20_800 * DAY_S
NOON_S = MIDNIGHT_S + DAY_S // 2
LOOP = (("a", 60, "steady", 2, 2, 0, "calf", "none"), ("b", 10, "steady", 2, 2, 0, "foot", "none"))


class SlowFiles(MemoryFiles):
    """Flash that takes WRITE_US for each write; `during` is called in the middle of it."""

    WRITE_US = 120_000

    def __init__(self):
        MemoryFiles.__init__(self)
        self.board = None
        self.during = None

    def write(self, name, data):
        if self.board:
            self.board.wait_us(self.WRITE_US)
            assert not self.board.read_run_req(), "flash is written with the motor armed"
        if self.during:
            self.during()
        MemoryFiles.write(self, name, data)


def device(files=None, counted_ms=None, clock=None, offset_min=None, **settings):
    """A device that has just started; counted_ms: what a reset left in the register, None after power-on."""
    board = BenchBoard()
    board.motor_ms = counted_ms
    bench = Bench(files or MemoryFiles(), board=board)
    values = {"rest_s": 0, "host_timeout_s": 10_000}
    values.update(settings)
    bench.app.settings.values.update(values)
    bench.app.configure()
    bench.run_ms(100)
    if clock is not None:
        set_clock(bench, clock, offset_min)
    return bench


def set_clock(bench, unix_s, offset_min=None):
    params = {"unix_s": unix_s}
    if offset_min is not None:
        params["utc_offset_min"] = offset_min
    assert "unix_s" in bench.call("clock.set", **params)
    bench.run_ms(50)


def use(bench, s, area="calf"):
    """A session of about so many seconds, to its end and on flash."""
    started = bench.call("session.start", level=1, run_s=s, area=area)
    assert started.get("state") == "RUNNING", started
    bench.run_ms(s * 1000 + 500)
    assert bench.app.session.state == sessions.IDLE


def pass_hours(bench, hours):
    """Idle time without its ticks: uptime, clock and ledger advance."""
    bench.app.clock.advance(hours * 3_600_000)
    bench.run_ms(50)


def total(bench):
    """The day's motor time in s, rounded: the motor turns from 30 ms after the start."""
    total_ms = bench.app.dose.total_ms
    assert bench.call("dose.get")["total_s"] == total_ms // 1000
    return (total_ms + 500) // 1000


def last_session(bench):
    return [r for r in bench.call("journal.read")["records"] if r["kind"] == "session"][-1]


# -- rest -------------------------------------------------------------------------------------------


def test_a_rest_has_its_whole_length_after_a_session_as_long_as_itself():
    for rest_s in (60, 300, 900):
        bench = device(rest_s=rest_s, session_limit_s=300)
        bench.press(buttons.PLUS)
        bench.run_ms(300_000)
        assert rest_s - 1 <= bench.call("dose.get")["rest_left_s"] <= rest_s
        bench.run_ms((rest_s - 2) * 1000)
        bench.press(buttons.PLUS)
        assert bench.app.session.state == sessions.IDLE
        bench.run_ms(2_000)
        bench.press(buttons.PLUS)
        assert bench.app.session.state == sessions.RUNNING


def test_a_rest_survives_a_power_cycle_and_ends_by_the_clock():
    bench = device(rest_s=900, session_limit_s=300, clock=NOON_S)
    bench.call("settings.save")
    use(bench, 300)
    bench = device(bench.switch_off(), rest_s=900)
    assert 895 < bench.call("dose.get")["rest_left_s"] <= 900
    set_clock(bench, NOON_S + 300 + 400)
    assert abs(bench.call("dose.get")["rest_left_s"] - 500) <= 2
    set_clock(bench, NOON_S + 300 + 900)
    assert bench.call("dose.get")["rest_left_s"] == 0


def test_a_clock_that_is_set_neither_shortens_nor_lengthens_a_rest_that_the_uptime_knows():
    bench = device(rest_s=900, session_limit_s=300, clock=NOON_S)
    use(bench, 300)
    for unix_s in (NOON_S + 50_000, NOON_S - 50_000, NOON_S + 301):
        set_clock(bench, unix_s)
        assert 895 < bench.call("dose.get")["rest_left_s"] <= 900


# -- a session that has begun -----------------------------------------------------------------------


def test_a_pulled_plug_charges_the_session_as_planned():
    bench = device(clock=NOON_S)
    bench.call("session.start", level=2, run_s=300, area="calf")
    bench.run_ms(200_000)
    bench = device(bench.switch_off())
    dose = bench.call("dose.get")
    assert dose["areas"] == {"calf": [300, 300 * 1270 // 60, 1]}
    assert dose["charged"] == {"as_planned": 300} and dose["day"] == NOON_S // DAY_S
    record = last_session(bench)
    assert (record["reason"], record["charged"], record["areas"]["calf"][0]) == (
        "interrupted",
        "as_planned",
        300_000,
    )
    assert (record["origin"], record["level"], record["day"]) == ("remote", 2, NOON_S // DAY_S)


def test_a_reset_charges_the_session_to_within_ten_seconds():
    bench = device(clock=NOON_S)
    bench.call("session.start", level=1, run_s=300, area="calf")
    bench.run_ms(100_000)
    bench.call("session.pause")
    bench.run_ms(60_000)
    bench.call("session.resume")
    bench.run_ms(50_000)
    counted_ms = bench.board.motor_ms
    bench = device(bench.switch_off(), counted_ms=counted_ms)
    dose = bench.call("dose.get")
    assert 140 < dose["total_s"] <= 150 and list(dose["charged"]) == ["within_10_s"]
    assert last_session(bench)["charged"] == "within_10_s"


def test_a_program_that_is_cut_short_charges_its_areas_in_turn():
    for counted_ms, areas in (
        (30_000, {"calf": 30}),
        (65_000, {"calf": 60, "foot": 5}),
        (90_000, {"calf": 60, "foot": 30}),  # a stage was repeated
        (None, {"calf": 60, "foot": 10}),
    ):
        bench = device()
        bench.app.session.start_program(Program("loop", LOOP), 1, sessions.REMOTE)
        bench.run_ms(5_000)
        found = device(bench.switch_off(), counted_ms=counted_ms).call("dose.get")["areas"]
        assert {label: found[label][0] for label in found} == areas


def test_a_session_that_goes_back_is_charged_with_what_it_did_and_what_was_to_come():
    bench = device()
    bench.app.session.start_program(Program("loop", LOOP), 0, sessions.REMOTE)
    bench.run_ms(30_000)
    flash = bench.files.operations
    assert bench.call("session.back")["remaining_ms"] > 69_000
    assert not bench.board.enabled or bench.files.operations == flash
    bench.run_ms(5_000)
    assert bench.files.operations > flash and bench.board.duty > 0 and not bench.app.safety.fault
    counted_ms = bench.board.motor_ms
    assert 34_000 < counted_ms < 35_100
    pulled = dict(bench.files.content)
    planned = device(bench.switch_off()).call("dose.get")["areas"]
    assert 89 <= planned["calf"][0] <= 90 and planned["foot"][0] == 10
    bench.files.content = pulled
    counted = device(bench.switch_off(), counted_ms=counted_ms).call("dose.get")["areas"]
    assert counted["calf"][0] == counted_ms // 1000 and "foot" not in counted


def test_a_session_that_goes_back_and_ends_at_once_is_charged_once():
    bench = device()
    bench.app.session.start_program(Program("loop", LOOP), 0, sessions.REMOTE)
    bench.run_ms(30_000)
    bench.call("session.back")
    bench.call("session.stop")
    bench.run_ms(200)
    counted = total(bench)
    assert counted == 30 and total(device(bench.switch_off())) == counted


def test_an_interrupted_session_is_charged_once_however_often_the_device_starts():
    bench = device()
    bench.call("session.start", level=1, run_s=300, area="calf")
    bench.run_ms(10_000)
    for _ in range(3):
        bench = device(bench.switch_off())
        assert total(bench) == 300
    reasons = [r.get("reason") for r in bench.call("journal.read")["records"]]
    assert reasons.count("interrupted") == 1


def test_a_session_whose_record_is_in_the_journal_is_charged_by_that():
    bench = device()
    bench.call("session.start", level=1, run_s=300, area="calf")
    bench.run_ms(10_000)
    before = {name: bench.files.content[name] for name in bench.files.content if name[:6] == "memory"}
    bench.call("session.stop")
    bench.run_ms(100)
    counted = total(bench)
    for name in ("memory.a", "memory.b"):
        bench.files.content.pop(name, None)
    bench.files.content.update(before)  # the power failed between the two writes
    bench = device(bench.switch_off())
    dose = bench.call("dose.get")
    assert total(bench) == counted and list(dose["charged"]) == ["counted"]
    assert len([r for r in bench.call("journal.read")["records"] if r["kind"] == "session"]) == 1


def test_a_session_that_ends_leaves_nothing_to_charge():
    bench = device()
    use(bench, 20)
    counted = total(bench)
    bench = device(bench.switch_off())
    assert total(bench) == counted == 20
    bench.press(buttons.PLUS, 30)
    bench.call("session.stop")  # before the motor ran
    bench.run_ms(100)
    assert total(device(bench.switch_off())) == counted


def test_a_timer_writes_nothing_and_charges_nothing():
    bench = device()
    before = dict(bench.files.content)
    timer = Program("t", [("x", 600, "off", 0, 0, 0, "", "none")])
    assert not bench.app.session.start_program(timer, 0, sessions.BUTTON)
    bench.run_ms(5_000)
    assert bench.files.content == before and total(device(bench.switch_off())) == 0


def test_the_write_before_the_motor_takes_nothing_from_the_session_or_the_uptime():
    files = SlowFiles()
    bench = device(files)
    files.board = bench.board
    us = bench.board.us
    up_ms = bench.app.uptime_ms
    bench.board.buttons = buttons.PLUS
    bench.run_ms(100)
    bench.board.buttons = 0
    while not bench.board.enabled:
        bench.run_ms(10)
    waited_ms = (bench.board.us - us) // 1000
    assert waited_ms >= files.WRITE_US // 1000
    assert bench.app.session.elapsed_ms <= 60
    assert abs(bench.app.uptime_ms - up_ms - waited_ms) <= 11
    bench.run_ms(5_000)
    assert not bench.app.safety.fault and bench.app.session.state == sessions.RUNNING


def test_a_session_that_follows_at_once_is_disarmed_for_its_write():
    files = SlowFiles()
    bench = device(files)
    bench.call("session.start", level=1, run_s=60)
    bench.run_ms(2_000)
    files.board = bench.board
    bench.call("session.stop")
    bench.call("session.start", level=1, run_s=60)
    bench.run_ms(5_000)
    assert bench.board.enabled and not bench.app.safety.fault


def test_stop_wins_over_the_write_even_when_it_is_released_before_its_end():
    files = SlowFiles()
    bench = device(files)
    files.board = bench.board

    def tap():
        bench.board.stop_seen = True

    files.during = tap
    bench.press(buttons.PLUS)
    bench.run_ms(100)
    assert not bench.board.enabled
    assert (bench.app.session.state, bench.app.session.reason) == (sessions.IDLE, sessions.STOP_BUTTON)
    files.during = None
    bench.run_ms(1_000)
    assert total(device(files)) == 0


def test_a_write_that_fails_ends_the_start_with_flash_failed():
    bench = device()
    bench.files.error = 28
    bench.press(buttons.PLUS)
    bench.run_ms(100)
    assert not bench.board.enabled and bench.app.session.state == sessions.IDLE
    status = bench.call("status")
    assert (status["reason"], status["fault"]["name"]) == ("fault", "flash_failed")
    bench.files.error = None
    bench.run_ms(2_000)
    assert total(bench) == total(device(bench.switch_off())) == 0


# -- the day ----------------------------------------------------------------------------------------


def test_undated_use_survives_power_cycles_and_counts_to_the_day_that_a_clock_tells():
    bench = device(clock=MIDNIGHT_S + 3_600)
    use(bench, 20)
    bench = device(bench.switch_off())
    use(bench, 60)
    bench = device(bench.switch_off())
    assert total(bench) == 80
    set_clock(bench, MIDNIGHT_S + DAY_S + 64_800)
    assert total(bench) == 60
    set_clock(bench, MIDNIGHT_S + 2 * DAY_S + 60)
    assert total(bench) == 0


def test_undated_use_of_before_midnight_is_no_use_of_today():
    bench = device()
    use(bench, 60)
    pass_hours(bench, 2)
    set_clock(bench, MIDNIGHT_S + 3_600)
    assert total(bench) == 0
    set_clock(bench, MIDNIGHT_S - 3_600)  # the same evening after all
    assert total(bench) == 60


def test_three_undated_days_are_not_one():
    bench = device(clock=NOON_S)
    use(bench, 5)
    bench = device(bench.switch_off())
    for _ in range(3):
        use(bench, 100)
        assert total(bench) in (100, 105)
        pass_hours(bench, 25)
        assert total(bench) == 0
    set_clock(bench, NOON_S + 4 * DAY_S)
    assert total(bench) == 0


def test_undated_hours_of_uptime_add_up_over_power_cycles():
    bench = device()
    use(bench, 60)
    for _ in range(12):
        pass_hours(bench, 2)
        bench = device(bench.switch_off())
    assert total(bench) == 0


def test_a_date_that_goes_back_keeps_what_was_done_within_24_hours():
    bench = device(clock=MIDNIGHT_S + 7_200, offset_min=0)
    use(bench, 60)
    for offset_min in (-480, 0, -480, 840, 0):  # two hosts; on the way back a power cycle
        set_clock(bench, MIDNIGHT_S + 7_300, offset_min)
        assert total(bench) == 60
        bench = device(bench.switch_off())
        assert total(bench) == 60
    pass_hours(bench, 21)
    set_clock(bench, MIDNIGHT_S + 7_200 + 23 * 3_600, -480)
    assert total(bench) == 60
    pass_hours(bench, 4)
    set_clock(bench, MIDNIGHT_S + 7_200 + 25 * 3_600, -480)
    assert total(bench) == 0


def test_a_later_date_begins_a_new_day_and_a_wrong_one_is_forgiven():
    bench = device(clock=NOON_S)
    use(bench, 60)
    set_clock(bench, NOON_S + 365 * DAY_S)
    assert total(bench) == 0
    use(bench, 20)
    set_clock(bench, NOON_S + 200)
    assert total(bench) == 80
    set_clock(bench, NOON_S + 300, None)
    assert total(bench) == 80


def test_a_wrong_clock_in_the_past_that_is_put_right_loses_nothing():
    bench = device()
    use(bench, 60)
    bench = device(bench.switch_off())
    set_clock(bench, NOON_S + 400 * DAY_S)
    set_clock(bench, NOON_S - 200 * DAY_S)
    assert total(bench) == 60
    set_clock(bench, NOON_S)
    assert total(bench) == 60
    pass_hours(bench, 24)
    assert total(bench) == 0


def test_a_wrong_clock_in_the_past_that_is_put_right_ends_no_rest():
    bench = device(rest_s=900, session_limit_s=300)
    bench.call("settings.save")
    use(bench, 300)
    bench = device(bench.switch_off(), rest_s=900)
    for unix_s in (NOON_S - DAY_S, NOON_S):
        set_clock(bench, unix_s)
        assert bench.call("dose.get")["rest_left_s"] > 890


def test_a_wrong_date_in_the_future_is_over_24_hours_after_it_was_corrected():
    bench = device(clock=NOON_S + 3_650 * DAY_S)
    use(bench, 60)
    set_clock(bench, NOON_S)
    assert total(bench) == 60
    for hours, seconds in ((1, 60), (23, 60), (25, 0), (24 * 30, 0)):
        bench = device(bench.switch_off())  # hours pass without power
        set_clock(bench, NOON_S + hours * 3_600)
        assert total(bench) == seconds, hours


def test_a_clock_that_shows_the_same_day_again_does_not_keep_it_for_ever():
    bench = device(clock=NOON_S)
    use(bench, 60)
    pass_hours(bench, 23)
    set_clock(bench, NOON_S)
    assert total(bench) == 60
    pass_hours(bench, 3)
    set_clock(bench, NOON_S)
    assert total(bench) == 0


def test_a_host_without_an_offset_keeps_the_zone():
    bench = device(clock=MIDNIGHT_S + 79_200, offset_min=600)
    use(bench, 60)
    day = bench.call("dose.get")["day"]
    for _ in range(2):
        set_clock(bench, MIDNIGHT_S + 79_600)
        assert (total(bench), bench.call("dose.get")["day"]) == (60, day)
        assert bench.call("hello")["utc_offset_min"] == 600
        bench = device(bench.switch_off())


def test_summer_time_loses_and_creates_nothing():
    bench = device(clock=MIDNIGHT_S + 7_190, offset_min=60)
    use(bench, 60)
    for offset_min in (120, 60):
        set_clock(bench, MIDNIGHT_S + 7_300, offset_min)
        assert total(bench) == 60
    bench = device(clock=MIDNIGHT_S - 7_200, offset_min=120)
    use(bench, 60)
    pass_hours(bench, 24)
    set_clock(bench, MIDNIGHT_S - 7_200 + 24 * 3_600 + 1_800, 60)  # 25 hours are one day in autumn
    assert total(bench) == 60


def test_a_session_across_midnight_counts_to_the_day_on_which_it_ends():
    bench = device(clock=MIDNIGHT_S - 30)
    use(bench, 60)
    assert (total(bench), bench.call("dose.get")["day"]) == (60, MIDNIGHT_S // DAY_S)
    bench = device(clock=MIDNIGHT_S - 30)
    bench.call("session.start", level=1, run_s=60)
    bench.run_ms(10_000)
    bench = device(bench.switch_off(), clock=MIDNIGHT_S + 60)
    assert total(bench) == 60


def test_the_clock_set_in_a_session_changes_no_sum():
    bench = device(clock=NOON_S)
    bench.call("session.start", level=1, run_s=60)
    for unix_s in (NOON_S - DAY_S, NOON_S + 9 * DAY_S, NOON_S):
        bench.run_ms(15_000)
        set_clock(bench, unix_s)
    bench.run_ms(20_000)
    assert total(bench) == 60


# -- limits -----------------------------------------------------------------------------------------


def test_going_back_in_a_program_passes_no_limit():
    for settings, allowed in (
        ({"day_limit_min": 2}, 0),
        ({"area_limit_min": 2}, 1),
        ({"day_limit_min": 3}, 2),
        ({}, 5),
    ):
        bench = device(**settings)
        bench.app.session.start_program(Program("loop", LOOP), 0, sessions.REMOTE)
        for n in range(5):
            bench.run_ms(55_000)
            reply = bench.call("session.back")
            if n < allowed:
                assert reply["state"] == "RUNNING", reply
            else:
                assert [row["name"] for row in reply["data"]["refusals"]] == ["dose_used_up"]
                bench.run_ms(60_000)
                break
        bench.run_ms(600_000)
        dose = bench.app.dose
        assert dose.total_ms <= (settings.get("day_limit_min") or 15) * 60_000
        assert dose.areas["calf"][0] <= (settings.get("area_limit_min") or 15) * 60_000


def test_no_button_goes_back_beyond_a_limit():
    bench = device(day_limit_min=2)
    bench.app.session.start_program(Program("loop", LOOP), 0, sessions.BUTTON)
    bench.run_ms(55_000)
    bench.board.buttons = buttons.MODE
    bench.run_ms(100)
    bench.press(buttons.MINUS)
    assert bench.app.session.run_ms == 70_000
    assert ("cue", "refused") in bench.event_names()


# -- what is on flash -------------------------------------------------------------------------------


def test_a_record_of_older_firmware_is_taken_over():
    dose = Dose({"rest_s": 300})
    areas = {"calf": [60_000, 1_000, 2]}
    dose.load({"day": 20_800, "aged_s": 3_600, "areas": areas, "rest_s": 100, "rest_until": 5})
    assert (dose.day, dose.total_ms, dose.rest_left_s()) == (20_800, 60_000, 100)
    assert dose.areas == areas
    dose.second(23 * 3_600 - 1, None)
    assert dose.total_ms == 60_000
    dose.second(23 * 3_600, None)
    assert dose.total_ms == 0


def test_the_ledger_is_bounded_and_loses_nothing_of_the_day():
    dose = Dose({"rest_s": 0, "session_limit_s": 600})
    for n in range(100):
        dose.second(n * 60 + 1, NOON_S + n * 60)
        dose.sample(INDEX["calf"], 40, 1_000)
        dose.close(40)
        assert len(dose.record()["ledger"]) <= ENTRIES
    assert dose.areas["calf"][0] == 4_000 and dose.areas["calf"][2] == 100


def test_the_ledger_keeps_the_newest_of_many_days():
    dose = Dose({"rest_s": 0, "session_limit_s": 600})
    for n in range(20):
        dose.second(n * 60 + 1, NOON_S + n * DAY_S)
        dose.sample(INDEX["calf"], 40, 1_000)
        dose.close(40)
        assert dose.total_ms == 40 and len(dose.record()["ledger"]) <= ENTRIES


def test_a_record_of_any_shape_is_taken_for_what_makes_sense_in_it():
    good = [5, NOON_S, 20_800, AS_PLANNED, {"calf": [1_000, 20, 1]}]
    plan = {"after": 3, "unix_s": None, "local_s": None, "parts": [["calf", 1_000]], "level": 3, "run_s": 1}
    plan.update({"origin": "button", "program": None, "shift": 0})
    for odd in (None, [], {}, "x", -1, True, [None] * 5, [good], {"parts": 5}):
        dose = Dose({"rest_s": 300, "session_limit_s": 600})
        dose.load({"now_s": 10, "day": 20_800, "ledger": [odd, good, good[:4]], "begun": odd, "rest_s": odd})
        assert (dose.total_ms, dose.begun, dose.charged_ms[AS_PLANNED]) == (1_000, None, 1_000)
        for place in range(5):
            entry = list(good)
            entry[place] = odd
            dose.load({"ledger": [entry], "day": 20_800})
            dose.second(1, NOON_S)
            begun = dict(plan)
            begun[("after", "parts", "level", "run_s", "local_s")[place]] = odd
            dose.load({"begun": begun})
            if dose.begun:
                dose.settle(None, None)
    dose = Dose({"rest_s": 300, "session_limit_s": 600})
    dose.load({"begun": plan})
    assert dose.settle(None, None)["areas"] == {"calf": [1_000, 1_540 // 60]}
    assert (COUNTED, WITHIN_10_S, AS_PLANNED) == (0, 1, 2)
