"""UF2 files: what is cut off, damaged or for another chip is told before anything is written."""

from __future__ import annotations

import pytest
from flash_support import image
from hypothesis import given
from hypothesis import strategies as st
from openknead.flash import images, uf2
from openknead.flash.errors import ImageError, Uf2Error

BLOCKS = 5
WHOLE = image(BLOCKS)
HEAD_AND_TAIL = [*range(32), *range(508, 512)]  # of a block: everything that is not payload or padding


def test_sound_image_tells_its_size_and_where_it_ends() -> None:
    assert uf2.check(WHOLE) == uf2.Uf2(BLOCKS * 256, uf2.FLASH_START + BLOCKS * 256)


@given(st.integers(0, len(WHOLE) - 1))
def test_file_that_is_cut_off_anywhere_is_refused(size: int) -> None:
    with pytest.raises(Uf2Error):
        uf2.check(WHOLE[:size])


@given(st.integers(0, BLOCKS - 1), st.sampled_from(HEAD_AND_TAIL), st.integers(0, 7))
def test_any_flipped_bit_outside_the_payload_is_noticed(block: int, place: int, bit: int) -> None:
    damaged = bytearray(WHOLE)
    damaged[block * 512 + place] ^= 1 << bit

    with pytest.raises(Uf2Error):
        uf2.check(bytes(damaged))


@given(st.permutations(range(BLOCKS)).filter(lambda order: order != list(range(BLOCKS))))
def test_blocks_in_another_order_are_refused(order: list[int]) -> None:
    with pytest.raises(Uf2Error, match="block"):
        uf2.check(b"".join(WHOLE[n * 512 : n * 512 + 512] for n in order))


@given(st.integers(0, BLOCKS - 1), st.integers(0, BLOCKS - 1))
def test_missing_and_repeated_blocks_are_refused(lost: int, twice: int) -> None:
    blocks = [WHOLE[n * 512 : n * 512 + 512] for n in range(BLOCKS)]
    without = blocks[:lost] + blocks[lost + 1 :]

    for wrong in (without, [*blocks, blocks[twice]], [*without, blocks[twice]]):
        if wrong != blocks:
            with pytest.raises(Uf2Error):
                uf2.check(b"".join(wrong))


@given(st.integers(0, 0xFFFFFFFF).filter(lambda family: family != uf2.RP2040))
def test_image_for_any_other_chip_is_refused(family: int) -> None:
    with pytest.raises(Uf2Error, match="needs one for RP2040"):
        uf2.check(image(BLOCKS, family))


def test_rp2350_image_names_the_chip_that_it_is_for() -> None:
    first = image(1, 0xE48BFF57)  # such files begin with a block for any chip of the series

    with pytest.raises(Uf2Error, match="RP2350"):
        uf2.check(first + image(2, 0xE48BFF59))


@given(st.binary(max_size=2048))
def test_any_other_file_is_refused(data: bytes) -> None:
    with pytest.raises(Uf2Error):
        uf2.check(data)


def test_image_larger_than_the_flash_is_refused() -> None:
    with pytest.raises(Uf2Error, match="flash"):
        uf2.check(image(uf2.FLASH_BYTES // 256 + 1))


@pytest.mark.parametrize("version", images.locked())
def test_locked_images_are_sound_and_end_before_the_files(version: str) -> None:
    try:
        data = images.find(version).read_bytes()
    except ImageError as missing:
        pytest.skip(str(missing))

    assert uf2.check(data).end <= uf2.FILES_START
