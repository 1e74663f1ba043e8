"""`knead program` and the transfer of programs, against a peer that can misbehave."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from host_peer import Answer, Knead, Peer
from openknead import connect
from openknead.cli.program import COMMANDS
from openknead.errors import NotOffered, ReplyDamaged
from openknead.programs.check import check
from openknead.programs.document import pack
from openknead.programs.remote import Programs
from openknead.programs.text import dump
from openknead.programs.transfer import NotKept
from programs_support import CALVES


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in a folder with one sound file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "calves.toml").write_text(CALVES)
    return tmp_path


def document(text: str = CALVES) -> bytes:
    return check(text.encode()).document


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(knead: Knead, name: str) -> None:
    code, out, _ = knead("program", name, "--help")

    assert code == 0
    assert "--json" in out


def test_help_of_the_group_loads_no_command() -> None:
    import subprocess

    code = "import sys; from openknead.cli.root import run; run(['program', '--help'])\n"
    code += "print(*sorted(name for name in sys.modules if 'openknead' in name))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert all(f"  {name} " in out for name in COMMANDS)
    assert "openknead.cli.program_files" not in out
    assert "openknead.programs.check" not in out


# -- check ----------------------------------------------------------------------------------------------


def test_check_names_places_as_compilers_do_and_says_whose_limits(knead: Knead, folder: Path) -> None:
    (folder / "bad.toml").write_text(
        CALVES.replace("seconds = 60", "seconds = 0").replace("low = 2", "low = 9")
    )
    code, out, err = knead("program", "check", "calves.toml", "bad.toml", "none.toml")

    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0].startswith("calves.toml: ok: my-calves, 3 stages, 2:50, ")
    assert lines[1] == "bad.toml:17: error: stage 1: seconds is 0; write a whole number, 1…900"
    assert lines[2].startswith("bad.toml:27: error: stage 2: low is 9, above high")
    assert lines[3] == "bad.toml: 2 errors"
    assert lines[4].startswith("none.toml: error: cannot read none.toml: No such file")
    assert lines[-1].endswith("slew_s 2, area_s 90: the defaults, --on-device takes a device's settings")


def test_check_as_json_has_every_problem(knead: Knead, folder: Path) -> None:
    (folder / "bad.toml").write_text(CALVES.replace("seconds = 60", "seconds = 0"))
    code, out, _ = knead("program", "check", "calves.toml", "bad.toml", "--json")
    good, bad = json.loads(out)["files"]

    assert code == 1
    assert (good["valid"], good["name"], good["total_s"], good["problems"]) == (True, "my-calves", 170, [])
    assert bad["valid"] is False
    assert bad["problems"] == [
        {"severity": "error", "line": 17, "stage": 1, "key": "seconds"}
        | {"what": "seconds is 0", "remedy": "write a whole number, 1…900"}
    ]
    assert json.loads(out)["limits"]["device"] is False


def test_warnings_leave_the_exit_code_at_0(knead: Knead, folder: Path) -> None:
    (folder / "fast.toml").write_text(CALVES.replace("period = 15", "period = 4"))
    code, out, _ = knead("program", "check", "fast.toml")

    assert code == 0
    assert "fast.toml:29: warning: stage 2: wave 2–4 every 4 s swings between 2.5 and 3.5" in out


def test_check_asks_the_device_only_when_told(knead: Knead, peer: Peer) -> None:
    peer.values["max_level"] = 3
    assert knead("program", "check", "calves.toml")[0] == 0
    assert peer.methods() == []
    code, out, _ = knead("program", "check", "calves.toml", "--on-device")

    assert code == 1
    assert "calves.toml:28: error: stage 2: high is 4, the device allows 1…3" in out
    assert "the device's settings" in out


# -- show, plot, new, schema ----------------------------------------------------------------------------


def test_show_of_a_file_needs_no_device(knead: Knead, peer: Peer) -> None:
    code, out, _ = knead("program", "show", "calves.toml")

    assert code == 0
    assert "my-calves: Calves after a run" in out
    assert "2  1:00  1:30  wave 2–4 every 15 s  calf_right  move on  knead" in out
    assert peer.methods() == []
    machine = json.loads(knead("program", "show", "calves.toml", "--json")[1])
    assert (machine["total_s"], machine["evidence"][0]["source"]) == (170, "Somebody 2020")


def test_show_of_the_devices_programs_has_their_texts(knead: Knead, peer: Peer) -> None:
    peer.programs["my-calves"] = document()

    assert "(built in)" in knead("program", "show", "light")[1]
    assert "Evidence  Custom: No trial found." in knead("program", "show", "light")[1]
    assert "no stages: the level and time of a start" in knead("program", "show", "steady")[1]
    assert "Mind      Not on the back of the knee." in knead("program", "show", "my-calves")[1]


def test_a_file_with_errors_is_refused_with_all_of_them(knead: Knead, peer: Peer, folder: Path) -> None:
    (folder / "bad.toml").write_text(
        CALVES.replace("seconds = 60", "seconds = 0").replace("low = 2", "low = 9")
    )
    for command in ("show", "plot", "push", "try"):
        code, out, err = knead("program", command, "bad.toml")
        assert (code, out) == (1, "")
        assert "bad.toml:17: error: stage 1: seconds is 0" in err
        assert "bad.toml:27: error: stage 2: low is 9" in err
        assert "remedy: mend it, then: knead program check bad.toml" in err
        problems = json.loads(knead("program", command, "bad.toml", "--json")[2])["error"]["problems"]
        assert [problem["line"] for problem in problems] == [17, 27]
    assert "program.begin" not in peer.methods()


def test_plot_draws_within_80_columns_where_nobody_looks(knead: Knead) -> None:
    code, out, _ = knead("program", "plot", "calves.toml")

    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "4 ┤" in out
    assert "├ 1810" in out
    assert "█ what a hand feels" in out


def test_plot_of_a_program_of_the_device_takes_its_slew(knead: Knead, peer: Peer, folder: Path) -> None:
    peer.values["slew_s"] = 5
    machine = json.loads(knead("program", "plot", "light", "--shift", "1", "--json")[1])

    assert (machine["slew_s"], machine["hz"], len(machine["level_milli"])) == (5, 10, 801)
    assert (machine["target_milli"][0], machine["level_milli"][10]) == (2000, 200)
    picture = knead("program", "plot", "light", "--picture", "light.svg")
    assert picture[1] == "picture: light.svg\n"
    assert "1 strokes" in (folder / "light.svg").read_text()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("plot", "calves.toml", "--shift", "8"), "a level lies outside 1…11"),
        (("plot", "steady"), "has no stages"),
        (("new", "mine", "--from", "steady"), "has no stages"),
        (("new", "Mine"), "a letter first"),
        (("new", "steady"), "built in"),
    ],
)
def test_what_cannot_be_is_wrong_usage(knead: Knead, argv: tuple[str, ...], said: str) -> None:
    code, out, err = knead("program", *argv)

    assert (code, out) == (2, "")
    assert said in err


def test_a_picture_that_cannot_be_written_says_so(knead: Knead, folder: Path) -> None:
    (folder / "here").write_text("")
    for name in ("x.xyz", "here/x.png"):
        code, _, err = knead("program", "plot", "calves.toml", "--picture", name)
        assert code == 1
        assert "no picture in" in err


def test_new_begins_a_file_and_never_writes_over_one(knead: Knead, folder: Path) -> None:
    assert knead("program", "new", "mine")[0] == 0
    assert check((folder / "mine.toml").read_bytes()).problems == ()
    (folder / "mine.toml").write_text("mine, changed")
    code, _, err = knead("program", "new", "mine")

    assert code == 1
    assert "is there already" in err
    assert (folder / "mine.toml").read_text() == "mine, changed"
    assert knead("program", "new", "mine", "--replace")[0] == 0


def test_new_takes_the_stages_of_a_program_over(knead: Knead, folder: Path) -> None:
    for like, count in (("light", 2), ("calves.toml", 3)):
        assert knead("program", "new", "mine", "--from", like, "-o", "x.toml", "--replace")[0] == 0
        program = check((folder / "x.toml").read_bytes()).program
        assert program
        assert (program.name, len(program.stages)) == ("mine", count)


def test_schema_is_printed_or_written(knead: Knead, folder: Path) -> None:
    printed = knead("program", "schema")[1]
    assert json.loads(printed)["$schema"].endswith("2020-12/schema")
    assert knead("program", "schema", "-o", "p.json")[0] == 0
    assert (folder / "p.json").read_text() == printed


# -- the device -----------------------------------------------------------------------------------------


def test_list_marks_the_selected_one_and_says_why_one_cannot_start(knead: Knead, peer: Peer) -> None:
    peer.programs |= {"unfit": document(), "my-calves": document()}
    peer.selected = "light"
    code, out, _ = knead("program", "list")

    assert code == 0
    assert "*  light      built in  1:20    on" in out
    assert "   unfit      own       2:50    on     stage 1: the second level too high" in out
    machine = json.loads(knead("program", "list", "--json")[1])["programs"]
    assert [(entry["name"], entry["selected"]) for entry in machine][1] == ("light", True)
    assert machine[2]["problem"] == {"stage": 1, "field": "b", "why": "too high"}


def test_push_pull_remove_and_select(knead: Knead, peer: Peer, folder: Path) -> None:
    assert "my-calves: pushed and read back. Play it:" in knead("program", "push", "calves.toml")[1]
    assert peer.programs == {"my-calves": document()}
    assert "has it already" in knead("program", "push", "calves.toml")[1]
    assert peer.methods().count("program.commit") == 1
    assert knead("program", "select", "my-calves")[1] == "the start button plays my-calves\n"
    assert knead("program", "pull", "my-calves")[0] == 0
    assert (folder / "my-calves.toml").read_text() == CALVES
    assert knead("program", "pull", "my-calves", "-o", "-")[1] == CALVES
    assert json.loads(knead("program", "remove", "my-calves", "--json")[1]) == {"removed": ["my-calves"]}
    assert peer.programs == {}


def test_pull_never_writes_over_another_file(knead: Knead, peer: Peer, folder: Path) -> None:
    peer.programs["my-calves"] = document()
    (folder / "my-calves.toml").write_text("mine")

    assert knead("program", "pull", "my-calves")[0] == 1
    assert (folder / "my-calves.toml").read_text() == "mine"
    assert knead("program", "pull", "my-calves", "--replace")[0] == 0
    assert (folder / "my-calves.toml").read_text() == CALVES
    assert knead("program", "pull", "my-calves")[0] == 0  # the same is no other


def test_push_replaces_another_program_only_when_asked(knead: Knead, peer: Peer) -> None:
    peer.programs["my-calves"] = before = document("# before\n" + CALVES)
    code, _, err = knead("program", "push", "calves.toml")

    assert code == 1
    assert "replace it with --replace" in err
    assert peer.programs["my-calves"] == before
    assert knead("program", "push", "calves.toml", "--replace")[0] == 0
    assert peer.programs["my-calves"] == document()


def test_nothing_is_pushed_when_one_file_is_wrong(knead: Knead, peer: Peer, folder: Path) -> None:
    (folder / "bad.toml").write_text("name = 3")
    (folder / "twin.toml").write_text("# twin\n" + CALVES)

    assert knead("program", "push", "calves.toml", "bad.toml")[0] == 1
    assert knead("program", "push", "calves.toml", "twin.toml")[0] == 2
    assert knead("program", "push", "calves.toml", "none.toml")[0] == 1
    assert "program.begin" not in peer.methods()


def test_a_push_warns_by_the_devices_settings(knead: Knead, peer: Peer) -> None:
    peer.values["slew_s"] = 9
    code, out, _ = knead("program", "push", "calves.toml")

    assert code == 0
    assert "calves.toml:29: warning: stage 2" in out
    assert "at 9 s a level" in out


def test_unknown_and_built_in_programs_are_told_apart(knead: Knead, peer: Peer) -> None:
    for argv in (("pull", "lihgt"), ("show", "lihgt"), ("select", "lihgt"), ("remove", "lihgt")):
        error = json.loads(knead("program", *argv, "--json")[2])["error"]
        assert (error["code"], error["name"]) == (-32051, "unknown_program")
        assert error["remedy"] == "did you mean light?"
    for argv in (("pull", "light"), ("remove", "light")):
        assert json.loads(knead("program", *argv, "--json")[2])["error"]["name"] == "program_built_in"
    assert "--from light" in knead("program", "pull", "light")[2]


def test_firmware_without_programs_says_so(peer: Peer) -> None:
    peer.hello["capabilities"] = ["sessions"]
    with connect(peer.port) as device, pytest.raises(NotOffered, match="no programs"):
        device.programs()


# -- a bad line -----------------------------------------------------------------------------------------


def damage(nth: int) -> Callable[[bytes], bytes]:
    """Breaks every nth line on its way out."""
    count = 0

    def garble(line: bytes) -> bytes:
        nonlocal count
        count += 1
        return line[:10] + b"#" + line[11:] if count % nth == 0 else line

    return garble


@pytest.mark.parametrize("nth", [2, 3, 5])
def test_a_transfer_survives_damaged_lines(peer: Peer, nth: int) -> None:
    source = "# " + "".join(chr(97 + n * n % 26) for n in range(900)) + "\n" + CALVES
    with connect(peer.port, timeout=0.5) as device:
        device.programs()
        peer.garble = damage(nth)
        try:
            entry, written = device.push_program(source.encode())
        except ReplyDamaged:
            assert nth < 5
            assert peer.programs == {}
            return
        peer.garble = lambda line: line
        assert (entry.name, written) == ("my-calves", True)
        assert device.pull_program("my-calves") == source.encode()


def test_a_part_that_got_lost_starts_the_transfer_anew(peer: Peer) -> None:
    write, seen = peer.answers["program.write"], []

    def lose(params: dict[str, Any]) -> Any:
        seen.append(params["offset"])
        if len(seen) == 2:
            raise Answer(-32053, "transfer", offset=0)
        return write(params)

    peer.answers["program.write"] = lose
    with connect(peer.port) as device:
        device.push_program(CALVES.encode())
    assert seen[:4] == [0, 300, 0, 300]
    assert peer.programs["my-calves"] == document()


def test_what_the_device_does_not_keep_is_an_error(peer: Peer) -> None:
    def forget(params: dict[str, Any]) -> Any:
        peer.programs["my-calves"] = document("# something else\n" + CALVES)
        return {"name": "my-calves", "s": 1}

    peer.answers["program.commit"] = forget
    with connect(peer.port) as device, pytest.raises(NotKept):
        device.push_program(CALVES.encode())


def test_progress_is_told_part_by_part(peer: Peer) -> None:
    seen: list[tuple[int, int]] = []
    with connect(peer.port) as device:
        device.push_program(CALVES.encode(), progress=lambda done, size: seen.append((done, size)))

    size = len(document())
    assert [done for done, _ in seen] == [*range(300, size, 300), size, size]
    assert seen[-1] == (size, size)
    assert all(done < size for done, size in seen[:-1])


@pytest.mark.parametrize(
    "stages",
    [
        [["x", 60, "ramp", 1]],
        [["x", 0, "steady", 3, 3, 0, "", "none"]],
        [["x", 60, "wave", 1, 2, 0, "", "none"]],
        [[None] * 8],
        [],
    ],
)
def test_a_damaged_program_on_the_device_is_an_error(knead: Knead, peer: Peer, stages: list[Any]) -> None:
    peer.programs["my-calves"] = document()
    peer.answers["program.get"] = lambda params: {"stages": stages, "next": None}
    for command in ("show", "plot"):
        code, _, err = knead("program", command, "my-calves")
        assert code == 1
        assert "my-calves is damaged" in err


def test_a_list_that_never_ends_is_an_error(peer: Peer) -> None:
    page = {"programs": [], "next": 1, "selected": "steady"}
    with pytest.raises(Exception, match="never ends"):
        Programs(lambda method, **params: page).entries()


def test_stages_that_differ_from_the_file_are_those_of_the_device(peer: Peer) -> None:
    """Somebody changed the list of stages and not the file in the document."""
    program = check(CALVES.replace("seconds = 60", "seconds = 30").encode()).program
    assert program
    peer.programs["my-calves"] = pack(program, CALVES.encode())
    with connect(peer.port) as device:
        told = device.program("my-calves")
    assert told.stages == program.stages
    assert told.title == ""


# -- sessions -------------------------------------------------------------------------------------------


def test_a_program_is_started_with_its_own_time(peer: Peer) -> None:
    with connect(peer.port) as device:
        device.start(program="light", shift=2)
        device.stop()
        device.start(program="steady", level=3, minutes=2, area="calf_left")
    starts = [request["params"] for request in peer.requests if request["method"] == "session.start"]

    assert starts == [
        {"program": "light", "run_s": 80, "shift": 2},
        {"level": 3, "run_s": 120, "area": "calf_left"},
    ]


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("--level", "3", "--program", "light"),
        ("--program", "light", "--minutes", "5"),
        ("--program", "light", "--area", "calf"),
        ("--level", "3", "--shift", "1"),
    ],
)
def test_what_does_not_go_together_starts_nothing(knead: Knead, peer: Peer, argv: tuple[str, ...]) -> None:
    code, _, err = knead("start", *argv)

    assert code == 2
    assert "a program, perhaps with a shift" in err
    assert "session.start" not in peer.methods()


def test_skip_and_back_are_commands(knead: Knead, peer: Peer) -> None:
    for name in ("skip", "back"):
        peer.answers[f"session.{name}"] = lambda params: {
            "state": "RUNNING",
            "level": 2,
            "remaining_ms": 61_000,
        }
        assert knead(name)[1] == "running, level 2, 1:01 left\n"


def test_status_tells_program_and_stage(knead: Knead, peer: Peer) -> None:
    peer.answers["status"] = lambda params: {
        "state": "RUNNING",
        "limit_ms": 80_000,
        "elapsed_ms": 1000,
        "origin": "remote",
        "program": "light",
        "stage": 2,
        "stage_left_ms": 12_000,
        "shift": -1,
    }
    assert "by remote, program light, stage 2, 0:12 left, levels -1" in knead("status")[1]


def test_what_dump_writes_can_be_pushed(knead: Knead, peer: Peer, folder: Path) -> None:
    program = check(CALVES.encode()).program
    assert program
    (folder / "again.toml").write_text(dump(program))
    assert knead("program", "push", "again.toml")[0] == 0
    assert knead("program", "show", "my-calves")[1] == knead("program", "show", "calves.toml")[1]
