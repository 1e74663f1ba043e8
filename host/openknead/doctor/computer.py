"""Checks of this computer: Python, packages, MicroPython's images, the kernel's opinion of the cable."""

from __future__ import annotations

import re
import sys
from collections import Counter
from importlib import metadata

from openknead import __version__
from openknead.doctor.case import Case
from openknead.doctor.finding import Finding, note, ok, problem, unknown
from openknead.flash import images as store
from openknead.flash.errors import ImageError, ImageMissing

OLDEST = (3, 11)
PACKAGES = ("pyserial", "click", "rich", "platformdirs", "mpremote")
OTHER_CABLE = "try another cable (many only charge), then another port of the computer, without a hub"

# What the kernel's hub driver (drivers/usb/core/hub.c) says when a device cannot be understood.
USB_TROUBLE = re.compile(
    r"device descriptor read/\S+, error|unable to enumerate USB device|device not accepting address"
    r"|USB cable is bad|not responding to setup address|over-current|can't set config"
)


def python(_case: Case) -> Finding:
    """This Python, and whether what the package needs is there."""
    version = ".".join(map(str, sys.version_info[:3]))
    missing = []
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if sys.version_info < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        return problem(f"Python {version} is too old", f"install Python {wanted} or newer", python=version)
    if missing:
        command = "python -m pip install --upgrade --force-reinstall openknead"
        return problem(f"not installed: {', '.join(missing)}", f"run: {command}", missing=missing)
    return ok(f"openknead {__version__}, Python {version}, {', '.join(found)}", python=version)


def images(_case: Case) -> Finding:
    """The cache of MicroPython images, one of which a blank board needs."""
    good, bad, absent = [], [], []
    for version in store.locked():
        try:
            store.find(version)
            good.append(version)
        except ImageMissing:
            absent.append(version)
        except (ImageError, OSError) as damage:
            bad.append(str(damage))
    if bad:
        return problem(f"damaged: {bad[0]}", "delete that file: knead flash loads it again", damaged=bad)
    if store.REFERENCE not in good:
        return note(
            f"no image of MicroPython {store.REFERENCE} in {store.folder()}: "
            "knead flash loads it when a board needs it, which needs the network",
            missing=absent,
        )
    return ok(f"MicroPython {', '.join(good)} in {store.folder()}", missing=absent)


def kernel(case: Case) -> Finding | None:
    """What the kernel says of USB lately: cable, hub, port."""
    if not case.system.linux:
        return None
    log = case.system.kernel_log()
    if log is None:
        return unknown("the kernel's log is not for this user", "to see it: sudo dmesg | grep usb")
    trouble = [line for line in log if USB_TROUBLE.search(line)]
    if not trouble:
        return ok("no USB errors in the kernel's log")
    kinds = Counter(found[0] for line in trouble if (found := USB_TROUBLE.search(line)))
    said = f"{len(trouble)} USB errors in the kernel's log, the last: {trouble[-1].strip()}"
    return (note if case.device else problem)(said, OTHER_CABLE, errors=dict(kinds))
