"""Any flash: 300 mutations of a used flash, and after each start the device answers, motor off, STOP works.

OPENKNEAD_FUZZ=20000 makes 20,000 of them; a failure names the seed of its mutation.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import random
from contextlib import suppress
from functools import cache

import pytest
from openknead_sim.flash import Flash
from openknead_sim.rpc import RpcError
from openknead_sim.virtual import VirtualBoard

MUTATIONS = int(os.environ.get("OPENKNEAD_FUZZ", "300"))
ROUNDS = 10  # parts of it, so that the first failure comes early and others still run
RUN_REQ = 3
METHODS = ("hello", "status", "journal.read", "program.list", "settings.list", "dose.get")
RECORDS = ("settings", "memory", "permission", "latches")
PATHS = (
    *(f"/{name}.{side}" for name in RECORDS for side in "ab"), "/record.tmp", "/crash", "/content",
    "/maintenance", "/journal", "/programs", "/journal/00000001", "/journal/00000002", "/journal/00000040",
    "/journal/notes.txt", "/programs/mine", "/programs/newer", "/programs/A B", "/stray",
)  # fmt: skip
JUNK = (0, -1, True, None, 1.5, 1e999, 1 << 40, "", "x" * 300, "knead", [], [0] * 50, {}, {"a": []})


def document(name: str, stages: object) -> bytes:
    body = json.dumps({"name": name, "stages": stages}).encode() + b"\n"
    return b"OKP1 %08x\n" % binascii.crc32(body) + body


@cache
def used_image() -> bytes:
    """The flash of a device with settings, a program, sessions, a fault, and a crash's record."""
    board = VirtualBoard(seed=1, remote_start=True)
    board.power_on()
    board.run_ms(400)
    board.rpc("clock.set", unix_s=1_800_000_000, utc_offset_min=60)
    data = document("mine", [["a", 20, "steady", 3, 3, 0, "calf", "none"]])
    board.rpc("program.begin", name="mine", size=len(data))
    board.rpc("program.write", offset=0, data=base64.b64encode(data).decode())
    board.rpc("program.commit")
    board.rpc("program.select", name="mine")
    for values in ({"area_s": 60}, {"area_s": 70}):
        board.rpc("settings.set", values=values)
        board.rpc("settings.save")
    board.run_ms(4_000)
    for _ in range(3):
        board.rpc("session.start", level=2, run_s=30)
        board.run_ms(2_000)
        board.rpc("session.stop")
        board.run_ms(3_000)
    board.reset(cause=1)
    board.run_ms(1_000)
    board.flash.write_file("/crash", b'{"error": "E", "state": "IDLE", "ran_ms": 20000}')
    board.power_cut()
    return board.flash.image


def junk(rng: random.Random, value: object, depth: int = 0) -> object:
    """The value with something in it exchanged."""
    if rng.random() < 0.2 or depth > 6:
        return rng.choice(JUNK)
    if isinstance(value, dict) and value:
        key = rng.choice(sorted(value))
        return value | {key: junk(rng, value[key], depth + 1)}
    if isinstance(value, list) and value:
        at = rng.randrange(len(value))
        return [*value[:at], junk(rng, value[at], depth + 1), *value[at + 1 :]]
    return rng.choice(JUNK)


def sealed(rng: random.Random, data: bytes) -> bytes:
    """A file with other JSON in it, and the checksum that belongs to that."""
    head, _, body = data.partition(b"\n")
    words = head.split(b" ")
    try:
        if words[0] == b"OK1":
            text = json.dumps(junk(rng, json.loads(body))).encode()
            sequence = rng.choice((words[1], b"0", b"-5", b"9" * 20))
            return b"OK1 %s %d %08x\n" % (sequence, len(text), binascii.crc32(sequence + b" " + text)) + text
        if words[0] == b"OKP1":
            return document(rng.choice(("mine", "other")), junk(rng, json.loads(body)["stages"]))
        text = json.dumps(junk(rng, json.loads(head[9:]))).encode()
        lines = [b"%08x %s\n" % (binascii.crc32(text), text), *data.splitlines(keepends=True)]
        return b"".join(rng.sample(lines, len(lines)))
    except (ValueError, LookupError, TypeError, RecursionError):
        return json.dumps(junk(rng, {"error": "E", "state": "IDLE", "ran_ms": 1})).encode()


def mutate(rng: random.Random, flash: Flash) -> str:
    """Change one thing; what it was."""
    try:
        return _mutate(rng, flash)
    except OSError:
        return "nothing more: a file stands where a folder belongs"


def _mutate(rng: random.Random, flash: Flash) -> str:
    path = rng.choice(PATHS)
    data = flash.read_file(path) or b""
    kinds = (
        "flip",
        "cut",
        "sealed",
        "bytes",
        "huge",
        "empty",
        "swap",
        "remove",
        "folder",
        "file",
        "many",
        "header",
    )
    kind = rng.choice(kinds)
    if kind == "folder":
        remove(flash, path)
        flash.write_file(f"{path}/inner/x", b"x")
        return f"{kind} {path}"
    if kind == "remove":
        remove(flash, path)
        return f"{kind} {path}"
    if kind == "file":
        path = rng.choice(("/journal", "/programs"))
        remove(flash, path)
    if kind == "many":
        for n in range(rng.choice((3, 40))):
            flash.write_file(f"/{rng.choice(('journal', 'programs'))}/{rng.choice(('p', '000000'))}{n}", data)
        return kind
    other = flash.read_file(rng.choice(PATHS)) or b""
    if kind == "flip" and data:
        bits = bytearray(data)
        for _ in range(rng.choice((1, 1, 8))):
            bits[rng.randrange(len(bits))] ^= 1 << rng.randrange(8)
        data = bytes(bits)
    contents = {
        "cut": data[: rng.randrange(len(data) + 1)], "sealed": sealed(rng, data), "bytes": rng.randbytes(200),
        "huge": b"[" * rng.choice((9_000, 60_000)), "empty": b"", "swap": other, "file": b"x",
        "header": b"OK1 " + b"9" * rng.choice((10, 7_000)) + b" 1 0\n{}",
    }  # fmt: skip
    remove(flash, path)
    flash.write_file(path, contents.get(kind, data))
    return f"{kind} {path}"


def remove(flash: Flash, path: str) -> None:
    """A file, or a folder with what is in it."""
    with suppress(OSError):
        for name in flash.listdir(path):
            remove(flash, f"{path}/{name}")
    with suppress(OSError):
        flash.remove(path)


def answer(board: VirtualBoard, method: str) -> dict[str, object]:
    """The result of a method; empty when it ends with an error that says what is wrong."""
    try:
        result = board.rpc(method)
    except RpcError as e:
        if e.name == "internal_error":
            raise
        return {}
    assert isinstance(result, dict)
    return result


def check(seed: int) -> None:
    """One start with mutations that the seed chooses, and what must hold after it."""
    rng = random.Random(seed)
    flash = Flash(used_image())
    what = [mutate(rng, flash) for _ in range(rng.choice((1, 1, 2, 4)))]
    board = VirtualBoard(seed=seed, flash=flash)
    board.power_on()
    try:
        board.run_ms(600)
        assert not board.at_prompt, board.receive()
        assert not board.chip.levels[RUN_REQ]
        for method in METHODS:
            answer(board, method)
        assert board.run_until(lambda: answer(board, "status")["selftest"] != "running", 10_000)
        board.press("plus")
        board.run_ms(100)
        status = answer(board, "status")
        assert status["state"] == "RUNNING" or status["refusals"], status
        board.press("stop")
        board.run_ms(50)
        assert not board.chip.levels[RUN_REQ]
        assert answer(board, "status")["state"] in ("IDLE", "MAINTENANCE")
        assert not board.at_prompt, board.receive()
    except BaseException as e:
        raise AssertionError(f"seed {seed}: {what}: {e!r}") from e
    finally:
        board.power_cut()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "part" in metafunc.fixturenames:
        metafunc.parametrize("part", range(ROUNDS))


def test_whatever_lies_on_flash_the_device_starts_and_answers(part: int) -> None:
    for seed in range(part, MUTATIONS, ROUNDS):
        check(seed)
