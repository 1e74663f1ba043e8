"""Heat and charge: what changes slowly enough to be looked at every 100 ms.

Winding → motor case → handle → air, driver → handle, and case → pad → air and skin: each body is one
first-order node that relaxes exactly towards what its neighbours and its own losses ask for, the
neighbours held still for the 100 ms (an error of 1e-3 of the difference at most, the fastest body
having 35 s).
"""

import math

from .params import Params

# Open-circuit voltage of one Li-ion cell over its state of charge in steps of 10 % (typical NMC cell,
# slow discharge; assumption), 9.0…12.6 V for three.
CELL_V = (3.00, 3.45, 3.55, 3.61, 3.65, 3.70, 3.77, 3.86, 3.95, 4.06, 4.20)


def cell_volts(soc: float) -> float:
    """Open-circuit voltage of one cell, V, at a state of charge 0…1 (held at the ends beyond)."""
    x = soc * 10.0
    if x <= 0.0:
        return CELL_V[0]
    if x >= 10.0:
        return CELL_V[10]
    n = int(x)
    return CELL_V[n] + (CELL_V[n + 1] - CELL_V[n]) * (x - n)


class Heat:
    """Temperatures in °C of winding, case, driver, handle and pad; `ambient_c` may be changed at any time."""

    def __init__(self, params: Params, ambient_c: float = 25.0) -> None:
        self._p = params
        self.ambient_c = ambient_c
        self.winding_c = ambient_c
        self.case_c = ambient_c
        self.driver_c = ambient_c
        self.handle_c = ambient_c
        self.pad_c = ambient_c
        self._dt = -1.0
        self._keep = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)
        self._w_k = 1.0 / params.pad_case_k_w + 1.0 / params.pad_air_k_w  # of the pad, lifted off
        self._skin_w_k = 1.0 / params.pad_skin_k_w

    def soak(self, celsius: float) -> None:
        """Everything at one temperature, as after a night on the window sill."""
        self.winding_c = self.case_c = self.driver_c = self.handle_c = self.pad_c = celsius

    def step(
        self,
        dt_s: float,
        winding_w: float,
        friction_w: float,
        driver_w: float,
        tissue_w: float = 0.0,
        on_skin: bool = False,
    ) -> None:
        """Advance by dt_s > 0 with the given mean losses, W. on_skin: the pad touches skin."""
        p = self._p
        if dt_s != self._dt:
            self._dt = dt_s
            self._keep = (
                math.exp(-dt_s / (p.winding_j_k * p.winding_k_w)),
                math.exp(-dt_s / (p.case_j_k * p.case_k_w)),
                math.exp(-dt_s / (p.driver_j_k * p.driver_k_w)),
                math.exp(-dt_s / (p.handle_j_k * p.handle_k_w)),
                math.exp(-dt_s * self._w_k / p.pad_j_k),
                math.exp(-dt_s * (self._w_k + self._skin_w_k) / p.pad_j_k),
            )
        winding, case, driver, handle, lifted, touching = self._keep
        from_winding = (self.winding_c - self.case_c) / p.winding_k_w
        from_case = (self.case_c - self.handle_c) / p.case_k_w
        to_pad = (self.case_c - self.pad_c) / p.pad_case_k_w
        watts = self.case_c / p.pad_case_k_w + self.ambient_c / p.pad_air_k_w + tissue_w * p.pad_heat_part
        if on_skin:
            target = (watts + p.skin_c * self._skin_w_k) / (self._w_k + self._skin_w_k)
            self.pad_c = target + (self.pad_c - target) * touching
        else:
            target = watts / self._w_k
            self.pad_c = target + (self.pad_c - target) * lifted
        from_driver = (self.driver_c - self.handle_c) / p.driver_k_w
        target = self.case_c + winding_w * p.winding_k_w
        self.winding_c = target + (self.winding_c - target) * winding
        target = self.handle_c + (from_winding + friction_w - to_pad) * p.case_k_w
        self.case_c = target + (self.case_c - target) * case
        target = self.handle_c + driver_w * p.driver_k_w
        self.driver_c = target + (self.driver_c - target) * driver
        target = self.ambient_c + (from_case + from_driver) * p.handle_k_w
        self.handle_c = target + (self.handle_c - target) * handle
