"""Sandbox: runs a board's MicroPython source on CPython, from the board's own flash.

Each boot has its own modules, its own `open` and its own imports, so that many boards live in one process.
Modules that mean the same on both Pythons (json, struct, …) are CPython's. It is not a jail: code
can reach the machine it runs on.
"""

from __future__ import annotations

import builtins
import importlib
import io
import traceback
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit  # type: ignore[import-untyped]

from . import modules
from .chip import SPIN_READINGS, Reset
from .errornames import error_line
from .flash import PowerCut
from .packaged import firmware_folder
from .sources import REPL_PRINT, TURN, TYPED, compile_file, compile_typed
from .usb import TextInput, TextOutput

if TYPE_CHECKING:
    from .chip import Chip
    from .flash import Flash

# The same on CPython as far as firmware goes.
SHARED = frozenset(("array", "binascii", "cmath", "collections", "errno", "hashlib", "heapq", "json"))
SHARED |= frozenset(("math", "random", "re", "struct"))
# These would talk to the simulator's own terminal, or close it.
MISSING = ("breakpoint", "copyright", "credits", "exit", "license", "quit")
VERSION = "1.24.1"  # the MicroPython that is simulated
MACHINE = "Simulated board with RP2040"
HEAP_BYTES = 233_664  # of a Pico with MicroPython 1.24.1; CPython's heap is no measure
HELP = """A virtual board of OpenKnead: code runs on CPython, with MicroPython's modules simulated.
Ctrl-A: raw REPL (for mpremote), Ctrl-C: interrupt, Ctrl-D: soft reset, Ctrl-E: paste mode."""


class Sandbox:
    """The Python of one boot of one board. boot.py, main.py and what is typed at the prompt share `main`."""

    def __init__(self, chip: Chip, flash: Flash) -> None:
        self._chip = chip
        self._flash = flash
        self._loaded: dict[str, ModuleType] = {}
        self.stdout = TextOutput(chip.usb)
        self._path = ["", ".frozen", "/lib"]
        self._builtins = {name: value for name, value in vars(builtins).items() if name not in MISSING}
        self._builtins.update({
            "open": flash.open, "__import__": self._import, "print": self._print, "input": self._no_input,
            "help": lambda *_about: self._print(HELP), TURN: self._turn, REPL_PRINT: self._repl_print,
            "ptr8": _same, "ptr16": _same, "ptr32": _same, "uint": _same,
        })  # fmt: skip
        simulated: dict[str, dict[str, Any]] = {
            "machine": modules.machine_names(chip, "desktop"),
            "rp2": modules.rp2_names(chip),
            "time": modules.time_names(chip),
            "select": modules.select_names(chip),
            "micropython": self._micropython(),
            "gc": _gc_names(chip),
            "sys": self._sys(),
            "os": self._os(),
            "vfs": {},  # asked for, and done without, by `mpremote df`
            "io": {n: getattr(io, n) for n in ("BytesIO", "IOBase", "StringIO")} | {"open": flash.open},
            "__main__": {},
        }
        for name, names in simulated.items():
            self._loaded[name] = module = ModuleType(name)
            vars(module).update(names)
        self.main = vars(self._loaded["__main__"])

    def run_file(self, path: str) -> bool:
        """Run a file of the flash, if there is one, as MicroPython runs main.py. See `execute`."""

        def act() -> None:
            source = self._flash.read_file(path)
            if source is not None:
                self._exec(compile_file(path.lstrip("/"), source))

        return self.execute(act)

    def run_typed(self, source: bytes, *, interactive: bool = False, end: bytes = b"") -> bool:
        """Run what came over the prompt; `interactive` shows the values of expressions. See `execute`."""
        return self.execute(lambda: self._exec(compile_typed(source, interactive)), end)

    def execute(self, act: Callable[[], object], end: bytes = b"") -> bool:
        """Call act() as MicroPython runs code: Ctrl-C interrupts it, an exception is printed.

        end: sent after what it printed, and again after its exception. False: it asked for a soft reset.
        """
        chip = self._chip
        error: BaseException | None = None
        chip.interrupt_char = 3
        try:
            act()
        except (GreenletExit, PowerCut, Reset):  # the board's, not the code's
            raise
        except BaseException as e:
            error = e
        chip.interrupt_char = -1
        chip.interrupt = False
        chip.usb.put(end)
        leaves = isinstance(error, SystemExit)
        if error is not None and not leaves:
            self.print_exception(error)
        chip.usb.put(end)
        return not leaves

    def _exec(self, code: Any) -> None:
        self.main["__builtins__"] = self._builtins  # each time: whoever deletes them would get CPython's
        exec(code, self.main)

    def module(self, name: str) -> ModuleType:
        """A module that the firmware has imported, or that can be imported, by its full name."""
        return self._load(name)

    def print_exception(self, error: BaseException, file: Any = None) -> None:
        """sys.print_exception: the traceback as MicroPython writes it, the board's own frames only."""
        lines = []
        for frame in traceback.extract_tb(error.__traceback__):
            path = _board_path(frame.filename)
            if path:
                lines.append(f'  File "{path}", line {frame.lineno}, in {frame.name}\n')
        if isinstance(error, SyntaxError):
            lines.append(f'  File "{_board_path(error.filename or TYPED)}", line {error.lineno or 1}\n')
        if lines:
            lines.insert(0, "Traceback (most recent call last):\n")
        (file or self.stdout).write("".join(lines) + error_line(error) + "\n")

    # -- imports ------------------------------------------------------------------------------------

    def _import(
        self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
    ) -> Any:
        if level:
            base = str(globals.get("__package__") or globals["__name__"])
            parts = base.split(".")
            parts = parts[: len(parts) - level + 1]
            name = ".".join([*parts, name] if name else parts)
        module = self._load(name)
        if not fromlist:
            return self._load(name.split(".")[0])
        for attribute in fromlist:
            if attribute != "*" and not hasattr(module, attribute) and hasattr(module, "__path__"):
                self._load(f"{name}.{attribute}")
        return module

    def _load(self, name: str) -> ModuleType:
        found = self._loaded.get(name)
        if found is not None:
            return found
        if name in SHARED:
            module = importlib.import_module(name)
            self._loaded[name] = module
            return module
        parent, _, last = name.rpartition(".")
        if parent:
            self._load(parent)
            if name in self._loaded:
                return self._loaded[name]
        module = self._load_from_flash(name)
        if parent:
            setattr(self._loaded[parent], last, module)
        return module

    def _load_from_flash(self, name: str) -> ModuleType:
        parent, _, last = name.rpartition(".")
        folders = [vars(self._loaded[parent]).get("__path__")] if parent else self._path
        for folder in folders:
            found = self._find(f"{folder}/{last}" if folder else last) if folder is not None else None
            if found:
                break
        else:
            raise ImportError(f"no module named '{name}'")
        path, source, package = found
        module = ModuleType(name)
        names = vars(module)
        names["__builtins__"] = self._builtins
        names["__file__"] = path
        names["__package__"] = name if package else parent
        if package:
            names["__path__"] = package
        self._loaded[name] = module
        try:
            exec(compile_file(path, source), names)
        except BaseException:
            del self._loaded[name]
            raise
        return module

    def _find(self, stem: str) -> tuple[str, bytes, str | None] | None:
        """A module's file, its source, and its folder if it is a package. Raises ImportError for a .mpy."""
        flash = self._flash
        stem = flash.resolve(stem).lstrip("/")
        for path, package in ((f"{stem}/__init__", stem), (stem, None)):
            source = flash.read_file(f"/{path}.py")
            if source is not None:
                return f"{path}.py", source, package
            if flash.read_file(f"/{path}.mpy") is not None:
                raise ImportError(
                    f"{path}.mpy is precompiled for MicroPython: a virtual board runs on CPython "
                    f"and needs {path}.py"
                )
        try:
            return (stem, b"", stem) if flash.stat(f"/{stem}")[0] & 0x4000 else None
        except OSError:
            return None

    # -- MicroPython's own modules ------------------------------------------------------------------

    def _sys(self) -> dict[str, Any]:
        def leave(code: Any = None) -> None:
            raise SystemExit(code)

        return {
            "stdin": TextInput(self._chip.usb),
            "stdout": self.stdout,
            "stderr": self.stdout,
            "implementation": SimpleNamespace(
                name="micropython",
                version=(*map(int, VERSION.split(".")), ""),
                _machine=MACHINE,  # and no _mpy: it cannot run such files
            ),
            "platform": "rp2",
            "version": f"3.4.0; MicroPython v{VERSION}, simulated",
            "byteorder": "little",
            "maxsize": 0x7FFFFFFF,
            "modules": self._loaded,
            "path": self._path,
            "argv": [],
            "exit": leave,
            "print_exception": self.print_exception,
        }

    def _os(self) -> dict[str, Any]:
        f = self._flash
        uname = namedtuple("uname", "sysname nodename release version machine")
        answer = uname("rp2", "rp2", VERSION, "simulated", MACHINE)
        calls: tuple[Callable[..., Any], ...] = (
            f.listdir, f.ilistdir, f.stat, f.statvfs, f.rename, f.remove, f.mkdir, f.chdir, f.getcwd, f.sync,
        )  # fmt: skip
        names: dict[str, Any] = {call.__name__: call for call in calls}
        return {**names, "rmdir": f.remove, "unlink": f.remove, "uname": lambda: answer, "sep": "/"}

    def _micropython(self) -> dict[str, Any]:
        def kbd_intr(char: int) -> None:
            self._chip.interrupt_char = char

        return {
            "const": _same,
            "native": _same,
            "viper": _same,
            "kbd_intr": kbd_intr,
            "alloc_emergency_exception_buf": _nothing,
            "mem_info": _nothing,
            "heap_lock": _nothing,
            "heap_unlock": _nothing,
            "opt_level": _nothing,
            "schedule": lambda function, argument: function(argument),
        }

    def _print(self, *values: object, sep: str = " ", end: str = "\n", file: Any = None) -> None:
        (file or self.stdout).write(sep.join(map(str, values)) + end)

    def _repl_print(self, value: object) -> None:
        if value is not None:
            self._builtins["_"] = value
            self._print(repr(value))

    def _turn(self) -> bool:
        """A turn of a loop: a microsecond each, once there were many without a wait."""
        chip = self._chip
        chip.spins += 1
        if chip.spins > SPIN_READINGS:
            chip.spin()
        return True

    def _no_input(self, prompt: str = "") -> str:
        raise NotImplementedError("input() is not simulated: firmware reads sys.stdin")


def _gc_names(chip: Chip) -> dict[str, Any]:
    return {
        "collect": _nothing,
        "enable": _nothing,
        "disable": _nothing,
        "isenabled": lambda: True,
        "threshold": lambda size=None: -1,
        "mem_free": lambda: chip.heap_free_bytes,
        "mem_alloc": lambda: HEAP_BYTES - chip.heap_free_bytes,
    }


def _same(x: Any) -> Any:
    return x


def _nothing(*_arguments: Any) -> None:
    return None


def _board_path(filename: str) -> str | None:
    """A frame's file as the board has it; None when it is no code of the board's."""
    path = Path(filename)
    if not path.is_absolute():
        return filename if filename == TYPED or path.suffix == ".py" else None
    try:
        return path.relative_to(firmware_folder()).as_posix()
    except (OSError, ValueError):
        return None
