"""Heat of winding, motor case, driver and handle: a network of four bodies, stepped once a second.

Written apart from the simulator's (which steps each body exactly), so that a slip in either is seen. The pad,
which would take some heat away, is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

from hardware.params.load import Parameters

STEP_S = 1.0
LONG_S = 6 * 3600.0


@dataclass
class Temperatures:
    """In °C, and the seconds since they were all the same."""

    winding: float
    case: float
    driver: float
    handle: float
    t_s: float = 0.0


def warm(
    p: Parameters,
    start: Temperatures,
    current_a: float,
    speed_rad_s: float,
    ambient_c: float,
    until_s: float,
    case_c: float = 1e9,
) -> Temperatures:
    """Run the motor at this current and speed until a time, or until the case has a temperature."""
    t = Temperatures(start.winding, start.case, start.driver, start.handle, start.t_s)
    friction_w = p["motor.no_load_a"] * p["motor.k_vs"] * speed_rad_s
    bridge_ohm = p.quantity("bridge.bridge_ohm").high  # it is hot
    driver_w = current_a**2 * bridge_ohm + p["bridge.bridge_own_w"]
    while t.t_s < until_s and t.case < case_c:
        r = p["motor.r_ohm"] * (1 + p["heat.copper_per_k"] * (t.winding - 25))
        from_winding = (t.winding - t.case) / p["heat.winding_k_w"]
        from_case = (t.case - t.handle) / p["heat.case_k_w"]
        from_driver = (t.driver - t.handle) / p["heat.driver_k_w"]
        to_air = (t.handle - ambient_c) / p["heat.handle_k_w"]
        t.winding += STEP_S * (current_a**2 * r - from_winding) / p["heat.winding_j_k"]
        t.case += STEP_S * (from_winding + friction_w - from_case) / p["heat.case_j_k"]
        t.driver += STEP_S * (driver_w - from_driver) / p["heat.driver_j_k"]
        t.handle += STEP_S * (from_case + from_driver - to_air) / p["heat.handle_j_k"]
        t.t_s += STEP_S
    return t


def at(ambient_c: float) -> Temperatures:
    """Everything as warm as the air."""
    return Temperatures(ambient_c, ambient_c, ambient_c, ambient_c)
