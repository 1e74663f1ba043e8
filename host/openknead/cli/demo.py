"""`knead demo`: a whole session against a virtual board, over its serial port like any other."""

from __future__ import annotations

import time
from pathlib import Path

import click

from openknead.cli.common import App, columns, pass_app
from openknead.errors import OpenKneadError
from openknead.report import Collector
from openknead.virtual import virtual_board

LEVEL, MINUTES = 5, 10.0


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
