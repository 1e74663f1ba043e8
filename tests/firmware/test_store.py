"""Store: A/B records survive power cuts, damage and a full flash."""

from massager.store import TEMPORARY, Store, StoreError, build, parse
from support import MemoryFiles, raises


def loaded(files):
    store = Store(files, "settings")
    return store, store.load()


def test_nothing_stored_is_no_damage():
    store, record = loaded(MemoryFiles())
    assert record == {}
    assert not store.damaged


def test_the_newest_record_wins_and_the_files_take_turns():
    files = MemoryFiles()
    store, _ = loaded(files)
    for n in range(5):
        store.save({"n": n})
        assert loaded(files)[1] == {"n": n}
    assert sorted(files.content) == ["settings.a", "settings.b"]


def test_a_power_cut_at_any_moment_leaves_the_old_or_the_new_record():
    seen = []
    for torn in (0.0, 0.5, 1.0):
        cut = 0
        while True:
            files = MemoryFiles()
            store, _ = loaded(files)
            store.save({"n": 1})
            store.save({"n": 2})
            files.torn = torn
            files.operations = 0
            files.cut_at = cut
            finished = True
            try:
                store.save({"n": 3})
            except MemoryFiles.PowerCut:
                finished = False
            files.cut_at = None
            again, record = loaded(files)
            assert record in ({"n": 2}, {"n": 3})
            assert not again.damaged
            assert TEMPORARY not in files.content
            seen.append(record["n"])
            again.save({"n": 4})
            assert loaded(files)[1] == {"n": 4}
            cut += 1
            if finished:
                break
    assert 2 in seen
    assert 3 in seen


def test_damage_to_one_file_falls_back_to_the_other():
    files = MemoryFiles()
    store, _ = loaded(files)
    store.save({"n": 1})
    store.save({"n": 2})
    newest = "settings.b" if parse(files.content["settings.b"])[1] == {"n": 2} else "settings.a"
    good = files.content[newest]
    for bad in (
        b"",
        good[:10],
        good[:-1],
        good + b" ",
        good.replace(b"2", b"3"),
        b"\xff\xfe" + good,
        b"OK1 1\n{}",
    ):
        files.content[newest] = bad
        store, record = loaded(files)
        assert record == {"n": 1} and not store.damaged, bad


def test_damage_to_both_is_reported():
    files = MemoryFiles()
    files.content["settings.a"] = b"\0" * 600
    files.content["settings.b"] = build(3, {"n": 1})[:-3]
    store, record = loaded(files)
    assert record == {}
    assert store.damaged


def test_a_record_must_be_an_object():
    assert parse(build(1, [1, 2])) is None


def test_a_changed_sequence_number_is_noticed():
    data = build(1, {"n": 1})
    assert parse(data) == (1, {"n": 1})
    assert parse(data.replace(b"OK1 1 ", b"OK1 9 ")) is None


def test_a_full_flash_keeps_the_old_record_and_says_so():
    files = MemoryFiles()
    store, _ = loaded(files)
    store.save({"n": 1})
    files.error = 28
    error = raises(StoreError, store.save, {"n": 2})
    assert error.args[1] is True
    files.error = 5
    assert raises(StoreError, store.save, {"n": 2}).args[1] is False
    assert loaded(files)[1] == {"n": 1}
    files.error = None
    assert store.save({"n": 3}) == 2
