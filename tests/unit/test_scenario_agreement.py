"""What the journal says of sessions, against what the pins showed."""

from __future__ import annotations

from typing import Any

import pytest
from openknead_sim.agreement import Seen, disagreements


def record(n: int, ran_ms: int, reason: str, **more: Any) -> dict[str, Any]:
    return {"n": n, "kind": "session", "ran_ms": ran_ms, "reason": reason, **more}


STOPPED, LOST = Seen(5000, 5000, "host_stop"), Seen(9000, 9000, "host_lost")
PAUSED = Seen(2000, 122_000, "pause_timeout")
AGREE = {
    "nothing": ([], []),
    "the same": ([STOPPED, LOST], [record(1, 5100, "host_stop"), record(2, 8900, "host_lost")]),
    "others between": ([STOPPED], [{"n": 1, "kind": "boot"}, record(2, 5000, "host_stop")]),
    "a pause": ([PAUSED], [record(1, 122_000, "pause_timeout")]),
    "cut by a restart": ([Seen(5000, 5000, "fault", must=False), LOST], [record(1, 9000, "host_lost")]),
    "nobody heard why": ([Seen(5000, 5000, None)], [record(1, 5000, "fault")]),
    "never came on": ([], [record(1, 20, "host_stop")]),
    "one lost, and said so": ([STOPPED, LOST], [record(2, 9000, "host_lost", lost=1)]),
}
DIFFER = {
    "missing": ([STOPPED], [], "no record of 5000…5000 ms until host_stop"),
    "too long": ([STOPPED], [record(1, 5201, "host_stop")], "record 1 tells of 5201 ms"),
    "too short": ([STOPPED], [record(1, 4799, "host_stop")], "record 1 tells of 4799 ms"),
    "another reason": ([STOPPED], [record(1, 5000, "fault")], "until fault: not seen so"),
    "not seen": ([], [record(7, 5000, "host_stop")], "record 7 tells"),
    "twice": ([STOPPED], [record(1, 5000, "host_stop"), record(2, 5000, "host_stop")], "record 2 tells"),
    "exchanged": ([STOPPED, LOST], [record(1, 9000, "host_lost"), record(2, 5000, "host_stop")], "no record"),
    "longer than the pause": ([PAUSED], [record(1, 123_000, "pause_timeout")], "no record of 2000…122000"),
}


@pytest.mark.parametrize(("seen", "records"), AGREE.values(), ids=AGREE)
def test_they_agree(seen: list[Seen], records: list[dict[str, Any]]) -> None:
    assert disagreements(seen, records) == []


@pytest.mark.parametrize(("seen", "records", "part"), DIFFER.values(), ids=DIFFER)
def test_what_differs_is_told(seen: list[Seen], records: list[dict[str, Any]], part: str) -> None:
    assert part in " ".join(disagreements(seen, records))


def test_sessions_that_nobody_heard_of_are_possible_when_nobody_listened() -> None:
    assert disagreements([], [record(1, 5000, "fault")], deaf=True) == []
    assert disagreements([STOPPED], [], deaf=True)
