"""`knead doctor` on a whole device: nothing is wrong, and nothing is disturbed."""

from __future__ import annotations

from openknead import Device, connect
from openknead.doctor.case import Case
from openknead.doctor.checks import examine
from openknead.doctor.finding import Finding, Verdict
from openknead.virtual import virtual_board


def examined(port: str) -> dict[str, Finding]:
    return {check.name: finding for check, finding in examine(Case(port, 10.0))}


def test_a_device_that_is_well_has_no_problem(device: Device, port: str) -> None:
    device.close()
    found = examined(port)
    assert {name: f for name, f in found.items() if f.verdict is Verdict.PROBLEM} == {}
    assert found["selftest"].verdict is Verdict.OK
    assert found["line"].data["lost"] == 0


def test_a_session_goes_on_while_it_is_looked_at() -> None:
    """On a board that does not hurry: the session has to last."""
    with virtual_board("--speed", "1") as port, connect(port, timeout=10.0) as device:
        device.share()
        device.start(level=1, minutes=5)
        found = examined(port)
        assert "a session is under way" in found["start"].finding
        assert found["journal"].verdict is Verdict.UNKNOWN
        assert device.status().state == "RUNNING"
        device.stop()
