"""`knead record`: telemetry and events into a file, until it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openknead.cli.common import App, pass_app
from openknead.errors import DeviceRestarted, DeviceTimeout, LinkLost, OpenKneadError
from openknead.model import Sample
from openknead.report import clock

if TYPE_CHECKING:
    from openknead.device import Device
    from openknead.recording import Recorder

RATES = ("1", "2", "4", "5", "10", "20")
FORMS = ("csv", "jsonl", "sqlite")
PATIENCE_S = 1.0  # beyond the time-out: a longer silence is a lost device
POLL_S = 0.5  # how often the file is brought up to date while the device is silent
_T_MASK = 0x3FFFFFFF

Show = Callable[["Recorder", str], None]  # shows how far a recording has come, and the device's state


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option(
    "--format", "form", type=click.Choice(FORMS), help="Instead of the one that the suffix stands for."
)
@click.option("--hz", type=click.Choice(RATES), default="10", show_default=True, help="Samples a second.")
@click.option("--minutes", type=click.FloatRange(min=0, min_open=True), help="End after this time.")
@click.option("--until-end", is_flag=True, help="End with the session that runs or starts next.")
@click.option("--append", is_flag=True, help="Add to a recording that is there.")
@click.option(
    "--reconnect",
    type=click.FloatRange(0, 86_400),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait this long for a device that restarts or is unplugged.",
)
@pass_app
def record(
    app: App,
    file: Path,
    form: str | None,
    hz: str,
    minutes: float | None,
    until_end: bool,
    append: bool,
    reconnect: float,
) -> None:
    """Record telemetry and events in FILE (.csv, .jsonl, .sqlite), until Ctrl-C.

    Works beside `knead start`, `watch` and the others, and starts or keeps no session itself. The file is
    brought up to date every second; whatever ends the recording, it can be read up to its last whole row.
    Samples that were lost are counted. A device that comes back within --reconnect continues as a new run
    in the same file.
    """
    from openknead.cli.session import hang_up_like_ctrl_c
    from openknead.recording import Head, Recorder
    from openknead.recording.recorder import writable

    form = writable(file, form, append)
    hang_up_like_ctrl_c()
    with app.connect() as device:
        device.share()
        with Recorder(file, Head.of(device.hello, int(hz)), form=form, append=append) as recorder:
            try:
                with _progress(app) as show:
                    reason = _record(device, recorder, int(hz), minutes, until_end, reconnect, show)
                recorder.end(reason)
                with suppress(OpenKneadError):
                    device.subscribe(0)
            except OpenKneadError as problem:
                problem.data |= {"file": str(file), **recorder.counts()}
                if not app.json:
                    click.echo(_line(recorder), err=True)
                raise
    machine = {"file": str(file), "format": form, "reason": reason, **recorder.counts()}
    machine |= {"runs": recorder.runs, "size_bytes": recorder.size_bytes}
    app.emit(machine, f"{_line(recorder)} ({reason.replace('_', ' ')})")


def _record(
    device: Device,
    recorder: Recorder,
    hz: int,
    minutes: float | None,
    until_end: bool,
    reconnect_s: float,
    show: Show,
) -> str:
    """Record, over losses of the device; why it ended, as the reason of the last run."""
    from openknead.recording import Head

    goal = _Goal(minutes, until_end)
    while True:
        try:
            return _run(device, recorder, hz, goal, show)
        except KeyboardInterrupt:
            return "interrupted"
        except (LinkLost, DeviceRestarted, DeviceTimeout) as problem:
            recorder.end(problem.name)
            show(recorder, problem.message)
            _again(device, reconnect_s, problem)
            recorder.begin(Head.of(device.hello, hz))
            goal.new_run()


def _again(device: Device, patience_s: float, problem: OpenKneadError) -> None:
    """Connect again. Raises `problem` when that does not succeed in time."""
    from openknead.cli.follow import TAKE_OVER_S

    patience_s = max(patience_s, TAKE_OVER_S) if device.shared else patience_s
    if not patience_s:
        raise problem
    try:
        device.reconnect(patience_s)
        device.share()
    except OpenKneadError as second:
        raise problem from second


def _run(device: Device, recorder: Recorder, hz: int, goal: _Goal, show: Show) -> str:
    patience_s = device.timeout + PATIENCE_S + 1 / hz
    with device.feed() as feed:
        device.subscribe(hz)
        polls = 0  # in silence; a process that was suspended has not heard a silent device
        while True:
            item = feed.get(POLL_S)
            if item is None:
                recorder.flush()
                polls += 1
                if polls * POLL_S > patience_s:
                    raise DeviceTimeout(f"the device has been silent for {patience_s:g} s")
                continue
            polls = 0
            recorder.add(item)
            if isinstance(item, Sample):
                show(recorder, item.state.lower())
                if reason := goal.reached(item):
                    return reason


class _Goal:
    """When a recording is to end, by the device's clock."""

    def __init__(self, minutes: float | None, until_end: bool) -> None:
        self._left_ms = None if minutes is None else minutes * 60_000
        self._until_end = until_end
        self._running = False
        self._t_ms: int | None = None

    def new_run(self) -> None:
        """The device's clock may have started again."""
        self._t_ms = None

    def reached(self, sample: Sample) -> str:
        """Why it is to end with this sample, "" when it is not."""
        from openknead.device import ended

        if self._left_ms is not None and self._t_ms is not None:
            self._left_ms -= (sample.t_ms - self._t_ms) & _T_MASK
        self._t_ms = sample.t_ms
        over = self._until_end and ended(sample, self._running)
        self._running = self._running or not ended(sample, True)
        if over:
            return "session_end"
        return "minutes" if self._left_ms is not None and self._left_ms <= 0 else ""


@contextmanager
def _progress(app: App) -> Iterator[Show]:
    """A line on the terminal that tells how far it has come; elsewhere nothing."""
    import sys

    if app.json or not sys.stderr.isatty():
        yield lambda recorder, state: None
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    began = time.monotonic()
    with Live(Text("waiting for the device …"), console=Console(stderr=True), transient=True) as live:

        def show(recorder: Recorder, state: str) -> None:
            text = f"● {clock(time.monotonic() - began)}  {_line(recorder)}  {state}  Ctrl-C ends it"
            live.update(Text(text, no_wrap=True, overflow="ellipsis"))

        yield show


def _line(recorder: Recorder) -> str:
    counts: dict[str, Any] = recorder.counts()
    lost = f", {counts['lost_events']} events lost" if counts["lost_events"] else ""
    text = f"{recorder.path}: {counts['samples']} samples, {counts['lost']} lost, {counts['events']} events"
    return f"{text}{lost}, {_size(recorder.size_bytes)}"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"
