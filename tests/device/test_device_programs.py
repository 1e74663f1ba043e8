"""Programs on a device: files there and back, what is played, and the documents' examples."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from openknead import Device
from openknead.cli.program_try import HANDS
from openknead.errors import MotorRunning, ProgramInvalid, ProgramSpace, Refused, UnknownProgram, WrongState
from openknead.model import Sample
from openknead.programs.curve import Point, evaluate
from openknead.programs.document import pack
from openknead.programs.model import Program, Stage
from openknead.programs.remote import BuiltIn, ProgramExists
from openknead.programs.table import PROGRAMS_MAX
from openknead.programs.text import dump

ROOT = Path(__file__).resolve().parents[2]
HANG = 60.0
NEAR_MILLI = 60  # two or three ticks at the end's slope: until the motor is armed, and where a ramp begins

PULSES = Program(
    "pulses",
    (
        Stage("rise", 12, "ramp", 1, 3, 0, "calf_left"),
        Stage("pulses", 36, "pulse", 0, 3, 18, "calf_left", "move_on"),
        Stage("too fast", 20, "wave", 1, 6, 4, "calf_right"),
        Stage("rest", 10, "off", cue="none"),
        Stage("hold", 15, "steady", 2, 2),
    ),
    title="Pulses",
)


@pytest.fixture
def own(device: Device) -> Iterator[Device]:
    """A device without programs of a user's."""

    def clear() -> None:
        for entry in device.programs():
            if not entry.builtin:
                device.remove_program(entry.name)

    if any(not entry.builtin for entry in device.programs()):
        pytest.skip("the device has programs of its user's")
    device.select_program("steady")
    yield device
    device.stop()
    device.wait(HANG)
    clear()


@pytest.fixture
def free_port(own: Device, port: str) -> Iterator[str]:
    """The port of such a device, for commands of another process."""
    own.close()
    yield port
    own.reconnect(HANG)


def source(program: Program = PULSES, comment: str = "") -> bytes:
    return (comment + dump(program)).encode()


def play(device: Device) -> list[Sample]:
    return list(device.telemetry(hz=10))


def worst_milli(samples: list[Sample], points: list[Point]) -> float:
    """How far the device's level is from the curve at the most; straight between the curve's points."""
    worst = 0.0
    for sample in samples:
        n, rest_ms = divmod(sample.elapsed_ms, 100)
        before, after = (points[min(k, len(points) - 1)].level_milli for k in (n, n + 1))
        wanted = before + (after - before) * rest_ms / 100
        worst = max(worst, abs(sample.level_milli - wanted) if sample.state != "IDLE" else 0.0)
    return worst


def test_a_file_comes_back_byte_for_byte(own: Device) -> None:
    file = source(comment="# ä comment\r\n").replace(b"\n", b"\r\n").replace(b"\r\r", b"\r")
    seen: list[tuple[int, int]] = []

    entry, written = own.push_program(file, progress=lambda done, size: seen.append((done, size)))

    assert (entry.name, entry.total_s, entry.motor, entry.builtin, written) == (
        "pulses",
        93,
        True,
        False,
        True,
    )
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1] > 300
    assert own.pull_program("pulses") == file
    assert own.program("pulses") == PULSES
    assert own.push_program(file) == (entry, False)


def test_another_program_of_the_name_is_only_replaced_when_asked(own: Device) -> None:
    own.push_program(source())
    other = source(comment="# another\n")

    with pytest.raises(ProgramExists) as caught:
        own.push_program(other)
    assert "--replace" in caught.value.remedy
    assert own.pull_program("pulses") == source()
    assert own.push_program(other, replace=True)[1]
    assert own.pull_program("pulses") == other


def test_programs_that_are_built_in_stay_and_have_texts(own: Device) -> None:
    calf = own.program("calf-5")
    assert calf.title
    assert calf.evidence
    assert len(calf.stages) > 2
    assert own.program("steady").stages == ()
    with pytest.raises(BuiltIn):
        own.pull_program("calf-5")
    with pytest.raises(BuiltIn):
        own.remove_program("calf-5")
    with pytest.raises(BuiltIn):
        own.push_program(source(Program("calf-5", PULSES.stages)))
    with pytest.raises(UnknownProgram) as caught:
        own.program("calf-6")
    assert "did you mean calf-5" in caught.value.remedy


def test_a_ninth_program_is_refused_and_none_is_lost(own: Device) -> None:
    for number in range(PROGRAMS_MAX):
        own.push_program(source(Program(f"p{number}", PULSES.stages)))
    with pytest.raises(ProgramSpace):
        own.push_program(source())
    assert [entry.name for entry in own.programs() if not entry.builtin] == [
        f"p{n}" for n in range(PROGRAMS_MAX)
    ]


def test_what_somebody_else_has_sent_is_shown_by_its_stages(own: Device) -> None:
    from openknead.programs.transfer import send

    send(own.call, "pulses", pack(PULSES, b"no TOML at all"))
    assert own.program("pulses") == Program("pulses", PULSES.stages, areas=("calf_left", "calf_right"))
    assert own.pull_program("pulses") == b"no TOML at all"


@pytest.mark.parametrize(
    ("shift", "stands"), [(0, True), (2, False)]
)  # shifted, a pulse falls too far to stand
def test_the_device_plays_the_curve_that_the_host_draws(own: Device, shift: int, stands: bool) -> None:
    own.push_program(source())
    slew_s = own.get("slew_s")
    state = own.start(program="pulses", shift=shift)
    assert (state.state, state.remaining_ms, state.warnings) == ("RUNNING", 93_000, ())
    samples = play(own)
    points = evaluate(PULSES.stages, shift, int(slew_s))

    assert worst_milli(samples, points) <= NEAR_MILLI
    assert {sample.stage for sample in samples} == {1, 2, 3, 4, 5}
    assert (min(sample.demand_opm for sample in samples if sample.stage == 2) == 0) == stands
    assert own.last_end().reason == "completed"


def test_a_program_of_the_firmware_is_played_as_drawn(own: Device) -> None:
    stages = own.program("pre-run").stages
    own.start(program="pre-run")
    assert worst_milli(play(own), evaluate(stages, 0, int(own.get("slew_s")))) <= NEAR_MILLI


def test_skip_and_back_move_through_the_stages(own: Device) -> None:
    own.push_program(source())
    own.start(program="pulses")

    assert own.skip().remaining_ms <= 81_000
    status = own.status()
    assert (status.program, status.stage, status.shift) == ("pulses", 2, 0)
    assert status.stage_left_ms is not None
    assert 30_000 < status.stage_left_ms <= 36_000
    for _ in range(3):
        own.skip()
    with pytest.raises(WrongState):
        own.skip()
    assert own.status().stage == 5
    own.back()  # within the first seconds: to the stage before
    assert own.status().stage == 4
    own.stop()
    with pytest.raises(WrongState):
        own.back()


def test_a_level_shifts_the_whole_program(own: Device) -> None:
    own.push_program(source())
    own.start(program="pulses")
    own.skip()
    assert own.status().level == 3
    own.set_level(4)
    assert own.status().shift == 1


def test_a_start_that_cannot_be_says_why(own: Device) -> None:
    own.push_program(source())
    with pytest.raises(ProgramInvalid, match="pulses: stage 3: the second level"):
        own.start(program="pulses", shift=6)
    with pytest.raises(UnknownProgram):
        own.start(program="puls")
    for wrong in ({"level": 3, "program": "pulses"}, {"program": "pulses", "minutes": 5.0}, {"shift": 1}, {}):
        with pytest.raises(ValueError, match="a program"):
            own.start(**wrong)  # type: ignore[arg-type]
    own.start(level=2, area="calf_left")
    with pytest.raises(MotorRunning):
        own.push_program(source(comment="# x\n"), replace=True)
    own.stop()


def test_settings_that_forbid_a_program_are_told_in_the_list(own: Device) -> None:
    own.push_program(source())
    own.set({"max_level": 5})
    (entry,) = [entry for entry in own.programs() if entry.name == "pulses"]

    assert str(entry.problem) == "stage 3: the second level beyond min_level or max_level"
    with pytest.raises((ProgramInvalid, Refused)):
        own.start(program="pulses")
    assert own.limits().max_level == 5
    assert "calf_left" in own.limits().areas


def test_a_program_that_is_selected_and_removed_leaves_the_plain_session(own: Device) -> None:
    own.push_program(source())
    assert own.select_program("pulses") == "pulses"
    assert [entry.name for entry in own.programs() if entry.selected] == ["pulses"]
    own.remove_program("pulses")
    assert [entry.name for entry in own.programs() if entry.selected] == ["steady"]


# -- the command ----------------------------------------------------------------------------------------


def knead(*argv: str, folder: Path, port: str | None = None) -> subprocess.CompletedProcess[str]:
    env = os.environ | ({"OPENKNEAD_PORT": port} if port else {})
    command = [sys.executable, "-m", "openknead", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, env=env)


def test_try_tells_what_a_program_costs(tmp_path: Path) -> None:
    (tmp_path / "pulses.toml").write_bytes(source())
    results = []
    for hand, charge in (("air", 100), ("heavy", 50)):
        picture = str(tmp_path / f"{hand}.svg")
        argv = ("--hand", hand, "--charge", str(charge), "--ambient", "30", "--picture", picture, "--json")
        done = knead("program", "try", "pulses.toml", *argv, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert Path(picture).stat().st_size > 10_000
        results.append(json.loads(done.stdout))
    air, heavy = results

    for result, charge in ((air, 100), (heavy, 50)):
        assert (result["reason"], result["duration_s"], result["program"]) == ("completed", 93.0, "pulses")
        assert result["battery_pct"]["start"] == pytest.approx(charge, abs=0.1)
        assert result["battery_pct"]["end"] < result["battery_pct"]["start"]
        assert result["drawn_j"] > result["energy_j"] > 10
        assert result["heat"]["motor"]["start_c"] == pytest.approx(30, abs=1)
        assert result["heat"]["motor"]["highest_c"] >= result["heat"]["motor"]["start_c"]
    assert heavy["drawn_j"] > 1.2 * air["drawn_j"]


def test_try_knows_the_hands_and_the_programs_of_the_simulator(tmp_path: Path) -> None:
    from openknead_sim.cli import HANDS as SIM_HANDS

    assert tuple(SIM_HANDS) == HANDS
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENKNEAD_RUN_DIR", str(tmp_path / "run"))  # no device is seen from there
        patch.setattr("serial.tools.list_ports.comports", list)
        done = knead("program", "try", "desk-day", "--shift", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "stage 6 of 6: right thigh" in done.stdout
    assert "sessions a charge" in done.stdout


def test_try_plays_a_program_too_long_for_the_default_session(tmp_path: Path) -> None:
    stages = (Stage("long", 630, "steady", 1, 1, area="foot"),)
    (tmp_path / "long.toml").write_bytes(source(Program("long", stages)))
    done = knead("program", "try", "long.toml", "--json", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"] == {"session_limit_s": 900}
    assert json.loads(done.stdout)["duration_s"] == 630.0


def test_start_of_a_program_names_its_stages(free_port: str, tmp_path: Path) -> None:
    (tmp_path / "pulses.toml").write_bytes(source())
    knead("program", "push", "pulses.toml", folder=tmp_path, port=free_port)
    done = knead("start", "--program", "pulses", "--picture", "p.svg", folder=tmp_path, port=free_port)

    assert done.returncode == 0, done.stderr
    for line in ("stage 1 of 5: rise, ramp 1→3, calf left, 0:12", "stage 2 of 5: pulses", "cue: move on"):
        assert line in done.stdout
    assert "Ended      completed" in done.stdout


# -- the documents --------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "program-files.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```(toml|console|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def test_the_examples_of_the_page_are_true(free_port: str, tmp_path: Path) -> None:
    kinds = [kind for kind, _ in EXAMPLES]
    assert (kinds.count("toml"), kinds.count("console"), kinds.count("python")) == (3, 5, 1)
    steps = 0
    for kind, text in EXAMPLES:
        if kind == "toml":
            name = re.search(r"^# (\S+\.toml)$", text, re.MULTILINE)
            (tmp_path / (name[1] if name else "rest.toml")).write_text(text, encoding="utf-8")
        elif kind == "python":
            env = os.environ | {"OPENKNEAD_PORT": free_port}
            command = [sys.executable, "-c", text]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=env)
            assert done.stdout.endswith("completed\n"), done.stderr
        else:
            for command_line, wanted in STEP.findall(text):
                steps += 1
                done = knead(*shlex.split(command_line)[1:], folder=tmp_path, port=free_port)
                pattern = re.escape(wanted).replace(re.escape("[...]"), ".*?")
                assert re.fullmatch(pattern, done.stdout + done.stderr, re.DOTALL), (
                    command_line,
                    done.stdout + done.stderr,
                )
    assert steps == 14
    assert knead("program", "check", "rest.toml", folder=tmp_path).returncode == 0
