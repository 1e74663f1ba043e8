"""Checks of the device: does it answer, what does it run, how is it, how good is the line?"""

from __future__ import annotations

import statistics
import time
from collections import Counter

from openknead import __version__
from openknead.device import CLOCK_OFF_S, IDLE, Device
from openknead.doctor import packaged
from openknead.doctor.case import Case
from openknead.doctor.computer import OTHER_CABLE
from openknead.doctor.finding import Finding, note, ok, problem, unknown
from openknead.errors import (
    DeviceTimeout,
    MotorRunning,
    NotOpenKnead,
    OpenKneadError,
    PortBusy,
    PortNotFound,
    PortPermission,
    ReplyDamaged,
)
from openknead.handshake import install_command
from openknead.journal import Record

ROUNDS = 50  # of hello, for the line's quality
BAD_ROUNDS = 3  # more than that is no accident
SLOW_TICK_US = 20_000  # two ticks; at 50 ms the device stops by itself
RECORDS = 300  # of the journal, the newest
SHOWN = 6  # names in a sentence
RESTARTS = {"watchdog": "hang", "crash": "crash"}
TOLD_ELSEWHERE = ("fault_latched", "selftest", "settings_invalid", "running")


def answer(case: Case) -> Finding | None:
    """Does something answer, and is it OpenKnead?"""
    if case.port is None:
        return None
    try:
        hello = case.connect().hello
    except DeviceTimeout as silence:
        remedy = (
            "press reset on the board, or unplug it and plug it in again; if it stays silent, install the "
        )
        return problem(silence.message, f"{remedy}firmware: {install_command(case.port)}")
    except NotOpenKnead as other:
        remedy = other.remedy or NotOpenKnead.remedy
        return problem(other.message, f"{remedy}; not installed yet? {install_command(case.port)}")
    except (PortBusy, PortNotFound, PortPermission) as closed:  # what to do is told by the checks of the port
        return problem(closed.message, "", error=closed.as_dict())
    except OpenKneadError as error:
        return problem(error.message, error.remedy, error=error.as_dict())
    simulated = f", simulated ({hello.sim})" if hello.sim else ""
    return ok(f"OpenKnead {hello.firmware}, protocol {hello.protocol}, board {hello.board}{simulated}")


def firmware(case: Case) -> Finding | None:
    """Is it the firmware that belongs to this package?"""
    if not (device := case.device):
        return None
    hello = device.hello
    known = packaged.contents()
    if not known:
        return unknown(f"content {hello.content}: this package has no firmware to compare it with")
    if hello.content in known:
        return ok(f"the firmware of this package, content {hello.content}")
    ours = packaged.protocol() or "?"
    older = _numbers(hello.protocol) < _numbers(ours)
    behind = f", and speaks protocol {hello.protocol} where that speaks {ours}" if older else ""
    return note(
        f"firmware {hello.firmware} with other files than those of openknead {__version__}{behind}",
        f"to install these: {install_command(device.port)}",
        content=hello.content,
        packaged=sorted(known),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def fault(case: Case) -> Finding | None:
    """A fault that stops everything until it is cleared."""
    if not case.device:
        return None
    latched = case.status.fault
    if latched is None:
        return ok("no fault is latched")
    more = f", and {latched.more} more behind it" if latched.more else ""
    return problem(f"the fault {latched.name} is latched{more}", f"{latched.remedy} Then: knead clear")


def settings(case: Case) -> Finding | None:
    """Were the settings on flash good, and is what is in force saved?"""
    if not case.device:
        return None
    status = case.status
    if "settings_invalid" in status.refusals:
        return problem(
            "the settings on flash are damaged: defaults are in force", "knead get, then knead save"
        )
    unsaved = list(status.unsaved)
    if unsaved:
        names = ", ".join(unsaved) + (f" and {status.unsaved_more} more" if status.unsaved_more else "")
        return note(f"not saved: {names}", "to keep them over a power-off: knead save", unsaved=unsaved)
    return ok("all settings are saved")


def selftest(case: Case) -> Finding | None:
    """What the device found when it tested itself last."""
    if not (device := case.device):
        return None
    if "selftest" not in device.hello.capabilities:
        return unknown("this firmware has no self-test")
    report = device.selftest(run=False)
    if report.failed:
        names = ", ".join(test.name for test in report.failed)
        remedy = " ".join(test.remedy for test in report.failed)
        return problem(
            f"failed: {names}", f"{remedy} Then: knead selftest", failed=[t.name for t in report.failed]
        )
    if report.state in ("running", "none"):
        return unknown("it is running" if report.state == "running" else "nothing is tested in maintenance")
    return ok(f"all {len(report.tests)} tests passed")


def start(case: Case) -> Finding | None:
    """Would a start be refused, for what no other check tells?"""
    if not (device := case.device):
        return None
    status = case.status
    if status.state not in IDLE:
        return ok(f"{status.state}: a session is under way")
    names = [name for name in status.refusals if name not in TOLD_ELSEWHERE]
    if status.refusals and not names:
        return ok("refused for what other checks tell, and for nothing else")
    if not names:
        return ok("a host may start a session" if status.remote_start else "nothing speaks against it")
    rows = {str(row.get("name")): str(row.get("remedy") or "") for row in device.schema("refusals")}
    remedy = " ".join(rows.get(name, "") for name in names)
    return note(f"a start from here would be refused: {', '.join(names)}", remedy, refusals=names)


def clock(case: Case) -> Finding | None:
    """The device's clock, which dose and journal go by."""
    if not (device := case.device):
        return None
    told = device.hello.unix_s
    if "clock" not in device.hello.capabilities:
        return unknown("this firmware has no clock")
    if told is None:
        return ok("not set since power-on: the next command but this one does it")
    off_s = round(told - time.time())
    if abs(off_s) > CLOCK_OFF_S:
        return note(f"off by {off_s:+d} s", "any command but this one sets it: knead info", off_s=off_s)
    return ok("right")


def flash(case: Case) -> Finding | None:
    """Does anything lie on flash that the device cannot use?"""
    if not case.device:
        return None
    first, more = case.status.skipped, case.status.skipped_more
    if first is None:
        return ok("no file was skipped")
    said = f"skipped {first}" + (f", and {more} more files" if more else "")
    remedy = "see all of them: knead log --kind skipped; delete what does not belong there with mpremote"
    return note(said, remedy, skipped=first, skipped_more=more)


def load(case: Case) -> Finding | None:
    """Has the control loop time enough?"""
    if not case.device:
        return None
    worst_us = case.status.tick_worst_us
    said = f"the longest tick took {worst_us / 1000:.1f} ms"
    if worst_us > SLOW_TICK_US:
        return note(said, "report it with the firmware's version and what was done", tick_worst_us=worst_us)
    return ok(said, tick_worst_us=worst_us)


def is_new(record: Record) -> bool:
    """Whether a record tells of a fault that was not latched before that start."""
    return record.kind == "fault" and not record.data.get("kept")


def journal(case: Case) -> Finding | None:
    """What went wrong lately."""
    if not (device := case.device):
        return None
    if "journal" not in device.hello.capabilities:
        return unknown("this firmware keeps no journal")
    try:
        last = device.call("journal.read", start=(1 << 30) - 1).get("last") or 0
        records = list(device.journal(max(last - RECORDS, 0)))
    except MotorRunning:
        return unknown("it cannot be read during a session")
    faults = Counter(record.word("fault") or "?" for record in records if is_new(record))
    restarts = Counter(
        RESTARTS[cause]
        for record in records
        if record.kind == "boot" and (cause := record.word("cause") or "") in RESTARTS
    )
    lost = sum(record.number("lost") or 0 for record in records)
    told = [f"{name} {count}×" for name, count in (restarts + faults).most_common(SHOWN)]
    told += [f"{lost} records lost"] if lost else []
    if not told:
        return ok(f"{len(records)} records, no fault among them")
    said = f"among the last {len(records)} records: {', '.join(told)}"
    return note(said, "what happened and what to do: knead log --explain", faults=dict(faults), lost=lost)


def line(case: Case) -> Finding | None:
    """How good is the line? Fifty round trips."""
    if not (device := case.device):
        return None
    damaged, took_ms, lost = device.channel.damaged, list[float](), 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        try:
            device.call("hello")
            took_ms.append((time.perf_counter() - began) * 1000)
        except (DeviceTimeout, ReplyDamaged):
            lost += 1
            if lost > BAD_ROUNDS:
                break
    damaged = device.channel.damaged - damaged
    return _judged(device, took_ms, lost, damaged)


def _judged(device: Device, took_ms: list[float], lost: int, damaged: int) -> Finding:
    rounds = len(took_ms) + lost
    data: dict[str, float] = {"rounds": rounds, "lost": lost, "damaged": damaged}
    if not took_ms:
        return problem(f"all of {rounds} round trips were lost", OTHER_CABLE, **data)
    median_ms, worst_ms = statistics.median(took_ms), max(took_ms)
    through = ", through another knead" if device.shared else ""
    said = f"{rounds} round trips: median {median_ms:.1f} ms, at most {worst_ms:.0f} ms{through}"
    data |= {"median_ms": round(median_ms, 2), "worst_ms": round(worst_ms, 2)}
    if not lost + damaged:
        return ok(f"{said}, none lost or damaged", **data)
    said += f"; {lost} lost, {damaged} lines damaged"
    return (problem if lost + damaged > BAD_ROUNDS else note)(said, OTHER_CABLE, **data)
