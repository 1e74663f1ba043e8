"""The udev rule: sound, installed once, renewed when stale, and only root's to change."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from openknead import ports, udev
from openknead.cli.root import run
from openknead.doctor.case import BOOTSEL

PAIR = re.compile(r'([A-Z_]+)(?:\{(\w+)\})?(==|!=|\+=|=)"([^"]*)"$')
MATCHES = {"ACTION", "SUBSYSTEM", "SUBSYSTEMS", "ATTR", "ATTRS", "ENV"}
ASSIGNS = {"ENV", "MODE", "TAG", "GOTO", "LABEL"}


def lines() -> list[list[tuple[str, str, str, str]]]:
    """The rules as (key, attribute, operator, value)."""
    found = []
    for line in udev.rule().splitlines():
        if line and not line.startswith("#"):
            pairs = [PAIR.match(part) for part in line.split(", ")]
            assert all(pairs), line
            found.append([match.groups(default="") for match in pairs if match])
    return found  # type: ignore[return-value]


def test_every_key_and_operator_is_one_of_udevs() -> None:
    for rule in lines():
        for key, _, operator, _ in rule:
            assert key in (MATCHES if operator in ("==", "!=") else ASSIGNS), rule
    jumps = {value for rule in lines() for key, _, _, value in rule if key == "GOTO"}
    labels = {value for rule in lines() for key, _, _, value in rule if key == "LABEL"}
    assert jumps == labels


def test_the_rule_gives_the_port_to_its_user_and_not_to_modem_manager() -> None:
    vid, pid = (f"{number:04x}" for number in ports.PICO)
    rule = next(rule for rule in lines() if ("SUBSYSTEM", "", "==", "tty") in rule)
    assert ("ATTRS", "idVendor", "==", vid) in rule
    assert ("ATTRS", "idProduct", "==", pid) in rule
    assert ("TAG", "", "+=", "uaccess") in rule
    assert ("ENV", "ID_MM_DEVICE_IGNORE", "=", "1") in rule
    assert ("MODE", "", "=", "0660") in rule, "nobody else may run the motor"


def test_the_rule_knows_the_boot_rom() -> None:
    vid, pid = next(ids for ids, chip in BOOTSEL.items() if chip == "RP2040")
    rule = next(rule for rule in lines() if ("ATTR", "idProduct", "==", f"{pid:04x}") in rule)
    assert ("ATTR", "idVendor", "==", f"{vid:04x}") in rule
    assert ("TAG", "", "+=", "uaccess") in rule


def test_the_file_is_read_before_the_tag_is_used() -> None:
    assert udev.FILE < "73-seat-late.rules"


def test_udev_itself_finds_no_fault_with_it(tmp_path: Path) -> None:
    tool = shutil.which("udevadm")
    if (
        tool is None
        or "verify" not in subprocess.run([tool, "--help"], capture_output=True, text=True).stdout
    ):
        pytest.skip("no udevadm with `verify` (systemd 254 and newer)")
    path, _ = udev.install(tmp_path)
    done = subprocess.run([tool, "verify", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_installing_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    path, changed = udev.install(tmp_path)
    assert changed
    assert path == tmp_path / "etc/udev/rules.d" / udev.FILE
    assert path.read_text() == udev.rule()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert udev.install(tmp_path) == (path, False)
    assert [file.name for file in path.parent.iterdir()] == [udev.FILE], "nothing is left lying"


def test_a_stale_rule_is_seen_and_renewed(tmp_path: Path) -> None:
    path, _ = udev.install(tmp_path)
    path.write_text(udev.rule() + "# mine\n")
    assert not udev.is_current(path)
    assert udev.install(tmp_path) == (path, True)
    assert udev.is_current(path)


def test_a_packaged_rule_is_found_and_the_administrators_goes_first(tmp_path: Path) -> None:
    assert udev.installed(tmp_path) is None
    packaged = tmp_path / "usr/lib/udev/rules.d" / udev.FILE
    packaged.parent.mkdir(parents=True)
    packaged.write_text(udev.rule())
    assert udev.installed(tmp_path) == packaged
    path, _ = udev.install(tmp_path)
    assert udev.installed(tmp_path) == path


def test_removing_takes_it_away_once(tmp_path: Path) -> None:
    path, _ = udev.install(tmp_path)
    assert udev.remove(tmp_path) == (path, True)
    assert udev.remove(tmp_path) == (path, False)


@pytest.mark.parametrize("option", ["--install", "--remove"])
def test_without_root_it_says_the_command(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("mkdir", "write_text", "unlink"):
        monkeypatch.setattr(Path, name, forbidden)
    assert run(["udev", option, "--root", str(tmp_path), "--json"]) == 1
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["name"] == "needs_root"
    assert error["command"].startswith("sudo ")
    assert error["command"].endswith(f"udev {option}")


def test_the_command_shows_installs_and_removes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = ["--root", str(tmp_path)]

    def told(*argv: str) -> dict[str, object]:
        assert run(["udev", *argv, *root, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    assert told()["state"] == "absent"
    assert told("--install") == {
        "path": str(tmp_path / udev.FOLDER / udev.FILE),
        "changed": True,
        "reload": None,
    }
    assert told()["state"] == "current"
    assert told("--install")["changed"] is False
    assert told("--remove")["changed"] is True
    assert run(["udev", *root]) == 0
    out = capsys.readouterr().out
    assert udev.rule() in out
    assert f"goes to {tmp_path}" in out


def test_a_udev_that_cannot_be_told_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udev, "RELOAD", (("no-such-udevadm", "control"),))
    assert "no-such-udevadm" in udev.reload()
    monkeypatch.setattr(udev, "RELOAD", (("true",),))
    assert udev.reload() == ""


def test_other_systems_have_no_udev(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(udev.NoUdev):
        udev.install()
