"""Dose and response: a protocol with randomised levels and durations, logged session by session, and plotted.

    python dose_response.py --sim              on a virtual board of its own, as fast as it goes
    python dose_response.py --ask              on the device that is connected, asking for a rating each time

Cells begin with `# %%`, for editors and notebooks that know them; from top to bottom it is a program, too.
docs/dose-response.md tells what it does and why.
"""

# %% What is needed
from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TextIO

import openknead
from openknead import Device, OpenKneadError, Record, Refused, Sample

HZ = 20  # samples a second
WRITTEN_S = 10  # the record of a session is in the journal by then
AREA = "calf_left"
MILLISECONDS = 0x3FFFFFFF  # where the device's clock wraps


# %% The design: every level with every duration once in each block, in an order that the seed decides
@dataclass(frozen=True)
class Condition:
    """What one session shall be."""

    block: int
    level: int
    run_s: int

    @property
    def nominal_opm(self) -> int:
        """The rate that the level stands for."""
        return 1000 + 270 * (self.level - 1)

    @property
    def nominal_oscillations(self) -> float:
        """The dose that a protocol would write down: rate times time."""
        return self.nominal_opm * self.run_s / 60


def design(levels: Sequence[int], durations_s: Sequence[int], blocks: int, seed: int) -> list[Condition]:
    """A randomised complete block design. The same seed gives the same order."""
    draw = random.Random(seed)
    order = []
    for block in range(1, blocks + 1):
        cells = [Condition(block, level, run_s) for level in levels for run_s in durations_s]
        draw.shuffle(cells)
        order += cells
    return order


# %% One session: what was asked for, and what came
@dataclass(frozen=True)
class Session:
    """A row of sessions.csv; None where nothing was measured."""

    number: int
    block: int
    level: int
    run_s: int
    began_utc: str
    reason: str  # "completed", or the session does not count
    demanded_opm: float | None  # means over the time in which the motor was to run
    measured_opm: float | None
    current_ma: float | None
    nominal_oscillations: float
    demanded_oscillations: float
    measured_oscillations: float
    device_oscillations: int | None  # the device's own count, from its journal
    limiters: str
    samples: int
    missed: int
    rating: float | None


def play(dev: Device, condition: Condition) -> tuple[str, str, list[Sample]]:
    """Run a session to its end: when it began, why it ended, its samples."""
    began = datetime.now(UTC).isoformat(timespec="milliseconds")
    dev.start(condition.level, condition.run_s / 60, area=AREA)
    samples = list(dev.telemetry(hz=HZ))
    return began, dev.wait(timeout=30).reason, samples


def seconds_between(before: Sample, after: Sample) -> float:
    return ((after.t_ms - before.t_ms) & MILLISECONDS) / 1000


def oscillations(samples: Sequence[Sample], field: str) -> float:
    """A rate in oscillations a minute, summed up over the device's own time."""
    return sum((getattr(b, field) or 0) * seconds_between(a, b) / 60 for a, b in pairwise(samples))


def mean(samples: Sequence[Sample], field: str) -> float | None:
    values = [value for sample in samples if (value := getattr(sample, field)) is not None]
    return sum(values) / len(values) if values else None


def newest(dev: Device, after: int, wait_s: float = 0) -> tuple[int, Record | None]:
    """Number of the journal's last record, and the last session's record behind number `after`.

    wait_s: how long to wait for one; the device writes it a moment after the motor is off.
    """
    deadline = time.monotonic() + wait_s
    while True:
        records = [record for record in dev.journal(after) if record.n > after]
        sessions = [record for record in records if record.kind == "session"]
        if sessions or time.monotonic() >= deadline:
            return max((record.n for record in records), default=after), sessions[-1] if sessions else None


def measure(
    number: int,
    condition: Condition,
    played: tuple[str, str, list[Sample]],
    record: Record | None,
    rating: float | None,
) -> Session:
    """The session in figures."""
    began, reason, samples = played
    driven = [sample for sample in samples if sample.demand_opm]
    counted = (record.data.get("areas") or {}).get(AREA) if record else None
    return Session(
        number=number,
        block=condition.block,
        level=condition.level,
        run_s=condition.run_s,
        began_utc=began,
        reason=reason,
        demanded_opm=mean(driven, "demand_opm"),
        measured_opm=mean(driven, "rate_opm"),
        current_ma=mean(driven, "current_ma"),
        nominal_oscillations=condition.nominal_oscillations,
        demanded_oscillations=oscillations(samples, "demand_opm"),
        measured_oscillations=oscillations(samples, "rate_opm"),
        device_oscillations=int(counted[1]) if counted else None,
        limiters=" ".join(sorted({name for sample in samples for name in sample.limiters})),
        samples=len(samples),
        missed=sum(max(0, b.seq - a.seq - 1) for a, b in pairwise(samples)),
        rating=rating,
    )


def told(session: Session) -> str:
    """The session in a line."""
    came, written = session.measured_oscillations, session.nominal_oscillations
    what = f"level {session.level:2}, {session.run_s} s, {session.reason}"
    return f"{what}, {came:.0f} of {written:.0f} oscillations"


def await_permission(dev: Device) -> None:
    """Wait until the device lets us start: after a STOP there, the person who holds it has the last word."""
    said = False
    while (cause := dev.status().suspended) is not None:
        if not said:
            print(f"suspended ({cause} at the device): to continue, hold MODE for 3 s; to end, press Ctrl-C")
            said = True
        time.sleep(0.5)


def rest(dev: Device, rest_s: float) -> None:
    """Wait by the device's clock, which a virtual board that is talked to runs faster than ours."""
    first: Sample | None = None
    for sample in dev.telemetry(hz=5):
        dev.status()
        first = first or sample
        if seconds_between(first, sample) >= rest_s:
            return


def ask() -> float:
    """A rating from 0 to 10."""
    while True:
        text = input("How intense was it, 0 to 10? ")
        try:
            rating = float(text.replace(",", "."))
        except ValueError:
            rating = -1.0
        if 0 <= rating <= 10:
            return rating
        print("A number from 0 to 10, please.")


# %% The log: written line by line, so that nothing is lost when the protocol is stopped
class Log:
    """The files of one run: protocol.json, sessions.csv, samples.csv."""

    def __init__(self, folder: Path, protocol: dict[str, object]) -> None:
        """Raises FileExistsError: a run never overwrites another one's data."""
        folder.mkdir(parents=True)
        (folder / "protocol.json").write_text(json.dumps(protocol, indent=2) + "\n", encoding="utf-8")
        self._sessions = self._open(folder / "sessions.csv", [field.name for field in fields(Session)])
        self._samples = self._open(folder / "samples.csv", ["number", *(f.name for f in fields(Sample))])

    @staticmethod
    def _open(path: Path, head: list[str]) -> TextIO:
        file = path.open("w", newline="", encoding="utf-8")
        csv.writer(file).writerow(head)
        return file

    def add(self, session: Session, samples: Sequence[Sample]) -> None:
        write = csv.writer(self._samples)
        for sample in samples:
            cells = [getattr(sample, field.name) for field in fields(Sample)]
            write.writerow([session.number, *(" ".join(c) if isinstance(c, tuple) else c for c in cells)])
        csv.writer(self._sessions).writerow(asdict(session).values())
        for file in (self._samples, self._sessions):
            file.flush()

    def close(self) -> None:
        self._samples.close()
        self._sessions.close()


def about(dev: Device, args: argparse.Namespace, order: Sequence[Condition]) -> dict[str, object]:
    """What is needed to repeat this."""
    return {
        "openknead": openknead.__version__,
        "device": asdict(dev.hello),
        "settings": dev.get_all(),
        "options": {name: value for name, value in vars(args).items() if name != "out"},
        "order": [asdict(condition) for condition in order],
        "began_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


# %% The protocol
@contextmanager
def device(args: argparse.Namespace) -> Iterator[Device]:
    """The device that is meant: with --sim a virtual board that is started here, and ends with us."""
    if not args.sim:
        with openknead.connect(args.port) as dev:
            yield dev
        return
    with (
        openknead.virtual_board("--seed", str(args.seed)) as port,
        openknead.connect(port, timeout=10) as dev,
    ):
        yield dev


def run(dev: Device, args: argparse.Namespace) -> tuple[list[Session], list[list[Sample]]]:
    """All sessions in their order, until one does not end by itself: then it was stopped."""
    order = design(args.levels, args.seconds, args.blocks, args.seed)
    log = Log(args.out, about(dev, args, order))
    sessions, all_samples = [], []
    try:
        last, _ = newest(dev, 0)
        for number, condition in enumerate(order, 1):
            if number > 1:
                rest(dev, args.rest)
            await_permission(dev)
            played = play(dev, condition)
            last, record = newest(dev, last, WRITTEN_S)
            session = measure(number, condition, played, record, ask() if args.ask else None)
            log.add(session, played[2])
            sessions.append(session)
            all_samples.append(played[2])
            print(f"{number:3} of {len(order)}: {told(session)}")
            if session.reason != "completed":
                break
    finally:
        log.close()
    return sessions, all_samples


# %% The picture: what was demanded, and what came
def plot(sessions: Sequence[Session], samples: Sequence[Sequence[Sample]], path: Path) -> None:
    """Draw the course of the protocol, the rates and the doses; needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "openknead", "font.size": 9}
    mpl.rcParams |= {"axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False}
    from matplotlib import pyplot as plt

    levels = sorted({session.level for session in sessions})
    shades = plt.get_cmap("viridis")
    colours = {level: shades(0.1 + 0.75 * n / max(1, len(levels) - 1)) for n, level in enumerate(levels)}
    markers = dict(zip(sorted({session.run_s for session in sessions}), "os^Dv*", strict=False))

    figure, panels = plt.subplot_mosaic(
        [["course", "course"], ["rate", "dose"]],
        figsize=(9, 7.4),
        layout="constrained",
        height_ratios=[1, 1.7],
    )
    course, rate, dose = panels["course"], panels["rate"], panels["dose"]
    for session, taken in zip(sessions, samples, strict=True):
        at = [seconds_between(samples[0][0], sample) / 60 for sample in taken]
        rates = [sample.rate_opm or 0 for sample in taken]
        demands = [sample.demand_opm for sample in taken]
        course.plot(at, rates, color=colours[session.level], linewidth=0.8, rasterized=True)
        course.plot(at, demands, color="0.15", linewidth=0.7, linestyle=(0, (3, 2)))
    course.set(
        xlabel="time in minutes", ylabel="rate in opm", title="The protocol: measured, and demanded (dashed)"
    )
    course.set_ylim(bottom=0)

    for session in sessions:
        colour, marker = colours[session.level], markers[session.run_s]
        for axes, x, y in (
            (rate, session.demanded_opm, session.measured_opm),
            (dose, session.nominal_oscillations, session.measured_oscillations),
        ):
            if x is not None and y is not None:
                axes.scatter(x, y, s=36, color=colour, marker=marker, alpha=0.75)
    for axes in (rate, dose):
        high = 1.08 * max(axes.get_xlim()[1], axes.get_ylim()[1])
        axes.plot([0, high], [0, high], color="0.6", linewidth=0.8, zorder=0)
        axes.set(xlim=(0, high), ylim=(0, high), aspect="equal")
    rate.set(xlabel="demanded, mean opm", ylabel="measured, mean opm", title="Rate of each session")
    dose.set(xlabel="written down: level × time", ylabel="measured", title="Dose in oscillations")
    for level in levels:
        rate.scatter([], [], color=colours[level], label=f"level {level}")
    for run_s, marker in markers.items():
        dose.scatter([], [], color="0.4", marker=marker, label=f"{run_s} s")
    for axes in (rate, dose):
        axes.legend(loc="upper left")
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def table(sessions: Sequence[Session]) -> str:
    """Means by level and duration."""
    lines = ["level  run_s  n  demanded opm  measured opm  current mA  measured/written down"]
    for level, run_s in sorted({(session.level, session.run_s) for session in sessions}):
        cell = [s for s in sessions if (s.level, s.run_s) == (level, run_s)]
        n = len(cell)
        demanded, measured, current = (
            sum(getattr(s, name) or 0.0 for s in cell) / n
            for name in ("demanded_opm", "measured_opm", "current_ma")
        )
        share = sum(s.measured_oscillations / s.nominal_oscillations for s in cell) / n
        lines.append(
            f"{level:5}  {run_s:5}  {n}  {demanded:12.0f}  {measured:12.0f}  {current:10.0f}  {share:21.2f}"
        )
    return "\n".join(lines)


# %% The options; in a notebook, put them into the list at the end
def options(argv: Sequence[str]) -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sim", action="store_true", help="on a virtual board that is started for it")
    parser.add_argument("--port", help="of the device; else OPENKNEAD_PORT, else the only one there is")
    parser.add_argument("--levels", type=numbers, default=[2, 5, 8], help="such as 2,5,8")
    parser.add_argument("--seconds", type=numbers, default=[30, 60], help="durations, such as 30,60")
    parser.add_argument("--blocks", type=int, default=3, help="repetitions of the whole")
    parser.add_argument("--rest", type=float, default=20, help="seconds between sessions")
    parser.add_argument("--seed", type=int, default=1, help="of the order")
    parser.add_argument("--ask", action="store_true", help="ask for a rating after each session")
    parser.add_argument("--out", type=Path, default=Path("dose-response"), help="folder to make")
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """0: all sessions were completed; 1: the device refused or failed; 2: wrong usage; 3: ended early."""
    args = options(argv)
    try:
        with device(args) as dev:
            sessions, samples = run(dev, args)
    except FileExistsError:
        print(f"{args.out} is there already: name another folder with --out", file=sys.stderr)
        return 2
    except OpenKneadError as error:
        reasons = error.refusals if isinstance(error, Refused) else [(error.name, error.remedy)]
        print(
            f"{error.message}",
            *(f"  {name}: {remedy}" for name, remedy in reasons),
            sep="\n",
            file=sys.stderr,
        )
        return error.exit_code
    print(table(sessions))
    plot(sessions, samples, args.out / "dose-response.svg")
    print(f"in {args.out}: protocol.json, sessions.csv, samples.csv, dose-response.svg")
    complete = len(sessions) == len(args.levels) * len(args.seconds) * args.blocks
    return 0 if complete and sessions[-1].reason == "completed" else 3


# %% Run it
if __name__ == "__main__":
    notebook = hasattr(sys, "ps1")
    code = main(["--sim"] if notebook else sys.argv[1:])
    if not notebook:
        sys.exit(code)
