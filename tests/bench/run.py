"""Runs all benches, prints their figures and writes build/bench.json.

Usage: run.py [part ...] with the parts plant, sim, host, emulator, all of them by default, and soak, which
takes half an hour. A part that cannot run here is said and left out, e.g. the emulator without a MicroPython
image.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from openknead.flash.errors import ImageMissing

ROOT = Path(__file__).parents[2]
PARTS = ("plant", "sim", "host", "emulator")
LONG_PARTS = ("soak",)  # only when named


def main(names: list[str]) -> int:
    known = (*PARTS, *LONG_PARTS)
    unknown = set(names) - set(known)
    if unknown:
        print(f"unknown part: {', '.join(sorted(unknown))}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(Path(__file__).parent))
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    figures = json.loads(target.read_text()) if names and target.exists() else {}
    for name in names or PARTS:
        print(f"— {name}", flush=True)
        try:
            measured = importlib.import_module(f"bench_{name}").figures()
        except ImageMissing as error:
            print(f"  left out: {error}")
            continue
        for key, figure in measured.items():
            print(f"  {key:28} {line(figure)}", flush=True)
        figures.update(measured)
    target.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"{len(figures)} figures in {target}")
    return 0


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
