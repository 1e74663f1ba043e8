"""PIO programs of the firmware as opcodes, assembled from its own source: tests run what ships.

As MicroPython does it, the body of the decorated function is executed, twice, with the assembler's words as
its global names: the first pass finds the labels, the second makes the opcodes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, patch

FOLDER = Path(__file__).resolve().parents[2] / "firmware" / "massager"

JMP, WAIT, IN, PUSH, PULL, MOV, SET = 0x0000, 0x2000, 0x4000, 0x8000, 0x8080, 0xA000, 0xE000
CONDITIONS = ("", "not_x", "x_dec", "not_y", "y_dec", "x_not_y", "pin", "not_osre")
INVERT, REVERSE = 8, 16  # in the operand of a mov
BLOCK, IF = 0x20, 0x40
# name → its bits as source or destination of mov, in and set
PLACES = {"pins": 0, "x": 1, "y": 2, "null": 3, "pindirs": 4, "pc": 5, "status": 5, "isr": 6, "osr": 7}
SETTABLE = ("pins", "x", "y", "pindirs")
WAIT_FOR = {"gpio": 0, "pin": 1}


@dataclass(frozen=True)
class Program:
    """opcodes, with jumps counted from 0; from `wrap` it goes on at `wrap_target`; options of @asm_pio."""

    opcodes: tuple[int, ...]
    wrap_target: int
    wrap: int
    options: dict[str, Any]


class _Place(str):
    """Operand by its name."""


@dataclass(frozen=True)
class _Changed:
    """A mov's source, inverted or reversed."""

    place: _Place
    how: int


class _Assembler:
    """One pass over a program."""

    def __init__(self, labels: dict[str, int]) -> None:
        self.opcodes: list[int] = []
        self.labels: dict[str, int] = {}
        self.wrap_target = 0
        self.wrap = -1
        self._known = labels

    def words(self) -> dict[str, Any]:
        """Every name a program may use; another one is a NameError."""
        instructions: dict[str, Callable[..., _Assembler]] = {
            "jmp": self._jmp,
            "wait": self._wait,
            "in_": lambda place, bits: self._emit(IN | _bits(place) << 5 | bits & 31, 1 <= bits <= 32),
            "push": lambda *flags: self._fifo(PUSH, flags),
            "pull": lambda *flags: self._fifo(PULL, flags),
            "mov": self._mov,
            "set": self._set,
        }
        return {
            **instructions,
            **{name: _Place(name) for name in (*PLACES, *CONDITIONS[1:], *WAIT_FOR)},
            "label": lambda name: self.labels.__setitem__(name, len(self.opcodes)),
            "wrap_target": lambda: setattr(self, "wrap_target", len(self.opcodes)),
            "wrap": lambda: setattr(self, "wrap", len(self.opcodes) - 1),
            "invert": lambda place: _Changed(place, INVERT),
            "reverse": lambda place: _Changed(place, REVERSE),
            "block": BLOCK,
            "noblock": 0,
            "iffull": IF | BLOCK,
            "ifempty": IF | BLOCK,
        }

    def __getitem__(self, delay: int) -> _Assembler:
        """`instruction(…)[delay]`: idle cycles after the instruction just made."""
        if not 0 <= delay <= 31:
            raise ValueError(f"delay {delay}")
        self.opcodes[-1] |= delay << 8
        return self

    def _emit(self, opcode: int, valid: bool = True) -> _Assembler:
        if not valid:
            raise ValueError(f"operand of instruction {len(self.opcodes)} out of range")
        self.opcodes.append(opcode)
        return self

    def _jmp(self, condition: str, target: str | None = None) -> _Assembler:
        if target is None:
            condition, target = "", condition
        return self._emit(JMP | CONDITIONS.index(condition) << 5 | self._known.get(target, 0))

    def _wait(self, level: int, what: str, index: int) -> _Assembler:
        return self._emit(
            WAIT | level << 7 | WAIT_FOR[what] << 5 | index, level in (0, 1) and 0 <= index < 32
        )

    def _fifo(self, opcode: int, flags: tuple[int, ...]) -> _Assembler:
        blocks = not flags or flags[-1] & BLOCK
        condition = any(flag & IF for flag in flags)
        return self._emit(opcode | bool(blocks) * BLOCK | condition * IF)

    def _mov(self, to: str, source: _Place | _Changed) -> _Assembler:
        if isinstance(source, _Changed):
            return self._emit(MOV | _bits(to) << 5 | source.how | _bits(source.place))
        return self._emit(MOV | _bits(to) << 5 | _bits(source))

    def _set(self, to: str, value: int) -> _Assembler:
        return self._emit(SET | _bits(to) << 5 | value, to in SETTABLE and 0 <= value < 32)


def _bits(place: str) -> int:
    return PLACES[place]


def _assembled(body: Callable[[], None], options: dict[str, Any]) -> Program:
    names = body.__globals__
    before = dict(names)
    labels: dict[str, int] = {}
    for _ in range(2):
        passed = _Assembler(labels)
        names.update(passed.words())
        try:
            body()
        finally:
            names.clear()
            names.update(before)
        labels = passed.labels
    wrap = passed.wrap if passed.wrap >= 0 else len(passed.opcodes) - 1
    return Program(tuple(passed.opcodes), passed.wrap_target, wrap, options)


@cache
def firmware_module(name: str = "interlock") -> ModuleType:
    """interlock.py or board.py as a module: its constants, and a Program for every PIO program."""
    rp2 = SimpleNamespace(
        PIO=SimpleNamespace(OUT_LOW=2, OUT_HIGH=3, SHIFT_LEFT=0, SHIFT_RIGHT=1, JOIN_RX=2),
        asm_pio=lambda **options: lambda body: _assembled(body, options),
    )
    others = ("machine", "massager", "massager.flash", "massager.interlock", "massager.sense")
    modules = {"rp2": rp2, "micropython": SimpleNamespace(const=lambda value: value)}
    modules.update({other: MagicMock() for other in others})
    module = ModuleType(name)
    path = FOLDER / f"{name}.py"
    with patch.dict(sys.modules, modules):
        exec(compile(path.read_bytes(), str(path), "exec"), vars(module))
    return module


def program(name: str, module: str = "interlock") -> Program:
    """A PIO program of the firmware by its function's name; AttributeError when there is none."""
    found: Program = getattr(firmware_module(module), name)
    return found


def assemble(name: str) -> list[int]:
    """Its opcodes."""
    return list(program(name).opcodes)
