"""`knead sim`: run a virtual board, press its buttons. Also `python -m openknead_sim`."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from .links import Link

HANDS = {
    "air": "pad in the air",
    "still": "held still, moderate",
    "stroke": "strokes",
    "heavy": "heavy strokes",
}
BUTTON_NAMES = ("plus", "minus", "mode", "stop")


class Speed(click.ParamType[float]):
    """A factor above 0, or max."""

    name = "speed"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value == "max":
            return float("inf")
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0.01 <= speed < 1e6:
            self.fail(f"{value!r} is neither a factor (0.01…1000000) nor max", param, ctx)
        return speed


@click.group(invoke_without_command=True)
@click.option(
    "--tcp",
    is_flag=False,
    flag_value="127.0.0.1:0",
    metavar="[HOST:PORT]",
    help="Serve on TCP instead of a pseudo-terminal (what Windows does anyway).",
)
@click.option("--speed", type=Speed(), default="1", metavar="N|max", help="Times real time; default 1.")
@click.option("--as-shipped", is_flag=True, help="Remote start off, as on a new board.")
@click.option("--seed", type=int, default=0, help="Serial number, noise, rotor position; default 0.")
@click.option(
    "--flash", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Keep the flash here."
)
@click.option("--no-tach", is_flag=True, help="A massager without a tachometer.")
@click.option("--hand", type=click.Choice(list(HANDS)), default="stroke", help="What presses on the pad.")
@click.option("--json", "as_json", is_flag=True, help="Announce the port as a line of JSON.")
@click.pass_context
def sim(ctx: click.Context, /, as_json: bool, **options: Any) -> None:
    """Run a virtual board: the firmware and a simulated massager behind a serial port of its own.

    Other `knead` commands find it, as would any terminal program. Ctrl-C ends it.
    """
    as_json = as_json or bool(getattr(ctx.obj, "json", False))
    if ctx.invoked_subcommand is None:
        _serve(as_json, **options)
    else:
        ctx.meta["openknead_sim.json"] = as_json


@sim.command()
@click.argument("button", type=click.Choice(BUTTON_NAMES, case_sensitive=False))
@click.option("--ms", type=click.IntRange(1, 600_000), help="Press for so many milliseconds; default 100.")
@click.option("--hold", type=click.FloatRange(0.001, 600), metavar="S", help="Press for so many seconds.")
@click.option("--board", metavar="PORT", help="Which virtual board, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def press(
    ctx: click.Context, button: str, ms: int | None, hold: float | None, board: str | None, as_json: bool
) -> None:
    """Press a button of a running virtual board, and return when it has been released."""
    from .control import ControlError, ask

    if ms is not None and hold is not None:
        raise click.UsageError("give --ms or --hold, not both")
    length_ms = hold * 1000 if hold is not None else ms or 100
    chosen = _the_board(board)
    try:
        ask(chosen, "press", timeout_s=length_ms / 1000 * 5 + 10, button=button, ms=length_ms)
    except ControlError as e:
        raise click.ClickException(str(e)) from e
    if as_json or ctx.meta.get("openknead_sim.json"):
        click.echo(jsonlib.dumps({"port": chosen["port"], "button": button, "ms": length_ms}))
    else:
        click.echo(f"pressed {button} for {length_ms / 1000:g} s on {chosen['port']}")


def _the_board(port: str | None) -> dict[str, Any]:
    """The one virtual board meant; an error that lists them when that is not clear."""
    from .runfile import running

    found = running(port)
    if len(found) == 1:
        return found[0]
    if not found:
        where = f" at {port}" if port else ""
        raise click.ClickException(f"no virtual board is running{where}: start one with `knead sim`")
    listed = "\n".join(f"  --board {board['port']}" for board in found)
    raise click.UsageError(f"several virtual boards are running, say which:\n{listed}")


def _serve(
    as_json: bool,
    tcp: str | None,
    speed: float,
    as_shipped: bool,
    seed: int,
    flash: Path | None,
    no_tach: bool,
    hand: str,
) -> None:
    from .flash import Flash
    from .packaged import firmware_files, new_flash
    from .plant import Plant
    from .server import Server, stopped_by_signals
    from .virtual import SETTLE_MS, VirtualBoard

    make_link = _links(tcp)
    old = flash is not None and flash.exists()
    try:
        storage = Flash(path=flash) if old else new_flash(path=flash)
    except ValueError as e:
        raise click.ClickException(f"{flash}: {e}") from e
    if old:  # settings stay, the firmware is this version's
        for name, content in firmware_files().items():
            if storage.read_file("/" + name) != content:
                storage.write_file("/" + name, content)
    board = VirtualBoard(
        seed, remote_start=not as_shipped, flash=storage, plant=Plant(seed=seed, ppr=0 if no_tach else 1)
    )
    board.plant.hand = _hand(hand, seed)
    board.rig.tach_fitted = not no_tach
    board.power_on()
    board.run_ms(SETTLE_MS)
    if no_tach:
        board.rpc("settings.set", values={"tach_ppr": 0})
        board.receive()
    server = Server(board, make_link, speed)
    with stopped_by_signals(server):
        try:
            server.plug()
        except OSError as e:
            raise click.ClickException(f"cannot serve: {e}") from e
        _announce(server, as_json, as_shipped)
        server.serve()


def _announce(server: Any, as_json: bool, as_shipped: bool) -> None:
    import os

    if as_json:
        click.echo(jsonlib.dumps({"port": server.port, "pid": os.getpid(), "control": server.control}))
        return
    port = server.port
    click.echo(f"virtual board on {port}")
    click.echo("In another terminal: knead status · knead start --level 3 --minutes 5 · knead watch")
    click.echo(f"or any terminal program, e.g. pyserial-miniterm {port} 115200")
    click.echo("Its buttons: knead sim press plus|minus|mode|stop [--hold SECONDS]")
    if as_shipped:
        click.echo("Remote start is off, as on a new board. Turn it on: knead sim press mode --hold 3.5")
    click.echo("Ctrl-C ends it.")


def _links(tcp: str | None) -> Callable[[], Link]:
    from .links import PtyLink, TcpLink, has_pty

    if tcp is None and has_pty():
        return PtyLink
    host, colon, number = (tcp or "127.0.0.1:0").rpartition(":")
    if not colon or not number.isdigit() or int(number) > 65535:
        raise click.UsageError(f"--tcp takes HOST:PORT, not {tcp!r}")
    return lambda: TcpLink(host or "127.0.0.1", int(number))


def _hand(name: str, seed: int) -> Any:
    from .plant import Hand, StrokeHand

    if name == "air":
        return Hand(0.0)
    if name == "still":
        return Hand(0.5)
    return StrokeHand(1.0 if name == "heavy" else 0.5, seed=seed)
