"""Scenario files: what is wrong is said with file, place and remedy; what does not hold is found."""

from __future__ import annotations

from pathlib import Path

import pytest
from openknead_sim import scenario
from openknead_sim.scenario_file import ACTIONS, FLAGS, NUMBERS, ScenarioError, load

HEAD = 'title = "t"\n'
EXPECT = "[[expect]]\nt_s = 0.1\nplant = { run_req = false }\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "case.toml"
    path.write_text(text, encoding="utf-8")
    return path


WRONG = {
    "no toml": ("title = ", "no TOML"),
    "no title": (EXPECT, "there is no title"),
    "nothing expected": (HEAD, "nothing is expected"),
    "unknown top key": (HEAD + "sede = 3\n" + EXPECT, "'sede'"),
    "unknown board key": (HEAD + "[board]\nbattery = 1\n" + EXPECT, "'battery'"),
    "plant constant": (HEAD + "[board]\nplant = { r = 1 }\n" + EXPECT, "'r'"),
    "hand": (HEAD + "[board]\nhand = 5\n" + EXPECT, "pressure must be"),
    "hand falls": (HEAD + "[board]\nhand = [[1, 0], [0, 1]]\n" + EXPECT, "must not fall"),
    "promise": (HEAD + 'breaks = ["speed"]\n' + EXPECT, "'speed'"),
    "no time": (HEAD + '[[at]]\npress = "plus"\n' + EXPECT, "[[at]] number 1: there is no t_s"),
    "negative time": (HEAD + '[[at]]\nt_s = -1\npress = "plus"\n' + EXPECT, "t_s = -1"),
    "time true": (HEAD + '[[at]]\nt_s = true\npress = "plus"\n' + EXPECT, "t_s = True"),
    "time nan": (HEAD + '[[at]]\nt_s = nan\npress = "plus"\n' + EXPECT, "t_s = nan"),
    "too late": (HEAD + '[[at]]\nt_s = 4000\npress = "plus"\n' + EXPECT, "0…3600"),
    "two actions": (HEAD + '[[at]]\nt_s = 1\npress = "plus"\nhold = "stop"\n' + EXPECT, "2 actions"),
    "no action": (HEAD + "[[at]]\nt_s = 1\n" + EXPECT, "0 actions"),
    "unknown button": (HEAD + '[[at]]\nt_s = 1\npress = "red"\n' + EXPECT, "'red'"),
    "foreign key": (HEAD + '[[at]]\nt_s = 1\nhold = "plus"\nms = 5\n' + EXPECT, "'ms'"),
    "wrong type": (HEAD + "[[at]]\nt_s = 1\nblocked = 1\n" + EXPECT, "blocked = 1"),
    "no reading": (HEAD + '[[at]]\nt_s = 1\nsensor = "motor"\n' + EXPECT, "what does it read"),
    "hex": (HEAD + '[[at]]\nt_s = 1\nsend_hex = "0g"\n' + EXPECT, "send_hex"),
    "unknown injection": (
        HEAD + '[[at]]\nt_s = 1\ninject = "explode"\n' + EXPECT,
        "[[at]] number 1 (t_s = 1): there is no injection 'explode'; there are blocked,",
    ),
    "injection without a value": (
        HEAD + '[[at]]\nt_s = 1\ninject = "motor_ntc"\n' + EXPECT,
        "motor_ntc takes open, short, -40…200 °C, not no value",
    ),
    "impossible value": (
        HEAD + '[[at]]\nt_s = 1\ninject = "supply_sag"\nvalue = 31\n' + EXPECT,
        "supply_sag takes 0…30 V (default 8.5), not 31",
    ),
    "value that is none": (
        HEAD + '[[at]]\nt_s = 1\ninject = "supply_sag"\nvalue = true\n' + EXPECT,
        "value = True",
    ),
    "too much by a short name": (HEAD + "[[at]]\nt_s = 1\nextra_nm = 2\n" + EXPECT, "0…1 N m"),
    "too late an injection": (HEAD + '[[at]]\nt_s = 3601\ninject = "blocked"\n' + EXPECT, "t_s = 3601"),
    "mend what is none": (HEAD + '[[at]]\nt_s = 1\nmend = "explode"\n' + EXPECT, "'explode'"),
    "mend with a value": (HEAD + '[[at]]\nt_s = 1\nmend = "blocked"\nvalue = 1\n' + EXPECT, "'value'"),
    "clock": (HEAD + "[board]\nclock_ms = -1\n" + EXPECT, "clock_ms = -1"),
    "clock of parts": (HEAD + "[board]\nclock_ms = 0.5\n" + EXPECT, "clock_ms = 0.5"),
    "expects nothing": (HEAD + "[[expect]]\nt_s = 1\n", "it expects nothing"),
    "ends before": (HEAD + "[[expect]]\nfrom_s = 2\nto_s = 1\nfollows_pct = 3\n", "to_s is not after"),
    "no window": (HEAD + "[[expect]]\nt_s = 2\nfollows_pct = 3\n", "at one instant"),
    "window": (HEAD + "[[expect]]\nfrom_s = 1\nto_s = 2\noff_within_ms = 3\n", "give t_s"),
    "quantity": (HEAD + "[[expect]]\nt_s = 1\nplant = { speed = 1 }\n", "'speed'"),
    "event": (HEAD + "[[expect]]\nfrom_s = 1\nto_s = 2\nevents = [3]\n", "events: 3"),
}


@pytest.mark.parametrize(("text", "part"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_file_place_and_remedy(tmp_path: Path, text: str, part: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ScenarioError) as e:
        load(path)
    message = str(e.value)
    assert message.startswith(f"{path}: ")
    assert part in message
    assert message.count(": ") >= 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.toml: cannot be read"):
        load(tmp_path / "nowhere.toml")


def test_an_unknown_status_field_names_those_there_are(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + "[[expect]]\nt_s = 0.1\nstatus = { speed = 1 }\n")
    with pytest.raises(ScenarioError, match=r"'speed': use one of state"):
        scenario.run(path)


FAILING = {
    "value": ('[[expect]]\nt_s = 0.1\nstatus = { state = "RUNNING" }\n', "status state is 'IDLE'"),
    "range": ("[[expect]]\nt_s = 0.1\nplant = { supply_v = [1, 2] }\n", "not within 1…2"),
    "nothing for a range": ("[[expect]]\nt_s = 0.1\nstatus = { reason = [1, 2] }\n", "reason is None"),
    "event": ('[[expect]]\nfrom_s = 0\nto_s = 1\nevents = ["cue end"]\n', "'cue end' did not come"),
    "order": (
        '[[at]]\nt_s = 0.1\npress = "plus"\n[[expect]]\nfrom_s = 0\nto_s = 1\n'
        'events = ["state RUNNING", "button plus"]\n',
        "'button plus' did not come",
    ),
    "never": (
        '[[at]]\nt_s = 0.1\npress = "plus"\n[[expect]]\nfrom_s = 0\nto_s = 1\nnever = ["state"]\n',
        "event 'state RUNNING'",
    ),
    "rate": (
        '[[at]]\nt_s = 0.1\npress = "plus"\n[[expect]]\nfrom_s = 0.5\nto_s = 3\nfollows_pct = 3\n',
        "1000 were asked for",
    ),
    "mean": (
        '[[at]]\nt_s = 0.1\npress = "plus"\n[[expect]]\nfrom_s = 0.5\nto_s = 3\nmean_follows_pct = 3\n',
        "the mean rate is -",
    ),
    "off": ('[[at]]\nt_s = 0.1\npress = "plus"\n[[expect]]\nt_s = 0.2\noff_within_ms = 9\n', "is driven"),
    "success": ('[[at]]\nt_s = 0.1\nrpc = "status"\nerror = "refused"\n' + EXPECT, "status succeeded"),
    "failure": ('[[at]]\nt_s = 0.1\nrpc = "session.pause"\n' + EXPECT, "wrong_state"),
    "another failure": (
        '[[at]]\nt_s = 0.1\nrpc = "session.pause"\nerror = "refused"\n' + EXPECT,
        "wrong_state",
    ),
    "result": (
        '[[at]]\nt_s = 0.1\nrpc = "session.stop"\nresult = { level = 2 }\n' + EXPECT,
        "level is 0, not 2",
    ),
    "refusals": (
        "[board]\nas_shipped = true\n"
        '[[at]]\nt_s = 0.1\nrpc = "session.start"\nparams = { level = 1, run_s = 60 }\n'
        'error = "refused"\nrefusals = ["too_hot"]\n' + EXPECT,
        "refusals are ['remote_disabled', 'not_acknowledged']",
    ),
    "no power": (
        "[[at]]\nt_s = 0.1\npower = false\n[[at]]\nt_s = 0.2\nrpc = 'status'\n" + EXPECT,
        "no reply",
    ),
    "observer": (
        '[[at]]\nt_s = 0.1\nrpc = "session.start"\nparams = { level = 2, run_s = 60 }\n'
        "[[at]]\nt_s = 8\nshorted_fet = true\n[[expect]]\nfrom_s = 8\nto_s = 9\nnever = []\n",
        "the observer: at 8.",
    ),
    "injected without power": (
        '[[at]]\nt_s = 0.1\npower = false\n[[at]]\nt_s = 0.2\ninject = "crash"\n' + EXPECT,
        "no firmware runs",
    ),
    "unbroken": ('breaks = ["rate"]\n' + EXPECT, "take it out of `breaks`"),
}


@pytest.mark.parametrize(("text", "part"), FAILING.values(), ids=FAILING)
def test_what_does_not_hold_is_found(tmp_path: Path, text: str, part: str) -> None:
    result = scenario.run(written(tmp_path, HEAD + text))
    assert result.problems
    assert part in str(result), str(result)


def test_every_action_has_a_way_to_do_it(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD + EXPECT)
    player = scenario.Player(load(path))
    for action in ACTIONS:
        assert hasattr(player, f"_do_{action}") or action in {*FLAGS, *NUMBERS, "supply_v", "sensor"}


def test_the_same_file_gives_the_same_run(tmp_path: Path) -> None:
    text = HEAD + '[[at]]\nt_s = 0.1\npress = "plus"\n[[expect]]\nfrom_s = 3\nto_s = 9\nfollows_pct = 3\n'
    path = written(tmp_path, text)
    first, second = scenario.run(path), scenario.run(path)
    assert not first.problems
    assert first.transcript == second.transcript
    assert first.observer.worst_over_opm == second.observer.worst_over_opm


def test_a_short_name_is_the_injection_that_it_means(tmp_path: Path) -> None:
    text = "".join(
        f"[[at]]\nt_s = {n}\n{line}\n"
        for n, line in enumerate(
            ["blocked = true", "blocked = false", "tach = false", "cable = true", "supply_v = 9",
             'supply_v = "own"', 'sensor = "handle"\nreads = 46', 'sensor = "motor"\nreads = "sound"',
             "extra_nm = 0.1", "extra_nm = 0"]
        )
    )  # fmt: skip
    steps = load(written(tmp_path, HEAD + text + EXPECT)).steps
    assert [(s.action, s.value, s.more.get("value")) for s in steps] == [
        ("inject", "blocked", None),
        ("mend", "blocked", None),
        ("inject", "tach_cut", None),
        ("mend", "serial_dropped", None),
        ("inject", "supply_sag", 9),
        ("mend", "supply_sag", "own"),
        ("inject", "handle_ntc", 46),
        ("mend", "motor_ntc", "sound"),
        ("inject", "stall_torque", 0.1),
        ("mend", "stall_torque", 0),
    ]


def test_a_run_over_the_wrap_of_both_clocks_shows_nothing_of_it(tmp_path: Path) -> None:
    """ticks_us and ticks_ms wrap 20 s after power-on, in the middle of a session."""
    wrap_ms = 1 << 30
    text = HEAD + f"[board]\nclock_ms = {wrap_ms - 20_000}\n" + (
        '[[at]]\nt_s = 1\nrpc = "session.start"\nparams = { level = 2, run_s = 60 }\n'
        '[[expect]]\nfrom_s = 8\nto_s = 30\nfollows_pct = 3\n'
        '[[expect]]\nfrom_s = 1\nto_s = 62\nevents = ["state IDLE completed"]\nnever = ["fault"]\n'
    )  # fmt: skip
    player = scenario.Player(load(written(tmp_path, text)))
    result = player.play()
    assert not result.problems, str(result)
    assert player.board.chip.clock_us > wrap_ms * 1000
