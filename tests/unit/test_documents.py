"""The documents: tables as the firmware has them, links that lead somewhere, commands that exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from openknead.cli.root import COMMANDS

from docs import generate

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "hardware").glob("*.md")],
    key=lambda path: path.relative_to(ROOT).as_posix(),
)
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in DOCUMENTS}


@pytest.fixture(scope="module")
def schema() -> Any:
    return generate.load()


def test_documents_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_table_stands_in_a_document() -> None:
    placed = {name for text in TEXTS.values() for _, name, _ in generate.BLOCK.findall(text)}
    assert placed == set(generate.TABLES)


def test_a_changed_table_is_noticed(schema: Any) -> None:
    text = TEXTS["docs/settings.md"]
    assert generate.render(text, schema) == text
    stale = text.replace("| 300…900 |", "| 300…1200 |")
    assert stale != text
    assert generate.render(stale, schema) == text


def test_hand_written_text_is_left_alone(schema: Any) -> None:
    text = "before\n<!-- table: limiters -->\nold\n<!-- end of table -->\nafter\n"
    new = generate.render(text, schema)
    assert new.startswith("before\n<!-- table: limiters -->\n| bit |")
    assert new.endswith("<!-- end of table -->\nafter\n")
    assert "old" not in new


def test_an_unknown_table_is_an_error(schema: Any) -> None:
    with pytest.raises(KeyError):
        generate.render("<!-- table: nonsense -->\n<!-- end of table -->\n", schema)


def test_the_tables_are_what_a_device_hands_out(schema: Any) -> None:
    """Page by page as over the wire, so nothing is lost between pages."""
    names = [item["name"] for item in generate.items(schema, "settings")]
    assert len(names) == len(set(names)) > 10
    first_page = json.loads(schema.page("settings", 0, None))
    assert first_page["next"] is not None
    assert all(f"| `{name}` |" in TEXTS["docs/settings.md"] for name in names)


@pytest.mark.parametrize("document", TEXTS)
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[document]):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            file = (ROOT / document).parent / path if path else ROOT / document
            assert file.exists(), f"{document}: {target}"
            if anchor:
                heads = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in heads}, target


@pytest.mark.parametrize("document", TEXTS)
def test_commands_exist(document: str) -> None:
    text = TEXTS[document]
    code = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    code += "\n" + "\n".join(re.findall(r"`([^`\n]+)`", text))
    for command in re.findall(r"\bknead ([a-z]+)\b", code):
        assert command in COMMANDS, f"{document}: knead {command}"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)\b", code):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{document}: make {target}"


def test_the_journal_page_names_what_a_record_has() -> None:
    """The records are made in code, not from a table: what a board writes is looked up on the page."""
    from openknead_sim.virtual import VirtualBoard

    page = TEXTS["docs/protocol.md"].split("\n## Journal\n")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|$", page, re.MULTILINE))
    board = VirtualBoard(seed=1, remote_start=True)
    board.power_on()
    board.run_ms(3000)
    board.rpc("clock.set", unix_s=1_800_000_000)
    board.rpc("session.start", level=1, run_s=1)
    board.run_ms(2000)
    board.rpc("settings.save")
    board.run_ms(3000)
    records = board.rpc("journal.read")["records"]
    assert {"boot", "session", "clock"} <= {record["kind"] for record in records}
    for record in records:
        own = set(record) - {"n", "kind", "boot", "up_ms", "unix_s"}
        assert {name for name in own if f"`{name}`" not in rows[record["kind"]]} == set(), record["kind"]


def test_the_command_line_page_names_every_command() -> None:
    page = TEXTS["docs/command-line.md"]
    assert [name for name in COMMANDS if f"`knead {name}" not in page] == []


def test_the_change_log_knows_this_version() -> None:
    assert "## [Unreleased]" in TEXTS["CHANGELOG.md"]


def test_the_guide_names_areas_and_programs_that_the_device_has(schema: Any) -> None:
    from openknead.guide import book

    bases = {row["name"] for row in generate.items(schema, "areas")}
    programs = {row["name"] for row in generate.items(schema, "programs")}
    assert {area for topic in book().topics for area in topic.areas} == bases
    for topic in book().topics:
        assert set(topic.programs) <= programs, topic.name
