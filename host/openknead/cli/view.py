"""Ways to show what a feed tells: a live screen on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import click

from openknead.cli.screen import About, Screen
from openknead.model import Event, Sample
from openknead.report import clock

if TYPE_CHECKING:
    from rich.live import Live

Words = Callable[[Event], str | None]  # an event in words, None for one that is not worth a line


class View(Protocol):
    """Shows a feed's items. `note` is for a line that is neither."""

    def sample(self, sample: Sample) -> None: ...

    def event(self, event: Event) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


def choose(as_json: bool, words: Words, about: About | None = None, *, stream: bool = False) -> View:
    """The view that fits. about: of the device; stream: to be followed, not summed up at the end."""
    if as_json:
        return JsonView() if stream else SilentView()
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        return (ScreenView if stream else LiveView)(words, about or About(""))
    return LineView(words, 1000 if stream else 60_000)


class SilentView:
    """Shows nothing: the result comes at the end."""

    def sample(self, sample: Sample) -> None:
        pass

    def event(self, event: Event) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class JsonView(SilentView):
    """One JSON object per sample; events as objects with the one member `event`."""

    def sample(self, sample: Sample) -> None:
        click.echo(json.dumps(asdict(sample)))

    def event(self, event: Event) -> None:
        click.echo(json.dumps({"event": dict(event.data)}))


class LineView:
    """One line per `period_ms` of the device's time, and one per event: for logs and pipes."""

    def __init__(self, words: Words, period_ms: int) -> None:
        self._words = words
        self._period_ms = period_ms
        self._period: int | None = None
        self._last: Sample | None = None

    def sample(self, sample: Sample) -> None:
        event = stage_event(self._last, sample)
        self._last = sample
        if event:
            self.event(event)
        period = (sample.elapsed_ms or sample.t_ms) // self._period_ms
        if period != self._period:
            self._period = period
            click.echo(f"{_time(sample)}  {reading(sample)}")

    def event(self, event: Event) -> None:
        text = self._words(event)
        if text:
            click.echo(f"{_time(self._last)}  {text}")

    def note(self, text: str) -> None:
        click.echo(text)

    def close(self) -> None:
        pass


class LiveView:
    """A live picture of the device; events scroll by above it."""

    def __init__(self, words: Words, about: About) -> None:
        self._words = words
        self._last: Sample | None = None
        self.screen = Screen(about, full=self.full)
        self._live = self._start()

    full = False  # whether it takes the whole terminal

    def _start(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        live = Live(
            self.screen,
            console=Console(highlight=False),
            refresh_per_second=5,
            screen=self.full,
            transient=False,
        )
        live.start()
        return live

    def sample(self, sample: Sample) -> None:
        event = stage_event(self._last, sample)
        self._last = sample
        if event:
            self.event(event)
        self.screen.sample(sample)

    def event(self, event: Event) -> None:
        text = self._words(event)
        if not text:
            return
        if event.name == "stage":
            self.screen.stage = text
        self._tell(text, {"fault": "bold red", "limiter": "yellow"}.get(event.name, "cyan"))

    def note(self, text: str) -> None:
        self._tell(text, "yellow")

    def _tell(self, text: str, style: str) -> None:
        from rich.text import Text

        self._live.console.print(Text.assemble((f"{_time(self._last)}  ", "dim"), (text, style)))

    def close(self) -> None:
        self._live.stop()


class ScreenView(LiveView):
    """The same on a screen of its own, which goes when it is closed; events are part of it."""

    full = True

    def _tell(self, text: str, style: str) -> None:
        self.screen.events.append((_time(self._last), text, style))


def stage_event(before: Sample | None, sample: Sample) -> Event | None:
    """The beginning of a stage as telemetry shows it: also of the first, and to those who come later."""
    if not sample.stage or (before and before.stage == sample.stage):
        return None
    return Event("stage", str(sample.stage), sample.t_ms, {})


def reading(sample: Sample) -> str:
    """A sample as one line."""
    text = (
        f"{sample.state.lower():8} level {sample.level_milli / 1000:4.1f}  {_rate(sample):>18}  "
        f"{_of(sample.current_ma, 1000, 2)} A  {_supply(sample)}  motor {_of(sample.motor_dc, 10, 1)} °C"
    )
    if sample.limiters:
        text += f"  held back: {', '.join(sample.limiters)}"
    return text + (f"  fault: {sample.fault}" if sample.fault else "")


def _rate(sample: Sample) -> str:
    rate = "–" if sample.rate_opm is None else str(sample.rate_opm)
    return f"{rate} / {sample.demand_opm} opm"


def _supply(sample: Sample) -> str:
    battery = "" if sample.battery_pct is None else f" {sample.battery_pct} %"
    return f"{_of(sample.supply_mv, 1000, 1)} V{battery}"


def _of(value: int | None, divisor: int, digits: int) -> str:
    return "–" if value is None else f"{value / divisor:.{digits}f}"


def _time(sample: Sample | None) -> str:
    return f"{clock(sample.elapsed_ms / 1000) if sample else '0:00':>5}"
