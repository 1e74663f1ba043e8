"""`knead flash` on the emulated Pico: real MicroPython, littlefs and restarts, behind a real serial port."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from flash_support import RECORDS, SAVED, users
from openknead.flash import images
from openknead.flash.build import content_hash, firmware_files
from openknead.flash.install import complete
from openknead_sim.emulator import filesystem
from served_port import PATIENCE_S, Port

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.emulator_long,
    pytest.mark.xdist_group("emulator"),
    pytest.mark.timeout(3600),
]

FLASH_S = 1500  # a whole run, on a busy machine
PLAIN_LOW = "5 1 0"  # SIO, driven, low
UNIT = Path(__file__).resolve().parents[1] / "unit"


def firmware_of(flash):
    """The firmware in a littlefs image, and the hash that was agreed to."""
    return {
        path: data
        for path, data in filesystem.read(flash.read_bytes()).items()
        if path in ("boot.py", "main.py", "content") or path.startswith("massager/")
    }


def old_firmware():
    """Precompiled, with a module that has changed since, and one that there is no more."""
    source = firmware_files("source")["massager/areas.py"]
    files = firmware_files(
        "native", {"massager/areas.py": source + b"\nOLD = 1\n", "massager/ancient.py": b""}
    )
    files["main.py"] += b"# old\n"
    return {**files, "content": content_hash(files).encode()}


def test_blank_pico_becomes_a_verified_device_and_a_second_run_sends_nothing(serve):
    with serve() as port:
        first = port.knead("flash", timeout_s=FLASH_S)
        second = port.knead("flash", timeout_s=FLASH_S)
        assert port.motor_pins() == [PLAIN_LOW] * 3

    wanted = complete(firmware_files("native"))
    assert firmware_of(serve.flash) == wanted
    assert first["bytes_sent"] == sum(map(len, wanted.values()))
    assert first["selftest"]["state"] == "passed"
    assert first["fault"] is None
    assert (second["bytes_sent"], second["changed"]) == (0, [])


def test_killed_twice_on_the_way_the_third_run_completes_and_nothing_is_lost(serve):
    with serve({**old_firmware(), **users()}, wait=False) as port:
        for at in ("send:1", "enable:0"):
            command = [sys.executable, str(UNIT / "flash_support.py"), port.name, at, str(PATIENCE_S)]
            killed = subprocess.run(command, capture_output=True, text=True, timeout=FLASH_S)
            assert killed.returncode == -signal.SIGKILL, killed.stderr
        report = port.knead("flash", timeout_s=FLASH_S)
        settings = {row["name"]: row["value"] for row in port.knead("get")["settings"]}

    assert report["comparison"]["lost"] == []
    assert report["comparison"]["kept"]["programs"] == 2
    assert report["comparison"]["kept"]["records"] >= RECORDS
    assert report["fault"] is None
    assert {name: settings[name] for name in SAVED} == SAVED
    assert firmware_of(serve.flash) == complete(firmware_files("native"))


def test_chip_in_bootsel_mode_runs_the_image_that_was_copied_to_its_drive(serve, image, tmp_path):
    drive = tmp_path / "drive"
    drive.mkdir()
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n")
    link, done = tmp_path / "port", threading.Event()
    copied = tmp_path / "copied.uf2"
    size = image().stat().st_size

    def chip():
        """Once the image is there the drive goes, and the chip starts with it."""
        while not any(path.stat().st_size == size for path in drive.glob("*.uf2")):
            time.sleep(0.1)
        shutil.copy(next(drive.glob("*.uf2")), copied)
        shutil.rmtree(drive)
        with serve({**old_firmware(), **users()}, uf2=copied, wait=False) as port:
            os.symlink(port.name, link)
            done.wait()

    thread = threading.Thread(target=chip)
    thread.start()
    try:
        report = Port(str(link)).knead("flash", "--drive", str(drive), timeout_s=FLASH_S)
    finally:
        done.set()
        thread.join()

    assert copied.read_bytes() == image().read_bytes()
    assert report["image_bytes"] == size
    assert report["micropython"] == images.REFERENCE
    assert report["comparison"]["lost"] == []
    assert report["selftest"]["state"] == "passed"
    assert firmware_of(serve.flash) == complete(firmware_files("native"))
