"""Mutation check: breaks the safety modules in one place at a time and counts how often the tests notice.

Usage: run.py [--list] [--sample N] [--seed S] [module ...]; all modules by default.
Exit code 1 below AIM_PCT.

A tool of our own, because what is broken here is the firmware's: mutmut 3 leaves everything outside of
functions alone, so every threshold, and cosmic-ray edits the files in place, with a new interpreter for every
mutant; neither knows PIO programs. What gets broken, and how, stands in mutate.py.

Mutants run in a temporary copy of the repository, a process each, forked after the expensive imports. Which
tests come by a line, and how long they take, is recorded first; a mutant meets those, the quickest first,
until one fails. A test that takes far too long has noticed as well. A line that nothing can break noticeably
is marked `# mutants: equivalent because …` and listed with its reason.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

import hypothesis
import pytest
from mutate import Mutant, equivalent, mutants

ROOT = Path(__file__).resolve().parents[2]
AIM_PCT = 90
WORKERS = 2
COPIED = ("firmware", "host", "sim", "tests", "pyproject.toml")
SLOWER = 3  # a test that takes so many times its time, and SLOWER_S more, has noticed
SLOWER_S = 5
IMPORTED_FIRST = ("pioemu", "openknead_sim.stage")

# Module of the firmware: the tests that may notice.
ALONE = tuple(f"tests/firmware/test_boundaries{part}.py" for part in ("", "_session", "_store"))
DEVICE = tuple(f"tests/firmware/test_{part}.py" for part in ("safety", "faults", "session", "panel", "rpc"))
TESTS = {
    "safety": (*ALONE, *DEVICE),
    "faults": (*ALONE, *DEVICE),
    "session": (*ALONE, *DEVICE, *(f"tests/firmware/test_{part}.py" for part in ("program_session", "dose"))),
    "panel": tuple(
        f"tests/firmware/test_{part}.py" for part in ("boundaries_panel", "panel", "press", "confirm")
    ),
    "press": tuple(f"tests/firmware/test_{part}.py" for part in ("press", "boundaries_panel")),
    "interlock": ("tests/unit/test_interlock_pio.py", "tests/unit/test_sim_interlock.py"),
    "store": (*ALONE, "tests/firmware/test_store.py", "tests/firmware/test_settings.py"),
}
# Half a minute for every mutant of the interlock; what it shows of the count, quicker ones show as well.
TOO_SLOW = "tests/unit/test_interlock_pio.py::test_cap_ends_it_905_s_after_the_rise_whatever_is_fed"

Touched = dict[str, dict[str, Any]]  # test → {"s": duration, "lines": {file of the firmware: its lines}}


class UnbrokenFails(Exception):
    """A test fails before anything was broken; args: what pytest said."""


class Watch:
    """pytest plugin: which lines of the mutated files each test comes by, and how long it takes."""

    def __init__(self, files: set[str], target: Path) -> None:
        self._files = files
        self._target = target
        self._lines: dict[str, set[int]] = {}
        self._touched: Touched = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._lines = {file: set() for file in self._files}
        sys.settrace(self._enter)
        began = time.perf_counter()
        try:
            return (yield)
        finally:
            sys.settrace(None)
            lines = {file: sorted(numbers) for file, numbers in self._lines.items() if numbers}
            self._touched[item.nodeid] = {"s": time.perf_counter() - began, "lines": lines}

    def pytest_sessionfinish(self) -> None:
        self._target.write_text(json.dumps(self._touched))

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        lines = self._lines.get(frame.f_code.co_filename)
        if lines is None:
            return None

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                lines.add(frame.f_lineno)
            return line

        return line


class Choice:
    """pytest plugin: these tests only, in this order, each with its time limit."""

    def __init__(self, limits_s: dict[str, float]) -> None:
        self._limits_s = limits_s

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self._limits_s if name in found]
        for item in items:
            item.add_marker(pytest.mark.timeout(self._limits_s[item.nodeid]))


def enter_copy(folder: str) -> None:
    """Make a copy of the repository to break things in, go there, and import what is slow before forking."""
    copy = Path(tempfile.mkdtemp(dir=folder))
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    os.chdir(copy)
    sys.dont_write_bytecode = True  # one of the same size and second would be taken for the mutant's
    sys.path[:0] = [str(copy / "sim"), str(copy / "host")]
    for name in IMPORTED_FIRST:
        importlib.import_module(name)
    # One example against a mutant is enough, there is no smallest one to look for.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", phases=phases, derandomize=True, database=None)
    hypothesis.settings.load_profile("mutants")
    assert sys.modules["openknead_sim"].__file__ == str(copy / "sim" / "openknead_sim" / "__init__.py")


def run_pytest(files: list[str], plugin: object, limit_s: float, said: Path | None = None) -> int | None:
    """pytest in a forked process, in the current folder: its exit code, None when it had to be ended."""
    child = os.fork()
    if not child:
        code = 70
        try:
            os.setsid()
            out = os.open(said or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            code = pytest.main(
                [*files, "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--deselect={TOO_SLOW}"],
                plugins=[plugin],
            )
        finally:
            os._exit(code)
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def record(modules: list[str]) -> Touched:
    """The unbroken firmware before all tests. Raises UnbrokenFails."""
    files = sorted({file for module in modules for file in TESTS[module]}, key=lambda f: ("unit" in f, f))
    target, said = Path("touched.json"), Path("said.txt")
    watched = {str(Path.cwd() / path_of(module)) for module in modules}
    if run_pytest(files, Watch(watched, target), 1800, said) != 0:
        raise UnbrokenFails(said.read_text())
    touched: Touched = json.loads(target.read_text())
    for test in touched.values():
        test["lines"] = {os.path.relpath(file): lines for file, lines in test["lines"].items()}
    return touched


def noticed(mutant: Mutant, limits_s: dict[str, float]) -> bool:
    """Whether a test fails with this mutant. limits_s: the tests in their order, with the time each may take.

    Runs in a worker's copy and leaves it as it was.
    """
    path = Path(mutant.path)
    source = path.read_text(encoding="utf-8")
    files = list(dict.fromkeys(test.split("::")[0] for test in limits_s))
    path.write_text(mutant.apply(source), encoding="utf-8")
    try:
        code = run_pytest(files, Choice(limits_s), sum(limits_s.values()))
    finally:
        path.write_text(source, encoding="utf-8")
    if code in (pytest.ExitCode.NO_TESTS_COLLECTED, 70):
        raise RuntimeError(f"no test ran for {mutant}")
    return code != 0


def path_of(module: str) -> str:
    return f"firmware/massager/{module}.py"


def concerned(mutant: Mutant, touched: Touched, files: tuple[str, ...]) -> dict[str, float]:
    """The tests that may notice, quickest first, and how many seconds each may take."""
    candidates = {name: test for name, test in touched.items() if name.split("::")[0] in files}
    lines = set(mutant.lines)
    came_by = {
        name: test
        for name, test in candidates.items()
        if lines.intersection(test["lines"].get(mutant.path, ()))
    }
    if mutant.imported or not came_by:  # the line had its effect before the tests: on all of them
        came_by = candidates
    by_time = sorted((float(test["s"]), name) for name, test in came_by.items())
    return {name: SLOWER_S + SLOWER * seconds for seconds, name in by_time}


def chosen(
    modules: list[str], sources: dict[str, str], sample: int | None, seed: int
) -> dict[str, list[Mutant]]:
    """Module → its mutants, or those of them that are in the sample."""
    found = {module: mutants(path_of(module), sources[module]) for module in modules}
    if sample is not None:
        every = [m for module in modules for m in found[module]]
        picked = set(random.Random(seed).sample(every, min(sample, len(every))))
        found = {module: [m for m in found[module] if m in picked] for module in modules}
    return found


def check(found: dict[str, list[Mutant]]) -> dict[str, list[tuple[Mutant, bool]]]:
    """Module → its mutants with whether each was noticed. Raises UnbrokenFails."""
    results: dict[str, list[tuple[Mutant, bool]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(WORKERS, get_context("fork"), enter_copy, (folder,)) as pool,
    ):
        touched = pool.submit(record, list(found)).result()
        print(f"{len(touched)} tests pass unbroken", flush=True)
        for module, broken in found.items():
            limits_s = [concerned(mutant, touched, TESTS[module]) for mutant in broken]
            print(f"{module:12}", end="", flush=True)
            rows = results[module] = []
            for mutant, killed in zip(broken, pool.map(noticed, broken, limits_s), strict=True):
                rows.append((mutant, killed))
                print("." if killed else "S", end="", flush=True)
            print(flush=True)
    return results


def show(mutant: Mutant, source: str) -> None:
    print(f"{mutant.path}:{mutant.line}")
    print("\n".join(f"    {line[0]} {line[1:].strip()}" for line in mutant.diff(source)))


def report(results: dict[str, list[tuple[Mutant, bool]]], sources: dict[str, str]) -> float:
    """Survivors, exclusions and the table; the share killed in percent."""
    for module, rows in results.items():
        for mutant, killed in rows:
            if not killed:
                show(mutant, sources[module])
    for module, source in sources.items():
        for number, reason in equivalent(source).items():
            print(f"{path_of(module)}:{number} left out as equivalent because {reason}")
    counts = {module: (len(rows), sum(killed for _, killed in rows)) for module, rows in results.items()}
    counts["all"] = (sum(c[0] for c in counts.values()), sum(c[1] for c in counts.values()))
    print(f"\n{'module':12}{'mutants':>8}{'killed':>8}{'survived':>10}{'%':>7}")
    for name, (count, killed) in counts.items():
        print(f"{name:12}{count:8}{killed:8}{count - killed:10}{100 * killed / max(count, 1):7.1f}")
    count, killed = counts["all"]
    return 100 * killed / max(count, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation check over the firmware's safety modules.")
    parser.add_argument("modules", nargs="*", metavar="module", help=" ".join(TESTS))
    parser.add_argument("--list", action="store_true", help="show the mutants, run nothing")
    parser.add_argument("--sample", type=int, metavar="N", help="this many, at random")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the sample")
    options = parser.parse_args()
    modules = options.modules or list(TESTS)
    if unknown := set(modules) - set(TESTS):
        parser.error(f"unknown module: {', '.join(sorted(unknown))}; there are {', '.join(TESTS)}")
    sources = {module: (ROOT / path_of(module)).read_text(encoding="utf-8") for module in modules}
    found = chosen(modules, sources, options.sample, options.seed)
    if options.list:
        for module in modules:
            for mutant in found[module]:
                show(mutant, sources[module])
        return 0
    began = time.monotonic()
    try:
        results = check(found)
    except UnbrokenFails as error:
        print(f"a test fails without any mutant:\n{error}", file=sys.stderr)
        return 2
    pct = report(results, sources)
    print(f"{pct:.1f} % killed, aim {AIM_PCT} %, in {time.monotonic() - began:.0f} s")
    if not options.modules and options.sample is None:
        figure = {"value": round(pct, 1), "unit": "%", "aim": AIM_PCT, "peer": None, "ratio": None}
        target = ROOT / "build" / "mutants.json"
        target.parent.mkdir(exist_ok=True)
        target.write_text(json.dumps({"mutants_killed_pct": figure}, indent=1) + "\n")
    return 0 if pct >= AIM_PCT else 1


if __name__ == "__main__":
    sys.exit(main())
