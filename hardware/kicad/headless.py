"""KiCad without a screen: rule checks, KiCad's own netlist, pictures. `python -m hardware.kicad.headless`

--write makes the board and the pictures again; without it nothing in the repository changes, and the board
must be the one that the generator makes. What is checked can stand in another folder: a broken copy, say.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hardware import design
from hardware.checks import same_nets
from hardware.design import Netlist
from hardware.kicad import board
from hardware.kicad.build import HERE
from hardware.kicad.sexp import child, children, dump, parse

PICTURES = HERE.parent / "pictures"
TEMPLATES = Path("/usr/share/kicad/template")
# KiCad's Python module belongs to the distribution's Python, not to a virtual environment.
PYTHON = "/usr/bin/python3"
FILL = """
import sys, pcbnew
board = pcbnew.LoadBoard(sys.argv[1])
pcbnew.ZONE_FILLER(board).Fill(board.Zones())
board.Save(sys.argv[1])
"""
SHEET_DPI, COPPER_DPI = 130, 220
COPPER_CROP_MM = (20.0, 20.0, 175.0, 113.0)  # x, y, width, height on the page


def available() -> bool:
    """Whether KiCad 9 is installed."""
    if not shutil.which("kicad-cli"):
        return False
    said = subprocess.run(["kicad-cli", "version"], capture_output=True, text=True).stdout
    return said.startswith("9.")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    """A command with a KiCad configuration of its own, so that libraries are found and nothing is asked."""
    with tempfile.TemporaryDirectory() as config:
        home = Path(config) / "9.0"
        home.mkdir()
        for table in ("sym-lib-table", "fp-lib-table"):
            shutil.copyfile(TEMPLATES / table, home / table)
        env = os.environ | {"KICAD_CONFIG_HOME": config}
        return subprocess.run(command, env=env, capture_output=True, text=True)


def _findings(report: Path) -> list[str]:
    """Each finding of a report: its kind, and the first thing that it names."""
    text = report.read_text(encoding="utf-8") if report.exists() else ""
    found = re.findall(r"^\[(\w+)\]: (.*)\n(?:    .*\n)*?    @\(.*?\): (.*)", text, re.MULTILINE)
    return [f"{kind}: {what} ({where})" for kind, what, where in found]


def rules(sheet: Path) -> list[str]:
    """Findings of the electrical rule check, errors and warnings."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "erc.rpt"
        options = ["--severity-all", "--exit-code-violations", "-o", str(report)]
        done = _run("kicad-cli", "sch", "erc", *options, str(sheet))
        found = _findings(report)
    return found if done.returncode == 0 or found else [done.stdout + done.stderr]


def board_rules(file: Path) -> list[str]:
    """Findings of the board's rule check, with its schematic beside it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "drc.rpt"
        options = ["--schematic-parity", "--severity-all", "--exit-code-violations", "-o", str(report)]
        done = _run("kicad-cli", "pcb", "drc", *options, str(file))
        found = _findings(report)
    return found if done.returncode == 0 or found else [done.stdout + done.stderr]


def kicad_netlist(sheet: Path) -> Netlist:
    """The netlist that KiCad makes of a schematic; nets of open pins left out."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "netlist"
        _run("kicad-cli", "sch", "export", "netlist", "-o", str(target), str(sheet))
        exported = parse(target.read_text(encoding="utf-8"))
    nets: Netlist = {}
    for net in children(child(exported, "nets"), "net"):
        name = str(child(net, "name")[1])
        if not name.startswith("unconnected-"):
            nets[name] = {(str(child(n, "ref")[1]), str(child(n, "pin")[1])) for n in children(net, "node")}
    return nets


def make_board(target: Path) -> None:
    """Route the board and fill its ground. Raises RuntimeError when KiCad cannot."""
    sheet = parse((HERE / f"{design.BOARD}.kicad_sch").read_text(encoding="utf-8"))
    layout = board.Layout(list(design.parts(design.BOARD)), sheet)
    with tempfile.TemporaryDirectory() as folder:  # saving rewrites the project file beside the board, too
        file = Path(folder) / target.name
        file.write_text(dump(layout.file()) + "\n", encoding="utf-8")
        shutil.copyfile(HERE / f"{design.BOARD}.kicad_pro", file.with_suffix(".kicad_pro"))
        done = _run(PYTHON, "-c", FILL, str(file))
        if done.returncode:
            raise RuntimeError(f"KiCad could not fill the ground: {done.stderr}")
        shutil.copyfile(file, target)


def copper(file: Path) -> set[str]:
    """Tracks, vias and places of a board, without what KiCad's version decides."""
    kept: set[str] = set()
    for item in parse(file.read_text(encoding="utf-8")):
        if isinstance(item, list) and item[0] in ("segment", "via"):
            kept.add(dump([i for i in item if not (isinstance(i, list) and i[0] in ("uuid", "net"))]))
        if isinstance(item, list) and item[0] == "footprint":
            kept.add(f"{item[1]} {_reference(item)} {dump(child(item, 'at'))}")
    return kept


def _reference(footprint: list[Any]) -> str:
    return next((str(p[2]) for p in children(footprint, "property") if p[1] == "Reference"), "")


def draw(folder: Path) -> None:
    """Pictures of both schematics and of the board. Raises RuntimeError when one is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    pcb = str(HERE / f"{design.BOARD}.kicad_pcb")
    names = [f"schematic-{build}" for build in design.BUILDS]
    for name, build in zip(names, design.BUILDS, strict=True):
        pdf = str(folder / f"{name}.pdf")
        sheet = str(HERE / f"{build}.kicad_sch")
        _run("kicad-cli", "sch", "export", "pdf", "--exclude-drawing-sheet", "-o", pdf, sheet)
        _png(folder / name, "-r", str(SHEET_DPI))
    crop = [str(round(mm / 25.4 * COPPER_DPI)) for mm in COPPER_CROP_MM]
    for name, layers in (("copper-top", "F.Cu,F.SilkS,Edge.Cuts"), ("copper-bottom", "B.Cu,Edge.Cuts")):
        names.append(name)
        options = ["--mode-single", "-l", layers, "-o", str(folder / f"{name}.pdf")]
        _run("kicad-cli", "pcb", "export", "pdf", *options, pcb)
        _png(folder / name, "-r", str(COPPER_DPI), "-x", crop[0], "-y", crop[1], "-W", crop[2], "-H", crop[3])
    view = ["--side", "top", "-w", "1600", "-h", "1050", "--zoom", "1.35", "--background", "opaque"]
    _run("kicad-cli", "pcb", "render", *view, "-o", str(folder / "board.png"), pcb)
    missing = [name for name in [*names, "board"] if not (folder / f"{name}.png").exists()]
    if missing:
        raise RuntimeError(f"no picture was made of {', '.join(missing)}")


def _png(path: Path, *options: str) -> None:
    """A picture of a one-page PDF beside it, which it replaces."""
    pdf = path.with_suffix(".pdf")
    subprocess.run(["pdftoppm", "-png", "-singlefile", *options, str(pdf), str(path)], capture_output=True)
    pdf.unlink(missing_ok=True)


def wrong(folder: Path = HERE) -> list[str]:
    """All that KiCad finds in the files of a folder."""
    found = []
    for build in design.BUILDS:
        sheet = folder / f"{build}.kicad_sch"
        found += [f"{sheet.name}: {line}" for line in rules(sheet)]
        found += same_nets(f"KiCad's netlist of {build}", kicad_netlist(sheet), design.netlist(build))
    pcb = folder / f"{design.BOARD}.kicad_pcb"
    found += [f"{pcb.name}: {line}" for line in board_rules(pcb)]
    found += [f"{pcb.name}: {line}" for line in board.thin(parse(pcb.read_text(encoding="utf-8")))]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="make the board and the pictures again")
    arguments = parser.parse_args()
    if not available():
        print("KiCad 9 is not installed: python3 hardware/install.py")
        return 1
    committed = HERE / f"{design.BOARD}.kicad_pcb"
    if arguments.write:
        make_board(committed)
        draw(PICTURES)
        print("wrote hardware/kicad/board.kicad_pcb, hardware/pictures/")
    found = wrong()
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / committed.name
        make_board(fresh)
        if copper(fresh) != copper(committed):
            found.append("board.kicad_pcb is not up to date: python -m hardware.kicad.headless --write")
        draw(Path(folder))
    for line in found:
        print(line)
    if not found:
        print("schematics and board are clean, KiCad's netlists are the design's")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
