"""Sources: MicroPython source to CPython code, for the sandbox.

Virtual time moves when code waits. A loop that waits for nothing would keep it still for ever, and Ctrl-C
with it; so in everything but the packaged firmware each turn of a loop calls `__turn__` of the sandbox.
"""

from __future__ import annotations

import ast
import codeop
import hashlib
import warnings
from collections import OrderedDict
from types import CodeType

from .packaged import firmware_folder

TYPED = "<stdin>"  # file name of what was typed at the prompt
TURN = "__turn__"  # called in every turn of a loop; returns True
REPL_PRINT = "__repl_print__"  # called with the value of each expression that was typed

_codes: OrderedDict[tuple[str, bytes], CodeType] = OrderedDict()
_CODES_KEPT = 512


def compile_file(path: str, source: bytes) -> CodeType:
    """Code of a file, cached by path and content; named after the packaged file when it is the same."""
    key = (path, hashlib.sha256(source).digest())
    code = _codes.get(key)
    if code is None:
        code = _codes[key] = _compile_packaged(path, source) or _compile(source, path)
        if len(_codes) > _CODES_KEPT:
            _codes.popitem(last=False)
    return code


def compile_typed(source: bytes, interactive: bool = False) -> CodeType:
    """Code of what came over the prompt; `interactive` shows the values of expressions.

    Raises what the compiler raises: SyntaxError, UnicodeError, ValueError, MemoryError, RecursionError.
    """
    return _compile(source.decode(), TYPED, interactive)


def is_whole(source: str) -> bool:
    """Whether what was typed can be run, or is wrong already; False: another line has to follow."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return codeop.compile_command(source, TYPED, "single") is not None
    except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
        return True


def _compile_packaged(path: str, source: bytes) -> CodeType | None:
    """Code of a file of the packaged firmware, None for any other; it waits in its loops, or ends them."""
    try:
        packaged = firmware_folder() / path
        if packaged.read_bytes() != source:
            return None
    except OSError:
        return None
    return compile(source, str(packaged), "exec", dont_inherit=True)


def _compile(source: str | bytes, name: str, interactive: bool = False) -> CodeType:
    with warnings.catch_warnings():  # meant for the terminal of whoever wrote it, not of the simulator
        warnings.simplefilter("ignore")
        tree: ast.Module = _Turns().visit(ast.parse(source, name))
        if interactive:
            tree = _Printed().visit(tree)
        return compile(ast.fix_missing_locations(tree), name, "exec", dont_inherit=True)


def _call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


class _Turns(ast.NodeTransformer):
    """Has each turn of a loop, and of a comprehension, call TURN."""

    def _loop(self, node: ast.For | ast.While | ast.AsyncFor) -> ast.AST:
        self.generic_visit(node)
        node.body.insert(0, ast.copy_location(ast.Expr(_call(TURN)), node))
        return node

    visit_For = visit_While = visit_AsyncFor = _loop

    def visit_comprehension(self, node: ast.comprehension) -> ast.AST:
        self.generic_visit(node)
        node.ifs.insert(0, ast.copy_location(_call(TURN), node.iter))
        return node


class _Printed(ast.NodeTransformer):
    """Has the value of each expression statement printed that is in no function or class."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        if isinstance(node.value, ast.Call) and getattr(node.value.func, "id", None) == TURN:
            return node
        node.value = ast.copy_location(_call(REPL_PRINT, node.value), node.value)
        return node

    def _leave(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _leave
