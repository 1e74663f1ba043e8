"""`knead start`, `level`, `pause`, `resume`, `stop`."""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from openknead.cli import check
from openknead.cli.common import App, columns, pass_app
from openknead.model import SessionState
from openknead.report import Recorder, clock

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--level", type=int, required=True, help="Level to rise to, 1…11 (the device's max_level).")
@click.option(
    "--minutes", type=float, default=10.0, show_default=True, help="Length, at most session_limit_s."
)
@click.option("--picture", "picture_path", type=FILE, metavar="FILE", help="Draw the session (.svg or .png).")
@click.option("--record", type=FILE, metavar="FILE", help="Write every sample to a CSV file.")
@check.start_options
@pass_app
def start(
    app: App, level: int, minutes: float, picture_path: Path | None, record: Path | None, **checked: Any
) -> int:
    """Run a session from here, and show it.

    This command stays until the session has ended: its heartbeat is what keeps the motor running, so that
    a host that crashes or is unplugged stops the massage. Therefore there is no way to put it into the
    background and leave. Use `knead level`, `pause`, `stop`, `status` or `watch` from another terminal
    meanwhile, or the keys: + and - change the level, p pauses and resumes, space or q stops, as does
    Ctrl-C.

    A session on a device that is no simulation wants the contraindication check answered (`knead guide`): on
    a terminal it is asked now, elsewhere the start is refused.

    Exit code 0 when the session ended at its time or was stopped, 3 when a fault or a limit ended it, 7 when
    the check is due or advises against use.
    """
    from openknead.cli import follow, view
    from openknead.cli.keys import Keys

    hang_up_like_ctrl_c()
    try:
        recorder = Recorder(record)
    except OSError as problem:
        raise click.UsageError(f"cannot write {record}: {problem.strerror}") from problem
    with app.connect() as device, recorder:
        device.share()
        check.before_session(app, device, **checked)
        with Keys() as keys:
            shown = view.choose(app.json, follow.words(device), keys=keys.active)
            try:
                summary = follow.run_session(device, level, minutes, shown, recorder, keys)
            finally:
                shown.close()
    machine = summary.as_dict()
    people = columns(summary.lines())
    if picture_path:
        title = f"OpenKnead {device.hello.board}: level {level}, {clock(minutes * 60)} min"
        machine["picture"] = str(follow.picture(recorder, title, picture_path))
        people.append(f"picture: {picture_path}")
    app.emit(machine, people)
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
def pause(app: App) -> None:
    """Stop the motor; the session's clock runs on, and two minutes of pause end it."""
    with app.connect() as device:
        _tell(app, device.pause())


@click.command()
@pass_app
def resume(app: App) -> None:
    """Go on after a pause, with a soft start."""
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
