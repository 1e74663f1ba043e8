"""The motor's equations written out once more, in the shaft's own coordinates, for DOP853 at 1e-12.

Nothing here is shared with the plant: θ-dependent inertia with its dJ/dθ term, sag as a voltage, each
regime of the bridge as its own right-hand side with events in between.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from openknead_sim.plant import Hand, Params, Plant
from scipy.integrate import solve_ivp

TICK_S = 0.01
FULL_V = 12.6


class Piece(NamedTuple):
    """A stretch of constant conditions."""

    name: str
    seconds: float
    duty: float
    enabled: bool = True
    pressure: float = 0.0
    extra_nm: float = 0.0


# Everything a motor meets, and the hardest of each: hard start into the current limit, full brake, coasting.
HARD = (
    Piece("start", 0.3, 0.2),
    Piece("ramp", 0.2, 0.3, pressure=0.2),
    Piece("load step", 0.5, 0.53, pressure=0.5),
    Piece("load off", 0.3, 0.53, pressure=0.1),
    Piece("duty up", 0.4, 0.8, pressure=0.3, extra_nm=0.002),
    Piece("duty down", 0.3, 0.4, pressure=0.3),
    Piece("brake", 0.4, 0.0, pressure=0.3),
    Piece("hard start", 0.4, 0.98, pressure=0.3),
    Piece("coast", 1.2, 0.98, enabled=False, pressure=0.3),
)


def cold_params() -> Params:
    """The reference motor with winding resistance and battery voltage held: the mechanics alone."""
    return Params(copper_per_k=0.0, cell_ah=1e9)


class Reference:
    """State [i, ω, θ] from standstill."""

    def __init__(self, params: Params, theta: float, method: str = "DOP853", tol: float = 1e-12) -> None:
        self.p = params
        self.y = np.array([0.0, 0.0, theta])
        self._limited = False
        self._method = method
        self._tol = tol

    @property
    def mean_speed(self) -> float:
        """ω·√(J/J̄), J̄ being the square of the mean of √J: the speed without the pulsation."""
        angles = np.linspace(0.0, np.pi, 64, endpoint=False)
        root = np.mean(np.sqrt(self._inertia(angles)))
        return float(self.y[1] * math.sqrt(self._inertia(self.y[2])) / root)

    def _inertia(self, theta):  # type: ignore[no-untyped-def]
        p = self.p
        return p.j_kgm2 + p.pad_kg * p.stroke_m**2 * np.cos(theta) ** 2

    def tick(self, piece: Piece) -> None:
        """Ten milliseconds under the piece's conditions."""
        p = self.p
        if not piece.enabled:
            self.y[0] = 0.0
            self._limited = False

        def room(_t: float, y: np.ndarray) -> float:
            """Voltage left above what the regulated current needs."""
            i = p.bridge_limit_a
            return self._volts(piece, i) - (p.r_ohm + p.bridge_ohm) * i - p.k_vs * y[1]

        def over(_t: float, y: np.ndarray) -> float:
            return float(y[0]) - p.bridge_limit_a

        over.direction = 1.0  # type: ignore[attr-defined]
        room.terminal = over.terminal = True  # type: ignore[attr-defined]
        left = TICK_S
        while left > 1e-12:
            event = None if not piece.enabled else room if self._limited else over
            ans = solve_ivp(
                self._rhs(piece),
                (0.0, left),
                self.y,
                self._method,
                rtol=self._tol,
                atol=self._tol,
                events=event,
            )
            self.y = ans.y[:, -1].copy()
            left -= ans.t[-1]
            if ans.status == 1:
                self._limited = not self._limited
                self.y[0] = p.bridge_limit_a

    def _volts(self, piece: Piece, i: float) -> float:
        p = self.p
        duty = max(0.0, piece.duty - p.bridge_dead_duty) if piece.duty < 1.0 else 1.0
        return duty * (FULL_V - p.battery_ohm * (duty * i + p.electronics_a))

    def _rhs(self, piece: Piece) -> Callable[[float, np.ndarray], list[float]]:
        p = self.p
        b = p.air_nms + piece.pressure * p.tissue_nms
        coulomb = p.no_load_a * p.k_vs + piece.extra_nm
        pad = p.pad_kg * p.stroke_m**2

        def rhs(_t: float, y: np.ndarray) -> list[float]:
            i, w, th = float(y[0]), float(y[1]), float(y[2])
            di = 0.0
            if piece.enabled and not self._limited:
                di = (self._volts(piece, i) - (p.r_ohm + p.bridge_ohm) * i - p.k_vs * w) / p.l_h
            inertia = p.j_kgm2 + pad * math.cos(th) ** 2
            slope = -pad * math.sin(2.0 * th)
            torque = p.k_vs * i - b * w - coulomb * math.tanh(w / p.friction_rad_s)
            return [di, (torque - 0.5 * slope * w * w) / inertia, w]

        return rhs


def side_by_side(pieces: tuple[Piece, ...], seed: int = 0) -> Iterator[tuple[str, Plant, Reference]]:
    """Plant and reference after each tick of the pieces."""
    plant = Plant(cold_params(), seed)
    ref = Reference(plant.params, plant.theta_rad)
    for piece in pieces:
        plant.hand = Hand(piece.pressure)
        plant.extra_nm = piece.extra_nm
        plant.set_drive(piece.duty, piece.enabled)
        for _ in range(round(piece.seconds / TICK_S)):
            plant.advance(10_000)
            ref.tick(piece)
            yield piece.name, plant, ref
