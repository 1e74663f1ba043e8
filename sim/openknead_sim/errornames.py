"""Exceptions as MicroPython tells them: its names for CPython's, and errors of the system by their symbol.

Programs read them: to `mpremote` a file is missing when it says "OSError: [Errno 2] ENOENT".
"""

from __future__ import annotations

import errno

KNOWN = {
    ArithmeticError, AssertionError, AttributeError, BaseException, EOFError, Exception, GeneratorExit,
    ImportError, IndentationError, IndexError, KeyError, KeyboardInterrupt, LookupError, MemoryError,
    NameError, NotImplementedError, OSError, OverflowError, RuntimeError, StopAsyncIteration, StopIteration,
    SyntaxError, SystemExit, TypeError, UnicodeError, ValueError, ZeroDivisionError,
}  # fmt: skip
# Of errors of the system it has these names (MICROPY_PY_ERRNO_LIST); others are told by number alone.
SYMBOLS = {
    "EPERM", "ENOENT", "EIO", "EBADF", "EAGAIN", "ENOMEM", "EACCES", "EEXIST", "ENODEV", "EISDIR", "EINVAL",
    "EOPNOTSUPP", "EADDRINUSE", "ECONNABORTED", "ECONNRESET", "ENOBUFS", "ENOTCONN", "ETIMEDOUT",
    "ECONNREFUSED", "EHOSTUNREACH", "EALREADY", "EINPROGRESS",
}  # fmt: skip
CPYTHONS = ("binascii", "builtins", "json.decoder", "re", "struct")  # modules that define others


def error_line(error: BaseException) -> str:
    """The last line of a traceback."""
    try:
        text = " ".join(_text(error).splitlines())
    except Exception:  # in a __str__ of the board's own code
        text = ""
    return f"{_name(type(error))}: {text}"


def _name(kind: type) -> str:
    """The class as MicroPython has it: itself, or the nearest it descends from."""
    return next(c.__name__ for c in kind.__mro__ if c in KNOWN or c.__module__ not in CPYTHONS)


def _text(error: BaseException) -> str:
    arguments = error.args
    if isinstance(error, OSError) and arguments and isinstance(arguments[0], int):
        symbol = errno.errorcode.get(arguments[0])
        return f"[Errno {arguments[0]}] {symbol}" if symbol in SYMBOLS else str(arguments[0])
    if isinstance(error, SyntaxError):
        return str(error.msg)
    if isinstance(error, KeyError) and len(arguments) == 1:
        return str(arguments[0])
    return str(error)
