"""The command reference: made from the commands, so that it can neither lack one nor make one up."""

from __future__ import annotations

import shlex

import click
import pytest
from openknead import errors
from openknead.cli.common import app_options
from openknead.cli.examples import EXAMPLES
from openknead.cli.root import knead, run

from docs import reference

KNOWN = {" ".join(path): command for path, command, _ in reference.commands()}


def plain(head: reference.Row, rows: object) -> str:
    return "\n".join(" | ".join(map(str, row)) for row in [head, *rows])  # type: ignore[attr-defined]


def test_every_command_has_its_page() -> None:
    pages = reference.command_pages(plain)
    assert {"start", "program", "program push", "sim", "sim press"} <= set(KNOWN)
    assert [name for name in KNOWN if f"# knead {name}\n" not in pages] == []


def test_a_command_is_told_with_arguments_options_ranges_and_defaults() -> None:
    @click.command()
    @click.argument("what", type=click.Choice(["a", "b"]))
    @click.argument("files", nargs=-1)
    @click.option("--days", type=click.IntRange(1, 9), default=7, help="How many.")
    @click.option("--tag", multiple=True, metavar="T", help="A tag.")
    @app_options
    def command() -> None:
        """Do it: this way.

        At some length,
        over two lines.

        \b
        as it
          stands
        """

    page = reference._page(["do"], command, plain)

    assert "### knead do\n" in page
    assert "knead do [OPTIONS] a, b [FILES…]" in page
    assert "At some length, over two lines.\n" in page
    assert "```\nas it\n  stands\n```" in page
    assert "`--days N` | 1…9 | `7` | How many." in page
    assert "`--tag T` |  |  | A tag. May be repeated." in page
    assert "--port" not in page
    assert reference._first_sentence(command) == "Do it."


@pytest.mark.parametrize("path", EXAMPLES)
def test_examples_are_commands_that_would_run(path: str) -> None:
    command = KNOWN[path]
    for line in EXAMPLES[path]:
        words = shlex.split(line, comments=True)
        if ">" in words:
            words = words[: words.index(">")]
        assert words[0] == "knead"
        own = words[1 + len(path.split()) :]
        assert words[1 : 1 + len(path.split())] == path.split()
        command.make_context(f"knead {path}", own, parent=click.Context(knead))


def test_help_ends_with_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["program", "push", "--help"]) == 0
    assert capsys.readouterr().out.endswith("Examples:\n    knead program push mine.toml\n")


def test_exit_codes_are_read_from_the_help() -> None:
    rows = {row[0]: row[1] for row in reference.exit_code_rows()}
    assert rows["0"] == "done"
    assert {str(cls.exit_code) for cls in reference.error_classes()} <= set(rows)


def test_every_error_of_the_host_has_a_number_and_a_name_of_its_own() -> None:
    classes = reference.error_classes()
    assert len({cls.code for cls in classes}) == len(classes) > 20
    assert len({cls.name for cls in classes}) == len(classes)
    assert [cls.__name__ for cls in classes if not cls.__doc__] == []


def test_errors_of_the_device_are_told_with_the_class_that_they_become() -> None:
    rows = reference.device_error_rows([{"code": -32010, "name": "refused", "message": "No.", "remedy": "-"}])
    assert [row[0] for row in rows] == ["`openknead.Refused`"]
    assert issubclass(errors.Refused, errors.DeviceError)
