"""Figures of the plant: how much faster than life, and how far from the exact solution.

Peers simulate the same motor in the same run: scipy's solve_ivp (LSODA) with the very equations of the
tests' reference, and gym-electric-motor (extra `bench`) with its own nearest model, which has neither
pulsation nor sag nor heat.
"""

import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from openknead_sim.plant import Plant, StrokeHand
from plant_reference import HARD, TICK_S, Piece, Reference, cold_params, side_by_side

AIM_X = 300.0
AIM_ERROR_RAD_S = 0.03
SESSION_S = 900
PEER_S = 3  # a slice of the session at a steady level: the peers are slow
REPEATS = 3


def session_duties(seconds: int = SESSION_S) -> list[float]:
    """A duty for each tick of a session: soft start, a level a minute, a fidgeting controller, ramp down."""
    duties = []
    at = 0.0
    for n in range(seconds * 100):
        minute = n // 6000
        target = 0.0 if n > seconds * 100 - 300 else (0.25, 0.3, 0.35, 0.4, 0.5, 0.6)[minute % 6]
        at += min(0.0005, max(-0.003, target - at))
        fidget = 0.002 * math.sin(n * 1.7) + 0.0005 * (n * 7 % 11 - 5)
        duties.append(min(1.0, max(0.0, at + fidget)) if at > 0.0 else 0.0)
    return duties


def plant_x(duties: list[float]) -> float:
    """Times real time over the whole session, hand, heat and tach included; the best of a few runs."""
    best = 1e9
    for _ in range(REPEATS):
        plant = Plant()
        plant.hand = StrokeHand(0.6, seed=1)
        begin = time.perf_counter()
        for duty in duties:
            plant.set_drive(duty, duty > 0.0)
            plant.advance(10_000)
        best = min(best, time.perf_counter() - begin)
    return len(duties) * TICK_S / best


def speed_error() -> float:
    """Largest difference from DOP853 at 1e-12 at tick ends: start, steps of load and duty, brake, coast."""
    return max(abs(plant.omega_rad_s - float(ref.y[1])) for _name, plant, ref in side_by_side(HARD))


def session_error(duties: list[float]) -> float:
    """The same over the first seconds of the session, under the long steps."""
    hand = StrokeHand(0.6, seed=1)
    pieces = tuple(
        Piece("", TICK_S, d, d > 0.0, hand.pressure(n * TICK_S)) for n, d in enumerate(duties[:800])
    )
    return max(abs(plant.omega_rad_s - float(ref.y[1])) for _name, plant, ref in side_by_side(pieces))


def paced(step: Callable[[float], object], duties: list[float]) -> float:
    """Times real time of a peer over its slice of the session, after half a second to get up to speed."""
    for duty in duties[:50]:
        step(duty)
    begin = time.perf_counter()
    for duty in duties:
        step(duty)
    return len(duties) * TICK_S / (time.perf_counter() - begin)


def scipy_x(duties: list[float]) -> float:
    """solve_ivp, LSODA at 1e-6, one call per tick as a simulator in the loop has to."""
    ref = Reference(cold_params(), 0.0, "LSODA", 1e-6)
    return paced(lambda duty: ref.tick(Piece("", TICK_S, duty, pressure=0.5)), duties)


def scipy_error() -> float:
    """LSODA at 1e-6 against DOP853 at 1e-12, as in `speed_error`."""
    coarse = Reference(cold_params(), 0.0, "LSODA", 1e-6)
    exact = Reference(cold_params(), 0.0)
    worst = 0.0
    for piece in HARD:
        for _ in range(round(piece.seconds / TICK_S)):
            coarse.tick(piece)
            exact.tick(piece)
            worst = max(worst, abs(float(coarse.y[1]) - float(exact.y[1])))
    return worst


def gym_x(duties: list[float]) -> float:
    """gym-electric-motor's DC system with dopri5 at a 10 ms step; ImportError when not installed."""
    from gym_electric_motor.physical_systems import DcMotorSystem
    from gym_electric_motor.physical_systems.converters import ContOneQuadrantConverter
    from gym_electric_motor.physical_systems.electric_motors import DcPermanentlyExcitedMotor
    from gym_electric_motor.physical_systems.mechanical_loads import PolynomialStaticLoad
    from gym_electric_motor.physical_systems.solvers import ScipyOdeSolver
    from gym_electric_motor.physical_systems.voltage_supplies import IdealVoltageSupply

    p = cold_params()
    motor = {"r_a": p.r_ohm + p.bridge_ohm, "l_a": p.l_h, "psi_e": p.k_vs, "j_rotor": p.inertia_mean()}
    load = {"a": p.no_load_a * p.k_vs, "b": 0.5 * p.tissue_nms, "c": 0.0, "j_load": 1e-9}
    system = DcMotorSystem(
        ContOneQuadrantConverter(),
        DcPermanentlyExcitedMotor(motor_parameter=motor),
        PolynomialStaticLoad(load_parameter=load),
        IdealVoltageSupply(u_nominal=12.0),
        ScipyOdeSolver("dopri5"),
        tau=TICK_S,
    )
    system.reset()
    return paced(lambda duty: system.simulate([duty]), duties)


@cache
def peer_speeds(short: bool = False) -> tuple[dict[str, float | str | None], float]:
    """Times real time of every peer on a slice of the session, and the best of them. Once a run."""
    count = 10 if short else PEER_S * 100
    portion = list(islice(session_duties(), 6000, 6000 + count))
    peers: dict[str, float | str | None] = {"scipy solve_ivp LSODA": round(scipy_x(portion), 2)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            peers["gym-electric-motor"] = round(gym_x(portion), 2)
    except ImportError as error:
        peers["gym-electric-motor"] = None
        peers["gym-electric-motor: why not"] = str(error)
    return peers, max(x for x in peers.values() if isinstance(x, float))


def figures(short: bool = False) -> dict[str, dict[str, object]]:
    """name → value, unit, aim, peer, ratio (to the best peer). Takes about ten seconds.

    short: a session of ten seconds, to see that it works.
    """
    duties = session_duties(10 if short else SESSION_S)
    speed = plant_x(duties)
    peers, best = peer_speeds(short)
    error = speed_error()
    theirs = scipy_error()
    return {
        "sim_plant_x": {
            "value": round(speed),
            "unit": "× real time",
            "aim": AIM_X,
            "peer": peers,
            "ratio": round(speed / best, 1),
        },
        "sim_error_rad_s": {
            "value": round(error, 5),
            "unit": "rad/s",
            "aim": AIM_ERROR_RAD_S,
            "peer": {"scipy solve_ivp LSODA": round(theirs, 5)},
            "ratio": round(error / theirs, 3),
        },
        "sim_error_session_rad_s": {
            "value": round(session_error(duties), 5),
            "unit": "rad/s",
            "aim": AIM_ERROR_RAD_S,
            "peer": None,
            "ratio": None,
        },
    }


if __name__ == "__main__":
    json.dump(figures(), sys.stdout, indent=1, ensure_ascii=False)
    print()
