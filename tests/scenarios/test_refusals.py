"""A start that many things forbid: all of them at once, by name, each with what to do about it."""

from pathlib import Path

import pytest
from openknead_sim.rpc import RpcError
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import Stage


def test_all_reasons_against_a_start_come_at_once_with_remedies() -> None:
    stage = Stage(Scenario(Path(__file__), "refusals", 41, {"as_shipped": True}))
    board = stage.board
    board.rig.ntc_override[1] = 3.3  # a thermistor's plug is off: a fault
    board.plant.supply_override_v = 9.5
    board.plant.heat.ambient_c = 45.0
    board.plant.heat.soak(45.0)
    board.hold("minus")
    stage.run_s(11)
    board.hold("stop")
    stage.run_s(0.1)
    with pytest.raises(RpcError) as e:
        stage.rpc("session.start", level=1, run_s=60)
    assert e.value.name == "refused"
    rows = e.value.data["refusals"]
    assert {row["name"] for row in rows} == {
        "fault_latched", "stop_pressed", "too_hot", "battery_low", "button_stuck", "remote_disabled",
        "not_acknowledged",
    }  # fmt: skip
    assert sum(len(row.get("remedy", "")) > 10 for row in rows) >= 6  # as many as a line has room for
    assert stage.rpc("status")["refusals"] == [row["name"] for row in rows]


def test_a_latched_fault_refuses_button_and_host_until_it_is_cleared() -> None:
    stage = Stage(Scenario(Path(__file__), "refusals", 42))
    board = stage.board
    board.rig.ntc_override[0] = 0.0
    stage.run_s(1)
    board.rig.ntc_override[0] = None
    stage.run_s(1)
    with pytest.raises(RpcError) as e:
        stage.rpc("session.start", level=1, run_s=60)
    assert [row["name"] for row in e.value.data["refusals"]] == ["fault_latched", "permission_suspended"]
    board.hold("plus")
    stage.run_s(0.2)
    board.release("plus")
    assert stage.rpc("status")["state"] == "IDLE"
    board.agreed("fault.clear")
    assert stage.rpc("status")["fault"] is None
    board.allow()
    assert stage.rpc("session.start", level=1, run_s=60)["state"] == "RUNNING"
