"""The programs of a device: which there are, what is in them, and how a file gets there and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from typing import Any

from openknead.errors import DeviceError, OpenKneadError, UnknownProgram, misfit
from openknead.programs import check, transfer
from openknead.programs.document import DocumentError, unpack
from openknead.programs.model import Program
from openknead.programs.transfer import Call, Progress

UNKNOWN = -32051  # the device's code for unknown_program
PAGES = 100  # more than any device has: ends one that never says "no more"


class BuiltIn(OpenKneadError):
    """The program belongs to the firmware: it has no file, and can neither be replaced nor removed."""

    code, name = -33065, "program_built_in"


class ProgramExists(OpenKneadError):
    """The device has another program of that name."""

    code, name = -33062, "program_exists"


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a program cannot start under the device's settings. stage: from 1, None for the whole."""

    stage: int | None
    field: str
    why: str

    def __str__(self) -> str:
        return misfit(asdict(self))


@dataclass(frozen=True, slots=True)
class Entry:
    """A program on a device. problem: why it could not start just now."""

    name: str
    builtin: bool
    total_s: int
    motor: bool  # False: a timer
    selected: bool  # what the start button plays
    problem: Unfit | None

    @staticmethod
    def of(item: Mapping[str, Any], selected: object) -> Entry:
        problem = item.get("problem")
        return Entry(
            name=str(item.get("name", "")),
            builtin=bool(item.get("builtin")),
            total_s=int(item.get("s") or 0),
            motor=bool(item.get("motor")),
            selected=item.get("name") == selected,
            problem=Unfit(problem.get("stage"), str(problem.get("field", "")), str(problem.get("why", "")))
            if isinstance(problem, Mapping)
            else None,
        )


class Programs:
    """The programs of the device that `call` asks."""

    def __init__(self, call: Call) -> None:
        """call: `Device.call`."""
        self._call = call

    def entries(self) -> list[Entry]:
        """All there are, in the order in which the device's button offers them."""
        pages = self._pages("program.list")
        return [Entry.of(item, page.get("selected")) for page in pages for item in page["programs"]]

    def entry(self, name: str) -> Entry:
        """The one of that name. Raises UnknownProgram, with a suggestion."""
        known = {entry.name: entry for entry in self.entries()}
        if name in known:
            return known[name]
        near = get_close_matches(name, known, n=3)
        remedy = f"did you mean {' or '.join(near)}?" if near else "see them all: knead program list"
        raise UnknownProgram(
            f"the device has no program {name}",
            code=UNKNOWN,
            name="unknown_program",
            remedy=remedy,
            data={"program": name},
        )

    def read(self, name: str, builtin: Iterable[Mapping[str, Any]]) -> Program:
        """A program with its texts; builtin: the device's table of those that are built in.

        Raises UnknownProgram, DeviceError for one that is damaged.
        """
        self.entry(name)
        pages = self._pages("program.get", name=name)
        stages = [stage for page in pages for stage in page["stages"]]
        texts = next((_texts(item) for item in builtin if item.get("name") == name), None)
        if texts is not None and not stages:
            return Program.of({**texts, "name": name, "stage": []})
        try:
            program = check.of_wire(name, stages, **(texts or {}))
        except ValueError as problem:
            remedy = f"remove it: knead program remove {name}"
            raise DeviceError(
                f"the device's program {name} is damaged: {problem}", remedy=remedy
            ) from problem
        return program if texts is not None else self._with_its_file(program)

    def _with_its_file(self, program: Program) -> Program:
        """The program as its file says it, when that is there and says the same."""
        try:
            told = check.check(self.pull(program.name)).program
        except DocumentError:
            return program
        return told if told and told.stages == program.stages else program

    def pull(self, name: str) -> bytes:
        """The file of a user's program. Raises UnknownProgram, BuiltIn, DocumentError."""
        if self.entry(name).builtin:
            remedy = f"begin a file with its stages: knead program new NAME --from {name}"
            raise BuiltIn(f"{name} is built in and has no file", remedy=remedy)
        return unpack(transfer.fetch(self._call, name))[2]

    def push(
        self, source: bytes, replace: bool = False, progress: Progress | None = None
    ) -> tuple[Entry, bool]:
        """See `Device.push_program`."""
        report = check.load(source, "the program")
        assert report.program
        name = report.program.name
        known = {entry.name: entry for entry in self.entries()}
        if name in known and known[name].builtin:
            raise BuiltIn(f"a program {name} is built in", remedy="choose another name in the file")
        if name in known and self._has(report.document, name):
            return known[name], False
        if name in known and not replace:
            remedy = f"replace it with --replace; keep it first with knead program pull {name}"
            raise ProgramExists(f"the device has another program {name}", remedy=remedy)
        transfer.send(self._call, name, report.document, progress)
        return next(entry for entry in self.entries() if entry.name == name), True

    def _has(self, document: bytes, name: str) -> bool:
        """Whether the device has this document already, compressed by whatever library."""
        try:
            return unpack(transfer.fetch(self._call, name)) == unpack(document)
        except DocumentError:
            return False

    def remove(self, name: str) -> None:
        """Delete one of the user's own. Raises UnknownProgram, BuiltIn, MotorRunning."""
        if self.entry(name).builtin:
            raise BuiltIn(f"{name} is built in and stays", remedy="only programs of your own can be removed")
        self._call("program.remove", name=name)

    def select(self, name: str) -> str:
        """Choose what the start button plays. Raises UnknownProgram, MotorRunning."""
        self.entry(name)
        return str(self._call("program.select", name=name)["selected"])

    def _pages(self, method: str, **params: Any) -> list[dict[str, Any]]:
        pages = [self._call(method, **params)]
        while (following := pages[-1].get("next")) is not None:
            if len(pages) > PAGES or not isinstance(following, int):
                raise DeviceError(f"{method} never ends", remedy="report this firmware's version")
            pages.append(self._call(method, **params, start=following))
        return pages


def _texts(item: Mapping[str, Any]) -> dict[str, Any]:
    """The texts of a built-in program, as a file has them."""
    evidence = [dict(zip(("source", "finding"), row, strict=True)) for row in item["evidence"]]
    return {**{key: item[key] for key in ("title", "purpose", "cautions")}, "evidence": evidence}
