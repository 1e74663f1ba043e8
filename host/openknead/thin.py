"""Telemetry at a lower rate than the device sends it: several processes asked for several rates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

SEQ_MASK = 0x3FFFFFFF  # the device's count of samples wraps here


def common(rates: Iterable[int]) -> int:
    """The rate of which all of these are a part; 0: none is wanted."""
    wanted = [hz for hz in rates if hz]
    return math.lcm(*wanted) if wanted else 0


class Thinner:
    """Lets every n-th sample through and numbers them again: a gap in `seq` still counts lost ones."""

    def __init__(self) -> None:
        self._seq: int | None = None
        self._number = 0
        self._every = 1
        self._due = 0  # samples of the device since the last one that was let through

    def take(self, params: Any, every: int) -> list[Any] | None:
        """The params of a telemetry notification, None when it is not its turn; every: 1 takes all."""
        if not isinstance(params, list) or not params or not isinstance(params[0], int):
            return None
        if every != self._every:  # what was held back at the other rate is not lost: the period begins again
            self._every, self._due = every, 0
        seq = params[0]
        self._due += every if self._seq is None else (seq - self._seq) & SEQ_MASK
        self._seq = seq
        if self._due < every:
            return None
        self._number += self._due // every
        self._due %= every
        return [self._number, *params[1:]]
