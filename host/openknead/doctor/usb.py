"""Checks of the way to the device: is it on USB, which port is it, may this user open it, who else has it?"""

from __future__ import annotations

from openknead import rundir, udev
from openknead.doctor.case import BOOTSEL, RASPBERRY, Case
from openknead.doctor.computer import OTHER_CABLE
from openknead.doctor.finding import Finding, note, ok, problem
from openknead.doctor.system import UsbDevice

MODEM_MANAGER = "ModemManager"
REPLUG = "unplug the device and plug it in again"


def found(case: Case) -> Finding:
    """Is there a device at all?"""
    if case.in_bootsel and not case.picos:
        return _in_bootsel(case.in_bootsel[0])
    mute = [pico for pico in case.picos if not pico.ttys]
    if mute:
        return problem(
            f"a Pico is on USB ({mute[0].place}) without a serial port", "run: sudo modprobe cdc_acm"
        )
    absent = [tty for pico in case.picos for tty in pico.ttys if not case.system.path(tty).exists()]
    if absent and case.system.linux:
        return problem(
            f"{absent[0]} is known to the kernel and not in /dev", "in a container: hand the port over to it"
        )
    if case.port and case.linux_file(case.port) and not case.system.path(case.port).exists():
        return problem(f"there is no port {case.port}", "see which there are: knead list; is it plugged in?")
    if case.candidates:
        kinds = f"{len(case.picos)} on USB, {len(case.candidates) - len(case.picos)} virtual"
        return ok(f"{', '.join(case.candidates)} ({kinds})", ports=case.candidates)
    if case.port:
        return ok(f"{case.port}, as you named it; no other device is found", ports=[case.port])
    return _nothing(case)


def _in_bootsel(usb: UsbDevice) -> Finding:
    chip = BOOTSEL[usb.vid, usb.pid]
    if chip != "RP2040":
        return problem(f"a board with an {chip} waits in BOOTSEL", "OpenKnead runs on a Pico with an RP2040")
    return problem(
        "a Pico waits in BOOTSEL: its boot ROM is there, no firmware runs",
        "install MicroPython and OpenKnead: knead flash. Both are on it already? Press reset, or "
        + REPLUG
        + " without holding BOOTSEL",
    )


def _nothing(case: Case) -> Finding:
    others = [usb for usb in case.system.usb if usb.vid == RASPBERRY or usb.ttys]
    listed = ", ".join(f"{usb.ids} {usb.product}".rstrip() for usb in others)
    data = {"others": [usb.ids for usb in others]}
    if case.system.in_windows():
        remedy = "in Windows, as administrator: usbipd list, usbipd bind, usbipd attach --wsl"
        return problem("no Pico is seen: this Linux runs in Windows, which keeps USB", remedy, **data)
    if others:
        remedy = "if it is meant to be the device: install MicroPython and OpenKnead on it: knead flash"
        return problem(f"no Pico with MicroPython is on USB; there is {listed}", remedy, **data)
    return problem(
        "no Pico is seen on USB, and no virtual board runs",
        f"plug one in; if its light is on and it still is not seen, {OTHER_CABLE}. "
        "To try without one: knead sim",
        **data,
    )


def which(case: Case) -> Finding | None:
    """Several devices, and none named."""
    if case.port or len(case.candidates) < 2:
        return None
    listed = ", ".join(case.candidates)
    return problem(f"{len(case.candidates)} devices: {listed}", "name one: knead doctor --port PORT")


def hub(case: Case) -> Finding | None:
    """Whether the device hangs on a hub."""
    usb = case.usb
    if usb is None or not usb.place:
        return None
    hubs = usb.place.count(".")
    if hubs:
        many = "a hub" if hubs == 1 else f"{hubs} hubs, one behind the other"
        return ok(f"behind {many} ({usb.place}): the first thing to leave out when lines get damaged")
    return ok(f"plugged into the computer itself ({usb.place})")


def permission(case: Case) -> Finding | None:
    """May this user open the port?"""
    port = case.port
    owner = case.system.owner(port) if port and case.linux_file(port) else None
    if port is None or owner is None:
        return None
    if case.system.may_open(port):
        return ok(f"{case.system.user} may open {port}")
    belongs = f"{port} belongs to group {owner.group} (mode {owner.mode:o})"
    if owner.mode & 0o060 == 0o060 and case.system.membership(owner.group) == "after log-in":
        remedy = "log out and in again, or restart the computer"
        return problem(f"{case.system.user} is in group {owner.group} since a short while only", remedy)
    remedy = f"run: {udev.command('--install')}, then {REPLUG}"
    if owner.mode & 0o060 == 0o060 and owner.group != "root":
        remedy += f". Without a screen of its own (ssh): sudo usermod -aG {owner.group} {case.system.user}"
        remedy += ", then log in again"
    return problem(f"{case.system.user} may not open it: {belongs}", remedy, group=owner.group)


def rule(case: Case) -> Finding | None:
    """The udev rule: there, and of this version?"""
    if not case.system.linux:
        return None
    path = udev.installed(case.system.root)
    if path is None:
        if not case.picos:
            return ok("no udev rule; none is needed without a Pico on USB")
        return note("the udev rule is not installed", f"run: {udev.command('--install')}")
    if not udev.is_current(path):
        return note(f"{path} is another version's", f"run: {udev.command('--install')}", path=str(path))
    return ok(f"{path}", path=str(path))


def modem_manager(case: Case) -> Finding | None:
    """ModemManager takes every new serial port for a modem and talks to it."""
    if not case.system.linux:
        return None
    if MODEM_MANAGER not in case.system.processes():
        return ok("ModemManager does not run")
    if udev.installed(case.system.root):
        return ok("ModemManager runs, and the udev rule keeps it away")
    return note(
        "ModemManager runs and tries each new port for half a minute: it is busy or answers oddly till then",
        f"run: {udev.command('--install')}",
    )


def holder(case: Case) -> Finding | None:
    """Who else has the port open?"""
    port = case.port
    if port is None:
        return None
    if rundir.read_living(rundir.share_file(port)):
        return ok("another knead has the port and shares it")
    held = case.system.holders(port)
    if not held:
        return ok("no other program has the port open, as far as this user can see")
    names = ", ".join(f"{program} (process {pid})" for pid, program in held)
    data = {"holders": [{"pid": pid, "program": program} for pid, program in held]}
    if any(program == MODEM_MANAGER for _, program in held):
        remedy = f"wait half a minute; to be rid of it: {udev.command('--install')}"
        return problem(f"{port} is held by {names}", remedy, **data)
    return problem(f"{port} is held by {names}", f"end {names}, or use the device there", **data)
