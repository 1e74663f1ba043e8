"""Router: tracks on two layers of a grid, by negotiation.

Each connection takes the cheapest way, over other nets' tracks too when there is no better one; whoever was
crossed is taken out and tries again, and the place has become dearer. Pads, wide tracks and edges never move.
All is integer arithmetic in a fixed order, so the same board comes out each time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

STEP_MM = (
    0.635  # a quarter of a pin pitch: one track fits between two pins, and neighbours keep their distance
)
TRACK_MM, CLEARANCE_MM, VIA_MM, DRILL_MM = 0.25, 0.2, 0.6, 0.3
LAYERS = ("F.Cu", "B.Cu")
TRACK_COST, VIA_COST, AGAINST_COST, CROSS_COST = 10, 60, 14, 150
LOWER_COST = 8  # more for a step on the lower layer, so that the ground there stays whole
FREE, CLOSED = -1, -2  # owner of a cell: free for all, or closed to all

Cell = tuple[int, int, int]  # layer, column, row


@dataclass(frozen=True)
class Copper:
    """Fixed copper: a rectangle on some layers, mm. net: whose it is, CLOSED for edges and holes."""

    net: int
    layers: tuple[int, ...]
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Terminal:
    """A pad to be reached: its middle in mm, and on which layers."""

    net: int
    x: float
    y: float
    layers: tuple[int, ...]


@dataclass
class Way:
    """Cells of a connection, from a terminal or an older track to a terminal."""

    net: int
    cells: list[Cell]


@dataclass
class Grid:
    """The board as cells. `used`: who has a track in a cell; `dear`: what a cell costs more than others."""

    width_mm: float
    height_mm: float
    owner: list[list[int]] = field(init=False)
    via_owner: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.columns = int(self.width_mm / STEP_MM) + 1
        self.rows = int(self.height_mm / STEP_MM) + 1
        self.owner = [[FREE] * (self.columns * self.rows) for _ in LAYERS]
        self.via_owner = [FREE] * (self.columns * self.rows)
        self.used: list[dict[int, set[int]]] = [{}, {}]
        self.vias: dict[int, set[int]] = {}
        self.dear: list[dict[int, int]] = [{}, {}]

    def at(self, x: float, y: float) -> tuple[int, int]:
        """Column and row next to a point."""
        return round(x / STEP_MM), round(y / STEP_MM)

    def close(self, copper: Copper) -> None:
        """Keep tracks and vias of other nets away from fixed copper."""
        reach = CLEARANCE_MM + TRACK_MM / 2 - 1e-6
        for layer in copper.layers:
            self._mark(self.owner[layer], copper, reach)
        self._mark(self.via_owner, copper, CLEARANCE_MM + VIA_MM / 2 - 1e-6)

    def _mark(self, owner: list[int], copper: Copper, reach: float) -> None:
        first, last = int((copper.left - reach) / STEP_MM), int((copper.right + reach) / STEP_MM) + 1
        top, bottom = int((copper.top - reach) / STEP_MM), int((copper.bottom + reach) / STEP_MM) + 1
        for row in range(max(top, 0), min(bottom, self.rows - 1) + 1):
            dy = max(copper.top - row * STEP_MM, 0, row * STEP_MM - copper.bottom)
            for column in range(max(first, 0), min(last, self.columns - 1) + 1):
                dx = max(copper.left - column * STEP_MM, 0, column * STEP_MM - copper.right)
                if dx * dx + dy * dy < reach * reach:
                    at = row * self.columns + column
                    owner[at] = copper.net if owner[at] in (FREE, copper.net) else CLOSED

    # -- ways -----------------------------------------------------------------------------------------

    def lay(self, way: Way) -> None:
        """Enter a way."""
        for layer, at in self._places(way):
            self.used[layer].setdefault(at, set()).add(way.net)
        for at in self.via_places(way):
            self.vias.setdefault(at, set()).add(way.net)

    def _places(self, way: Way) -> Iterable[tuple[int, int]]:
        return ((layer, row * self.columns + column) for layer, column, row in way.cells)

    def via_places(self, way: Way) -> list[int]:
        """Where a way changes layers."""
        pairs = zip(way.cells, way.cells[1:], strict=False)
        return [
            row * self.columns + column for (layer, column, row), (other, _, _) in pairs if layer != other
        ]

    def clear(self) -> None:
        """Forget all ways; prices stay."""
        self.used = [{}, {}]
        self.vias = {}

    def _near(self, at: int) -> Iterable[int]:
        c = self.columns
        return (at - c - 1, at - c, at - c + 1, at - 1, at + 1, at + c - 1, at + c, at + c + 1)

    def others(self, layer: int, at: int, net: int) -> set[int]:
        """Other nets whose tracks a track here would touch."""
        return self.used[layer].get(at, set()) - {net}

    def others_at_via(self, at: int, net: int) -> set[int]:
        """Other nets that a via here would touch."""
        found = self.others(0, at, net) | self.others(1, at, net)
        for near in self._near(at):
            found |= self.vias.get(near, set()) - {net}
        return found

    def find(self, net: int, starts: Iterable[Cell], goals: set[Cell], middle: tuple[int, int]) -> list[Cell]:
        """Cheapest way from a start to one of the goals around `middle`. Raises ValueError if none."""
        columns, rows = self.columns, self.rows
        best: dict[Cell, int] = {}
        came: dict[Cell, Cell | None] = {}
        queue: list[tuple[int, int, Cell]] = []
        for cell in sorted(starts):
            best[cell] = 0
            came[cell] = None
            queue.append((self._guess(cell, middle), 0, cell))
        heapq.heapify(queue)
        while queue:
            _, cost, cell = heapq.heappop(queue)
            if cell in goals:
                way = [cell]
                while (before := came[way[-1]]) is not None:
                    way.append(before)
                return way[::-1]
            if cost > best[cell]:
                continue
            layer, column, row = cell
            at = row * columns + column
            steps = []
            for dc, dr in ((1, 0), (-1, 0), (0, 1), (0, -1)):
                c, r = column + dc, row + dr
                if 0 <= c < columns and 0 <= r < rows:
                    there = r * columns + c
                    owner = self.owner[layer][there]
                    if owner in (FREE, net):
                        along = TRACK_COST if (dr == 0) == (layer == 0) else AGAINST_COST
                        along += layer * LOWER_COST
                        crossed = len(self.others(layer, there, net))
                        steps.append(
                            (along + crossed * CROSS_COST + self.dear[layer].get(there, 0), (layer, c, r))
                        )
            if self.via_owner[at] in (FREE, net) and self.owner[1 - layer][at] in (FREE, net):
                crossed = len(self.others_at_via(at, net))
                price = VIA_COST + crossed * CROSS_COST + self.dear[1 - layer].get(at, 0)
                steps.append((price, (1 - layer, column, row)))
            for price, there_cell in steps:
                total = cost + price
                if total < best.get(there_cell, 1 << 60):
                    best[there_cell] = total
                    came[there_cell] = cell
                    heapq.heappush(queue, (total + self._guess(there_cell, middle), total, there_cell))
        raise ValueError(f"no way for net {net}")

    @staticmethod
    def _guess(cell: Cell, middle: tuple[int, int]) -> int:
        return (abs(cell[1] - middle[0]) + abs(cell[2] - middle[1])) * TRACK_COST


def route_net(grid: Grid, net: int, terminals: list[Terminal]) -> list[Way]:
    """Ways that connect all terminals of a net, the nearest first."""
    cells = {t: {(layer, *grid.at(t.x, t.y)) for layer in t.layers} for t in terminals}
    joined = set(cells[terminals[0]])
    left = list(terminals[1:])
    ways = []
    while left:
        nearest = min(left, key=lambda t: (min(_apart(grid, t, cell) for cell in joined), t.x, t.y))
        left.remove(nearest)
        way = Way(net, grid.find(net, joined, cells[nearest], grid.at(nearest.x, nearest.y)))
        ways.append(way)
        joined |= set(way.cells) | cells[nearest]
    return ways


def _apart(grid: Grid, terminal: Terminal, cell: Cell) -> int:
    column, row = grid.at(terminal.x, terminal.y)
    return abs(cell[1] - column) + abs(cell[2] - row)


def route(grid: Grid, terminals: dict[int, list[Terminal]], rounds: int = 60) -> dict[int, list[Way]]:
    """All nets with more than one terminal. Raises ValueError when they still cross after all rounds."""
    nets = sorted((n for n in terminals if len(terminals[n]) > 1), key=lambda n: (_span(terminals[n]), n))
    ways: dict[int, list[Way]] = {}
    waiting = list(nets)
    for _ in range(rounds):
        for net in waiting:
            ways[net] = route_net(grid, net, terminals[net])
            for way in ways[net]:
                grid.lay(way)
        waiting = _crossing(grid, ways)
        if not waiting:
            return ways
        for net in waiting:
            del ways[net]
        grid.clear()
        for kept in ways.values():
            for way in kept:
                grid.lay(way)
    raise ValueError(f"nets {waiting} still cross after {rounds} rounds")


def _span(terminals: list[Terminal]) -> float:
    xs, ys = [t.x for t in terminals], [t.y for t in terminals]
    return max(xs) - min(xs) + max(ys) - min(ys)


def _crossing(grid: Grid, ways: dict[int, list[Way]]) -> list[int]:
    """Nets that touch another; every place where they do has become dearer. Both try again."""
    found: set[int] = set()
    for net in sorted(ways):
        for way in ways[net]:
            for layer, at in grid._places(way):
                others = grid.others(layer, at, net)
                if others:
                    grid.dear[layer][at] = grid.dear[layer].get(at, 0) + 40
                    found |= others | {net}
            for at in grid.via_places(way):
                others = grid.others_at_via(at, net)
                if others:
                    for layer in (0, 1):
                        grid.dear[layer][at] = grid.dear[layer].get(at, 0) + 40
                    found |= others | {net}
    return sorted(found)
