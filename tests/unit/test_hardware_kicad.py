"""KiCad's own checks catch what is broken on purpose: `make hardware`; skipped where KiCad 9 is missing."""

import shutil
from pathlib import Path

import pytest

from hardware.kicad import board, headless, sexp
from hardware.kicad.build import HERE

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.kicad,
    pytest.mark.skipif(not headless.available(), reason="KiCad 9 is missing: python3 hardware/install.py"),
]


@pytest.fixture
def project(tmp_path):
    """A copy of the KiCad project, to break."""
    shutil.copytree(HERE, tmp_path / "kicad", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    return tmp_path / "kicad"


def edit(file, change):
    tree = sexp.parse(file.read_text(encoding="utf-8"))
    change(tree)
    file.write_text(sexp.dump(tree) + "\n", encoding="utf-8")


def without_wires_at(*at):
    def change(sheet):
        for wire in list(sexp.children(sheet, "wire")):
            start = next(sexp.children(sexp.child(wire, "pts"), "xy"))
            if [round(float(v), 2) for v in start[1:3]] == list(at):
                sheet.remove(wire)

    return change


def pin_place(sheet, ref, pin):
    from hardware.kicad import reader

    library = {str(s[1]): s for s in sexp.children(sexp.child(sheet, "lib_symbols"), "symbol")}
    symbol = next(s for s in sexp.children(sheet, "symbol") if reader._value(s, "Reference") == ref)
    return [v / 100 for v in dict(reader._pins(library, symbol))[pin]]


def test_open_pin_is_caught_by_the_electrical_rules(project):
    file = project / "board.kicad_sch"
    place = pin_place(sexp.parse(file.read_text(encoding="utf-8")), "U3", "2")
    edit(file, without_wires_at(*place))
    assert any(line.startswith("pin_not_connected") for line in headless.rules(file))


def test_shorted_outputs_are_caught_by_the_electrical_rules(project):
    file = project / "board.kicad_sch"

    def change(sheet):
        (ax, ay), (bx, by) = pin_place(sheet, "U3", "6"), pin_place(sheet, "U3", "8")
        for one, two in (((ax, ay), (ax, by)), ((ax, by), (bx, by))):
            stroke = ["stroke", ["width", "0"], ["type", "default"]]
            points = ["pts", ["xy", *map(float, one)], ["xy", *map(float, two)]]
            sheet.append(["wire", points, stroke, sexp.uid("short", one)])

    edit(file, change)
    assert any("pin_to_pin" in line or "multiple_net_names" in line for line in headless.rules(file))


def test_missing_track_is_caught_by_the_board_s_rules(project):
    file = project / "board.kicad_pcb"

    def change(tree):
        net = next(n[1] for n in sexp.children(tree, "net") if n[2] == "ARMED_A")
        for track in list(sexp.children(tree, "segment")):
            if sexp.child(track, "net")[1] == net:
                tree.remove(track)

    edit(file, change)
    assert any(line.startswith("unconnected_items") for line in headless.board_rules(file))


def test_short_is_caught_by_the_board_s_rules(project):
    file = project / "board.kicad_pcb"

    def change(tree):
        track = next(s for s in sexp.children(tree, "segment") if float(sexp.child(s, "width")[1]) == 3)
        x, y = (float(v) for v in sexp.child(track, "start")[1:3])
        ends = [["start", x, y], ["end", x + 12.0, y]]
        net = sexp.child(track, "net")
        tree.append(["segment", *ends, ["width", 0.5], ["layer", sexp.Text("F.Cu")], net, sexp.uid("short")])

    edit(file, change)
    found = headless.board_rules(file)
    assert any(line.startswith(("shorting_items", "clearance", "tracks_crossing")) for line in found)


def test_swapped_pin_is_caught_by_the_comparison_of_board_and_schematic(project):
    file = project / "board.kicad_sch"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('(global_label "DRV_EN"', '(global_label "SWAP"', 1), encoding="utf-8")
    assert any(
        "net_conflict" in line or "SWAP" in line for line in headless.board_rules(project / "board.kicad_pcb")
    )


def test_track_that_is_too_narrow_for_the_current_is_caught():
    tree = sexp.parse((HERE / "board.kicad_pcb").read_text(encoding="utf-8"))
    assert board.thin(tree) == []
    for track in sexp.children(tree, "segment"):
        width = sexp.child(track, "width")
        if sexp.child(track, "layer")[1] == "F.Cu" and float(width[1]) == 2:
            width[1] = 1.0
    assert any("U8.11 to J3.1 (MOT_A)" in line for line in board.thin(tree))
