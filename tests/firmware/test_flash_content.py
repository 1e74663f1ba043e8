"""Whatever lies on flash: the device starts, explains itself, and its buttons are alive."""

import binascii
import json
import sys

import flash_mutation
from massager import faults
from massager.buttons import PLUS
from massager.flash import ENTRIES_MAX, FILE_MAX, SKIPPED_MAX
from massager.journal import build as build_line
from massager.library import PROGRAMS_MAX
from massager.store import build as build_record
from support import HUGE, Bench, BenchBoard, MemoryFiles

SEEDS = 50 if sys.implementation.name == "micropython" else 300


def device(content):
    """A device that has started from these files, and has written what it had to."""
    files = MemoryFiles()
    files.content = content
    bench = Bench(files, remote=False)
    bench.run_ms(1_000)
    return bench


def document(name, stages):
    body = json.dumps({"name": name, "stages": stages}).encode() + b"\n"
    return b"OKP1 %08x\n" % binascii.crc32(body) + body


def records(bench, kind):
    texts, _ = bench.app.journal.read(1, 100_000)
    found = [json.loads(text) for text in texts]
    return [record for record in found if record["kind"] == kind]


def skipped_by(content):
    """What a device that starts from these files skips; status and the journal say the same."""
    bench = device(content)
    status = bench.call("status")
    skipped = bench.app.files.skipped
    if skipped:
        assert status["skipped"] == skipped[0] and status["skipped_more"] == len(skipped) - 1
        assert [record["files"] for record in records(bench, "skipped")] == [skipped]
    else:
        assert status["skipped"] is None and status["skipped_more"] == 0
    return skipped


def test_mutated_flashes():
    used = [flash_mutation.used_flash(crashed) for crashed in (False, True)]
    for seed in range(SEEDS):
        content = dict(used[seed % 2])
        done = flash_mutation.mutate(content, seed)
        try:
            flash_mutation.check(content)
        except Exception:
            print("seed %d: %s" % (seed, done))
            raise


def test_a_used_flash_is_all_ours():
    used = flash_mutation.used_flash()
    files = MemoryFiles()
    files.content = dict(used)
    assert Bench(files, remote=False).app.files.skipped == []


def test_stray_files_are_skipped_and_reported_once():
    name = "journal/notes.txt"
    bench = device({name: b"x", "programs/Mine": b"x", "programs/steady": b"", "journal/123": b""})
    bench.run_ms(2_000)
    assert bench.call("journal.read")["first"] == 1
    assert bench.call("program.list")["next"] is not None
    noted = records(bench, "skipped")
    assert len(noted) == 1
    assert sorted(noted[0]["files"]) == [
        path + ": does not belong there" for path in ("journal/123", name, "programs/Mine", "programs/steady")
    ]
    assert bench.files.content[name] == b"x", "nothing is deleted"


def test_a_folder_for_a_file_and_a_file_for_a_folder():
    assert skipped_by({"crash/x": b""}) == ["crash: a folder, not a file"]
    assert skipped_by({"content/": b""}) == ["content: a folder, not a file"]
    assert "programs: not a folder" in skipped_by({"programs": b"x"})
    assert "settings.a: a folder, not a file" in skipped_by({"settings.a/": b""})
    assert "maintenance: cannot be removed" in skipped_by({"maintenance/x": b""})


def test_a_file_for_the_journals_folder_is_a_flash_that_fails():
    bench = device({"journal": b"x"})
    assert bench.call("status")["skipped"] == "journal: not a folder"
    assert bench.call("status")["fault"]["name"] == "flash_failed"


def test_a_folder_with_the_name_of_the_next_segment_does_not_end_the_journal():
    bench = device({"journal/00000001/x": b"", "journal/00000002/": b""})
    assert bench.call("status")["fault"] is None
    assert [record["n"] for record in records(bench, "boot")] == [3]
    bench = device(bench.files.content)
    assert [record["n"] for record in records(bench, "boot")][:1] == [3]
    assert len(records(bench, "boot")) == 2


def test_what_cannot_be_read_counts_as_damaged_and_not_as_missing():
    bench = device({"content": 5, "crash": 84, "settings.a": 5})
    status = bench.call("status")
    assert status["latched"] == ["crashed", "firmware_changed"]
    assert "settings_invalid" in status["refusals"]
    assert sorted(bench.app.files.skipped) == [
        "content: unreadable, OSError 5",
        "crash: unreadable, OSError 84",
        "settings.a: unreadable, OSError 5",
    ]


def test_a_file_one_byte_too_large_is_not_read():
    files = MemoryFiles()
    files.content["a"] = b"0123456789"
    assert files.read("a", 10) == b"0123456789" and files.skipped == []
    assert files.read("a", 9) == b"" and files.skipped == ["a: more than 9 bytes"]
    assert skipped_by({"settings.a": HUGE}) == ["settings.a: more than %d bytes" % FILE_MAX]
    assert skipped_by({"programs/mine": HUGE, "memory.a": HUGE})[0].startswith("memory.a: more than ")


class Endless(MemoryFiles):
    """A folder as MicroPython lists it once littlefs fails in the middle: the last entry, without end."""

    entries_max = 0  # 0 = without end

    def _list_folder(self, folder):
        n = 0
        while folder == "journal" and (not self.entries_max or n < self.entries_max):
            n += 1
            yield ("00000001" if n == 1 else "stray"), False


def test_a_folder_without_an_end_is_left():
    files = Endless()
    files.content["journal/00000001"] = build_line('{"n":1,"kind":"boot","boot":4}')
    assert Bench(files, remote=False).app.journal.boot == 5
    stray = "journal/stray: does not belong there"
    assert files.skipped == [stray, "journal: more than %d entries" % ENTRIES_MAX]
    files = Endless()
    files.entries_max = ENTRIES_MAX
    Bench(files, remote=False)
    assert files.skipped == [stray]


def test_notes_are_bounded():
    assert len(skipped_by({"journal/n%d" % i: b"" for i in range(20)})) == SKIPPED_MAX


def test_a_note_of_a_long_path_is_short():
    (note,) = skipped_by({"programs/" + "x" * 200: b""})
    assert note == "programs/" + "x" * 28 + "...: does not belong there"


def test_programs_of_a_newer_firmware_show_what_is_wrong_and_are_not_selected():
    sound = ["a", 20, "steady", 3, 3, 0, "calf", "none"]
    for place, value, field in (
        (6, "area_of_a_newer_firmware", "area"),
        (2, "spiral", "pattern"),
        (1, 10**12, "seconds"),
        (3, 1.5, "a"),
        (7, None, "cue"),
        (0, [], "name"),
    ):
        stage = list(sound)
        stage[place] = value
        content = {"programs/mine": document("mine", [sound, stage])}
        content["memory.a"] = build_record(1, {"selected": "mine"})
        bench = device(content)
        listed = bench.call("program.list", start=12)
        assert listed["selected"] == "steady"
        assert listed["programs"][-1]["problem"]["stage"] == 2
        assert listed["programs"][-1]["problem"]["field"] == field
        assert bench.call("program.get", name="mine")["stages"] == []
        assert bench.call("status")["skipped"].startswith("programs/mine: ")
        bench.press(PLUS)
        assert bench.app.session.active()


def test_damaged_programs_are_shown_as_such():
    good = document("mine", [["a", 20, "steady", 3, 3, 0, "calf", "none"]])
    deep = b"[" * 3_000
    body = b'{"name": "mine", "stages": ' + b"[" * 900 + b"]" * 900 + b"}\n"
    for data in (
        b"",
        good[:-5],
        good[1:],
        b"\xff" * 20,
        deep,
        b"OKP1 %08x\n" % binascii.crc32(body) + body,
        5,
    ):
        bench = device({"programs/mine": data})
        problem = bench.call("program.list", start=12)["programs"][-1]["problem"]
        assert problem["field"] in ("file", "stage"), problem


def test_the_ninth_program_is_one_too_many():
    good = document("mine", [["a", 20, "steady", 3, 3, 0, "calf", "none"]])
    bench = device({"programs/p%d" % i: good for i in range(PROGRAMS_MAX + 1)})
    assert bench.app.library.names[-1] == "p%d" % (PROGRAMS_MAX - 1)
    assert bench.app.files.skipped == ["programs/p%d: more than %d programs" % (PROGRAMS_MAX, PROGRAMS_MAX)]


def test_a_crash_record_of_any_shape_is_a_crash():
    for data in (
        b"[1]",
        b"",
        b"null",
        b'{"error": 5, "n": 9, "boot": "x"}',
        b"\xff",
        b'{"state": []}',
        5,
        b"[" * 900,
    ):
        bench = device({"crash": data})
        (record,) = records(bench, "boot")
        assert record["cause"] == "crash" and record["n"] == 1 and record["boot"] == 1
        assert record["error"] == "(the record of it is damaged)"
        assert "crashed" in bench.call("status")["latched"]


def test_a_crash_record_is_bounded():
    data = json.dumps({"error": "x" * 5_000 + "end", "ran_ms": 1 << 40, "state": "NEWER"}).encode()
    (record,) = records(device({"crash": data}), "boot")
    assert len(record["error"]) == 400 and record["error"][-3:] == "end"
    assert record["ran_ms"] == 0 and "state" not in record


def test_a_crash_that_flash_does_not_take_is_latched_over_the_reset():
    bench = device({})
    bench.run_ms(11_000)
    bench.files.error = 5
    bench.app.crashed(ValueError("boom"))
    assert bench.board.resets == 1
    board = BenchBoard()
    board.word = bench.board.word
    assert "crashed" in Bench(bench.switch_off(), board=board).call("status")["latched"]


def test_records_that_are_not_of_this_journal_are_passed_over():
    line = build_line('{"n":1,"kind":"boot","boot":4,"up_ms":0,"unix_s":null}')
    for content in (
        {"journal/00000001": line, "journal/00000050": line},  # a copy
        {"journal/00000001": line + build_line("[1]")},
        {"journal/00000001": line + build_line("")},
        {"journal/00000001": line, "journal/00000002": build_line("{}")},
    ):
        files = MemoryFiles()
        files.content = dict(content)
        bench = Bench(files, remote=False)
        bench.run_ms(1_000)
        found = bench.call("journal.read")["records"]
        assert [record["n"] for record in found] == [1, 2, 3][: len(found)], found
        assert len(bench.app.files.skipped) == 1, bench.app.files.skipped
    for boot in ('"x"', "null", "-5", "1e3", str(1 << 40), "[]"):
        files = MemoryFiles()
        files.content = {"journal/00000001": build_line('{"n":1,"kind":"boot","boot":%s}' % boot)}
        assert Bench(files, remote=False).app.journal.boot == 1


def test_unknown_settings_are_kept_as_far_as_they_are_settings():
    kept = {"newer": 5, "flag": True, "text": "x" * 74, "list": [1, None], "half": 0.5, "big": 1 << 40}
    dropped = {"text2": "x" * 74, "x" * 80: 1, "long": [0] * 40}
    record = {"area_s": 60}
    record.update(kept)
    record.update(dropped)
    bench = device({"settings.a": build_record(1, record)})
    assert bench.app.settings["area_s"] == 60
    assert bench.app.settings.unknown == kept
    assert bench.app.files.skipped == ["settings: 3 settings of another firmware"]
    assert "settings_invalid" not in bench.call("status")["refusals"]
    body = b'{"deep": %s, "far": 1e999, "area_s": 60}' % (b"[" * 500 + b"]" * 500)
    data = b"OK1 1 %d %08x\n" % (len(body), binascii.crc32(b"1 " + body)) + body
    bench = device({"settings.a": data})
    assert "deep" not in bench.app.settings.unknown
    assert bench.call("settings.save")["sequence"] == 2
    again = device(bench.switch_off().content)
    assert again.app.settings["area_s"] == 60 and again.app.files.skipped == []
    many = {"s%d" % i: i for i in range(50)}
    assert len(device({"settings.a": build_record(1, many)}).app.settings.unknown) == 32


def test_status_has_room_for_the_longest_note():
    bench = device({"programs/" + "x" * 200: b"", "content": HUGE})
    for code in (faults.FIRMWARE_CHANGED, faults.CRASHED):
        bench.app.safety.latch(code)
    assert "skipped" in bench.call("status")


def test_a_selected_program_that_is_damaged_is_replaced_by_a_plain_session_and_reported():
    content = {"programs/mine": b"?", "memory.a": build_record(1, {"selected": "mine"})}
    bench = device(content)
    assert bench.app.selected == "steady"
    assert "programs/mine" in str(bench.call("status")["skipped"])
    bench.press(PLUS)
    assert bench.board.enabled
