"""`knead calibrate` on massagers whose constants are known: they come out, and nothing changes unasked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from device_hands import agreed, press
from openknead import Device, connect
from openknead.calibrate import Constants, Step, fit, measure
from openknead.cli.demo import virtual_board
from openknead.errors import CalibrationRefused
from openknead_sim.control import ask
from openknead_sim.paramfile import read
from openknead_sim.plant import PARAMS, Params
from openknead_sim.runfile import running

TIMEOUT_S = 20.0
WITHIN = 0.03
NAMES = {
    "motor_r_mohm": ("r_ohm", 1e3),
    "motor_ke_uvs": ("k_vs", 1e6),
    "motor_no_load_ma": ("no_load_a", 1e3),
}


@contextmanager
def massager(folder: Path, *options: str, **motor: float) -> Iterator[Device]:
    """A virtual board with this motor, its pad in the air."""
    path = folder / "motor.toml"
    units = {name: unit for name, _value, unit, _source in PARAMS}
    rows = (
        f'{name} = {{ value = {value}, unit = "{units[name]}", source = "assumption: a test" }}\n'
        for name, value in motor.items()
    )
    path.write_text("[motor]\n" + "".join(rows))
    with (
        virtual_board("--hand", "air", "--params", str(path), *options) as port,
        connect(port, timeout=TIMEOUT_S) as device,
    ):
        yield device


def calibrated(device: Device, pressure: float) -> Constants:
    """The constants measured with a hand that presses so hard when told to."""
    (board,) = running(device.port)
    phases: list[str] = []

    def tell(step: Step) -> None:
        assert 0.0 <= step.part <= 1.0
        if step.phase not in phases:
            phases.append(step.phase)
            if step.phase == "press":
                ask(board, "hand", pressure=pressure)

    windows = measure(device, tell)
    assert phases == ["free", "press", "pressed", "done"]
    assert device.status().state == "IDLE"
    assert device.status().duty == 0
    return fit(windows)


def errors(found: Constants, r_ohm: float, k_vs: float, no_load_a: float) -> list[float]:
    return [
        abs(found.resistance.value / r_ohm - 1),
        abs(found.back_emf.value / k_vs - 1),
        abs(found.no_load.value / no_load_a - 1),
    ]


@pytest.mark.parametrize(
    ("r_ohm", "k_vs", "no_load_a", "ambient_c", "pressure"),
    [
        (2.18, 0.011, 0.20, 25, 0.7),
        (2.60, 0.012, 0.12, 25, 0.6),
        (1.90, 0.0100, 0.28, 35, 0.5),
        (2.70, 0.0120, 0.25, 15, 0.9),
    ],
)
def test_the_motors_own_constants_come_out(
    tmp_path: Path, r_ohm: float, k_vs: float, no_load_a: float, ambient_c: float, pressure: float
) -> None:
    """Within 3 %, whatever the room's temperature: the resistance is that at 25 °C."""
    motor = {"r_ohm": r_ohm, "k_vs": k_vs, "no_load_a": no_load_a}
    with massager(tmp_path, "--ambient", str(ambient_c), **motor) as device:
        before = device.get_all()
        found = calibrated(device, pressure)
        assert max(errors(found, **motor)) < WITHIN, found
        assert found.resistance.uncertainty < WITHIN * r_ohm
        assert device.get_all() == before


def test_a_motor_far_from_its_settings_is_found_in_steps(tmp_path: Path) -> None:
    """With constants far off the drive hunts; the refusal carries what is good enough for the next run."""
    motor = {"r_ohm": 1.6, "k_vs": 0.0095, "no_load_a": 0.3}  # further off is a rate_mismatch, or a runaway
    with massager(tmp_path, **motor) as device:
        (board,) = running(device.port)
        with pytest.raises(CalibrationRefused, match="too uncertain") as caught:
            calibrated(device, 0.4)
        assert "knead set motor_r_mohm=" in caught.value.remedy
        estimate, found = caught.value.data["estimate"], None
        for _ in range(4):
            agreed(device, device.port, estimate)
            ask(board, "hand", pressure=0.0)
            try:
                found = calibrated(device, 0.4)
                break
            except CalibrationRefused as again:  # without one: on a busy machine the hand missed its moment
                estimate = again.data.get("estimate", estimate)
    assert found
    assert max(errors(found, **motor)) < WITHIN, found


def test_without_a_tach_it_is_refused_before_the_motor_turns(tmp_path: Path) -> None:
    with massager(tmp_path, "--no-tach") as device:
        with pytest.raises(CalibrationRefused, match="no tach"):
            measure(device)
        assert device.status().reason is None


def test_a_pad_that_nobody_presses_is_refused_and_the_motor_is_off(tmp_path: Path) -> None:
    with massager(tmp_path) as device:
        with pytest.raises(CalibrationRefused, match="no press came"):
            measure(device)
        assert device.status().state == "IDLE"


def test_a_session_that_is_stopped_is_refused(tmp_path: Path) -> None:
    with massager(tmp_path) as device:
        (board,) = running(device.port)

        def tell(step: Step) -> None:
            if step.part > 0.3:
                ask(board, "press", button="stop", ms=100)

        with pytest.raises(CalibrationRefused, match="stop button"):
            measure(device, tell)


def test_the_command_applies_saves_and_writes_a_file_for_the_simulator(tmp_path: Path) -> None:
    written = tmp_path / "measured.toml"
    with massager(tmp_path, r_ohm=2.5) as device:
        port = device.port
        device.close()
        command = [sys.executable, "-m", "openknead", "--timeout", "20", "--json", "--port", port]
        process = subprocess.Popen(
            [*command, "calibrate", "--apply", "--write", str(written)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        assert process.stderr is not None
        told = []

        def hear() -> None:
            assert process.stderr is not None
            for line in process.stderr:
                told.append(line)
                if "confirm" in line:
                    press(port)
                if "Now press" in line:
                    firmly = [sys.executable, "-m", "openknead", "sim", "hand", "0.7", "--board", port]
                    subprocess.run(firmly, check=True, stdout=subprocess.DEVNULL)

        hearer = threading.Thread(target=hear)
        hearer.start()
        out = process.stdout.read() if process.stdout else ""
        hearer.join(60)
        assert process.wait(60) == 0, "".join(told)
        answer = json.loads(out)
        with connect(port, timeout=TIMEOUT_S) as again:
            now = again.get_all()
            unsaved = again.unsaved()
    truth = Params(r_ohm=2.5)
    for name, (constant, scale) in NAMES.items():
        assert now[name] == answer["settings"][name]
        assert now[name] == pytest.approx(getattr(truth, constant) * scale, rel=WITHIN)
    assert answer["applied"]
    assert unsaved == []
    assert read(written).r_ohm == pytest.approx(2.5, rel=WITHIN)
    assert [row["level"] for row in answer["rates"]] == [2, 4, 6, 8, 10]
