"""What a program file may say: the one table behind its check, its JSON Schema and its documents."""

from __future__ import annotations

from dataclasses import dataclass

LEVELS = 11
STAGES_MAX = 24
NAME_MAX = 24
TOTAL_MAX_S = 900  # no session is longer
PERIOD_MIN_S = 2
DOCUMENT_MAX = 3072  # bytes of a program on the device, the file compressed in it
PROGRAMS_MAX = 8  # of one's own on a device

NAME = "[a-z][a-z0-9-]{0,23}"
LINE = "[^\\x00-\\x1f\\x7f-\\x9f]+"  # no control characters: files are shared, and shown on terminals
TEXT = "[^\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]+"  # the same in several lines

PAIRED = (
    *("foot", "calf", "shin", "hamstring", "quadriceps", "inner_thigh", "outer_thigh", "glute"),
    *("shoulder", "arm", "forearm", "hand"),
)
UNPAIRED = ("lower_back", "upper_back")


def sided(base: str) -> tuple[str, str, str]:
    """The labels of an area that there is twice."""
    return base, f"{base}_left", f"{base}_right"


AREAS = (*(label for base in PAIRED for label in sided(base)), *UNPAIRED)
CUES = ("none", "stage", "move_on")


@dataclass(frozen=True)
class Key:
    """A key of a table in the file.

    kind: "name" (of a program), "line" or "text" (of 1…high characters), "texts", "choice" or "choices" (of
    `choices`), "whole" (low…high), "tables" (1…high of `keys`).
    """

    name: str
    kind: str
    doc: str
    required: bool = False
    low: int = 1
    high: int | None = None
    choices: tuple[str, ...] = ()
    default: str | None = None
    keys: tuple[Key, ...] = ()


@dataclass(frozen=True)
class Pattern:
    """How the level moves inside a stage. keys: those that only it takes, in the order a, b, period_s."""

    name: str
    doc: str
    keys: tuple[Key, ...] = ()


def _level(name: str, doc: str, low: int = 1) -> Key:
    return Key(name, "whole", doc, required=True, low=low, high=LEVELS)


_PERIOD = Key(
    "period", "whole", "Seconds from one rise to the next.", True, low=PERIOD_MIN_S, high=TOTAL_MAX_S
)
PATTERNS = (
    Pattern("steady", "One level throughout.", (_level("level", "The level."),)),
    Pattern(
        "ramp",
        "From one level to another over the whole stage.",
        (_level("from", "Level at the start."), _level("to", "Level at the end.")),
    ),
    Pattern(
        "wave",
        "Evenly up from low to high and down again, once a period.",
        (_level("low", "Level at both ends of a period."), _level("high", "Level in its middle."), _PERIOD),
    ),
    Pattern(
        "pulse",
        "High for the first half of each period, low for the second.",
        (
            _level("low", "Level of the second half; 0: the motor is off in it.", low=0),
            _level("high", "Level of the first half."),
            _PERIOD,
        ),
    ),
    Pattern("off", "The motor is off: a timer, with cues."),
)
BY_PATTERN = {pattern.name: pattern for pattern in PATTERNS}

STAGE = (
    Key("name", "line", "What people are shown.", required=True, high=NAME_MAX),
    Key("seconds", "whole", "Length of the stage in seconds.", required=True, high=TOTAL_MAX_S),
    Key(
        "pattern",
        "choice",
        "How the level moves inside the stage.",
        required=True,
        choices=tuple(BY_PATTERN),
    ),
    Key("area", "choice", "What is worked on; its time counts there.", choices=("", *AREAS), default=""),
    Key(
        "cue",
        "choice",
        "What the hand is told at the stage's start; the first stage of a program gives none.",
        choices=CUES,
        default="stage",
    ),
)
EVIDENCE = (
    Key("source", "text", "Where it stands: paper, book, address.", required=True),
    Key("finding", "text", "What it says, in a sentence.", required=True),
)
FILE = (
    Key("name", "name", "Name on the device: a-z, 0-9 and -, a letter first, 24 at most.", required=True),
    Key("title", "line", "What it is called for people.", high=80),
    Key("purpose", "text", "What it is for."),
    Key("areas", "choices", "What it works on; without it, the areas of the stages.", choices=AREAS),
    Key("cautions", "texts", "What to mind."),
    Key("evidence", "tables", "What it rests on.", keys=EVIDENCE),
    Key("stage", "tables", "The stages, in their order.", required=True, high=STAGES_MAX, keys=STAGE),
)
