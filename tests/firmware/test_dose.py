"""Dose: what counts where, the day with and without a clock, limits, rest, what survives a power cycle."""

import json

from massager import buttons
from massager import session as sessions
from massager.areas import INDEX
from massager.dose import DAY_S, Dose
from massager.program import Program
from support import Bench, MemoryFiles

CALF = INDEX["calf_left"]
DAY = 20_800  # days since 1970
NOON_S = DAY * DAY_S + DAY_S // 2
SETTINGS = {"rest_s": 0, "day_limit_min": 0, "area_limit_min": 0, "session_limit_s": 600}


def new_dose(record=None, **settings):
    values = SETTINGS.copy()
    values.update(settings)
    dose = Dose(values)
    if record is not None:
        dose.load(json.loads(json.dumps(record)))
    return dose


def use(dose, seconds, area=CALF, opm=1_500):
    """A session of so many seconds on an area, closed."""
    for n in range(seconds * 25):
        dose.sample(area, (n + 1) * 40, opm)
    return dose.close(seconds * 1_000)


def seconds(dose):
    return {label: dose.areas[label][0] // 1000 for label in dose.areas}


def bench_of(files=None, **settings):
    bench = Bench(files)
    bench.app.settings.values.update(settings)
    bench.app.settings.values["host_timeout_s"] = 10_000
    bench.app.configure()
    return bench


def records(bench, kind):
    return [r for r in bench.call("journal.read")["records"] if r["kind"] == kind]


def names_refused(error):
    return [row["name"] for row in error["data"]["refusals"]]


def test_minutes_and_oscillations_count_by_area():
    dose = new_dose()
    assert use(dose, 60) == {"calf_left": [60_000, 1_500]}
    assert use(dose, 30, 0, 3_000) == {"unspecified": [30_000, 1_500]}
    assert dose.areas == {"calf_left": [60_000, 1_500, 1], "unspecified": [30_000, 1_500, 1]}
    assert dose.total_ms == 90_000
    use(dose, 60)
    assert dose.areas["calf_left"] == [120_000, 3_000, 2]


def test_a_rate_that_changes_loses_no_oscillation():
    dose = new_dose()
    for n in range(1_000):
        dose.sample(CALF, (n + 1) * 40, 1_000 + n)
    turns = dose.close(40_000)["calf_left"][1]
    assert turns == sum((1_000 + n) * 40 for n in range(1_000)) // 60_000


def test_a_pause_is_no_motor_time():
    dose = new_dose()
    dose.sample(CALF, 40, 1_000)
    dose.sample(CALF, 60_040, 1_000)
    assert dose.close(60_040)["calf_left"][0] == 80


def test_a_session_without_the_motor_leaves_no_dose():
    dose = new_dose(rest_s=60)
    assert dose.close(600_000) == {} and not dose.changed and not dose.resting


def test_a_new_day_begins_at_local_midnight():
    dose = new_dose()
    dose.second(1, NOON_S)
    use(dose, 60)
    dose.second(2, (DAY + 1) * DAY_S - 1)
    assert (dose.day, seconds(dose)) == (DAY, {"calf_left": 60})
    dose.second(3, (DAY + 1) * DAY_S)
    assert (dose.day, dose.areas, dose.total_ms) == (DAY + 1, {}, 0)


def test_without_a_clock_the_day_ends_after_24_hours_of_uptime_over_power_cycles():
    dose = new_dose()
    use(dose, 60)
    dose.second(DAY_S // 2, None)
    dose = new_dose(dose.record())
    dose.second(DAY_S // 2 - 1, None)
    assert seconds(dose) == {"calf_left": 60}
    dose.second(DAY_S // 2, None)
    assert dose.areas == {} and dose.total_ms == 0


def test_a_power_cycle_without_a_clock_escapes_no_limit():
    dose = new_dose(day_limit_min=10)
    dose.second(1, NOON_S)
    use(dose, 600)
    dose = new_dose(dose.record(), day_limit_min=10)
    dose.second(1, None)
    assert dose.refusals(None, 1_000, 0) == sessions.DOSE_USED_UP
    dose.second(2, NOON_S + DAY_S)  # the host says that it is tomorrow
    assert dose.refusals(None, 1_000, 0) == 0


def test_what_was_done_before_the_clock_was_set_counts_to_the_day_it_tells():
    yesterday = new_dose()
    yesterday.second(1, NOON_S - DAY_S)
    use(yesterday, 60)
    dose = new_dose(yesterday.record())
    use(dose, 30, INDEX["foot"])
    dose.second(100, NOON_S)
    assert (dose.day, seconds(dose)) == (DAY, {"foot": 30})
    use(dose, 10)
    dose.second(200, NOON_S + 100)
    assert seconds(dose) == {"foot": 30, "calf_left": 10}


def test_the_same_day_goes_on_after_a_restart():
    dose = new_dose()
    dose.second(1, NOON_S)
    use(dose, 60)
    dose = new_dose(dose.record())
    use(dose, 30)
    dose.second(50, NOON_S + 600)
    assert seconds(dose) == {"calf_left": 90} and dose.total_ms == 90_000


def test_the_days_limit_counts_what_is_asked_for():
    dose = new_dose(day_limit_min=10)
    use(dose, 300)
    for run_s, refused in ((300, 0), (301, sessions.DOSE_USED_UP)):
        assert dose.refusals(None, run_s * 1000, 0) == refused
    assert dose.refusals(None, 0, 0) == 0  # as a status asks
    use(dose, 300, 0)
    assert dose.refusals(None, 0, 0) == sessions.DOSE_USED_UP


def test_a_limit_of_one_area_leaves_the_others_alone():
    dose = new_dose(area_limit_min=5)
    use(dose, 240)
    assert dose.refusals(None, 61_000, CALF) == sessions.DOSE_USED_UP
    assert dose.refusals(None, 60_000, CALF) == 0
    assert dose.refusals(None, 300_000, INDEX["calf_right"]) == 0
    assert dose.refusals(None, 600_000, 0) == 0  # nobody knows where that is
    stages = [
        ("x", 61, "steady", 1, 1, 0, "calf_left", "none"),
        ("y", 100, "steady", 1, 1, 0, "foot", "none"),
    ]
    assert dose.refusals(Program("p", stages), 0, 0) == sessions.DOSE_USED_UP
    stages[0] = ("x", 60, "steady", 1, 1, 0, "calf_left", "none")
    assert dose.refusals(Program("p", stages), 0, 0) == 0


def test_a_timer_is_granted_whatever_was_done():
    dose = new_dose(day_limit_min=1, rest_s=100)
    use(dose, 600)
    timer = Program("t", [("x", 600, "off", 0, 0, 0, "", "none")])
    assert dose.refusals(None, 1, 0) == sessions.DOSE_USED_UP | sessions.REST_DUE
    assert dose.refusals(timer, 0, 0) == 0 and dose.warnings(timer, 0, 0) == 0


def test_four_fifths_of_a_limit_warn():
    dose = new_dose(day_limit_min=10, area_limit_min=5)
    assert dose.warnings(None, 480_000, 0) == 0
    assert dose.warnings(None, 480_001, 0) == sessions.DAY_LIMIT
    assert dose.warnings(None, 240_000, CALF) == 0
    assert dose.warnings(None, 240_001, CALF) == sessions.AREA_LIMIT


def test_a_rest_is_due_after_a_session_of_full_length_only():
    dose = new_dose(rest_s=300)
    use(dose, 599)
    assert not dose.resting
    use(dose, 600)
    assert dose.resting and dose.rest_left_s() == 300
    dose.second(200, None)
    assert dose.rest_left_s() == 100
    dose.second(299, None)
    assert dose.refusals(None, 1, 0) == sessions.REST_DUE
    dose.second(300, None)
    assert dose.refusals(None, 1, 0) == 0


def test_a_rest_outlives_a_power_cycle_and_a_clock_shortens_it():
    dose = new_dose(rest_s=300)
    dose.second(1, NOON_S)
    use(dose, 600)
    dose.second(2, NOON_S + 1)
    record = dose.record()
    dose = new_dose(record, rest_s=300)
    assert dose.resting and dose.rest_left_s() == 299
    dose.second(1, None)
    assert dose.rest_left_s() == 298
    dose.second(2, NOON_S + 201)
    assert dose.rest_left_s() == 99
    dose = new_dose(record, rest_s=300)
    dose.second(1, NOON_S + 1_000)
    assert not dose.resting


def test_a_record_that_makes_no_sense_counts_as_none():
    for record in (
        {},
        {"day": "x", "aged_s": None, "areas": [], "rest_s": -5, "rest_until": {}},
        {"areas": {"neck": [1, 2, 3], "calf": [1, 2], "foot": None, "glute": ["a", -1, None]}},
    ):
        dose = new_dose(record)
        assert dose.total_ms == 0 and not dose.resting and dose.day is None


def test_the_device_refuses_warns_and_tells():
    bench = bench_of(day_limit_min=10)
    bench.call("clock.set", unix_s=1_800_000_000, utc_offset_min=120)
    started = bench.call("session.start", level=1, run_s=400, area="calf_left")
    assert started["warnings"] == []
    bench.run_ms(401_000)
    dose = bench.call("dose.get")
    assert dose["day"] == (1_800_000_000 + 7_200) // DAY_S and dose["dated"]
    motor_s, turns, count = dose["areas"]["calf_left"]
    assert 398 <= motor_s <= 400 and 6_000 < turns < 6_700 and count == 1
    assert dose["total_s"] == motor_s and dose["next"] is None
    assert names_refused(bench.call("session.start", level=1, run_s=300)) == ["dose_used_up"]
    assert bench.call("session.start", level=1, run_s=190)["warnings"] == ["day_limit"]
    bench.run_ms(100)
    assert ("warning", ["day_limit"]) in bench.event_names() and ("cue", "limit") in bench.event_names()


def test_a_start_by_button_takes_what_the_day_leaves():
    bench = bench_of(day_limit_min=5)
    bench.press(buttons.PLUS)
    assert bench.app.session.run_ms == 300_000
    bench.run_ms(301_000)
    bench.press(buttons.PLUS)
    assert bench.app.session.state == sessions.IDLE
    assert records(bench, "refusal")[-1]["refusals"] == ["dose_used_up"]
    assert 299_000 < bench.app.dose.total_ms <= 300_000
    assert "dose_used_up" in bench.call("status")["refusals"]


def test_a_limit_that_leaves_less_than_ten_seconds_is_used_up():
    for left_s, run_ms in ((9, 0), (10, 10_000), (11, 11_000)):
        bench = bench_of(day_limit_min=5)
        use(bench.app.dose, 300 - left_s)
        bench.press(buttons.PLUS)
        assert bench.app.session.run_ms == run_ms
        bench.run_ms(run_ms + 1_000)
        assert bench.app.dose.total_ms <= 300_000


def test_dose_and_selection_survive_a_power_cycle():
    files = MemoryFiles()
    bench = bench_of(files)
    bench.call("program.select", name="roller")
    bench.start(run_s=60)
    bench.run_ms(62_000)
    assert bench.app.dose.total_ms > 58_000
    again = bench_of(files)
    assert again.app.dose.total_ms == bench.app.dose.total_ms
    assert again.app.selected == "roller" and again.app.session.selected.name == "roller"
    assert again.call("dose.get")["dated"] is False


def test_the_journal_tells_area_and_program():
    bench = bench_of()
    stages = (("x", 20, "steady", 1, 1, 0, "foot", "none"), ("y", 20, "steady", 2, 2, 0, "calf", "none"))
    bench.app.session.start_program(Program("mine", stages), 1, sessions.REMOTE)
    bench.run_ms(42_000)
    records = bench.call("journal.read")["records"]
    record = [r for r in records if r["kind"] == "session"][-1]
    assert (record["program"], record["shift"], record["day"]) == ("mine", 1, None)
    assert sorted(record["areas"]) == ["calf", "foot"]
    assert 19_000 <= record["areas"]["foot"][0] <= 20_100
