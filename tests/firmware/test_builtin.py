"""Built-in programs: each obeys the rules of a program, can be followed, and claims nothing."""

import json

from massager import areas
from massager.drive import LEVELS
from massager.library import BUILT_IN
from support import BUILT_IN_FILES, raises

KEYS = ("title", "purpose", "cautions", "evidence", "stages")


def rows():
    """(name, title, purpose, cautions, evidence, stages) of each program built in."""
    found = []
    for name in BUILT_IN:
        values = json.loads(BUILT_IN_FILES["massager/programs/%s.json" % name])
        assert sorted(values) == sorted(KEYS), name
        found.append((name,) + tuple(values[key] for key in KEYS))
    return found


PROGRAMS = rows()

SLEW_DS = 20  # tenths of a second for a change by one level, at the default slew_s
TEXT_MAX = 600  # characters of a row's texts, which travel in one line
SESSION_LIMIT_S = 600  # the default
TIMERS = ("stretch-timer", "ice-timer")
CUES = ("none", "stage", "move_on")
MEDICAL = (
    "treat",
    "cure",
    "heal",  # health too
    "therap",
    "relie",
    "remed",
    "diagnos",
    "prevent",
    "patient",
    "clinical",
    "medical",
    "rehab",
    "inflamm",
    "injur",
    "detox",
    "circulation",
    "recover",
)
ABOVE = ("neck", "head", "face", "throat", "jaw", "temple", "eye", "ear", "scalp")


def texts(row):
    """Everything of a row that people read, without the stages."""
    _, title, purpose, cautions, evidence, _ = row
    return [title, purpose] + list(cautions) + [text for pair in evidence for text in pair]


def words(text):
    """The words of a text, in small letters."""
    return "".join(c if c.isalpha() else " " for c in text.lower()).split()


def target_ml(stage, t_ds):
    """The demanded level in thousandths, t_ds tenths of a second into a stage."""
    _, seconds, pattern, a, b, period_s, _, _ = stage
    period_ds = 10 * period_s
    if pattern in ("steady", "off"):
        return 1000 * a
    if pattern == "ramp":
        return 1000 * a + (b - a) * 1000 * t_ds // (10 * seconds)
    half = period_ds // 2
    p = t_ds % period_ds
    if pattern == "pulse":
        return 1000 * (b if p < half else a)
    x = p if p < half else period_ds - p
    return 1000 * a + (b - a) * 1000 * x // half


def check_stage(stage):
    """AssertionError unless the stage obeys the rules."""
    name, seconds, pattern, a, b, period_s, area, cue = stage
    assert 1 <= len(name) <= 24, name
    assert isinstance(seconds, int) and 1 <= seconds <= 900
    assert area in areas.INDEX, area
    assert cue in CUES, cue
    if pattern == "off":
        assert (a, b) == (0, 0)
    elif pattern == "pulse":
        assert 0 <= a <= b <= LEVELS and b >= 1
    elif pattern == "wave":
        assert 1 <= a <= b <= LEVELS
    elif pattern == "ramp":
        assert 1 <= a <= LEVELS and 1 <= b <= LEVELS
    else:
        assert pattern == "steady" and a == b and 1 <= a <= LEVELS, pattern
    if pattern in ("wave", "pulse"):
        assert 2 <= period_s <= 900
    else:
        assert period_s == 0


def late_ds(stages):
    """For how many tenths of a second the slewed level is elsewhere than demanded, with no jump to excuse it.

    After a jump of the demand it has twice the time that the jump takes: the demand may move on meanwhile.
    """
    level = before = excused = late = 0
    step = 1000 // SLEW_DS
    for stage in stages:
        for t_ds in range(10 * stage[1]):
            target = target_ml(stage, t_ds)
            if target != before and (t_ds == 0 or stage[2] == "pulse"):
                excused = 2 * abs(target - level) // step
            before = target
            away = target - level
            level += max(-step, min(step, away))
            if abs(away) > step and not excused:
                late += 1
            excused = max(0, excused - 1)
    return late


def test_every_stage_obeys_the_rules():
    count = 0
    for row in PROGRAMS:
        assert len(row[5]) <= 24
        for stage in row[5]:
            check_stage(stage)
            count += 1
    assert count > 50


def test_a_stage_that_breaks_a_rule_would_be_found():
    good = ("x", 60, "wave", 1, 3, 30, "calf", "stage")
    check_stage(good)
    for at, bad in ((0, "x" * 25), (1, 901), (2, "jump"), (3, 0), (4, 12), (5, 1), (6, "neck"), (7, "beep")):
        stage = good[:at] + (bad,) + good[at + 1 :]
        raises(AssertionError, check_stage, stage)


def test_names_are_those_that_a_command_can_take():
    names = [row[0] for row in PROGRAMS]
    assert len(set(names)) == len(names) == 14
    for name in names:
        assert 1 <= len(name) <= 24 and "a" <= name[0] <= "z"
        assert all("a" <= c <= "z" or "0" <= c <= "9" or c == "-" for c in name), name


def test_only_steady_has_no_stages():
    assert [row[0] for row in PROGRAMS if not row[5]] == ["steady"]


def test_totals_fit_the_default_session_limit_and_timers_the_hard_one():
    for row in PROGRAMS[1:]:
        total_s = sum(stage[1] for stage in row[5])
        motor = any(stage[2] != "off" for stage in row[5])
        assert motor == (row[0] not in TIMERS), row[0]
        assert 240 <= total_s <= (SESSION_LIMIT_S if motor else 900), row[0]


def test_a_program_begins_and_ends_low_and_rises_gently():
    for row in PROGRAMS[1:]:
        stages = row[5]
        assert target_ml(stages[0], 0) <= 1000, row[0]
        assert target_ml(stages[-1], 10 * stages[-1][1] - 1) <= 2100, row[0]
        assert max(max(stage[3], stage[4]) for stage in stages) <= 6, row[0]


def test_the_motor_can_follow():
    for row in PROGRAMS[1:]:
        assert late_ds(row[5]) == 0, row[0]


def test_what_cannot_be_followed_would_be_found():
    low = ("x", 30, "steady", 1, 1, 0, "", "none")
    assert late_ds((low, ("x", 60, "wave", 1, 4, 8, "", "stage"))) > 0
    assert late_ds((low, ("x", 5, "ramp", 1, 4, 0, "", "stage"))) > 0
    assert late_ds((low, ("x", 6, "ramp", 1, 4, 0, "", "stage"))) == 0


def test_no_area_is_worked_for_longer_than_two_minutes_without_a_cue():
    for row in PROGRAMS[1:]:
        if row[0] not in TIMERS:
            assert row[5][0][7] == "none", row[0]
            for stage in row[5]:
                assert stage[1] <= 120, (row[0], stage)
            for stage in row[5][1:]:
                assert stage[7] != "none", (row[0], stage)


def test_holds_on_tender_points_last_10_to_30_s_with_a_pause_after_each():
    pulses = [
        stage for row in PROGRAMS if row[0] == "trigger-point" for stage in row[5] if stage[2] == "pulse"
    ]
    assert pulses
    for _, seconds, _, low, high, period_s, _, _ in pulses:
        at_level_s = period_s // 2 - high * SLEW_DS // 10
        assert low == 0 and 10 <= at_level_s <= 30 and seconds % period_s == 0


def test_cautions_and_evidence_are_there():
    for row in PROGRAMS:
        assert row[3] and row[4], row[0]
        for source, finding in row[4]:
            assert source and finding.endswith("."), row[0]
        for caution in row[3]:
            assert caution.endswith("."), row[0]


def test_a_lack_of_benefit_is_told():
    said = " ".join(finding for row in PROGRAMS for _, finding in row[4])
    assert said.count("no benefit") >= 2 and "no trial" in said and "no evidence" in said


def test_texts_are_short_and_ascii():
    for row in PROGRAMS:
        assert len(row[0]) + sum(len(text) for text in texts(row)) <= TEXT_MAX, row[0]
        for text in [row[0]] + texts(row) + [stage[0] for stage in row[5]]:
            assert all(" " <= c <= "~" for c in text), text


def test_nothing_is_claimed_that_a_physician_would_have_to_answer_for():
    for row in PROGRAMS:
        for text in texts(row) + [stage[0] for stage in row[5]]:
            for word in words(text):
                for root in MEDICAL:
                    assert not word.startswith(root), (row[0], text)


def test_nothing_above_the_shoulders_is_named_but_to_say_no():
    for row in PROGRAMS:
        for stage in row[5]:
            assert not set(words(stage[0])) & set(ABOVE), row[0]
        for text in texts(row):
            assert not set(words(text)) & set(ABOVE) or "never" in words(text), text


def test_labels_number_the_areas_with_the_unnamed_one_first():
    assert areas.LABELS[0] == ""
    assert len(set(areas.LABELS)) == len(areas.LABELS) == 39
    for index, label in enumerate(areas.LABELS):
        assert areas.INDEX[label] == index
    for base, paired, meaning in areas.AREAS:
        assert base in areas.INDEX and meaning
        for side in areas.SIDES:
            assert (base + side in areas.INDEX) == paired
        assert not set(base.split("_")) & set(ABOVE)
