"""Sandbox: runs a board's MicroPython source on CPython, from the board's own flash.

Each boot has its own modules, its own `open` and its own imports, so that many boards live in one process.
Modules that mean the same on both Pythons (json, struct, …) are CPython's.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import io
import traceback
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from . import modules
from .packaged import firmware_folder
from .usb import TextInput, TextOutput

if TYPE_CHECKING:
    from .chip import Chip
    from .flash import Flash

# The same on CPython as far as firmware goes.
SHARED = frozenset(("array", "binascii", "cmath", "collections", "errno", "hashlib", "heapq", "io", "json"))
SHARED |= frozenset(("math", "random", "re", "struct"))
HEAP_BYTES = 233_664  # of a Pico with MicroPython 1.24.1; CPython's heap is no measure

_codes: OrderedDict[tuple[str, bytes], CodeType] = OrderedDict()
_CODES_KEPT = 512


class Sandbox:
    """The Python of one boot of one board. `run` executes a file of the flash as MicroPython runs main.py."""

    def __init__(self, chip: Chip, flash: Flash) -> None:
        self._chip = chip
        self._flash = flash
        self._loaded: dict[str, ModuleType] = {}
        self.stdout = TextOutput(chip.usb)
        self._builtins = dict(vars(builtins))
        self._builtins.update(
            open=flash.open, __import__=self._import, print=self._print, input=self._no_input,
            ptr8=_same, ptr16=_same, ptr32=_same, uint=_same,
        )  # fmt: skip
        simulated: dict[str, dict[str, Any]] = {
            "machine": modules.machine_names(chip, "desktop"),
            "rp2": modules.rp2_names(chip),
            "time": modules.time_names(chip),
            "select": modules.select_names(chip),
            "micropython": self._micropython(),
            "gc": _gc_names(chip),
            "sys": self._sys(),
            "os": self._os(),
        }
        for name, names in simulated.items():
            self._loaded[name] = module = ModuleType(name)
            vars(module).update(names)

    def run(self, path: str) -> bool:
        """Run a file of the flash; False when there is none. Raises what it raises."""
        source = self._flash.read_file(path)
        if source is None:
            return False
        namespace = {"__name__": "__main__", "__builtins__": self._builtins}
        exec(_compile(path.lstrip("/"), source), namespace)
        return True

    def module(self, name: str) -> ModuleType:
        """A module that the firmware has imported, or that can be imported, by its full name."""
        return self._load(name)

    def print_exception(self, error: BaseException, file: Any = None) -> None:
        """sys.print_exception: the traceback, the firmware's own frames only."""
        out = io.StringIO()
        out.write("Traceback (most recent call last):\n")
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.endswith(".py") and not frame.filename.startswith(_OWN_FOLDER):
                out.write(f'  File "{_board_path(frame.filename)}", line {frame.lineno}, in {frame.name}\n')
        out.write("".join(traceback.format_exception_only(error)).splitlines()[-1] + "\n")
        (file or self.stdout).write(out.getvalue())

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
        stem = "/" + name.replace(".", "/")
        for path in (stem + "/__init__.py", stem + ".py"):
            source = self._flash.read_file(path)
            if source is not None:
                break
        else:
            try:
                folder = bool(self._flash.stat(stem)[0] & 0x4000)
            except OSError:
                folder = False
            if not folder:
                raise ImportError(f"no module named '{name}'")
            path, source = stem, b""
        is_package = path != stem + ".py"
        module = ModuleType(name)
        names = vars(module)
        names["__builtins__"] = self._builtins
        names["__file__"] = path.lstrip("/")
        names["__package__"] = name if is_package else name.rpartition(".")[0]
        if is_package:
            names["__path__"] = stem.lstrip("/")
        self._loaded[name] = module
        try:
            exec(_compile(path.lstrip("/"), source), names)
        except BaseException:
            del self._loaded[name]
            raise
        return module

    # -- MicroPython's own modules ------------------------------------------------------------------

    def _sys(self) -> dict[str, Any]:
        def leave(code: Any = None) -> None:
            raise SystemExit(code)

        return {
            "stdin": TextInput(self._chip.usb),
            "stdout": self.stdout,
            "stderr": self.stdout,
            "implementation": SimpleNamespace(
                name="micropython", version=(1, 24, 1, ""), _machine="Simulated board with RP2040", _mpy=4870
            ),
            "platform": "rp2",
            "version": "3.4.0; MicroPython, simulated",
            "byteorder": "little",
            "maxsize": 0x7FFFFFFF,
            "modules": self._loaded,
            "path": ["", "/lib"],
            "argv": [],
            "exit": leave,
            "print_exception": self.print_exception,
        }

    def _os(self) -> dict[str, Any]:
        f = self._flash
        uname = namedtuple("uname", "sysname nodename release version machine")
        answer = uname("rp2", "rp2", "1.24.1", "simulated", "Simulated board with RP2040")
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


def _compile(path: str, source: bytes) -> CodeType:
    """Code of a file, cached by path and content; named after the packaged file when it is the same."""
    key = (path, hashlib.sha256(source).digest())
    code = _codes.get(key)
    if code is None:
        try:
            packaged = firmware_folder() / path
            name = str(packaged) if packaged.read_bytes() == source else path
        except OSError:
            name = path
        code = compile(source, name, "exec", dont_inherit=True)
        _codes[key] = code
        if len(_codes) > _CODES_KEPT:
            _codes.popitem(last=False)
    return code


_OWN_FOLDER = str(Path(__file__).resolve().parent)


def _board_path(filename: str) -> str:
    try:
        return Path(filename).relative_to(firmware_folder()).as_posix()
    except (OSError, ValueError):
        return filename
