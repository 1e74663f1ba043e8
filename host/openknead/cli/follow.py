"""A session from start to end, shown and recorded: what `knead start` and `knead demo` share."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from openknead.cli.common import error_lines
from openknead.cli.keys import Keys
from openknead.cli.screen import About
from openknead.cli.view import View, Words
from openknead.device import IDLE, Device, ended
from openknead.errors import DeviceError, DeviceRestarted, DeviceTimeout, LinkLost, OpenKneadError
from openknead.feed import Feed
from openknead.model import Event, Sample, SessionEnd
from openknead.programs.model import Program
from openknead.report import Collector, Summary, clock

HZ = 10
KEYS = "+ − level · p pause · space stop"
STOP_S = 5.0  # after Ctrl-C: how long to wait for the device to say that it has stopped
TAKE_OVER_S = 2.0  # less than the heartbeat's default time-out
PATIENCE_S = 1.0  # samples come every 100 ms: silence for the time-out and this is a lost device


def about(device: Device, title: str = "", keys: str = "") -> About:
    """What a screen says of this device besides its samples."""
    limiters = {str(item["name"]): str(item.get("doc", "")) for item in device.schema("limiters")}
    remedies = {str(item["name"]): str(item.get("remedy", "")) for item in device.schema("faults")}
    return About(title, limiters, remedies, keys)


def words(device: Device, played: Callable[[], Program | None] = lambda: None) -> Words:
    """How to put this device's events into words. played: the program that is, for its stages' names."""
    told = ""  # the stage that was told of last

    def stage(number: str) -> str:
        program = played()
        if not program or not 1 <= int(number) <= len(program.stages):
            return f"stage {number}"
        it = program.stages[int(number) - 1]
        where = f", {it.area.replace('_', ' ')}" if it.area else ""
        return f"stage {number} of {len(program.stages)}: {it.name}, {it}{where}, {clock(it.seconds)}"

    def put(event: Event) -> str | None:
        nonlocal told
        value = event.value.replace("_", " ")
        if event.name == "stage":
            told, before = value, told
            return stage(value) if value != before else None
        if event.name == "state" and event.value in IDLE:
            told = ""
        if event.name == "select":
            return f"selected: {event.value}"
        if event.name == "warning":
            return f"near a limit of the dose: {value}"
        if event.name == "cue":
            return f"cue: {value}"
        if event.name == "fault":
            return f"fault: {value}. {device.fault_remedy(event.value)}"
        if event.name == "limiter":
            return f"holding back: {value}" if value else "no longer holding back"
        if event.name == "state":
            reason = event.data.get("reason")
            return f"{value.lower()}" + (f" ({str(reason).replace('_', ' ')})" if reason else "")
        return None

    return put


def run_session(
    device: Device, start: Callable[[], object], view: View, collector: Collector, keys: Keys
) -> Summary:
    """Start a session and stay with it until it has ended; Ctrl-C stops it, a second one leaves at once.

    start: starts it, such as `device.start(…)`.
    Raises Refused and whatever else the device answers to the start, LinkLost, DeviceTimeout, …
    """
    missed, started = 0, False
    while True:
        with device.feed() as feed:
            device.subscribe(HZ)
            if not started:
                start()
                started = True
            try:
                _stay(device, feed, view, collector, keys)
                end = device.last_end()
                device.subscribe(0)
                return collector.summary(end, missed + feed.missed)
            except LinkLost:
                if not device.shared:
                    raise
                take_over(device, view)
            missed += feed.missed


def take_over(device: Device, view: View) -> None:
    """Continue alone: the process that held the port for us has ended."""
    device.reconnect(TAKE_OVER_S)
    device.share()
    view.note("the knead that shared the port has ended: this one holds it now")


def _stay(device: Device, feed: Feed, view: View, collector: Collector, keys: Keys) -> None:
    """Follow the session; whatever ends this command before it, except a lost device, stops it."""
    try:
        _follow(device, feed, view, collector, keys)
    except KeyboardInterrupt:
        device.stop()  # before anything that could fail, such as a word to a closed terminal
        view.note("stopping")
        _follow(device, feed, view, collector, keys, time.monotonic() + STOP_S)
    except (LinkLost, DeviceRestarted):
        raise
    except BaseException:
        with suppress(OpenKneadError):
            device.stop()
        raise


def _follow(
    device: Device, feed: Feed, view: View, collector: Collector, keys: Keys, deadline: float | None = None
) -> None:
    patience = device.timeout + PATIENCE_S
    running = bool(collector.samples)
    over = False
    while True:
        item = feed.next(patience)
        if isinstance(item, Event):
            collector.add(item)
            view.event(item)
        elif running or item.state not in IDLE:
            running = True
            collector.add(item)
            view.sample(item)
            if over or item.state in IDLE:
                return
            for key in keys.pressed():
                act(device, key, item, view)
        over = over or ended(item, running)  # one more sample: it shows the motor at rest
        if deadline is not None and time.monotonic() > deadline:
            raise DeviceTimeout("the device does not say that it has stopped", remedy="press its STOP button")


def act(device: Device, key: str, sample: Sample, view: View) -> None:
    """Do what a key asks for; what the device refuses becomes a line."""
    actions: dict[str, Callable[[], object]] = {
        "+": lambda: device.set_level(sample.level + 1),
        "=": lambda: device.set_level(sample.level + 1),
        "-": lambda: device.set_level(max(1, sample.level - 1)),
        "n": device.skip,
        "b": device.back,
        "p": lambda: device.resume() if sample.state == "PAUSED" else device.pause(),
        " ": device.stop,
        "q": device.stop,
    }
    if key not in actions:
        return
    try:
        actions[key]()
    except DeviceError as error:
        view.note(" ".join(error_lines(error)))


def picture(collector: Collector, title: str, path: Path) -> Path:
    """Draw what was recorded. Raises OpenKneadError, also for a file that cannot be written."""
    from openknead.picture import draw

    try:
        return draw(collector.samples, collector.marks, title, path)
    except (OSError, ValueError) as problem:
        raise OpenKneadError(
            f"no picture in {path}: {problem}", remedy="--picture FILE.svg or FILE.png"
        ) from problem


def exit_code(end: SessionEnd | Summary) -> int:
    """0 when the session ended at its time or was stopped by hand, else 3."""
    return 0 if SessionEnd(end.reason).wanted else 3
