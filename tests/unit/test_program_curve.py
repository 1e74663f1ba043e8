"""What a program asks for and what a hand feels: formulas, slew, cues, drawings."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openknead.errors import OpenKneadError
from openknead.programs import drawing
from openknead.programs.curve import Cue, cues, evaluate, rate_opm, target_milli
from openknead.programs.drawing import draw
from openknead.programs.model import Program, Stage
from programs_support import firmware, programs, stages


def contract(stage: Stage, t_ds: int, shift: int) -> int:
    """The level asked for, as docs/protocol.md has it."""
    a, b, length_ds, period_ds = stage.a, stage.b, stage.seconds * 10, stage.period_s * 10
    if stage.pattern == "off":
        return 0
    if stage.pattern == "steady":
        milli = 1000 * a
    elif stage.pattern == "ramp":
        milli = 1000 * a + (b - a) * 1000 * t_ds // length_ds
    else:
        half = period_ds // 2
        p = t_ds % period_ds
        if stage.pattern == "pulse":
            milli = 1000 * (b if p < half else a)
        else:
            x = p if p < half else period_ds - p
            milli = 1000 * a + (b - a) * 1000 * x // half
    return milli + 1000 * shift if milli else 0


@given(stages(900), st.data(), st.integers(-3, 3))
def test_the_target_is_the_contracts_and_the_firmwares(stage: Stage, data: st.DataObject, shift: int) -> None:
    end_ds = stage.seconds * 10
    turns = range(0, end_ds, stage.period_s * 5) if stage.period_s else [end_ds - 1]
    t_ds = data.draw(st.integers(0, end_ds - 1) | st.sampled_from(list(turns)))
    device = firmware("program").Program("x", [stage.wire()])

    assert target_milli(stage, t_ds, shift) == contract(stage, t_ds, shift)
    assert target_milli(stage, t_ds, shift) == device.target(0, t_ds, shift)


@given(programs(5), st.integers(1, 10), st.integers(-1, 2))
def test_the_level_starts_and_ends_at_standstill_and_never_moves_faster_than_the_slew(
    program: Program, slew_s: int, shift: int
) -> None:
    points = evaluate(program.stages, shift, slew_s)

    assert len(points) == program.total_s * 10 + 1
    assert (points[0].level_milli, points[-1].level_milli) == (0, 0)
    step = 100 // slew_s + 1
    for before, now in pairwise(points):
        assert now.level_milli - before.level_milli <= step
        falls_at_the_end = before.level_milli <= (program.total_s - before.t_s) * 2000 + 1
        assert before.level_milli - now.level_milli <= (200 if falls_at_the_end else step)


@given(programs(5), st.integers(1, 10))
def test_a_level_that_has_come_to_the_target_stays_with_it(program: Program, slew_s: int) -> None:
    points = evaluate(program.stages, 0, slew_s, ramp_down=False)

    for before, now in pairwise(points):
        assert abs(now.level_milli - before.target_milli) <= abs(before.level_milli - before.target_milli)
        if abs(before.level_milli - before.target_milli) <= 100 // slew_s - 1:
            assert now.level_milli == before.target_milli


def test_a_steady_level_by_hand() -> None:
    """Half a level a second up from standstill, at the end two levels a second down."""
    points = evaluate([Stage("x", 20, "steady", 3, 3)], 0, 2)
    at = {point.t_s: point for point in points}

    assert [at[t].level_milli for t in (0, 1, 2, 6, 10, 18.5, 19, 20)] == [
        0,
        500,
        1000,
        3000,
        3000,
        3000,
        2000,
        0,
    ]
    assert {point.target_milli for point in points[:-1]} == {3000}
    assert points[-1].target_milli == 0


def test_the_shift_leaves_a_standing_motor_alone() -> None:
    pulse = Stage("x", 40, "pulse", 0, 2, 20)
    assert {point.target_milli for point in evaluate([pulse], 3)} == {0, 5000}
    assert max(point.level_milli for point in evaluate([Stage("x", 9, "off")], 3)) == 0


@pytest.mark.parametrize(("milli", "opm"), [(0, 0), (500, 500), (1000, 1000), (2000, 1270), (11000, 3700)])
def test_the_rate_of_a_level(milli: int, opm: int) -> None:
    assert rate_opm(milli) == opm


def test_cues_of_stages_of_long_stages_and_of_the_end() -> None:
    listed = [
        Stage("a", 200, "steady", 3, 3),  # the first gives none of its own
        Stage("b", 90, "steady", 3, 3, cue="move_on"),  # as long as area_s: no other cue inside
        Stage("c", 100, "off"),  # nothing moves on while the motor stands
        Stage("d", 100, "steady", 3, 3, cue="none"),  # at 90 s the last half minute has begun
    ]
    assert cues(listed) == [
        Cue(90, "move_on"),
        Cue(180, "move_on"),
        Cue(200, "move_on"),
        Cue(290, "stage"),
        Cue(460, "last_30_s"),
        Cue(490, "end"),
    ]
    assert cues([Stage("a", 120, "steady", 3, 3)]) == [Cue(90, "last_30_s"), Cue(120, "end")]
    assert cues([Stage("a", 30, "steady", 3, 3)]) == [Cue(30, "end")]
    assert Cue(60, "move_on") in cues(listed, area_s=60)


@given(programs(24), st.integers(60, 120))
def test_a_drawing_fits_its_width_and_names_its_time(program: Program, width: int) -> None:
    lines = draw(program.stages, evaluate(program.stages), cues(program.stages), width)

    assert max(map(len, lines)) <= width
    assert lines[-1].split()[:2] == ["time", "0:00"]
    assert any("├ 1000" in line for line in lines) == program.motor
    assert lines[-3].count("■") == 1


def test_a_drawing_shows_level_stages_cues_and_what_is_not_reached() -> None:
    listed = [Stage("a", 60, "steady", 2, 2), Stage("b", 60, "wave", 2, 8, 10)]
    lines = draw(listed, evaluate(listed), cues(listed))
    level_2, level_8 = (next(line for line in lines if f" {n} ┤" in line) for n in (2, 8))

    assert level_2.count("█") > 50
    assert level_8.count("·") > 5
    assert "█" not in level_8
    assert "▒" in next(line for line in lines if " 3 ┤" in line)
    assert lines[-3].index("▾") == lines[-2].index("2")
    assert len(drawing.MEANINGS) <= 80


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_picture_has_stages_areas_and_cues(tmp_path: Path, kind: str) -> None:
    from openknead.programs.picture import draw as paint

    listed = (
        Stage("softly", 100, "ramp", 1, 3, area="calf_left"),
        Stage("wait", 20, "off"),
        Stage("knead", 60, "pulse", 0, 5, 20, area="foot"),
    )
    path = paint(Program("x", listed), evaluate(listed), cues(listed), "x: a title", tmp_path / f"x.{kind}")

    if kind == "png":
        assert path.read_bytes().startswith(b"\x89PNG")
        return
    text = path.read_text()
    for word in (
        "x: a title",
        "1 softly",
        "3 knead",
        "calf left",
        "no area",
        "foot",
        "cue: move on",
        "in Hz",
    ):
        assert word in text


def test_a_picture_without_matplotlib_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from openknead.programs.picture import draw as paint

    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    listed = (Stage("x", 5, "off"),)
    with pytest.raises(OpenKneadError, match="needs matplotlib"):
        paint(Program("x", listed), evaluate(listed), [], "x", tmp_path / "x.png")
