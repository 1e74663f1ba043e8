"""Parameter files of the simulator: another massager, or an error that names file and cause."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from openknead_sim.cli import sim
from openknead_sim.paramfile import ParamFileError, read
from openknead_sim.plant import Params

ROOT = Path(__file__).resolve().parents[2]


def row(value: object, unit: str = "ohm", name: str = "r_ohm") -> str:
    return f'[motor]\n{name} = {{ value = {value}, unit = "{unit}", source = "measured: a test" }}\n'


def test_a_file_replaces_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(row(2.5) + '[body]\nhandle_kg = { value = 1, unit = "kg", source = "measured: x" }\n')
    params = read(path)
    assert params.r_ohm == 2.5
    assert params.k_vs == Params().k_vs


def test_the_reference_file_is_the_reference_plant() -> None:
    params = read(ROOT / "hardware" / "params" / "massager.toml")
    assert vars(params) == vars(Params())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (row(2.5, "mohm"), "unit must be 'ohm'"),
        (row(-1), "out of range"),
        (row(0), "out of range"),
        (row(2.5, name="r_ohms"), "unknown plant constant"),
        (row('"two"'), "r_ohm: write {"),
        ('[motor]\nr_ohm = { unit = "ohm" }', "r_ohm: write {"),
        ("[motor]\nr_ohm = 2.5", "r_ohm: write {"),
        ("[motor", "Expected"),
    ],
)
def test_a_bad_file_is_refused_before_the_board_starts(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ParamFileError, match=r"bad\.toml") as caught:
        read(path)
    assert says in str(caught.value)
    result = CliRunner().invoke(sim, ["--params", str(path)])
    assert result.exit_code == 1
    assert "bad.toml" in result.output


def test_a_hand_that_presses_impossibly_is_refused() -> None:
    assert CliRunner().invoke(sim, ["hand", "3"]).exit_code == 2
