"""Writes the KiCad files of both builds: `python -m hardware.kicad.build`; `--check` compares instead.

The schematics need no KiCad. The files are committed, so that they open in KiCad straight from a clone.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from hardware import design
from hardware.kicad import carrier, symbols
from hardware.kicad.schematic import Sheet
from hardware.kicad.sexp import dump

HERE = Path(__file__).resolve().parent
SYMBOL_TABLE = """(sym_lib_table
  (version 7)
  (lib (name "openknead")(type "KiCad")(uri "${KIPRJMOD}/openknead.kicad_sym")(options "")(descr ""))
)
"""
FOOTPRINT_TABLE = SYMBOL_TABLE.replace("sym_lib", "fp_lib").replace(".kicad_sym", ".pretty")


def project(build: str) -> dict[str, object]:
    """KiCad's project file: rules where they differ from KiCad's own."""
    rules = {"min_resolved_spokes": 1}  # ground pads have a track besides
    meta = {"filename": f"{build}.kicad_pro", "version": 3}
    return {"board": {"design_settings": {"rules": rules}}, "meta": meta}


def schematic_files() -> dict[str, str]:
    """File name -> text of all that needs no KiCad."""
    files = {"sym-lib-table": SYMBOL_TABLE, "fp-lib-table": FOOTPRINT_TABLE}
    files["openknead.kicad_sym"] = dump(symbols.library()) + "\n"
    files[f"openknead.pretty/{carrier.NAME}.kicad_mod"] = dump(carrier.footprint()) + "\n"
    for build in design.BUILDS:
        files[f"{build}.kicad_pro"] = json.dumps(project(build), indent=2) + "\n"
        files[f"{build}.kicad_sch"] = dump(Sheet(build, list(design.parts(build))).file()) + "\n"
    return files


def stale(files: dict[str, str]) -> list[str]:
    """Names of the files that are not what the generator writes."""
    return [
        name
        for name, text in files.items()
        if not (HERE / name).exists() or (HERE / name).read_text(encoding="utf-8") != text
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing, fail when a file is not up to date"
    )
    arguments = parser.parse_args()
    files = schematic_files()
    changed = stale(files)
    if arguments.check:
        for name in changed:
            print(f"hardware/kicad/{name} is not up to date: python -m hardware.kicad.build")
        return 1 if changed else 0
    for name in changed:
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(files[name], encoding="utf-8")
        print(f"wrote hardware/kicad/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
