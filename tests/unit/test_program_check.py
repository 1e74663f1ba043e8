"""Program files are judged: every error with its line and a remedy, and nothing that is sound is refused."""

from __future__ import annotations

import random
import re
import tomllib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openknead.programs import check as checking
from openknead.programs import table
from openknead.programs.check import check, load, of_wire
from openknead.programs.judge import Problem
from openknead.programs.limits import DEFAULTS, Limits
from openknead.programs.lines import Lines
from openknead.programs.model import Program
from openknead.programs.text import dump
from programs_support import CALVES, built_in, files, firmware, programs, stages

from docs import generate

SLOW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def found(old: str, new: str, text: str = CALVES) -> list[tuple[int | None, int | None, str]]:
    """Line, stage and key of the errors after a change of the file."""
    assert old in text
    report = check(text.replace(old, new).encode())
    assert (report.program is None) == bool(report.errors)
    assert all(error.what and error.remedy for error in report.errors)
    return [(error.line, error.stage, error.key) for error in report.errors]


def only(old: str, new: str, text: str = CALVES) -> Problem:
    """The one problem after a change of the file."""
    (problem,) = check(text.replace(old, new).encode()).problems
    return problem


def test_a_sound_file_has_no_problem() -> None:
    report = check(CALVES.encode())

    assert report.problems == ()
    assert report.program
    assert (report.program.name, report.program.total_s, report.program.areas) == (
        "my-calves",
        170,
        ("calf",),
    )
    assert report.program.stages[1].wire() == ["knead", 90, "wave", 2, 4, 15, "calf_right", "move_on"]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('name = "my-calves"', 'name = "My Calves"', (2, None, "name")),
        ('name = "my-calves"', 'name = "steady"', (2, None, "name")),
        ('name = "my-calves"', f'name = "{"x" * 25}"', (2, None, "name")),
        ('title = "Calves after a run"', 'title = ""', (3, None, "title")),
        ('title = "Calves after a run"', "title = 3", (3, None, "title")),
        ('title = "Calves after a run"', 'title = "\\u001b[31m"', (3, None, "title")),
        ('areas = ["calf"]', 'areas = "calf"', (5, None, "areas")),
        ('areas = ["calf"]', 'areas = ["neck"]', (5, None, "areas")),
        ('    "Stop on pain.",', "    7,", (8, None, "cautions")),
        ('finding = "Something."', "", (11, None, "")),
        ('source = "Somebody 2020"', 'sauce = "Somebody 2020"', (12, None, "sauce")),
        ('name = "warm up"', 'name = "warm up and then some more"', (16, 1, "name")),
        ('name = "warm up"', 'name = "a\\nb"', (16, 1, "name")),
        ("seconds = 60", "seconds = 60.0", (17, 1, "seconds")),
        ("seconds = 60", 'seconds = "60"', (17, 1, "seconds")),
        ("seconds = 60", "seconds = true", (17, 1, "seconds")),
        ("seconds = 60", "seconds = 0", (17, 1, "seconds")),
        ("seconds = 60", "seconds = 901", (17, 1, "seconds")),
        ("seconds = 60", f"seconds = 0x{'f' * 5000}", (17, 1, "seconds")),
        ("seconds = 60\n", "", (15, 1, "")),
        ('pattern = "ramp"', 'pattern = "rampe"', (18, 1, "pattern")),
        ('pattern = "ramp"', "pattern = []", (18, 1, "pattern")),
        ("from = 1", "from = 12", (19, 1, "from")),
        ("from = 1", "from = 0", (19, 1, "from")),
        ("from = 1\n", "", (15, 1, "")),
        ("from = 1", "from = 1\nlow = 1", (20, 1, "low")),
        ('area = "calf_left"', 'area = "calf-left"', (21, 1, "area")),
        ("low = 2", "low = 5", (27, 2, "low")),
        ("low = 2", "low = 0", (27, 2, "low")),
        ("period = 15", "period = 1", (29, 2, "period")),
        ("period = 15", "period = 901", (29, 2, "period")),
        ('cue = "move_on"', 'cue = "beep"', (31, 2, "cue")),
        ('pattern = "off"', 'pattern = "off"\nlevel = 1', (37, 3, "level")),
        ("seconds = 20", "seconds = 751", (35, 3, "seconds")),
    ],
)
def test_an_error_is_named_with_its_line_stage_and_key(old: str, new: str, place: tuple[Any, ...]) -> None:
    assert found(old, new) == [place]


def test_all_errors_are_told_at_once_in_the_order_of_lines() -> None:
    text = CALVES.replace("seconds = 60", "seconds = 0").replace("low = 2", "low = 12")

    assert found('name = "my-calves"', "name = 1", text) == [
        (2, None, "name"),
        (17, 1, "seconds"),
        (27, 2, "low"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("title", "titel", "did you mean title?"),
        ("seconds = 60", "secnds = 60", "did you mean seconds?"),
        ('"ramp"', '"rmap"', "did you mean ramp?"),
        ('area = "calf_left"', 'area = "calf-left"', "did you mean calf_left"),
        ('area = "calf_left"', 'area = "throat"', "there are foot, calf"),
        ("from = 1", "from = 1\nlevel = 2", "ramp takes from, to"),
        ('name = "my-calves"', "", 'write name = "…"'),
        ("[[evidence]]", "[evidence]", "with double brackets"),
    ],
)
def test_the_remedy_says_what_to_write(old: str, new: str, remedy: str) -> None:
    assert remedy in only(old, new).remedy


def test_a_misspelt_key_is_not_missing_as_well() -> None:
    assert found("seconds = 60", "secnds = 60") == [(17, 1, "secnds")]


@pytest.mark.parametrize(
    ("source", "what", "line"),
    [
        (b"", "name is missing", 1),
        (b'name = "a"\n', "stage is missing", 1),
        (b'name = "a"\nstage = []\n', "there is no stage", 2),
        (b'name = "a"\nstage = [1]\n', "1 is no table", 2),
        (b'name = "a"\nstage = 5\n', "stage is 5", 2),
        (b"name = \n", "no TOML", 1),
        (b'name = "a"\n\nname = "b"\n', "no TOML", 3),
        (b"name = [\n\n", "no TOML", 2),
        (b'a = 1\nname = "\xff"\n', "byte 0xff is not UTF-8", 2),
        (b'\xef\xbb\xbfname = "a"\n', "byte order mark", 1),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deeply", None),
        (b"a = 1" + b"0" * 5000, "no TOML", None),
        (b"#" * 70_000, "70000 bytes", None),
    ],
)
def test_what_is_no_program_at_all(source: bytes, what: str, line: int | None) -> None:
    first = check(source).problems[0]

    assert what in first.what
    assert (first.severity, first.line) == ("error", line)


def test_too_many_stages_and_too_long_a_program() -> None:
    stage = '[[stage]]\nname = "x"\nseconds = 40\npattern = "off"\n'
    assert [error.what for error in check(('name = "a"\n' + stage * 25).encode()).errors] == [
        "up to here the stages last 920 s",
        "there are 25 stages",
    ]


def test_a_file_that_does_not_fit_on_the_device() -> None:
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=6000))
    problem = only("Loosens them.", noise)

    assert "bytes on the device" in problem.what
    assert str(table.DOCUMENT_MAX) in problem.remedy


def test_places_are_found_however_toml_is_written() -> None:
    text = (
        'name = "a"\r\n"areas" = [\r\n  "calf",  # [[stage]]\r\n  "calff" ]\r\n'
        'purpose = """\r\n[[stage]]\r\n"""\r\n'
        "stage = [ { name = 'x', seconds = 1, pattern = 'off' },\r\n"
        "  { name = 'y', pattern = 'steady', seconds = 1, level = 99 } ]\r\n"
    )
    assert [(error.line, error.stage) for error in check(text.encode()).errors] == [(4, None), (9, 2)]


@pytest.mark.parametrize(
    "text", ['"a \\" # ["', '"""\nb \\""" [[stage]]\n"""', "'''\nc '' # ]\n'''", "'d \\'", '"""e"""""']
)
def test_texts_of_all_kinds_hide_what_is_in_them(text: str) -> None:
    source = f'name = "a"\npurpose = {text}\n[[stage]]\nname = "x"\nseconds = 0\npattern = "off"\n'
    assert [(error.line, error.key) for error in check(source.encode()).errors] == [
        (5 + text.count("\n"), "seconds")
    ]


def test_a_table_inside_a_stage_has_its_own_line() -> None:
    stage = '[[stage]]\nname = "x"\nseconds = 1\npattern = "off"\n'
    text = f'name = "a"\n{stage}{stage}[stage.more]\nx = 1\n'
    assert [(error.line, error.stage, error.key) for error in check(text.encode()).errors] == [
        (10, 2, "more")
    ]


@given(files(6), st.randoms(use_true_random=False))
@SLOW
def test_every_place_of_a_file_has_its_line(source: bytes, chance: random.Random) -> None:
    """Found by a marker: each value is replaced in turn by one that can be seen in the text."""
    text = source.decode()

    def paths(value: Any, path: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        if isinstance(value, dict):
            return [path, *(p for key in value for p in paths(value[key], (*path, key)))]
        if isinstance(value, list):
            return [path, *(p for n, item in enumerate(value) for p in paths(item, (*path, n)))]
        return [path]

    lines = Lines(text)
    rows = text.split("\n")
    for path in paths(tomllib.loads(text), ())[1:]:
        assert path in lines, path
        row = rows[lines[path] - 1]
        if isinstance(path[-1], str) and path[0] in ("stage", "evidence") and len(path) == 3:
            assert row.startswith(f"{path[-1]} = "), (path, row)
            nth = sum(header in ("[[stage]]", "[[evidence]]") for header in rows[: lines[path]])
            evidence = len(tomllib.loads(text).get("evidence", ())) if path[0] == "stage" else 0
            assert nth == path[1] + 1 + evidence


def test_a_lost_scanner_tells_what_it_has_found() -> None:
    lines = Lines('a = 1\n[[b]]\nc = 2\nd = """never closed')
    assert (lines[("b", 0, "c")], lines[("b", 0, "zzz")], lines[("q",)]) == (3, 2, 1)


# -- warnings -------------------------------------------------------------------------------------------


def test_a_program_longer_than_the_default_session_is_a_warning_and_an_error_on_such_a_device() -> None:
    text = CALVES.replace("seconds = 90", "seconds = 570")
    problem = only("seconds = 60", "seconds = 300", text)
    assert (problem.severity, problem.stage) == ("warning", None)
    assert "session_limit_s is 600" in problem.what

    source = text.replace("seconds = 60", "seconds = 300").encode()
    assert check(source, Limits(session_limit_s=900, device=True)).problems == ()
    assert [p.severity for p in check(source, Limits(session_limit_s=600, device=True)).problems] == ["error"]


def test_a_timer_may_be_longer_than_a_session() -> None:
    text = 'name = "ice"\n[[stage]]\nname = "ice"\nseconds = 900\npattern = "off"\n'
    assert check(text.encode(), Limits(session_limit_s=300, device=True)).problems == ()


def test_levels_and_areas_that_a_device_does_not_allow() -> None:
    low = Limits(min_level=2, max_level=3, areas=("calf", "calf_left"), device=True)
    errors = check(CALVES.encode(), low).errors

    assert [(error.line, error.key) for error in errors] == [(19, "from"), (28, "high"), (30, "area")]


def test_stages_without_an_area_are_a_warning() -> None:
    text = CALVES.replace('area = "calf_left"\n', "").replace('area = "calf_right"\n', "")
    (problem,) = check(text.encode()).problems
    assert (problem.severity, problem.stage) == ("warning", 1)
    assert "in stages 1, 2" in problem.what


@pytest.mark.parametrize(
    ("old", "new", "what", "remedy"),
    [
        ("period = 15", "period = 4", "swings between", "period of 8 s"),
        ('pattern = "wave"', 'pattern = "pulse"', None, None),
        ("seconds = 60", "seconds = 3", "gets to level 1.5 only", "6 s or more"),
        ("seconds = 90", "seconds = 10", "over before its first period", "longer"),
        ("seconds = 20", "seconds = 2", "gets to level 1.0 only", "s or more"),
    ],
)
def test_what_the_slew_cannot_follow_is_a_warning(old: str, new: str, what: str | None, remedy: str) -> None:
    problems = check(CALVES.replace(old, new).encode()).problems
    assert all(problem.severity == "warning" for problem in problems)
    if what is None:
        assert problems == ()
    else:
        assert any(what in p.what and remedy in p.remedy for p in problems), problems


def test_what_a_slower_device_cannot_follow_is_told_for_that_device() -> None:
    assert check(CALVES.encode(), Limits(slew_s=2)).problems == ()
    (problem,) = check(CALVES.encode(), Limits(slew_s=5)).problems
    assert (problem.stage, problem.key, problem.severity) == (2, "period", "warning")
    assert "at 5 s a level" in problem.what


def test_the_programs_of_the_firmware_can_all_be_followed() -> None:
    assert len(built_in()) >= 13
    for name, row in built_in().items():
        report = check(dump(of_wire(name, row["stages"])).encode())
        assert report.program
        assert [problem for problem in report.problems if "no area" not in problem.what] == [], name


# -- agreement with the firmware ------------------------------------------------------------------------


def test_tables_and_defaults_are_the_firmwares() -> None:
    generate.load()
    program, library = firmware("program"), firmware("library")
    assert (table.STAGES_MAX, table.NAME_MAX, table.TOTAL_MAX_S, table.PERIOD_MIN_S) == (
        program.STAGES_MAX,
        program.NAME_MAX,
        program.TOTAL_MAX_S,
        program.PERIOD_MIN_S,
    )
    assert (table.PROGRAMS_MAX, table.DOCUMENT_MAX) == (library.PROGRAMS_MAX, library.SIZE_MAX)
    assert {"", *table.AREAS} == set(firmware("areas").LABELS)
    assert set(table.BY_PATTERN) == {row[1] for row in program.PATTERNS}
    assert set(table.CUES) == set(program.STAGE_CUES)
    settings_of = {row[0]: row[5] for row in firmware("settings").TABLE}
    for name in ("min_level", "max_level", "session_limit_s", "slew_s", "area_s"):
        assert getattr(DEFAULTS, name) == settings_of[name]


members = st.integers(-2, 13) | st.sampled_from((60, 900, 901, True, 1.0, None, "x", "ramp", "calf", []))


@given(st.lists(st.tuples(stages(200), st.integers(0, 7), members, st.booleans()), max_size=26), st.data())
@SLOW
def test_host_and_firmware_refuse_the_same_stages(changes: Any, data: st.DataObject) -> None:
    wire = []
    for stage, place, value, change in changes:
        row = stage.wire()
        if change:
            row[place] = value
        wire.append(row)
    mistake = firmware("program").mistake("a", wire)
    try:
        of_wire("a", wire)
    except ValueError:
        assert mistake is not None
    else:
        assert mistake is None, mistake


# -- nothing breaks it ----------------------------------------------------------------------------------

TOKENS = re.compile(rb'"[^"\n]*"|\w+|[^\w\s]|\s+')
SPICE = [
    *(
        b"[",
        b"]",
        b"[[",
        b"]]",
        b"{",
        b"}",
        b'"',
        b'"""',
        b"'",
        b"'''",
        b"=",
        b".",
        b",",
        b"#",
        b"\n",
        b"\\",
        b"\x00",
    ),
    *(
        b"nan",
        b"-1",
        b"1e9",
        b"0x" + b"f" * 5000,
        b"9" * 5000,
        b"1979-05-27",
        b"true",
        b"\xff",
        b"\xed\xa0\x80",
    ),
    *(b"[[stage]]\n", b"[stage]\n", b"stage", b"name", b"pattern", b'"ramp"', b"\x1b[2J", b"\xc2\x9b"),
]


def broken(chance: random.Random, seeds: list[bytes]) -> bytes:
    """A file with a few bytes, tokens or lines added, lost, doubled, swapped or replaced."""
    source = chance.choice(seeds)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        cut = chance.choice((None, TOKENS, re.compile(rb"[^\n]*\n?")))
        parts = TOKENS.findall(source) if cut is TOKENS else cut.findall(source) if cut else list(source)
        if cut is None:
            parts = [bytes((byte,)) for byte in source]
        if not parts:
            return chance.choice(SPICE)
        place = chance.randrange(len(parts))
        other = chance.randrange(len(parts))
        act = chance.randrange(6)
        if act == 0:
            del parts[place]
        elif act == 1:
            parts.insert(place, chance.choice(SPICE))
        elif act == 2:
            parts[place] = chance.choice(SPICE)
        elif act == 3:
            parts[place], parts[other] = parts[other], parts[place]
        elif act == 4:
            parts.insert(other, parts[place])
        else:
            del parts[place:other]
        source = b"".join(parts)
    return source


@pytest.mark.parametrize("seed", range(4))
def test_ten_thousand_broken_files_get_clear_errors(seed: int) -> None:
    chance = random.Random(seed)
    seeds = [CALVES.encode(), CALVES.replace("\n", "\r\n").encode()]
    seeds.append(dump(Program.of(tomllib.loads(CALVES))).encode())
    refused = 0
    for _ in range(2500):
        source = broken(chance, seeds)
        report = check(source)
        rows = source.count(b"\n") + 1
        for problem in report.problems:
            text = f"{problem.at('f.toml')}"
            assert problem.what
            assert problem.remedy
            assert all(char.isprintable() for char in text), text
            assert len(text) < 400, text
            assert problem.line is None or 1 <= problem.line <= rows
        assert (report.program is None) == bool(report.errors)
        refused += bool(report.errors)
        if report.program:
            assert of_wire(report.program.name, [stage.wire() for stage in report.program.stages])
    assert refused > 1250


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_get_clear_errors(source: bytes) -> None:
    assert check(source).errors


def test_load_raises_with_all_errors_and_their_lines() -> None:
    with pytest.raises(
        checking.ProgramFileError, match=r"calves.toml:17: error: stage 1: seconds is 0"
    ) as caught:
        load(CALVES.replace("seconds = 60", "seconds = 0").encode(), "calves.toml")
    assert caught.value.as_dict()["problems"][0]["line"] == 17


@given(programs(6))
@SLOW
def test_what_a_program_says_is_what_check_reads(program: Program) -> None:
    report = check(dump(program).encode())
    assert [problem for problem in report.errors if "bytes on the device" not in problem.what] == []
    if report.program:
        assert report.program == program
