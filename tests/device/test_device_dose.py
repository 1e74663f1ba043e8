"""The dose: what the device counts of a session and what the host reads in its journal are the same."""

from __future__ import annotations

import time
from datetime import date, datetime

import pytest
from openknead import Device, connect
from openknead.dose import ledger

AREA = "calf_left"


def counted(device: Device) -> tuple[int, int, int]:
    return device.dose().areas.get(AREA, (0, 0, 0))


def read(device: Device) -> tuple[int, int, int]:
    """Motor time in ms, oscillations, sessions, as the journal has them."""
    shares = [share for day in ledger(list(device.journal()), date.today(), AREA) for share in day.shares]
    parts = [part for share in shares for part in share.parts]
    return sum(part.motor_ms for part in parts), sum(part.oscillations or 0 for part in parts), len(parts)


def test_the_journal_and_the_devices_count_agree(device: Device) -> None:
    counted_before, read_before = counted(device), read(device)

    device.call("session.start", level=1, run_s=10, area=AREA)
    device.wait(60)
    written = read(device)
    for _ in range(100):  # the record follows within the next ticks
        if written[2] > read_before[2]:
            break
        written = read(device)

    seconds, turns, sessions = (now - then for now, then in zip(counted(device), counted_before, strict=True))
    ms, turns_read, sessions_read = (now - then for now, then in zip(written, read_before, strict=True))
    assert 1000 < ms <= 10_000
    assert abs(seconds * 1000 - ms) <= 1000
    assert turns == turns_read > 0
    assert sessions == sessions_read == 1


def test_the_devices_day_is_that_of_this_computer(device: Device) -> None:
    today = device.dose()

    assert today.dated
    assert today.day == date.today()


def test_the_devices_day_follows_the_zone_of_whoever_connects_and_keeps_its_dose(
    port: str, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device.hello.sim is None:
        pytest.skip("a real board would keep the other zone, and count the dose of the test")
    device.close()
    totals = []
    try:
        for zone in ("UTC", "Pacific/Kiritimati", "America/Los_Angeles", "Pacific/Marquesas", "UTC"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            with connect(port) as found:
                today = found.dose()
            assert today.day == datetime.now().date(), zone
            totals.append(today.total_s)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert totals[0] == totals[-1]
