"""Wire: lines and checksums, byte by byte."""

from massager import wire
from support import MemoryConsole


def crc16(data):
    """CRC-16/CCITT-FALSE bit by bit, as its definition says."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def read(data):
    """(kind, text, checked) of every line in data."""
    reader = wire.LineReader()
    lines = []
    for byte in data:
        kind = reader.feed(byte)
        if kind:
            lines.append((kind, bytes(reader.data[: reader.length]), reader.checked))
    return lines


def sent(text, checked):
    console = MemoryConsole()
    writer = wire.LineWriter(console)
    writer.begin(text, checked)
    while writer.pump():
        pass
    assert not writer.busy
    return bytes(console.sent)


def test_crc_is_the_published_one():
    assert crc16(b"123456789") == 0x29B1


def test_a_plain_line_needs_no_checksum():
    assert read(b'{"a":1}\r\n\n{}\n') == [(wire.LINE, b'{"a":1}', False), (wire.LINE, b"{}", False)]


def test_a_right_checksum_is_taken_off_in_either_case():
    text = b'{"a":"*"}'
    for form in (b"*%04X\n", b"*%04x\r\n"):
        assert read(text + form % crc16(text)) == [(wire.LINE, text, True)]


def test_a_wrong_checksum_is_noticed_wherever_the_bit_flipped():
    line = b'{"id":1}*%04X' % crc16(b'{"id":1}')
    assert read(line + b"\n")[0][0] == wire.LINE
    for at in range(8):
        for bit in range(7):
            bad = bytearray(line)
            bad[at] ^= 1 << bit
            if bad[at] not in (10, 13, 42):
                assert read(bytes(bad) + b"\n")[0][0] == wire.BAD_CHECKSUM, bad


def test_text_that_only_looks_like_a_checksum_stays_text():
    for line in (b"*12", b"{}*12G4", b"{}*1234 ", b"1*2*34"):
        assert read(line + b"\n") == [(wire.LINE, line, False)]


def test_512_bytes_with_the_newline_fit_and_one_more_does_not():
    assert read(b"a" * 511 + b"\n") == [(wire.LINE, b"a" * 511, False)]
    assert read(b"a" * 512 + b"\n")[0][0] == wire.TOO_LONG


def test_an_endless_line_is_dropped_to_its_end_and_the_next_is_read():
    def endless():
        for _ in range(20_000):
            yield 120
        for byte in b"\n{}\n":
            yield byte

    lines = read(endless())
    assert [line[0] for line in lines] == [wire.TOO_LONG, wire.LINE]
    assert lines[1][1] == b"{}"


def test_the_writer_adds_what_the_reader_checks():
    assert sent("{}", False) == b"{}\n"
    for text in ("{}", '{"doc":"Grüße *"}'):
        assert read(sent(text, True)) == [(wire.LINE, text.encode(), True)]


def test_a_full_console_stops_the_writer_and_loses_nothing():
    console = MemoryConsole()
    writer = wire.LineWriter(console)
    writer.begin('{"a":1}', True)
    for _ in range(100):
        console.room = 1
        while writer.pump():
            pass
    assert read(bytes(console.sent)) == [(wire.LINE, b'{"a":1}', True)]


def test_a_dropped_line_still_ends():
    console = MemoryConsole()
    writer = wire.LineWriter(console)
    console.room = 3
    writer.begin('{"a":1}', True)
    while writer.pump():
        pass
    writer.drop()
    console.room = None
    while writer.pump():
        pass
    assert bytes(console.sent) == b'{"a\n'
    assert not writer.busy
