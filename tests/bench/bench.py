"""Runs the benches, prints their figures and writes build/bench.json.

Usage: bench.py [part ...]; without one, all of PARTS. Each part is a module bench_PART with a function
`figures`. With parts named, the figures of the others stay in the file. A part that cannot run here is left
out, with the reason, e.g. the emulator without a MicroPython image. One that fails says why and does not hold
up the others; the exit code is 1 then.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from pathlib import Path
from typing import Any

from openknead.flash.errors import ImageMissing

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "build" / "bench.json"
PARTS = (
    "plant",
    "sim",
    "host",
    "emulator",
    "rpc",
)
LONG_PARTS = ("soak",)  # only when named: half an hour


def main(names: list[str]) -> int:
    """Run these parts, or all; the exit code."""
    known = (*PARTS, *LONG_PARTS)
    unknown = set(names) - set(known)
    if unknown:
        print(f"unknown part: {', '.join(sorted(unknown))}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(Path(__file__).parent))
    TARGET.parent.mkdir(exist_ok=True)
    figures = json.loads(TARGET.read_text(encoding="utf-8")) if names and TARGET.exists() else {}
    failed = []
    for name in names or PARTS:
        print(f"— {name}", flush=True)
        try:
            measured: dict[str, Any] = importlib.import_module(f"bench_{name}").figures()
        except ImageMissing as error:
            print(f"  left out: {error}")
            continue
        except Exception as error:
            traceback.print_exc()
            print(f"  failed: {type(error).__name__}: {error}", flush=True)
            failed.append(name)
            continue
        for key, figure in measured.items():
            print(f"  {key:28} {line(figure)}", flush=True)
        figures.update(measured)
        TARGET.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(f"{len(figures)} figures in {TARGET}")
    if failed:
        print(f"failed: {', '.join(failed)}; their figures, if any, are of an earlier run", file=sys.stderr)
    return 1 if failed else 0


def line(figure: dict[str, object]) -> str:
    """One figure as text: value and unit, aim, peer and the ratio to it."""
    text = f"{figure['value']} {figure['unit']}"
    if figure.get("aim") is not None:
        text += f"   aim {figure['aim']}"
    if figure.get("peer") is not None:
        text += f"   peer {figure['peer']}"
    if figure.get("ratio") is not None:
        text += f"   ratio {figure['ratio']}"
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
