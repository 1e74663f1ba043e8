"""The journal kept on this computer, none of it twice; and followed as it is written."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from host_peer import Answer, Knead, Peer
from openknead.journal import Record
from openknead.logstore import BATCH, LogStore, LogStoreError, Synced
from test_host_log import SOME_DAY, boot, fault, session

HANG = 20.0


def kept(tmp_path: Path) -> list[tuple[int, list[Any]]]:
    with LogStore(tmp_path / "data" / "log.sqlite") as store:
        return [(each.journal, [record.data for record in each.records]) for each in store.journals()]


def sync(knead: Knead, *options: str) -> Any:
    code, out, err = knead("log", "--sync", "--json", *options)
    assert code == 0, err
    return json.loads(out)


def test_a_second_sync_takes_what_is_new_and_nothing_twice(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    peer.journal = [boot(1), session(2), fault(3)]
    first = sync(knead)
    again = sync(knead)
    peer.journal += [session(4), boot(5, boot=4)]
    peer.requests.clear()
    more = sync(knead)

    assert [(done["new"], done["kept"]) for done in (first, again, more)] == [(3, 3), (0, 3), (2, 5)]
    assert kept(tmp_path) == [(1, peer.journal)]
    starts = [request["params"]["start"] for request in peer.requests if request["method"] == "journal.read"]
    assert min(starts) == 3, "only what is new is read, and the last one to compare"


def test_records_are_kept_to_the_letter(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    peer.journal = [
        {"kind": "new kind", "n": 7, "x": [1, {"y": "é\n"}], "boot": 1, "up_ms": 5, "unix_s": None}
    ]
    sync(knead)

    with sqlite3.connect(tmp_path / "data" / "log.sqlite") as db:
        ((text,),) = db.execute("SELECT json FROM record").fetchall()

    assert text == '{"kind":"new kind","n":7,"x":[1,{"y":"é\\n"}],"boot":1,"up_ms":5,"unix_s":null}'
    assert json.loads(knead("log", "--local", "--json")[1])["journals"][0]["records"] == peer.journal


def test_what_the_device_dropped_before_it_was_read_is_told(knead: Knead, peer: Peer) -> None:
    peer.journal = [boot(1), session(2)]
    sync(knead)
    peer.journal = [session(9), session(10)]
    done = sync(knead)

    assert (done["new"], done["missing"], done["replaced"]) == (2, 6, False)
    assert "6 records are missing" in knead("log", "--sync")[1]
    assert "(6 records are missing here)" in knead("log", "--local")[1]


@pytest.mark.parametrize(
    "later",
    [
        [boot(1, boot=1)],  # shorter
        [],
        [
            boot(1, boot=1),
            session(2, boot=1),
            session(3, boot=1),
            session(4, boot=1),
        ],  # as long, and different
        [session(40, boot=1), session(41, boot=1)],  # longer, but its boots began anew
    ],
)
def test_a_journal_that_began_anew_is_another_one(
    knead: Knead, peer: Peer, tmp_path: Path, later: list[Any]
) -> None:
    before = peer.journal = [boot(1), session(2), fault(3)]
    sync(knead)
    peer.journal = later
    done = sync(knead)
    sync(knead)

    assert (done["replaced"], done["new"]) == (True, len(later))
    assert kept(tmp_path) == [(1, before), *([(2, later)] if later else [])]


def test_a_sync_that_is_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    journal = [Record.of(session(n)) for n in range(1, 3 * BATCH)]

    def read(start: int | None) -> Any:
        for record in journal:
            if record.n >= (start or 0):
                if record.n == cut:
                    raise Answer(-32012, "motor_running")
                yield record

    with LogStore(tmp_path / "log.sqlite") as store:
        cut = 2 * BATCH
        with pytest.raises(Answer):
            store.sync("e660", read)
        cut = 0
        done = store.sync("e660", read)

    assert done == Synced("e660", 1, False, BATCH, 3 * BATCH - 1, 0)


def test_boards_are_kept_apart_and_chosen_by_their_id(knead: Knead, peer: Peer) -> None:
    for board, records in (("e660", [boot(1), session(2)]), ("e661", [fault(1)])):
        peer.hello["board"], peer.journal = board, records
        sync(knead)

    everything = knead("log", "--local")[1]
    one = json.loads(knead("log", "--local", "--board", "e661", "--json")[1])["journals"]
    table = knead("log", "--local", "--csv")[1].splitlines()

    assert "board e660, journal 1" in everything
    assert [each["board"] for each in one] == ["e661"]
    assert table[0].startswith("board,journal,n,kind,")
    assert [line[:7] for line in table[1:]] == ["e660,1,", "e660,1,", "e661,1,"]


def test_local_wants_no_device_and_takes_the_same_filters(
    knead: Knead, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer.journal = [boot(1), session(2, SOME_DAY), session(3, SOME_DAY + 60)]
    sync(knead)
    monkeypatch.setenv("OPENKNEAD_PORT", "/dev/not-there")

    code, out, _ = knead("log", "--local", "--kind", "session", "--limit", "1", "--json")

    assert code == 0
    assert [record["n"] for record in json.loads(out)["journals"][0]["records"]] == [3]


def test_a_log_that_is_none_is_left_alone(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE mine (x)")
    junk = tmp_path / "junk.sqlite"
    junk.write_bytes(b"something else " * 99)

    for path in (other, junk):
        before = path.read_bytes()
        code, _, err = knead("log", "--sync", "--db", str(path), "--json")
        assert (code, json.loads(err)["error"]["name"]) == (1, "log_store")
        assert path.read_bytes() == before
    code, _, err = knead("log", "--local", "--db", str(tmp_path / "none.sqlite"))
    assert code == 1
    assert "knead log --sync" in err
    assert not (tmp_path / "none.sqlite").exists()


def test_a_damaged_log_is_an_error_and_no_crash(knead: Knead, peer: Peer, tmp_path: Path) -> None:
    peer.journal = [boot(1)]
    sync(knead)
    with sqlite3.connect(tmp_path / "data" / "log.sqlite") as db:
        db.execute("UPDATE record SET json = '{'")

    for option in ("--sync", "--local"):
        assert knead("log", option)[0] == 1
    with LogStore(tmp_path / "data" / "log.sqlite") as store, pytest.raises(LogStoreError):
        store.journals()


@pytest.mark.parametrize(
    "options",
    [
        ["--sync", "--local"],
        ["--follow", "--csv"],
        ["--sync", "--explain"],
        ["--local", "--explain"],
        ["--db", "x"],
        ["--board", "e660"],
    ],
)
def test_options_that_do_not_go_together_are_a_usage_error(
    knead: Knead, peer: Peer, options: list[str]
) -> None:
    assert knead("log", *options)[0] == 2
    assert "journal.read" not in peer.methods()


def follow(peer: Peer, *options: str) -> tuple[subprocess.Popen[str], list[str]]:
    """A `knead log --follow` of its own, and the lines that it prints."""
    command = [sys.executable, "-m", "openknead", "--port", peer.port, "log", "--follow", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)

    threading.Thread(target=read, daemon=True).start()
    return process, lines


def until(condition: Any) -> None:
    deadline = time.monotonic() + HANG
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_follow_shows_what_there_is_and_what_comes(peer: Peer) -> None:
    peer.journal = [boot(1), session(2), session(3)]
    process, lines = follow(peer, "--json", "--limit", "2")
    try:
        until(lambda: len(lines) == 2)
        peer.journal += [session(4)]
        peer.event("state", "IDLE", 500, reason="completed")
        until(lambda: len(lines) == 3)
        peer.journal += [boot(6, boot=4)]
        until(lambda: len(lines) == 4)
    finally:
        process.terminate()
        process.communicate(timeout=HANG)

    assert [json.loads(line)["n"] for line in lines] == [2, 3, 4, 6]


def test_follow_waits_for_the_end_of_a_session(peer: Peer) -> None:
    def refuse(params: Any) -> Any:
        raise Answer(-32012, "motor_running", state="RUNNING")

    tell, peer.answers["journal.read"] = peer.answers["journal.read"], refuse
    peer.journal = [session(1)]
    process, lines = follow(peer)
    try:
        assert process.stderr is not None
        assert "a session runs" in process.stderr.readline()
        peer.answers["journal.read"] = tell
        peer.event("state", "IDLE", 500, reason="completed")
        until(lambda: lines)
    finally:
        process.terminate()
        process.communicate(timeout=HANG)

    assert "by button, level 4" in lines[0]
