"""Campaign: the fault matrix at random points of operation, and sessions in which nothing fails.

Usage: campaign.py [--points N] [--sessions N] [--seed S] [--quick] [case …]
A trial that went wrong is repeated by its case, --points 1, --sessions 0 and the --seed in its line.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TypeVar

from cases import BY_NAME, CASES
from matrix import Case, Outcome, play, used_flash
from sessions import Calm, use

WORKERS = 2
POINTS = 200
SESSIONS = 1000
LONGEST_SHARE = 10  # a failure that takes a quarter of an hour to show is tried at a tenth of the points
TASKS = 100
SHOW_S = 5.0
STALL = ("rotor blocked", "shaft braked")
Result = TypeVar("Result", Outcome, Calm)
OVER_CURRENT = "current sense at the rail, driven"


@dataclass
class Summary:
    """One case: how often it was tried and found right, the worst times, and what was reported how often."""

    case: Case
    tried: int = 0
    right: int = 0
    told_ms: float = 0.0
    off_ms: float | None = None
    reported: dict[str, int] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """One more trial."""
        self.tried += 1
        self.right += outcome.problem is None
        self.told_ms = max(self.told_ms, outcome.told_ms or 0.0)
        if outcome.off_ms is not None:
            self.off_ms = max(self.off_ms or 0.0, outcome.off_ms)
        name = outcome.reported or "nothing"
        self.reported[name] = self.reported.get(name, 0) + 1

    def as_row(self) -> dict[str, object]:
        """For the report."""
        case = self.case
        return {
            "failure": case.name,
            "injection": case.injection,
            "accepted": list(case.accepted),
            "reported": dict(sorted(self.reported.items())),
            "tried": self.tried,
            "right": self.right,
            "told_ms": round(self.told_ms),
            "told_within_ms": case.within_ms,
            "off_ms": None if self.off_ms is None else round(self.off_ms, 1),
            "off_within_ms": case.off_ms,
        }


@dataclass
class Report:
    """What a campaign came to.

    nearest_ms: by fault, the longest that its cause lasted in a session without one, ms; problems: a line for
    each trial or session that was not as it must be.
    """

    rows: list[Summary] = field(default_factory=list)
    nearest_ms: dict[str, int] = field(default_factory=dict)
    sessions: int = 0
    session_s: float = 0.0
    false_alarms: int = 0
    problems: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Those of the campaign, by the names of `make safety`; what was not tried is missing."""
        found: dict[str, float] = {}
        off_ms = {row.case.name: row.off_ms for row in self.rows}
        stalls = [ms for name in STALL if (ms := off_ms.get(name)) is not None]
        if stalls:
            found["stall_off_ms"] = round(max(stalls), 1)
        if (ms := off_ms.get(OVER_CURRENT)) is not None:
            found["overcurrent_off_ms"] = round(ms, 1)
        tried = sum(row.tried for row in self.rows)
        if tried:  # rounded down: 100 is every one
            found["fault_detected_pct"] = int(10_000 * sum(row.right for row in self.rows) / tried) / 100
        if self.sessions:
            found["false_alarms"] = self.false_alarms
        return found

    def as_dict(self, points: int) -> dict[str, object]:
        """For the documents; points: of operation that were asked for."""
        return {
            "points": points,
            "sessions": self.sessions,
            "session_h": round(self.session_s / 3600, 1),
            "nearest_ms": dict(sorted(self.nearest_ms.items())),
            "rows": [row.as_row() for row in self.rows],
        }


class Progress:
    """A line that says how far it is, every few seconds."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._began = self._shown = time.monotonic()
        self._done = 0

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._shown > SHOW_S or self._done == self._total:
            self._shown = now
            print(f"  {self._what} {self._done}/{self._total}, {now - self._began:.0f} s", flush=True)


def _trial(job: tuple[str, int]) -> Outcome:
    return play(BY_NAME[job[0]], job[1])


def run(cases: Sequence[Case], points: int, sessions: int, seed: int = 1) -> Report:
    """Play all of it in two processes. points: trials of each case; seed: 0… ."""
    report = Report()
    used_flash()  # made once, before the processes are forked
    # A board that is left in the middle of its firmware's endless loop is never freed: new processes are.
    with get_context("fork").Pool(WORKERS, maxtasksperchild=TASKS) as pool:
        jobs = [
            (case.name, seed + n)
            for case in sorted(cases, key=_is_short)
            for n in range(max(1, points // LONGEST_SHARE) if case.longest else points)
        ]
        outcomes = list(_shown("trials", len(jobs), pool.imap_unordered(_trial, jobs), report))
        for case in cases:
            summary = Summary(case)
            for outcome in outcomes:
                if outcome.case == case.name:
                    summary.add(outcome)
            report.rows.append(summary)
        seeds = range(seed, seed + sessions)
        for calm in _shown("sessions", sessions, pool.imap_unordered(use, seeds), report):
            report.sessions += 1
            report.session_s += calm.ran_s
            report.false_alarms += bool(calm.alarms)
            for name, ms in calm.nearest_ms.items():
                report.nearest_ms[name] = max(report.nearest_ms.get(name, 0), ms)
    return report


def _is_short(case: Case) -> bool:
    return not case.longest  # the longest first: in the end both processes are busy


def _shown(what: str, total: int, results: Iterable[Result], report: Report) -> Iterator[Result]:
    progress = Progress(what, total)
    for result in results:
        problem = result.line()
        if problem:
            report.problems.append(problem)
            print(f"  WRONG: {problem}", flush=True)
        progress.step()
        yield result


def show(report: Report) -> None:
    """The matrix as a table."""
    for row in report.rows:
        off = "" if row.off_ms is None else f"off {row.off_ms:7.1f} of {row.case.off_ms} ms"
        names = ", ".join(f"{name} {n}" for name, n in sorted(row.reported.items()))
        print(
            f"{row.case.name:45} {row.right:4}/{row.tried}  "
            f"told {row.told_ms:7.1f} of {row.case.within_ms} ms  {off:28} {names}"
        )
    print(f"{report.sessions} sessions, {report.session_s / 3600:.1f} h: {report.false_alarms} false alarms")
    for name, ms in sorted(report.nearest_ms.items()):
        print(f"  {name:20} was about to come for {ms} ms")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--points", type=int, default=POINTS, metavar="N", help="of operation, for each case")
    parser.add_argument("--sessions", type=int, default=SESSIONS, metavar="N", help="in which nothing fails")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument(
        "--quick", action="store_true", help="without the cases that take a quarter of an hour"
    )
    parser.add_argument("cases", nargs="*", metavar="case", help="names of cases; all of them by default")
    options = parser.parse_args()
    unknown = [name for name in options.cases if name not in BY_NAME]
    if unknown:
        parser.error(f"there is no case {unknown[0]!r}; there are {'; '.join(BY_NAME)}")
    cases = [BY_NAME[name] for name in options.cases] or list(CASES)
    if options.quick:
        cases = [case for case in cases if not case.longest]
    report = run(cases, options.points, options.sessions, options.seed)
    show(report)
    print("  ".join(f"{name} {value}" for name, value in report.figures().items()))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
