"""Schematics, interlock and harness: what is committed holds, and what is broken on purpose is caught."""

import copy
import re
from pathlib import Path

import pytest
import yaml

from hardware import checks, design, install
from hardware.harness.build import cut_list
from hardware.interlock import faults, rows, run
from hardware.interlock.circuit import Circuit, X, load, value_of
from hardware.kicad import build, reader, sexp

ROOT = Path(__file__).resolve().parents[2]

BOARD_SHEET = checks.schematic(design.BOARD)
SOURCE = checks.FIRMWARE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def harness():
    return yaml.safe_load(checks.HARNESS.read_text(encoding="utf-8"))


def circuit_of(text):
    return Circuit(*load(text))


def renamed(text, ref, pin, net):
    """The schematic with one pin's label changed to another net."""
    sheet = sexp.parse(text)
    library = {str(s[1]): s for s in sexp.children(sexp.child(sheet, "lib_symbols"), "symbol")}
    for symbol in sexp.children(sheet, "symbol"):
        if reader._value(symbol, "Reference") == ref:
            place = dict(reader._pins(library, symbol))[pin]
    for wire in sexp.children(sheet, "wire"):
        a, b = (reader._point(float(p[1]), float(p[2])) for p in sexp.children(sexp.child(wire, "pts"), "xy"))
        if place == a:
            end = b
    for label in sexp.children(sheet, "global_label"):
        at = sexp.child(label, "at")
        if reader._point(float(at[1]), float(at[2])) == end:
            label[1] = sexp.Text(net)
            return sexp.dump(sheet)
    raise AssertionError(f"no label at {ref}.{pin}")


# -- what is committed ------------------------------------------------------------------------------------


def test_committed_kicad_files_are_what_the_design_says():
    assert build.stale(build.schematic_files()) == []


def test_schematics_pin_map_and_harness_agree():
    assert checks.wrong() == []


def test_cut_list_is_the_harness_cut_list():
    assert (checks.HARNESS.parent / "cut-list.csv").read_text(encoding="utf-8") == cut_list()


def test_intact_interlock_is_off_in_every_row_that_forbids_the_motor():
    table, wrong = run.truth_table(circuit_of(BOARD_SHEET))
    assert wrong == []
    assert table == (ROOT / "hardware/interlock/truth-table.csv").read_text(encoding="utf-8")


def test_rows_are_all_combinations_and_one_of_them_lets_the_motor_run():
    judged = rows.judge_rows(circuit_of(BOARD_SHEET))
    assert len({row for row, _ in judged}) == 2 * 2 * 2 * 3 * 2 * 2 * 2
    running = [row for row, outcome in judged if outcome.does == "runs"]
    assert [(r.armed, r.run_req, r.mot_pwm, r.kicks, r.estop, r.thermostat) for r in running] == [
        (True, 1, 1, "running", True, True)
    ]


def test_every_listed_fault_exists_and_every_unsafe_one_says_what_remains():
    listed = (ROOT / "hardware/interlock/faults.csv").read_text(encoding="utf-8").splitlines()[1:]
    names = [fault.name for fault in faults.faults(*load(BOARD_SHEET))]
    assert len(listed) == len(names)
    for line in listed:
        if ",unsafe," in line:
            assert run.group_of(line.split(",unsafe,")[0].strip('"')) is not None


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("trip loop: its wires shorted, or contacts welded", "unsafe"),
        ("RUN_REQ shorted to +3V3", "unsafe"),
        ("J4.1 open", "motor stays off"),
        ("R50 (2k2) open", "hidden"),
        ("U3.6 (1Y) open", "motor stays off"),
        ("DRV_NSLEEP shorted to +3V3", "hidden"),
        ("firmware drives GP10 high", "hidden"),
        ("firmware drives GP4 high", "hidden"),
    ],
)
def test_single_fault_has_the_verdict_that_is_listed(name, verdict):
    netlist, fits = load(BOARD_SHEET)
    fault = next(f for f in faults.faults(netlist, fits) if f.name == name)
    result = faults.judge(netlist, fits, fault, Circuit(netlist, fits))
    assert result.verdict == verdict
    listed = (ROOT / "hardware/interlock/faults.csv").read_text(encoding="utf-8")
    assert re.search(rf'^"?{re.escape(name)}"?,{verdict},', listed, re.MULTILINE)


# -- the reader -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", design.BUILDS)
def test_netlist_read_from_the_sheet_is_the_design_s(which):
    assert reader.netlist(sexp.parse(checks.schematic(which))) == design.netlist(which)


def test_s_expression_survives_reading_and_writing():
    tree = sexp.parse(BOARD_SHEET)
    assert sexp.parse(sexp.dump(tree)) == tree


@pytest.mark.parametrize("text", ["(a (b)", "(a))", "", "(a) (b)"])
def test_text_that_is_no_s_expression_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011
        sexp.parse(text)


@pytest.mark.parametrize(
    ("text", "value"), [("2k2", 2200), ("470n film", 470e-9), ("100", 100), ("470k", 470e3)]
)
def test_values_are_read_with_their_units(text, value):
    assert value_of(text) == pytest.approx(value)


def test_floating_net_is_neither_high_nor_low():
    netlist, fits = load(BOARD_SHEET)
    circuit = Circuit(netlist, fits, opens=[("U3", "1")])
    machine, _ = rows.begun(circuit, True)
    assert machine.level(rows.Inputs(run_req=1), "U3", "1A") == X


# -- broken on purpose ------------------------------------------------------------------------------------


def broken_sheet_complaints(text, which=design.BOARD):
    netlist, fits = load(text)
    found = checks.same_nets(which, netlist, design.netlist(which))
    found += checks.pins_match(which, netlist, fits, SOURCE)
    return found + checks.pulled_down(which, netlist, fits)


def test_open_pin_is_caught():
    text = renamed(BOARD_SHEET, "U3", "2", "NOWHERE")
    assert "board: U3.2 is on NOWHERE, the design says ARMED_A" in broken_sheet_complaints(text)


def test_swapped_pins_at_the_pico_are_caught_by_the_firmware_s_map():
    text = renamed(renamed(BOARD_SHEET, "A1", "4", "RUN_REQ"), "A1", "5", "WD_KICK")
    complaints = broken_sheet_complaints(text)
    assert "board: GP2 is on RUN_REQ, the firmware uses it as WD_KICK" in complaints
    assert "board: GP3 is on WD_KICK, the firmware uses it as RUN_REQ" in complaints


def test_swapped_thermistors_are_caught_by_the_firmware_s_multiplexer():
    text = renamed(renamed(BOARD_SHEET, "U6", "13", "NTC_PAD"), "U6", "1", "NTC_MOTOR")
    assert any("Y0 is on NTC_PAD, the firmware reads NTC_MOTOR" in c for c in broken_sheet_complaints(text))


def test_firmware_that_moves_a_pin_is_caught():
    netlist, fits = load(BOARD_SHEET)
    moved = SOURCE.replace('"RUN_REQ": 3,', '"RUN_REQ": 21,')
    assert checks.pins_match(design.BOARD, netlist, fits, moved)


def test_missing_pull_down_is_caught():
    text = renamed(BOARD_SHEET, "R2", "1", "NOWHERE")
    assert "board: DRV_EN has no pull-down" in broken_sheet_complaints(text)


def test_shorted_outputs_are_refused():
    sheet = sexp.parse(BOARD_SHEET)
    ends = {}
    for label in sexp.children(sheet, "global_label"):
        at = sexp.child(label, "at")
        ends[label[1]] = [float(at[1]), float(at[2])]
    a, b = ends["DRV_NSLEEP"], ends["CLR_A"]
    corner = [a[0], b[1]]
    for one, two in ((a, corner), (corner, b)):
        sheet.append(["wire", ["pts", ["xy", *one], ["xy", *two]]])
    with pytest.raises(ValueError, match="are connected"):
        load(sexp.dump(sheet))


def test_reversed_trip_loop_is_caught_by_the_truth_table():
    """Loop to ground and pull-up instead of loop to 3.3 V and pull-down: an open loop reads as closed."""
    netlist, fits = load(BOARD_SHEET)
    reversed_loop = copy.deepcopy(netlist)
    for ref in ("R23", "R50"):
        reversed_loop["GND"].discard((ref, "2"))
        reversed_loop["+3V3"].add((ref, "2"))
    reversed_loop["+3V3"].discard(("R22", "1"))
    reversed_loop["GND"].add(("R22", "1"))
    _, wrong = run.truth_table(Circuit(reversed_loop, fits))
    assert any(line.startswith("re-armed with the loop open") for line in wrong)


def test_one_shot_that_is_too_long_is_caught_by_the_truth_table():
    netlist, fits = load(BOARD_SHEET)
    slow = {ref: (kind, "4M7" if ref in ("R20", "R21") else value) for ref, (kind, value) in fits.items()}
    _, wrong = run.truth_table(Circuit(netlist, slow))
    assert any("kicks stopped" in line for line in wrong)


def test_latch_that_ignores_the_loop_is_caught_by_the_truth_table():
    netlist, fits = load(BOARD_SHEET)
    deaf = copy.deepcopy(netlist)
    for channel, ref in (("A", "U3"), ("B", "U4")):
        for pin in ("9", "10"):
            deaf[f"TRIP_{channel}"].discard((ref, pin))
            deaf["+3V3"].add((ref, pin))
    _, wrong = run.truth_table(Circuit(deaf, fits))
    assert any(line.startswith("loop opens and closes again") for line in wrong)


def test_swapped_wires_of_the_harness_are_caught(harness):
    netlist, fits = load(BOARD_SHEET)
    swapped = copy.deepcopy(harness)
    row = next(row for row in swapped["connections"] if "J8" in row[0])
    row[2]["TACH"] = [3, 2, 1]
    complaints = checks.harness_matches(design.BOARD, netlist, fits, swapped)
    assert "harness: +3V3 (J8.1) arrives at TACH.3, which needs GND" in complaints


def test_connector_that_disagrees_with_the_board_is_caught(harness):
    netlist, fits = load(BOARD_SHEET)
    wrong = copy.deepcopy(harness)
    wrong["connectors"]["J2"]["pinlabels"].reverse()
    assert any("J2.1 is called VM" in c for c in checks.harness_matches(design.BOARD, netlist, fits, wrong))
    del wrong["connectors"]["J4"]
    assert "harness: no J4, which the board has" in checks.harness_matches(design.BOARD, netlist, fits, wrong)


def test_wire_that_is_missing_or_used_twice_is_caught(harness):
    netlist, fits = load(BOARD_SHEET)
    cut = copy.deepcopy(harness)
    cut["connections"] = [row for row in cut["connections"] if "J4" not in row[0]]
    assert any("no wire at J4.1" in c for c in checks.harness_matches(design.BOARD, netlist, fits, cut))
    with pytest.raises(ValueError, match=r"wire W4\.1 is not connected"):
        checks.wires(cut)
    twice = copy.deepcopy(harness)
    twice["connections"].append(twice["connections"][0])
    with pytest.raises(ValueError, match="connected twice"):
        checks.wires(twice)


def test_part_without_a_place_on_the_sheet_is_refused():
    from hardware.kicad.schematic import Sheet

    extra = design._r("R99", "1k", "RUN_REQ", design.GND, "new")
    with pytest.raises(ValueError, match="no place on the sheet for R99"):
        Sheet(design.BOARD, [*design.parts(design.BOARD), extra])


# -- installation -----------------------------------------------------------------------------------------


def test_backports_entry_comes_from_the_machine_s_own_sources():
    deb822 = "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n"
    deb822 += "Components: main\nSigned-By: /usr/share/keyrings/some.gpg\n"
    wanted = {
        "Types: deb",
        "URIs: http://mirror.example/debian",
        "Suites: bookworm-backports",
        "Components: main",
        "Signed-By: /usr/share/keyrings/some.gpg",
    }
    assert set(install.backports_entry(["# nothing\n", deb822], "bookworm").splitlines()) == wanted
    one_line = "deb [signed-by=/usr/share/keyrings/some.gpg] http://mirror.example/debian bookworm main\n"
    assert set(install.backports_entry([one_line], "bookworm").splitlines()) == wanted


def test_no_entry_is_made_up_for_a_distribution_that_the_sources_do_not_name():
    assert install.backports_entry(["deb http://mirror.example/debian bookworm main\n"], "trixie") is None
