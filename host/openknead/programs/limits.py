"""The settings of a device that a program has to fit; without one the defaults, which stand here only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from openknead.programs.table import AREAS, LEVELS, sided


@dataclass(frozen=True)
class Limits:
    """Settings by their names on the device; areas: the labels it knows; device: whether one was asked."""

    min_level: int = 1
    max_level: int = LEVELS
    session_limit_s: int = 600
    slew_s: int = 2
    area_s: int = 90
    areas: tuple[str, ...] = AREAS
    device: bool = False

    @staticmethod
    def of(settings: Mapping[str, int | bool], areas: Iterable[tuple[str, bool]]) -> Limits:
        """From what `Device.get_all` gives, and the device's areas: name, whether it has sides."""
        known = {field.name: int(settings[field.name]) for field in fields(Limits) if field.type == "int"}
        labels = tuple(label for base, paired in areas for label in (sided(base) if paired else (base,)))
        return Limits(**known, areas=labels, device=True)

    def __str__(self) -> str:
        whose = (
            "the device's settings" if self.device else "the defaults, --on-device takes a device's settings"
        )
        return (
            f"levels {self.min_level}…{self.max_level}, session_limit_s {self.session_limit_s}, "
            f"slew_s {self.slew_s}, area_s {self.area_s}: {whose}"
        )


DEFAULTS = Limits()
