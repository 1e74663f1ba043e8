"""A program as host and device both know it: a name and stages, and the texts that only the host knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openknead.programs.table import BY_PATTERN

Wire = list[Any]  # a stage as the device takes it: [name, seconds, pattern, a, b, period_s, area, cue]


@dataclass(frozen=True)
class Stage:
    """A stage. a, b: levels, 0…11, in the meaning of the pattern; period_s: 0 for a pattern without."""

    name: str
    seconds: int
    pattern: str
    a: int = 0
    b: int = 0
    period_s: int = 0
    area: str = ""
    cue: str = "stage"

    @staticmethod
    def of(table: Mapping[str, Any]) -> Stage:
        """From a `[[stage]]` of a file that has been checked."""
        values = [table[key.name] for key in BY_PATTERN[table["pattern"]].keys]
        if len(values) == 1:
            values *= 2  # steady: b is the same
        a, b, period_s = values + [0] * (3 - len(values))
        optional = {name: table[name] for name in ("area", "cue") if name in table}
        return Stage(table["name"], table["seconds"], table["pattern"], a, b, period_s, **optional)

    def table(self) -> dict[str, Any]:
        """As a `[[stage]]`, the defaults left out."""
        table: dict[str, Any] = {"name": self.name, "seconds": self.seconds, "pattern": self.pattern}
        values = (self.a, self.b, self.period_s)
        table |= {key.name: value for key, value in zip(BY_PATTERN[self.pattern].keys, values, strict=False)}
        if self.area:
            table["area"] = self.area
        if self.cue != "stage":
            table["cue"] = self.cue
        return table

    def wire(self) -> Wire:
        return [
            *(self.name, self.seconds, self.pattern, self.a, self.b, self.period_s),
            *(self.area, self.cue),
        ]

    @property
    def motor(self) -> bool:
        """Whether it turns the motor."""
        return self.b > 0

    def __str__(self) -> str:
        """How the level moves: "ramp 1→3", "wave 2–4 every 8 s"."""
        if self.pattern == "steady":
            return f"steady {self.a}"
        if self.pattern == "ramp":
            return f"ramp {self.a}→{self.b}"
        return self.pattern + (f" {self.a}–{self.b} every {self.period_s} s" if self.period_s else "")


@dataclass(frozen=True)
class Program:
    """A program; `areas` as the file says it, or those of the stages."""

    name: str
    stages: tuple[Stage, ...]
    title: str = ""
    purpose: str = ""
    areas: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    evidence: tuple[tuple[str, str], ...] = ()  # source, finding

    @staticmethod
    def of(file: Mapping[str, Any]) -> Program:
        """From the tables of a file that has been checked."""
        stages = tuple(map(Stage.of, file["stage"]))
        named = dict.fromkeys(stage.area for stage in stages if stage.area)
        return Program(
            name=file["name"],
            stages=stages,
            title=file.get("title", ""),
            purpose=file.get("purpose", ""),
            areas=tuple(file.get("areas", named)),
            cautions=tuple(file.get("cautions", ())),
            evidence=tuple((entry["source"], entry["finding"]) for entry in file.get("evidence", ())),
        )

    @property
    def total_s(self) -> int:
        return sum(stage.seconds for stage in self.stages)

    @property
    def motor(self) -> bool:
        """Whether any stage turns the motor; else it is a timer."""
        return any(stage.motor for stage in self.stages)

    def levels(self) -> set[int]:
        """The levels that occur, 0 left out."""
        return {level for stage in self.stages for level in (stage.a, stage.b) if level}

    def starts_s(self) -> list[int]:
        """When each stage begins."""
        return [sum(stage.seconds for stage in self.stages[:n]) for n in range(len(self.stages))]
