"""The trace of a conversation, and that the library logs nothing unless it is asked to."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from openknead.errors import TraceError
from openknead.trace import TracedLink, traced

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ")


class Wire:
    """A link that answers with the pieces it was given."""

    port = "/dev/ttyTEST"
    shared = False

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.written = b""
        self.closed = False

    def read(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


def lines(path: Path) -> list[str]:
    """The trace's lines without their times, which have to be there."""
    found = path.read_text(encoding="ascii").splitlines()
    assert all(STAMP.match(line) for line in found), found
    return [STAMP.sub("", line) for line in found]


def test_lines_are_traced_whole_however_they_arrive(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    wire = Wire(b'{"a', b'":1}\r', b'\n{"b":2}\n\xff\x1b[31m\n>>', b"")
    link = TracedLink(wire, path)
    link.write(b'{"method":"hello"}\n')
    assert b"".join(link.read() for _ in range(4)) == b'{"a":1}\r\n{"b":2}\n\xff\x1b[31m\n>>'
    assert len(lines(path)) == 5  # at once, not only when it is closed
    link.close()
    link.close()
    assert wire.closed and wire.written == b'{"method":"hello"}\n'
    assert lines(path) == [
        "# /dev/ttyTEST",
        '> {"method":"hello"}',
        '< {"a":1}',
        '< {"b":2}',
        r"< \xff\x1b[31m",
        "< >>",
    ]


def test_traces_are_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.txt"
    monkeypatch.setenv("OPENKNEAD_TRACE", str(path))
    for _ in range(2):
        traced(Wire()).close()
    assert lines(path) == ["# /dev/ttyTEST"] * 2


def test_without_the_variable_a_link_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENKNEAD_TRACE", raising=False)
    wire = Wire()
    assert traced(wire) is wire


def test_a_trace_that_cannot_be_written_releases_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENKNEAD_TRACE", str(tmp_path / "missing" / "trace.txt"))
    wire = Wire()
    with pytest.raises(TraceError, match="No such file"):
        traced(wire)
    assert wire.closed and wire.written == b""


def test_the_library_is_quiet_by_default(capfd: pytest.CaptureFixture[str]) -> None:
    import openknead.link  # noqa: F401 (brings the handler that keeps it quiet)

    logging.getLogger("openknead.channel").warning("not for the terminal")
    assert capfd.readouterr().err == ""
