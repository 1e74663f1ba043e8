"""Boundaries of Store: flash that lies, refuses or holds two records of one number."""

from massager.store import TEMPORARY, Store, StoreError, build, parse
from support import MemoryFiles, raises


class Liar(MemoryFiles):
    """Flash that reads back other bytes than were written, and may refuse to delete."""

    lies = False
    keeps = False

    def read(self, name, *most):
        data = super().read(name, *most)
        return data[:-1] if self.lies and data else data

    def remove(self, name):
        if self.keeps:
            raise OSError(5)
        return super().remove(name)


def test_what_reads_back_otherwise_is_not_taken_over():
    files = Liar()
    store = Store(files, "settings")
    store.save({"n": 1})
    files.lies = True
    error = raises(StoreError, store.save, {"n": 2})
    assert error.args[1] is False
    assert TEMPORARY not in files.content
    files.lies = False
    assert Store(files, "settings").load() == {"n": 1}
    assert store.save({"n": 3}) == 2


def test_a_write_that_fails_leaves_nothing_behind():
    files = Liar()
    store = Store(files, "settings")
    files.content[TEMPORARY] = b"rest"
    files.error = 28
    assert raises(StoreError, store.save, {"n": 1}).args[1] is True
    assert files.content == {}
    files.keeps = True  # what cannot be removed either is removed at the next boot
    assert raises(StoreError, store.save, {"n": 1}).args[1] is True


def test_a_wrong_length_alone_is_noticed():
    data = build(1, {"n": 1})
    assert parse(data) == (1, {"n": 1})
    assert parse(data.replace(b"OK1 1 8 ", b"OK1 1 9 ")) is None
    assert parse(data.replace(b"OK1", b"OK2")) is None


def test_nothing_is_damaged_before_it_is_read():
    assert not Store(MemoryFiles(), "settings").damaged


def test_of_two_records_with_one_number_the_first_counts():
    files = MemoryFiles()
    files.content = {"settings.a": build(4, {"n": 1}), "settings.b": build(4, {"n": 2})}
    store = Store(files, "settings")
    assert store.load() == {"n": 1}
    store.save({"n": 3})
    assert parse(files.content["settings.b"]) == (5, {"n": 3})
