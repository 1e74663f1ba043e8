"""Settings files: what is written is read, everything else is an error with its line."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openknead.errors import SettingsFileError, SettingsFileNewer
from openknead.model import Hello, Setting
from openknead.settings_file import FORMAT, Value, dump, load

HELLO = Hello("1.3.0", "0.1.0", "abc", "e660", None, (), 0)


def row(name: str, low: int, high: int, default: int, **more: object) -> Setting:
    item = {"name": name, "type": "int", "unit": "s", "min": low, "max": high, "default": default}
    return Setting.of(item | {"doc": "A line # with = signs.", "weakens": False, "local": False} | more)


TABLE = {
    "area_s": row("area_s", 30, 180, 90),
    "slew_s": row("slew_s", 1, 10, 2, weakens=True, weakens_when="lowered"),
    "offset": row("offset", -50, 50, 0),
    "buzzer": row("buzzer", 0, 1, 1, type="bool", min=False, max=True, unit=""),
    "remote_start": row("remote_start", 0, 1, 0, type="bool", min=False, max=True, local=True),
}
VALUES = st.fixed_dictionaries(
    {name: st.booleans() if s.type == "bool" else st.integers(s.min, s.max) for name, s in TABLE.items()}
)


def problems(text: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(SettingsFileError) as caught:
        load(text if isinstance(text, bytes) else text.encode(), TABLE)
    return [(problem["line"], problem["name"]) for problem in caught.value.problems]


@given(VALUES)
def test_what_is_dumped_is_read_back(values: dict[str, Value]) -> None:
    text = dump(TABLE, values, HELLO)
    read = load(text.encode(), TABLE)

    assert read.values == {name: value for name, value in values.items() if not TABLE[name].local}
    assert (read.board, read.firmware) == ("e660", "0.1.0")
    assert dump(TABLE, values | read.values, HELLO) == text
    assert load(text.replace("\n", "\r\n").encode("utf-8-sig"), TABLE) == read  # an editor was there


def test_every_setting_has_its_unit_range_default_and_meaning_beside_it() -> None:
    text = dump(TABLE, {name: s.default for name, s in TABLE.items()}, HELLO)

    assert (
        "# 1…10 s, default 2: A line # with = signs. Can weaken a protection when lowered.\nslew_s = 2\n"
        in text
    )
    assert "remote_start =" not in text
    assert text.splitlines()[0] == "# OpenKnead settings"


def test_all_errors_are_listed_with_their_lines() -> None:
    text = (
        "format = 1\narea_s = 29\nslew_s = 2.0\nturbo = 1\n\nbuzzer = maybe\nnonsense\nslew_s = 3\n"
        "area-s = 3\n"
    )

    assert problems(text) == [
        (2, "out_of_range"),
        (3, "wrong_type"),
        (4, "unknown_setting"),
        (6, "wrong_type"),
        (7, "syntax"),
        (8, "twice"),
        (9, "syntax"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(1, "format")]),
        ("area_s = 60\n", [(1, "format")]),
        ("area_s = 60\nformat = 1\n", [(2, "format")]),
        ("format = 0\n", [(1, "format")]),
        ("format = one\n", [(1, "format")]),
        ("format = ١\n", [(1, "format")]),
        (b"format = 1\n# \xff\n", [(2, "encoding")]),
        ("format = 1\n" + "# much\n" * 10_000, [(1, "size")]),
        ("format = 1\narea_s = 1" + "0" * 400, [(2, "wrong_type")]),
        ("format = 1\narea_s = ٦٠\n", [(2, "wrong_type")]),
        ("format = 1\narea_s = \n", [(2, "wrong_type")]),
        ("format = 1\narea_s = 60 slew_s = 3\n", [(2, "wrong_type")]),
    ],
)
def test_what_is_no_settings_file_says_so(text: str | bytes, expected: list[tuple[int, str]]) -> None:
    assert problems(text) == expected


def test_a_newer_format_is_refused_whatever_else_is_in_it() -> None:
    for text in (f"format = {FORMAT + 1}\n[area]\ns = 60\n", "area_s = 1\n  format=7 # new\n"):
        with pytest.raises(SettingsFileNewer, match="this version knows 1") as caught:
            load(text.encode(), TABLE)
        assert "pip install --upgrade openknead" in caught.value.remedy


def test_unknown_settings_can_be_left_out_and_are_named() -> None:
    read = load(b"format = 1\nturbo = 1 # from the future\narea_s = 60\n", TABLE, skip_unknown=True)

    assert (read.values, read.skipped) == ({"area_s": 60}, ("turbo",))


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(SettingsFileError) as caught:
        load(b"format = 1\narea_x = 60\n", TABLE)

    assert "did you mean area_s?" in caught.value.problems[0]["message"]


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_a_file_or_an_error(source: bytes) -> None:
    for start in (b"", b"format = 1\n"):
        places = [1]
        with suppress(SettingsFileNewer):
            try:
                assert set(load(start + source, TABLE).values) <= set(TABLE)
            except SettingsFileError as error:
                places = [problem["line"] for problem in error.problems]
        assert places
        assert all(1 <= line <= (start + source).count(b"\n") + 1 for line in places)


@given(VALUES, st.data())
def test_a_dump_with_one_bad_line_is_refused_with_that_line(
    values: dict[str, Value], data: st.DataObject
) -> None:
    lines = dump(TABLE, values, HELLO).splitlines()
    at = data.draw(st.sampled_from([n for n, line in enumerate(lines) if "s = " in line and line[0] != "#"]))
    lines[at] = lines[at].partition("=")[0] + "= " + data.draw(st.sampled_from(["1000000", "x", "", "-1e3"]))

    assert [line for line, _ in problems("\n".join(lines))] == [at + 1]


@given(st.integers(1, 10), st.integers(1, 10))
def test_a_change_weakens_in_its_direction_only(before: int, after: int) -> None:
    lowered = TABLE["slew_s"]

    assert lowered.weakened(before, after) == (after < before)
    assert replace(lowered, weakens_when="raised").weakened(before, after) == (after > before)
    assert replace(lowered, weakens_when="changed").weakened(before, after) == (after != before)
    assert not replace(lowered, weakens=False).weakened(before, after)
    old_firmware = replace(lowered, weakens_when=None)
    assert old_firmware.weakened(before, after) == (after not in (before, 2))
