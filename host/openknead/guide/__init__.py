"""What `knead guide` asks and tells: the contraindication check and the pages, from guide.toml.

The data are a table of plain words; docs/guide.md is written from the same file.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

NO, YES, UNSURE = ANSWERS = ("no", "yes", "unsure")


@dataclass(frozen=True, slots=True)
class Question:
    """One contraindication: asked so that "yes" speaks against use; why, and what to do then."""

    name: str
    ask: str
    why: str
    do: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A source and what it found. reread: whether the source was read again for this text."""

    source: str
    finding: str
    reread: bool = True


@dataclass(frozen=True, slots=True)
class Topic:
    """A page: of an area of the body, or of something general (`areas` is empty then)."""

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()  # bases of the device's areas
    programs: tuple[str, ...] = ()  # built-in programs that fit
    text: tuple[str, ...] = ()  # of a general page
    technique: tuple[str, ...] = ()
    strokes: str = ""
    how_long: str = ""
    how_often: str = ""
    avoid: tuple[str, ...] = ()  # what not to touch
    evidence: tuple[Evidence, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The page as JSON-compatible members."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Book:
    """All of it. version: of the questions; an answer to an older list counts no more."""

    version: int
    stop: tuple[str, ...]  # when to stop, on every page of an area
    questions: tuple[Question, ...]
    topics: tuple[Topic, ...]

    def topic(self, name: str) -> Topic | None:
        """The page of this name or alias, in any case, with spaces or hyphens; None when there is none."""
        wanted = name.strip().lower().replace(" ", "-").replace("_", "-")
        return next((topic for topic in self.topics if wanted in (topic.name, *topic.aliases)), None)


@functools.cache
def book() -> Book:
    """The guide, read once."""
    return of(tomllib.loads(resources.files(__name__).joinpath("guide.toml").read_text(encoding="utf-8")))


def of(raw: Mapping[str, Any]) -> Book:
    """The guide from its table. Raises TypeError or KeyError for a member too many or too few."""
    return Book(
        version=raw["version"],
        stop=tuple(raw["stop"]),
        questions=tuple(Question(**row) for row in raw["question"]),
        topics=tuple(_topic(row) for row in raw["topic"]),
    )


def _topic(row: Mapping[str, Any]) -> Topic:
    members: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items()
    }
    members["evidence"] = tuple(Evidence(**item) for item in row.get("evidence", ()))
    return Topic(**members)
