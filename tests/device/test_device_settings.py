"""The life cycle of settings on a whole device: files, transactions, agreement, names, completion."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from device_hands import agreed, agreeing, patient, press, pressing
from openknead import ConfirmLater, Device, connect
from openknead.cli.root import run
from openknead.errors import CauseLasts, ConfirmNeeded, NotConfirmed, SettingError
from openknead.settings_file import Value, dump, load
from openknead.virtual import virtual_board

SETS = int(os.environ.get("OPENKNEAD_SETTINGS_SETS", "25"))  # 500 for the figure
Result = tuple[int, str, str]
Knead = Callable[..., Result]


@pytest.fixture(autouse=True)
def _virtual_only(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.config.getoption("--dev", default=None):
        pytest.skip("presses buttons of a virtual board, and calibrates it at random")
    monkeypatch.setenv("OPENKNEAD_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.delenv("OPENKNEAD_DEVICE", raising=False)


@pytest.fixture(scope="module")
def port(_folders: None) -> Iterator[str]:
    """A board of this module's own, as shipped: a permission is a difference from the defaults."""
    with virtual_board("--as-shipped") as found:
        yield found


@pytest.fixture
def device(port: str) -> Iterator[Device]:
    """Connected, everything at its default and saved."""
    with connect(port, timeout=10) as board:
        back(port, board)
        board.save()
        wait_for(lambda: cleared(board))
        yield board


@pytest.fixture
def knead(port: str, device: Device, capsys: pytest.CaptureFixture[str]) -> Knead:
    """A command on the same board, which `device` shares with it."""
    device.share()

    def command(*argv: str) -> Result:
        capsys.readouterr()
        code = run(["--port", port, "--timeout", "10", *argv])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def cleared(board: Device) -> bool:
    """Whether no fault is latched: a random calibration brings some, until it is gone."""
    with suppress(CauseLasts, ConfirmLater):
        board.clear_fault(waiting=pressing(board.port))
        return board.status().fault is None
    return False


def back(port: str, board: Device) -> None:
    """All defaults but for the permission, with a press."""
    table = board.settings().items()
    agreed(board, port, {name: setting.default for name, setting in table if not setting.local})


def random_values(device: Device, rng: random.Random, calm: bool = False) -> dict[str, Value]:
    """Any settings that a host may set; calm: without those that want a press."""
    values: dict[str, Value] = {}
    for name, setting in device.settings().items():
        if setting.local or (calm and setting.confirm):
            continue
        if setting.type == "bool":
            values[name] = rng.random() < 0.5
        else:
            low, high = int(setting.min or 0), int(setting.max or 0)
            values[name] = rng.choice([low, high, rng.randint(low, high), rng.randint(low, high)])
    levels = sorted(rng.randint(1, 11) for _ in range(3))
    values["min_level"], values["default_level"], values["max_level"] = levels
    return values


def test_dump_reset_restore_dump_gives_the_same_bytes(device: Device, port: str) -> None:
    """For random settings of every kind; a press takes a second, so most sets do without."""
    rng = random.Random(2026)
    table = device.settings()
    for number in range(SETS):
        agreed(device, port, random_values(device, rng, calm=number % 10 > 0))
        first = dump(table, device.get_all(), device.hello).encode()
        back(port, device)
        assert dump(table, device.get_all(), device.hello).encode() != first
        agreed(device, port, load(first, table).values)
        assert dump(table, device.get_all(), device.hello).encode() == first


def test_the_commands_go_round_too(knead: Knead, device: Device, port: str, tmp_path: Path) -> None:
    agreed(device, port, {"area_s": 60, "buzzer": False, "max_level": 7, "rest_s": 600})
    one, two = str(tmp_path / "one.txt"), str(tmp_path / "two.txt")

    assert knead("dump", one)[0] == 0
    with agreeing(device, port):
        assert knead("reset", "--all", "--yes-weaken", "max_level", "--yes-weaken", "rest_s")[0] == 0
        assert knead("restore", one)[0] == 0
    assert knead("dump", two)[0] == 0

    assert Path(one).read_bytes() == Path(two).read_bytes()
    assert device.unsaved() == []
    assert device.get("area_s") == 60


def test_more_settings_than_fit_a_line_are_one_transaction(device: Device, port: str) -> None:
    values = random_values(device, random.Random(1))
    before = device.get_all()
    with pytest.raises(SettingError) as caught:
        device.set(values | {"area_s": 181})
    assert caught.value.name == "out_of_range"
    with pytest.raises(SettingError) as caught:
        device.set(values | {"min_level": 11, "max_level": 1})
    assert caught.value.name == "conflict"
    assert device.get_all() == before

    agreed(device, port, values)
    assert device.get_all() == before | values


def test_a_file_with_one_bad_line_changes_nothing(knead: Knead, device: Device, tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    knead("dump", str(file))
    before = device.get_all()
    text = file.read_text().replace("area_s = 90", "area_s = 60").replace("slew_s = 2", "slew_s = 11")
    file.write_text(text)

    code, out, err = knead("restore", str(file), "--json")

    assert (code, out) == (1, "")
    error = json.loads(err)["error"]
    line = text.splitlines().index("slew_s = 11") + 1
    assert [(e["line"], e["name"]) for e in error["errors"]] == [(line, "out_of_range")]
    assert device.get_all() == before


def test_a_file_of_a_newer_version_is_refused_with_the_upgrade(
    knead: Knead, device: Device, tmp_path: Path
) -> None:
    file = tmp_path / "newer.txt"
    file.write_text("format = 2\narea_s = 60\n")
    before = device.get_all()

    code, _, err = knead("restore", str(file))

    assert code == 6
    assert "pip install --upgrade openknead" in err
    assert device.get_all() == before


def test_a_file_of_newer_firmware_is_refused_unless_told_to_skip(
    knead: Knead, device: Device, tmp_path: Path
) -> None:
    file = tmp_path / "newer.txt"
    file.write_text("format = 1\narea_s = 60\nturbo = 1\n")

    assert knead("restore", str(file))[0] == 1
    assert device.get("area_s") == 90
    code, _, err = knead("restore", str(file), "--skip-unknown")
    assert code == 0
    assert "turbo" in err
    assert device.get("area_s") == 60


def test_ten_settings_with_one_bad_change_nothing(knead: Knead, device: Device) -> None:
    before = device.get_all()
    good = [
        "area_s=60",
        "slew_s=3",
        "buzzer=off",
        "rest_s=60",
        "host_timeout_s=2",
        "day_limit_min=60",
        "area_limit_min=30",
    ]
    for bad, code, name in (
        ("session_limit_s=299", 1, "out_of_range"),
        ("session_limit_s=5m", 1, "wrong_type"),
        ("sesion_limit_s=300", 1, "unknown_setting"),
        ("slew_s=4", 2, "usage"),
    ):
        got, out, err = knead("set", *good, "default_level=3", "max_level=9", bad, "--json")
        assert (got, out, json.loads(err)["error"]["name"]) == (code, "", name)
    got, _, err = knead("set", *good, "default_level=9", "max_level=5", "--json")
    assert json.loads(err)["error"]["name"] == "conflict"
    assert device.get_all() == before


def test_restore_that_cannot_save_changes_nothing(knead: Knead, port: str, tmp_path: Path) -> None:
    file = tmp_path / "some.txt"
    file.write_text("format = 1\narea_s = 60\n")
    press(port, "plus")
    try:
        wait_for(lambda: json.loads(knead("status", "--json")[1])["state"] == "RUNNING")
        code, _, err = knead("restore", str(file), "--json")
        assert (code, json.loads(err)["error"]["name"]) == (1, "motor_running")
        assert json.loads(knead("get", "area_s", "--json")[1])["value"] == 90
        assert knead("restore", str(file), "--no-save")[0] == 0
        assert json.loads(knead("get", "area_s", "--json")[1])["unsaved"] is True
    finally:
        press(port, "stop")
        wait_for(lambda: json.loads(knead("status", "--json")[1])["state"] == "IDLE")


def test_what_only_buttons_set_is_left_to_them(knead: Knead, device: Device, tmp_path: Path) -> None:
    file = tmp_path / "local.txt"
    file.write_text("format = 1\nremote_start = on\narea_s = 60\n")

    code, _, err = knead("restore", str(file))

    assert code == 0
    assert "buttons: remote_start" in err
    assert device.get("remote_start") is False
    assert device.get("area_s") == 60


def test_what_weakens_is_not_done_unasked(knead: Knead, device: Device, port: str, tmp_path: Path) -> None:
    agreed(device, port, {"slew_s": 5})
    file = tmp_path / "weak.txt"
    file.write_text("format = 1\nslew_s = 1\narea_s = 60\n")

    for command in (["set", "slew_s=4", "area_s=60"], ["restore", str(file)], ["reset", "--all"]):
        code, out, err = knead(*command, "--json")
        error = json.loads(err)["error"]
        assert (code, out, error["name"]) == (1, "", "would_weaken")
        assert error["settings"] == ["slew_s"]
        assert "--yes-weaken slew_s" in error["remedy"]
    assert (device.get("slew_s"), device.get("area_s")) == (5, 90)
    with agreeing(device, port):
        assert knead("set", "slew_s=6")[0] == 0
        code, out, err = knead("set", "slew_s=4", "--yes-weaken", "slew_s")
    assert (code, device.get("slew_s")) == (0, 4)
    assert "! slew_s weakens a protection" in out
    assert "not saved yet (slew_s)" in err
    assert knead("set", "slew_s=1", "--yes-weaken", "slew_x")[0] == 1


def test_a_press_at_the_device_decides(device: Device, port: str) -> None:
    wanted: dict[str, Value] = {"isense_mv_per_a": 2000, "area_s": 60}
    before = device.get_all()

    patient(device, port)
    with pytest.raises(ConfirmNeeded) as caught:
        device.set(wanted)
    assert caught.value.data["names"] == ["isense_mv_per_a"]
    with pytest.raises(ConfirmLater) as later:
        device.set(wanted)
    assert later.value.data["wait_s"] > 0
    patient(device, port)
    with pytest.raises(NotConfirmed) as refused:
        device.set(wanted, waiting=pressing(port, "minus"))
    assert refused.value.data["outcome"] == "refused"
    assert device.get_all() == before
    agreed(device, port, wanted)
    assert device.get_all() == before | wanted


def test_a_batch_waits_for_its_press_as_a_whole(device: Device, port: str) -> None:
    values = random_values(device, random.Random(3)) | {"ntc_beta_k": 5000}
    before = device.get_all()

    patient(device, port)
    with pytest.raises(ConfirmNeeded):
        device.set(values)
    assert device.get_all() == before
    agreed(device, port, values)
    assert device.get_all() == before | values


def test_another_thermistor_brings_no_fault(device: Device, port: str) -> None:
    agreed(device, port, {"ntc_pullup_ohm": 20_000})
    time.sleep(1)  # a thermistor that jumps is a fault after half a second
    assert device.status().fault is None
    agreed(device, port, {"ntc_pullup_ohm": 10_000})
    time.sleep(1)
    assert device.status().fault is None


def test_another_request_ends_the_wait(device: Device, port: str) -> None:
    def elsewhere(names: object, left_s: float) -> None:
        device.call("settings.set", values={})

    patient(device, port)
    with pytest.raises(NotConfirmed) as caught:
        device.set({"pad_sensor": False}, waiting=elsewhere)
    assert caught.value.data["outcome"] == "replaced"
    press(port)
    assert device.get("pad_sensor") is True


def test_the_command_tells_to_press_and_waits(knead: Knead, device: Device, port: str) -> None:
    heard = threading.Event()

    def hand() -> None:
        with device.feed() as feed:
            heard.set()
            while True:
                item = feed.next(30)
                if getattr(item, "name", "") == "confirm":
                    break
        time.sleep(1.5)  # an earlier press would be no answer
        press(port)

    patient(device, port)
    thread = threading.Thread(target=hand)
    thread.start()
    heard.wait(10)
    code, out, err = knead("set", "pad_sensor=off", "--yes-weaken", "pad_sensor", "--save", "--json")
    thread.join(30)

    assert code == 0, err
    assert json.loads(err)["confirm"]["settings"] == ["pad_sensor"]
    result = json.loads(out)
    assert (result["changed"], result["unsaved"]) == (["pad_sensor"], [])
    assert result["sequence"] > 0
    assert device.get("pad_sensor") is False


def test_diff_against_defaults_a_file_and_a_device(
    knead: Knead, device: Device, port: str, tmp_path: Path
) -> None:
    device.set({"area_s": 60})
    file = tmp_path / "part.txt"
    file.write_text("format = 1\narea_s = 70\nslew_s = 2\n")

    assert json.loads(knead("diff", "--json")[1]) == {
        "with": "default",
        "differences": [{"name": "area_s", "here": 60, "there": 90}],
    }
    found = json.loads(knead("diff", str(file), "--json")[1])["differences"]
    assert found == [{"name": "area_s", "here": 60, "there": 70}]
    assert knead("diff", "--with", port)[1].startswith("no differences (27 settings")
    assert knead("diff", "--exit-code")[0] == 1
    assert knead("diff", "--with", port, "--exit-code")[0] == 0
    assert "area_s" in knead("diff")[1]


def test_a_restart_tells_what_it_loses(knead: Knead, device: Device) -> None:
    device.set({"area_s": 60})

    assert "lost, because not saved: area_s" in knead("reboot")[2]
    device.reconnect(30)


def test_a_device_is_found_by_its_name(port: str, device: Device, capsys: pytest.CaptureFixture[str]) -> None:
    device.close()
    board = device.hello.board

    def knead(*argv: str) -> Result:
        capsys.readouterr()
        code = run([*argv, "--timeout", "10"])
        return code, *capsys.readouterr()

    assert knead("device", "add", "bench", "--port", port)[0] == 0
    assert knead("device", "add", "bench", "--port", port)[0] == 4
    names = json.loads(knead("device", "list", "--json")[1])["devices"]
    assert names == [{"name": "bench", "board": board, "port": None, "seen": None}]
    assert json.loads(knead("info", "--device", "bench", "--json")[1])["port"] == port

    file = Path(os.environ["OPENKNEAD_CONFIG_DIR"]) / "devices.toml"
    file.write_text('# by hand\n[other]\nboard = "e660"\n\n' + file.read_text())
    code, _, err = knead("status", "--device", "other")
    assert (code, "board e660) is at none" in err) == (4, True)
    code, _, err = knead("status", "--device", "other", "--port", port)
    assert (code, f"board {board} answers" in err) == (4, True)
    code, _, err = knead("status", "--device", "nobody")
    assert (code, "there are other, bench" in err) == (4, True)
    assert knead("device", "remove", "other")[0] == 0
    assert file.read_text().startswith("# by hand\n")
    assert knead("info", "--device", "other")[0] == 4


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")
