"""What MicroPython's prompt answers to which keys, on an emulated Pico and on the virtual board alike."""

from __future__ import annotations

import re

RAW = b"raw REPL; CTRL-B to exit\r\n>"
REBOOT = b"MPY: soft reboot\r\n"
BANNER = b"(banner)\r\n"
AWAY = b"\x03\x02"  # keys that lead from everywhere but running code to the friendly prompt …
BACK = BANNER + b">>> "  # … which then ends in this
_TRACEBACK = b"Traceback (most recent call last):\r\n"
_LINE_1 = b'  File "<stdin>", line 1, in <module>\r\n'
_RAISED = b"OK\x04" + _TRACEBACK + _LINE_1

# Keys typed at an empty friendly prompt, and the answer, after which it is quiet.
FRIENDLY = (
    (b'{"a":1}\n', b"{\"a\":1}\r\n{'a': 1}\r\n>>> "),  # a host's line: run since MicroPython 1.28
    (b"1\r\n\n2\n\r", b"1\r\n1\r\n>>> \r\n>>> 2\r\n2\r\n>>> "),  # CR LF and LF CR are one end
    (b"f(\n\n\x03", b"f(\r\n... \r\n... \r\n>>> "),
    (b"abc\x03", b"abc\r\n>>> "),
    (b"\r", b"\r\n>>> "),
    (b"1\x082\r", b"1\x08\x1b[K2\r\n2\r\n>>> "),
    (b"7\x1b[C\x1b[4~\x1bOF\r", b"7\r\n7\r\n>>> "),  # right, end, end: there is nowhere to go
    (b"'\x1b[1;5C'\r", b"'5C'\r\n'5C'\r\n>>> "),  # a sequence that it does not know
    (b"open('nix')\r", b"open('nix')\r\n" + _TRACEBACK + _LINE_1 + b"OSError: [Errno 2] ENOENT\r\n>>> "),
    (
        b"import nix\r",
        b"import nix\r\n" + _TRACEBACK + _LINE_1 + b"ImportError: no module named 'nix'\r\n>>> ",
    ),
    (b"f(\r\r\x03", b"f(\r\n... \r\n... \r\n>>> "),
    (b"for i in 2, 3: i\r\r", b"for i in 2, 3: i\r\n... \r\n2\r\n3\r\n>>> "),
    (b"6; _ + 1; None\r", b"6; _ + 1; None\r\n6\r\n7\r\n>>> "),
    (
        b"\x05def f(x):\r  return 2*x\r\rf(4)\r\x04",
        b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== def f(x):\r\n===   return 2*x\r\n=== \r\n"
        b"=== f(4)\r\n=== \r\n8\r\n>>> ",
    ),
    (b"\x05f(\x03", b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== f(\r\n>>> "),
    (b"\x01", b"\r\n" + RAW),
    (b"\x02", b"\r\n" + BANNER + b">>> "),
    (b"\x04", b"\r\n" + REBOOT + BANNER + b">>> "),
    (b"raise SystemExit\r", b"raise SystemExit\r\n" + REBOOT + BANNER + b">>> "),
)
# The same at an empty raw prompt.
RAW_MODE = (
    (b"print(1)\x04", b"OK1\r\n\x04\x04>"),
    (b"1\x04", b"OK\x04\x04>"),
    (b"junk\x03print(2)\x04", b"OK2\r\n\x04\x04>"),
    (b"print('')\nprint('', end='')\x04", b"OK\r\n\x04\x04>"),
    (
        b"x = = 1\x04",
        b"OK\x04" + _TRACEBACK + b'  File "<stdin>", line 1\r\nSyntaxError: invalid syntax\r\n\x04>',
    ),
    (
        b"def f():\n  return {}['a']\n\nprint(3)\nf()\x04",
        b"OK3\r\n\x04" + _TRACEBACK + b'  File "<stdin>", line 5, in <module>\r\n'
        b'  File "<stdin>", line 2, in f\r\nKeyError: a\r\n\x04>',
    ),
    (b"import os;os.mkdir('a');os.mkdir('a')\x04", _RAISED + b"OSError: [Errno 17] EEXIST\r\n\x04>"),
    (b"raise OSError(28)\x04", _RAISED + b"OSError: 28\r\n\x04>"),  # it knows no name for that
    (b"raise BaseException\x04", _RAISED + b"BaseException: \r\n\x04>"),
    (b"\x01", RAW),
    (b"abc\x01", RAW),
    (b"\x02", b"\r\n" + BANNER + b">>> "),
    (b"\x04", b"OK\r\n" + REBOOT + RAW),
    (b"raise SystemExit\x04", b"OK\x04\x04" + REBOOT + RAW),
    (b"\x05A\x01print(5)\x04", b"R\x01\x80\x00\x01\x045\r\n\x04\x04>"),
    (b"\x05A\x01" + b"#" * 300 + b"\x04", b"R\x01\x80\x00\x01\x01\x01\x04\x04\x04>"),
    (b"\x05B\x01", b"R\x00>"),
    (b"\x05A\x01print(\x03", b"R\x01\x80\x00\x01\x04\x04KeyboardInterrupt: \r\n\x04>"),
)  # fmt: skip


def bannerless(said: bytes) -> bytes:
    """What a board said, with BANNER for its name and version."""
    return re.sub(rb'MicroPython v[^\r]*\r\nType "help\(\)"[^\r]*\r\n', BANNER, said)
