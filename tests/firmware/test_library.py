"""Library: programs through the protocol: listed, sent, fetched, kept, removed, damaged, selected by MODE."""

import binascii
import json

from massager import buttons
from massager.library import BUILT_IN, PLAIN
from support import Bench, MemoryFiles

STAGES = [
    ["one", 30, "ramp", 1, 3, 0, "calf_left", "none"],
    ["two", 30, "wave", 1, 3, 10, "calf_right", "stage"],
]


def document(name="mine", stages=STAGES, source=b"\x00\xffname = 1\n"):
    rest = json.dumps({"name": name, "stages": stages}).encode() + b"\n" + source
    return b"OKP1 %08x\n" % binascii.crc32(rest) + rest


def error_of(reply):
    assert "data" in reply, reply
    return reply["data"]["name"]


def send(bench, name, data, part=300):
    """Send a document; the reply to `commit`, or the first error."""
    reply = bench.call("program.begin", name=name, size=len(data))
    for at in range(0, len(data), part):
        if "room" not in reply and "offset" not in reply:
            return reply
        text = binascii.b2a_base64(data[at : at + part]).decode().rstrip()
        reply = bench.call("program.write", offset=at, data=text)
    return bench.call("program.commit") if "offset" in reply else reply


def fetch(bench, name):
    data, at = b"", 0
    while at is not None:
        page = bench.call("program.fetch", name=name, offset=at)
        data += binascii.a2b_base64(page["data"])
        at = page["next"]
    return data


def listed(bench):
    found, at = [], 0
    while at is not None:
        page = bench.call("program.list", start=at)
        found += page["programs"]
        at = page["next"]
    return found


def stages_of(bench, name):
    found, at = [], 0
    while at is not None:
        page = bench.call("program.get", name=name, start=at)
        found += page["stages"]
        at = page["next"]
    return found


def test_the_built_in_programs_are_there_and_may_start():
    bench = Bench()
    rows = listed(bench)
    assert [row["name"] for row in rows] == list(BUILT_IN)
    assert all(row["builtin"] and row["problem"] is None for row in rows)
    for name in BUILT_IN:
        assert bool(stages_of(bench, name)) == (name != PLAIN), name


def test_a_program_that_was_sent_comes_back_to_the_byte():
    bench = Bench()
    data = document(source=bytes(range(256)) * 4)
    assert send(bench, "mine", data) == {"name": "mine", "s": 60}
    assert fetch(bench, "mine") == data
    assert stages_of(bench, "mine") == STAGES
    assert [row["name"] for row in listed(bench)] == list(BUILT_IN) + ["mine"]
    again = Bench(bench.switch_off())
    assert fetch(again, "mine") == data


def test_another_of_the_same_name_takes_its_place():
    bench = Bench()
    send(bench, "mine", document())
    assert send(bench, "mine", document(stages=STAGES[:1])) == {"name": "mine", "s": 30}
    assert stages_of(bench, "mine") == STAGES[:1]


def test_what_is_not_sound_is_refused_with_its_place_and_the_old_one_stays():
    bench = Bench()
    send(bench, "mine", document())
    for stages, place in (
        ([STAGES[0], ["two", 0, "ramp", 1, 3, 0, "", "none"]], (2, "seconds")),
        ([["two", 5, "zigzag", 1, 3, 0, "", "none"]], (1, "pattern")),
        ([["two", 900, "ramp", 1, 12, 0, "", "none"]], (1, "b")),
        ([], (None, "stages")),
        ("ramp", (None, "stages")),
    ):
        data = send(bench, "mine", document(stages=stages))["data"]
        assert (data["name"], data["stage"], data["field"]) == ("program_invalid",) + place, data
    assert send(bench, "mine", document("other"))["data"]["field"] == "name"
    assert stages_of(bench, "mine") == STAGES


def test_broken_transfers_leave_everything_as_it_was():
    bench = Bench()
    data = document()
    send(bench, "mine", data)
    for broken in (data[:-1] + b"!", b"OKP2" + data[4:], data.replace(b"\n", b" "), b"x", b"\n\n\n"):
        assert error_of(send(bench, "mine", broken)) == "transfer", broken
    bench.call("program.begin", name="mine", size=len(data))
    for offset, text in ((1, "eHg="), (0, "not base64"), (0, ""), (-1, "eHg=")):
        assert error_of(bench.call("program.write", offset=offset, data=text)) == "transfer"
    assert error_of(bench.call("program.commit")) == "transfer"  # not complete
    assert error_of(bench.call("program.commit")) == "transfer"  # and over
    assert error_of(bench.call("program.write", offset=0, data="eHg=")) == "transfer"
    assert fetch(bench, "mine") == data


def test_names_and_sizes_that_cannot_be():
    bench = Bench()
    for name in ("", "Mine", "../boot", "a/b", "x" * 25):
        assert error_of(bench.call("program.begin", name=name, size=10)) == "program_invalid"
    assert bench.call("program.begin", name=BUILT_IN[1], size=10)["data"]["why"] == "built in"
    for size in (0, -1, 3_073):
        assert error_of(bench.call("program.begin", name="mine", size=size)) == "invalid_params"
    for method, more in (("get", {}), ("fetch", {"offset": 0}), ("remove", {}), ("select", {})):
        assert error_of(bench.call("program." + method, name="nobody", **more)) == "unknown_program"
    for method, more in (("fetch", {"offset": 0}), ("remove", {})):
        assert error_of(bench.call("program." + method, name=PLAIN, **more)) == "unknown_program"
    send(bench, "mine", document())
    for offset in (-1, 10_000):
        assert error_of(bench.call("program.fetch", name="mine", offset=offset)) == "invalid_params"


def test_there_is_room_for_eight():
    bench = Bench()
    for n in range(8):
        assert send(bench, "p%d" % n, document("p%d" % n))["s"] == 60
    assert error_of(bench.call("program.begin", name="p8", size=100)) == "program_space"
    assert send(bench, "p3", document("p3", STAGES[:1]))["s"] == 30
    assert bench.call("program.remove", name="p0") == {"removed": "p0"}
    assert send(bench, "p8", document("p8"))["s"] == 60


def test_the_largest_document_is_kept_and_costs_little_memory():
    bench = Bench()
    stages = [
        ["stage number %02d ........" % n, 25, "wave", 10, 11, 900, "hamstring_right", "move_on"]
        for n in range(24)
    ]
    data = document(stages=stages)
    data = document(stages=stages, source=b"s" * (3_072 - len(data) + 11))
    assert len(data) == 3_072
    assert send(bench, "mine", data)["s"] == 600
    assert stages_of(bench, "mine") == stages


def test_a_full_or_failing_flash_keeps_the_old_program():
    for number, name in ((28, "flash_full"), (5, "flash_failed")):
        bench = Bench()
        data = document()
        send(bench, "mine", data)
        bench.files.error = number
        assert error_of(send(bench, "mine", document(stages=STAGES[:1]))) == name
        bench.files.error = None
        assert fetch(bench, "mine") == data


def test_power_cuts_while_a_program_is_kept_leave_the_old_or_the_new_one():
    old, new = document(), document(stages=STAGES[:1])
    for cut_at in range(12):
        files = MemoryFiles()
        bench = Bench(files)
        send(bench, "mine", old)
        files.operations, files.cut_at = 0, cut_at
        try:
            send(bench, "mine", new)
        except MemoryFiles.PowerCut:
            pass
        files.cut_at = None
        assert fetch(Bench(files), "mine") in (old, new)


def test_a_damaged_file_is_listed_as_such_and_starts_nothing():
    bench = Bench()
    send(bench, "mine", document())
    bench.files.content["programs/mine"] = document()[:-3]
    bench = Bench(bench.switch_off())
    assert listed(bench)[-1]["problem"] == {"stage": None, "field": "file", "why": "damaged"}
    started = bench.call("session.start", program="mine", run_s=60)
    assert error_of(started) == "program_invalid" and started["data"]["field"] == "file"
    bench.call("program.select", name="mine")
    bench.press(buttons.PLUS)
    assert not bench.app.session.active()
    assert bench.call("program.remove", name="mine") == {"removed": "mine"}


def test_no_program_is_sent_removed_or_selected_while_a_session_runs():
    bench = Bench()
    send(bench, "mine", document())
    bench.start()
    for method, more in (
        ("begin", {"name": "mine", "size": 10}),
        ("write", {"offset": 0, "data": "eHg="}),
        ("commit", {}),
        ("remove", {"name": "mine"}),
        ("select", {"name": "mine"}),
        ("list", {}),  # these take longer than a tick has
        ("get", {"name": "mine"}),
        ("fetch", {"name": "mine", "offset": 0}),
    ):
        assert error_of(bench.call("program." + method, **more)) == "motor_running", method
    assert error_of(bench.call("schema", section="programs")) == "motor_running"
    bench.call("session.stop")
    assert fetch(bench, "mine") == document()


def test_a_host_starts_a_program_only_if_it_knows_its_length():
    bench = Bench()
    send(bench, "mine", document())
    reply = bench.call("session.start", program="mine", run_s=61)
    assert error_of(reply) == "invalid_params" and reply["data"]["run_s"] == 60
    for more in ({"level": 1}, {"area": "calf"}):
        assert error_of(bench.call("session.start", program="mine", run_s=60, **more)) == "invalid_params"
    assert error_of(bench.call("session.start", program=PLAIN, run_s=60)) == "invalid_params"
    assert error_of(bench.call("session.start", program="nobody", run_s=60)) == "unknown_program"
    assert bench.call("session.start", program="mine", run_s=60, shift=9)["data"]["field"] == "b"
    assert error_of(bench.call("session.start", program="mine", run_s=60, shift=99)) == "out_of_range"
    assert bench.call("session.start", program="mine", run_s=60, shift=2)["state"] == "RUNNING"
    assert bench.app.session.level == 3


def test_a_plain_start_needs_a_level_and_a_known_area():
    bench = Bench()
    for more in ({}, {"level": 1, "shift": 1}, {"level": 1, "area": "neck"}):
        assert error_of(bench.call("session.start", run_s=60, **more)) == "invalid_params"
    assert bench.call("session.start", run_s=60, level=1, area="foot")["state"] == "RUNNING"


def test_mode_and_minus_go_through_the_programs_and_count_them_out():
    bench = Bench()
    assert bench.app.selected == PLAIN
    bench.press(buttons.MODE)
    assert bench.app.selected == BUILT_IN[1]
    assert ("select", BUILT_IN[1]) in bench.event_names()
    bench.run_ms(3_000)
    bench.press(buttons.MINUS)
    bench.press(buttons.MINUS)
    assert bench.app.selected == BUILT_IN[-1]  # round the end
    bench.run_ms(20_000)
    assert not bench.app.session.active()
    bench.press(buttons.PLUS)
    assert bench.app.session.play.program.name == BUILT_IN[-1]


def test_the_selected_program_goes_when_its_file_goes():
    bench = Bench()
    send(bench, "mine", document())
    bench.call("program.select", name="mine")
    bench.run_ms(5_000)
    bench = Bench(bench.switch_off())
    assert bench.app.selected == "mine"
    bench.call("program.remove", name="mine")
    assert bench.app.selected == PLAIN and bench.app.session.selected is None
    bench.run_ms(5_000)
    assert Bench(bench.switch_off()).app.selected == PLAIN


def test_a_new_program_does_not_change_what_is_selected():
    bench = Bench()
    send(bench, "zz", document("zz"))
    bench.call("program.select", name="zz")
    send(bench, "aa", document("aa"))
    assert bench.app.selected == "zz"
    bench.press(buttons.PLUS)
    assert bench.app.session.play.program.name == "zz"
