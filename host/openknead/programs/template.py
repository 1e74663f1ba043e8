"""The file that `knead program new` begins with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from openknead.programs.model import Program, Stage
from openknead.programs.table import PAIRED, PATTERNS, TOTAL_MAX_S, UNPAIRED
from openknead.programs.text import dump

HEAD = """\
# A massage program for OpenKnead.
#   knead program check {file}     is it right?
#   knead program plot {file}      what will a hand feel?
#   knead program try {file}       what does it cost, on the simulator?
#   knead program push {file}      onto the device
# Editors complete and check it with `knead program schema -o program.schema.json` and, as the first line:
# #:schema program.schema.json

"""
EVIDENCE = """\
# What it rests on, if anything, as often as needed:
# [[evidence]]
# source = "Author, year, journal"
# finding = "What was found, in a sentence."

"""
STAGES = """\
# The stages, one after the other, {total} s in all at most. Each has a pattern and the keys of that pattern:
{patterns}
# Levels are 1 to 11. A level takes slew_s seconds, 2 by default, so give changes time.
# area: {paired},
#   each also with _left or _right; {unpaired}.
# cue, at the start of a stage: "stage" (the default), "move_on" or "none".
"""
FIRST = (
    Stage("light strokes", 60, "ramp", 1, 2, area="calf_left"),
    Stage("knead", 90, "wave", 2, 4, 15, area="calf_left"),
    Stage("tender points", 80, "pulse", 0, 3, 40, area="calf_left", cue="move_on"),
    Stage("light strokes", 60, "ramp", 2, 1, area="calf_left"),
)
TEXTS: dict[str, Any] = {
    "title": "A title for people",
    "purpose": "What it is for, in a sentence.",
    "areas": ("calf_left",),
    "cautions": ("Stop on sharp pain, burning, numbness or tingling.",),
}


def new(name: str, file: str, like: Program | None = None) -> str:
    """The text of a new program file. like: the program whose stages and texts it takes over."""
    program = replace(like, name=name) if like else Program(name, FIRST, **TEXTS)
    patterns = "\n".join(
        f"#   {pattern.name:7} {', '.join(key.name for key in pattern.keys) or '–':18} {pattern.doc}"
        for pattern in PATTERNS
    )
    stages = STAGES.format(
        total=TOTAL_MAX_S, patterns=patterns, paired=", ".join(PAIRED), unpaired=", ".join(UNPAIRED)
    )
    about = stages if program.evidence else EVIDENCE + stages
    return HEAD.format(file=file) + dump(program, about)
