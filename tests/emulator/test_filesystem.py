"""Littlefs images and the firmware in them. Needs no MicroPython image."""

import pytest
from littlefs.errors import LittleFSError
from openknead_sim.emulator import filesystem, firmware


def test_files_come_back_as_they_went_in():
    files = {"boot.py": b"", "massager/app.mpy": bytes(range(256)) * 20, "a/b/c.txt": b"deep"}
    image = filesystem.build(files)
    assert len(image) == filesystem.FS_SIZE
    assert filesystem.read(image) == files


def test_reading_what_is_no_file_system_fails_instead_of_finding_nothing():
    with pytest.raises(LittleFSError):
        filesystem.read(b"\xff" * filesystem.FS_SIZE)


def test_precompiled_install_leaves_only_the_started_files_as_sources():
    files = firmware.firmware_files()
    assert sorted(name for name in files if name.endswith(".py")) == ["boot.py", "main.py"]
    assert files["massager/board.mpy"].startswith(b"M\x06")


def test_source_install_is_the_firmware_as_it_is():
    files = firmware.firmware_files("source")
    root = firmware.firmware_folder()
    assert files
    assert all(data == (root / name).read_bytes() for name, data in files.items())


def test_replaced_file_is_installed_instead():
    files = firmware.firmware_files("source", replace={"main.py": b"raise SystemExit\n"})
    assert files["main.py"] == b"raise SystemExit\n"


def test_source_that_does_not_compile_is_named():
    with pytest.raises(ValueError, match=r"massager/app\.py does not compile"):
        firmware.compile_mpy(b"def (", "massager/app.py")


def test_pin_map_is_the_boards():
    pins = firmware.pin_map()
    assert pins["RUN_REQ"] == 3
    assert pins["MOT_PWM"] == 16
    assert len(set(pins.values())) == len(pins)
