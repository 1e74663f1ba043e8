"""Documents and files: what a user wrote comes back byte for byte, and a damaged document is told."""

from __future__ import annotations

import json
import random
import zlib
from string import ascii_letters

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openknead.programs import template
from openknead.programs.check import check, of_wire
from openknead.programs.document import SOURCE_MAX, DocumentError, pack, unpack
from openknead.programs.model import Program, Stage
from openknead.programs.text import dump
from programs_support import CALVES, built_in, firmware, lines, programs, stages


@given(programs(8), st.binary(max_size=500))
def test_a_document_gives_name_stages_and_file_back(program: Program, source: bytes) -> None:
    name, wire, back = unpack(pack(program, source))

    assert back == source
    assert of_wire(name, wire).stages == program.stages


@given(programs(8), st.binary(max_size=200))
def test_the_firmware_reads_the_document(program: Program, source: bytes) -> None:
    found = firmware("library").parse(pack(program, source))

    assert found == {"name": program.name, "stages": [stage.wire() for stage in program.stages]}
    assert firmware("program").mistake(found["name"], found["stages"]) is None


def test_a_document_is_laid_out_as_the_protocol_says() -> None:
    document = pack(
        Program("ä".replace("ä", "a"), (Stage("ü", 5, "steady", 3, 3, area="foot"),)), b"text\r\n"
    )
    head, line, packed = document.split(b"\n", 2)

    assert head == b"OKP1 %08x" % zlib.crc32(line + b"\n" + packed)
    assert line == '{"name":"a","stages":[["ü",5,"steady",3,3,0,"foot","stage"]]}'.encode()
    assert zlib.decompress(packed) == b"text\r\n"


@given(programs(3), st.data())
def test_a_damaged_document_is_noticed(program: Program, data: st.DataObject) -> None:
    document = pack(program, b"source")
    place = data.draw(st.integers(0, len(document) - 1))
    damaged = bytearray(document)
    damaged[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(DocumentError):
        unpack(bytes(damaged))
    with pytest.raises(DocumentError):
        unpack(document[:place])


def document(rest: bytes) -> bytes:
    return b"OKP1 %08x\n" % zlib.crc32(rest) + rest


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"[]\n",
        b"{}\n",
        b'{"name":1,"stages":[]}\n',
        b'{"name":"a","stages":3}\n',
        b"[" * 100_000 + b"\n",
        b'{"name":"a","stages":[]}\n',
        b'{"name":"a","stages":[]}\nnot zlib',
        b'{"name":"a","stages":[]}\n' + zlib.compress(b"x")[:-2],
        b'{"name":"a","stages":[]}\n' + zlib.compress(b"x" * (SOURCE_MAX + 1)),
        b'{"name":"a","stages":[]}\n' + zlib.compress(b"x" * 50_000_000),
    ],
)
def test_a_document_of_somebody_else_is_refused(rest: bytes) -> None:
    with pytest.raises(DocumentError) as caught:
        unpack(document(rest))
    assert caught.value.remedy


def test_the_largest_file_comes_back() -> None:
    source = b"x" * SOURCE_MAX
    assert unpack(pack(Program("a", ()), source))[2] == source


def test_comments_and_line_ends_of_a_file_survive() -> None:
    source = CALVES.replace("\n", "\r\n").encode()
    report = check(source)
    assert unpack(report.document)[2] == source


@given(st.lists(stages(), min_size=1, max_size=24))
def test_a_stage_survives_file_and_wire(listed: list[Stage]) -> None:
    for stage in listed:
        assert Stage.of(stage.table()) == stage
        assert of_wire("a", json.loads(json.dumps([stage.wire()]))).stages == (stage,)


def test_the_longest_list_of_stages_leaves_room_for_its_file() -> None:
    chance = random.Random(1)
    listed = tuple(
        Stage(
            "".join(chance.choices(ascii_letters, k=24)),
            37,
            "pulse",
            10,
            11,
            900,
            "quadriceps_right",
            "move_on",
        )
        for _ in range(24)
    )
    report = check(dump(Program("x" * 24, listed)).encode())
    assert report.errors == []


@pytest.mark.parametrize(
    "wire",
    [
        [["x", 5, "steady", 3, 4, 0, "", "none"]],
        [["x", 5, "off", 1, 0, 0, "", "none"]],
        [["x", 5, "ramp", 1, 2, 7, "", "none"]],
        [["x", 5, "steady", 3, 3, 0, ""]],
        [[1, 2, 3, 4, 5, 6, 7, 8]],
        [["x", 5, "wave", 2, 3, 0, "", "none"]],
        [],
    ],
)
def test_stages_that_no_device_can_have_are_refused(wire: list[list[object]]) -> None:
    with pytest.raises(ValueError, match=r"."):
        of_wire("a", wire)


@given(programs(6), lines)
def test_a_new_file_takes_stages_and_texts_over(program: Program, file: str) -> None:
    report = check(template.new("mine", "mine.toml", program).encode())
    if not report.errors:  # the comments may be too much for the device
        assert report.program
        assert report.program.stages == program.stages
        assert (report.program.name, report.program.purpose) == ("mine", program.purpose)


def test_a_new_file_has_no_problem_and_leaves_room() -> None:
    report = check(template.new("mine", "mine.toml").encode())
    assert report.problems == ()
    assert len(report.document) < 1500
    for name, row in built_in().items():
        like = of_wire(name, row["stages"], title=row["title"], purpose=row["purpose"])
        assert check(template.new("mine", "mine.toml", like).encode()).errors == [], name
