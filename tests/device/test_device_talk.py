"""Talking to a device: greeting, tables, settings, noise on the line, restarts."""

from __future__ import annotations

import random
import re

import pytest
from openknead import Device, connect
from openknead.errors import (
    DeviceError,
    DeviceRestarted,
    LinkLost,
    SettingError,
)
from openknead.model import Sample, Status
from openknead.virtual import virtual_board

USED = {
    *("hello", "schema", "status", "telemetry.subscribe", "fault.clear", "maintenance", "reboot"),
    *("settings.get", "settings.list", "settings.set", "settings.save", "settings.reset"),
    *("session.start", "session.stop", "session.pause", "session.resume", "session.level"),
    "session.keepalive",
}


def test_says_who_it_is(device: Device) -> None:
    assert device.hello.protocol.startswith("1.")
    assert re.fullmatch(r"[0-9a-f]{16}", device.hello.content)
    assert re.fullmatch(r"[0-9a-f]+", device.hello.board)
    assert "sessions" in device.hello.capabilities


def test_offers_every_method_the_host_uses(device: Device) -> None:
    assert {item["name"] for item in device.schema("methods")} >= USED


def test_every_table_has_rows_with_names(device: Device) -> None:
    for section in device.sections():
        rows = device.schema(section)
        assert rows, section
        assert all(row["name"] for row in rows), section


def test_telemetry_has_every_field_of_a_sample(device: Device) -> None:
    assert {item["name"] for item in device.schema("telemetry")} >= set(Sample.__dataclass_fields__)


def test_status_has_every_field_and_no_stranger(device: Device) -> None:
    raw = device.call("status")

    assert set(raw) == set(Status.__dataclass_fields__)
    assert device.status().state == "IDLE"


def test_an_unknown_method_is_an_error_with_a_name(device: Device) -> None:
    with pytest.raises(DeviceError) as caught:
        device.call("massage.harder")

    assert (caught.value.code, caught.value.name) == (-32601, "unknown_method")


def test_settings_are_changed_listed_as_unsaved_and_reset(device: Device) -> None:
    table, values = device.settings(), device.get_all()
    assert list(values) == list(table)
    other = 60 if values["area_s"] != 60 else 61

    device.set({"area_s": other})

    assert device.get("area_s") == other
    assert "area_s" in device.status().unsaved
    device.reset(["area_s"])
    assert device.get("area_s") == table["area_s"].default


def test_saving_counts_up_and_leaves_nothing_unsaved(device: Device) -> None:
    first = device.save()

    assert device.save() == first + 1
    assert device.status().unsaved == ()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"session_limit_s": 299}, "out_of_range"),
        ({"session_limit_s": 901}, "out_of_range"),
        ({"session_limit_s": True}, "wrong_type"),
        ({"buzzer": 1}, "wrong_type"),
        ({"no_such_setting": 1}, "unknown_setting"),
    ],
)
def test_a_bad_value_is_refused_by_name_and_changes_nothing(
    device: Device, value: dict[str, int], name: str
) -> None:
    before = device.get_all()

    with pytest.raises(SettingError) as caught:
        device.set({"area_s": 100, **value})

    assert caught.value.name == name
    assert caught.value.remedy
    assert [problem["setting"] for problem in caught.value.problems] == list(value)
    assert device.get_all() == before


def test_a_host_may_not_allow_itself_to_start(device: Device) -> None:
    device.set({"remote_start": False})
    try:
        with pytest.raises(SettingError) as caught:
            device.set({"remote_start": True})
        assert caught.value.name == "local_only"
    finally:
        device.reboot()  # back to what is saved: only a button could do it otherwise
        device.reconnect(30)
    assert device.get("remote_start") is True


def test_noise_on_the_line_is_answered_and_harmless(device: Device) -> None:
    noise = random.Random(7)
    before = device.get_all()
    lines = [
        b"",
        b"AT+GCAP",
        b"{",
        b"[]",
        b"null",
        b'{"jsonrpc":"2.0","id":1}',
        b"\xff\xfe",
        b"[" * 300,
        b"x" * 50_000,
    ]
    lines += [bytes(noise.choice(ALLOWED) for _ in range(noise.randrange(80))) for _ in range(50)]
    for line in lines:
        device.channel.link.write(line + b"\n")
        assert device.status().state == "IDLE"

    device.channel.link.write(b'{"jsonrpc":"2.0","id":1,"met')  # half a line, then the next request

    assert device.get_all() == before


ALLOWED = bytes(byte for byte in range(256) if byte not in (3, 10))  # 3 would stop the firmware, as it should


def test_a_restart_in_the_middle_is_told_and_the_device_comes_back(device: Device) -> None:
    with device.feed() as feed:
        device.reboot()
        with pytest.raises((DeviceRestarted, LinkLost)):
            list(iter(lambda: feed.next(10), None))
    device.reconnect(30)

    assert device.status().state == "IDLE"


def test_a_board_on_a_socket_answers_just_the_same(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--dev", default=None):
        pytest.skip("about virtual boards")
    with virtual_board("--tcp") as port, connect(port, timeout=10) as device:
        assert port.startswith("socket://")
        assert device.hello.sim == "desktop"
        assert device.status().state == "IDLE"


def test_a_virtual_board_that_is_killed_is_a_lost_link(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--dev", default=None):
        pytest.skip("about virtual boards")
    with virtual_board() as port:
        device = connect(port, timeout=10)
    with pytest.raises(LinkLost):
        device.status()
    device.close()
