"""After the restart: has the device everything that was the user's? What it lacks is given back, or named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from openknead.device import Device
from openknead.errors import DeviceError
from openknead.flash.kept import SEGMENTS, Kept
from openknead.programs import transfer
from openknead.programs.transfer import NotKept


@dataclass
class Comparison:
    """kept: how many settings, programs and records are as they were; the lists name what is not.

    restored: was missing and is there again; lost: is missing; unknown: settings that the firmware lacks.
    """

    kept: dict[str, int] = field(default_factory=dict)
    restored: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def compare(device: Device, kept: Kept) -> Comparison:
    """Compare a device with what was kept of it, and give back what it lacks."""
    found = Comparison()
    _settings(device, kept, found)
    _programs(device, kept, found)
    _journal(device, kept, found)
    return found


def _settings(device: Device, kept: Kept, found: Comparison) -> None:
    own = kept.own
    now = device.get_all()
    found.unknown = sorted(own.keys() - now.keys())
    off = {name: value for name, value in own.items() if name in now and now[name] != value}
    for names, save in ((off.keys() - {*kept.unsaved}, True), (off.keys() & {*kept.unsaved}, False)):
        if names:
            _give_back(device, {name: off[name] for name in names}, save)
    now = device.get_all()
    for name, value in sorted(off.items()):
        if now[name] == value:
            found.restored.append(f"setting {name}")
        else:
            found.lost.append(f"setting {name} = {value} (now {now[name]})")
    found.kept["settings"] = len(own) - len(off) - len(found.unknown)


def _give_back(device: Device, values: dict[str, int | bool], save: bool) -> None:
    """All at once or, when that is refused, as many as possible: the rest shows in the comparison."""
    for part in [values, *({name: value} for name, value in values.items())]:
        try:
            device.set(part)
        except DeviceError:
            continue
        if part is values:
            break
    if save:
        device.save()


def _programs(device: Device, kept: Kept, found: Comparison) -> None:
    found.kept["programs"] = 0
    for name, document in sorted(kept.programs.items()):
        if _has(device, name, document):
            found.kept["programs"] += 1
            continue
        try:
            transfer.send(device.call, name, document)
        except (DeviceError, NotKept) as problem:
            found.lost.append(f"program {name} ({problem.message})")
            continue
        (found.restored if _has(device, name, document) else found.lost).append(f"program {name}")


def _has(device: Device, name: str, document: bytes) -> bool:
    try:
        return transfer.fetch(device.call, name) == document
    except DeviceError:
        return False


def _journal(device: Device, kept: Kept, found: Comparison) -> None:
    old = kept.journal
    if not old:
        found.kept["records"] = 0
        return
    now = {record.n: record.data for record in device.journal()}
    dropped = (
        min(now, default=0) if len(kept.segments) >= SEGMENTS - 1 else 0
    )  # a full journal lets its oldest go
    missing = [n for n in sorted(old) if now.get(n) != old[n] and n >= dropped]
    found.kept["records"] = len([n for n in old if n >= dropped]) - len(missing)
    found.lost += [f"journal {span}" for span in _spans(missing)]


def _spans(numbers: Iterable[int]) -> Iterable[str]:
    """Sorted numbers as "record 3" and "records 5…9"."""
    for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        first, *rest = [number for _, number in run]
        yield f"records {first}…{rest[-1]}" if rest else f"record {first}"
