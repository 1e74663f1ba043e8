"""Journal: what was written once is read back exactly, whatever happened to the flash since.

Nothing of `support` here: the whole device beside it would leave MicroPython no room for full segments.
"""

import json
import random

from massager.flash import Flash
from massager.journal import FOLDER, SEGMENT_BYTES, SEGMENTS, Journal, build, lines
from massager.store import StoreError

EVERYTHING = 1 << 24
UNIX_S = 1_800_000_000


class PowerCut(Exception):
    pass


class Files(Flash):
    """Flash in memory on which an append that is cut or fails leaves a part of it: littlefs is better.

    cut_at: operations from now until the power fails; error: errno of every write; torn: the part, 0…1.
    """

    def __init__(self):
        super().__init__(self._load_file, self._list_folder)
        self.content = {}
        self.cut_at = self.error = None
        self.torn = 0.5

    def _load_file(self, name, most):
        if name not in self.content:
            raise OSError(2)
        return self.content[name]

    def _list_folder(self, folder):
        return [(name[len(folder) + 1 :], False) for name in self.content]

    def append(self, name, data):
        before = self.content.get(name, b"")
        for done in (0, self.torn, 1):
            self._operation()
            self.content[name] = before + data[: int(len(data) * done)]
            if done and self.error:
                raise OSError(self.error)

    def remove(self, name):
        self._operation()
        del self.content[name]

    def _operation(self):
        if self.cut_at is not None:
            self.cut_at -= 1
            if self.cut_at < 0:
                raise PowerCut()


def refusal(journal, characters=60):
    """The StoreError of a record that is not taken, as (reason, is_full)."""
    try:
        add(journal, characters)
    except StoreError as e:
        return e.args
    raise AssertionError("written")


def add(journal, characters=60):
    return journal.append("session", {"reason": "x" * characters}, 1_000, UNIX_S)


def filled(records, files=None, characters=60):
    """Files with so many records."""
    files = files or Files()
    journal = Journal(files)
    for _ in range(records):
        add(journal, characters)
    return files


def texts(files):
    """All records, as a start finds them."""
    found, following = Journal(files).read(0, EVERYTHING)
    assert following is None
    return found


def numbers(files):
    return [json.loads(text)["n"] for text in texts(files)]


def segments(files):
    return [int(name) for name in files.names(FOLDER, lambda name: True)]


def path(first):
    return "%s/%08d" % (FOLDER, first)


def laid_out(count, each, files=None):
    """So many segments of so many short records."""
    files = files or Files()
    for first in range(1, count * each + 1, each):
        records = [{"n": n, "kind": "boot", "boot": n} for n in range(first, first + each)]
        found = [build(json.dumps(record)) for record in records]
        files.content[path(first)] = b"".join(found)
    return files


# -- round trip -------------------------------------------------------------------------------------


def test_nothing_written_is_nothing_read():
    journal = Journal(Files())
    assert (journal.first(), journal.last, journal.boot) == (0, 0, 1)
    assert journal.read(0, EVERYTHING) == ([], None)


def test_records_are_read_as_they_were_written():
    files = Files()
    journal = Journal(files)
    for number, values, unix_s in (
        (1, {}, None),
        (2, {"error": 'Traceback\n\t"quoted" \\ ü', "failed": ["ram", "adc"]}, UNIX_S),
        (3, {"rate_opm": [1, -2, 3], "fault": None, "sound": True}, 0),
    ):
        assert journal.append("boot", values, 17, unix_s) == number
        record = json.loads(texts(files)[-1])
        values.update({"n": number, "kind": "boot", "boot": 1, "up_ms": 17, "unix_s": unix_s})
        assert record == values
    assert files.content[path(1)] == b"".join(build(text) for text in texts(files))


def test_letters_of_many_bytes_do_not_look_like_damage():
    files = Files()
    for _ in range(3):
        journal = Journal(files)
        journal.append("boot", {"error": "grüße, €"}, 0, None)
        assert len(journal.read(3, 1)[0]) == max(0, journal.last - 2)
    assert segments(files) == [1]
    assert numbers(files) == [1, 2, 3]


def test_pages_make_the_whole():
    files = laid_out(5, 8)
    journal = Journal(files)
    whole = texts(files)
    for room in (1, len(whole[0]), len(whole[0]) + 1, 400, 5_000):
        found, start, pages = [], 0, 0
        while start is not None:
            page, start = journal.read(start, room)
            assert len(page) == 1 or sum(len(text) + 1 for text in page) <= room
            assert page
            found += page
            pages += 1
        assert found == whole
        assert pages <= len(whole)


def test_reading_begins_with_the_number_asked_for():
    files = laid_out(5, 8)
    journal = Journal(files)
    whole = texts(files)
    for start in range(-1, 43):
        assert journal.read(start, EVERYTHING) == (whole[max(start - 1, 0) :], None)
        page, following = journal.read(start, 1)
        assert page == whole[max(start - 1, 0) :][:1]
        assert following == (max(start, 1) + 1 if start < 40 else None)


# -- segments ---------------------------------------------------------------------------------------


def test_a_segment_ends_before_it_grows_too_long():
    files = filled(30, characters=300)
    assert len(segments(files)) == 3
    for first in segments(files):
        data = files.content[path(first)]
        assert len(data) <= SEGMENT_BYTES
        assert json.loads(lines(data)[0][0])["n"] == first
    line = len(build(texts(files)[-1]))
    assert all(len(files.content[path(first)]) > SEGMENT_BYTES - line for first in segments(files)[:-1])


def test_a_record_that_just_fits_ends_a_segment():
    for more, count in ((0, 1), (1, 2)):
        files = filled(1)
        room = SEGMENT_BYTES - 2 * len(files.content[path(1)])
        add(Journal(files), 60 + room + more)
        assert len(segments(files)) == count, more


def test_the_oldest_segment_goes_when_there_are_too_many():
    files = laid_out(SEGMENTS, 1)
    journal = Journal(files)
    assert add(journal) == SEGMENTS + 1
    assert len(segments(files)) == SEGMENTS  # it had room in the newest
    for number in (SEGMENTS + 2, SEGMENTS + 3):
        add(journal, SEGMENT_BYTES - 200)
        assert segments(files)[-1] == number
        assert len(segments(files)) == SEGMENTS
        assert journal.first() == segments(files)[0] == number - SEGMENTS
    assert numbers(files) == list(range(3, SEGMENTS + 4))


def test_too_many_segments_are_made_fewer():
    files = laid_out(SEGMENTS + 3, 1)
    add(Journal(files), SEGMENT_BYTES)
    assert segments(files) == list(range(5, SEGMENTS + 5))


# -- damage -----------------------------------------------------------------------------------------


def test_a_tail_torn_at_any_byte_ends_its_segment():
    before = filled(3)
    line = build(json.dumps({"n": 4, "kind": "boot", "boot": 2}))
    for kept in range(len(line)):
        files = Files()
        files.content[path(1)] = before.content[path(1)] + line[:kept]
        assert texts(files) == texts(before)
        assert add(Journal(files)) == 4
        assert numbers(files) == [1, 2, 3, 4]
        assert segments(files) == ([1, 4] if kept else [1])
        assert add(Journal(files)) == 5
        assert numbers(files) == [1, 2, 3, 4, 5]
        assert segments(files) == ([1, 4] if kept else [1])


def test_a_segment_torn_in_its_first_record_is_begun_anew():
    line = build(json.dumps({"n": 4, "kind": "boot", "boot": 2}))
    for kept in range(len(line)):
        files = filled(3)
        files.content[path(4)] = line[:kept]
        assert numbers(files) == [1, 2, 3]
        assert add(Journal(files)) == 4  # though it would still fit into the first
        assert segments(files) == [1, 4]
        assert add(Journal(files)) == 5
        assert numbers(files) == [1, 2, 3, 4, 5]


def test_garbage_hides_what_follows_it_in_its_segment_and_nothing_else():
    sound = filled(3)
    for garbage in (
        b"\n",
        b"\n\n\n",
        b"\x00" * 40,
        b"\xff" * 40 + b"\n",
        b"00000000 {}\n",
        b"-0000001 {}\n",
        b"nonsense and more of it\n",
        b"\xc3\x28\xc3\x28\xc3\x28\xc3\x28\xc3\x28\n",
        build("{}")[1:],
    ):
        files = Files()
        files.content[path(1)] = sound.content[path(1)] + garbage + build('{"n":5}')
        assert texts(files) == texts(sound), garbage
        add(Journal(files))
        assert numbers(files) == [1, 2, 3, 4], garbage


def test_any_bit_that_flips_costs_no_record_before_it():
    sound = filled(3)
    data = sound.content[path(1)]
    whole = texts(sound)
    ends = [len(b"".join(build(text) for text in whole[:n])) for n in (1, 2, 3)]
    for at in range(len(data)):
        files = Files()
        files.content[path(1)] = data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
        assert texts(files) == whole[: [end <= at for end in ends].count(True)], at


def test_a_damaged_segment_leaves_the_others():
    files = laid_out(4, 8)
    whole = texts(files)
    second, third = segments(files)[1:3]
    files.content[path(second)] = b"?" * 500
    assert texts(files) == whole[: second - 1] + whole[third - 1 :]
    journal = Journal(files)
    assert (journal.first(), journal.last) == (1, 32)
    assert journal.read(second, 1) == ([whole[third - 1]], third + 1)
    assert add(journal) == 33


def test_a_journal_of_nothing_but_damage_begins_anew():
    files = Files()
    for n in (1, 40, 80):
        files.content[path(n)] = b"?" * 100
    journal = Journal(files)
    assert (journal.first(), journal.last, journal.boot) == (0, 0, 1)
    assert add(journal) == 1
    assert segments(files) == [1]
    assert numbers(files) == [1]


# -- numbers ----------------------------------------------------------------------------------------


def test_each_start_that_wrote_something_counts():
    files = Files()
    for boot in (1, 2, 3):
        Journal(files)  # a start that wrote nothing
        journal = Journal(files)
        assert journal.boot == boot
        add(journal)
        add(journal)
        assert [json.loads(text)["boot"] for text in texts(files)[-2:]] == [boot, boot]


def test_flash_that_fails_does_not_count_as_a_start():
    files = Files()
    journal = Journal(files)
    add(journal)
    files.error = 5
    refusal(journal)
    files.error = None
    add(journal)
    assert [json.loads(text)["boot"] for text in texts(files)] == [1, 1]


# -- flash that refuses -----------------------------------------------------------------------------


def test_full_flash_is_said_and_nothing_is_lost():
    for files in (
        Files(),
        filled(5),
        filled(5, characters=400),
        filled(8, characters=400),
    ):
        journal = Journal(files)
        before = texts(files)
        for torn in (0.01, 0.3, 0.99):
            files.torn = torn
            for error, is_full in ((28, True), (5, False)):
                files.error = error
                assert refusal(journal, 900) == ("OSError %d" % error, is_full)
                assert journal.last == len(before)
                assert texts(files) == before
        files.error = None
        assert add(journal, 900) == len(before) + 1
        assert texts(files)[:-1] == before
        assert numbers(files) == list(range(1, len(before) + 2))


def test_a_failure_that_came_after_the_record_was_written_uses_its_number():
    files = Files()
    journal = Journal(files)
    add(journal)
    files.torn = 1.0
    files.error = 5
    refusal(journal)
    assert journal.last == 2
    files.error = None
    assert add(journal) == 3
    assert numbers(files) == [1, 2, 3]


def test_a_start_only_reads():
    class Refusing(Files):
        def remove(self, name):
            raise OSError(5)

        append = write = rename = None

    files = Refusing()
    files.content = dict(filled(5).content)
    files.content[path(6)] = b"torn"
    journal = Journal(files)
    assert journal.last == 5
    assert refusal(journal) == ("OSError 5", False)
    assert (journal.last, len(journal.read(0, EVERYTHING)[0])) == (5, 5)


# -- any order of things ----------------------------------------------------------------------------


def play(seed, steps, files):
    """Appends, cuts, failures and restarts at random: every record is kept whole until its segment goes."""
    random.seed(seed)
    journal = Journal(files)
    known = texts(files)
    for _ in range(steps):
        what = random.choice(("write", "write", "restart", "cut", "cut", "fail"))
        files.torn = random.randrange(1, 101) / 100
        files.cut_at = random.randrange(6) if what == "cut" else None
        files.error = random.choice((5, 28)) if what == "fail" else None
        boot = journal.boot
        done = False
        try:
            add(journal, random.choice((0, 30, 300, 2_100)))
            done = True
        except StoreError:
            assert what == "fail"
        except PowerCut:
            assert what == "cut"
        files.cut_at = files.error = None
        if what in ("restart", "cut"):
            journal = Journal(files)
        found = journal.read(0, EVERYTHING)[0]
        dropped = 0
        if known:
            dropped = journal.first() - json.loads(known[0])["n"]
        assert not dropped or len(segments(files)) >= SEGMENTS - 1
        assert len(segments(files)) <= SEGMENTS
        kept = known[dropped:]
        assert found[: len(kept)] == kept
        assert len(found) - len(kept) in ((1,) if done else (0, 1))
        assert [json.loads(text)["n"] for text in found] == list(
            range(journal.first() or 1, journal.last + 1)
        )
        assert not done or json.loads(found[-1])["boot"] == boot
        known = found
    assert texts(files) == known


def test_any_order_of_appends_cuts_failures_and_starts():
    for seed in range(12):
        play(seed, 25, Files())


def test_any_order_of_them_with_a_journal_that_is_full():
    for seed in range(12):
        files = laid_out(SEGMENTS, 1)
        play(seed, 25, files)
        assert segments(files)[0] > 1
