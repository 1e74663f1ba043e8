"""Wrong constants of motor and tach, however they were set: the true rate is off, which is noticed."""

from __future__ import annotations

import json
from binascii import crc32

import pytest
from openknead_sim.packaged import new_flash
from openknead_sim.plant import Hand
from openknead_sim.virtual import VirtualBoard

LEVELS = range(1, 12)
PIECE_MS = 100
AFTER_MS = 3_000  # at the level at last


def saved(values: dict[str, int]) -> bytes:
    """The record of settings as the firmware keeps it."""
    body = json.dumps(values).encode()
    return b"OK1 1 %d %08x\n" % (len(body), crc32(b"1 " + body)) + body


def fault_at(level: int, constants: dict[str, int], pressure: float = 0.0) -> str | None:
    """The fault that a session by button at a level comes to."""
    flash = new_flash()
    flash.write_file("/settings.a", saved({"default_level": level, "slew_s": 1, **constants}))
    with VirtualBoard(seed=level, hand=Hand(pressure), flash=flash) as board:
        board.run_ms(400)
        board.press("plus", PIECE_MS)
        for _ in range((1_000 * level + AFTER_MS) // PIECE_MS):
            board.run_ms(PIECE_MS)
            status = board.rpc("status")
            if status["fault"]:
                name: str = status["fault"]["name"]
                return name
        assert status["state"] == "RUNNING"
    return None


@pytest.mark.parametrize(
    "constants",
    [
        {"motor_ke_uvs": 22_000},
        {"tach_ppr": 2},
        {"motor_ke_uvs": 22_000, "tach_ppr": 2},  # wrong by the same factor: tach and back-EMF agree
        {"motor_ke_uvs": 33_000, "tach_ppr": 3},
        {"motor_ke_uvs": 55_000, "tach_ppr": 5},
        {"motor_ke_uvs": 55_000, "tach_ppr": 0},
    ],
    ids=str,
)
def test_a_factor_of_two_is_noticed_at_every_level(constants: dict[str, int]) -> None:
    assert [fault_at(level, constants) for level in LEVELS] == ["rate_mismatch"] * len(LEVELS)


@pytest.mark.parametrize("constants", [{"motor_ke_uvs": 33_000, "tach_ppr": 3}, {"tach_ppr": 2}], ids=str)
def test_a_heavy_hand_hides_it_at_no_level(constants: dict[str, int]) -> None:
    assert [fault_at(level, constants, 1.0) for level in LEVELS] == ["rate_mismatch"] * len(LEVELS)


def test_what_a_motor_may_be_off_is_no_fault() -> None:
    """Eight percent, the tolerance of the motor's constant."""
    for ke_uvs in (10_120, 11_000, 11_880):
        assert [fault_at(level, {"motor_ke_uvs": ke_uvs}) for level in LEVELS] == [None] * len(LEVELS)
