"""The fit behind `knead calibrate`: any motor's constants from windows that its equations make."""

from __future__ import annotations

import random
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openknead.calibrate import Window, fit, override
from openknead.calibrate.fit import BRIDGE_OHM, COPPER_PER_K, SENSE_GAIN, SUPPLY_GAIN, solve
from openknead.calibrate.windows import LENGTH, window
from openknead.errors import CalibrationRefused
from openknead.model import Sample

from hardware.params.load import load

ROOT = Path(__file__).resolve().parents[2]
DROP_V = 0.07
LEVELS = (2, 4, 6, 8, 10)


def windows(
    r_ohm: float,
    k_vs: float,
    no_load_a: float,
    motor_c: float = 25.0,
    noise_v: float = 0.0,
    load_a: float = 0.9,
) -> list[Window]:
    """What a motor with these constants shows: free at five levels, then pressed while its winding warms."""
    noise = random.Random(1)
    cold = r_ohm * (1 + COPPER_PER_K * (motor_c - 25))
    found = []
    charge = 0.0

    def add(level: int, current: float, speed: float, pressed: bool) -> None:
        nonlocal charge
        charge += current**2 * 0.5
        r = cold * (1 + COPPER_PER_K * r_ohm * charge / 12.0) + BRIDGE_OHM
        volts = DROP_V + r * current + k_vs * speed + noise.gauss(0, noise_v)
        found.append(Window(level, volts, current, speed, 12.0, volts / 12, charge, motor_c, pressed))

    for level in LEVELS:
        for _ in range(8):
            speed = 105 + 28 * (level - 1)
            add(level, no_load_a + 2e-5 * speed, speed, False)
    for n in range(30):
        add(5, no_load_a + load_a + 0.1 * (n % 3), 217 + n % 2, True)
    return found


@given(
    r_ohm=st.floats(0.8, 8.0),
    k_vs=st.floats(0.005, 0.03),
    no_load_a=st.floats(0.08, 0.5),
    motor_c=st.floats(5.0, 45.0),
)
def test_any_motors_constants_come_out(r_ohm: float, k_vs: float, no_load_a: float, motor_c: float) -> None:
    found = fit(windows(r_ohm, k_vs, no_load_a, motor_c))
    assert found.resistance.value == pytest.approx(r_ohm, rel=2e-3)
    assert found.back_emf.value == pytest.approx(k_vs, rel=2e-3)
    assert found.no_load.value == pytest.approx(no_load_a, rel=2e-3)
    assert found.drop_v.value == pytest.approx(DROP_V, abs=5e-3)


def test_noise_shows_in_the_uncertainty_and_stays_within_it() -> None:
    quiet, noisy = (fit(windows(2.18, 0.011, 0.2, noise_v=noise)) for noise in (0.002, 0.02))
    assert noisy.resistance.uncertainty > 5 * quiet.resistance.uncertainty
    assert abs(noisy.resistance.value - 2.18) < 2 * noisy.resistance.uncertainty
    assert abs(noisy.back_emf.value - 0.011) < 2 * noisy.back_emf.uncertainty


def test_a_warm_motor_has_the_resistance_of_25_degrees() -> None:
    warm = fit(windows(2.18, 0.011, 0.2, motor_c=45.0))
    assert warm.resistance.value == pytest.approx(2.18, rel=2e-3)
    assert warm.motor_c == 45.0


def test_settings_carry_the_units_of_the_device() -> None:
    assert fit(windows(2.18, 0.011, 0.2)).settings() == {
        "motor_r_mohm": pytest.approx(2180, abs=5),
        "motor_ke_uvs": pytest.approx(11000, abs=20),
        "motor_no_load_ma": 200,
    }


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda ws: [w for w in ws if not w.pressed], "pressed steadily for 0 s"),
        (lambda ws: [w for w in ws if w.pressed], "free pad ran steadily for 0 s"),
        (lambda ws: [replace(w, current_a=0.2, pressed=w.pressed) for w in ws], "pressed steadily for 0 s"),
        (lambda ws: [replace(w, current_a=0.38) if w.level == 6 else w for w in ws], "drew .* level 6"),
        (lambda ws: [replace(w, volts=w.volts + 0.5 * (-1) ** n) for n, w in enumerate(ws)], "too uncertain"),
        (lambda ws: [replace(w, volts=10 - w.volts) for w in ws], "no motor has such constants"),
        (lambda ws: [replace(w, motor_c=None) for w in ws], "temperature is not known"),
    ],
)  # fmt: skip
def test_windows_that_do_not_tell_are_refused_with_a_remedy(spoil: object, says: str) -> None:
    assert callable(spoil)
    with pytest.raises(CalibrationRefused, match=says) as caught:
        fit(spoil(windows(2.18, 0.011, 0.2)))
    assert caught.value.remedy


def test_columns_that_are_alike_are_refused() -> None:
    with pytest.raises(CalibrationRefused, match="did not vary"):
        solve([(1.0, 2.0), (1.0, 2.0), (1.0, 2.0)], [1.0, 1.0, 1.0])


def test_the_file_is_one_that_the_parameter_files_reader_takes(tmp_path: Path) -> None:
    path = tmp_path / "measured.toml"
    path.write_text(override(fit(windows(2.5, 0.012, 0.15)), "0123", date(2026, 1, 31)), encoding="utf-8")
    assert load(path)["motor.r_ohm"] == pytest.approx(2.5, rel=5e-3)
    assert load(path).quantity("motor.k_vs").kind == "measured"
    assert set(tomllib.loads(path.read_text())["motor"]) == {"r_ohm", "k_vs", "no_load_a"}


def test_what_the_host_takes_for_granted_stands_in_the_parameter_file() -> None:
    p = load()
    assert p["bridge.bridge_ohm"] == BRIDGE_OHM
    assert p["heat.copper_per_k"] == COPPER_PER_K
    for name, part in (("sense.propi_a_per_a", SENSE_GAIN), ("sense.supply_ratio", SUPPLY_GAIN)):
        assert p.quantity(name).high == pytest.approx(p[name] * (1 + part))


# -- windows ------------------------------------------------------------------------------------------------


def sample(**changes: object) -> Sample:
    row: dict[str, object] = dict.fromkeys(Sample.__slots__, 0)
    row |= {"state": "RUNNING", "level": 3, "level_milli": 3000, "rate_opm": 1540, "duty": 16_384}
    row |= {"current_ma": 200, "supply_mv": 12_000, "motor_dc": 251, "limiters": (), "fault": None}
    return Sample(**(row | changes))  # type: ignore[arg-type]


def test_a_window_has_the_means_in_si_units() -> None:
    found = window([sample()] * LENGTH, 1.5, True)
    assert found is not None
    assert found.volts == pytest.approx(12 * 16_384 / 65_535)
    assert found.speed_rad_s == pytest.approx(161.27, abs=0.01)
    assert (found.current_a, found.motor_c, found.charge, found.pressed) == (0.2, 25.1, 1.5, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "PAUSED"},
        {"level_milli": 2900},
        {"duty": 65_000},
        {"current_ma": None},
        {"current_ma": 0},
        {"supply_mv": None},
        {"rate_opm": 0},
    ],
)
def test_a_window_with_a_sample_that_tells_nothing_is_left_out(changes: dict[str, object]) -> None:
    rest = [sample()] * (LENGTH - 1) if "rate_opm" not in changes else [sample(**changes)] * (LENGTH - 1)
    assert window([*rest, sample(**changes)], 0.0, False) is None


def test_a_rate_that_drifts_is_left_out_and_one_that_hunts_is_not() -> None:
    drifts = [sample(rate_opm=1500 + 20 * n) for n in range(LENGTH)]
    hunts = [sample(rate_opm=1540 + 40 * (-1) ** n) for n in range(LENGTH)]
    assert window(drifts, 0.0, False) is None
    assert window(hunts, 0.0, False) is not None
