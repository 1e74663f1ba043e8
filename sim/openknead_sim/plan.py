"""Plan: the level that a program asks for at each moment, from what the device says of its stages.

Stands here on its own, beside the firmware's and the host's, so that a wrong level is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Stages = Sequence[Sequence[Any]]


class Plan:
    """A program that is played. stages: as `program.get` gives them; shift: levels added to all of them."""

    def __init__(self, stages: Stages, shift: int, now_us: int) -> None:
        self.stages = stages
        self.shift = shift
        self._stage = 0
        self._began_us = now_us

    def enter(self, number: int, now_us: int) -> None:
        """Stage `number`, from 1, has begun."""
        self._stage = number - 1
        self._began_us = now_us

    def level(self, now_us: int) -> float:
        """Level that is asked for, 0 = motor off."""
        _, seconds, pattern, a, b, period_s, _, _ = self.stages[self._stage]
        t_s = (now_us - self._began_us) / 1e6
        if pattern == "ramp":
            level = a + (b - a) * min(t_s / seconds, 1.0)
        elif pattern == "wave":
            part = t_s % period_s / period_s
            level = a + (b - a) * (2 * part if part < 0.5 else 2 - 2 * part)
        elif pattern == "pulse":
            level = b if t_s % period_s < period_s / 2 else a
        else:
            level = a
        return level + self.shift if level else 0.0
