"""What the device tells, as typed values. Units are in the names; what the device cannot measure is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Hello:
    """Who answers. sim: None on hardware (and on an emulated Pico), else "desktop" or "micropython"."""

    protocol: str
    firmware: str
    content: str  # hash over the firmware's files: same content, same schema
    board: str
    sim: str | None
    capabilities: tuple[str, ...]
    uptime_ms: int
    unix_s: int | None = None  # the device's clock; None: not set, or firmware without one
    boot: int | None = None  # which of the device's starts this is; None: firmware that does not count
    utc_offset_min: int | None = None  # the device's local time minus UTC; None: no host has sent it
    keeps_zone: bool = False  # firmware that reports its zone, and whose dose survives a date that goes back

    @staticmethod
    def of(result: Mapping[str, Any]) -> Hello:
        return Hello(
            protocol=str(result.get("protocol", "")),
            firmware=str(result.get("firmware", "")),
            content=str(result.get("content", "")),
            board=str(result.get("board", "")),
            sim=str(result["sim"]) if result.get("sim") else None,
            capabilities=tuple(result.get("capabilities") or ()),
            uptime_ms=int(result.get("uptime_ms") or 0),
            unix_s=None if result.get("unix_s") is None else int(result["unix_s"]),
            boot=None if result.get("boot") is None else int(result["boot"]),
            utc_offset_min=None if result.get("utc_offset_min") is None else int(result["utc_offset_min"]),
            keeps_zone="utc_offset_min" in result,
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """The latched fault that is shown; `more` counts those that wait behind it."""

    code: int
    name: str
    remedy: str
    more: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """What waits for a press of MODE at the device: names of settings or of a fault; more: names left out."""

    number: int
    names: tuple[str, ...]
    more: int
    left_s: int

    @staticmethod
    def of(item: object) -> Question | None:
        if not isinstance(item, Mapping):
            return None
        names = tuple(str(name) for name in item.get("names") or ())
        return Question(
            int(item.get("number", 0)), names, int(item.get("more", 0)), int(item.get("left_s", 0))
        )


@dataclass(frozen=True, slots=True)
class Status:
    """The device's state at one moment. Temperatures `_dc` are tenths of a degree Celsius."""

    state: str
    level: int  # asked for
    level_milli: int  # reached, in thousandths of a level
    rate_opm: int | None
    demand_opm: int
    duty: int  # 0…65535
    current_ma: int | None
    supply_mv: int | None
    battery_pct: int | None
    motor_dc: int | None
    driver_dc: int | None
    handle_dc: int | None
    pad_dc: int | None
    elapsed_ms: int
    remaining_ms: int
    limit_ms: int
    origin: str | None  # "button", "remote" or None
    reason: str | None  # why the last session ended
    fault: Fault | None
    latched: tuple[
        str, ...
    ]  # names of the latched faults, the one that is shown first; () from older firmware
    limiters: tuple[str, ...]
    refusals: tuple[str, ...]  # why a start would be refused now
    unsaved: tuple[str, ...]  # the first of them …
    unsaved_more: int  # … and how many more there are
    remote_start: bool
    suspended: str | None  # what at the device took a host's permission away: "stop", "fault", "pause"
    confirm: Question | None  # what waits for a press of MODE
    uptime_ms: int
    tick_worst_us: int
    left_out: int  # names that the lists have lost because the reply was too long
    boot: str | None  # why the device started: "power_on", "reset", "watchdog", "crash", "soft_reset"
    selftest: str | None  # "running", "passed" or "failed"
    program: str | None  # the one that is played; None: none, or firmware without
    stage: int | None  # of it, from 1
    stage_left_ms: int | None
    shift: int  # levels that all of its levels are shifted by
    skipped: str | None  # the first file on flash that the device skipped since its start, and why …
    skipped_more: int  # … and how many more there are; seven at most

    @staticmethod
    def of(result: Mapping[str, Any]) -> Status:
        fault = result.get("fault")
        known: dict[str, Any] = {
            field.name: result.get(field.name, None if "None" in str(field.type) else 0)
            for field in fields(Status)
        }
        for name in ("latched", "limiters", "refusals", "unsaved"):
            known[name] = tuple(result.get(name) or ())
        known["state"] = str(result.get("state", ""))
        known["remote_start"] = bool(result.get("remote_start"))
        known["confirm"] = Question.of(result.get("confirm"))
        known["fault"] = (
            Fault(
                code=int(fault.get("code", 0)),
                name=str(fault.get("name", "")),
                remedy=str(fault.get("remedy", "")),
                more=int(fault.get("more", 0)),
            )
            if isinstance(fault, Mapping)
            else None
        )
        return Status(**known)


@dataclass(frozen=True, slots=True)
class Sample:
    """One telemetry sample; `t_ms` is the device's clock, `seq` counts samples (a gap: some were lost)."""

    seq: int
    t_ms: int
    state: str
    level: int
    level_milli: int
    demand_opm: int
    rate_opm: int | None
    duty: int
    current_ma: int | None
    supply_mv: int | None
    battery_pct: int | None
    motor_dc: int | None
    driver_dc: int | None
    handle_dc: int | None
    pad_dc: int | None
    elapsed_ms: int
    remaining_ms: int
    limiters: tuple[str, ...]
    fault: str | None  # the latched fault's name
    stage: int | None = None  # of the program, from 1; 0: no program


class SampleReader:
    """Turns the arrays of telemetry notifications into samples, by the device's own schema."""

    def __init__(
        self,
        names: Sequence[str],
        states: Mapping[int, str],
        limiters: Mapping[int, str],
        faults: Mapping[int, str],
    ) -> None:
        """names: telemetry fields in order; the mappings give names by state, limiter mask, fault code."""
        place = {name: index for index, name in enumerate(names)}
        self._places = [place.get(field.name, len(names)) for field in fields(Sample)]
        self._count = len(names)
        self._states = states
        self._limiters = sorted(limiters.items())
        self._faults = faults

    def read(self, values: object) -> Sample | None:
        """The sample in one notification; None when it does not have the schema's shape."""
        if not isinstance(values, list) or len(values) < self._count:
            return None
        row = [*values[: self._count], None]  # the last: for a field that this firmware does not have
        cells = [row[place] for place in self._places]
        state, bits, code = cells[_STATE], cells[_LIMITERS], cells[_FAULT]
        try:
            cells[_STATE] = self._states.get(state, str(state))
            cells[_LIMITERS] = tuple(name for mask, name in self._limiters if bits & mask) if bits else ()
            cells[_FAULT] = self._faults.get(code, str(code)) if code else None
        except TypeError:
            return None
        return Sample(*cells)


_STATE, _LIMITERS, _FAULT = (
    [field.name for field in fields(Sample)].index(name) for name in ("state", "limiters", "fault")
)


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened. name: "state", "cue", "fault", "limiter", "button", "stage", …; value: which.

    The value of "limiter" is the names of all limiters now at work, "" when the last one let go.
    """

    name: str
    value: str
    t_ms: int
    data: Mapping[str, Any]

    @staticmethod
    def of(params: Mapping[str, Any]) -> Event:
        t_ms = params.get("t_ms")
        value = params.get("value", "")
        return Event(
            name=str(params.get("name", "")),
            value=", ".join(map(str, value)) if isinstance(value, list) else str(value),
            t_ms=t_ms if isinstance(t_ms, int) else 0,
            data=dict(params),
        )


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the device's settings table.

    weakens_when: which change of it weakens a protection, "raised", "lowered", "changed" (either), or
    "raised_or_zero" (0 takes the limit away); None: no change, or firmware before protocol 1.3, which has
    `weakens` alone. confirm: a change may wait for a press at the device. local: only the device's buttons
    enable it. authority: what a change needs that weakens nothing; None before protocol 1.4.
    """

    name: str
    type: str  # "int" or "bool"
    unit: str
    min: int | None
    max: int | None
    default: int | bool
    doc: str
    weakens: bool
    local: bool
    weakens_when: str | None = None
    confirm: bool = False
    authority: str | None = None

    def weakened(self, before: int | bool, after: int | bool) -> bool:
        """Whether this change weakens a protection; away from the default, if the device knows no better."""
        if before == after or not self.weakens:
            return False
        if self.weakens_when is None:
            return after != self.default
        if self.weakens_when == "raised_or_zero":
            return bool(before) and (not after or after > before)
        return self.weakens_when == "changed" or (after > before) == (self.weakens_when == "raised")

    @staticmethod
    def of(item: Mapping[str, Any]) -> Setting:
        return Setting(
            name=str(item.get("name", "")),
            type=str(item.get("type", "int")),
            unit=str(item.get("unit") or ""),
            min=item.get("min"),
            max=item.get("max"),
            default=bool(item.get("default")) if item.get("type") == "bool" else item.get("default", 0),
            doc=str(item.get("doc") or ""),
            weakens=bool(item.get("weakens")),
            local=bool(item.get("local")),
            weakens_when=item.get("weakens_when"),
            confirm=bool(item.get("confirm")),
            authority=item.get("authority"),
        )


@dataclass(frozen=True, slots=True)
class SessionState:
    """The answer to a session request. remaining_ms: until the session's end, 0 without one.

    warnings: limits of the dose that the session which was just started comes near.
    """

    state: str
    level: int
    remaining_ms: int
    warnings: tuple[str, ...] = ()

    @staticmethod
    def of(result: Mapping[str, Any]) -> SessionState:
        return SessionState(
            state=str(result.get("state", "")),
            level=int(result.get("level") or 0),
            remaining_ms=int(result.get("remaining_ms") or result.get("run_ms") or 0),
            warnings=tuple(map(str, result.get("warnings") or ())),
        )


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """Why a session ended: completed, stop_button, host_stop, fault, host_lost or pause_timeout."""

    reason: str
    fault: Fault | None = None

    @property
    def wanted(self) -> bool:
        """Whether it ended as intended: at its time, or stopped by hand."""
        return self.reason in ("completed", "stop_button", "host_stop")
