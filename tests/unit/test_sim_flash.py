"""The virtual flash: MicroPython's file calls on a real littlefs, power cuts at every operation."""

import errno
import random
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from multiprocessing import get_context

import pytest
from littlefs import lfs
from littlefs.errors import LittleFSError
from openknead_sim.flash import BLOCK_BYTES, BLOCKS, Flash, PowerCut
from openknead_sim.packaged import firmware_files, installed_files, new_flash


def number_of(call: Callable[[], object]) -> int:
    """The errno of the OSError that call() raises."""
    try:
        call()
    except OSError as e:
        return int(e.args[0])
    pytest.fail("no error")


def test_files_read_back_as_bytes_and_text():
    flash = Flash()
    with flash.open("/a.txt", "w") as f:
        assert f.write("grüße\nzwei\n") == 11
    with flash.open("a.txt", "rb") as f:
        assert f.read() == "grüße\nzwei\n".encode()
    with flash.open("/a.txt") as f:
        assert f.readline() == "grüße\n"
        assert f.read(2) == "zw"
        assert f.read() == "ei\n"
        assert f.read() == ""
    buffer = bytearray(4)
    with flash.open("/a.txt", "rb") as f:
        assert f.readinto(buffer) == 4
        assert f.seek(0) == 0
        assert list(f) == ["grüße\n".encode(), b"zwei\n"]


def test_append_truncate_and_exclusive_modes():
    flash = Flash()
    for mode, text in (("w", "one"), ("a", "two")):
        with flash.open("/f", mode) as f:
            f.write(text)
    assert flash.read_file("/f") == b"onetwo"
    assert number_of(lambda: flash.open("/f", "x")) == errno.EEXIST


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda f: f.open("/none"), errno.ENOENT),
        (lambda f: f.open("/no/folder", "w"), errno.ENOENT),
        (lambda f: f.open("/d"), errno.EISDIR),
        (lambda f: f.remove("/none"), errno.ENOENT),
        (lambda f: f.rename("/none", "/x"), errno.ENOENT),
        (lambda f: f.mkdir("/d"), errno.EEXIST),
        (lambda f: f.rmdir("/d"), errno.ENOTEMPTY),
        (lambda f: f.stat("/none"), errno.ENOENT),
        (lambda f: f.listdir("/none"), errno.ENOENT),
        (lambda f: f.chdir("/none"), errno.ENOENT),
    ],
)
def test_errors_carry_the_number_that_micropython_gives(call, code):
    flash = Flash()
    flash.write_file("/d/inside", b"1")
    assert number_of(lambda: call(flash)) == code


def test_folders_and_relative_paths():
    flash = Flash()
    flash.write_file("/lib/deep/x.py", b"12345")
    flash.chdir("lib")
    assert flash.getcwd() == "/lib"
    assert flash.listdir() == ["deep"]
    assert list(flash.ilistdir("deep")) == [("x.py", 0x8000, 0, 5)]
    assert flash.stat("deep/../deep/x.py")[6] == 5
    assert flash.stat("/")[0] == 0x4000


def test_full_flash_is_reported_and_old_files_stay():
    flash = new_flash()
    flash.write_file("/keep", b"old")
    flash.fill()
    assert number_of(lambda: flash.write_file("/big", b"x" * 3 * BLOCK_BYTES)) == errno.ENOSPC
    assert flash.read_file("/keep") == b"old"


def test_a_failing_flash_chip_is_an_input_output_error():
    flash = Flash()
    flash.chip.failing = True
    assert number_of(lambda: flash.write_file("/f", b"x" * 2000)) == errno.EIO


def save(flash: Flash, content: bytes) -> None:
    """The way to replace a file whole: under another name, then renamed."""
    with flash.open("/new", "wb") as f:
        f.write(content)
    flash.rename("/new", "/record")


@pytest.mark.parametrize("torn", ["none", "half", "all"])
def test_a_power_cut_at_any_operation_leaves_old_or_new_whole(torn):
    flash = Flash()
    old = b"0" * 600
    save(flash, old)
    for cut in range(100):
        new = bytes([65 + cut % 26]) * 600
        flash.chip.cut_power_after(cut, torn)
        try:
            save(flash, new)
        except PowerCut:
            flash.mount()
            assert not flash.formatted
            found = flash.read_file("/record")
            assert found in (old, new)
            old = found
        else:
            flash.chip.cut_at = None
            assert cut >= 2, "a save takes several operations"
            assert flash.read_file("/record") == new
            return
    pytest.fail("the save never got through")


def test_nothing_happens_after_a_cut_until_power_is_back():
    flash = Flash()
    flash.write_file("/a", b"1")
    flash.chip.cut_power_after(0)
    with pytest.raises(PowerCut):
        flash.write_file("/b", b"2" * 600)
    image = flash.image
    with pytest.raises(PowerCut):
        flash.write_file("/c", b"3")
    with pytest.raises(PowerCut):
        flash.read_file("/a")
    assert flash.image == image
    flash.mount()
    assert flash.read_file("/a") == b"1"


def test_a_file_open_over_a_cut_is_dead():
    flash = Flash()
    f = flash.open("/a", "wb")
    flash.mount()
    assert number_of(lambda: f.write(b"x")) == errno.EBADF


def test_programming_only_clears_bits():
    flash = Flash()
    chip = flash.chip
    chip.erase(None, 7)
    chip.prog(None, 7, 0, b"\x0f" * 256)
    chip.prog(None, 7, 0, b"\xf3" * 256)
    assert bytes(chip.read(None, 7, 0, 256)) == b"\x03" * 256


def test_flash_operations_take_their_time():
    flash = Flash()
    spent = []
    flash.on_busy = spent.append
    flash.write_file("/a", b"x" * 5000)
    assert sum(spent) >= 45_000
    spent.clear()
    flash.read_file("/a")
    assert spent == []


def test_the_image_is_kept_in_a_file(tmp_path):
    path = tmp_path / "flash.bin"
    flash = new_flash(path=path)
    flash.write_file("/settings.a", b"kept")
    flash.save()
    assert path.stat().st_size == BLOCKS * BLOCK_BYTES
    again = Flash(path=path)
    assert again.read_file("/settings.a") == b"kept"
    assert again.read_file("/main.py") == firmware_files()["main.py"]


def test_a_file_that_is_no_image_is_refused(tmp_path):
    path = tmp_path / "flash.bin"
    path.write_bytes(b"short")
    with pytest.raises(ValueError, match="bytes"):
        Flash(path=path)


def abuse(seeds: range) -> None:
    """Random file operations, most of them on a flash that refuses to be written or is full."""
    for seed in seeds:
        r = random.Random(seed)
        flash = Flash()
        for path in ("/a", "/b", "/d/x"):
            flash.write_file(path, r.randbytes(r.choice((0, 5, 400, 3000, 9000))))
        if r.random() < 0.3:
            flash.fill()
        files = []
        for _ in range(40):
            flash.chip.failing = r.random() < 0.6
            path = r.choice(("/a", "/b", "/d", "/d/x", "/d/y", "/new", "/a/z"))
            file = r.choice(files) if files else None
            with suppress(OSError):
                match r.randrange(10):
                    case 0 | 1:
                        files.append(flash.open(path, r.choice(("rb", "wb", "ab", "xb", "r+b", "w+b"))))
                    case 2 if file:
                        file.write(b"z" * r.choice((1, 100, 600, 5000)))
                    case 3 if file:
                        r.choice((file.close, file.flush, file.read, lambda f=file: f.seek(-1)))()
                    case 4:
                        flash.rename(path, r.choice(("/b", "/q", "/d/q")))
                    case 5:
                        r.choice((flash.remove, flash.mkdir, flash.listdir))(path)
                    case 6 | 7:
                        flash.write_file(path, b"y" * r.choice((1, 600, 5000)))
                    case 8:
                        flash.read_file(path)
                    case 9 if r.random() < 0.2:
                        flash.mount()
        flash.chip.failing = False
        flash.mount()
        assert not flash.formatted


def test_no_file_operation_aborts_the_process():
    process = get_context("fork").Process(target=abuse, args=(range(300),))
    process.start()
    process.join()
    assert process.exitcode == 0, "-6 is an assertion of littlefs"


def test_a_flash_that_refused_writes_takes_them_again():
    flash = Flash()
    flash.write_file("/old", b"o" * 700)
    reader = flash.open("/old", "rb")
    assert reader.read(3) == b"ooo"
    writer = flash.open("/new", "wb")
    flash.chip.failing = True
    assert number_of(lambda: writer.write(b"n" * 9000)) == errno.EIO
    assert number_of(lambda: flash.rename("/old", "/older")) == errno.EIO
    flash.chip.failing = False
    writer.close()
    assert reader.read() == b"o" * 697, "a reader goes on"
    flash.write_file("/new", b"n" * 9000)
    flash.mount()
    assert flash.read_file("/old") == b"o" * 700
    assert flash.read_file("/new") == b"n" * 9000


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f.open("/a", "rb").write(b"x"),
        lambda f: f.open("/a", "ab").read(),
        lambda f: f.open("/a", "wb").readinto(bytearray(3)),
        lambda f: f.open("/a", "w").readline(),
    ],
)
def test_reading_and_writing_against_the_mode_is_an_error(call):
    flash = Flash()
    flash.write_file("/a", b"abc")
    assert number_of(lambda: call(flash)) == errno.EBADF


def test_a_name_that_is_not_utf_8_can_be_listed_as_bytes():
    flash = Flash()
    flash.write_file("/d/plain", b"")
    fs = flash._fs
    lfs.file_close(fs.fs, lfs.file_open(fs.fs, "/d/\xff", "wb", "latin-1"))
    assert [entry[0] for entry in flash.ilistdir(b"/d")] == [b"plain", b"\xff"]
    with pytest.raises(UnicodeError):
        flash.listdir("/d")


def test_names_in_the_root_are_text_whatever_the_path_is_as_in_micropython():
    flash = new_flash()
    assert "main.py" in [entry[0] for entry in flash.ilistdir(b"/")]
    assert b"main.py" in [entry[0] for entry in flash.ilistdir(b"/.")]


def test_a_folder_that_cannot_be_read_to_its_end_has_none_as_in_micropython(monkeypatch):
    flash = new_flash()

    def read(*_):
        raise LittleFSError(-84)

    entries = flash.ilistdir(b"/massager")
    assert next(entries)[0] == b"__init__.py"
    monkeypatch.setattr(lfs, "dir_read", read)
    assert list(islice(entries, 500)) == [(b"", 0x4000, 0, 0)] * 500
    assert installed_files(flash) == {}
