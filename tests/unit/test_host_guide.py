"""The guide: the check before a session, who is let through, and the pages."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from host_peer import Knead, Peer
from hypothesis import given
from hypothesis import strategies as st
from openknead.errors import ProfileError
from openknead.guide import ANSWERS, Book, book, of, profile
from openknead.guide.profile import VALID_DAYS, Check, Profile

DAY_S = 86_400
NOW_S = 1_800_000_000
HANG_S = 30.0
MEDICAL = ("treat", "cure", "heal", "therap", "reliev", "relief", "remed", "diagnos", "detox", "rehab")
ABOVE = {"neck", "throat", "head", "face"}


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, peer: Peer) -> Peer:
    """A device that is not simulated, and no word that the check was done."""
    monkeypatch.delenv("OPENKNEAD_NO_GUIDE")
    peer.answers["session.start"] = lambda params: peer._session("RUNNING")
    return peer


def no(guide: Book) -> dict[str, str]:
    return {question.name: "no" for question in guide.questions}


def started(peer: Peer) -> bool:
    return "session.start" in peer.methods()


def play(peer: Peer) -> None:
    """A session that is over as soon as it has begun."""

    def start(params: Any) -> Any:
        peer.event("state", "RUNNING", 100)
        peer.sample(200)
        peer.answers["status"] = lambda params: {"state": "IDLE", "reason": "completed"}
        peer.event("state", "IDLE", 300, reason="completed")
        peer.sample(400, state=0)
        return {"state": "RUNNING", "level": 1, "remaining_ms": 1000}

    peer.answers["session.start"] = start


# -- answering -----------------------------------------------------------------------------------------


def test_all_no_lets_through_and_is_kept_privately(knead: Knead, tmp_path: Path) -> None:
    code, out, _ = knead("guide", "--all-no", "--json")

    said = json.loads(out)
    assert code == 0
    assert (said["profile"], said["clear"], said["due"], said["advice"]) == ("default", True, None, [])
    assert said["list"] == book().version
    assert abs(said["unix_s"] - time.time()) < 60
    file = tmp_path / "data" / "profiles" / "default.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(knead("guide", "--show", "--json")[1]) == said


@pytest.mark.parametrize("answer", ["yes", "unsure"])
def test_a_yes_and_an_unsure_advise_against_use_and_say_why_and_what_to_do(knead: Knead, answer: str) -> None:
    code, out, _ = knead("guide", "--all-no", "--answer", f"clot-signs={answer}")

    question = next(q for q in book().questions if q.name == "clot-signs")
    words = " ".join(out.split())
    assert code == 7
    assert f"clot-signs: {answer} {question.why} {question.do}" in words
    assert "before a professional has said that you may" in words
    shown = json.loads(knead("guide", "--show", "--json")[1])
    assert shown["answers"]["clot-signs"] == answer
    assert [item["name"] for item in shown["advice"]] == ["clot-signs"]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ((), "no terminal to ask on"),
        (("--answer", "fever=no"), "no answer to injury"),
        (("--all-no", "--answer", "feever=no"), "there is no question 'feever'"),
        (("--all-no", "--answer", "fever=perhaps"), "answer yes, no or unsure"),
        (("--all-no", "--show"), "one thing at a time"),
        (("hamstrings", "--list"), "one thing at a time"),
        (("--all-no", "--profile", "../else"), "no name of a profile"),
    ],
)
def test_answers_that_are_none_change_nothing(
    knead: Knead, tmp_path: Path, argv: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115

    code, out, err = knead("guide", *argv)

    assert (code, out) == (7 if "profile" in said else 2, "")
    assert said in err
    assert not (tmp_path / "data").exists()


def test_profiles_are_separate_and_can_be_forgotten(knead: Knead, monkeypatch: pytest.MonkeyPatch) -> None:
    knead("guide", "--all-no", "--profile", "ada")
    knead("guide", "--all-no", "--answer", "fever=yes", "--profile", "bob")
    monkeypatch.setenv("OPENKNEAD_PROFILE", "bob")

    assert json.loads(knead("guide", "--show", "--json", "--profile", "ada")[1])["clear"] is True
    assert json.loads(knead("guide", "--show", "--json")[1])["clear"] is False
    assert knead("guide", "--forget")[:2] == (0, "bob: deleted\n")
    assert json.loads(knead("guide", "--forget", "--json")[1]) == {"profile": "bob", "forgotten": False}
    code, out, _ = knead("guide", "--show")
    assert (code, "has not been answered yet" in out) == (7, True)


def test_a_damaged_profile_is_told_and_kept_when_a_new_one_takes_its_place(
    knead: Knead, tmp_path: Path
) -> None:
    knead("guide", "--all-no")
    file = tmp_path / "data" / "profiles" / "default.json"
    file.write_text('{"format": 1, "check": {"list"')

    code, out, err = knead("guide", "--show")
    assert (code, out) == (7, "")
    assert "is damaged" in err and "remedy: answer the check again" in err

    code, _, err = knead("guide", "--all-no")
    assert code == 0
    assert "a new one takes its place" in err
    assert file.with_name("default.json.damaged").read_text().startswith('{"format": 1')
    assert knead("guide", "--show")[0] == 0


@pytest.mark.parametrize("moment", ["Infinity", "-Infinity", "NaN", "-1", "1e30", '"soon"', "null"])
def test_a_moment_that_no_calendar_has_is_damage(knead: Knead, tmp_path: Path, moment: str) -> None:
    knead("guide", "--all-no")
    file = tmp_path / "data" / "profiles" / "default.json"
    kept = json.loads(file.read_text())
    file.write_text(json.dumps(kept).replace(str(kept["check"]["unix_s"]), moment))

    code, _, err = knead("guide", "--show")

    assert (code, "is damaged" in err) == (7, True)


@given(content=st.binary(max_size=200) | st.from_regex(r'\{"format": 1, "check": .{0,60}\}').map(str.encode))
def test_whatever_stands_in_a_profile_is_a_profile_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("profile")
    (folder / "profiles").mkdir()
    (folder / "profiles" / "p.json").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENKNEAD_DATA_DIR", str(folder))
        with suppress(ProfileError):
            profile.load("p")


@given(
    answers=st.fixed_dictionaries({question.name: st.sampled_from(ANSWERS) for question in book().questions}),
    overrides=st.integers(0, 3),
)
def test_a_profile_comes_back_as_it_was_kept(
    tmp_path_factory: pytest.TempPathFactory, answers: dict[str, str], overrides: int
) -> None:
    found = Profile("p").checked(book(), answers, NOW_S)
    for _ in range(overrides):
        found = found.overridden(book(), NOW_S)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENKNEAD_DATA_DIR", str(tmp_path_factory.mktemp("profile")))
        profile.save(found)
        assert profile.load("p") == found


# -- how long it holds ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "due"),
    [(0, False), (VALID_DAYS - 0.1, False), (VALID_DAYS + 0.1, True), (-0.5, False), (-2, True)],
)
def test_answers_hold_for_ninety_days(days: float, due: bool) -> None:
    found = Profile("p").checked(book(), no(book()), NOW_S - days * DAY_S)

    assert bool(found.due(book(), NOW_S)) == due


def test_answers_to_another_list_hold_no_more() -> None:
    guide = book()
    found = Profile("p").checked(guide, no(guide), NOW_S)
    fewer = replace(guide, questions=guide.questions[1:])
    newer = replace(guide, version=guide.version + 1)

    assert found.due(guide, NOW_S) is None
    assert "questions have changed" in str(found.due(fewer, NOW_S))
    assert "questions have changed" in str(found.due(newer, NOW_S))
    assert Profile("p", Check(guide.version, NOW_S, {})).due(guide, NOW_S)


# -- before a session ----------------------------------------------------------------------------------


def test_without_a_check_a_start_is_refused_with_the_remedy(checked: Peer, knead: Knead) -> None:
    code, out, err = knead("start", "--level", "1", "--json")

    error = json.loads(err)["error"]
    assert (code, out, error["name"]) == (7, "", "check_due")
    assert "knead guide" in error["remedy"]
    assert not started(checked)


def test_after_all_no_a_session_starts(checked: Peer, knead: Knead) -> None:
    play(checked)
    knead("guide", "--all-no")

    code, _, err = knead("start", "--level", "1", "--json")

    assert code == 0
    assert "nothing speaks against use" in err
    assert started(checked)


def test_after_a_yes_a_start_is_refused_with_the_advice(checked: Peer, knead: Knead) -> None:
    knead("guide", "--all-no", "--answer", "pregnancy=yes")

    code, _, err = knead("start", "--level", "1")

    assert code == 7
    assert "advises against use" in err
    assert "Ask your midwife or doctor first" in err
    assert (
        json.loads(knead("start", "--level", "1", "--json")[2])["error"]["advice"][0]["name"] == "pregnancy"
    )
    assert not started(checked)


def test_a_start_despite_the_advice_is_recorded(checked: Peer, knead: Knead) -> None:
    play(checked)
    knead("guide", "--all-no", "--answer", "pregnancy=yes", "--answer", "fever=unsure")

    code, _, err = knead("start", "--level", "1", "--despite-advice", "--json")

    assert code == 0
    assert "against the advice of the check (fever, pregnancy), and recorded" in err
    kept = json.loads(knead("guide", "--show", "--json")[1])
    assert [entry["advice"] for entry in kept["despite_advice"]] == [["fever", "pregnancy"]]
    assert "started against the advice: 1" in knead("guide", "--show")[1]


def test_despite_advice_does_not_stand_in_for_the_check(checked: Peer, knead: Knead) -> None:
    assert knead("start", "--level", "1", "--despite-advice")[0] == 7
    assert not started(checked)


def test_an_old_check_is_due_again_whatever_it_said(
    checked: Peer, knead: Knead, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_s = time.time() - (VALID_DAYS + 1) * DAY_S
    profile.save(Profile("default").checked(book(), no(book()), old_s))

    code, _, err = knead("start", "--level", "1")

    assert code == 7
    assert "holds for 90" in err
    assert not started(checked)


@pytest.mark.parametrize("how", ["sim", "option", "variable"])
def test_simulated_boards_and_callers_who_have_seen_to_it_need_no_check(
    checked: Peer, knead: Knead, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    play(checked)
    if how == "sim":
        checked.hello["sim"] = "desktop"
    if how == "variable":
        monkeypatch.setenv("OPENKNEAD_NO_GUIDE", "1")

    assert knead("start", "--level", "1", "--json", *(["--no-guide"] if how == "option" else []))[0] == 0


def test_a_variable_set_to_0_is_not_set(checked: Peer, knead: Knead, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENKNEAD_NO_GUIDE", "0")

    assert knead("start", "--level", "1")[0] == 7


def on_a_terminal(typed: str, *command: str) -> tuple[int, str]:
    """Run `knead` on a terminal and type as soon as it waits; exit code and what was on the screen."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "openknead", *command],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )
    os.close(slave)
    seen, keys, deadline = b"", list(typed), time.monotonic() + HANG_S
    with suppress(OSError):
        while time.monotonic() < deadline:
            if select.select([master], [], [], 0.05)[0]:
                seen += os.read(master, 65536)
            elif keys and seen.endswith(b"      "):
                os.write(master, keys.pop(0).encode() + b"\n")
            elif process.poll() is not None:
                break
    code = process.wait(HANG_S)
    os.close(master)
    return code, seen.decode(errors="replace").replace("\r\n", "\n")


def test_on_a_terminal_the_first_start_asks_and_then_starts(checked: Peer) -> None:
    play(checked)

    code, seen = on_a_terminal("n" * len(book().questions), "--port", checked.port, "start", "--level", "1")

    assert code == 0, seen
    assert f"{len(book().questions)}/{len(book().questions)}" in seen
    assert max(map(len, seen.partition("Contraindication check of")[0].split("\n"))) <= 80
    assert profile.load("default").due(book()) is None
    assert started(checked)


def test_on_a_terminal_a_yes_starts_nothing(checked: Peer) -> None:
    typed = "y" + "n" * (len(book().questions) - 1)

    code, seen = on_a_terminal(typed, "--port", checked.port, "start", "--level", "1")

    assert code == 7, seen
    assert "advises against use" in seen
    assert not started(checked)


def test_asked_on_a_terminal_one_can_ask_why_and_go_back(checked: Peer) -> None:
    first, count = book().questions[0], len(book().questions)

    code, seen = on_a_terminal("?" + "x" + "y" + "b" + "n" * count, "guide")

    assert code == 0, seen
    assert " ".join(first.why.split()) in " ".join(seen.split())
    assert "answer y, n, u, ? or b" in seen
    assert profile.load("default").check.answers == no(book())  # type: ignore[union-attr]


# -- the pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("topic", [topic.name for topic in book().topics])
def test_every_page_fits_a_terminal_of_80_columns(knead: Knead, topic: str) -> None:
    code, out, _ = knead("guide", topic)

    assert code == 0
    assert max(map(len, out.split("\n"))) <= 80
    machine = json.loads(knead("guide", topic, "--json")[1])
    assert (machine["name"], bool(machine["text"])) == (topic, not machine["areas"])


def test_a_page_of_an_area_tells_all_that_one_needs(knead: Knead) -> None:
    out = " ".join(knead("guide", "hamstring")[1].split())

    for text in (
        "toward the heart",
        "Back of the knee",
        "2 to 5 min",
        "hamstring-10",
        "Stop at once",
        "Skinner",
    ):
        assert text in out


def test_what_was_not_read_again_says_so(knead: Knead) -> None:
    assert "(not re-read)" in " ".join(knead("guide", "stretching")[1].split())


def test_list_questions_and_misspelt_topics(knead: Knead) -> None:
    assert "hamstrings" in knead("guide", "--list")[1]
    listed = json.loads(knead("guide", "--list", "--json")[1])["topics"]
    assert [entry["name"] for entry in listed] == [topic.name for topic in book().topics]
    asked = json.loads(knead("guide", "--questions", "--json")[1])
    assert (asked["version"], len(asked["questions"])) == (book().version, len(book().questions))
    code, _, err = knead("guide", "calfs")
    assert (code, "did you mean calf?" in err or "did you mean calves?" in err) == (2, True)
    assert "knead guide --list" in knead("guide", "xyzzy")[2]


def test_names_are_unique_and_pages_are_whole() -> None:
    guide = book()
    names = [name for topic in guide.topics for name in (topic.name, *topic.aliases)]
    assert len(set(names)) == len(names)
    questions = [question.name for question in guide.questions]
    assert len(set(questions)) == len(questions) >= 20
    for topic in guide.topics:
        if topic.areas:
            assert topic.technique and topic.avoid and topic.programs, topic.name
            assert "toward the heart" in topic.strokes, topic.name
            assert topic.how_long and topic.how_often, topic.name
        else:
            assert topic.text, topic.name
        for item in topic.evidence:
            assert item.source and item.finding.endswith("."), topic.name


def test_a_member_that_no_page_has_is_refused() -> None:
    with pytest.raises(TypeError):
        of({"version": 1, "stop": [], "question": [], "topic": [{"name": "a", "title": "A", "strokez": ""}]})


def test_pages_claim_nothing_that_a_physician_would_have_to_answer_for() -> None:
    for topic in book().topics:
        texts = (topic.title, *topic.text, *topic.technique, topic.how_long, topic.how_often)
        for word in " ".join(texts).lower().split():
            assert not word.startswith(MEDICAL), (topic.name, word)


def test_no_page_is_about_anything_above_the_shoulders() -> None:
    for topic in book().topics:
        assert not {*topic.name.split("-"), *topic.aliases, *topic.areas} & ABOVE
