"""`knead start`, `level`, `skip`, `back`, `pause`, `resume`, `stop`."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from openknead.cli import check
from openknead.cli.common import App, columns, pass_app
from openknead.errors import OpenKneadError
from openknead.model import Event, Sample, SessionState
from openknead.report import Collector, clock

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--level", type=int, help="Level to rise to, 1…11 (the device's max_level).")
@click.option("--minutes", type=float, help="Length, at most session_limit_s; default 10.")
@click.option("--area", default="", metavar="LABEL", help="What is worked on, such as calf_left.")
@click.option("--program", metavar="NAME", help="Play a program instead: knead program list.")
@click.option("--shift", type=int, default=0, metavar="N", help="With --program: all its levels by N.")
@click.option("--picture", "picture_path", type=FILE, metavar="FILE", help="Draw the session (.svg or .png).")
@click.option("--record", type=FILE, metavar="FILE", help="Record it, as `knead record` does.")
@check.start_options
@pass_app
def start(
    app: App,
    level: int | None,
    minutes: float | None,
    area: str,
    program: str | None,
    shift: int,
    picture_path: Path | None,
    record: Path | None,
    **checked: Any,
) -> int:
    """Run a session from here, and show it: at a --level, or a --program.

    This command stays until the session has ended: its heartbeat is what keeps the motor running, so that
    a host that crashes or is unplugged stops the massage. Therefore there is no way to put it into the
    background and leave. Use `knead level`, `pause`, `stop`, `status` or `watch` from another terminal
    meanwhile, or the keys: + and - change the level, p pauses and resumes, space or q stops, as does
    Ctrl-C. In a program n skips to the next stage, b back, and + and - shift all of its levels.

    A session on a device that is not simulated needs the contraindication check answered (`knead guide`): on
    a terminal it is asked now, elsewhere the start is refused.

    Exit code 0 when the session ended at its time or was stopped, 3 when a fault or a limit ended it, 7 when
    the check is due or advises against use.
    """
    from openknead.cli import follow, view
    from openknead.cli.keys import Keys
    from openknead.device import is_plain
    from openknead.recording import Head, Recorder, RecordingFailed
    from openknead.recording.recorder import writable

    try:
        plain = is_plain(level, minutes, program, shift, area)
    except ValueError as problem:
        raise click.UsageError(str(problem)) from None
    hang_up_like_ctrl_c()
    if record:
        writable(record)
    with app.connect() as device, ExitStack() as stack:
        device.share()
        check.before_session(app, device, **checked)
        played = None if plain else device.program(str(program))
        recorder = stack.enter_context(Recorder(record, Head.of(device.hello, follow.HZ))) if record else None
        full: OpenKneadError | None = None

        def keep(item: Sample | Event) -> None:
            """A disk that is full ends the recording, not the session."""
            nonlocal full
            if recorder and not full:
                try:
                    recorder.add(item)
                except RecordingFailed as failed:
                    full = failed
                    shown.note(failed.message)

        collector = Collector(keep)
        with Keys() as keys:
            about = follow.about(device, keys=follow.KEYS if keys.active else "")
            shown = view.choose(app.json, follow.words(device, lambda: played), about)
            try:
                summary = follow.run_session(
                    device,
                    lambda: device.start(level, minutes, program=program, shift=shift, area=area),
                    shown,
                    collector,
                    keys,
                )
            finally:
                shown.close()
        if recorder and not full:
            recorder.end("session_end")
    machine = summary.as_dict()
    people = columns(summary.lines())
    if picture_path:
        what = f"level {level}" if plain else f"{program}{f', levels {shift:+d}' if shift else ''}"
        title = f"OpenKnead {device.hello.board}: {what}, {clock(summary.duration_s)} min"
        machine["picture"] = str(follow.picture(collector, title, picture_path))
        people.append(f"picture: {picture_path}")
    app.emit(machine, people)
    if full:
        raise full
    return follow.exit_code(summary)


def hang_up_like_ctrl_c() -> None:
    """Let the end of the terminal and `kill` stop the session as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), interrupt)


@click.command()
@click.argument("number", type=int, metavar="LEVEL")
@pass_app
def level(app: App, number: int) -> None:
    """Change the level of the running session; the device slews there."""
    with app.connect() as device:
        _tell(app, device.set_level(number))


@click.command()
@pass_app
def skip(app: App) -> None:
    """Skip to the program's next stage; the session gets shorter."""
    with app.connect() as device:
        _tell(app, device.skip())


@click.command()
@pass_app
def back(app: App) -> None:
    """Back to the start of the program's stage, within its first 3 s of the one before."""
    with app.connect() as device:
        _tell(app, device.back())


@click.command()
@pass_app
def pause(app: App) -> None:
    """Stop the motor; the session's clock runs on, and two minutes of pause end it."""
    with app.connect() as device:
        _tell(app, device.pause())


@click.command()
@pass_app
def resume(app: App) -> None:
    """Continue after a pause, with a soft start."""
    with app.connect() as device:
        _tell(app, device.resume())


@click.command()
@pass_app
def stop(app: App) -> None:
    """End the session."""
    with app.connect() as device:
        _tell(app, device.stop())


def _tell(app: App, state: SessionState) -> None:
    left = f", {clock(state.remaining_ms / 1000)} left" if state.remaining_ms else ""
    app.emit(asdict(state), f"{state.state.lower()}, level {state.level}{left}")
