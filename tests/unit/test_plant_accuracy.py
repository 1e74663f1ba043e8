"""The plant against DOP853 at 1e-12 on equations written out anew, and its parts against closed forms."""

import math

import pytest
from openknead_sim.plant import Heat, Params
from openknead_sim.plant.heat import cell_volts
from openknead_sim.plant.zoh import zoh
from plant_reference import HARD, Piece, side_by_side
from scipy.linalg import expm

SPEED_ERROR_RAD_S = 0.03


def test_speed_follows_the_exact_solution_through_everything() -> None:
    worst: dict[str, float] = {}
    for name, plant, ref in side_by_side(HARD):
        worst[name] = max(worst.get(name, 0.0), abs(plant.omega_rad_s - float(ref.y[1])))
    assert len(worst) == len(HARD)
    assert max(worst.values()) < SPEED_ERROR_RAD_S, worst


@pytest.mark.parametrize("seed", [1, 2])
def test_speed_and_angle_hold_under_control(seed: int) -> None:
    """Small moves of duty and pressure every tick, as in a session: the long steps."""
    pieces = [Piece("up", 0.5, 0.4, pressure=0.4)]
    for n in range(150):
        duty = 0.4 + 0.05 * math.sin(n / 15) + 0.002 * (n * 7 % 5)
        pieces.append(Piece("hold", 0.01, duty, pressure=0.5 - 0.4 * math.cos(n / 30)))
    speed = angle = current = 0.0
    for _name, plant, ref in side_by_side(tuple(pieces), seed):
        speed = max(speed, abs(plant.omega_rad_s - float(ref.y[1])))
        angle = max(angle, abs(plant.theta_rad - float(ref.y[2])))
        current = max(current, abs(plant.current_a - float(ref.y[0])))
    assert speed < SPEED_ERROR_RAD_S
    assert angle < 0.005
    assert current < 0.005


@pytest.mark.parametrize("h", [1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("inductance", [1e-3, 0.0936, 0.5])
def test_step_is_the_matrix_exponential(h: float, inductance: float) -> None:
    """Overdamped, nearly critical and oscillating motor."""
    r, b, k, j = 2.38, 2.5e-5, 0.011, 8e-6
    u, m = 5.9, -0.0022
    bd, kd, rd, a11, a12, a21, a22, n11, n12, n21, n22 = zoh(h, r, b, k, inductance, j)
    i, v = 0.7, 210.0
    ie, ve = bd * u - kd * m, kd * u + rd * m
    di, dv = i - ie, v - ve
    # [i, v, u/L, m/J, ∫i, ∫v] as one linear system
    system = [
        [-r / inductance, -k / inductance, 1, 0, 0, 0],
        [k / j, -b / j, 0, 1, 0, 0],
        [0] * 6,
        [0] * 6,
        [1, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0],
    ]
    exact = expm([[x * h for x in row] for row in system]) @ [i, v, u / inductance, m / j, 0.0, 0.0]
    assert ie + a11 * di + a12 * dv == pytest.approx(exact[0], rel=1e-9)
    assert ve + a21 * di + a22 * dv == pytest.approx(exact[1], rel=1e-9)
    assert ie * h + n11 * di + n12 * dv == pytest.approx(exact[4], rel=1e-7)
    assert ve * h + n21 * di + n22 * dv == pytest.approx(exact[5], rel=1e-7)


@pytest.mark.parametrize("dt_s", [0.1, 7.0, 500.0])
def test_each_body_relaxes_exactly(dt_s: float) -> None:
    """With a case too heavy to warm up, the winding is a first-order system of its own."""
    p = Params(case_j_k=1e12, handle_j_k=1e12)
    heat = Heat(p, 20.0)
    for _ in range(5):
        heat.step(dt_s, 4.0, 0.0, 1.5, 6.0)
    t = 5 * dt_s
    assert heat.winding_c == pytest.approx(
        20 + 4.0 * p.winding_k_w * -math.expm1(-t / (p.winding_j_k * p.winding_k_w)), abs=1e-6
    )
    assert heat.driver_c == pytest.approx(
        20 + 1.5 * p.driver_k_w * -math.expm1(-t / (p.driver_j_k * p.driver_k_w)), abs=1e-6
    )
    lifted_k_w = 1.0 / (1.0 / p.pad_case_k_w + 1.0 / p.pad_air_k_w)
    assert heat.pad_c == pytest.approx(
        20 + 6.0 * p.pad_heat_part * lifted_k_w * -math.expm1(-t / (p.pad_j_k * lifted_k_w)), abs=1e-6
    )


def test_all_heat_ends_in_the_air() -> None:
    p = Params()
    heat = Heat(p, 20.0)
    for _ in range(200_000):
        heat.step(0.1, 2.0, 0.5, 0.3, 4.0)
    over_shaft_w = (heat.case_c - heat.pad_c) / p.pad_case_k_w
    assert over_shaft_w > 0.0
    assert heat.pad_c == pytest.approx(20 + (4.0 * p.pad_heat_part + over_shaft_w) * p.pad_air_k_w, abs=1e-3)
    assert heat.handle_c == pytest.approx(20 + (2.8 - over_shaft_w) * p.handle_k_w, abs=1e-3)
    assert heat.case_c == pytest.approx(heat.handle_c + (2.5 - over_shaft_w) * p.case_k_w, abs=1e-3)
    assert heat.winding_c == pytest.approx(heat.case_c + 2.0 * p.winding_k_w, abs=1e-3)
    assert heat.driver_c == pytest.approx(heat.handle_c + 0.3 * p.driver_k_w, abs=1e-3)


def test_a_pad_on_skin_settles_between_the_skin_and_the_air() -> None:
    p = Params(case_j_k=1e12)
    heat = Heat(p, 20.0)
    for _ in range(50_000):
        heat.step(0.1, 0.0, 0.0, 0.0, on_skin=True)
    # Skin at one side, air and a motor that is as cold at the other.
    air_w_k = 1.0 / p.pad_case_k_w + 1.0 / p.pad_air_k_w
    share = 1.0 / (1.0 + p.pad_skin_k_w * air_w_k)
    assert heat.pad_c == pytest.approx(20 + share * (p.skin_c - 20), abs=1e-3)


def test_cell_voltage_rises_with_charge() -> None:
    volts = [cell_volts(n / 100) for n in range(-10, 111)]
    assert volts == sorted(volts)
    assert (volts[0], volts[-1]) == (3.0, 4.2)
