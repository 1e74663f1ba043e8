"""The picture of a device on a terminal: one screen of lines; on a small one the least important ones go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from openknead.model import Sample
from openknead.report import PLACES, clock

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

    from openknead.model import Status

WINDOW_MS = 60_000  # of the small curves
LABEL, VALUE = 9, 27  # columns
CURVE_FROM = 60  # columns of a terminal from which on curves fit
FULL_LEVEL, FULL_OPM, FULL_A = 11.0, 1000.0, 0.5  # least full scale of a curve
BLOCKS, ASCII_BLOCKS = "▁▂▃▄▅▆▇█", "._-=+*%#"
TO_ASCII = str.maketrans({"█": "#", "░": ".", "·": "|", "…": "~", "–": "-", "−": "-", "→": ">", "°": " "})
EVENTS_KEPT = 200
_T_MASK = 0x3FFFFFFF

Part = str | tuple[str, str]  # text, or text and style


@dataclass(frozen=True)
class About:
    """What a screen says of the device besides its samples."""

    title: str
    limiters: Mapping[str, str] = field(default_factory=dict)  # name → what it does
    remedies: Mapping[str, str] = field(default_factory=dict)  # fault → what to do
    keys: str = ""


class Screen:
    """What is known, and its rendering by rich."""

    def __init__(self, about: About, full: bool) -> None:
        """full: as high as the terminal, with the last events."""
        self.about = about
        self.full = full
        self.last: Sample | None = None
        self.status: Status | None = None
        self.stage = ""  # of the program, in words
        self.samples = self.lost = 0
        self.events: deque[tuple[str, str, str]] = deque(maxlen=EVENTS_KEPT)  # time, text, style
        self._recent: deque[Sample] = deque()

    def sample(self, sample: Sample) -> None:
        self.last = sample
        self.samples += 1
        recent = self._recent
        recent.append(sample)
        while (sample.t_ms - recent[0].t_ms) & _T_MASK > WINDOW_MS:
            recent.popleft()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        height = (options.height or console.height) if self.full else 1000
        ascii_only = not options.encoding.lower().startswith("utf")
        yield from self._lines(width, height, ascii_only)

    # -- inside ------------------------------------------------------------------------------------

    def _lines(self, width: int, height: int, ascii_only: bool) -> Iterator[Text]:
        rows = list(self._rows(width, ascii_only))
        while len(rows) > height:
            worst = max(range(len(rows)), key=lambda place: (rows[place][0], place))
            del rows[worst]
        room = height - len(rows) if self.full else 0
        events = list(self.events)[-room:] if room else []
        for priority, text in rows:
            if priority == FOOT:
                yield from (
                    _text([(at + "  ", "dim"), (what, style)], ascii_only) for at, what, style in events
                )
                yield from (_text([""], ascii_only) for _ in range(room - len(events)))
                room, events = 0, []
            yield text

    def _rows(self, width: int, ascii_only: bool) -> Iterator[tuple[int, Text]]:
        """(priority, line): the higher the number, the sooner the line goes."""

        def row(priority: int, *parts: Part) -> tuple[int, Text]:
            return priority, _text(parts, ascii_only)

        def wrapped(priority: int, text: str, style: str) -> Iterator[tuple[int, Text]]:
            for line in _wrap(text, width)[:3]:
                yield row(priority, (line, style))

        sample = self.last
        if self.about.title:
            yield row(7, (self.about.title, "bold"))
        if sample is None:
            yield row(0, ("waiting for the device …", "dim"))
        else:
            yield row(0, *self._session(sample, width))
            yield row(9, "")
            curve = width - LABEL - VALUE if width >= CURVE_FROM else 0
            for priority, name, value, points, full in self._measures(sample):
                line = _curve(points, curve, full, ASCII_BLOCKS if ascii_only else BLOCKS)
                yield row(priority, (f"{name:{LABEL}}", "dim"), f"{value:{VALUE}}", (line, "cyan"))
            yield row(3, (f"{'battery':{LABEL}}", "dim"), _battery(sample))
            yield row(2, (f"{'heat':{LABEL}}", "dim"), _heat(sample))
            if sample.stage:
                yield from wrapped(4, self._stage(sample), "cyan")
            for name in sample.limiters:
                meaning = self.about.limiters.get(name, "")
                yield from wrapped(1, f"holding back: {name.replace('_', ' ')}. {meaning}".rstrip(), "yellow")
            if sample.fault:
                remedy = self.about.remedies.get(sample.fault, "")
                yield from wrapped(
                    0, f"fault: {sample.fault.replace('_', ' ')}. {remedy}".rstrip(), "bold red"
                )
            if self.status and (question := self.status.confirm):
                names = ", ".join(question.names)
                yield from wrapped(0, f"press MODE on the device to agree: {names}", "bold cyan")
            elif self.status and self.status.refusals and not sample.remaining_ms:
                refusals = ", ".join(self.status.refusals).replace("_", " ")
                yield from wrapped(5, f"a start would be refused: {refusals}", "yellow")
        if self.full:
            yield row(9, "")
            lost = (f"{self.lost} lost", "bold yellow" if self.lost else "dim")
            yield row(6, (f"{self.samples} samples, ", "dim"), lost)
        if self.about.keys:
            stages = " · n next stage · b back" if sample and sample.stage else ""
            yield row(FOOT, (f"{self.about.keys}{stages}", "dim"))
        elif self.full:
            yield row(FOOT, ("Ctrl-C leaves", "dim"))

    def _session(self, sample: Sample, width: int) -> list[Part]:
        state: Part = (f"{sample.state.lower():{LABEL}}", "bold")
        total = sample.elapsed_ms + sample.remaining_ms
        if not sample.remaining_ms:
            reason = self.status.reason if self.status else None
            return [state, "no session" + (f", the last: {reason.replace('_', ' ')}" if reason else "")]
        told = f"{clock(sample.elapsed_ms / 1000)} of {clock(total / 1000)}, "
        told += f"{clock(sample.remaining_ms / 1000)} left"
        room = min(40, width - LABEL - len(told) - 2)
        bar = _bar(sample.elapsed_ms / total, room) + "  " if room >= 8 else ""
        return [state, (bar, "green"), told]

    def _measures(
        self, sample: Sample
    ) -> Iterator[tuple[int, str, str, list[tuple[int, float | None]], float]]:
        """(priority, name, value, curve, its full scale at least)."""
        now = sample.t_ms

        def curve(value: Callable[[Sample], float | None]) -> list[tuple[int, float | None]]:
            return [((now - each.t_ms) & _T_MASK, value(each)) for each in self._recent]

        reached = sample.level_milli / 1000
        level = f"{reached:.1f}" + (f" → {sample.level}" if reached != sample.level else "")
        yield 1, "level", level, curve(lambda each: each.level_milli / 1000), FULL_LEVEL
        rate = f"{_of(sample.rate_opm)} of {sample.demand_opm} opm"
        yield 1, "rate", rate, curve(lambda each: each.rate_opm), FULL_OPM
        amperes = f"{_of(sample.current_ma, 1000, 2)} A, duty {sample.duty / 655.35:.0f} %"
        yield (
            *(2, "current", amperes),
            curve(lambda each: None if each.current_ma is None else each.current_ma / 1000),
            FULL_A,
        )

    def _stage(self, sample: Sample) -> str:
        status = self.status
        text = self.stage or f"stage {sample.stage}"
        if status and status.program:
            text = f"{status.program}, {text}"
        if status and status.stage == sample.stage and status.stage_left_ms is not None:
            left_ms = status.stage_left_ms - (status.remaining_ms - sample.remaining_ms)
            text += f"; {clock(max(0, left_ms) / 1000)} left of it"
        return text


FOOT = -1  # the last line, below the events


def _battery(sample: Sample) -> str:
    text = f"{_of(sample.supply_mv, 1000, 1)} V"
    if sample.battery_pct is None:
        return text
    return f"{text}  {sample.battery_pct:3} %  {_bar(sample.battery_pct / 100, 20)}"


def _heat(sample: Sample) -> str:
    return "   ".join(f"{place} {_of(getattr(sample, name), 10, 1)} °C" for place, name in PLACES)


def _bar(share: float, width: int) -> str:
    done = round(min(1.0, max(0.0, share)) * width)
    return "█" * done + "░" * (width - done)


def _curve(points: Sequence[tuple[int, float | None]], width: int, full: float, blocks: str) -> str:
    """The last minute, newest at the right; points: age in ms and value."""
    if width <= 0:
        return ""
    columns: list[list[float]] = [[] for _ in range(width)]
    for age_ms, value in points:
        if value is not None:
            columns[max(0, width - 1 - age_ms * width // WINDOW_MS)].append(value)
    top = max([full, *(max(column) for column in columns if column)])
    text = ""
    for column in columns:
        share = sum(column) / len(column) / top if column else None
        text += " " if share is None else blocks[min(len(blocks) - 1, int(share * len(blocks)))]
    return text


def _wrap(text: str, width: int) -> list[str]:
    from textwrap import wrap

    return wrap(text, max(20, width)) or [""]


def _text(parts: Sequence[Part], ascii_only: bool) -> Text:
    from rich.text import Text

    line = Text(no_wrap=True, overflow="crop" if ascii_only else "ellipsis")
    for part in parts:
        words, style = part if isinstance(part, tuple) else (part, "")
        if ascii_only:
            words = words.translate(TO_ASCII).encode("ascii", "replace").decode()
        line.append(words, style)
    return line


def _of(value: int | None, divisor: int = 1, digits: int = 0) -> str:
    return "–" if value is None else f"{value / divisor:.{digits}f}"
