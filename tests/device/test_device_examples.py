"""The documents' Python: it runs against a device, and type-checks as a user's own script would."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "dose_response.py"
SHORT = ("--sim", "--levels", "2,4", "--seconds", "6,9", "--blocks", "2", "--rest", "1")


def python(*argv: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, argv)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blocks of the Python page as one script; `dev` is there from where the page says so."""
    text = (ROOT / "docs" / "python-api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 5
    script = tmp_path_factory.mktemp("page") / "page.py"
    script.write_text("\n".join([*blocks[:2], "dev = openknead.connect()", *blocks[2:]]), encoding="utf-8")
    return script


def test_the_python_page_does_what_it_shows(page: Path, port: str) -> None:
    done = python(page, cwd=page.parent, OPENKNEAD_PORT=port)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines.count("completed") == 1
    assert "host_stop" in lines
    assert "['completed', 'completed']" in lines
    counts = next(line for line in lines if re.fullmatch(r"\d+ \(\d+, \d+, 1\)", line))
    summed, _, counted, _ = map(int, re.findall(r"\d+", counts))
    assert abs(summed - counted) <= 5


def test_the_researchers_first_script_measures_a_dose(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "quick-start-researcher.md").read_text(encoding="utf-8")
    script = tmp_path / "first.py"
    script.write_text(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0])
    done = python(script, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "ended: completed" in done.stdout
    motor_s, oscillations = map(int, re.findall(r"calf_left: (\d+) s, (\d+) osc", done.stdout)[0])
    assert motor_s == pytest.approx(60, abs=1)
    assert 0.8 * 1810 < oscillations < 1810
    assert len((tmp_path / "first.csv").read_text().splitlines()) > 1000


def test_a_users_script_type_checks_strictly(page: Path, tmp_path: Path) -> None:
    """Away from this repository and its settings, by what the installed package says of itself."""
    done = python("-m", "mypy", "--strict", page, EXAMPLE, cwd=tmp_path)
    assert done.returncode == 0, done.stdout

    wrong = tmp_path / "wrong.py"
    wrong.write_text("import openknead\n\nopenknead.connect().start('three')\n")
    done = python("-m", "mypy", "--strict", wrong, cwd=tmp_path)
    assert "arg-type" in done.stdout


def test_the_protocol_is_played_logged_and_drawn(tmp_path: Path) -> None:
    done = python(EXAMPLE, *SHORT, "--seed", "5", "--out", "run", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "run" / "protocol.json").read_text())
    with (tmp_path / "run" / "sessions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "run" / "samples.csv").open(newline="") as file:
        samples = list(csv.DictReader(file))
    assert len(rows) == 8
    assert [(int(row["level"]), int(row["run_s"])) for row in rows] == [
        (condition["level"], condition["run_s"]) for condition in about["order"]
    ]
    for block in (rows[:4], rows[4:]):
        assert {(row["level"], row["run_s"]) for row in block} == {
            ("2", "6"),
            ("2", "9"),
            ("4", "6"),
            ("4", "9"),
        }
    for row in rows:
        assert (row["reason"], row["rating"]) == ("completed", "")
        assert int(row["missed"]) <= 2  # while the device writes that a session begins
        nominal, demanded, measured, counted = (
            float(row[f"{kind}_oscillations"]) for kind in ("nominal", "demanded", "measured", "device")
        )
        assert measured < nominal
        assert measured == pytest.approx(demanded, rel=0.1)
        assert measured == pytest.approx(counted, abs=3)
        assert int(row["samples"]) == sum(sample["number"] == row["number"] for sample in samples)
    assert about["device"]["content"]
    assert (tmp_path / "run" / "dose-response.svg").stat().st_size > 10_000

    again = python(EXAMPLE, *SHORT, "--out", "run", cwd=tmp_path)
    assert again.returncode == 2
    assert "--out" in again.stderr


def test_the_order_comes_from_the_seed_and_a_stop_keeps_what_was_logged(tmp_path: Path) -> None:
    sys.path.insert(0, str(EXAMPLE.parent))
    try:
        import dose_response
    finally:
        sys.path.pop(0)

    order = dose_response.design([1, 5, 9], [30, 60], 4, seed=3)
    assert order == dose_response.design([1, 5, 9], [30, 60], 4, seed=3)
    assert order != dose_response.design([1, 5, 9], [30, 60], 4, seed=4)
    assert [condition.block for condition in order] == [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6

    args = dose_response.options([*SHORT, "--out", str(tmp_path / "stopped")])
    with dose_response.device(args) as dev:
        play = dose_response.play

        def stopped(dev: dose_response.Device, condition: dose_response.Condition) -> object:
            dev.start(condition.level, 5)
            dev.stop()
            return ("", dev.wait(30).reason, [])

        dose_response.play = lambda dev, condition: (
            play if condition != third else stopped
        )(dev, condition)  # fmt: skip
        third = dose_response.design(args.levels, args.seconds, args.blocks, args.seed)[2]
        try:
            sessions, _ = dose_response.run(dev, args)
        finally:
            dose_response.play = play
    assert [session.reason for session in sessions] == ["completed", "completed", "host_stop"]
    assert len((tmp_path / "stopped" / "sessions.csv").read_text().splitlines()) == 4
