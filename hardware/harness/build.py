"""Harness: picture, material and cut list from harness.yml: `python -m hardware.harness.build`

Needs WireViz (`pip install -e '.[hardware]'`) and graphviz; `--check` compares the cut list alone, because
graphviz draws a little differently from version to version.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from hardware.checks import HARNESS, wires

HERE = Path(__file__).resolve().parent
HEAD = ("wire", "net", "colour", "gauge", "insulation", "length_mm", "from", "to")


def cut_list() -> str:
    """The cut list as CSV."""
    out = io.StringIO()
    rows = wires(yaml.safe_load(HARNESS.read_text(encoding="utf-8")))
    csv.writer(out, lineterminator="\n").writerows([HEAD, *rows])
    return out.getvalue()


def draw(folder: Path) -> None:
    """harness.svg and harness.bom.tsv into a folder. Raises CalledProcessError when WireViz refuses."""
    command = [str(Path(sys.executable).with_name("wireviz")), "-f", "st", str(HARNESS), "-o", str(folder)]
    subprocess.run(command, check=True, capture_output=True, text=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the cut list is stale")
    arguments = parser.parse_args()
    target = HERE / "cut-list.csv"
    stale = not target.exists() or target.read_text(encoding="utf-8") != cut_list()
    with tempfile.TemporaryDirectory() as folder:
        try:
            draw(Path(folder))
        except subprocess.CalledProcessError as error:
            print(f"WireViz: {error.stderr.strip().splitlines()[-1]}")
            return 1
        if arguments.check:
            if stale:
                print("hardware/harness/cut-list.csv is not up to date: python -m hardware.harness.build")
            return int(stale)
        target.write_text(cut_list(), encoding="utf-8")
        for name in ("harness.svg", "harness.bom.tsv"):
            shutil.copyfile(Path(folder) / name, HERE / name)
    print("wrote hardware/harness/cut-list.csv, harness.svg, harness.bom.tsv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
