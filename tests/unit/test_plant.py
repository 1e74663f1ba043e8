"""The plant against closed forms, the hardware's budget and its own promises."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import openknead_sim
import pytest
from openknead_sim.plant import Hand, Params, Plant, PointsHand, StrokeHand, specimen

BUDGET_V = 11.1  # of the drive stage's circuit simulation
BUDGET_NM = 0.008
HERE = Path(__file__).parent


def run(plant: Plant, seconds: float, duty: float, enabled: bool = True) -> None:
    plant.set_drive(duty, enabled)
    for _ in range(round(seconds * 100)):
        plant.advance(10_000)


def budget_plant() -> Plant:
    """The drive stage's typical case: 8 mN m on top of the motor's own friction at 11.1 V."""
    plant = Plant(Params(electronics_a=0.0, copper_per_k=0.0, air_nms=0.0))
    plant.supply_override_v = BUDGET_V
    plant.extra_nm = BUDGET_NM
    return plant


def test_steady_state_is_the_closed_form() -> None:
    plant = budget_plant()
    run(plant, 3.0, 0.53)
    p = plant.params
    current = (BUDGET_NM + p.no_load_a * p.k_vs) / p.k_vs
    duty = 0.53 - p.bridge_dead_duty
    drop = current * (p.r_ohm + p.bridge_ohm + duty**2 * p.battery_ohm)
    speed = (duty * BUDGET_V - drop) / p.k_vs
    # The mean over whole pulsations; a tenth of a per mille is the pulsation's own loss.
    assert plant.current_avg_a == pytest.approx(current, rel=2e-4)
    assert plant.rate_opm * math.tau / 60 == pytest.approx(speed, rel=1e-4)


def test_typical_case_agrees_with_the_circuit_simulation() -> None:
    plant = budget_plant()
    run(plant, 3.0, 0.53)
    assert plant.current_avg_a == pytest.approx(0.97, rel=0.06)
    assert plant.rate_opm * math.tau / 60 == pytest.approx(320, rel=0.05)


@pytest.mark.parametrize(("enabled", "low_ms", "high_ms"), [(True, 54, 66), (False, 100, 140)])
def test_stop_takes_as_long_as_in_the_circuit_simulation(enabled: bool, low_ms: int, high_ms: int) -> None:
    """320 → 157 rad/s: 60 ms braked, over 100 ms coasting."""
    plant = budget_plant()
    run(plant, 3.0, 0.53)
    plant.set_drive(0.0, enabled)
    times = []
    while plant.omega_rad_s > 157:
        plant.advance(1_000)
        if plant.omega_rad_s < 320:
            times.append(plant.t_us)
    assert low_ms <= (times[-1] - times[0]) / 1000 <= high_ms


def test_blocked_rotor_draws_the_stall_current() -> None:
    plant = Plant()
    plant.blocked = True
    run(plant, 0.05, 0.4)
    p = plant.params
    duty = 0.4 - p.bridge_dead_duty
    volts = duty * (12.6 - p.electronics_a * p.battery_ohm)
    stall = volts / (p.r_ohm + p.bridge_ohm + duty**2 * p.battery_ohm)
    assert plant.current_a == pytest.approx(stall, rel=1e-3)
    assert plant.omega_rad_s == 0.0


def test_driver_holds_the_current_limit_on_a_blocked_rotor() -> None:
    plant = Plant()
    plant.blocked = True
    run(plant, 0.2, 0.98)
    assert plant.current_a == pytest.approx(plant.params.bridge_limit_a, abs=1e-6)
    p = plant.params
    # The source gives only what the resistances burn, not limit × duty.
    assert (plant.supply_v * (12.6 - plant.supply_v) / p.battery_ohm) == pytest.approx(
        p.bridge_limit_a**2 * (p.r_ohm * (1 + p.copper_per_k * (plant.winding_c - 25)) + p.bridge_ohm)
        + plant.supply_v * p.electronics_a,
        rel=2e-3,
    )


def test_current_limit_ends_once_the_motor_turns() -> None:
    plant = Plant()
    plant.set_drive(0.98, True)
    peak = 0.0
    for _ in range(100):
        plant.advance(10_000)
        peak = max(peak, plant.current_a)
    assert peak == pytest.approx(plant.params.bridge_limit_a, abs=1e-5)
    assert plant.current_a < 1.0
    assert plant.rate_opm > 6000


def test_released_rotor_starts_again() -> None:
    plant = Plant()
    run(plant, 1.0, 0.4)
    plant.blocked = True
    plant.advance(10_000)
    stopped = plant.theta_rad
    run(plant, 0.1, 0.4)
    assert plant.theta_rad == stopped
    plant.blocked = False
    run(plant, 1.0, 0.4)
    assert plant.rate_opm > 2000


def test_shorted_bridge_runs_whatever_it_is_told() -> None:
    plant = Plant()
    plant.shorted_fet = True
    run(plant, 1.0, 0.0, enabled=False)
    assert plant.rate_opm > 6000


def test_shorted_bridge_knows_no_current_limit() -> None:
    plant = Plant()
    plant.shorted_fet = plant.blocked = True
    run(plant, 0.05, 0.0, enabled=False)
    assert 4.5 < plant.current_a < 5.5


def test_dead_driver_lets_the_motor_coast() -> None:
    plant = Plant()
    run(plant, 1.0, 0.5)
    plant.driver_dead = True
    run(plant, 0.1, 0.5)
    assert plant.current_a == 0.0
    assert plant.omega_rad_s > 100


def test_low_supply_locks_the_driver_out_until_it_is_back() -> None:
    plant = Plant()
    run(plant, 1.0, 0.5)
    plant.supply_override_v = 4.0
    plant.advance(10_000)
    assert plant.driver_off
    assert plant.current_a == 0.0
    assert plant.supply_v < 4.0
    plant.supply_override_v = None
    run(plant, 0.5, 0.5)
    assert not plant.driver_off
    assert plant.current_a > 0.0


def test_unplugged_supply_gives_nothing() -> None:
    plant = Plant()
    run(plant, 1.0, 0.5)
    before = plant.energy_j
    plant.supply_override_v = 0.0
    run(plant, 1.0, 0.5)
    assert plant.energy_j == before
    assert plant.supply_v == 0.0


def test_hot_driver_shuts_down_and_comes_back_cooler() -> None:
    plant = Plant()
    run(plant, 1.0, 0.5)
    plant.heat.driver_c = 180.0
    run(plant, 0.2, 0.5)
    assert plant.driver_off
    plant.heat.driver_c = 170.0
    run(plant, 0.2, 0.5)
    assert plant.driver_off
    plant.heat.driver_c = 100.0
    run(plant, 0.2, 0.5)
    assert not plant.driver_off


@pytest.mark.parametrize("pressure", [0.0, 0.5, 1.0])
def test_energy_balance_closes(pressure: float) -> None:
    plant = Plant()
    plant.hand = StrokeHand(pressure, seed=3)
    run(plant, 0.5, 0.2)
    for n in range(2000):
        plant.set_drive(0.3 + 0.2 * math.sin(n / 100), True)
        plant.advance(10_000)
    assert sum(plant.balance_j().values()) == pytest.approx(plant.energy_j, rel=2e-3)


def test_energy_balance_closes_over_starts_stops_and_stalls() -> None:
    plant = Plant()
    for n in range(60):
        plant.blocked = n % 7 == 3
        run(plant, 0.15, 0.98 if n % 2 else 0.5)
        run(plant, 0.1, 0.0, enabled=n % 3 == 0)
    assert sum(plant.balance_j().values()) == pytest.approx(plant.energy_j, rel=5e-3)


def test_motor_at_rest_stays_at_rest() -> None:
    plant = Plant()
    run(plant, 0.3, 0.5)
    run(plant, 5.0, 0.0)
    assert plant.omega_rad_s == 0.0
    assert plant.current_a == 0.0


def test_pressure_slows_the_motor_and_draws_current() -> None:
    speeds = []
    currents = []
    for pressure in (0.0, 0.5, 1.0):
        plant = Plant()
        plant.hand = Hand(pressure)
        run(plant, 3.0, 0.5)
        speeds.append(plant.rate_opm)
        currents.append(plant.current_avg_a)
    assert speeds == sorted(speeds, reverse=True)
    assert currents == sorted(currents)


def test_speed_pulsates_twice_a_revolution() -> None:
    plant = Plant()
    run(plant, 2.0, 0.5)
    speeds = []
    begin = plant.theta_rad
    while plant.theta_rad < begin + math.tau:
        plant.advance(100)
        speeds.append(plant.omega_rad_s)
    mean = sum(speeds) / len(speeds)
    ups = sum(a < mean <= b for a, b in zip(speeds, speeds[1:] + speeds[:1], strict=True))
    # 12 mN m of inertia torque at 50 Hz: the pad's mr²/4J̄ of the speed.
    assert ups == 2
    assert (max(speeds) - min(speeds)) / 2 / mean == pytest.approx(0.0074, rel=0.02)


@pytest.mark.parametrize("ppr", [1, 4, 12])
def test_one_tach_edge_per_pulse(ppr: int) -> None:
    plant = Plant(seed=5, ppr=ppr)
    pitch = math.tau / ppr
    before = math.floor(plant.theta_rad / pitch)
    edges: list[int] = []
    for n in range(400):
        plant.set_drive(min(0.5, n / 200), n < 300)
        plant.advance(10_000 if n % 3 else 7_777)
        edges += plant.edges
    assert len(edges) == math.floor(plant.theta_rad / pitch) - before
    assert edges == sorted(edges)
    assert edges[-1] <= plant.t_us


def test_tach_period_is_the_speed() -> None:
    plant = Plant()
    run(plant, 3.0, 0.5)
    edges: list[int] = []
    for _ in range(200):
        plant.advance(10_000)
        edges += plant.edges
    opm = 60e6 * (len(edges) - 1) / (edges[-1] - edges[0])
    assert opm == pytest.approx(plant.rate_opm, rel=1e-3)


def test_tach_edge_is_where_the_magnet_is() -> None:
    plant = Plant(ppr=12)
    run(plant, 2.0, 0.5)
    pitch = math.tau / 12
    for _ in range(200):
        before, t_us = plant.theta_rad, plant.t_us
        plant.advance(100)
        for edge_us in plant.edges:
            there = before + (plant.theta_rad - before) * (edge_us - t_us) / 100
            assert abs(there / pitch - round(there / pitch)) * pitch < 0.001


def test_edges_are_those_of_the_last_call() -> None:
    plant = Plant()
    run(plant, 1.0, 0.5)
    plant.advance(100_000)
    assert len(plant.edges) > 3
    assert plant.edges[0] >= plant.t_us - 100_000
    plant.advance(0)
    assert plant.edges == []


def test_length_of_the_calls_does_not_matter() -> None:
    ends = []
    for step_us in (100, 1_000, 10_000, 50_000):
        plant = Plant()
        for duty in (0.2, 0.5, 0.9, 0.0, 0.4):
            plant.set_drive(duty, True)
            for _ in range(500_000 // step_us):
                plant.advance(step_us)
        ends.append(plant.omega_rad_s)
    assert max(ends) - min(ends) < 0.03


def test_battery_sags_and_empties() -> None:
    plant = Plant()
    plant.hand = Hand(1.0)
    run(plant, 60.0, 0.6)
    used = plant.energy_j / plant.supply_v / 3600
    assert 1.0 - plant.soc == pytest.approx(used / plant.params.cell_ah, rel=0.02)
    full = plant.supply_v
    empty = Plant(soc=0.1)
    empty.hand = Hand(1.0)
    run(empty, 60.0, 0.6)
    assert empty.supply_v < full - 1.0


def test_mains_adapter_does_not_empty() -> None:
    plant = Plant(Params(cells=0))
    run(plant, 10.0, 0.6)
    assert plant.supply_v == pytest.approx(12.0, abs=0.1)
    assert plant.supply_v < 12.0


def test_loose_contact_sags_more() -> None:
    plant = Plant()
    run(plant, 2.0, 0.5)
    before = plant.supply_v
    plant.supply_extra_ohm = 2.0
    run(plant, 1.0, 0.5)
    assert plant.supply_v < before - 0.1


def test_hand_shakes_off_a_session_a_few_kelvin_warmer() -> None:
    """15 minutes at level 5 (2080 opm) under moderate pressure."""
    plant = Plant()
    plant.hand = Hand(0.5)
    duty = 0.35
    for _ in range(90_000):
        duty = min(1.0, max(0.0, duty + 2e-6 * (2080 - plant.rate_opm)))
        plant.set_drive(duty, True)
        plant.advance(10_000)
    assert plant.rate_opm == pytest.approx(2080, rel=0.01)
    assert 1.0 < plant.handle_c - 25.0 < 6.0
    assert 5.0 < plant.motor_c - 25.0 < 25.0
    assert plant.winding_c > plant.motor_c > plant.handle_c
    assert 29.0 < plant.pad_c < 34.0  # the skin is warmer, the air colder


def test_pad_warms_by_rubbing_and_by_the_skin() -> None:
    lifted, touching, driven = Plant(), Plant(), Plant()
    touching.hand = driven.hand = Hand(1.0)
    for plant, duty in ((lifted, 0.5), (touching, 0.0), (driven, 0.5)):
        run(plant, 120.0, duty)
    assert 25.0 < lifted.pad_c < 26.0
    assert lifted.pad_c < touching.pad_c < driven.pad_c < driven.params.skin_c


def test_same_seed_same_run() -> None:
    def story(seed: int) -> tuple[float, float, int]:
        plant = Plant(specimen(seed), seed)
        plant.hand = StrokeHand(0.6, seed=seed)
        run(plant, 10.0, 0.5)
        return plant.omega_rad_s, plant.energy_j, plant.t_us

    assert story(4) == story(4)
    assert story(4) != story(5)


@pytest.mark.parametrize("duty", [-0.01, 1.01, math.nan])
def test_duty_out_of_range_is_refused(duty: float) -> None:
    with pytest.raises(ValueError, match="duty"):
        Plant().set_drive(duty, True)


def test_time_does_not_run_back() -> None:
    with pytest.raises(ValueError, match="time"):
        Plant().advance(-1)


@pytest.mark.parametrize("wrong", [{"r_ohn": 2.0}, {"r_ohm": 0.0}, {"l_h": -1.0}, {"pad_kg": 2.0}])
def test_wrong_constants_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"plant constant|pad"):
        Params(**wrong)


def test_points_hand_is_straight_in_between() -> None:
    hand = PointsHand([(1.0, 0.0), (2.0, 1.0), (2.0, 0.4), (4.0, 0.2)])
    assert [hand.pressure(t) for t in (0.0, 1.5, 2.0, 3.0, 9.0)] == pytest.approx([0.0, 0.5, 0.4, 0.3, 0.2])
    assert hand.pressure(1.5) == pytest.approx(0.5)


def test_strokes_press_and_lift() -> None:
    hand = StrokeHand(0.5, period_s=3.0, pause=0.3, variation=0.2, seed=2)
    values = [hand.pressure(n / 100) for n in range(30_000)]
    tops = [max(values[n : n + 300]) for n in range(0, 30_000, 300)]
    assert min(values) == 0.0
    assert 0.4 <= min(tops) < max(tops) <= 0.6
    assert sum(v == 0.0 for v in values) > 0.25 * len(values)


# -- the same file on MicroPython -------------------------------------------------------------------------

PORTABLE = """
import sys
sys.path.insert(0, sys.argv[1])
from openknead_sim.plant import Plant, StrokeHand, specimen
out = []
plant = Plant(specimen(7), 7, ppr=4)
plant.hand = StrokeHand(0.7, seed=7)
for n in range(900):
    plant.blocked = 500 <= n < 520
    plant.set_drive(0.98 if n > 700 else n % 300 / 400, n % 250 < 200)
    plant.advance(10000)
    if n % 9 == 0:
        out.append([plant.omega_rad_s, plant.current_a, plant.theta_rad, plant.supply_v, plant.energy_j,
                    plant.winding_c, plant.handle_c, plant.pad_c, plant.soc, sum(plant.edges)])
print("[" + ",".join("[" + ",".join("%.17g" % x for x in row) + "]" for row in out) + "]")
"""


@pytest.mark.micropython
def test_micropython_gives_the_same_numbers(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("micropython")
    found = str(command) if command.exists() else shutil.which("micropython")
    if found is None:
        pytest.skip("no MicroPython Unix port on this platform")
    script = tmp_path / "portable.py"
    script.write_text(PORTABLE)
    sim = str(Path(openknead_sim.__file__).parents[1])
    here, there = (
        json.loads(subprocess.run([python, script, sim], capture_output=True, check=True, timeout=120).stdout)
        for python in (sys.executable, found)
    )
    assert len(here) == 100
    for ours, theirs in zip(here, there, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-9, abs=1e-9)
