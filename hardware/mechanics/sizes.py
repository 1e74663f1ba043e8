"""Sizes: the tables of dimensions, and what follows from them. No CadQuery needed.

Lengths in mm, masses in g. z is up from the pad's face; the motor's axis is z, the motion is along x.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from hardware.params.load import Parameters, load

FILE = Path(__file__).with_name("dimensions.toml")
# What the mechanics take from the massager's parameters.
TAKEN = ("load.pad_kg", "load.stroke_m", "body.counter_m", "body.counter_part", "body.handle_kg")


def tables() -> tuple[Parameters, Parameters]:
    """Dimensions, and the massager's parameters."""
    return load(file=FILE), load()


class Sizes:
    """The dimensions by name, `s["pad.length"]`, and levels, masses and seats that follow from them."""

    def __init__(self, dimensions: Mapping[str, float], massager: Mapping[str, float]) -> None:
        self._table = dimensions
        self.stroke = massager["load.stroke_m"] * 1e3  # crank radius
        self.pad_g = massager["load.pad_kg"] * 1e3
        self.counter_r = massager["body.counter_m"] * 1e3
        self.counter_part = massager["body.counter_part"]
        self.handle_g = massager["body.handle_kg"] * 1e3
        self.inputs = {name: dimensions[name] for name in dimensions}
        self.inputs |= {name: massager[name] for name in TAKEN}

    def __getitem__(self, name: str) -> float:
        return self._table[name]

    # -- levels, from the skin up -------------------------------------------------------------------------

    @property
    def pad_top(self) -> float:
        """Where the carriage stands on the pad's plate."""
        return self["pad.silicone_t"] + self["pad.plate_t"]

    @property
    def rod_z(self) -> float:
        """Axis of the guide rods."""
        return self.pad_top + self["carriage.rail_h"] / 2

    @property
    def yoke_z(self) -> float:
        """Lower face of the yoke."""
        return self.pad_top + self["carriage.rail_h"]

    @property
    def bearing_z(self) -> float:
        """Lower face of the bearing: in the middle of the yoke."""
        return self.yoke_z + (self["carriage.yoke_t"] - self["bearing.width"]) / 2

    @property
    def counter_z(self) -> float:
        """Lower face of the counterweight."""
        return self.bearing_z + self["bearing.width"] + self["eccentric.shoulder_t"]

    @property
    def plate_z(self) -> float:
        """Lower face of the motor mount's plate."""
        return self.counter_z + self["counterweight.thickness"] + 1.5 * self["fit.running"]

    @property
    def face_z(self) -> float:
        """The motor's face."""
        return self.plate_z + self["mount.plate_t"]

    @property
    def shaft_z(self) -> float:
        """Tip of the motor's shaft."""
        return self.face_z - self["motor.shaft_l"]

    @property
    def skirt_z(self) -> float:
        """Lower edge of the housing."""
        return self.pad_top + self["fit.pinch"]

    @property
    def saddle_z(self) -> float:
        """Lower face of the saddle on the can."""
        return self.face_z + 28.0

    @property
    def top_z(self) -> float:
        """Top of the housing, outside."""
        return self.face_z + self["motor.can_l"] + self["motor.terminals_l"] + 6.0 + self["handle.wall_t"]

    @property
    def grip_z(self) -> float:
        """Axis of the grip: at the height of the motor's middle, so that the hand holds the weight."""
        return self.face_z + self["motor.can_l"] / 2 + 6.0

    # -- across --------------------------------------------------------------------------------------------

    @property
    def inner_y(self) -> float:
        """Half of the housing's width, inside."""
        return self["handle.half_y"] - self["handle.wall_t"]

    @property
    def slot_x(self) -> float:
        """Half of the slot in the plastic: bearing, strip and play."""
        return self["bearing.outer_d"] / 2 + self["carriage.strip_t"] + self["fit.slide"]

    @property
    def end_x(self) -> float:
        """Inner face of the mount's end walls."""
        return self["mount.half_x"] - self["mount.wall_t"]

    @property
    def grip_end_x(self) -> float:
        """End of the grip."""
        return self["handle.head_x"] + self["handle.grip_l"]

    @property
    def can_seat_r(self) -> float:
        """Radius of what surrounds the can."""
        return self["motor.can_d"] / 2 + self["fit.seat"]

    @property
    def saddle_r(self) -> float:
        """Outer radius of the saddle."""
        return self.can_seat_r + self["saddle.wall_t"]

    @property
    def clamp_d(self) -> float:
        """What the strain relief leaves of the cable's diameter."""
        return self["sensors.cable_d"] * (1 - self["fit.squeeze_pct"] / 100)

    def seat(self, component: str) -> float:
        """Size of the printed seat for a component, its play on both sides included."""
        return self[component] + 2 * self["fit.seat"]

    # -- the rotor -------------------------------------------------------------------------------------------

    @cached_property
    def crank_gmm(self) -> float:
        """Moment of eccentric and bearing about the shaft, toward the crank, g·mm.

        The bore is concentric and has none; the grub screw is taken as the metal that it replaces.
        """
        journal = _disc(self["bearing.bore_d"]) * self["bearing.width"]
        shoulder = _disc(self["eccentric.shoulder_d"]) * self["eccentric.shoulder_t"]
        steel = (journal + shoulder) * self["density.steel"] / 1e3
        return (steel + self["bearing.mass_g"]) * self.stroke

    @cached_property
    def counter_gmm(self) -> float:
        """Moment of the counterweight's half ring with the magnet in it, away from the crank, g·mm."""
        inner, outer = self["counterweight.collar_r"], self["counterweight.outer_r"]
        ring = 2 / 3 * (outer**3 - inner**3) * self["counterweight.thickness"] * self["density.brass"] / 1e3
        pocket = _disc(self["sensors.magnet_d"]) * self["sensors.magnet_t"] / 1e3
        lighter = (self["density.brass"] - self["density.magnet"]) * pocket
        return ring - lighter * self["counterweight.magnet_r"]

    @property
    def wanted_gmm(self) -> float:
        """What the counterweight has to have: the crank's own, and its share of the reciprocating mass."""
        return self.crank_gmm + self.counter_part * self.pad_g * self.stroke

    @property
    def half_ring_r(self) -> float:
        """Distance of the half ring's centre of mass from the shaft."""
        inner, outer = self["counterweight.collar_r"], self["counterweight.outer_r"]
        return 4 / (3 * math.pi) * (outer**3 - inner**3) / (outer**2 - inner**2)


def _disc(diameter: float) -> float:
    return math.pi * diameter**2 / 4
