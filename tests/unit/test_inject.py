"""Injections: each begins and is mended without harm; what is no injection is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from openknead_sim import inject
from openknead_sim.inject import BY_NAME, TABLE, InjectError
from openknead_sim.rpc import RpcError
from openknead_sim.virtual import VirtualBoard

# Values for what has no default, and more of them where they are different ways of failing.
VALUES: dict[str, tuple[inject.Value, ...]] = {
    "motor_ntc": ("open", "short", 95.0),
    "driver_ntc": ("open", "short", 95.0),
    "handle_ntc": ("open", "short", 49.0),
    "pad_ntc": ("open", "short", 44.0),
    "motor_ntc_drift": (-60.0, 60.0),
    "driver_ntc_drift": (60.0,),
    "handle_ntc_drift": (30.0,),
    "pad_ntc_drift": (30.0,),
    "run_req_stuck": ("high", "low"),
    "adc_stuck": ("current", "temperatures", "supply", "all"),
    "current_drift": (-1.0, 2.5),
    "current_short": ("ground", "rail"),
    "charge": (0.0,),
    "ambient": (50.0,),
    "soak": (60.0,),
    "button_stuck": ("plus", "minus", "mode", "stop"),
    "button_bouncing": ("plus", "minus", "mode", "stop"),
    "session_clock_stands": ("session", "both"),
}
CASES = [(row.name, value) for row in TABLE for value in VALUES.get(row.name, (row.default,))]
RUN_S = 4
SCENARIOS = Path(__file__).resolve().parents[1] / "scenarios"
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "simulator.md"


def ready(seed: int = 1) -> VirtualBoard:
    board = VirtualBoard(seed, remote_start=True)
    board.power_on()
    board.run_ms(500)
    return board


def start(board: VirtualBoard) -> None:
    board.rpc("session.start", level=3, run_s=60)
    alive(board, 8)
    assert abs(board.plant.rate_opm - 1540) < 60


def alive(board: VirtualBoard, seconds: float) -> None:
    """Time passes, with a host that does not wait for answers."""
    for _ in range(round(seconds)):
        board.send(b'{"jsonrpc":"2.0","method":"session.keepalive"}\n')
        board.run_ms(1000)


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}={value}" for name, value in CASES])
def test_everything_that_fails_can_be_mended_and_the_device_works_again(
    name: str, value: inject.Value
) -> None:
    board = ready()
    start(board)
    inject.begin(board, name, value)
    alive(board, RUN_S)
    inject.mend(board, name)
    assert inject.injected(board) == []
    if board.at_prompt or BY_NAME[name].lasts in (inject.RESTART, inject.SAVED):
        board.reset()
    for button in ("plus", "minus", "mode", "stop"):
        board.release(button)
    board.send(b"\n")
    board.run_ms(45_000)  # failed self-tests are repeated, sensors believed again, memory collected
    board.rpc("session.stop")
    board.rpc("settings.save")
    for _ in board.rpc("status")["latched"]:  # each by itself
        board.agreed("fault.clear")
    status = board.rpc("status")
    if not status["remote_start"] or status["suspended"]:
        board.allow()
    start(board)
    assert board.rpc("status")["fault"] is None


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("explode", None, "there is no injection 'explode'; there are blocked, "),
        ("blocked", 1, "blocked takes no value"),
        ("blocked", "yes", "blocked takes no value"),
        ("supply_sag", 31, "supply_sag takes 0…30 V (default 8.5), not 31"),
        ("supply_sag", -1, "not -1"),
        ("supply_sag", float("nan"), "not nan"),
        ("supply_sag", True, "not True"),
        ("supply_sag", "low", "not 'low'"),
        ("motor_ntc", None, "motor_ntc takes open, short, -40…200 °C, not no value"),
        ("motor_ntc", "shut", "not 'shut'"),
        ("button_stuck", "red", "button_stuck takes stop, plus, minus, mode, not 'red'"),
        ("button_stuck", 1, "not 1"),
    ],
)
def test_what_is_no_injection_is_refused_and_nothing_fails(name: str, value: inject.Value, part: str) -> None:
    board = ready()
    with pytest.raises(InjectError) as e:
        inject.begin(board, name, value)
    assert part in str(e.value)
    assert inject.injected(board) == []


def test_mending_what_does_not_fail_does_nothing_and_nonsense_is_refused() -> None:
    board = ready()
    assert inject.mend(board, "blocked") is False
    with pytest.raises(InjectError, match="no injection 'explode'"):
        inject.mend(board, "explode")


def test_firmware_that_does_not_run_cannot_be_changed() -> None:
    board = VirtualBoard(1)
    with pytest.raises(InjectError, match="no power"):
        inject.begin(board, "crash")
    assert inject.injected(board) == []


def test_a_new_failure_of_a_part_takes_the_place_of_the_one_before() -> None:
    board = ready()
    sound_v = board.plant.supply_v
    inject.begin(board, "supply_sag", 8)
    inject.begin(board, "supply_high", 16)
    inject.begin(board, "blocked")
    assert inject.injected(board) == ["supply_high", "blocked"]
    assert inject.mend(board, "supply_sag") is False
    assert inject.mend(board, "supply_high") is True
    board.run_ms(200)
    assert board.plant.supply_v == pytest.approx(sound_v, abs=0.1)
    assert inject.injected(board) == ["blocked"]


def test_what_ends_with_a_reset_is_no_longer_told_of() -> None:
    board = ready()
    inject.begin(board, "session_clock_stands")
    inject.begin(board, "tach_cut")
    board.reset()
    board.run_ms(300)
    assert inject.injected(board) == ["tach_cut"]


def test_name_and_value_in_one_word() -> None:
    assert inject.parse("blocked") == ("blocked", None)
    assert inject.parse("supply_sag") == ("supply_sag", 8.5)
    assert inject.parse("motor_ntc=open") == ("motor_ntc", "open")
    assert inject.parse("motor_ntc=-20.5") == ("motor_ntc", -20.5)
    for text in ("motor_ntc", "motor_ntc=", "supply_sag=nan", "blocked=", "=3", ""):
        with pytest.raises(InjectError):
            inject.parse(text)


def test_every_row_says_what_it_takes_and_means() -> None:
    assert len(BY_NAME) == len(TABLE)
    for row in TABLE:
        assert row.meaning
        assert (row.low is None) == (row.high is None)
        if row.default is not None:
            assert row.check(row.default) == row.default
        elif not row.takes:
            assert row.check(None) is None


def test_garbled_bytes_are_answered_by_errors_and_harm_nothing() -> None:
    board = ready()
    inject.begin(board, "serial_garbled", 12)
    for _ in range(60):
        board.send(b'{"jsonrpc":"2.0","id":7,"method":"status","params":{}}*0000\n')
        board.run_ms(30)
    assert not board.at_prompt
    inject.mend(board, "serial_garbled")
    board.send(b"\n")
    board.run_ms(100)
    board.receive()
    assert board.rpc("status")["state"] == "IDLE"


def test_a_real_board_has_no_such_method() -> None:
    board = ready()
    for method in ("inject", "mend"):
        with pytest.raises(RpcError) as e:
            board.rpc(method, name="blocked")
        assert e.value.name == "unknown_method"


def names(board: VirtualBoard, section: str) -> set[str]:
    """What the firmware calls the rows of a section of its schema."""
    found: set[str] = set()
    start: int | None = 0
    while start is not None:
        page = board.rpc("schema", section=section, start=start)
        found |= {item["name"] for item in page["items"]}
        start = page["next"]
    return found


def test_every_fault_is_provoked_in_a_scenario_of_its_name() -> None:
    for fault in names(ready(), "faults"):
        path = SCENARIOS / f"fault_{fault}.toml"
        assert path.is_file(), fault
        assert f'"{fault}"' in path.read_text(encoding="utf-8")


def test_what_a_row_leads_to_has_names_of_the_firmware() -> None:
    board = ready()
    known = set().union(*(names(board, s) for s in ("faults", "refusals", "limiters", "reasons")))
    for row in TABLE:
        for word in re.findall(r"\b[a-z]+_[a-z_]+\b", row.provokes):
            assert word in known, (row.name, word)


def document() -> str:
    """The table as docs/simulator.md shows it."""
    lines = ["| name | value | what fails | what it leads to |", "|---|---|---|---|"]
    for row in TABLE:
        until = "" if row.lasts == inject.MENDED else f" ({row.lasts})"
        cells = (f"`{row.name}`", row.takes or "–", row.meaning + until, row.provokes or "–")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def test_the_document_shows_the_table_as_it_is() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    shown = text.partition("<!-- injections -->\n")[2].partition("<!-- end of injections -->")[0]
    assert shown == document(), f"put this into {DOCUMENT.name}:\n{document()}"
