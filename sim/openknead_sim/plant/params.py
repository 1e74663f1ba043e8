"""The reference massager: every physical constant as an attribute, and how one massager differs from it.

The numbers and their sources are defined in hardware/params/massager.toml, and here in `constants`, which is
written from it. "Assumption" marks one that has not been measured yet; a bench measurement replaces it by an
override: `Params(r_ohm=2.31)`. Nothing else in the plant carries physical numbers.
"""

import math

from .constants import PARAMS


class Params:
    """Constants of one massager: every name of PARAMS is an attribute; keywords override the reference."""

    r_ohm: float
    k_vs: float
    l_h: float
    j_kgm2: float
    no_load_a: float
    friction_rad_s: float
    pad_kg: float
    stroke_m: float
    tissue_nms: float
    air_nms: float
    bridge_ohm: float
    bridge_dead_duty: float
    bridge_limit_a: float
    bridge_uvlo_v: float
    bridge_otp_c: float
    bridge_otp_hyst_c: float
    bridge_own_w: float
    electronics_a: float
    cells: int
    cell_ah: float
    battery_ohm: float
    adapter_v: float
    adapter_ohm: float
    copper_per_k: float
    winding_j_k: float
    winding_k_w: float
    case_j_k: float
    case_k_w: float
    driver_j_k: float
    driver_k_w: float
    handle_j_k: float
    handle_k_w: float
    pad_j_k: float
    pad_case_k_w: float
    pad_air_k_w: float
    pad_skin_k_w: float
    pad_heat_part: float
    skin_c: float

    def __init__(self, **overrides: float) -> None:
        """Raise ValueError for an unknown name, a negative value, or a pad too heavy for the model.

        The pad's inertia may pulsate by at most 20 % of the mean (the reference: 1.5 %).
        """
        for name, value, _unit, _source in PARAMS:
            setattr(self, name, overrides.pop(name, value))
        if overrides:
            raise ValueError("unknown plant constant: " + ", ".join(sorted(overrides)))
        for name, _value, _unit, _source in PARAMS:
            value = getattr(self, name)
            if value < 0 or (value == 0 and name in NONZERO):
                raise ValueError(f"plant constant out of range: {name} = {value}")
        if self.inertia_ripple() > 0.2:
            raise ValueError("pad inertia pulsates by more than 20 % of the mean")

    def inertia_mean(self) -> float:
        """Mean of J(θ) = j + pad·stroke²·cos²θ over a revolution, kg m²."""
        return self.j_kgm2 + 0.5 * self.pad_kg * self.stroke_m * self.stroke_m

    def inertia_ripple(self) -> float:
        """ε of J(θ) = mean·(1 + ε·cos 2θ), without unit."""
        return 0.5 * self.pad_kg * self.stroke_m * self.stroke_m / self.inertia_mean()

    def inertia_effective(self) -> float:
        """J̄ whose root is the mean of √J(θ) over a revolution, kg m²: the inertia the mean speed feels."""
        eps = self.inertia_ripple()
        root = sum(math.sqrt(1.0 + eps * math.cos(math.pi * n / 8)) for n in range(16)) / 16
        return self.inertia_mean() * root * root


NONZERO = (
    "r_ohm",
    "k_vs",
    "l_h",
    "j_kgm2",
    "friction_rad_s",
    "bridge_limit_a",
    "cell_ah",
    "winding_j_k",
    "winding_k_w",
    "case_j_k",
    "case_k_w",
    "driver_j_k",
    "driver_k_w",
    "handle_j_k",
    "handle_k_w",
    "pad_j_k",
    "pad_case_k_w",
    "pad_air_k_w",
    "pad_skin_k_w",
)


def specimen(seed: int, tolerance: float = 0.05) -> Params:
    """A massager off the shelf: motor, friction, inertia and resistances off by up to ±tolerance.

    seed: any integer, the same seed gives the same machine; tolerance: 0…0.5 of each value.
    Raise ValueError beyond.
    """
    if not 0.0 <= tolerance <= 0.5:
        raise ValueError("tolerance must be 0…0.5")
    reference = Params()
    noise = Noise(seed)
    names = ("r_ohm", "k_vs", "l_h", "j_kgm2", "no_load_a", "pad_kg", "bridge_ohm", "battery_ohm", "cell_ah")
    return Params(
        **{n: getattr(reference, n) * (1.0 + tolerance * (2.0 * noise.next() - 1.0)) for n in names}
    )


class Noise:
    """Uniform numbers 0…1 that CPython and MicroPython agree on (their `random` modules do not)."""

    def __init__(self, seed: int) -> None:
        self._state = (seed * 2654435761 + 0x9E3779B9) & 0xFFFFFFFF
        self.next()

    def next(self) -> float:
        """The next number, 0 ≤ x < 1."""
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        x = self._state
        x = ((x >> 16) ^ x) * 0x45D9F3B & 0xFFFFFFFF
        x = ((x >> 16) ^ x) & 0xFFFFFFFF
        return x / 4294967296.0
