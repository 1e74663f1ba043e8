"""All hardware checks, headless: `make hardware`. One line a step, the output of those that failed.

--quick: of ngspice the reference corner alone, two minutes less; for a machine that checks every change.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SPICE = "hardware/spice/run.py"
STEPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (  # what it shows, file, arguments
    ("KiCad files are what the design says", "hardware/kicad/build.py", ("--check",)),
    ("schematics, pin map and harness agree", "hardware/checks.py", ()),
    ("KiCad: rules, netlists, board and pictures", "hardware/kicad/headless.py", ()),
    ("interlock: truth table and single faults", "hardware/interlock/run.py", ("--check",)),
    ("harness: picture and cut list", "hardware/harness/build.py", ("--check",)),
    ("budgets", "hardware/budgets/run.py", ("--check",)),
    ("bill of materials", "hardware/bom/build.py", ("--check",)),
    ("drive stage in ngspice", SPICE, ("--check",)),
)


def step(command: Sequence[str]) -> tuple[bool, str, float]:
    """Do one: whether it passed, what it said, how long it took in s."""
    began = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode == 0, done.stdout + done.stderr, time.monotonic() - began


def main() -> int:
    """Run all steps; the exit code."""
    parser = argparse.ArgumentParser(description="All hardware checks.")
    parser.add_argument("--quick", action="store_true", help="of ngspice the reference corner alone")
    quick = parser.parse_args().quick
    commands = [
        (
            sys.executable,
            *("-m", file.removesuffix(".py").replace("/", ".")),
            *(("--quick",) if quick and file == SPICE else checking),
        )
        for _, file, checking in STEPS
    ]
    failed = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for (what, _, _), (passed, said, seconds) in zip(STEPS, pool.map(step, commands), strict=True):
            print(f"{'ok    ' if passed else 'FAILED'}  {what}  ({seconds:.1f} s)", flush=True)
            if not passed:
                failed += 1
                print("\n".join("        " + line for line in said.splitlines()), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
