"""The tick under every setting and every reading: all that it works out is a small integer of the Pico.

What is larger takes heap there, and the heap is locked during the tick: it would end the session. The
firmware's source is run with a check around each operation; CPython's own integers would not tell.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE = ROOT / "firmware"
MOST = 1 << 30
SETS = 100
TICKS = 400
TACH_BITS = 29


class Heap:
    """Stands for the heap: while it is locked, `small` takes nothing that would need it."""

    locked = False

    def lock(self) -> None:
        self.locked = True

    def unlock(self) -> None:
        self.locked = False

    def small(self, value: Any) -> Any:
        """A value of the tick, checked."""
        if self.locked:
            assert isinstance(value, int), value
            assert -MOST <= value < MOST, value
        return value


class Checked(ast.NodeTransformer):
    """Puts `small(…)` around each operation."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._small(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node if isinstance(node.op, ast.Not) else self._small(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        before = ast.parse(ast.unparse(node.target), mode="eval").body
        return ast.copy_location(
            ast.Assign([node.target], self._small(ast.BinOp(before, node.op, node.value))), node
        )

    @staticmethod
    def _small(node: ast.expr) -> ast.Call:
        return ast.Call(ast.Name("small", ast.Load()), [node], [])


class Loader(importlib.abc.SourceLoader):
    """The firmware's modules, checked."""

    def __init__(self, path: str, heap: Heap) -> None:
        self._path = path
        self._heap = heap

    def get_filename(self, fullname: str) -> str:
        return self._path

    def get_data(self, path: str) -> bytes:
        return Path(path).read_bytes()

    def path_stats(self, path: str) -> Any:
        raise OSError  # the bytecode is kept nowhere

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:
        tree = ast.fix_missing_locations(Checked().visit(ast.parse(data)))
        return compile(tree, path, "exec")

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["small"] = self._heap.small
        super().exec_module(module)


class Finder(importlib.abc.MetaPathFinder):
    def __init__(self, heap: Heap) -> None:
        self._heap = heap

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        if fullname.partition(".")[0] != "massager":
            return None
        found = importlib.machinery.PathFinder.find_spec(fullname, path or [str(FIRMWARE)])
        assert found
        assert found.origin
        found.loader = Loader(found.origin, self._heap)
        return found


@pytest.fixture
def heap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heap]:
    """`support` and the checked firmware behind it may be imported."""
    made = Heap()
    micropython = ModuleType("micropython")
    vars(micropython).update(const=lambda value: value, heap_lock=made.lock, heap_unlock=made.unlock)
    monkeypatch.setattr(sys, "meta_path", [Finder(made), *sys.meta_path])
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "firmware"))
    with patch.dict(sys.modules, {"micropython": micropython}):  # takes away what was imported, too
        for name in [name for name in sys.modules if name.partition(".")[0] in ("massager", "support")]:
            del sys.modules[name]
        yield made


def any_settings(table: Any, rng: random.Random) -> dict[str, Any]:
    """Within their ranges, often at an end."""
    return {
        name: bool(rng.randrange(2))
        if kind == "bool"
        else rng.choice((low, high, default, rng.randint(low, high)))
        for name, kind, _, low, high, default, *_ in table
    }


def any_readings(board: Any, rng: random.Random) -> None:
    """What pins and converters can show at all."""
    for name in ("adc_current", "adc_supply"):
        setattr(board, name, rng.choice((0, 65_535, getattr(board, name), rng.randrange(65_536))))
    channel = rng.randrange(5)
    board.temperatures[channel] = rng.choice((0, 32_768, 65_535, rng.randrange(65_536)))
    board.tach_periods = rng.choice((0, 0, 1, 2, 8))
    board.tach_count = sum(
        rng.choice((1, 2, 500, rng.randrange(1, 5_000))) for _ in range(board.tach_periods)
    )
    if board.tach_periods and not rng.randrange(20):
        board.tach_count += (1 << TACH_BITS) - 1
    board.nfault = not rng.randrange(50)
    if not rng.randrange(20):
        board.buttons = rng.randrange(16) & rng.choice((14, 15))


def healthy_readings(board: Any, demand_opm: int, rng: random.Random) -> None:
    """A shaft that turns as demanded, and a load."""
    board.tach_periods = 1 if demand_opm else 0
    board.tach_count = 1_500_000 // demand_opm if demand_opm else 0
    board.adc_current = rng.randrange(12_000)
    board.adc_supply = 41_800
    board.temperatures = [32_768] * 5
    board.buttons, board.nfault = 0, False


def start(app: Any, rng: random.Random) -> None:
    """A session or a program, whatever has been before."""
    app.session.blockers = ()
    app.safety.active = app.safety.fault = app.safety.limiters = 0
    app.session.selected = app.library.load(rng.choice(app.library.names))
    if rng.randrange(2):
        app.session.start_selected()
    else:
        app.session.start(app.settings["default_level"], rng.choice((60_000, 900_000)), 2)
    app.board.guard()
    app.memory.begin(app.session, 0, app.selected)


def test_the_tick_works_with_small_integers_alone(heap: Heap) -> None:
    import support
    from massager import settings as table

    rng = random.Random(5)
    driven = faults = 0
    for _ in range(SETS):
        app = support.Bench().app
        board = app.board
        values = any_settings(table.TABLE, rng)
        if table.conflict(values):
            values.update(min_level=1, default_level=rng.randint(1, 11), max_level=11)
        app.settings.take(values)
        app.configure()
        app.clock.uptime_ms = rng.choice((app.uptime_ms, MOST - 1_000))
        us = app._last_us
        for tick in range(TICKS):
            if not app.session.active():
                start(app, rng)
            if tick % 40 > 25:  # for a while anything, then what lets the motor run
                any_readings(board, rng)
            else:
                healthy_readings(board, app.drive.demand_opm, rng)
            board.us = us = (us + rng.choice((10_000, 10_000, 10_400, 40_000, 800_000, 0))) & (MOST - 1)
            app.tick(us)
            driven += app.drive.duty > 0
            faults += app.safety.fault > 0
    assert driven > SETS * TICKS // 20
    assert faults > SETS


def test_a_large_number_a_fraction_and_text_are_noticed(heap: Heap) -> None:
    source = "def work(x, y):\n    x += y\n    return -x\n"
    names = {"small": heap.small}
    exec(compile(ast.fix_missing_locations(Checked().visit(ast.parse(source))), "work", "exec"), names)
    work: Any = names["work"]

    assert work(MOST, 1) == -MOST - 1
    heap.lock()
    assert work(MOST - 2, 1) == 1 - MOST
    for x, y in ((MOST - 1, 1), (0.5, 1), ("a", "b")):
        with pytest.raises(AssertionError):
            work(x, y)
