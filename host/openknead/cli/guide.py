"""`knead guide`: the contraindication check, and how to massage what."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from openknead.cli import check
from openknead.cli.check import wrap
from openknead.cli.common import App, columns, pass_app
from openknead.guide import Book, Evidence, Topic, book, profile
from openknead.guide.profile import Profile

AGAINST = 7  # exit code: the check is due, or advises against use


@click.command()
@click.argument("topic", required=False)
@click.option("--list", "listed", is_flag=True, help="Which topics there are.")
@click.option("--questions", is_flag=True, help="The questions of the check, with why and what to do.")
@click.option("--show", is_flag=True, help="The last answers.")
@click.option("--forget", is_flag=True, help="Delete the answers.")
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="NAME=no",
    help="Answer without being asked: no, yes, unsure.",
)
@click.option("--all-no", is_flag=True, help="Answer all other questions with no.")
@check.profile_option
@pass_app
def guide(
    app: App,
    topic: str | None,
    listed: bool,
    questions: bool,
    show: bool,
    forget: bool,
    answers: tuple[str, ...],
    all_no: bool,
    person: str | None,
) -> int:
    """Tell whether to use the device, and how on which part of the body.

    Without TOPIC: asks the questions of the contraindication check and keeps the answers on this computer.
    They hold for 90 days; `knead start` needs them before the first session of a device that is not
    simulated. `unsure` counts as yes. A yes is advice not to use the device and to see a professional.

    With TOPIC (such as hamstrings, calves, back, stretching, ice): technique, times, what not to touch, which
    built-in program, and what is known about it.

    Exit code 7 when the check advises against use; with --show also when it is due.
    """
    answering = bool(answers or all_no)
    if sum((topic is not None, listed, questions, show, forget, answering)) > 1:
        raise click.UsageError(
            "one thing at a time: a TOPIC, --list, --questions, --show, --forget or answers"
        )
    contents = book()
    if topic is not None:
        page = _page(contents, topic)
        app.emit(page.as_dict() | {"stop": contents.stop}, page_lines(page, contents))
        return 0
    if listed:
        app.emit({"topics": [_entry(page) for page in contents.topics]}, list_lines(contents))
        return 0
    if questions:
        app.emit(
            {"version": contents.version, "questions": [asdict(question) for question in contents.questions]},
            question_lines(contents),
        )
        return 0
    name = profile.choose(person)
    if forget:
        gone = profile.forget(name)
        app.emit({"profile": name, "forgotten": gone}, f"{name}: {'deleted' if gone else 'nothing was kept'}")
        return 0
    if show:
        return _tell(app, profile.load(name), contents)
    if not answering and not sys.stdin.isatty():
        raise click.UsageError("no terminal to ask on: answer with --answer NAME=no…, or --all-no")
    found = check.load_or_new(name)
    given = check.given(contents, answers, all_no) if answering else check.ask(contents, err=app.json)
    found = found.checked(contents, given)
    profile.save(found)
    return _tell(app, found, contents)


def _tell(app: App, found: Profile, contents: Book) -> int:
    due = found.due(contents)
    against = found.check.against(contents) if found.check else []
    machine = {
        "profile": found.name,
        "list": found.check and found.check.version,
        "unix_s": found.check and found.check.unix_s,
        "valid_until": check.valid_until(found),
        "due": due,
        "clear": due is None and not against,
        "answers": dict(found.check.answers) if found.check else None,
        "advice": [check.advice(question) for question in against],
        "despite_advice": [dict(entry) for entry in found.despite],
    }
    app.emit(machine, verdict_lines(found, contents))
    return 0 if machine["clear"] else AGAINST


def verdict_lines(found: Profile, contents: Book) -> Iterator[str]:
    """What follows from the answers."""
    yield wrap(check.verdict(found))
    if found.check is None:
        yield "Answer it: knead guide"
        return
    for question in found.check.against(contents):
        yield ""
        yield click.style(f"{question.name}: {found.check.answers[question.name]}", bold=True)
        yield wrap(f"{question.why} {question.do}", "  ", "  ")
    if found.check.against(contents):
        yield ""
        yield wrap(
            "Do not use the device before a professional has said that you may. "
            "Then answer again: knead guide"
        )
    if due := found.due(contents):
        yield wrap(f"The check is due again: {due}.")
    else:
        yield wrap(
            f"Profile {found.name}; holds until {check.valid_until(found)}. Answer again as soon as "
            "something changes: an injury, an illness, a medicine, a pregnancy."
        )
    if found.despite:
        yield wrap(f"Sessions started against the advice: {len(found.despite)}.")


def page_lines(page: Topic, contents: Book) -> Iterator[str]:
    """A page for people."""
    yield click.style(page.title, bold=True)
    parts = (
        ("", page.text),
        ("How", page.technique),
        ("Strokes", (page.strokes,)),
        ("How long", (page.how_long,)),
        ("How often", (page.how_often,)),
        ("Not on", page.avoid),
        ("When to stop", contents.stop if page.areas else ()),
        ("Programs", (", ".join(page.programs),)),
        ("What is known", [_known(item) for item in page.evidence]),
    )
    for head, texts in parts:
        if any(texts):
            yield click.style(f"\n{head}", bold=True) if head else ""
            for text in texts:
                yield wrap(text, "    ", "  ")
    if page.areas and not page.evidence:
        yield ""
        yield wrap("No study of such a device on this area is known here: this is how it is practised.")


def _known(item: Evidence) -> str:
    return f"{item.source}: {item.finding}" + ("" if item.reread else " (not re-read)")


def list_lines(contents: Book) -> Iterator[str]:
    """The topics, areas first."""
    for head, is_area in (("Areas of the body", True), ("In general", False)):
        yield click.style(head, bold=True)
        yield from columns([(t.name, t.title) for t in contents.topics if bool(t.areas) == is_area], "  ")
    yield ""
    yield "One of them: knead guide TOPIC. The check before a session: knead guide"


def question_lines(contents: Book) -> Iterator[str]:
    """The questions, with why and what to do."""
    for question in contents.questions:
        yield click.style(question.name, bold=True)
        yield wrap(question.ask, "  ", "  ")
        yield wrap(f"Why: {question.why}", "  ", "  ")
        yield wrap(f"If yes: {question.do}", "  ", "  ")


def _page(contents: Book, name: str) -> Topic:
    page = contents.topic(name)
    if page:
        return page
    names = [known for topic in contents.topics for known in (topic.name, *topic.aliases)]
    near = difflib.get_close_matches(name.lower(), names, 1)
    hint = f"did you mean {near[0]}?" if near else "see them: knead guide --list"
    raise click.UsageError(f"there is no topic {name!r}; {hint}")


def _entry(page: Topic) -> dict[str, Any]:
    return {key: page.as_dict()[key] for key in ("name", "title", "aliases", "areas", "programs")}
