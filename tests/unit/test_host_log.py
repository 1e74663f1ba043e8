"""The journal: read page by page, shown, exported, explained; and devices that answer nonsense."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from host_peer import Knead, Peer
from openknead import connect
from openknead.errors import DeviceError, NotOffered
from openknead.journal import MAX, MEAN, MIN, Record, missing, times

SOME_DAY = int(datetime(2025, 11, 21, 18, 2, 11).timestamp())


def record(
    n: int, kind: str, *, boot: int = 3, up_ms: int = 60_000, at: int | None = None, **more: Any
) -> Any:
    return {"n": n, "kind": kind, "boot": boot, "up_ms": up_ms, "unix_s": at, **more}


def boot(n: int, cause: str = "power_on", **more: Any) -> Any:
    more = {"up_ms": 12_400, "selftest": "passed", **more}
    return record(n, "boot", cause=cause, firmware="0.2.0", content="0123456789abcdef", **more)


def session(n: int, at: int | None = SOME_DAY, **more: Any) -> Any:
    values: dict[str, Any] = {
        "origin": "button",
        "level": 4,
        "run_s": 600,
        "ran_ms": 192_000,
        "reason": "completed",
        "fault": None,
        "limiters": [],
        "rate_opm": [400, 1893, 1920],
        "current_ma": [310, 640, 2310],
        "supply_mv": [10_100, 10_800, 11_300],
        "motor_dc": [251, 300, 412],
        "driver_dc": [250, 280, 330],
        "handle_dc": None,
        "pad_dc": [255, 301, 338],
    }
    return record(n, "session", at=at, **{**values, **more})


def fault(n: int, at: int | None = SOME_DAY) -> Any:
    values = {"state": "RUNNING", "level": 4, "rate_opm": 410, "current_ma": 2310, "supply_mv": 10_900}
    return record(n, "fault", at=at, fault="stall", **values)


# -- reading -------------------------------------------------------------------------------------------


def test_the_journal_is_read_page_by_page_and_kept_as_sent(peer: Peer) -> None:
    peer.journal = [record(n, "settings", sequence=n, extra={"of": ["a", None]}) for n in range(5, 12)]

    with connect(peer.port) as device:
        found = list(device.journal())
        later = list(device.journal(start=9))

    assert [dict(item.data) for item in found] == peer.journal
    assert (found[0].n, found[0].kind, found[0].boot, found[0].up_ms) == (5, "settings", 3, 60_000)
    assert [item.n for item in later] == [9, 10, 11]


def test_an_empty_journal_has_no_records(peer: Peer) -> None:
    with connect(peer.port) as device:
        assert list(device.journal()) == []


def test_members_are_read_by_type_and_missing_ones_are_none() -> None:
    item = Record.of(session(1, limiters=["heat"]))

    assert [item.number("rate_opm", place) for place in (MIN, MEAN, MAX)] == [400, 1893, 1920]
    assert (item.number("ran_ms"), item.word("origin"), item.names("limiters")) == (
        192_000,
        "button",
        ["heat"],
    )
    assert item.number("handle_dc", MAX) is item.number("origin") is item.number("nothing") is None
    assert item.word("ran_ms") is None
    assert item.names("origin") == []


def test_a_record_that_lacks_members_is_still_a_record() -> None:
    bare = Record.of({"n": 7})

    assert (bare.n, bare.kind, bare.boot, bare.up_ms, bare.unix_s) == (7, "", 0, 0, None)


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"records": None, "last": 9, "next": None},
        {"records": ["a"], "last": 9, "next": None},
        {"records": [{"kind": "boot"}], "last": 9, "next": None},
        {"records": [], "last": None, "next": 5},
        {"records": [], "last": 9, "next": "5"},
        {"records": [{"n": 4}], "last": 1 << 29, "next": 5},
    ],
)
def test_a_journal_that_makes_no_sense_is_an_error_and_ends(peer: Peer, page: Any) -> None:
    peer.answers["journal.read"] = lambda params: page

    with connect(peer.port) as device, pytest.raises(DeviceError) as caught:
        list(device.journal())

    assert caught.value.remedy == "report this firmware's version"
    assert peer.methods().count("journal.read") <= 2


def test_what_is_written_while_it_is_read_does_not_prolong_the_reading(peer: Peer) -> None:
    def growing(params: Any) -> Any:
        n = params.get("start", 1)
        return {"records": [record(n, "settings")], "first": 1, "last": n + 2, "next": n + 1}

    peer.answers["journal.read"] = growing
    with connect(peer.port) as device:
        assert [item.n for item in device.journal()] == [1, 2, 3]


def test_firmware_without_a_journal_is_told_with_the_way_out(peer: Peer, knead: Knead) -> None:
    peer.hello["capabilities"] = ["sessions"]

    with connect(peer.port) as device, pytest.raises(NotOffered):
        device.journal()
    code, _, err = knead("log")

    assert code == 6
    assert "firmware 0.1.0 has no journal" in err
    assert "install newer firmware: knead flash --port" in err
    assert "journal.read" not in peer.methods()


def test_a_date_is_worked_out_within_one_boot_only() -> None:
    found = [
        record(1, "boot", boot=2),
        record(2, "boot", boot=3, up_ms=500),
        record(3, "clock", boot=3, up_ms=10_500, at=SOME_DAY),
        record(4, "settings", boot=4, up_ms=(1 << 30) - 5000),
        record(5, "settings", boot=4, up_ms=5000, at=SOME_DAY),  # the milliseconds have wrapped
        record(6, "settings", boot=4, up_ms=6000),
        record(7, "settings", boot=4, up_ms=7000, at=0),
    ]

    known = [None, SOME_DAY - 10, SOME_DAY, SOME_DAY - 10, SOME_DAY, None, None]
    assert times([Record.of(raw) for raw in found]) == known


def test_gaps_are_counted() -> None:
    assert missing([Record.of({"n": n}) for n in (4, 5, 9, 10, 12)]) == {9: 3, 12: 1}


# -- showing -------------------------------------------------------------------------------------------


def test_a_session_is_one_line(peer: Peer, knead: Knead) -> None:
    peer.journal = [session(1, reason="fault", fault="stall", limiters=["heat"])]

    code, out, _ = knead("log")

    assert code == 0
    assert out == (
        "2025-11-21 18:02:11  session  by button, level 4, 3:12 of 10:00, fault stall, mean 1893 opm, "
        "max 2.31 A, motor 41.2 °C, driver 33.0 °C, pad 33.8 °C, held back: heat\n"
    )


def test_every_kind_has_its_line_and_strangers_are_printed_as_they_are(peer: Peer, knead: Knead) -> None:
    peer.journal = [
        boot(1),
        boot(
            2,
            "crash",
            selftest="failed",
            failed=["ram", "reference"],
            error="MemoryError",
            state="RUNNING",
            ran_ms=75_000,
            lost=2,
        ),
        fault(3),
        record(4, "clear", fault="stall"),
        record(5, "refusal", origin="button", refusals=["stop_pressed", "too_hot"]),
        record(6, "selftest", failed=["ram"]),
        record(7, "clock", at=SOME_DAY, was=SOME_DAY + 3600),
        record(8, "settings", sequence=12),
        record(9, "weather", rain=True),
        {"n": 10},
    ]

    lines = knead("log")[1].splitlines()

    assert [line.split("  ")[-1].strip() for line in lines[:9]] == [
        "power_on, firmware 0.2.0, self-test passed",
        "crash, firmware 0.2.0, self-test failed: ram, reference, MemoryError, had been RUNNING "
        "and up for 1:15, 2 lost before it",
        "stall in RUNNING, level 4, 410 opm, 2.31 A, 10.9 V",
        "stall",
        "by button: stop_pressed, too_hot",
        "failed: ram",
        "set, was 2025-11-21 19:02:11",
        "saved, record 12",
        "rain True",
    ]
    assert lines[9] == "boot 0 +0.0 s"
    assert lines[0].startswith("~2025-11-21 18:01:")


@pytest.mark.parametrize(
    "kind", ["boot", "session", "fault", "clear", "refusal", "selftest", "clock", "settings"]
)
@pytest.mark.parametrize("form", [(), ("--csv",), ("--explain",), ("--json",)])
@pytest.mark.parametrize("junk", [None, "x", {"a": 1}, [1, 2], 1 << 70, ["a", "b", "c"]])
def test_records_with_missing_or_odd_members_are_shown_all_the_same(
    peer: Peer, knead: Knead, kind: str, form: tuple[str, ...], junk: Any
) -> None:
    full = {**session(0), **fault(0), **boot(0), "refusals": [], "was": 1, "sequence": 1}
    odd = {key: junk for key in full if key not in ("n", "kind")}
    peer.journal = [{"n": 1, "kind": kind}, {"n": 2, "kind": kind, **odd}]

    code, out, err = knead("log", *form)

    assert (code, err) == (0, "")
    assert out


def test_without_a_date_boot_and_time_since_are_told(peer: Peer, knead: Knead) -> None:
    peer.journal = [boot(1), session(2, at=None, up_ms=7_500_000)]

    lines = knead("log")[1].splitlines()

    assert lines[0].startswith("boot 3 +12.4 s   boot ")
    assert lines[1].startswith("boot 3 +2:05:00  session ")


def test_a_gap_is_told_in_its_place(peer: Peer, knead: Knead) -> None:
    peer.journal = [boot(1), boot(2), boot(6), boot(8)]

    lines = knead("log")[1].splitlines()

    assert lines[2].strip() == "(3 records are missing here)"
    assert lines[4].strip() == "(1 record is missing here)"


def test_an_empty_journal_says_so(peer: Peer, knead: Knead) -> None:
    assert knead("log") == (0, "the journal is empty\n", "")
    assert json.loads(knead("log", "--json")[1]) == {"records": []}
    assert len(knead("log", "--csv")[1].splitlines()) == 1
    peer.journal = [boot(1)]
    assert knead("log", "--kind", "fault")[1] == "no such record among 1\n"


def test_limit_and_kind_choose_the_newest(peer: Peer, knead: Knead) -> None:
    peer.journal = [boot(n) if n % 2 else session(n) for n in range(1, 9)]

    def numbers(*options: str) -> list[int]:
        return [item["n"] for item in json.loads(knead("log", "--json", *options)[1])["records"]]

    assert numbers("--limit", "3") == [6, 7, 8]
    assert numbers("--kind", "session", "--limit", "2") == [6, 8]
    assert numbers("--kind", "session", "--kind", "boot") == [*range(1, 9)]


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("12h", 3),
        ("90min", 4),
        ("3d", 2),
        ("1w", 1),
        ("1 h", 4),
        ("2000-01-01", 1),
        ("2100-01-01T00:00", None),
    ],
)
def test_since_takes_spans_and_dates(peer: Peer, knead: Knead, since: str, first: int | None) -> None:
    now = int(time.time())
    ages_s = (5 * 86_400, 2 * 86_400, 7200, 60)
    peer.journal = [session(n, at=now - age_s) for n, age_s in enumerate(ages_s, 1)]

    found = json.loads(knead("log", "--json", "--since", since)[1])["records"]

    assert [item["n"] for item in found] == ([*range(first, 5)] if first else [])


def test_since_knows_today_and_yesterday(peer: Peer, knead: Knead) -> None:
    midnight = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    moments = (midnight - timedelta(hours=25), midnight - timedelta(hours=1), midnight)
    peer.journal = [session(n, at=int(moment.timestamp())) for n, moment in enumerate(moments, 1)]

    assert len(knead("log", "--since", "today")[1].splitlines()) == 1
    assert len(knead("log", "--since", "yesterday")[1].splitlines()) == 2


def test_records_without_a_date_stay_with_the_ones_after_them(peer: Peer, knead: Knead) -> None:
    now = int(time.time())
    peer.journal = [
        boot(1, boot=1),
        session(2, at=now - 7200, boot=1),
        boot(3, boot=2),
        session(4, at=now - 60, boot=3),
        boot(5, boot=4),
    ]

    found = json.loads(knead("log", "--json", "--since", "1h")[1])["records"]

    assert [item["n"] for item in found] == [3, 4, 5]


@pytest.mark.parametrize(
    "options",
    [
        ("--since", "soon"),
        ("--since", "-2h"),
        ("--since", "999999w"),
        ("--since", ""),
        ("--limit", "0"),
        ("--kind", "fualt"),
        ("--csv", "--json"),
        ("--csv", "--explain"),
        ("--explain", "--json"),
    ],
)
def test_bad_options_are_a_usage_error_and_nothing_is_asked(
    peer: Peer, knead: Knead, options: tuple[str, ...]
) -> None:
    code, out, err = knead("log", *options)

    assert (code, out) == (2, "")
    assert err
    assert peer.requests == []


def test_json_prints_the_records_exactly_as_sent(peer: Peer, knead: Knead) -> None:
    peer.journal = [boot(1), session(2), record(4, "weather", rain=[None, 1.5, "ä"])]

    out = knead("log", "--json")[1]

    assert out == json.dumps({"records": peer.journal}, ensure_ascii=False) + "\n"


def test_csv_has_a_row_per_record_and_a_column_per_member(peer: Peer, knead: Knead) -> None:
    peer.journal = [
        boot(1, "crash", error='Error: "a", b\r\nc'),
        session(2, limiters=["heat", "current"], at=None),
        fault(3),
        record(4, "weather", rain=True),
    ]

    rows = list(csv.DictReader(io.StringIO(knead("log", "--csv")[1], newline="")))

    assert [row["kind"] for row in rows] == ["boot", "session", "fault", "weather"]
    assert rows[0]["error"] == 'Error: "a", b\r\nc'
    assert (rows[1]["rate_opm_min"], rows[1]["rate_opm_mean"], rows[1]["rate_opm_max"]) == (
        "400",
        "1893",
        "1920",
    )
    assert (rows[1]["limiters"], rows[1]["handle_dc_max"], rows[1]["unix_s"]) == ("heat current", "", "")
    assert datetime.fromisoformat(rows[1]["time"]).timestamp() == SOME_DAY
    assert (rows[2]["rate_opm"], rows[2]["rate_opm_mean"], rows[2]["fault"]) == ("410", "", "stall")
    assert rows[3]["rain"] == "True"


# -- explaining ----------------------------------------------------------------------------------------


def test_explain_tells_boot_by_boot_what_happened_and_what_is_to_be_done(peer: Peer, knead: Knead) -> None:
    peer.journal = [
        boot(1, boot=2, at=SOME_DAY - 600),
        record(2, "refusal", boot=2, at=SOME_DAY - 500, origin="button", refusals=["stop_pressed"]),
        session(3, boot=2, at=SOME_DAY - 300, ran_ms=45_000, reason="stop_button"),
        boot(4, "watchdog", boot=3, at=SOME_DAY - 100, state="RUNNING", ran_ms=75_000),
        session(5, reason="fault", fault="stall", limiters=["heat"]),
        fault(6),
        record(7, "clear", at=SOME_DAY, fault="stall"),
        record(8, "clock", at=SOME_DAY, was=None),
    ]
    peer.answers["status"] = lambda params: {
        "state": "IDLE",
        "fault": {"code": 1, "name": "over_current", "remedy": "Press less hard.", "more": 2},
        "refusals": ["fault_latched", "stop_pressed", "remote_disabled"],
    }

    code, out, _ = knead("log", "--explain")

    assert code == 0
    assert out.splitlines() == [
        "Boot 2",
        "  21 Nov 2025 17:52: the device was switched on.",
        "  21 Nov 2025 17:53: a start by button was refused. stop_pressed: Release STOP.",
        "  21 Nov 2025 17:57: the session you started by button at level 4 ran 45 s of 10 min and ended: "
        "STOP was pressed, or its wire is open.",
        "",
        "Boot 3",
        "  21 Nov 2025 18:00: the watchdog restarted the device: its firmware hung while running, "
        "1 min 15 s after its start. Report it.",
        "  21 Nov 2025 18:02: the session you started by button at level 4 ran 3 min 12 s of 10 min and was "
        "stopped by the fault stall: rate below a third of the demand. Free the pad, then clear. "
        "Meanwhile it was held back. Heat limits the level.",
        "  21 Nov 2025 18:02: the motor was stopped (running, level 4, 410 opm, 2.31 A, 10.9 V) by the fault "
        "stall: rate below a third of the demand.",
        "  21 Nov 2025 18:02: the fault stall was cleared.",
        "  21 Nov 2025 18:02: a host set the clock.",
        "",
        "Now: the fault over_current is latched, and 2 more behind it. Press less hard.",
        "Then: Remove the cause, then clear.",
        "Now: a start would be refused. stop_pressed: Release STOP.",
    ]


def test_explain_tells_failed_self_tests_crashes_and_faults_at_rest(peer: Peer, knead: Knead) -> None:
    peer.journal = [
        boot(
            1,
            "crash",
            error="ValueError: x",
            state="PAUSED",
            ran_ms=2000,
            selftest="failed",
            failed=["ram", "new_one"],
        ),
        {**fault(2, at=None), "state": "IDLE"},
        record(3, "weather", rain=1),
        record(4, "settings", lost=3),
    ]

    lines = knead("log", "--explain")[1].splitlines()

    assert lines[1:] == [
        "  +12.4 s: the device restarted: its firmware crashed while paused, 2 s after its start: "
        "ValueError: x. Its self-test failed. ram: Replace the board. new_one",
        "  +0:01:00: the fault stall: rate below a third of the demand. Free the pad, then clear.",
        f"  +0:01:00: weather, which this host does not know: {peer.journal[2]}",
        "  +0:01:00: the settings were saved. (3 more happened before this and could not be written.)",
        "",
        "Now: nothing is left to do.",
    ]


def test_explain_of_an_empty_journal_still_tells_what_is_to_be_done(peer: Peer, knead: Knead) -> None:
    assert knead("log", "--explain")[1] == "the journal has no such record\nNow: nothing is left to do.\n"
