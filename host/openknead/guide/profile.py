"""Who has answered the contraindication check, when and how: one small file a person, on this computer only.

Answers hold for 90 days and for the list they were given to. They are about a person's health: the file can
be read by its owner only, and nothing of it is ever sent to a device.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from openknead.errors import ProfileError
from openknead.guide import ANSWERS, NO, Book, Question
from openknead.rundir import write_private

DEFAULT = "default"
VALID_DAYS = 90
FORMAT = 1
_DAY_S = 86_400
_LATEST_S = 4_102_444_800  # the year 2100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Check:
    """The answers given to one version of the list: question → "no", "yes" or "unsure"."""

    version: int
    unix_s: int
    answers: Mapping[str, str]

    def against(self, book: Book) -> list[Question]:
        """The questions whose answer speaks against use; "unsure" counts as yes."""
        return [question for question in book.questions if self.answers.get(question.name, NO) != NO]

    def due(self, book: Book, now_s: float) -> str | None:
        """Why the check has to be answered again; None while the answers hold."""
        if self.version != book.version or set(self.answers) != {q.name for q in book.questions}:
            return "the questions have changed since it was answered"
        age_days = (now_s - self.unix_s) / _DAY_S
        if age_days > VALID_DAYS:
            return f"it was answered {age_days:.0f} days ago, and holds for {VALID_DAYS}"
        if age_days < -1:
            return "it was answered in the future: this computer's clock was or is wrong"
        return None


@dataclass(frozen=True, slots=True)
class Profile:
    """One person on this computer: the last check, and the starts made against its advice."""

    name: str
    check: Check | None = None
    despite: tuple[Mapping[str, Any], ...] = ()  # {"unix_s": …, "advice": [names of questions]}

    def checked(self, book: Book, answers: Mapping[str, str], now_s: float | None = None) -> Profile:
        """This person with these answers, given now."""
        return replace(self, check=Check(book.version, round(_now(now_s)), dict(answers)))

    def overridden(self, book: Book, now_s: float | None = None) -> Profile:
        """This person with one more start against the advice."""
        advice = [question.name for question in self.check.against(book)] if self.check else []
        return replace(self, despite=(*self.despite, {"unix_s": round(_now(now_s)), "advice": advice}))

    def due(self, book: Book, now_s: float | None = None) -> str | None:
        """Why the check has to be answered before a session; None while it holds."""
        if self.check is None:
            return "it has not been answered yet"
        return self.check.due(book, _now(now_s))


def folder() -> Path:
    """Where profiles are kept: OPENKNEAD_DATA_DIR, or the user's data folder of the platform."""
    given = os.environ.get("OPENKNEAD_DATA_DIR")
    if given:
        return Path(given) / "profiles"
    from platformdirs import user_data_path

    return user_data_path("openknead") / "profiles"


def choose(name: str | None = None) -> str:
    """The profile's name: as given, else OPENKNEAD_PROFILE, else "default". Raises ProfileError."""
    chosen = name or os.environ.get("OPENKNEAD_PROFILE") or DEFAULT
    if not _NAME.fullmatch(chosen):
        raise ProfileError(
            f"{chosen!r} is no name of a profile",
            remedy="use up to 64 letters, digits, dots, hyphens and underscores, a letter or digit first",
        )
    return chosen


def load(name: str) -> Profile:
    """The profile of this name; an empty one when there is none. Raises ProfileError for a damaged one."""
    path = _file(name)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return _of(name, raw)
    except FileNotFoundError:
        return Profile(name)
    except OSError as problem:
        raise ProfileError(f"cannot read {path}: {problem.strerror}") from problem
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as problem:
        raise ProfileError(
            f"the profile in {path} is damaged", remedy="answer the check again: knead guide (keeps a copy)"
        ) from problem


def save(profile: Profile) -> Path:
    """Write the profile, whole or not at all; its file. A damaged one is kept as NAME.json.damaged."""
    path = _file(profile.name)
    try:
        load(profile.name)
    except ProfileError:
        with suppress(OSError):
            os.replace(path, path.with_name(path.name + ".damaged"))
    check = profile.check
    content = {
        "format": FORMAT,
        "check": check and {"list": check.version, "unix_s": check.unix_s, "answers": dict(check.answers)},
        "despite_advice": [dict(entry) for entry in profile.despite],
    }
    try:
        write_private(path, content)
    except OSError as problem:
        raise ProfileError(f"cannot write {path}: {problem.strerror}") from problem
    return path


def forget(name: str) -> bool:
    """Delete what is kept of this person; whether there was anything."""
    path = _file(name)
    there = False
    for file in (path, path.with_name(path.name + ".damaged")):
        with suppress(FileNotFoundError):
            file.unlink()
            there = True
    return there


def _file(name: str) -> Path:
    return folder() / f"{name}.json"


def _of(name: str, raw: Any) -> Profile:
    """From the file's content. Raises ValueError, KeyError or TypeError for what no profile can be."""
    if raw["format"] != FORMAT:
        raise ValueError(raw["format"])
    kept, check = raw["check"], None
    if kept is not None:
        answers = {str(key): value for key, value in kept["answers"].items()}
        if not all(value in ANSWERS for value in answers.values()):
            raise ValueError(answers)
        if not 0 <= kept["unix_s"] <= _LATEST_S:
            raise ValueError(kept["unix_s"])
        check = Check(int(kept["list"]), int(kept["unix_s"]), answers)
    return Profile(name, check, tuple(dict(entry) for entry in raw["despite_advice"]))


def _now(now_s: float | None) -> float:
    return time.time() if now_s is None else now_s
