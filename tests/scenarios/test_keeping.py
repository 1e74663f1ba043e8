"""Settings on a flash that is damaged, foreign, full or without power: on the virtual board's littlefs."""

from __future__ import annotations

import binascii
import json
from typing import Any

import pytest
from openknead_sim.flash import Flash, Torn
from openknead_sim.packaged import new_flash
from openknead_sim.rpc import RpcError
from openknead_sim.virtual import VirtualBoard


def record(sequence: int, values: dict[str, Any]) -> bytes:
    """A record file as the firmware's store documents it."""
    body = json.dumps(values).encode()
    crc = binascii.crc32(b"%d " % sequence + body)
    return b"OK1 %d %d %08x\n" % (sequence, len(body), crc) + body


def boot(files: dict[str, bytes] | None = None, flash: Flash | None = None) -> VirtualBoard:
    """A board that has just booted with these files beside its firmware."""
    flash = flash or new_flash()
    for name, content in (files or {}).items():
        flash.write_file("/" + name, content)
    board = VirtualBoard(seed=1, flash=flash)
    board.power_on()
    board.run_ms(300)
    return board


LARGE = {f"key_{n:060}": n for n in range(30)}  # too long to lie beside its name, where there is always room
FILLERS = ("/filler.bin", "/filler_2.bin", "/filler_3.bin")


def fill(flash: Flash) -> None:
    """Use up the last block."""
    flash.fill()
    for name in FILLERS[1:]:
        try:
            flash.write_file(name, b"\x5a" * 3000)
        except OSError:
            continue
    with pytest.raises(OSError, match="28"):
        flash.write_file("/one_more.bin", b"\x5a" * 3000)
    flash.remove("/one_more.bin")


def value(board: VirtualBoard, name: str) -> Any:
    return board.rpc("settings.get", name=name)["value"]


def invalid(board: VirtualBoard) -> bool:
    """Whether a start is refused, by button as well, because the settings were not valid."""
    reported = "settings_invalid" in board.rpc("status")["refusals"]
    board.press("plus")
    board.run_ms(100)
    started = board.rpc("status")["state"] == "RUNNING"
    board.rpc("session.stop")
    assert started != reported
    return reported


@pytest.mark.parametrize(
    "content",
    [b"", record(3, {"area_s": 60})[:-5], record(3, {"area_s": 60})[:10], b"\x00" * 300, b"\xff" * 10,
     b"OK1 \xff\xfe\n", b"OK1 -1 2 0\n{}", record(3, {"area_s": 60}).replace(b"60", b"61"), b"OK1 1\n",
     b"[" * 3000],
    ids=["empty", "truncated", "header only", "zeros", "erased", "no UTF-8", "negative", "a digit", "short",
         "brackets"],
)  # fmt: skip
def test_a_damaged_record_means_defaults_and_is_reported_until_saved(content: bytes) -> None:
    board = boot({"settings.a": content})
    assert value(board, "area_s") == 90
    assert invalid(board)
    board.rpc("settings.save")
    assert not invalid(board)
    board.reset()
    board.run_ms(300)
    assert not invalid(board)


def test_no_record_at_all_is_a_new_device_and_no_error() -> None:
    assert not invalid(boot())


@pytest.mark.parametrize("damage", [b"", b"OK1 7 "], ids=["empty", "truncated"])
def test_beside_a_damaged_record_the_older_one_counts(damage: bytes) -> None:
    board = boot({"settings.a": record(6, {"area_s": 60}), "settings.b": damage})
    assert value(board, "area_s") == 60
    assert not invalid(board)


def test_the_newer_of_two_records_counts() -> None:
    board = boot({"settings.a": record(6, {"area_s": 60}), "settings.b": record(7, {"area_s": 70})})
    assert value(board, "area_s") == 70


def test_a_record_of_a_newer_firmware_keeps_what_this_one_does_not_know() -> None:
    flash = new_flash()
    board = boot({"settings.a": record(9, {"area_s": 60, "glow": 7, "nested": {"a": [1, None]}})}, flash)
    assert value(board, "area_s") == 60
    assert not invalid(board)
    board.agreed("settings.set", values={"slew_s": 3})
    assert board.rpc("settings.save")["sequence"] == 10
    kept = json.loads((flash.read_file("/settings.b") or b"").split(b"\n", 1)[1])
    assert (kept["glow"], kept["nested"], kept["slew_s"], kept["area_s"]) == (7, {"a": [1, None]}, 3, 60)


def test_a_record_full_of_unknown_keys_is_carried_along() -> None:
    flash = new_flash()
    board = boot({"settings.a": record(1, LARGE)}, flash)
    assert not invalid(board)
    board.rpc("settings.save")
    kept = json.loads((flash.read_file("/settings.b") or b"").split(b"\n", 1)[1])
    assert LARGE.items() <= kept.items()


@pytest.mark.parametrize(
    "stored",
    [{"area_s": 29}, {"area_s": "60"}, {"area_s": None}, {"area_s": True}, {"remote_start": 1},
     {"session_limit_s": 901}, {"area_s": 1e999}, {"min_level": 9, "max_level": 4}],
    ids=lambda stored: json.dumps(stored),
)  # fmt: skip
def test_values_that_are_not_valid_are_replaced_and_refuse_the_start(stored: dict[str, Any]) -> None:
    board = boot({"settings.a": record(2, {**stored, "slew_s": 5})})
    for name in stored:
        default = {
            "area_s": 90,
            "remote_start": False,
            "session_limit_s": 600,
            "min_level": 1,
            "max_level": 11,
        }
        assert value(board, name) == default[name]
    assert value(board, "slew_s") == 5  # its neighbours count
    assert invalid(board)
    board.rpc("settings.save")
    assert not invalid(board)


def test_a_full_flash_is_reported_and_the_old_settings_stay() -> None:
    flash = new_flash()
    board = boot({"settings.a": record(1, LARGE)}, flash)
    board.rpc("settings.set", values={"area_s": 60})
    board.rpc("settings.save")
    fill(flash)
    board.rpc("settings.set", values={"area_s": 120})
    with pytest.raises(RpcError) as e:
        board.rpc("settings.save")
    assert e.value.name == "flash_full" and e.value.data["remedy"]
    assert board.rpc("status")["unsaved"] == ["area_s"]
    board.reset()
    board.run_ms(500)
    assert value(board, "area_s") == 60
    assert not invalid(board)
    for name in FILLERS:
        flash.remove(name)
    board.rpc("settings.set", values={"area_s": 120})
    board.rpc("settings.save")
    board.reset()
    board.run_ms(500)
    assert value(board, "area_s") == 120


def test_a_flash_that_fails_is_reported_and_the_old_settings_stay() -> None:
    flash = new_flash()
    board = boot(flash=flash)
    board.rpc("settings.set", values={"area_s": 60})
    board.rpc("settings.save")
    board.rpc("settings.set", values={"area_s": 120})
    flash.chip.failing = True
    with pytest.raises(RpcError) as e:
        board.rpc("settings.save")
    assert e.value.name == "flash_failed"
    flash.chip.failing = False
    board.reset()
    board.run_ms(500)
    assert value(board, "area_s") == 60


def save(board: VirtualBoard, number: int) -> None:
    """Save the settings of a number, without waiting for an answer that may not come."""
    board.agreed("settings.set", values={"area_s": 60 + number, "day_limit_min": SAVES + 1 - number})
    board.send(b'{"jsonrpc":"2.0","id":1,"method":"settings.save"}\n')
    board.run_ms(400)


SAVES = 10


@pytest.mark.parametrize("torn", ["none", "half", "all"])
def test_power_may_fail_at_every_flash_operation_of_many_saves(torn: Torn) -> None:
    board = boot()
    save(board, 1)
    image = board.flash.image
    seen = set()
    for operations in range(500):
        flash = Flash(image)
        board = boot(flash=flash)
        flash.chip.cut_power_after(operations, torn)
        number = 1
        while board.powered and number < SAVES:
            number += 1
            save(board, number)
        if board.powered:
            break
        board.power_on()
        board.run_ms(300)
        found = SAVES + 1 - value(board, "day_limit_min")
        assert found in (number - 1, number), (operations, found)
        assert value(board, "area_s") == 60 + found
        assert not invalid(board)
        seen.add(number - found)
        board.rpc("settings.save")  # and it can be saved again
    assert operations > 2 * SAVES
    assert seen == {0, 1}  # 0: the cut came while the journal wrote that they are saved


def test_power_may_fail_while_a_full_flash_is_tidied_up() -> None:
    flash = new_flash()
    board = boot({"settings.a": record(1, LARGE)}, flash)
    board.rpc("settings.set", values={"area_s": 60})
    board.rpc("settings.save")
    fill(flash)
    image = flash.image
    for operations in range(200):
        flash = Flash(image)
        board = boot(flash=flash)
        board.rpc("settings.set", values={"area_s": 80})
        flash.chip.cut_power_after(operations, "half")
        board.send(b'{"jsonrpc":"2.0","id":1,"method":"settings.save"}\n')
        board.run_ms(1000)
        if board.powered:
            break
        board.power_on()
        board.run_ms(300)
        assert value(board, "area_s") == 60
    assert operations > 0
