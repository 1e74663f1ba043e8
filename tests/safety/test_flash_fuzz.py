"""A short run of the flash fuzz, and that it can fail; `make fuzz` is the long one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import fuzz
import pytest
from openknead_sim.flash import Flash

SEEDS = range(1_000_000, 1_000_080)


def test_whatever_lies_on_the_flash_the_device_answers_with_its_motor_off() -> None:
    found, failed = fuzz.run(SEEDS)
    assert failed == []
    assert sum(found.values()) == len(SEEDS)
    assert found[fuzz.INTACT] > len(SEEDS) // 2


def test_the_same_seed_gives_the_same_image() -> None:
    for seed in (2, 3):
        assert fuzz.mutated(seed) == fuzz.mutated(seed) != fuzz.used_image(True)


def test_a_firmware_that_ends_is_found_and_its_image_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    flash = Flash(fuzz.used_image(False))
    code = flash.read_file("/massager/journal.py") or b""
    monkeypatch.setattr(fuzz, "KEPT", tmp_path)
    monkeypatch.setattr(fuzz, "is_intact", lambda image: True)
    flash.write_file("/massager/journal.py", code.replace(b"def _is_segment(name):", b"def _is_segment(x):"))
    monkeypatch.setattr(fuzz, "mutated", lambda seed: flash.image)
    said: list[str] = []
    _, failed = fuzz.run(range(5, 6), said.append)
    assert failed == [5]
    assert "the prompt" in said[0] and "NameError" in said[0]
    assert (tmp_path / "seed-5.img").read_bytes() == flash.image


@pytest.mark.parametrize(
    ("end", "outcome"), [(lambda: os._exit(9), "ended with 9"), (lambda: time.sleep(60), "no end within 1 s")]
)
def test_a_process_that_dies_or_hangs_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, end: Callable[[], None], outcome: str
) -> None:
    def play(seed: int) -> tuple[str, bool]:
        if seed == 7:
            end()
        return fuzz.INTACT, True

    monkeypatch.setattr(fuzz, "KEPT", tmp_path)
    monkeypatch.setattr(fuzz, "HANG_S", 1)
    monkeypatch.setattr(fuzz, "play", play)
    said: list[str] = []
    found, failed = fuzz.run(range(5, 9), said.append)
    assert failed == [7] and found == {fuzz.INTACT: 3, "WRONG": 1}
    assert outcome in said[0]
