"""The journal in sentences: what happened, and what to do about it in the device's own words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from openknead.cli.common import quantity
from openknead.cli.records import Dated, gap, moment, reading, since_boot
from openknead.device import IDLE
from openknead.journal import Record
from openknead.model import Status

if TYPE_CHECKING:
    from openknead.device import Device

STARTS = {
    "power_on": "the device was switched on",
    "reset": "the device was restarted on request",
    "soft_reset": "the device was restarted from MicroPython's prompt",
    "watchdog": "the watchdog restarted the device: its firmware hung",
    "crash": "the device restarted: its firmware crashed",
}
FAULT_OF_START = {"watchdog": "watchdog_reset", "crash": "crashed"}
WHO = {"button": "you started by button", "remote": "a host started"}
STARTER = {"button": "a start by button", "remote": "a host's start"}
NO_TROUBLE = ("fault_latched", "remote_disabled", "running")  # told by the fault, a choice, and obvious


class Explainer:
    """Puts one device's records into words. A remedy is told once per boot and fault."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._told: set[str] = set()
        self._sentences: dict[str, Callable[[Record], str]] = {
            "boot": self._boot,
            "session": self._session,
            "fault": self._fault,
            "clear": lambda record: f"the fault {record.word('fault')} was cleared.",
            "refusal": self._refusal,
            "selftest": lambda record: f"the self-test failed. {self._failed(record)}",
            "clock": _clock_set,
            "settings": lambda record: "the settings were saved.",
            "skipped": lambda record: f"files on flash were skipped: {'; '.join(record.names('files'))}.",
        }

    def story(self, dated: Iterable[Dated], gaps: dict[int, int]) -> Iterator[str]:
        """The records, boot by boot, then what is still to be done now."""
        boot: int | None = None
        for record, unix_s in dated:
            if record.boot != boot:
                if boot is not None:
                    yield ""
                boot = record.boot
                self._told.clear()
                yield f"Boot {boot}"
            if record.n in gaps:
                yield f"  {gap(gaps[record.n])}"
            yield f"  {_when(record, unix_s)}: {self._sentence(record)}"
        yield "the journal has no such record" if boot is None else ""
        yield from self._now(self._device.status())

    def _sentence(self, record: Record) -> str:
        put = self._sentences.get(record.kind)
        text = put(record) if put else f"{record.kind}, which this host does not know: {dict(record.data)}"
        lost = record.number("lost")
        return f"{text} ({lost} more happened before this and could not be written.)" if lost else text

    def _boot(self, record: Record) -> str:
        cause = record.word("cause") or "?"
        text = STARTS.get(cause, f"the device started ({cause})")
        if state := record.word("state"):
            text += f" while {state.lower()}, {_duration(record.number('ran_ms'), 1000)} after its start"
        if error := record.word("error"):
            text += f": {error}"
        told = [f"{text}.", self._remedy(FAULT_OF_START.get(cause))]
        if record.word("selftest") == "failed":
            told.append(f"Its self-test failed. {self._failed(record)}")
        return " ".join(filter(None, told))

    def _session(self, record: Record) -> str:
        who = WHO.get(record.word("origin") or "", "someone started")
        level = quantity(record.number("level"), "")
        run_s = record.number("run_s")
        text = f"the session {who} at level {level} ran {_duration(record.number('ran_ms'), 1000)}"
        text += f" of {_duration(run_s, 1)}" if run_s else ""
        if fault := record.word("fault"):
            text += f" and was stopped by the fault {self._fault_and_remedy(fault)}"
        else:
            reason = record.word("reason") or "?"
            text += f" and ended: {_inside(self._text('reasons', reason, 'doc') or reason)}."
        return text + self._held_back(record)

    def _held_back(self, record: Record) -> str:
        told = [self._text("limiters", name, "doc") or name for name in record.names("limiters")]
        return f" Meanwhile it was held back. {' '.join(told)}" if told else ""

    def _fault(self, record: Record) -> str:
        state = record.word("state") or "?"
        told = f"the fault {self._fault_and_remedy(record.word('fault') or '?')}"
        if record.data.get("kept"):
            return f"still latched from before this start: {told}"
        if state in IDLE:
            return told
        return f"the motor was stopped ({state.lower()}, {reading(record)}) by {told}"

    def _fault_and_remedy(self, name: str) -> str:
        measures = self._text("faults", name, "measures")
        told = f"{name}: {measures}." if measures else f"{name}."
        return " ".join(filter(None, (told, self._remedy(name))))

    def _remedy(self, fault: str | None) -> str:
        """What to do about a fault; "" when that was said already."""
        if fault is None or fault in self._told:
            return ""
        self._told.add(fault)
        return self._text("faults", fault, "remedy")

    def _refusal(self, record: Record) -> str:
        who = STARTER.get(record.word("origin") or "", "a start")
        return f"{who} was refused. {self._all('refusals', record.names('refusals'))}"

    def _failed(self, record: Record) -> str:
        return self._all("selftests", record.names("failed"))

    def _all(self, section: str, names: Iterable[str]) -> str:
        """Each name with its remedy."""
        return " ".join(f"{name}: {self._text(section, name, 'remedy')}".rstrip(": ") for name in names)

    def _text(self, section: str, name: str, member: str) -> str:
        """A member of a row of the device's tables; "" for a name they lack."""
        row = next((row for row in self._device.schema(section) if row.get("name") == name), {})
        return str(row.get(member) or "")

    def _now(self, status: Status) -> Iterator[str]:
        refusals = [name for name in status.refusals if name not in NO_TROUBLE]
        if status.fault:
            more = f", and {status.fault.more} more behind it" if status.fault.more else ""
            yield f"Now: the fault {status.fault.name} is latched{more}. {status.fault.remedy}"
            yield f"Then: {self._text('refusals', 'fault_latched', 'remedy') or 'knead clear'}"
        if refusals:
            yield f"Now: a start would be refused. {self._all('refusals', refusals)}"
        if not status.fault and not refusals:
            yield "Now: nothing is left to do."


def _clock_set(record: Record) -> str:
    was = record.number("was")
    return "a host set the clock." if was is None else f"a host set the clock, which showed {moment(was)}."


def _when(record: Record, unix_s: int | None) -> str:
    """21 Nov 18:02, with the year when it is another one; boot time when the date is not known."""
    if unix_s is None:
        return since_boot(record)
    at = datetime.fromtimestamp(unix_s)
    year = "" if at.year == datetime.now().year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {at:%H:%M}"


def _duration(value: int | None, per_s: int) -> str:
    """192000 ms → "3 min 12 s"."""
    if value is None:
        return "?"
    minutes, seconds = divmod(round(value / per_s), 60)
    parts = [f"{minutes} min"] if minutes else []
    return " ".join([*parts, f"{seconds} s"] if seconds or not minutes else parts)


def _inside(text: str) -> str:
    """A sentence made part of another one: "The run time was over." → "the run time was over"."""
    keep = text[1:2].isupper()  # STOP stays STOP
    return (text if keep else text[:1].lower() + text[1:]).rstrip(".")
