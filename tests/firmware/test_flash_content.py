"""Whatever lies on flash, the device starts, answers, keeps the motor off, and reports what it skipped."""

import binascii
import json

from massager import buttons, journal, program, settings, store
from massager.library import BUILT_IN, PROGRAMS_MAX
from support import UNREADABLE, Bench, MemoryFiles

STAGE = ["a", 20, "steady", 3, 3, 0, "calf", "none"]
SHAPES = (
    b"", b"null", b"[]", b"{}", b"[1]", b"1", b'"text"', b"NaN", b"[" * 3_000, b"\xff\xfe", b'{"a":1e999}',
    b'{[]:1}', UNREADABLE,
)  # fmt: skip
WRONG = (None, True, -1, 1 << 40, 1.5, "text", [], [[]], {}, {"a": [1]})
RECORDS = ("settings", "memory", "latches", "permission")
KEYS = (
    "area_s", "remote_start", "default_level", "dose", "day", "areas", "rest_s", "selected", "latched",
    "suspended",
)  # fmt: skip


def document(name, stages):
    body = json.dumps({"name": name, "stages": stages}).encode() + b"\n"
    return b"OKP1 %08x\n" % binascii.crc32(body) + body


def started(content):
    """A device with this on flash that has passed what each start must hold."""
    files = MemoryFiles()
    files.content.update(content)
    bench = Bench(files, remote=False)
    bench.run_ms(100)
    assert not bench.board.enabled
    assert bench.call("hello")["firmware"]
    for method in ("status", "settings.list", "dose.get", "program.list"):
        result = bench.call(method)
        assert "code" not in result, (method, result)
    assert records(bench)
    bench.press(buttons.PLUS)
    assert bench.board.enabled or bench.call("status")["refusals"]
    bench.board.buttons = buttons.STOP
    bench.run_ms(100)
    assert not bench.board.enabled
    return bench


def records(bench):
    found, start = [], 0
    while start is not None:
        page = bench.call("journal.read", start=start)
        found += page["records"]
        start = page["next"]
    return found


def skipped(bench):
    return [record for record in records(bench) if record["kind"] == "skipped"]


def test_any_file_may_hold_anything():
    for name in ("crash", "content", "maintenance", "journal/00000001", "programs/mine", "record.tmp"):
        for shape in SHAPES:
            started({name: shape})
    for name in RECORDS:
        for shape in SHAPES:
            started({name + ".a": shape})
        for shape in (b"null", b"[1]", b"NaN", b"[" * 3_000, b'"text"'):
            head = b"OK1 1 %d %08x\n" % (len(shape), binascii.crc32(b"1 " + shape))
            started({name + ".b": head + shape})


def test_any_key_of_a_record_may_hold_anything():
    for value in WRONG:
        record = dict.fromkeys(KEYS, value)
        record["dose"] = dict.fromkeys(("day", "aged_s", "areas", "rest_s", "rest_until"), value)
        inner = dict(record, dose=dict(record["dose"], areas={"calf": [value] * 3, "none": value}))
        for found in (record, inner, dict(record, dose=value)):
            content = store.build(1, found)
            started({name + ".a": content for name in RECORDS})


def test_any_field_of_a_crash_or_of_a_journal_record_may_hold_anything():
    for value in WRONG:
        crash = {"error": value, "state": value, "ran_ms": value}
        bench = started({"crash": json.dumps(crash).encode()})
        assert bench.call("status")["fault"]["name"] == "crashed"
        line = journal.build(json.dumps({"n": value, "boot": value, "kind": value}))
        bench = started({"journal/00000007": line})
        assert bench.app.journal.boot >= 1
        assert bench.app.journal.last > 7


def test_a_journal_record_that_is_no_json_or_too_long_has_a_stand_in():
    lines = journal.build("[") + journal.build(json.dumps({"x": 3_000 * "x"})) + journal.build("{}")
    found = records(started({"journal/00000001": lines}))
    assert found[:3] == [{"n": 1, "kind": "unreadable"}, {"n": 2, "kind": "unreadable"}, {}]


def test_what_does_not_belong_is_skipped_and_reported_once():
    strays = [
        "journal/notes.txt",
        "journal/99999999",
        "programs/A B",
        "programs/steady",
        "programs/%s" % (200 * "x"),
    ]
    bench = started(dict.fromkeys(strays, b"x"))
    assert bench.app.library.names == list(BUILT_IN)
    reported = skipped(bench)
    assert len(reported) == 1
    assert sorted(reported[0]["names"]) == sorted(name[: store.NAME_MAX] for name in strays)
    assert not reported[0]["more"]
    assert bench.call("status")["skipped"] == reported[0]["names"][:2]
    bench.run_ms(1_000)
    assert len(skipped(bench)) == 1


def test_more_strays_than_anyone_reads_are_bounded():
    bench = started({"journal/stray %d" % n: b"x" for n in range(60)})
    reported = skipped(bench)
    assert len(reported) == 1
    assert len(reported[0]["names"]) == store.SKIPPED_MAX
    assert reported[0]["more"]
    many = {"programs/p%d" % n: document("p%d" % n, [STAGE]) for n in range(PROGRAMS_MAX + 2)}
    bench = started(many)
    assert len(bench.app.library.names) == len(BUILT_IN) + PROGRAMS_MAX
    assert skipped(bench)[0]["names"] == ["programs/p8", "programs/p9"]


def test_names_that_no_reply_can_hold_are_made_plain():
    skipped = store.Skipped()
    skipped.add('a"b\\c\n\u20ac' + 100 * "z")
    assert skipped.names == ["a?b?c??" + (store.NAME_MAX - 7) * "z"]


def test_a_program_of_a_newer_firmware_is_listed_with_its_problem_and_not_selected():
    for at, value in enumerate((7, 901, "spiral", 12, 0, -1, "left_ear", "song")):
        stage = list(STAGE)
        stage[at] = value
        content = {
            "programs/mine": document("mine", [stage]),
            "memory.a": store.build(1, {"selected": "mine"}),
        }
        bench = started(content)
        assert bench.app.selected == "steady"
        assert skipped(bench)[0]["names"] == ["programs/mine"]
        problem = bench.call("program.list", start=12)["programs"][-1]["problem"]
        assert (problem["stage"], problem["field"]) == (1, program.FIELDS[at]), problem
        assert bench.call("program.get", name="mine")["stages"] == []


def test_a_selected_program_that_is_gone_is_replaced():
    bench = started({"memory.a": store.build(1, {"selected": "gone"})})
    assert bench.app.selected == "steady"
    assert skipped(bench)[0]["names"] == ["programs/gone"]


def test_a_damaged_program_of_the_firmware_does_not_stop_the_others():
    for shape in SHAPES:
        bench = started({"massager/programs/knead.json": shape})
        row = bench.call("program.list")["programs"][2]
        assert row["name"] == "knead"
        assert row["problem"]
        for n in range(len(BUILT_IN)):
            assert bench.call("schema", section="programs", start=n)["items"][0]["name"] == BUILT_IN[n]


def test_the_settings_of_other_firmware_are_kept_within_a_bound():
    kept = settings.Settings()
    kept.load({"new_%d" % n: n for n in range(2_000)})
    assert sum(len(name) + len(str(kept.unknown[name])) for name in kept.unknown) <= settings.UNKNOWN_ROOM
    assert kept.rejected == ["unknown"]
    assert kept.invalid
