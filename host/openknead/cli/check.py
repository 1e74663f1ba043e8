"""The contraindication check on the command line: asked, told, and demanded before a session."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from openknead.cli.common import App, F
from openknead.errors import AdvisedAgainst, CheckDue, ProfileError
from openknead.guide import ANSWERS, NO, Book, Question, book, profile
from openknead.guide.profile import VALID_DAYS, Profile

if TYPE_CHECKING:
    from openknead.device import Device

WIDTH = 80
BACK, WHY = "back", "why"
SHORT = {"y": "yes", "n": "no", "u": "unsure", "b": BACK, "?": WHY}
INTRO = (
    "Before a session: a few questions, because there are people whom such a device can harm. Answer for the "
    "person and the places it is meant for: y yes, n no, u unsure (counts as yes), ? why, b back. "
    "The answers stay on this computer, in a file that only you can read."
)


class Answer(click.ParamType[str]):
    """An answer, written out or by its first letter."""

    name = "answer"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value).strip().lower()
        text = SHORT.get(text, text)
        if text not in (*ANSWERS, *SHORT.values()):
            self.fail("answer y, n, u, ? or b", param, ctx)
        return text


def profile_option(command: F) -> F:
    """--profile."""
    return click.option(
        "--profile", "person", metavar="NAME", help="Whose answers; else OPENKNEAD_PROFILE, else default."
    )(command)


def start_options(command: F) -> F:
    """What a start needs to know of the check."""
    for option in (
        click.option("--despite-advice", is_flag=True, help="Start although the check advises against it."),
        click.option(
            "--no-guide",
            is_flag=True,
            help="Skip the check, which you have done in another way; or OPENKNEAD_NO_GUIDE=1.",
        ),
    ):
        command = option(command)
    return profile_option(command)


def before_session(
    app: App, device: Device, person: str | None, no_guide: bool, despite_advice: bool
) -> None:
    """Let a session from here begin only with a check that was answered, and does not advise against it.

    Asks on a terminal. A simulated board turns no motor and needs none. Raises CheckDue, AdvisedAgainst,
    ProfileError.
    """
    if device.hello.sim or no_guide or os.environ.get("OPENKNEAD_NO_GUIDE", "0") not in ("", "0"):
        return
    name = profile.choose(person)
    found = profile.load(name)
    due = found.due(book())
    if due:
        if app.json or not sys.stdin.isatty():
            raise CheckDue(
                f"the contraindication check of the profile {name} is due: {due}",
                remedy="answer it: knead guide; if another person has checked: --no-guide",
            )
        found = found.checked(book(), ask(book(), err=False))
        profile.save(found)
    assert found.check is not None
    against = found.check.against(book())
    if not against:
        click.echo(f"{verdict(found)} Something new since then? knead guide", err=True)
    elif despite_advice:
        profile.save(found.overridden(book()))
        names = ", ".join(question.name for question in against)
        click.echo(f"against the advice of the check ({names}), and recorded", err=True)
    else:
        raise AdvisedAgainst(
            f"the contraindication check of the profile {name} advises against use",
            data={"advice": [advice(question) for question in against]},
        )


def ask(guide: Book, *, err: bool) -> dict[str, str]:
    """Ask every question on the terminal; the answers. err: on stderr, because stdout is for a program."""

    def say(text: str = "") -> None:
        click.echo(text, err=err)

    say(wrap(INTRO))
    answers: dict[str, str] = {}
    at = 0
    while at < len(guide.questions):
        question = guide.questions[at]
        say()
        say(wrap(f"{at + 1}/{len(guide.questions)}  {question.ask}", "      "))
        answer = click.prompt("     ", type=Answer(), prompt_suffix=" ", err=err)
        if answer == WHY:
            say(wrap(question.why, "      ", "      "))
        elif answer == BACK:
            at = max(0, at - 1)
        else:
            answers[question.name] = answer
            at += 1
    say()
    return answers


def given(guide: Book, pairs: Sequence[str], all_no: bool) -> dict[str, str]:
    """Answers from the command line: NAME=ANSWER…, all others "no" with --all-no. Raises UsageError."""
    known = [question.name for question in guide.questions]
    answers = dict.fromkeys(known, NO) if all_no else {}
    for pair in pairs:
        name, _, answer = pair.partition("=")
        if name not in known:
            raise click.UsageError(f"there is no question {name!r}; see them: knead guide --questions")
        answer = SHORT.get(answer.lower(), answer.lower())
        if answer not in ANSWERS:
            raise click.UsageError(f"{pair!r}: answer yes, no or unsure")
        answers[name] = answer
    missing = [name for name in known if name not in answers]
    if missing:
        raise click.UsageError(
            f"no answer to {', '.join(missing)}; --answer NAME=no, or --all-no for the rest"
        )
    return answers


def verdict(found: Profile) -> str:
    """One sentence: when it was answered and what follows from it."""
    if found.check is None:
        return "The contraindication check has not been answered yet."
    when = datetime.fromtimestamp(found.check.unix_s)
    against = found.check.against(book())
    said = f"{len(against)} of the answers advise against use" if against else "nothing speaks against use"
    return f"Contraindication check of {when:%d %b %Y}: {said}."


def valid_until(found: Profile) -> str | None:
    """The last day on which the answers hold, as ISO date."""
    if found.check is None:
        return None
    return (datetime.fromtimestamp(found.check.unix_s) + timedelta(days=VALID_DAYS)).date().isoformat()


def advice(question: Question) -> dict[str, str]:
    """What a question that was not answered with no advises."""
    return {"name": question.name, "why": question.why, "do": question.do}


def load_or_new(name: str) -> Profile:
    """The profile; a new one in place of a damaged one, which `save` keeps beside it."""
    try:
        return profile.load(name)
    except ProfileError as problem:
        click.echo(f"{problem.message}; a new one takes its place", err=True)
        return Profile(name)


def wrap(text: str, indent: str = "", first: str = "") -> str:
    """Text in lines of at most 80 characters, fewer on a narrow terminal."""
    width = max(20, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=indent, break_on_hyphens=False)
