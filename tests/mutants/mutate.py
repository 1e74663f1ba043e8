"""Mutants of one source file: each is the file with one small piece of it broken.

Pieces are found in the syntax tree and exchanged in the text, so that a mutant differs in one place and lines
keep their numbers. What is broken, and how:

- comparisons: the boundary moved (`<` → `<=`) and turned round (`<` → `>=`); `==`, `is`, `in` negated
- arithmetic and bits: `+` `-`, `<<` `>>`, `&` `|`, `*` `//` exchanged; `|=` clears, `&=` sets
- numbers, n → 2n + 1 and n // 2, wrong enough to matter: n ± 1 mA is below what the sensor resolves. Within
  functions 0 and 1 stay: initial values, bit 0, "one more"
- logic: `and` `or` exchanged, `not` dropped, a bare condition negated, True and False exchanged
- statements dropped: a call, a `raise`, `return`, `break`, `continue`, an assignment to what exists already
  (a latch that does not latch). Not those of `__init__`, where a test would only see an AttributeError
- arguments by keyword dropped: the called one's default instead
- PIO programs: instruction dropped, literal changed, jump made unconditional, other condition, other label,
  other register, `block` and `noblock` exchanged
"""

from __future__ import annotations

import ast
import difflib
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ("<", "<=", ">="),
    ast.LtE: ("<=", "<", ">"),
    ast.Gt: (">", ">=", "<="),
    ast.GtE: (">=", ">", "<"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
OPERATORS = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "//"),
    ast.FloorDiv: ("//", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
PIO_NAMES = {"x": "y", "y": "x", "osr": "isr", "isr": "osr", "block": "noblock", "noblock": "block"}
PIO_CONDITIONS = {
    "x_not_y": "not_x",
    "not_x": "not_y",
    "not_y": "not_x",
    "x_dec": "y_dec",
    "y_dec": "x_dec",
    "pin": "not_osre",
}
PIO_NO_INSTRUCTION = ("label", "wrap", "wrap_target")
EQUIVALENT = re.compile(r"#\s*mutants: equivalent because (.+)")


@dataclass(frozen=True)
class Mutant:
    """`path` with the text at start…end exchanged; lines: where a test must come by to notice."""

    path: str
    line: int
    lines: tuple[int, ...]
    imported: bool  # runs when the module is imported, or on a state machine: every test is concerned
    start: int
    end: int
    text: str

    def apply(self, source: str) -> str:
        return source[: self.start] + self.text + source[self.end :]

    def diff(self, source: str) -> list[str]:
        """The lines taken out and put in."""
        old, new = source.splitlines(), self.apply(source).splitlines()
        lines = difflib.unified_diff(old, new, lineterm="", n=0)
        return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def mutants(path: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its lines; those of lines marked as equivalent left out."""
    excluded = equivalent(source)
    found = {(m.start, m.end, m.text): m for m in Finder(path, source).run() if m.line not in excluded}
    return sorted(found.values(), key=lambda m: (m.start, m.end))


def equivalent(source: str) -> dict[int, str]:
    """Line number → reason, of the lines marked `# mutants: equivalent because …`."""
    return {
        number: match[1]
        for number, line in enumerate(source.splitlines(), 1)
        if (match := EQUIVALENT.search(line))
    }


class Finder:
    """Walks through one file's syntax tree."""

    def __init__(self, path: str, source: str) -> None:
        self.path = path
        self.source = source
        self.tree = ast.parse(source)
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))
        self._tokens = [
            (self._starts[t.start[0] - 1] + t.start[1], self._starts[t.end[0] - 1] + t.end[1], t.string)
            for t in tokenize.generate_tokens(io.StringIO(source).readline)
        ]
        self._imported = True
        self._statement: ast.stmt

    def run(self) -> Iterator[Mutant]:
        """Every mutant; each must compile and differ."""
        for mutant in self._block(self.tree.body, None):
            changed = mutant.apply(self.source)
            compile(changed, self.path, "exec")
            assert changed != self.source, mutant
            yield mutant

    # -- statements ---------------------------------------------------------------------------------

    def _block(self, body: list[ast.stmt], known: set[str] | None) -> Iterator[Mutant]:
        """known: local names that have a value already; None outside functions and in `__init__`."""
        for node in body:
            self._statement = node
            if isinstance(node, ast.FunctionDef):
                yield from self._function(node)
                continue
            if isinstance(node, ast.ClassDef):
                yield from self._block(node.body, None)
                continue
            if self._droppable(node, known):
                yield self._mutant(node, self._start(node), self._end(node), "pass")
            for field in ast.iter_child_nodes(node):
                if isinstance(field, ast.expr):
                    yield from self._expression(field)
            if isinstance(node, ast.AugAssign):
                yield from self._augmented(node)
            if isinstance(node, ast.If | ast.While):
                yield from self._condition(node.test)
            if known is not None:
                known |= {
                    n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
                }
            for inner in ("body", "orelse", "finalbody"):
                yield from self._block(getattr(node, inner, []), known)
            for handler in getattr(node, "handlers", []):
                yield from self._block(handler.body, known)

    def _function(self, node: ast.FunctionDef) -> Iterator[Mutant]:
        for decorator in node.decorator_list:
            yield from self._expression(decorator)
        if any("asm_pio" in ast.dump(decorator) for decorator in node.decorator_list):
            for statement in node.body:
                self._statement = statement
                if not _is_text(statement):
                    yield from self._instruction(statement, node)
            return
        before, self._imported = self._imported, False
        known = {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
        yield from self._block(node.body, None if node.name == "__init__" else known)
        self._imported = before

    def _droppable(self, node: ast.stmt, known: set[str] | None) -> bool:
        if self._imported:
            return False
        if isinstance(node, ast.Expr):
            return isinstance(node.value, ast.Call)
        if isinstance(node, ast.Return):
            return node.value is None
        if isinstance(node, ast.AugAssign | ast.Raise | ast.Break | ast.Continue):
            return True
        if not isinstance(node, ast.Assign) or known is None:
            return False
        return any(
            not isinstance(n, ast.Name) or n.id in known
            for target in node.targets
            for n in (target.elts if isinstance(target, ast.Tuple) else [target])
        )

    def _augmented(self, node: ast.AugAssign) -> Iterator[Mutant]:
        value = self._text(node.value)
        start = self._end(node.target)
        if isinstance(node.op, ast.BitOr):
            yield self._mutant(node, start, self._end(node), f" &= ~({value})")
        elif isinstance(node.op, ast.BitAnd):
            if isinstance(node.value, ast.UnaryOp):
                value = self._text(node.value.operand)
            yield self._mutant(node, start, self._end(node), f" |= {value}")
        elif type(node.op) in OPERATORS:
            old, new = OPERATORS[type(node.op)]
            yield self._exchanged(node, node.target, node.value, old + "=", new + "=")

    # -- expressions --------------------------------------------------------------------------------

    def _expression(self, root: ast.expr) -> Iterator[Mutant]:
        for node in ast.walk(root):
            if isinstance(node, ast.Compare):
                sides = [node.left, *node.comparators]
                for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
                    old, *others = COMPARISONS[type(operator)]
                    for new in others:
                        yield self._exchanged(node, left, right, old, new)
            elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS and not _is_text(node.left):
                yield self._exchanged(node, node.left, node.right, *OPERATORS[type(node.op)])
            elif isinstance(node, ast.BoolOp):
                swap = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
                for left, right in zip(node.values, node.values[1:], strict=False):
                    yield self._exchanged(node, left, right, *swap)
            elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
                yield self._mutant(node, self._start(node), self._end(node), f"({self._text(node.operand)})")
            elif isinstance(node, ast.IfExp):
                yield from self._condition(node.test)
            elif isinstance(node, ast.Call):
                yield from self._keywords(node)
            elif isinstance(node, ast.Constant):
                for value in self._others(node.value):
                    yield self._mutant(node, self._start(node), self._end(node), repr(value))

    def _condition(self, test: ast.expr) -> Iterator[Mutant]:
        """A condition that has no operator of its own to exchange."""
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
            yield self._mutant(test, self._start(test), self._end(test), f"(not ({self._text(test)}))")

    def _others(self, value: object) -> list[object]:
        if isinstance(value, bool):
            return [not value]
        if not isinstance(value, int):
            return []
        if not self._imported and value in (0, 1):
            returned = isinstance(self._statement, ast.Return) and isinstance(
                self._statement.value, ast.Constant
            )
            return [1 - value] if returned else []
        return [v for v in (2 * value + 1, value // 2) if v != value]

    def _keywords(self, call: ast.Call) -> Iterator[Mutant]:
        arguments: list[ast.expr | ast.keyword] = [*call.args, *call.keywords]
        for i, argument in enumerate(arguments):
            if not isinstance(argument, ast.keyword) or argument.arg is None:
                continue
            start, end = self._start(argument), self._end(argument)
            if i:
                start = self._end(arguments[i - 1])
            elif len(arguments) > 1:
                end = self._start(arguments[1])
            yield self._mutant(argument, start, end, "")

    # -- PIO ----------------------------------------------------------------------------------------

    def _instruction(self, node: ast.stmt, program: ast.FunctionDef) -> Iterator[Mutant]:
        call = next(n for n in ast.walk(node) if isinstance(n, ast.Call))
        name = call.func.id if isinstance(call.func, ast.Name) else ""
        if name in PIO_NO_INSTRUCTION:
            return
        yield self._mutant(node, self._start(node), self._end(node), "pass")
        for n in ast.walk(node):
            if isinstance(n, ast.Constant) and isinstance(n.value, int):
                values = {1 - n.value} if n.value in (0, 1) else {(2 * n.value + 1) & 31, n.value // 2}
                for value in sorted(values):
                    yield self._mutant(n, self._start(n), self._end(n), str(value))
            elif isinstance(n, ast.Constant):
                for label in sorted(_labels(program) - {n.value}):
                    yield self._mutant(n, self._start(n), self._end(n), f'"{label}"')
            elif isinstance(n, ast.Name) and n is not call.func:
                other = (PIO_CONDITIONS if name == "jmp" else PIO_NAMES).get(n.id)
                if other:
                    yield self._mutant(n, self._start(n), self._end(n), other)
        if name == "jmp" and len(call.args) == 2:
            yield self._mutant(node, self._start(call.args[0]), self._start(call.args[1]), "")

    # -- text ---------------------------------------------------------------------------------------

    def _mutant(self, node: ast.AST, start: int, end: int, text: str) -> Mutant:
        first, last = node.lineno, node.end_lineno or node.lineno  # type: ignore[attr-defined]
        lines = (self._statement.lineno, *range(first, last + 1))
        return Mutant(self.path, first, lines, self._imported, start, end, text)

    def _exchanged(self, node: ast.AST, left: ast.expr, right: ast.expr, old: str, new: str) -> Mutant:
        """Another operator between two operands."""
        between = [t for t in self._tokens if self._end(left) <= t[0] < self._start(right)]
        words = old.split()
        at = next(i for i, token in enumerate(between) if token[2] == words[0])
        return self._mutant(node, between[at][0], between[at + len(words) - 1][1], new)

    def _start(self, node: ast.AST) -> int:
        return self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]

    def _end(self, node: ast.AST) -> int:
        return self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _offset(self, line: int, column: int) -> int:
        """Character of the file; the syntax tree counts a line's bytes."""
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def _text(self, node: ast.AST) -> str:
        return self.source[self._start(node) : self._end(node)]


def _is_text(node: ast.AST) -> bool:
    """A literal of text or bytes, or a statement that is one."""
    if isinstance(node, ast.Expr):
        node = node.value
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _labels(program: ast.FunctionDef) -> set[str]:
    return {
        call.args[0].value  # type: ignore[attr-defined]
        for call in ast.walk(program)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "label"
    }
