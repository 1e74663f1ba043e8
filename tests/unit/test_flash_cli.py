"""`knead flash` as a command: what it prints, what it ends with, which board it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openknead.cli.root import run
from openknead.errors import PortAmbiguous, PortNotFound
from openknead.flash import bootsel, target
from openknead.flash.bootsel import Drive
from openknead.flash.compare import Comparison
from openknead.flash.errors import DriveError, WrongBoard
from openknead.flash.steps import Report, Walk
from openknead.ports import Port
from openknead.selftest import SelftestCase, SelftestReport

PASSED = SelftestReport("passed", 1, ())
FAILED = SelftestReport(
    "failed", 1, (SelftestCase("stop", "failed", None, "", None, None, "STOP's wire", "look at it"),)
)
Out = tuple[int, str, str]


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Function: run the command with a walk that ends with a report: (exit code, stdout, stderr)."""

    def command(report: Report, *argv: str) -> Out:
        monkeypatch.setattr(Walk, "run", lambda walk: report)
        code = run(["flash", *argv])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def report(**more: Any) -> Report:
    return Report(
        dry_run=False, changed=["main.py"], removed=["massager/old.py"], unchanged=47, bytes_sent=9, **more
    )


def test_lost_things_are_named_and_end_it_with_8(ends: Any) -> None:
    lost = Comparison({"settings": 3}, lost=["setting area_s = 60 (now 90)", "program evening"])

    code, out, _ = ends(report(comparison=lost, selftest=PASSED, backup=Path("/backups/here")))

    assert code == 8
    assert "LOST: setting area_s = 60 (now 90)" in out
    assert "LOST: program evening" in out
    assert str(Path("/backups/here")) in out


def test_failed_self_test_ends_it_with_1_and_says_what_to_do(ends: Any) -> None:
    code, out, _ = ends(report(comparison=Comparison(), selftest=FAILED))

    assert code == 1
    assert "look at it" in out


def test_all_well_ends_it_with_0_and_sums_up(ends: Any) -> None:
    code, out, _ = ends(report(comparison=Comparison({"settings": 3, "programs": 2}), selftest=PASSED))

    assert code == 0
    assert "changed: 1, removed: 1; 47 unchanged" in out
    assert "sent: 9" in out
    assert "3 settings, 2 programs" in out


def test_json_holds_every_part(ends: Any) -> None:
    lost = Comparison(lost=["program evening"])

    code, out, err = ends(report(comparison=lost, selftest=FAILED, backup=Path("here")), "--json")

    told = json.loads(out)
    assert (code, err) == (8, "")
    assert told["comparison"]["lost"] == ["program evening"]
    assert told["selftest"]["tests"][0]["remedy"] == "look at it"
    assert told["backup"] == "here"


def test_dry_run_lists_each_file(ends: Any) -> None:
    would = Report(dry_run=True, changed=["main.py"], removed=["massager/old.py"], unchanged=47, bytes_sent=9)

    code, out, _ = ends(would, "--dry-run")

    assert code == 0
    assert "main.py" in out
    assert "massager/old.py (removed)" in out
    assert "would be" in out


def test_file_and_version_exclude_each_other(ends: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.uf2"
    file.touch()

    assert ends(report(), "--uf2", str(file), "--micropython", "1.24.1")[0] == 2


# -- which board ----------------------------------------------------------------------------------------


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Function: these ports and drives are there."""
    monkeypatch.delenv("OPENKNEAD_PORT", raising=False)

    def set_up(ports: list[Port], drives: list[Drive]) -> None:
        monkeypatch.setattr("openknead.ports.candidates", lambda: ports)
        monkeypatch.setattr(bootsel, "drives", lambda: drives)

    return set_up


PICO = Port("/dev/ttyACM0", "usb", "USB serial number 1")
OTHER = Port("/dev/ttyACM1", "usb", "USB serial number 2")
DRIVE = Drive(Path("/media/me/RPI-RP2"), "RP2040")


def test_only_board_is_taken_running_or_not(around: Any) -> None:
    around([PICO], [])
    assert target.find(None, None) == target.Target("/dev/ttyACM0")

    around([], [DRIVE])
    assert target.find(None, None) == target.Target(None, DRIVE)


@pytest.mark.parametrize(("ports", "drives"), [([PICO, OTHER], []), ([PICO], [DRIVE]), ([], [DRIVE, DRIVE])])
def test_two_boards_are_named_and_none_is_guessed(
    around: Any, ports: list[Port], drives: list[Drive]
) -> None:
    around(ports, drives)

    with pytest.raises(PortAmbiguous) as caught:
        target.find(None, None)

    assert caught.value.data["ports"] == [*(p.port for p in ports), *(str(d.path) for d in drives)]
    assert caught.value.exit_code == 4


def test_port_that_went_away_because_the_board_is_a_drive_now_says_so(around: Any, tmp_path: Path) -> None:
    around([], [DRIVE])

    with pytest.raises(PortNotFound) as caught:
        target.find(str(tmp_path / "gone"), None)

    assert "--drive" in caught.value.remedy


def test_drive_of_another_chip_is_not_taken(around: Any) -> None:
    around([], [Drive(Path("/media/me/RP2350"), "RP2350")])

    with pytest.raises(WrongBoard, match="RP2350"):
        target.find(None, None)


def test_drive_that_fills_up_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / bootsel.INFO).write_text("Board-ID: RPI-RP2\n")
    (tmp_path / "image.uf2").mkdir()  # cannot be written

    with pytest.raises(DriveError, match="does not take"):
        bootsel.write(bootsel.named(tmp_path), b"image")


def test_drive_that_vanishes_at_the_end_of_the_copy_is_how_it_should_be(tmp_path: Path) -> None:
    (tmp_path / bootsel.INFO).write_text("Board-ID: RPI-RP2\n")
    drive = bootsel.named(tmp_path)
    (tmp_path / bootsel.INFO).unlink()
    (tmp_path / "image.uf2").mkdir()

    bootsel.write(drive, b"image")


def test_mounted_drives_are_found_with_blanks_in_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "my drive"
    place.mkdir()
    (place / bootsel.INFO).write_text(
        "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n"
    )
    mounts = f"/dev/sda1 {str(place).replace(' ', chr(92) + '040')} vfat rw 0 0\nproc /proc proc rw 0 0\n"
    read = Path.read_text
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda path, *a, **k: mounts if str(path) == "/proc/self/mounts" else read(path, *a, **k),
    )

    assert bootsel.drives() == [Drive(place, "RP2040")]
