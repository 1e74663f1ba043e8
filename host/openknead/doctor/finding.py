"""What a check comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """From good to bad; the worst of all checks is the examination's."""

    OK = "ok"
    UNKNOWN = "cannot tell"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """finding: one sentence; remedy: what to do, "" for nothing; data: facts, JSON-compatible."""

    verdict: Verdict
    finding: str
    remedy: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def ok(finding: str, **data: Any) -> Finding:
    """All is well."""
    return Finding(Verdict.OK, finding, "", data)


def note(finding: str, remedy: str = "", **data: Any) -> Finding:
    """Works, but is worth knowing."""
    return Finding(Verdict.NOTE, finding, remedy, data)


def problem(finding: str, remedy: str, **data: Any) -> Finding:
    """This keeps it from working."""
    return Finding(Verdict.PROBLEM, finding, remedy, data)


def unknown(finding: str, remedy: str = "", **data: Any) -> Finding:
    """Nothing can be said."""
    return Finding(Verdict.UNKNOWN, finding, remedy, data)
