"""`knead flash` on a board that is MicroPython's own raw REPL at the prompt, the firmware when it runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flash_support import (
    NO_MOTOR_S,
    NOTES,
    RECORDS,
    SAVED,
    Diary,
    document,
    flash,
    image,
    journal,
    old_firmware,
    users,
)
from openknead.cli.root import run
from openknead.device import connect
from openknead.errors import OpenKneadError, PortBusy, PortNotFound
from openknead.flash import images, install, target
from openknead.flash.backup import Backups
from openknead.flash.board import Repl
from openknead.flash.build import firmware_files
from openknead.flash.errors import (
    BoardFull,
    BoardSilent,
    DriveError,
    ImageUntried,
    NotStarted,
    Uf2Error,
    WouldErase,
    WrongBoard,
)
from openknead.flash.images import Image
from openknead.flash.install import complete
from openknead.flash.kept import Kept
from openknead_sim.emulator.firmware import settings_record
from unix_board import MICROPYTHON, UnixBoard

pytestmark = [
    pytest.mark.micropython,
    pytest.mark.skipif(MICROPYTHON is None, reason="no `micropython` on the path for this platform"),
]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NEW = complete(firmware_files("source"))
Make = Callable[..., UnixBoard]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    for name in ("RUN", "CACHE", "DATA"):
        monkeypatch.setenv(f"OPENKNEAD_{name}_DIR", str(tmp_path / name))
    monkeypatch.delenv("OPENKNEAD_PORT", raising=False)
    monkeypatch.setattr("serial.tools.list_ports.comports", list)
    monkeypatch.setattr(target, "COAST_S", NO_MOTOR_S)
    made: list[UnixBoard] = []

    def new(files: dict[str, bytes] | None = None, *, blank: bool = False, **traits: object) -> UnixBoard:
        board = UnixBoard(tmp_path / f"board{len(made)}", files, blank=blank)
        for name, value in traits.items():
            setattr(board, name, value)
        made.append(board.__enter__())
        return board

    yield new
    for board in made:
        board.__exit__()


def lies_there(board: UnixBoard) -> dict[str, bytes]:
    """The firmware on the board, and the hash that was agreed to."""
    return {
        path: data
        for path, data in board.files().items()
        if path in ("boot.py", "main.py", "content") or path.startswith("massager/")
    }


def assert_whole(board: UnixBoard) -> None:
    """The firmware is the new one and nothing else, and all that is the user's is there."""
    assert lies_there(board) == NEW
    files = board.files()
    mine = users()
    assert {path: files.get(path) for path in mine if not path.startswith("journal/")} == {
        path: data for path, data in mine.items() if not path.startswith("journal/")
    }
    assert files["journal/00000001"].startswith(mine["journal/00000001"])
    with connect(board.port) as device:
        assert {name: device.get(name) for name in SAVED} == SAVED
        assert device.status().fault is None
        assert {"my-calves", "evening"} <= {entry.name for entry in device.programs()}
        assert [record.n for record in device.journal()][:RECORDS] == list(range(1, RECORDS + 1))


def test_blank_micropython_becomes_a_running_device(make: Make) -> None:
    board = make()

    report = flash(board.port)

    assert lies_there(board) == NEW
    assert report.bytes_sent == sum(map(len, NEW.values()))
    assert report.selftest
    assert report.selftest.passed
    assert report.fault is None


def test_second_run_sends_nothing_and_does_not_restart_the_device(make: Make) -> None:
    board = make()
    flash(board.port)
    boots, sent = board.boots, board.sent

    report = flash(board.port)

    assert report.bytes_sent == 0
    assert (board.boots, board.sent) == (boots, sent)
    assert report.selftest
    assert report.selftest.passed


def test_old_firmware_is_replaced_file_by_file_and_all_that_is_the_users_stays(make: Make) -> None:
    board = make({**old_firmware(), **users()})

    report = flash(board.port)

    assert_whole(board)
    assert set(report.changed or ()) == {"massager/areas.py", "main.py", "content"}
    assert report.removed == ["massager/ancient.py"]
    assert report.bytes_sent == sum(len(NEW[path]) for path in report.changed or ())
    assert report.comparison
    assert report.comparison.lost == report.comparison.restored == []
    assert report.comparison.kept["programs"] == 2
    assert report.comparison.kept["records"] >= RECORDS


def test_backup_holds_what_the_board_had_and_what_nobody_knows(make: Make) -> None:
    board = make({**old_firmware(), **users()})

    report = flash(board.port)

    assert report.backup
    kept = Backups(board.board).read(report.backup)
    assert kept.files["notes.txt"] == NOTES
    assert kept.files["massager/ancient.py"] == b"# gone since\n"
    assert kept.own == {**kept.own, **SAVED}
    assert (report.backup / "programs" / "evening.toml").read_bytes().startswith(b"# calves")
    assert len((report.backup / "journal.jsonl").read_text().splitlines()) >= RECORDS
    assert Backups(board.board).unfinished is None


def test_unsaved_settings_are_in_force_again_and_still_not_saved(make: Make) -> None:
    board = make({**old_firmware(), **users()})
    with connect(board.port) as device:
        device.set({"area_s": 120})

    report = flash(board.port)

    assert report.comparison
    assert report.comparison.restored == ["setting area_s"]
    with connect(board.port) as device:
        assert device.get("area_s") == 120
        assert device.unsaved() == ["area_s"]


def test_session_is_ended_and_the_motor_stands_before_the_board_is_interrupted(make: Make) -> None:
    board = make({**old_firmware(), **users()})
    with connect(board.port) as device:
        while device.status().refusals:
            pass
        device.start(level=1, minutes=5)
        while (device.status().rate_opm or 0) < 300:
            pass

    flash(board.port)

    assert not board.ran_while_turning
    assert_whole(board)


def test_another_knead_on_the_port_keeps_it_and_its_session(make: Make) -> None:
    board = make({**old_firmware(), **users()})
    with connect(board.port) as other:
        other.share()
        while other.status().refusals:
            pass
        other.start(level=1, minutes=5)

        with pytest.raises(PortBusy):
            flash(board.port)

        assert other.status().state == "RUNNING"


def test_dry_run_names_every_file_and_leaves_the_board_as_it_is(make: Make) -> None:
    before = {**old_firmware(), **users()}
    board = make(before)

    report = flash(board.port, dry_run=True)

    assert set(report.changed or ()) == {"massager/areas.py", "main.py", "content"}
    assert report.removed == ["massager/ancient.py"]
    now = board.files()
    assert {path: now[path] for path in before if path != "journal/00000001"} == {
        path: data for path, data in before.items() if path != "journal/00000001"
    }
    assert report.backup is None


def test_dry_run_disturbs_no_session_and_no_unsaved_settings(make: Make) -> None:
    board = make({**old_firmware(), **users()})
    with connect(board.port) as device:
        device.set({"area_s": 120})
    diary = Diary()

    report = flash(board.port, diary, dry_run=True)

    assert board.boots == 1
    assert report.changed is None
    assert "unsaved" in diary.notes[-1]


def test_json_tells_what_was_done_and_nothing_else_is_printed(
    make: Make, capfd: pytest.CaptureFixture[str]
) -> None:
    board = make({**old_firmware(), **users()})

    code = run(["flash", "--port", board.port, "--json"])

    out, err = capfd.readouterr()
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert set(told["changed"]) == {"massager/areas.py", "main.py", "content"}
    assert told["bytes_sent"] == sum(len(NEW[path]) for path in told["changed"])
    assert told["comparison"]["lost"] == []
    assert told["selftest"]["state"] == "passed"


def test_mpremote_installs_the_package_and_flash_finds_nothing_to_send(make: Make) -> None:
    board = make()
    command = [sys.executable, "-m", "mpremote", "connect", board.port, "mip", "install", "--target", "/"]
    subprocess.run([*command, "package.json"], cwd=ROOT, check=True, capture_output=True, timeout=120)

    report = flash(board.port)

    assert report.changed == ["content", "main.py"]
    assert lies_there(board) == NEW


@pytest.mark.parametrize("module", ["massager.program", "massager.dose", "massager.wire"])
def test_precompiled_modules_are_what_micropython_imports(make: Make, module: str) -> None:
    board = make()
    files = complete(firmware_files("mpy"))
    with Repl(board.port) as repl:
        plan = install.plan(files, repl.sizes(), repl)
        install.send(repl, plan.send, lambda done, total: None)
        install.verify(repl, files)

        assert repl.run(f"import {module}\nprint({module}.__name__)") == [module]
        assert install.plan(files, repl.sizes(), repl).empty


def test_board_that_runs_other_bytecode_gets_sources(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    board = make(sim=False)
    monkeypatch.setattr("openknead.flash.steps.mpy_version", lambda: 5)
    diary = Diary()

    report = flash(board.port, diary, dry_run=True)

    assert report.form == "source"
    assert "sources are installed" in diary.notes[-1]


# -- cut short ----------------------------------------------------------------------------------------


_whole: list[int] = []


def whole_run(make: Make) -> tuple[int, int]:
    """How many events there are in a run that nothing cuts short, and bytes to the prompt. Found out once."""
    if not _whole:
        board, diary = make({**old_firmware(), **users()}), Diary()
        flash(board.port, diary)
        _whole.extend((len(diary.events), board.sent))
    return _whole[0], _whole[1]


def killed(board: UnixBoard, at: int) -> None:
    """A run in a process of its own that is killed at the event of that number."""
    command = [sys.executable, str(HERE / "flash_support.py"), board.port, str(at)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr


def assert_no_half_firmware(board: UnixBoard) -> None:
    """`main.py` is there only with the files that belong to it."""
    found = lies_there(board)
    old = old_firmware()
    assert "main.py" not in found or found in (NEW, old) or found == {**old, "content": old["content"]}
    assert {path: data for path, data in board.files().items() if path in users()}.keys() == users().keys()


POINTS = 14


@pytest.mark.parametrize("point", range(POINTS))
def test_killed_at_any_step_the_next_run_completes_and_nothing_is_lost(make: Make, point: int) -> None:
    count, _ = whole_run(make)
    assert count >= POINTS
    board = make({**old_firmware(), **users()})
    at = 1 + point * (count - 1) // (POINTS - 1)

    killed(board, at)
    assert_no_half_firmware(board)
    report = flash(board.port)

    assert_whole(board)
    assert report.lost == []
    assert flash(board.port).bytes_sent == 0


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_unplugged_at_any_byte_the_run_ends_with_an_error_and_the_next_one_completes(
    make: Make, share: float
) -> None:
    _, sent = whole_run(make)
    board = make({**old_firmware(), **users()}, cut_after=round(sent * share))

    with pytest.raises(BoardSilent) as caught:
        flash(board.port)

    assert caught.value.exit_code == 5
    board.replug()
    assert_no_half_firmware(board)
    flash(board.port)
    assert_whole(board)


def test_flash_wiped_in_an_unfinished_run_is_filled_from_the_first_backup(make: Make) -> None:
    board = make({})
    backups = Backups(board.board)
    first = Kept(board.board, users(), {**SAVED, "area_s": 60})
    backups.begin(backups.write(first))

    report = flash(board.port)

    assert_whole(board)
    assert report.lost == []
    assert backups.unfinished is None


def test_settings_saved_after_an_unfinished_run_are_newer_than_its_backup(make: Make) -> None:
    board = make({**old_firmware(), **users()})
    backups = Backups(board.board)
    backups.begin(backups.write(Kept(board.board, users(), SAVED)))
    with connect(board.port) as device:
        device.set({"area_s": 75})
        device.save()

    report = flash(board.port)

    assert report.lost == []
    with connect(board.port) as device:
        assert device.get("area_s") == 75


def test_what_the_new_firmware_does_not_take_is_named_as_lost(make: Make) -> None:
    board = make({})
    backups = Backups(board.board)
    mine = {
        "settings.a": settings_record({**SAVED, "area_s": 9_999}),
        "programs/knead": document("knead"),  # a name that is built in
        "journal/00000001": journal(),
    }
    backups.begin(backups.write(Kept(board.board, mine, {**SAVED, "area_s": 9_999})))

    report = flash(board.port)

    assert any(what.startswith("setting area_s = 9999") for what in report.lost)
    assert any(what.startswith("program knead") for what in report.lost)
    assert report.backup


# -- boards and images that do not fit ------------------------------------------------------------------


def test_full_board_is_told_before_anything_is_touched(make: Make) -> None:
    board = make(users(), free=40)

    with pytest.raises(BoardFull, match="free") as caught:
        flash(board.port)

    assert caught.value.data["needed"] > caught.value.data["free"] == 40 * 4096
    assert board.files() == users()


def test_board_that_fills_up_on_the_way_keeps_the_users_files_and_the_next_run_completes(make: Make) -> None:
    board = make({**old_firmware(), **users()}, room=1_000)

    with pytest.raises(BoardFull):
        flash(board.port)

    assert_no_half_firmware(board)
    board.room = -1
    flash(board.port)
    assert_whole(board)


def test_another_chip_is_refused(make: Make) -> None:
    board = make(machine="Raspberry Pi Pico 2 with RP2350")

    with pytest.raises(WrongBoard, match="RP2350") as caught:
        flash(board.port)

    assert caught.value.exit_code == 6
    assert board.files() == {}


def picky(board: UnixBoard) -> list[bytes]:
    """Images that were copied to the board."""
    taken: list[bytes] = []
    board.flashed = taken.append
    return taken


def test_blank_chip_gets_micropython_by_its_drive_and_then_the_firmware(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make(blank=True)
    taken = picky(board)
    file = tmp_path / "mine.uf2"
    file.write_bytes(image(300))

    report = flash(board.port, drive=board.drive, uf2=file)

    assert taken == [image(300)]
    assert lies_there(board) == NEW
    assert report.image == "mine.uf2"
    assert report.image_bytes == 300 * 512
    assert report.selftest


def test_micropython_is_replaced_through_the_drive_and_files_that_went_with_it_come_back(
    make: Make, tmp_path: Path
) -> None:
    board = make({**old_firmware(), **users()}, sim=False)
    taken = []

    def flashed(data: bytes) -> None:
        taken.append(data)
        for path in sorted(
            board.root.rglob("*"), reverse=True
        ):  # it formats the flash, as another layout would
            path.unlink() if path.is_file() else path.rmdir()
        board.sim = "desktop"  # sources are what the virtual board runs

    board.flashed = flashed
    file = tmp_path / "other.uf2"
    file.write_bytes(image())

    report = flash(board.port, drive=board.drive, uf2=file, source=True)

    assert len(taken) == 1
    assert report.lost == []
    assert_whole(board)


def test_old_micropython_is_replaced_by_the_locked_one(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make(release="1.19.1", sim=False)
    taken = []

    def flashed(data: bytes) -> None:
        taken.append(data)
        board.release, board.sim = "9.9.9", "desktop"

    board.flashed = flashed
    lock(monkeypatch, tmp_path, image())

    report = flash(board.port, drive=board.drive, source=True)

    assert taken == [image()]
    assert (report.micropython_before, report.micropython) == ("1.19.1", "9.9.9")
    assert lies_there(board) == NEW


def test_board_that_comes_back_with_another_micropython_is_told(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make(blank=True)  # and says 1.24.1, whatever is copied to it
    lock(monkeypatch, tmp_path, image())

    with pytest.raises(NotStarted, match=r"1\.24\.1, not 9\.9\.9"):
        flash(board.port, drive=board.drive)


def test_micropython_that_has_not_been_run_is_installed_only_on_request(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make(blank=True)
    lock(monkeypatch, tmp_path, image(), run=images.NOT_RUN)
    taken: list[bytes] = []
    board.flashed = taken.append
    diary = Diary()

    with pytest.raises(ImageUntried, match=r"9\.9\.9: hash known, not run by us"):
        flash(board.port, diary, drive=board.drive)
    assert diary.notes == ["MicroPython 9.9.9: hash known, not run by us"]
    assert taken == []

    flash(board.port, drive=board.drive, dry_run=True)
    with pytest.raises(NotStarted):  # this virtual board keeps its MicroPython, whatever is copied to it
        flash(board.port, drive=board.drive, yes=True)
    assert taken == [image()]


def lock(monkeypatch: pytest.MonkeyPatch, folder: Path, data: bytes, run: str = "emulated") -> None:
    """Have the lock file know this image as the one to install, and put it into the cache."""
    import hashlib

    row = Image(
        "x.uf2", "9.9.9", len(data), hashlib.sha256(data).hexdigest(), "http://nowhere.invalid", "here", run
    )
    monkeypatch.setattr(images, "locked", lambda: {"9.9.9": row})
    monkeypatch.setattr(images, "REFERENCE", "9.9.9")
    monkeypatch.setenv("OPENKNEAD_UF2_DIR", str(folder))
    (folder / "x.uf2").write_bytes(data)


@pytest.mark.parametrize("family", [0xE48BFF59, 0xE48BFF58, 0x12345678])
def test_image_for_another_chip_is_refused_before_the_board_is_touched(
    make: Make, tmp_path: Path, family: int
) -> None:
    board = make({**old_firmware(), **users()})
    file = tmp_path / "wrong.uf2"
    file.write_bytes(image(family=family))

    with pytest.raises(Uf2Error):
        flash(board.port, uf2=file)

    assert board.sent == 0
    assert board.boots == 1


def test_drive_of_another_chip_is_refused(make: Make, tmp_path: Path) -> None:
    board = make(blank=True)
    (board.drive / "INFO_UF2.TXT").write_text("Board-ID: RP2350\n")

    with pytest.raises(WrongBoard, match="RP2350"):
        flash(board.port, drive=board.drive)

    assert len(list(board.drive.iterdir())) == 1


def test_folder_that_is_no_drive_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(DriveError, match=r"INFO_UF2\.TXT"):
        flash(None, drive=tmp_path)


def test_image_that_reaches_into_files_needs_a_yes(make: Make, tmp_path: Path) -> None:
    board = make(blank=True)
    file = tmp_path / "large.uf2"
    file.write_bytes(image(0xA0000 // 256 + 1))

    with pytest.raises(WouldErase):
        flash(board.port, drive=board.drive, uf2=file)

    flash(board.port, drive=board.drive, uf2=file, yes=True)
    assert lies_there(board) == NEW


def test_no_board_at_all_says_how_to_make_one_show_up(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("openknead.flash.bootsel.drives", list)

    with pytest.raises(PortNotFound) as caught:
        flash(None)

    assert "BOOTSEL" in caught.value.remedy


def test_backup_that_cannot_be_written_leaves_the_board_alone(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = make({**old_firmware(), **users()})
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OPENKNEAD_DATA_DIR", str(tmp_path / "file"))

    with pytest.raises(OpenKneadError, match="cannot keep a backup"):
        flash(board.port)

    assert lies_there(board) == old_firmware()
