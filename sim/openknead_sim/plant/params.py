"""The reference massager in one table: every physical constant with its unit and where it comes from.

"Assumption" marks a number nobody has measured yet; a bench measurement replaces it by an override:
`Params(r_ohm=2.31)`. Nothing else in the plant carries physical numbers.
"""

import math

PARAMS = (
    # name, value, unit, source
    ("r_ohm", 2.18, "ohm", "winding at 25 degC; Pololu 37D motor data"),
    ("k_vs", 0.011, "V s/rad = N m/A", "back-EMF and torque constant; Pololu 37D motor data"),
    ("l_h", 1.0e-3, "H", "assumption, usual for the RS-555 class"),
    ("j_kgm2", 8.0e-6, "kg m2", "rotor and shaft without the pad; assumption"),
    ("no_load_a", 0.2, "A", "Coulomb friction as current, I0; Pololu 37D motor data"),
    ("friction_rad_s", 2.0, "rad/s", "width of the tanh that smooths Coulomb friction; assumption"),
    ("pad_kg", 0.060, "kg", "reciprocating mass; load budget: 12 N peak at 50 Hz"),
    ("stroke_m", 0.002, "m", "crank radius, half of the pad's travel; load budget"),
    (
        "tissue_nms",
        5.0e-5,
        "N m s/rad",
        "load at pressure 1: 16 mN m at 320 rad/s, the heavy case of the budget",
    ),
    ("air_nms", 2.0e-7, "N m s/rad", "load of a pad in the air; assumption"),
    ("bridge_ohm", 0.2, "ohm", "both switches on; DRV8874 data sheet"),
    ("bridge_limit_a", 2.9, "A", "current regulation of the DRV8874 carrier at its default VREF"),
    ("bridge_uvlo_v", 4.35, "V", "under-voltage lockout, falling; DRV8874 data sheet"),
    ("bridge_otp_c", 175.0, "degC", "thermal shutdown; DRV8874 data sheet"),
    ("bridge_otp_hyst_c", 20.0, "K", "back on after cooling by this; assumption"),
    ("bridge_own_w", 0.1, "W", "gate drive and logic while enabled; assumption"),
    ("electronics_a", 0.03, "A", "controller's share of the supply current; assumption"),
    ("cells", 3, "", "Li-ion cells in series; 0 = mains adapter"),
    ("cell_ah", 2.6, "A h", "18650 cell of the budget"),
    ("battery_ohm", 0.15, "ohm", "pack, leads and connector at the load; budget"),
    ("adapter_v", 12.0, "V", "mains adapter, 12 V 5 A medical"),
    ("adapter_ohm", 0.03, "ohm", "adapter's load regulation and lead; assumption"),
    ("copper_per_k", 0.0039, "1/K", "temperature coefficient of copper"),
    ("winding_j_k", 12.0, "J/K", "30 g of copper; assumption"),
    ("winding_k_w", 3.0, "K/W", "winding to motor case; assumption"),
    ("case_j_k", 90.0, "J/K", "200 g of steel; assumption"),
    ("case_k_w", 7.0, "K/W", "motor case to handle; assumption"),
    ("driver_j_k", 1.0, "J/K", "package and copper pour; assumption"),
    ("driver_k_w", 35.0, "K/W", "junction to air, carrier board; DRV8874 data sheet: 35 on a JEDEC board"),
    ("handle_j_k", 350.0, "J/K", "250 g of ABS; assumption"),
    ("handle_k_w", 3.0, "K/W", "0.03 m2 at 10 W/m2 K; assumption"),
    ("pad_j_k", 80.0, "J/K", "60 g of plastic and silicone; assumption"),
    ("pad_case_k_w", 40.0, "K/W", "motor case to pad; the steel shaft alone, 5 by 20 mm: 20; assumption"),
    ("pad_air_k_w", 12.0, "K/W", "0.006 m2 at 14 W/m2 K; assumption"),
    ("pad_skin_k_w", 6.0, "K/W", "40 cm2 at 40 W/m2 K: 3 mm of silicone on perfused skin; assumption"),
    (
        "pad_heat_part",
        0.15,
        "",
        "of the tissue's load; half of it rubs on the surface, and silicone takes 0.3 of that by its thermal "
        "inertia beside skin's (1.5e6 W2 s/m4 K2; Burns 43:909, table 3); assumption",
    ),
    ("skin_c", 34.0, "degC", "skin under the pad, 33 to 35; assumption"),
)


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
