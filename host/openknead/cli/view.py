"""Ways to show what a feed tells: a live screen on a terminal, lines elsewhere, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import click

from openknead.model import Event, Sample
from openknead.report import clock

if TYPE_CHECKING:
    from rich.console import Group

Words = Callable[[Event], str | None]  # an event in words, None for one that is not worth a line


class View(Protocol):
    """Shows a feed's items. `note` is for a line that is neither."""

    def sample(self, sample: Sample) -> None: ...

    def event(self, event: Event) -> None: ...

    def note(self, text: str) -> None: ...

    def close(self) -> None: ...


def choose(as_json: bool, words: Words, *, stream: bool = False, keys: bool = False) -> View:
    """The view that fits. stream: to be followed rather than summed up at the end; keys: mention them."""
    if as_json:
        return JsonView() if stream else SilentView()
    if sys.stdout.isatty():
        return LiveView(words, keys)
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
    """A live picture of the last sample; events scroll by above it."""

    def __init__(self, words: Words, keys: bool) -> None:
        from rich.console import Console
        from rich.live import Live

        self._words = words
        self._keys = keys
        self._last: Sample | None = None
        self._stage = ""  # of the program, in words
        self._live = Live(
            get_renderable=self._render,
            console=Console(highlight=False),
            refresh_per_second=10,
            transient=False,
        )
        self._live.start()

    def sample(self, sample: Sample) -> None:
        event = stage_event(self._last, sample)
        self._last = sample
        if event:
            self.event(event)

    def event(self, event: Event) -> None:
        text = self._words(event)
        if text and event.name == "stage":
            self._stage = text
        if text:
            style = "bold red" if event.name == "fault" else "yellow" if event.name == "limiter" else "cyan"
            self._live.console.print(f"[dim]{_time(self._last)}[/]  [{style}]{text}[/]")

    def note(self, text: str) -> None:
        self._live.console.print(text, style="yellow", markup=False)

    def close(self) -> None:
        self._live.stop()

    def _render(self) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        sample = self._last
        if sample is None:
            return Group(Text("waiting for the device …", style="dim"))
        total = sample.elapsed_ms + sample.remaining_ms
        bar = Table.grid(padding=(0, 2))
        bar.add_row(
            Text(sample.state.lower(), style="bold"),
            ProgressBar(total=max(total, 1), completed=sample.elapsed_ms if total else 0, width=40),
            f"{clock(sample.elapsed_ms / 1000)} / {clock(total / 1000)}" if total else "no session",
        )
        dots = "●" * (sample.level_milli // 1000) + "○" * max(0, sample.level - sample.level_milli // 1000)
        values = Table.grid(padding=(0, 2))
        values.add_row(
            "level", f"[bold]{sample.level}[/] {dots}", "motor", f"{_of(sample.motor_dc, 10, 1)} °C"
        )
        values.add_row("rate", _rate(sample), "driver", f"{_of(sample.driver_dc, 10, 1)} °C")
        values.add_row(
            "current", f"{_of(sample.current_ma, 1000, 2)} A", "handle", f"{_of(sample.handle_dc, 10, 1)} °C"
        )
        values.add_row("battery", _supply(sample), "pad", f"{_of(sample.pad_dc, 10, 1)} °C")
        values.add_row("duty", f"{sample.duty / 655.35:.0f} %")
        parts: list[Any] = [bar, values]
        if sample.stage:
            parts.append(Text(self._stage, style="cyan"))
        if sample.limiters:
            parts.append(Text(f"held back: {', '.join(sample.limiters)}", style="yellow"))
        if sample.fault:
            parts.append(Text(f"fault: {sample.fault}", style="bold red"))
        if self._keys:
            stages = " · n next stage · b back" if sample.stage else ""
            parts.append(Text(f"+ − level · p pause · space stop{stages}", style="dim"))
        return Group(*parts)


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
