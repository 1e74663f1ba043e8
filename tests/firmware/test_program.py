"""Programs: what is refused and where, and what a stage asks for at each moment."""

from massager.program import PATTERNS, STAGE_CUES, Program, mistake

STAGE = ["warm up", 60, "ramp", 1, 3, 0, "calf_left", "stage"]


def changed(**changes):
    """STAGE with some of its members changed."""
    names = ("name", "seconds", "pattern", "a", "b", "period_s", "area", "cue")
    return [changes.get(name, value) for name, value in zip(names, STAGE)]


def stage(pattern, seconds, a, b, period_s=0, area="", cue="none"):
    return ["x", seconds, pattern, a, b, period_s, area, cue]


def test_a_sound_program_has_no_mistake():
    assert mistake("my-calves", [STAGE]) is None
    assert mistake("a", [STAGE] * 15) is None  # 900 s
    assert mistake("x" * 24, [changed(seconds=1)] * 24) is None


def test_names_of_programs():
    for name in ("", "x" * 25, "2go", "-a", "Calves", "a b", "a_b", "wade/in", "ä", None, 3, ["a"]):
        assert mistake(name, [STAGE])[:2] == (None, "name"), name


def test_the_place_of_a_mistake_is_named():
    for field, values in (
        ("name", ("", "x" * 25, None, 3)),
        ("seconds", (0, -1, 901, 1.5, "60", True, None)),
        ("pattern", ("zigzag", "", None, 3, ["ramp"])),
        ("a", (0, 12, -1, 2.0, True, None)),
        ("b", (0, 12, -1, "3", None)),
        ("period_s", (1, 10, None)),
        ("area", ("neck", "calf_middle", None, 7, {})),
        ("cue", ("beep", "", None, [])),
    ):
        for value in values:
            found = mistake("p", [STAGE, changed(**{field: value})])
            assert found[:2] == (2, field), (field, value, found)


def test_patterns_have_their_own_rules():
    for wrong, field in (
        (stage("steady", 10, 3, 4), "b"),
        (stage("steady", 10, 0, 0), "a"),
        (stage("wave", 10, 4, 3, 4), "b"),
        (stage("wave", 10, 0, 3, 4), "a"),
        (stage("wave", 10, 2, 3), "period_s"),
        (stage("wave", 10, 2, 3, 1), "period_s"),
        (stage("wave", 10, 2, 3, 901), "period_s"),
        (stage("pulse", 10, 3, 2, 4), "b"),
        (stage("pulse", 10, 0, 0, 4), "b"),
        (stage("off", 10, 1, 0), "a"),
        (stage("off", 10, 0, 1), "b"),
        (stage("off", 10, 0, 0, 4), "period_s"),
    ):
        assert mistake("p", [wrong])[:2] == (1, field), wrong
    for sound in (stage("pulse", 10, 0, 3, 4), stage("wave", 10, 3, 3, 2), stage("off", 900, 0, 0)):
        assert mistake("p", [sound]) is None, sound


def test_what_is_no_list_of_stages():
    for stages in (None, [], {}, "ramp", [STAGE] * 25, 3):
        assert mistake("p", stages)[:2] == (None, "stages"), stages
    for one in (None, [], "ramp", STAGE[:-1], STAGE + [0], {"name": "x"}):
        assert mistake("p", [one])[:2] == (1, "stage"), one


def test_longer_than_fifteen_minutes_is_refused_where_it_happens():
    assert mistake("p", [STAGE] * 15 + [changed(seconds=1)])[:2] == (16, "seconds")


def test_a_program_gives_its_stages_back():
    stages = [
        STAGE,
        stage("steady", 1, 11, 11, area="lower_back", cue="move_on"),
        stage("wave", 900, 1, 11, 2),
        stage("pulse", 7, 0, 5, 900),
        stage("off", 9, 0, 0),
    ]
    program = Program("p", stages)
    assert [program.stage(i) for i in range(program.count)] == stages


def test_sums_of_a_program():
    program = Program(
        "p",
        [
            STAGE,
            stage("off", 30, 0, 0, area="calf_left"),
            stage("pulse", 40, 0, 5, 8, area="calf_left"),
            stage("steady", 20, 2, 2),
        ],
    )
    assert (program.total_s, program.motor_s, program.lowest, program.highest) == (150, 120, 1, 5)
    assert [seconds for _, seconds in program.areas] == [100]
    timer = Program("t", [stage("off", 30, 0, 0)])
    assert (timer.motor_s, timer.lowest, timer.highest, timer.areas) == (0, 0, 0, ())


def test_targets_over_a_stage():
    for one, at in (
        (stage("steady", 10, 4, 4), {0: 4000, 99: 4000}),
        (stage("ramp", 60, 1, 3), {0: 1000, 300: 2000, 599: 2996}),
        (stage("ramp", 60, 3, 1), {0: 3000, 300: 2000, 599: 1003}),
        (stage("ramp", 900, 1, 11), {0: 1000, 4500: 6000, 8999: 10998}),
        (stage("wave", 60, 2, 4, 8), {0: 2000, 20: 3000, 40: 4000, 60: 3000, 80: 2000, 120: 4000}),
        (stage("pulse", 60, 0, 3, 20), {0: 3000, 99: 3000, 100: 0, 199: 0, 200: 3000}),
        (stage("pulse", 60, 1, 3, 20), {0: 3000, 100: 1000}),
        (stage("off", 60, 0, 0), {0: 0, 599: 0}),
    ):
        program = Program("p", [one])
        for t_ds, milli in at.items():
            assert program.target(0, t_ds, 0) == milli, (one, t_ds, program.target(0, t_ds, 0))


def test_a_shift_moves_all_levels_but_not_a_pause_of_the_motor():
    program = Program("p", [stage("pulse", 60, 0, 3, 20), stage("off", 60, 0, 0), stage("ramp", 60, 1, 3)])
    assert (program.target(0, 0, 2), program.target(0, 100, 2)) == (5000, 0)
    assert program.target(1, 0, 2) == 0
    assert program.target(2, 300, -1) == 1000


def test_settings_that_a_program_does_not_fit():
    program = Program("p", [stage("ramp", 400, 2, 5), stage("off", 100, 0, 0)])
    fits = {"min_level": 2, "max_level": 5, "session_limit_s": 500}
    for changes, shift, place in (
        ({}, 0, None),
        ({}, 1, (1, "b")),
        ({}, -1, (1, "a")),
        ({"min_level": 3}, 0, (1, "a")),
        ({"max_level": 4}, 0, (1, "b")),
        ({"session_limit_s": 499}, 0, (None, "seconds")),
    ):
        settings = fits.copy()
        settings.update(changes)
        found = program.why_not(settings, shift)
        assert (found and found[:2]) == place, (changes, shift, found)
        low, high, limit_s = settings["min_level"], settings["max_level"], settings["session_limit_s"]
        assert program.misfit(shift, low, high, limit_s) == (place is not None)
    timer = Program("t", [stage("off", 900, 0, 0)])
    assert timer.why_not(fits) is None and not timer.misfit(0, 2, 5, 500)
    damaged = Program("d", ())
    assert damaged.why_not(fits)[1] == "file" and damaged.misfit(0, 1, 11, 900)


def test_tables_have_names_once():
    assert [row[0] for row in PATTERNS] == [0, 1, 2, 3, 4]
    assert len({row[1] for row in PATTERNS}) == 5
    assert len(set(STAGE_CUES.values())) == len(STAGE_CUES)
