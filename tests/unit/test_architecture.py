"""Who may import whom, and what may stand in one place only. Sources are parsed, not run."""

from __future__ import annotations

import ast
import dataclasses
import functools
import re
import sys
from pathlib import Path

import pytest
from openknead.model import Sample
from openknead.recording.columns import COLUMNS

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE, HOST, SIM = ROOT / "firmware", ROOT / "host", ROOT / "sim"
PACKAGES = (ROOT / "hardware", ROOT / "docs")
HARDWARE_MODULES = {"machine", "rp2", "time", "sys", "os", "select", "gc"}
BESIDES_BOARD = {
    "main": {"gc"},  # imports are the heap's tightest moment, when the board is not yet there
    "boot": {"machine"},  # the guard stands alone: it works when the package is damaged
    "massager.interlock": {"machine", "rp2"},  # programs of the PIO, which no other module knows
}
DOORS = {("openknead.cli.root", "openknead_sim.cli"), ("openknead.virtual", "openknead_sim")}


@functools.cache
def modules(folder: Path) -> dict[str, ast.Module]:
    """Full name → syntax tree of every module below a folder, which may be a package."""
    found = {}
    root = folder.parent if folder in PACKAGES else folder
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def imports(name: str, tree: ast.AST, known: set[str]) -> set[str]:
    """Names of the modules that a module imports, inside functions and for type checkers too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") if is_package(name, known) else name.split(".")[:-1]
                package = package[: len(package) - node.level + 1]
                base = ".".join([*package, base] if base else package)
            submodules = {f"{base}.{alias.name}" for alias in node.names} & known
            found |= submodules
            if len(submodules) < len(node.names):
                found.add(base)
    return found


def is_package(name: str, known: set[str]) -> bool:
    return any(other.startswith(name + ".") for other in known)


def graph(folder: Path) -> dict[str, set[str]]:
    found = modules(folder)
    return {name: imports(name, tree, set(found)) for name, tree in found.items()}


def cycle(edges: dict[str, set[str]]) -> list[str]:
    """One cycle as a list of modules; empty when there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(edges[name] & set(edges)):
            found = visit(other, [*path, name])
            if found:
                return found
        done.add(name)
        return []

    for name in edges:
        found = visit(name, [])
        if found:
            return found
    return []


def constant(path: Path, name: str) -> object:
    """A literal at the top of a module."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


@pytest.fixture(scope="module")
def pins() -> dict[str, int]:
    found = constant(FIRMWARE / "massager" / "board.py", "PINS")
    assert isinstance(found, dict)
    return found


# -- firmware ---------------------------------------------------------------------------------------


def test_only_the_board_touches_the_hardware() -> None:
    edges = graph(FIRMWARE)
    assert edges["massager.board"] >= {"machine", "rp2", "time", "sys", "select", "os", "gc"}
    for name, imported in edges.items():
        if name != "massager.board":
            assert imported & HARDWARE_MODULES == BESIDES_BOARD.get(name, set()), name


def test_firmware_imports_nothing_of_the_desktop() -> None:
    allowed = {"micropython", "array", "json", "math", "binascii", "hashlib", "io", "boot"} | HARDWARE_MODULES
    for name, imported in graph(FIRMWARE).items():
        foreign = {other for other in imported if other.split(".")[0] != "massager"}
        assert foreign <= allowed, name


def test_nothing_but_main_imports_the_app_and_the_board() -> None:
    for name, imported in graph(FIRMWARE).items():
        above = imported & {"massager.app", "massager.board"}
        assert above == ({"massager.app", "massager.board"} if name == "main" else set()), name


def test_the_buttons_are_read_in_one_piece(pins: dict[str, int]) -> None:
    in_order = constant(FIRMWARE / "massager" / "board.py", "BUTTONS")
    assert isinstance(in_order, tuple)
    assert [pins[name] - pins[in_order[0]] for name in in_order] == list(range(len(in_order)))
    text = (FIRMWARE / "massager" / "buttons.py").read_text(encoding="utf-8")
    bits = dict(re.findall(r"^(\w+) = const\((\d+)\)$", text, re.MULTILINE))
    assert [int(bits[name]) for name in in_order] == [1 << n for n in range(len(in_order))]


def test_the_boot_guard_needs_nothing_of_the_package() -> None:
    assert graph(FIRMWARE)["boot"] == {"machine"}


def test_the_boot_guard_drives_the_boards_actuator_pins(pins: dict[str, int]) -> None:
    by_name = constant(FIRMWARE / "massager" / "board.py", "SAFE_LOW")
    assert isinstance(by_name, tuple)
    assert constant(FIRMWARE / "boot.py", "SAFE_LOW") == tuple(pins[name] for name in by_name)
    assert {"RUN_REQ", "MOT_PWM", "MOT_PH"} <= set(by_name)


def test_pin_numbers_stand_in_the_pin_map_only() -> None:
    """Every Pin(...) of the firmware names its pin; the boot guard's come from its own tuple."""
    calls = 0
    for name, tree in modules(FIRMWARE).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("Pin", "PWM", "ADC"):
                calls += 1
                constants = [c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant)]
                assert not any(isinstance(value, int) for value in constants), f"{name}: {ast.unparse(node)}"
    assert calls > 10


# -- host and simulator -----------------------------------------------------------------------------


def test_the_host_knows_neither_firmware_nor_simulator() -> None:
    for name, imported in graph(HOST).items():
        assert not {other.split(".")[0] for other in imported} & {"massager", "openknead_sim", "boot"}, name


def test_the_host_has_two_doors_to_the_simulator() -> None:
    """`knead sim`, loaded when it is run, and the process that `virtual_board` starts."""
    doors = set()
    for name, tree in modules(HOST).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                target = node.value.partition(":")[0]
                if target.split(".")[0] == "openknead_sim" and target.replace(".", "").isidentifier():
                    doors.add((name, target))
    assert doors == DOORS


def test_the_simulator_runs_the_firmware_but_never_imports_it() -> None:
    for name, imported in graph(SIM).items():
        assert not {other.split(".")[0] for other in imported} & {"massager", "boot", "main"}, name


def test_the_simulator_uses_only_the_hosts_run_folder_and_what_boards_are_flashed_with() -> None:
    used = {other for edges in graph(SIM).values() for other in edges if other.split(".")[0] == "openknead"}
    flashed = {f"openknead.flash{module}" for module in ("", ".build", ".errors", ".images")}
    assert used <= {"openknead.rundir", "openknead.handshake"} | flashed


def test_the_simulated_pins_are_the_boards(pins: dict[str, int]) -> None:
    """The simulated wires keep their own numbers, so that a slip in either is seen."""
    wires = {}
    for node in modules(SIM)["openknead_sim.rig"].body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names = [ast.unparse(name) for name in node.targets[0].elts]
            wires.update(zip(names, ast.literal_eval(node.value), strict=True))
    first_adc = 26
    for name, number in wires.items():
        assert pins[name] == (number + first_adc if name in ("I_SENSE", "T_MUX", "V_BAT") else number), name
    assert len(wires) >= 18


@pytest.mark.parametrize("folder", [FIRMWARE, HOST, SIM, *PACKAGES], ids=lambda path: path.name)
def test_there_are_no_import_cycles(folder: Path) -> None:
    assert cycle(graph(folder)) == []


def test_a_cycle_would_be_found() -> None:
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["b", "c", "b"]


def test_names_of_the_tree_are_seen() -> None:
    assert "massager.app" in graph(FIRMWARE)
    assert "openknead.cli.root" in graph(HOST)
    assert "openknead_sim.plant.motor" in graph(SIM)
    assert "hardware.design" in graph(ROOT / "hardware") and "docs.reference" in graph(ROOT / "docs")
    assert not HARDWARE_MODULES - set(sys.stdlib_module_names) - {"machine", "rp2"}


def test_no_two_test_files_share_a_name() -> None:
    """pytest imports them as top-level modules and takes one folder's file for the other's."""
    scripts = {"conftest.py", "run.py"}  # the latter are started by make and never imported
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name not in scripts]
    assert sorted(names) == sorted(set(names))


def test_every_telemetry_field_reaches_python_and_recordings() -> None:
    rows = constant(FIRMWARE / "massager" / "telemetry.py", "FIELDS")
    assert isinstance(rows, tuple)
    names = {row[0] for row in rows}
    assert {field.name for field in dataclasses.fields(Sample)} == names
    assert names < set(COLUMNS)
