"""A build's resistors as a network: what a meter reads between two nets, and voltages at rest.

Only resistors, links and the fuse count; chips are out, or draw nothing at their inputs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

SHORTS = ("link", "fuse")
Pair = tuple[str, str]


def ohm(value: str) -> float:
    """Ω of a printed value: "470", "4k7", "10k"."""
    found = re.fullmatch(r"(\d+)(?:([kM])(\d*))?", value)
    if not found:
        raise ValueError(f"{value!r} is no resistance: write it as 470, 4k7 or 10k")
    whole, unit, rest = found.groups()
    return float(f"{whole}.{rest or 0}") * {None: 1.0, "k": 1e3, "M": 1e6}[unit]


def _two(part: Any) -> Pair:
    """The nets of a part with two legs."""
    one, two = part.nets.values()
    return one, two


class Network:
    """The resistors of one build (parts: the design's rows), with contacts closed and resistors added."""

    def __init__(
        self,
        parts: Iterable[Any],
        build: str,
        closed: Iterable[Pair] = (),
        added: Iterable[tuple[str, str, float]] = (),
    ) -> None:
        here = [part for part in parts if build in part.builds]
        self.nets = {net for part in here for net in part.nets.values()}
        shorts = [_two(part) for part in here if part.kind in SHORTS]
        self._same: dict[str, str] = {}
        for one, two in [*shorts, *closed]:
            self._same[self._root(one)] = self._root(two)
        resistors = [(*_two(part), ohm(part.value)) for part in here if part.kind == "resistor"]
        self._resistors = [
            (self._root(one), self._root(two), value) for one, two, value in (*resistors, *added)
        ]

    def _root(self, net: str) -> str:
        while net in self._same:
            net = self._same[net]
        return net

    def resistance(self, one: str, two: str) -> float:
        """Ω between two nets, infinity when nothing connects them. KeyError for an unknown net."""
        start, end = self._node(one), self._node(two)
        if start == end:
            return 0.0
        if end not in self._reached({start}):
            return math.inf
        volts = self._solve({start: 1.0, end: 0.0})
        current = sum(
            (1.0 - volts[b if a == start else a]) / r
            for a, b, r in self._resistors
            if start in (a, b) and a != b
        )
        return 1.0 / current

    def voltage(self, net: str, fixed: Mapping[str, float]) -> float:
        """V at a net with others held at theirs; NaN when it floats. KeyError for an unknown net."""
        held = {self._node(name): volts for name, volts in fixed.items()}
        node = self._node(net)
        return self._solve(held)[node] if node in self._reached(set(held)) else math.nan

    def _node(self, net: str) -> str:
        if net not in self.nets:
            raise KeyError(net)
        return self._root(net)

    def _reached(self, nodes: set[str]) -> set[str]:
        while True:
            more = {n for a, b, _ in self._resistors if a in nodes or b in nodes for n in (a, b)}
            if more <= nodes:
                return nodes
            nodes = nodes | more

    def _solve(self, held: Mapping[str, float]) -> dict[str, float]:
        """Node voltages: Gauss on the conductances of all nodes that something holds."""
        free = sorted(self._reached(set(held)) - set(held))
        at = {node: n for n, node in enumerate(free)}
        rows = [[0.0] * (len(free) + 1) for _ in free]
        for a, b, r in self._resistors:
            for node, other in ((a, b), (b, a)):
                if node in at:
                    rows[at[node]][at[node]] += 1 / r
                    if other in at:
                        rows[at[node]][at[other]] -= 1 / r
                    else:
                        rows[at[node]][-1] += held[other] / r
        for n in range(len(free)):  # diagonally dominant: no pivoting
            rows[n] = [value / rows[n][n] for value in rows[n]]
            for m in range(len(free)):
                if m != n:
                    factor = rows[m][n]
                    rows[m] = [value - factor * pivot for value, pivot in zip(rows[m], rows[n], strict=True)]
        return dict(held) | {node: rows[n][-1] for node, n in at.items()}
