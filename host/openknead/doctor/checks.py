"""The table of checks, in the order in which they are made: what fails first is usually why the rest does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from openknead.doctor import computer, device, usb
from openknead.doctor.case import Case
from openknead.doctor.finding import Finding, problem, unknown
from openknead.errors import OpenKneadError


@dataclass(frozen=True)
class Check:
    """name: a stable word; looks_at: what for, in words; look: None where it does not apply."""

    name: str
    looks_at: str
    look: Callable[[Case], Finding | None]


CHECKS = (
    Check("python", "Python and packages", computer.python),
    Check("found", "device found", usb.found),
    Check("which", "which device", usb.which),
    Check("hub", "where it is plugged in", usb.hub),
    Check("permission", "permission", usb.permission),
    Check("udev", "udev rule", usb.rule),
    Check("modem_manager", "ModemManager", usb.modem_manager),
    Check("holder", "port in use", usb.holder),
    Check("answer", "answer", device.answer),
    Check("line", "line", device.line),
    Check("firmware", "firmware", device.firmware),
    Check("fault", "fault", device.fault),
    Check("selftest", "self-test", device.selftest),
    Check("settings", "settings", device.settings),
    Check("flash", "flash", device.flash),
    Check("start", "start", device.start),
    Check("clock", "clock", device.clock),
    Check("load", "control loop", device.load),
    Check("journal", "journal", device.journal),
    Check("kernel", "kernel's log", computer.kernel),
    Check("images", "MicroPython images", computer.images),
)


def examine(case: Case) -> Iterator[tuple[Check, Finding]]:
    """All checks that apply, one after another. A check that fails itself is a finding, too."""
    broken: set[str] = set()  # what happened to the line meanwhile; told once
    try:
        for check in CHECKS:
            try:
                finding = check.look(case)
            except OpenKneadError as error:
                finding = None
                if error.name not in broken:
                    broken.add(error.name)
                    finding = problem(error.message, error.remedy, error=error.as_dict())
            except OSError as trouble:
                finding = unknown(f"{trouble}")
            if finding:
                yield check, finding
    finally:
        case.close()
