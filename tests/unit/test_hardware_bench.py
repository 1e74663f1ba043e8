"""Readings to expect on the bench: right for networks solved by hand, and the pages say what the data say."""

from __future__ import annotations

import math
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.bench import readings
from hardware.bench.network import Network, ohm
from hardware.bench.pages import BLOCK, PAGES, SOLDERING, nets_of, render, step_of, tables
from hardware.bom.build import DESIGN, schematic
from hardware.bom.parts import ratings
from hardware.params.load import load

ROOT = Path(__file__).resolve().parents[2]

needs_design = pytest.mark.skipif(not DESIGN.exists(), reason=f"no {DESIGN.name}: the schematic's parts")


@dataclass(frozen=True)
class Drawn:
    """A part of a small schematic."""

    ref: str
    value: str
    nets: dict[str, str]
    kind: str = "resistor"
    builds: tuple[str, ...] = readings.BUILDS
    mpn: str = field(default="x")


def r(ref: str, value: str, one: str, two: str) -> Drawn:
    return Drawn(ref, value, {"1": one, "2": two})


@pytest.fixture(scope="module")
def parts() -> list[Any]:
    return schematic()


@pytest.mark.parametrize(("text", "value"), [("470", 470), ("4k7", 4700), ("10k", 1e4), ("2M2", 2.2e6)])
def test_printed_values(text: str, value: float) -> None:
    assert ohm(text) == pytest.approx(value)


def test_a_value_that_is_no_resistance_is_named() -> None:
    with pytest.raises(ValueError, match="470n film"):
        ohm("470n film")


@given(st.floats(1, 1e6), st.floats(1, 1e6), st.floats(0.1, 30))
def test_a_divider_divides(upper: float, lower: float, volts: float) -> None:
    added = [("IN", "MID", upper), ("MID", "GND", lower)]
    network = Network([r("R1", "10k", "IN", "MID"), r("R2", "10k", "MID", "GND")], "board", added=added)
    up, low = 1 / (1 / upper + 1e-4), 1 / (1 / lower + 1e-4)
    assert network.voltage("MID", {"IN": volts, "GND": 0.0}) == pytest.approx(
        volts * low / (up + low), rel=1e-9
    )
    assert network.resistance("IN", "GND") == pytest.approx(up + low, rel=1e-9)


def test_a_bridge_is_no_sum_of_series_and_parallel() -> None:
    bridge = [r("R1", "1k", "A", "B"), r("R2", "2k2", "A", "C"), r("R3", "470", "B", "C")]
    bridge += [r("R4", "2k2", "B", "D"), r("R5", "1k", "C", "D")]
    assert Network(bridge, "board").resistance("A", "D") == pytest.approx(
        1426.09, abs=0.01
    )  # by hand: its ends mirror each other


def test_open_shorted_and_closed_contacts() -> None:
    drawn = [
        r("R1", "1k", "A", "B"),
        r("R2", "1k", "C", "GND"),
        Drawn("F1", "3 A", {"1": "A", "2": "X"}, "fuse"),
    ]
    network = Network(drawn, "board")
    assert math.isinf(network.resistance("B", "GND")) and network.resistance("A", "X") == 0
    assert math.isnan(network.voltage("B", {"GND": 0.0}))
    assert Network(drawn, "board", closed=[("B", "C")]).resistance("X", "GND") == pytest.approx(2000)
    with pytest.raises(KeyError):
        network.resistance("A", "NOWHERE")


def test_a_thermistor_reads_half_the_rail_at_25_degrees() -> None:
    rows = {celsius: (ohms, volts) for celsius, ohms, volts in readings.thermistors(load())}
    ohms, volts = rows[25.0]
    assert ohms.typical == pytest.approx(10_000) and volts.typical == pytest.approx(1.65)
    assert volts.low < 1.65 < volts.high
    assert rows[40.0][0].high < rows[15.0][0].low


def test_readings_follow_the_parameters() -> None:
    p = load()
    worse = p.changed({"motor.no_load_a": 0.4})
    assert readings.free_running(worse)[0][2].typical > readings.free_running(p)[0][2].typical
    for _, _, motor, supply in readings.free_running(p):
        assert motor.low < motor.typical < motor.high and supply.high < motor.high
    assert readings.winding(p).low < p["motor.r_ohm"] < readings.winding(p).high


def test_current_limits_leave_room_and_protect_the_fuse() -> None:
    for limit_a, expected_a in readings.current_limits(load()).values():
        assert 1.5 * expected_a <= limit_a <= ratings()["fuse_a"]


def test_every_table_of_the_pages_is_filled() -> None:
    for path in PAGES:
        blocks = list(BLOCK.finditer(path.read_text(encoding="utf-8")))
        assert blocks and all(len(block[0].splitlines()) > 2 for block in blocks)
        assert path.read_text(encoding="utf-8").count("<!-- bench:") == len(blocks)


def test_figures_in_the_text_are_those_of_the_data() -> None:
    p, bench = load(), (ROOT / "hardware" / "BRINGUP.md").read_text(encoding="utf-8")
    build = (ROOT / "hardware" / "BUILD.md").read_text(encoding="utf-8")
    settings = (ROOT / "docs" / "settings.md").read_text(
        encoding="utf-8"
    )  # written from the firmware's table
    timeout = re.search(r"`host_timeout_s` \| int \| s \| \d+…\d+ \| (\d+)", settings)
    most = re.search(r"`session_limit_s` \| int \| s \| \d+…(\d+)", settings)
    assert timeout and most
    assert f"session ends {timeout[1]} s later" in bench
    assert f"session_limit_s={most[1]}`" in bench
    assert f"session_limit_s={int(most[1]) + 1}` is refused" in bench
    assert f"`all passed`: 100…110 ms, {p['protection.cap_s']:g} s" in bench
    script = (ROOT / "hardware" / "bench" / "interlock_proof.py").read_text(encoding="utf-8")
    assert f"CAP_MS = {p['protection.cap_s'] * 1000:_.0f}" in script
    tolerance = p["protection.thermostat_tol_k"]
    assert f"{ratings()['thermostat_c']:g} ± {tolerance:g} °C" in bench
    assert f"opens at {ratings()['cutoff_c']:g} °C" in " ".join(build.split())
    assert f"battery_cells=0 motor_r_mohm={p['motor.r_ohm'] * 1000:g}" in bench
    assert f"below {p['stage.tvs_standoff_v']:g} V but for the spike" in bench
    assert f"Bench supply to {readings.SUPPLY_V:.1f} V" in bench
    firmware = (ROOT / "firmware" / "massager" / "board.py").read_text(encoding="utf-8")
    for name in ("RUN_REQ", "STOP", "V_BAT"):
        (pin,) = re.findall(rf'"{name}": (\d+)', firmware)
        place = dict(
            zip(("RUN_REQ", "STOP", "V_BAT"), re.findall(r"= (\d+), (\d+), (\d+)", script)[0], strict=True)
        )
        assert place[name] == pin
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][
        "mechanics"
    ]


def test_pages_say_that_nothing_was_built_and_name_the_proofs() -> None:
    for path in PAGES:
        assert re.search(r"\*\*This has not been (built|done) yet", path.read_text(encoding="utf-8"))
    bench = PAGES[1].read_text(encoding="utf-8")
    proofs = bench[bench.index("## Proofs") :]
    for name in ("STOP", "e-stop", "trip loop", "dead-man", "15 minutes", "initials", "signed"):
        assert name in proofs


def test_pictures_and_pages_that_are_linked_are_there() -> None:
    for path in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
            if DESIGN.exists() or target.startswith(
                ("mechanics", "bench", "params", "bom", "BUILD", "BRINGUP")
            ):
                assert (path.parent / target).exists(), target


@needs_design
def test_the_pages_are_up_to_date(parts: list[Any]) -> None:
    made = tables(parts, load())
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert render(text, made) == text, "run python -m hardware.bench.pages"


@needs_design
def test_a_changed_resistor_makes_the_pages_stale(parts: list[Any]) -> None:
    changed = [
        Drawn(p.ref, "22k" if p.ref == "R6" else p.value, p.nets, p.kind, p.builds, p.mpn) for p in parts
    ]
    text = PAGES[1].read_text(encoding="utf-8")
    assert render(text, tables(changed, load())) != text


@needs_design
def test_every_net_of_the_breadboard_is_wired_in_one_step(parts: list[Any]) -> None:
    nets = nets_of(parts, "breadboard")
    assert {net: step_of(net) for net in nets if len(step_of(net)) != 1} == {}
    assert len(nets) > 40


@needs_design
def test_every_part_of_the_board_is_soldered_once(parts: list[Any]) -> None:
    kinds = [kind for *_, row in SOLDERING for kind in row]
    assert sorted(kinds) == sorted({part.kind for part in parts if "board" in part.builds})


@needs_design
def test_what_can_move_the_motor_reads_low_before_anything_is_plugged_in(parts: list[Any]) -> None:
    for build in readings.BUILDS:
        found = {reading.where: reading.high for reading in readings.ohms(parts, build)}
        for net in ("RUN_REQ", "DRV_NSLEEP", "DRV_EN", "MOT_PWM"):
            assert found[f"{net} – GND"] < 11e3


@needs_design
def test_an_open_trip_loop_reads_low_and_a_closed_one_high(parts: list[Any]) -> None:
    found = {(v.where, v.note): v for v in readings.volts(parts, "board", load())}
    assert found["TRIP_OK", "loop closed"].low > 0.7 * 3.366
    assert found["TRIP_OK", "loop open"].high < 0.3 * 3.234
    assert "TRIP_OK" not in {v.where for v in readings.volts(parts, "breadboard", load())}
    shot = readings.one_shot(parts)
    assert shot.low < 110 < shot.high


@needs_design
def test_the_command_checks_without_writing() -> None:
    run = [sys.executable, "-m", "hardware.bench.pages", "--check"]
    assert subprocess.run(run, cwd=ROOT, capture_output=True).returncode == 0


def test_the_command_names_a_missing_design(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "hardware.bench.pages", "--check", "--design", str(tmp_path / "none.py")]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "none.py" in done.stderr
