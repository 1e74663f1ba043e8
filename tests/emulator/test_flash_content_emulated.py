"""What may lie on the flash of a Pico, with a Pico's heap and MicroPython's own littlefs and JSON."""

import binascii

import pytest

NEWER = b'{"name":"mine","stages":[["a",20,"spiral",3,3,0,"calf","none"]]}\n'
DEEP = b'{"a":' + b"[" * 7_000 + b"]" * 7_000 + b"}"
MANY = b"{" + b",".join(b'"newer%d":%d' % (n, n) for n in range(200)) + b',"area_s":60}'


def record(sequence, body):
    """A file of a record with this content, with a checksum that is right."""
    return b"OK1 %d %d %08x\n" % (sequence, len(body), binascii.crc32(b"%d " % sequence + body)) + body


FILES = {
    "journal/notes.txt": b"x",
    "journal/00000077/x": b"",
    "crash": b"[1]",
    "settings.b": record(9, MANY),
    "memory.a": b"x" * 200_000,
    "memory.b": record(9, DEEP),
    "permission.a": record(1, b"[" * 16_000),
    "programs/mine": b"OKP1 %08x\n" % binascii.crc32(NEWER) + NEWER,
    "programs/deep": b"[" * 3_000,
    "programs/Stray": b"",
    "content": b"\xff" * 16_000,
}


pytestmark = [
    pytest.mark.emulator,
    pytest.mark.emulator_long,
    pytest.mark.xdist_group("emulator"),
    pytest.mark.timeout(1200),
]


def test_a_pico_starts_from_it_and_explains_itself(boards):
    board = boards.ready(boards.make(replace=FILES))
    status = board.host.call("status")
    assert "crashed" in status["latched"] and "firmware_changed" in status["latched"]
    assert status["skipped"] and status["skipped_more"] > 3
    assert board.host.call("settings.get", name="area_s")["value"] == 60
    listed = board.host.call("program.list", start=12)["programs"]
    assert [(program["name"], program["problem"]["field"]) for program in listed[2:]] == [
        ("deep", "file"),
        ("mine", "pattern"),
    ]
    assert board.host.call("dose.get")["total_s"] == 0
    board.run_ms(1_000)
    records = board.host.call("journal.read")["records"]
    assert "boot" in [record["kind"] for record in records]
    assert not board.pico.pin(board.pins["RUN_REQ"]).high
    assert board.pico.pwm(board.pins["MOT_PWM"]).duty == 0
    board.press("PLUS")
    board.run_ms(200)
    board.press("PLUS", False)
    board.run_ms(300)
    assert board.host.call("status")["state"] == "IDLE"
    assert any(
        record["kind"] == "skipped" and "journal/notes.txt: does not belong there" in record["files"]
        for start in (1, 3, 5)
        for record in board.host.call("journal.read", start=start)["records"]
    )
