"""The device's self-test: one round of tests, each with the value it measured and the limits for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from openknead.errors import DeviceError

STATES = ("running", "passed", "failed", "none")


@dataclass(frozen=True, slots=True)
class SelftestCase:
    """One test. low, high: the limits for `value`, in `unit`; None: no such limit, or nothing to measure."""

    name: str
    state: str  # "passed", "failed" or "pending"
    value: int | None
    unit: str
    low: int | None
    high: int | None
    measures: str
    remedy: str


@dataclass(frozen=True, slots=True)
class SelftestReport:
    """What a round found. t_ms: the device's uptime when it was over, None while it runs."""

    state: str  # one of STATES; "none": nothing is tested in maintenance
    t_ms: int | None
    tests: tuple[SelftestCase, ...]

    @staticmethod
    def of(result: Mapping[str, Any], table: Iterable[Mapping[str, Any]]) -> SelftestReport:
        """From the answer to `selftest` and the schema's section "selftests". Raises DeviceError."""
        rows = {row.get("name"): row for row in table}
        state, tests = result.get("state"), result.get("tests")
        if state not in STATES or not isinstance(tests, list):
            raise _malformed(result)
        t_ms = result.get("t_ms")
        return SelftestReport(
            state=str(state),
            t_ms=t_ms if isinstance(t_ms, int) else None,
            tests=tuple(_case(test, rows) for test in tests),
        )

    @property
    def passed(self) -> bool:
        """Whether the round is over and every test has passed."""
        return self.state == "passed" and all(test.state == "passed" for test in self.tests)

    @property
    def failed(self) -> tuple[SelftestCase, ...]:
        """The tests that have failed."""
        return tuple(test for test in self.tests if test.state == "failed")


def _case(test: object, rows: Mapping[Any, Mapping[str, Any]]) -> SelftestCase:
    if not isinstance(test, list) or len(test) < 3 or not isinstance(test[0], str):
        raise _malformed(test)
    name, state, value = test[:3]
    row = rows.get(name, {})
    return SelftestCase(
        name=name,
        state=str(state),
        value=value,
        unit=str(row.get("unit") or ""),
        low=row.get("low"),
        high=row.get("high"),
        measures=str(row.get("measures") or ""),
        remedy=str(row.get("remedy") or ""),
    )


def _malformed(what: object) -> DeviceError:
    return DeviceError(
        f"selftest answered with what is no report: {what!r}"[:200], remedy="report this firmware's version"
    )
