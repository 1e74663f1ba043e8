"""Framing: what goes over the wire comes back, and nothing else gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openknead.framing import ChecksumError, FrameError, LineReader, crc16, decode, encode

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
messages = st.dictionaries(st.text(), json_values, max_size=5)


def test_checksum_is_the_published_one() -> None:
    assert crc16(b"123456789") == 0x29B1


@given(messages)
def test_a_message_survives_the_wire(message: dict[str, object]) -> None:
    line = encode(message)

    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode(line[:-1]) == message


@given(messages)
def test_a_request_never_contains_the_byte_that_stops_the_firmware(message: dict[str, object]) -> None:
    assert b"\x03" not in encode(message)


@given(messages, st.data())
def test_a_changed_byte_never_passes_for_the_message(message: dict[str, object], data: st.DataObject) -> None:
    line = bytearray(encode(message)[:-1])
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= data.draw(st.integers(1, 255))

    try:
        received = decode(bytes(line))
    except FrameError:
        return
    assert received == message  # the case of a checksum's own hex digit


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b">>> ",
        b"[]",
        b'"text"',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1',
        b"\xff\xfe{}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b"9" * 4500 + b"}",
    ],
)
def test_what_is_no_json_object_is_a_frame_error(line: bytes) -> None:
    with pytest.raises(FrameError):
        decode(line)


def test_a_wrong_checksum_is_told_from_noise() -> None:
    with pytest.raises(ChecksumError):
        decode(b'{"id":1}*0000')


def test_nan_is_not_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode({"value": float("nan")})


@given(
    st.lists(st.binary(max_size=40).filter(lambda line: not set(b"\r\n") & set(line)), max_size=8), st.data()
)
def test_lines_come_out_whole_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\r\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    reader = LineReader()

    received = [line for piece in pieces for line in reader.feed(piece)]

    assert received == [line for line in lines if line]


@given(st.lists(st.binary(max_size=600), max_size=30))
def test_noise_costs_no_memory_and_no_later_line(noise: list[bytes]) -> None:
    reader = LineReader(limit=256)
    for piece in noise:
        assert all(len(line) <= 256 for line in reader.feed(piece))
        assert len(reader.tail) <= 256

    reader.feed(b"\n")

    assert reader.feed(b'{"id":1}\n') == [b'{"id":1}']


def test_an_endless_line_is_dropped_and_counted_once() -> None:
    reader = LineReader()
    for _ in range(160):
        assert reader.feed(b"x" * 65536) == []

    assert reader.feed(b"tail\nnext\n") == [b"next"]
    assert reader.dropped == 1
