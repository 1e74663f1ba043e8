"""What is the user's on a board, read from its files as the firmware writes them, and from junk."""

from __future__ import annotations

from pathlib import Path

import pytest
from flash_support import RECORDS, SAVED, document, journal, users
from hypothesis import given
from hypothesis import strategies as st
from openknead.flash.backup import Backups
from openknead.flash.errors import HostStorage
from openknead.flash.kept import Kept, is_users
from programs_support import firmware

values = st.dictionaries(st.sampled_from(sorted(SAVED)), st.integers(0, 999) | st.booleans(), max_size=5)
paths = st.sampled_from([*users(), "settings.b", "memory.a", "memory.b", "journal/00000013"])
stores = st.builds(
    lambda sequence, record: firmware("store").build(sequence, record), st.integers(1, 99), values
)
contents = st.binary(max_size=60) | stores | st.just(journal()) | st.just(document("evening"))
boards = st.builds(Kept, st.just("b"), st.dictionaries(paths, contents))


@given(st.integers(1, 2**31), values, st.integers(1, 2**31), values)
def test_newest_record_of_the_firmwares_own_store_wins(
    first: int, old: dict[str, int], second: int, new: dict[str, int]
) -> None:
    build = firmware("store").build
    kept = Kept("b", {"settings.a": build(first, old), "settings.b": build(second, new)})

    assert kept.saved == (old if first >= second else new)


@given(values, st.data())
def test_damaged_record_does_not_count(record: dict[str, int], data: st.DataObject) -> None:
    build = firmware("store").build
    torn = bytearray(build(7, record))
    place = data.draw(st.integers(0, len(torn) - 1))
    torn[place] ^= 1 << data.draw(st.integers(0, 6))
    kept = Kept("b", {"settings.a": build(3, {"area_s": 60}), "settings.b": bytes(torn)})

    assert kept.saved in (
        {"area_s": 60},
        record,
    )  # a changed sequence is covered, letter case of a hash is not


@given(st.integers(0, len(journal()) - 1))
def test_torn_journal_gives_its_whole_records(size: int) -> None:
    whole = journal().splitlines(keepends=True)
    count = journal()[:size].count(b"\n")

    found = Kept("b", {"journal/00000001": journal()[:size]}).journal

    assert list(found) == list(range(1, count + 1))
    assert len(whole) == RECORDS


@given(boards)
def test_any_content_can_be_looked_at(kept: Kept) -> None:
    assert set(kept.own) <= {*SAVED}
    assert len(kept.journal) <= 2 * RECORDS
    assert set(kept.programs) <= {"my-calves", "evening"}


@given(boards)
def test_board_that_has_not_changed_is_what_it_was(kept: Kept) -> None:
    assert kept.over(kept) == kept


@given(boards, boards)
def test_nothing_of_the_first_look_is_missing_after_the_second(first: Kept, now: Kept) -> None:
    both = now.over(first)

    assert set(both.files) == {*first.files, *now.files}
    assert set(both.programs) >= {*first.programs, *now.programs}
    assert set(both.journal) >= {*first.journal, *now.journal}


def test_firmware_is_nobodys() -> None:
    assert not any(map(is_users, ("boot.py", "main.py", "content", "massager/app.mpy", "flash.tmp")))
    assert all(map(is_users, ("settings.a", "programs/x", "journal/00000001", "notes.txt", "lib/mine.py")))


# -- backups ----------------------------------------------------------------------------------------------


@pytest.fixture
def backups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backups:
    monkeypatch.setenv("OPENKNEAD_DATA_DIR", str(tmp_path))
    return Backups("board")


def test_backup_comes_back_as_it_was(backups: Backups) -> None:
    files = {**users(), "lib/a b.py": b"", "strange/..": b"1", "../out": b"2", "c:\\d": b"3", "ä": b"4"}
    kept = Kept("board", files, SAVED, ("area_s",), "0.1.0", "1.2.0")

    assert backups.read(backups.write(kept)) == kept


def test_no_name_on_the_board_leads_out_of_the_backups_folder(backups: Backups, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    target = backups.write(Kept("board", {"../../../../out": b"1", "/abs": b"2", "a/../../../b": b"3"}))

    assert {path.name for path in set(tmp_path.iterdir()) - before} == {"backups"}
    assert all(path.resolve().is_relative_to(target.resolve()) for path in target.rglob("*"))
    assert len([path for path in (target / "files").rglob("*") if path.is_file()]) == 3


def test_two_backups_of_one_second_do_not_mix(backups: Backups) -> None:
    first, second = (backups.write(Kept("board", {"n": b"%d" % n})) for n in range(2))

    assert first != second
    assert backups.read(first).files == {"n": b"0"}


def test_changed_backup_is_not_believed(backups: Backups) -> None:
    target = backups.write(Kept("board", users()))
    (target / "files" / "settings.a").write_bytes(b"other")

    with pytest.raises(HostStorage, match="has changed"):
        backups.read(target)


def test_backup_without_its_manifest_is_none(backups: Backups) -> None:
    target = backups.write(Kept("board", users()))
    (target / "manifest.json").unlink()

    with pytest.raises(HostStorage):
        backups.read(target)
