"""The dose: from recorded journals by day and area; the device's own count; the hand that holds it."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from host_peer import Answer, Knead, Peer
from hypothesis import given
from hypothesis import strategies as st
from openknead import connect
from openknead.device import utc_offset_min
from openknead.dose import UNSPECIFIED, Today, ledger, within
from openknead.errors import DeviceError, NotOffered
from openknead.journal import Record
from openknead.vibration import ACTION_MS2, LIMIT_MS2, acceleration, budget, daily, minutes_left, weighting

TODAY = date.today()
EPOCH = date(1970, 1, 1)


def noon(days_ago: int = 0) -> int:
    day = TODAY - timedelta(days=days_ago)
    return int(datetime(day.year, day.month, day.day, 12).timestamp())


def session(n: int, days_ago: int | None = 0, **more: Any) -> dict[str, Any]:
    """A session's record, dated by the device; days_ago None: it did not know the date."""
    at = None if days_ago is None else noon(days_ago)
    day = None if days_ago is None else ((TODAY - timedelta(days=days_ago)) - EPOCH).days
    values: dict[str, Any] = {
        "n": n,
        "kind": "session",
        "boot": 3,
        "up_ms": n * 1000,
        "unix_s": at,
        "day": day,
    }
    values |= {"ran_ms": 300_000, "rate_opm": [900, 2000, 2100], "areas": {}, "program": None}
    return {**values, **more}


def old(n: int, days_ago: int = 0, **more: Any) -> dict[str, Any]:
    """A record of firmware that knew no areas."""
    record = session(n, days_ago, **more)
    del record["areas"], record["day"], record["program"]
    return record


def days(*records: dict[str, Any], since: date | None = None, area: str | None = None) -> list[Any]:
    return ledger([Record.of(record) for record in records], since, area)


def dose_of(params: Any) -> dict[str, Any]:
    """A device's answer, one area a page."""
    areas = {"calf_left": [120, 3600, 1], "glute": [60, 1500, 2], "unspecified": [30, 500, 1]}
    start = params.get("start", 0)
    return {
        "day": (TODAY - EPOCH).days,
        "dated": True,
        "total_s": 210,
        "areas": dict([list(areas.items())[start]]),
        "next": start + 1 if start + 1 < len(areas) else None,
        "day_limit_min": 30,
        "area_limit_min": 5,
        "rest_s": 600,
        "rest_left_s": 90,
    }


@pytest.fixture
def counting(peer: Peer) -> Peer:
    """A device that counts a dose."""
    peer.hello["capabilities"] = [*peer.hello["capabilities"], "dose"]
    peer.answers["dose.get"] = dose_of
    return peer


# -- the ledger ----------------------------------------------------------------------------------------


def test_sessions_of_a_day_are_summed_by_area() -> None:
    first = session(1, areas={"calf_left": [60_000, 2000], "calf_right": [30_000, 900]})
    second = session(2, areas={"calf_left": [120_000, 3700]})

    (day,) = days(first, second)

    assert (day.day, day.boot, day.sessions) == (TODAY, None, 2)
    assert (day.sum.motor_ms, day.sum.oscillations) == (210_000, 6600)
    assert [(s.area, s.sum.motor_ms, s.sum.oscillations, len(s.parts)) for s in day.shares] == [
        ("calf_left", 180_000, 5700, 2),
        ("calf_right", 30_000, 900, 1),
    ]
    assert day.shares[0].sum.rate_opm == 1900


def test_minutes_times_mean_rate_are_the_oscillations() -> None:
    (day,) = days(session(1, areas={"glute": [90_000, 2801]}), session(2, areas={"glute": [31_000, 777]}))

    part = day.shares[0].sum
    assert part.motor_ms / 60_000 * part.rate_opm == pytest.approx(part.oscillations)


def test_days_come_oldest_first_and_older_ones_stay_out() -> None:
    records = [session(n, 9 - n, areas={"calf": [60_000, 1000]}) for n in range(1, 10)]

    found = days(*records, since=TODAY - timedelta(days=2))

    assert [day.day for day in found] == [TODAY - timedelta(days=ago) for ago in (2, 1, 0)]


def test_the_devices_own_day_counts_where_it_knew_the_date() -> None:
    """It is the day of whoever used it, in another time zone perhaps."""
    record = session(1, 0, day=(TODAY - EPOCH).days - 1, areas={"calf": [60_000, 1000]})

    assert days(record)[0].day == TODAY - timedelta(days=1)


def test_a_date_that_was_worked_out_is_the_local_one_and_a_stale_day_is_none() -> None:
    undated = session(1, None, day=12, areas={"calf": [60_000, 1000]})
    clock = {"n": 2, "kind": "clock", "boot": 3, "up_ms": 5000, "unix_s": noon(), "was": None}

    assert days(undated, clock)[0].day == TODAY
    lost = days(undated)[0]
    assert (lost.day, lost.boot, lost.name) == (None, 3, "boot 3")


def test_sessions_of_unknown_date_stay_with_the_next_known_one() -> None:
    records = [
        session(1, None, boot=1, areas={"calf": [1000, 10]}),
        session(2, 20, boot=2, areas={"calf": [1000, 10]}),
        session(3, None, boot=4, areas={"calf": [1000, 10]}),
        session(4, 0, boot=5, areas={"calf": [1000, 10]}),
        session(5, None, boot=6, areas={"calf": [1000, 10]}),
    ]

    found = days(*records, since=TODAY)

    assert [day.name for day in found] == ["boot 4", TODAY.isoformat(), "boot 6"]


def test_records_older_than_areas_count_as_unspecified_with_their_whole_time() -> None:
    (day,) = days(old(1), old(2, rate_opm=None, ran_ms=60_000))

    (share,) = day.shares
    assert (share.area, share.sum.motor_ms, share.sum.oscillations) == (UNSPECIFIED, 360_000, 10_000)
    assert share.sum.estimated
    assert share.parts[1].rate_opm is None


def test_a_session_without_motor_time_has_no_dose() -> None:
    assert days(session(1, areas={}), old(2, ran_ms=0)) == []


def test_an_area_has_its_sides_in_it() -> None:
    assert within("calf_left", "calf") and within("calf", "calf")
    assert not within("calf", "calf_left") and not within("forearm_left", "arm")
    record = session(1, areas={"calf_left": [1000, 10], "calf": [2000, 20], "glute": [5000, 50]})
    assert [share.area for share in days(record, area="calf")[0].shares] == ["calf", "calf_left"]
    assert days(record, area="hand") == []


@pytest.mark.parametrize("areas", [{"calf": None}, {"calf": [1]}, {"calf": [1, -2]}, {"calf": ["a", 2]}, {}])
def test_areas_that_make_no_sense_are_left_out(areas: Any) -> None:
    assert days(session(1, areas={**areas, "glute": [1000, 10]}))[0].sum.motor_ms == 1000


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["calf", "calf_left", "glute", "unspecified"]),
            st.tuples(st.integers(1, 900_000), st.integers(0, 60_000)).map(list),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_nothing_is_lost_or_counted_twice(sessions: list[dict[str, list[int]]], random: Any) -> None:
    records = [session(n, random.choice([None, 0, 1, 5]), areas=areas) for n, areas in enumerate(sessions)]

    found = days(*records)

    assert sum(day.sum.motor_ms for day in found) == sum(e[0] for areas in sessions for e in areas.values())
    assert sum(day.sum.oscillations or 0 for day in found) == sum(
        e[1] for areas in sessions for e in areas.values()
    )
    assert sum(day.sessions for day in found) == sum(1 for areas in sessions if areas)


# -- what the device counts ----------------------------------------------------------------------------


def test_a_session_without_an_end_counts_to_its_own_day_as_an_estimate() -> None:
    day = (TODAY - timedelta(days=1) - EPOCH).days
    areas = {"glute": [600_000, 10_000]}
    charged = session(2, None, day=day, areas=areas, reason="interrupted", charged="as_planned")
    counted = session(1, None, day=day, areas=areas, charged="counted")

    (found,) = days(charged)
    assert found.day == TODAY - timedelta(days=1)
    assert found.sum.estimated and found.sum.motor_ms == 600_000
    (undated,) = days(counted)  # the device's last day is no date
    assert undated.day is None and not undated.sum.estimated


def test_knead_dose_says_what_was_charged_without_a_count(counting: Peer, knead: Knead) -> None:
    counting.answers["dose.get"] = lambda params: (
        dose_of({}) | {"charged": {"counted": 60, "as_planned": 600}}
    )

    code, out, _ = knead("dose")
    assert code == 0 and "10.0 min of it charged as planned" in out and "within 10 s" not in out

    _, out, _ = knead("--json", "dose")
    assert json.loads(out)["today"]["charged"] == {"counted": 60, "as_planned": 600}


def test_the_devices_count_is_read_page_by_page(counting: Peer) -> None:
    with connect(counting.port) as device:
        today = device.dose()

    assert today.day == TODAY
    assert today.areas == {"calf_left": (120, 3600, 1), "glute": (60, 1500, 2), "unspecified": (30, 500, 1)}
    assert (today.total_s, today.day_limit_min, today.area_limit_min) == (210, 30, 5)
    assert (today.rest_s, today.rest_left_s) == (600, 90)


def test_a_device_that_never_knew_the_date_has_no_day() -> None:
    assert Today.of([dose_of({}) | {"day": None}]).day is None


@pytest.mark.parametrize("answer", [{}, {"areas": None}, {"areas": {"calf": [1]}, "day": "x"}])
def test_a_count_that_makes_no_sense_is_an_error(counting: Peer, answer: dict[str, Any]) -> None:
    counting.answers["dose.get"] = lambda params: answer
    with connect(counting.port) as device, pytest.raises(DeviceError, match="no dose"):
        device.dose()


def test_firmware_without_a_dose_is_told_apart(peer: Peer) -> None:
    with connect(peer.port) as device, pytest.raises(NotOffered):
        device.dose()


def test_a_device_that_counts_days_is_told_the_time_zone(counting: Peer, peer: Peer) -> None:
    with connect(counting.port):
        pass

    (request,) = [request for request in counting.requests if request["method"] == "clock.set"]
    assert request["params"]["utc_offset_min"] == utc_offset_min(request["params"]["unix_s"])


def test_the_offset_is_that_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        winter, summer = (int(datetime(2026, month, 15, 12).timestamp()) for month in (1, 7))
        assert (utc_offset_min(winter), utc_offset_min(summer)) == (60, 120)
    finally:
        monkeypatch.undo()
        time.tzset()


# -- the command ---------------------------------------------------------------------------------------


def test_the_table_says_minutes_rate_and_oscillations(counting: Peer, knead: Knead) -> None:
    counting.journal = [
        session(1, 1, areas={"calf_left": [60_000, 2000]}),
        session(2, areas={"calf_left": [240_000, 8000], "glute": [60_000, 1000]}),
    ]

    code, out, _ = knead("dose")

    lines = out.splitlines()
    assert code == 0
    assert lines[:5] == [
        f"{TODAY - timedelta(days=1)}: 1.0 min × 2000 opm = 2,000, 1 session",
        f"  calf_left  {'████':16}  1.0 min × 2000 opm = 2,000, 1 session",
        f"{TODAY}: 5.0 min × 1800 opm = 9,000, 1 session",
        f"  calf_left  {'█' * 16}  4.0 min × 2000 opm = 8,000, 1 session",
        f"  glute      {'████':16}  1.0 min × 1000 opm = 1,000, 1 session",
    ]
    assert f"The device counts for {TODAY}: 3.5 min of 30 min" in out
    assert "  calf_left: 2.0 min of 5 min, 3,600 oscillations, 1 session" in lines
    assert "  unspecified: 0.5 min, 500 oscillations, 1 session" in lines
    assert "a rest is due: 1:30 left of 10:00" in out
    assert max(map(len, lines)) <= 80


def test_old_records_and_firmware_say_what_they_do_not_know(peer: Peer, knead: Knead) -> None:
    peer.journal = [old(1)]

    code, out, _ = knead("dose")

    assert code == 0
    assert "unspecified" in out and "~5.0 min × 2000 opm = 10,000" in out
    assert "pauses included" in out
    assert "counts no dose by itself" in out


def test_json_and_csv_have_every_day_and_area(counting: Peer, knead: Knead) -> None:
    counting.journal = [
        session(1, None, boot=2, areas={"glute": [30_000, 600]}),
        session(2, areas={"calf_left": [60_000, 2000], "glute": [30_000, 600]}),
    ]

    machine = json.loads(knead("dose", "--json")[1])
    rows = list(csv.DictReader(io.StringIO(knead("dose", "--csv")[1])))

    assert [(day["day"], day["boot"], day["sessions"]) for day in machine["days"]] == [
        (None, 2, 1),
        (TODAY.isoformat(), None, 1),
    ]
    assert machine["days"][1]["areas"][0] == {
        "area": "calf_left",
        "sessions": 1,
        "motor_s": 60.0,
        "oscillations": 2000,
        "mean_rate_opm": 2000,
        "estimated": False,
    }
    assert machine["today"]["areas"][0]["area"] == "calf_left"
    assert [(row["day"], row["boot"], row["area"], row["oscillations"]) for row in rows] == [
        ("", "2", "glute", "600"),
        (TODAY.isoformat(), "", "calf_left", "2000"),
        (TODAY.isoformat(), "", "glute", "600"),
    ]


def test_days_and_area_choose(counting: Peer, knead: Knead) -> None:
    counting.journal = [
        session(1, 3, areas={"calf_left": [60_000, 2000]}),
        session(2, areas={"calf_right": [60_000, 2000], "glute": [30_000, 600]}),
    ]

    def areas(*argv: str) -> list[str]:
        found = json.loads(knead("dose", "--json", *argv)[1])["days"]
        return [share["area"] for day in found for share in day["areas"]]

    assert areas() == ["calf_left", "calf_right", "glute"]
    assert areas("--days", "1") == ["calf_right", "glute"]
    assert areas("--area", "calf") == ["calf_left", "calf_right"]
    assert areas("--area", "lower-back") == []
    assert "no motor time on lower_back in the last 7 days\n" in knead("dose", "--area", "lower_back")[1]
    assert "no motor time on lower_back today\n" in knead("dose", "--area", "lower_back", "--days", "1")[1]
    code, _, err = knead("dose", "--area", "calv")
    assert code == 2 and "did you mean calf?" in err
    assert knead("dose", "--json", "--csv")[0] == 2


def test_an_empty_journal_is_no_error(counting: Peer, knead: Knead) -> None:
    code, out, _ = knead("dose")

    assert code == 0
    assert "no motor time in the last 7 days" in out


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_it_can_be_drawn(counting: Peer, knead: Knead, tmp_path: Path, suffix: str) -> None:
    counting.journal = [session(n, n % 3, areas={"calf_left": [60_000 * n, 2000]}) for n in range(1, 6)]
    picture = tmp_path / f"dose.{suffix}"

    code, out, _ = knead("dose", "--plot", str(picture))

    assert code == 0 and f"picture: {picture}" in out
    assert picture.stat().st_size > 5000
    if suffix == "svg":
        assert "calf_left" in picture.read_text() and TODAY.isoformat() in picture.read_text()


def test_a_picture_that_cannot_be_drawn_says_why(counting: Peer, knead: Knead, tmp_path: Path) -> None:
    code, _, err = knead("dose", "--plot", str(tmp_path / "dose.xyz"))

    assert code == 1 and "--plot FILE.svg" in err


def test_what_the_device_refuses_is_passed_on(counting: Peer, knead: Knead) -> None:
    def refuse(params: Any) -> Any:
        raise Answer(-32012, "motor_running")

    counting.answers["journal.read"] = refuse
    assert knead("dose")[0] == 1


# -- the hand ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("band", "factor"),  # one-third octave bands of ISO 5349-1, table A.2
    [(8, 0.727), (10, 0.951), (11, 0.958), (12, 0.896), (15, 0.519), (18, 0.256), (21, 0.127)],
)
def test_the_weighting_is_that_of_the_standard(band: int, factor: float) -> None:
    assert weighting(10 ** (band / 10)) == pytest.approx(factor, abs=0.0006)


def test_the_weighting_has_its_reference_value() -> None:
    assert weighting(500 / (2 * math.pi)) == pytest.approx(0.2020, abs=0.00005)
    assert weighting(0) == 0


def test_the_acceleration_is_that_of_a_sine() -> None:
    """1 mm at 10 Hz: 3.948 m/s² peak."""
    assert acceleration(600, 1.0) == pytest.approx(weighting(10) * 3.948 / math.sqrt(2), rel=1e-3)
    assert acceleration(2400, 0.4) == pytest.approx(2 * acceleration(2400, 0.2))


def test_ten_metres_a_second_squared_reach_the_action_value_after_half_an_hour() -> None:
    assert minutes_left(10, 0, ACTION_MS2) == pytest.approx(30)
    assert minutes_left(10, 0, LIMIT_MS2) == pytest.approx(120)
    assert daily([(10, 30)]) == pytest.approx(ACTION_MS2)
    assert daily([]) == 0


@given(
    st.lists(st.tuples(st.floats(0.1, 20), st.floats(0.1, 120)), max_size=5),
    st.floats(0.1, 20),
    st.sampled_from([ACTION_MS2, LIMIT_MS2]),
)
def test_using_what_is_left_reaches_the_bound_exactly(
    exposures: list[tuple[float, float]], a_hv: float, bound: float
) -> None:
    so_far = daily(exposures)
    left = minutes_left(a_hv, so_far, bound)
    if left:
        assert daily([*exposures, (a_hv, left)]) == pytest.approx(bound, rel=1e-6)
    else:
        assert so_far >= bound


def test_a_faster_level_leaves_less_time() -> None:
    rows = budget(0, 0.2, range(1, 12))

    assert [row.rate_opm for row in rows][::10] == [1000, 3700]
    assert all(a.action_min > b.action_min for a, b in pairwise(rows))
    assert all(row.limit_min == pytest.approx(4 * row.action_min) for row in rows)
    assert minutes_left(0, 0, ACTION_MS2) == math.inf


def test_the_hand_gets_all_of_today_whatever_else_is_asked_for(counting: Peer, knead: Knead) -> None:
    counting.journal = [
        session(1, 1, areas={"calf_left": [600_000, 37_000]}),
        session(2, areas={"calf_left": [600_000, 37_000]}),
        session(3, areas={"glute": [300_000, 10_000]}),
    ]

    machine = json.loads(knead("dose", "--area", "glute", "--hand-vibration", "--json")[1])["hand_vibration"]
    out = " ".join(knead("dose", "--hand-vibration")[1].split())

    expected = daily([(acceleration(3700, 0.2), 10), (acceleration(2000, 0.2), 5)])
    assert machine["a8_ms2"] == pytest.approx(expected, abs=0.001)
    assert (machine["minutes"], machine["estimate"], len(machine["levels"])) == (15.0, True, 11)
    assert machine["levels"][10]["action_min"] == pytest.approx(
        minutes_left(acceleration(3700, 0.2), expected, 2.5), rel=0.01
    )
    for text in (
        "an estimate",
        "2002/44/EC",
        "ISO 5349-1",
        "√(Σ a_hv²·T / 8 h)",
        "Only a measurement",
        "0.2 mm",
    ):
        assert text in out


def test_the_amplitude_is_an_option_and_is_stated(counting: Peer, knead: Knead) -> None:
    def level_1(*argv: str) -> float:
        machine = json.loads(knead("dose", "--hand-vibration", "--json", *argv)[1])["hand_vibration"]
        return float(machine["levels"][0]["a_hv_ms2"])

    assert level_1("--handle-amplitude-mm", "0.4") == pytest.approx(2 * level_1(), rel=0.01)
    assert "0.4 mm to each side" in " ".join(
        knead("dose", "--hand-vibration", "--handle-amplitude-mm", "0.4")[1].split()
    )
    assert knead("dose", "--hand-vibration", "--handle-amplitude-mm", "0")[0] == 2
