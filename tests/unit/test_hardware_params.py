"""The parameter file: one source for the plant, the firmware and the budgets; bad files are named."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from openknead_sim import analog
from openknead_sim.plant import PARAMS

from hardware.params.generate import files
from hardware.params.load import FILE, KINDS, ParamError, load

ROOT = Path(__file__).resolve().parents[2]

FIRMWARE = ROOT / "firmware" / "massager"


def literals(name: str) -> dict[str, object]:
    """Constants of a firmware module, `const(…)` taken off."""
    found = {}
    for node in ast.parse((FIRMWARE / name).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            value = node.value
            if isinstance(value, ast.Call) and ast.unparse(value.func) == "const":
                value = value.args[0]
            try:
                found[ast.unparse(node.targets[0])] = ast.literal_eval(value)
            except ValueError:
                continue
    return found


def default(setting: str) -> int:
    """A setting's default, from the source of the firmware's table."""
    tree = ast.parse((FIRMWARE / "settings.py").read_text(encoding="utf-8"))
    table = next(n for n in tree.body if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "TABLE")
    assert isinstance(table.value, ast.Tuple)
    rows = [row.elts for row in table.value.elts if isinstance(row, ast.Tuple)]
    return next(ast.literal_eval(row[5]) for row in rows if ast.literal_eval(row[0]) == setting)


def test_what_is_generated_from_the_parameters_is_up_to_date() -> None:
    for path, text in files().items():
        assert path.read_text(encoding="utf-8") == text, f"{path}: run docs/generate.py"


def test_the_plant_has_the_files_constants() -> None:
    assert {name: value for name, value, _unit, _source in PARAMS} == load().plant()


def test_every_source_says_what_kind_it_is() -> None:
    p = load()
    assert {p.quantity(name).kind for name in p} <= set(KINDS)
    assert len(p) > 70


@pytest.mark.parametrize(
    ("setting", "parameter", "scale"),
    [
        ("motor_r_mohm", "motor.r_ohm", 1e3),
        ("motor_ke_uvs", "motor.k_vs", 1e6),
        ("motor_no_load_ma", "motor.no_load_a", 1e3),
        ("current_limit_ma", "firmware.current_limit_a", 1e3),
        ("isense_mv_per_a", "sense.isense_v_per_a", 1e3),
        ("supply_ratio_milli", "sense.supply_ratio", 1e3),
        ("ntc_beta_k", "sense.ntc_beta_k", 1),
        ("ntc_pullup_ohm", "sense.ntc_pullup_ohm", 1),
        ("battery_cells", "supply.cells", 1),
    ],
)
def test_the_firmwares_defaults_are_the_parameters(setting: str, parameter: str, scale: float) -> None:
    assert default(setting) == round(load()[parameter] * scale)


def test_the_firmwares_constants_are_the_parameters() -> None:
    p, drive = load(), literals("drive.py")
    assert drive["BRIDGE_MOHM"] == round(p["bridge.bridge_ohm"] * 1e3)
    rate = drive["RATE_LEVEL_1_OPM"], drive["RATE_STEP_OPM"], drive["LEVELS"]
    assert all(isinstance(number, int) for number in rate)
    first, step, levels = map(int, map(str, rate))
    assert first + step * (levels - 1) == p["firmware.rate_max_opm"]


def test_the_simulated_sensors_are_the_parameters() -> None:
    p = load()
    assert p["sense.isense_v_per_a"] == analog.ISENSE_V_PER_A
    assert p["sense.supply_ratio"] == analog.SUPPLY_RATIO
    assert p["sense.ntc_beta_k"] == analog.NTC_BETA_K
    assert p["sense.ntc_pullup_ohm"] == analog.NTC_PULLUP_OHM


def test_the_current_limit_follows_from_the_sense_resistor() -> None:
    p = load()
    gain = p["sense.propi_a_per_a"] * p["sense.propi_ohm"]
    assert p["sense.isense_v_per_a"] == pytest.approx(gain, rel=2e-3)
    assert p["bridge.bridge_limit_a"] == pytest.approx(p["stage.vref_v"] / gain, rel=0.03)


def test_an_own_file_overrides_and_keeps_the_rest(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text('[motor]\nr_ohm = { value = 2.31, unit = "ohm", source = "measured: on a Friday" }\n')
    assert load(mine)["motor.r_ohm"] == 2.31
    assert load(mine)["motor.k_vs"] == load()["motor.k_vs"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[motor]\nr_ohms = { value = 2, unit = "ohm", source = "measured: x" }', "motor.r_ohms"),
        ('[motor]\nr_ohm = { value = 2, unit = "mohm", source = "measured: x" }', "unit must be 'ohm'"),
        ('[motor]\nr_ohm = { value = -2, unit = "ohm", source = "measured: x" }', "0 or more"),
        ('[motor]\nr_ohm = { value = 2, unit = "ohm", source = "somebody said" }', "source must begin with"),
        ('[motor]\nr_ohm = { value = 2, unit = "ohm" }', "lacks source"),
        ('[motor]\nr_ohm = { value = 2, unit = "ohm", min = 3, max = 4, source = "measured: x" }', "within"),
        ("[motor]\nr_ohm = 2", "write {"),
        ("motor = 2", "section"),
        ("[motor", "Expected"),
    ],
)
def test_a_bad_file_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ParamError, match=r"bad\.toml") as caught:
        load(path)
    assert says in str(caught.value)


def test_a_stale_generated_file_would_be_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    changed = tmp_path / FILE.name
    changed.write_text(FILE.read_text(encoding="utf-8").replace("value = 2.18", "value = 2.19"))
    monkeypatch.setattr("hardware.params.generate.load", lambda: load(file=changed))
    assert [path for path, text in files().items() if path.read_text(encoding="utf-8") != text] == list(
        files()
    )
