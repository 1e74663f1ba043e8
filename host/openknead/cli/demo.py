"""`knead demo`: a whole session against a virtual board, over its serial port like any other."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from openknead.cli.common import App, columns, pass_app
from openknead.errors import OpenKneadError
from openknead.report import Collector

LEVEL, MINUTES = 5, 10.0
BOOT_S = 20.0  # a slow machine may take a while to start Python and the firmware


class NoVirtualBoard(OpenKneadError):
    """The simulator did not start."""

    code, name, exit_code = -33041, "no_virtual_board", 4
    remedy = "see what it says: python -m openknead_sim"


@click.command()
@click.option(
    "--picture",
    "picture_path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("knead-demo.svg"),
    show_default=True,
    metavar="FILE",
    help="Where to draw the session (.svg or .png).",
)
@pass_app
def demo(app: App, picture_path: Path) -> int:
    """Watch a whole session on a virtual board: ten minutes at level 5, in a few seconds.

    Starts the simulator as a process of its own and talks to the firmware in it through its serial port,
    exactly as to a Pico.
    """
    from openknead.cli import follow, view
    from openknead.cli.keys import Keys
    from openknead.cli.session import hang_up_like_ctrl_c
    from openknead.device import connect

    hang_up_like_ctrl_c()
    began = time.monotonic()
    collector = Collector()
    with virtual_board() as port, connect(port, timeout=max(app.timeout, 5.0)) as device:
        shown = view.choose(app.json, follow.words(device), follow.about(device))
        shown.note(
            f"virtual board on {port}: firmware {device.hello.firmware}, protocol {device.hello.protocol}"
        )
        try:
            summary = follow.run_session(
                device, lambda: device.start(LEVEL, MINUTES), shown, collector, Keys()
            )
        finally:
            shown.close()
    took_s = time.monotonic() - began
    machine = summary.as_dict() | {"wall_s": round(took_s, 1), "picture": None}
    people = ["", *columns(summary.lines())]
    try:
        title = f"A session on the virtual board: level {LEVEL}, {MINUTES:g} minutes"
        machine["picture"] = str(follow.picture(collector, title, picture_path).resolve())
        people += [
            "",
            f"{summary.duration_s / 60:.0f} minutes in {took_s:.1f} s; picture: {machine['picture']}",
        ]
    except OpenKneadError as error:
        people += ["", f"{error.message}: {error.remedy}"]
    app.emit(machine, people)
    return follow.exit_code(summary)


@contextmanager
def virtual_board(*options: str) -> Iterator[str]:
    """A virtual board of our own, as fast as it can; gives its port and ends it afterwards, always."""
    command = [sys.executable, "-m", "openknead_sim", "--json", "--speed", "max", *options]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    errors: list[str] = []
    reader = threading.Thread(target=_drain, args=(process.stderr, errors), daemon=True)
    reader.start()
    try:
        yield _port(process, errors)
    finally:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(timeout=1)
        for pipe in (process.stdout, process.stderr):
            if pipe:
                pipe.close()


def massager_state(port: str) -> dict[str, Any]:
    """What the massager of the virtual board at `port` really does: energy drawn, charge, temperatures, …"""
    command = [sys.executable, "-m", "openknead_sim", "state", "--json", "--board", port]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=BOOT_S
    )
    if done.returncode:
        raise NoVirtualBoard(f"the virtual board does not tell its state: {done.stderr.strip()[-200:]}")
    state: dict[str, Any] = json.loads(done.stdout)
    return state


def _drain(pipe: IO[str] | None, into: list[str]) -> None:
    for line in pipe or ():
        into[:] = [*into[-20:], line.rstrip()]


def _port(process: subprocess.Popen[str], errors: list[str]) -> str:
    """The port that the simulator announces in its first line, waiting at most BOOT_S for it."""
    first: list[str] = []
    assert process.stdout is not None
    waiter = threading.Thread(
        target=lambda out: first.append(out.readline()), args=(process.stdout,), daemon=True
    )
    waiter.start()
    waiter.join(BOOT_S)
    try:
        return str(json.loads(first[0])["port"])
    except (IndexError, ValueError, KeyError, TypeError) as problem:
        said = f": {errors[-1]}" if errors else ""
        raise NoVirtualBoard(f"the virtual board did not start{said}") from problem
