"""`knead sim`: run a virtual board, press its buttons, let things fail. Also `python -m openknead_sim`."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from .flash import Flash
    from .inject import Value
    from .links import Link
    from .server import Server

HANDS = {
    "air": "pad in the air",
    "still": "held still, moderate",
    "stroke": "strokes",
    "heavy": "heavy strokes",
}
PARTS = ("motor", "winding", "driver", "handle", "pad")
BUTTON_NAMES = ("plus", "minus", "mode", "stop")
LATEST_S = 86_400.0
OPEN_TO_ALL = "the network can reach this port: its prompt runs no code, which could do here what you can"
WIDE = 180  # columns of a table that is not read on a terminal


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


class Timed(click.ParamType[tuple[str, "Value", float]]):
    """NAME[=VALUE][@SECONDS] of an injection."""

    name = "injection"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Value, float]:
        from .inject import InjectError, parse

        if isinstance(value, tuple):
            return value
        what, _, when = str(value).partition("@")
        try:
            at_s = float(when or 0.0)
        except ValueError:
            at_s = -1.0
        if not 0.0 <= at_s <= LATEST_S:
            self.fail(f"{value!r}: after the @ stand seconds, 0…{LATEST_S:g}", param, ctx)
        try:
            return (*parse(what), at_s)
        except InjectError as e:
            self.fail(str(e), param, ctx)


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
    "--flash",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Keep the flash here: settings, journal, and the firmware on it.",
)
@click.option("--blank", is_flag=True, help="A new board without firmware: MicroPython's prompt.")
@click.option("--no-tach", is_flag=True, help="A massager without a tachometer.")
@click.option("--hand", type=click.Choice(list(HANDS)), default="stroke", help="What presses on the pad.")
@click.option(
    "--ambient",
    "ambient_c",
    type=click.FloatRange(-20, 60),
    default=25.0,
    metavar="°C",
    help="Temperature of the air and, at first, of everything; default 25.",
)
@click.option(
    "--charge",
    "charge_pct",
    type=click.FloatRange(0, 100),
    default=100.0,
    metavar="%",
    help="Charge of the battery at the start; default 100.",
)
@click.option(
    "--params",
    "params_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Constants of another massager, from `knead calibrate --write`.",
)
@click.option(
    "--inject",
    "injections",
    type=Timed(),
    multiple=True,
    metavar="NAME[=VALUE][@SECONDS]",
    help="Let something fail, so many seconds after the start. May be repeated; names: `inject --list`.",
)
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
    if _json(ctx, as_json):
        click.echo(jsonlib.dumps({"port": chosen["port"], "button": button, "ms": length_ms}))
    else:
        click.echo(f"pressed {button} for {length_ms / 1000:g} s on {chosen['port']}")


@sim.command()
@click.argument("pressure", type=click.FloatRange(0, 2))
@click.option("--board", metavar="PORT", help="Which virtual board, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def hand(ctx: click.Context, pressure: float, board: str | None, as_json: bool) -> None:
    """Press the pad of a running virtual board from now on: 0 = in the air, 0.5 moderate, 1 heavy."""
    from .control import ControlError, ask

    chosen = _the_board(board)
    try:
        ask(chosen, "hand", pressure=pressure)
    except ControlError as e:
        raise click.ClickException(str(e)) from e
    if _json(ctx, as_json):
        click.echo(jsonlib.dumps({"port": chosen["port"], "pressure": pressure}))
    else:
        click.echo(f"pressure {pressure:g} on {chosen['port']}")


@sim.command()
@click.option("--board", metavar="PORT", help="Which virtual board, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def state(ctx: click.Context, board: str | None, as_json: bool) -> None:
    """Show what a running virtual board's massager really does, whatever its firmware believes."""
    from .control import ControlError, ask

    chosen = _the_board(board)
    try:
        answer = {**ask(chosen, "state"), "port": chosen["port"]}
    except ControlError as e:
        raise click.ClickException(str(e)) from e
    if _json(ctx, as_json):
        click.echo(jsonlib.dumps({key: value for key, value in answer.items() if key != "ok"}))
        return
    for what, value in (
        ("Rate", f"{answer['rate_opm']:.0f} opm"),
        ("Motor", f"{answer['current_a']:.2f} A, duty {answer['motor_duty'] * 100:.0f} %"),
        ("Drawn", f"{answer['energy_j']:.0f} J since power-on"),
        ("Battery", f"{answer['charge_pct']:.1f} %"),
        ("Heat", ", ".join(f"{part} {answer[f'{part}_c']:.1f}" for part in PARTS) + " °C"),
        ("Failing", ", ".join(answer["injected"]) or "nothing"),
    ):
        click.echo(f"{what:8} {value}")


@sim.command()
@click.argument("what", metavar="NAME[=VALUE]", required=False)
@click.option(
    "--for", "for_s", type=click.FloatRange(0.001, 3600), metavar="S", help="Mend it after this time."
)
@click.option("--list", "show", is_flag=True, help="Show what can fail, with which values.")
@click.option("--board", metavar="PORT", help="Which virtual board, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def inject(
    ctx: click.Context, what: str | None, for_s: float | None, show: bool, board: str | None, as_json: bool
) -> None:
    """Let something fail on a running virtual board; with --for return when it has been mended.

    Real boards have no such method.
    """
    from .inject import InjectError, parse

    if show:
        _list_injections(_json(ctx, as_json))
        return
    if what is None:
        raise click.UsageError("say what is to fail, or --list")
    try:
        name, value = parse(what)
    except InjectError as e:
        raise click.UsageError(str(e)) from e
    port = _inject_on(ctx, board, "inject", for_s or 0.0, name=name, value=value, for_s=for_s)["port"]
    if _json(ctx, as_json):
        click.echo(jsonlib.dumps({"port": port, "injected": name, "value": value, "for_s": for_s}))
    else:
        shown = "" if value is None else f" = {value:g}" if isinstance(value, float) else f" = {value}"
        click.echo(f"injected {name}{shown} on {port}" + (f" for {for_s:g} s" if for_s else ""))


@sim.command()
@click.argument("name")
@click.option("--board", metavar="PORT", help="Which virtual board, if there are several.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def mend(ctx: click.Context, name: str, board: str | None, as_json: bool) -> None:
    """End what was injected on a running virtual board."""
    from .inject import InjectError, find

    try:
        find(name)
    except InjectError as e:
        raise click.UsageError(str(e)) from e
    answer = _inject_on(ctx, board, "mend", 0.0, name=name)
    if _json(ctx, as_json):
        click.echo(jsonlib.dumps({"port": answer["port"], "name": name, "mended": answer["mended"]}))
    else:
        click.echo(f"{'mended' if answer['mended'] else 'there was no'} {name} on {answer['port']}")


def _inject_on(
    ctx: click.Context, board: str | None, verb: str, wait_s: float, **arguments: Any
) -> dict[str, Any]:
    """Have the one virtual board meant do it; its answer, and its port."""
    from .control import ControlError, ask

    chosen = _the_board(
        board or getattr(ctx.obj, "port", None), "a real board lets nothing be injected, and "
    )
    try:
        return {**ask(chosen, verb, timeout_s=wait_s * 5 + 10, **arguments), "port": chosen["port"]}
    except ControlError as e:
        raise click.ClickException(str(e)) from e


def _list_injections(as_json: bool) -> None:
    from .inject import MENDED, TABLE

    if as_json:
        fields = ("name", "meaning", "provokes", "unit", "low", "high", "choices", "default", "lasts")
        click.echo(jsonlib.dumps([{field: getattr(row, field) for field in fields} for row in TABLE]))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for head in ("NAME, VALUE", "WHAT FAILS", "WHAT IT LEADS TO"):
        table.add_column(head, overflow="fold")
    for row in TABLE:
        until = "" if row.lasts == MENDED else f" ({row.lasts})"
        table.add_row(f"{row.name} {row.takes}".rstrip(), row.meaning + until, row.provokes)
    Console(markup=False, width=None if sys.stdout.isatty() else WIDE).print(table)


def _json(ctx: click.Context, as_json: bool) -> bool:
    return as_json or bool(ctx.meta.get("openknead_sim.json"))


def _the_board(port: str | None, besides: str = "") -> dict[str, Any]:
    """The one virtual board meant; an error that lists them when that is not clear."""
    from .runfile import running, unplugged

    found = running(port) or unplugged(port)
    if len(found) == 1:
        return found[0]
    if not found:
        where = f" at {port}" if port else ""
        raise click.ClickException(f"{besides}no virtual board is running{where}: start one with `knead sim`")
    listed = "\n".join(f"  --board {board['port']}" for board in found)
    raise click.UsageError(f"several virtual boards are running, say which:\n{listed}")


def _serve(
    as_json: bool,
    tcp: str | None,
    speed: float,
    as_shipped: bool,
    seed: int,
    flash: Path | None,
    blank: bool,
    no_tach: bool,
    hand: str,
    ambient_c: float,
    charge_pct: float,
    params_path: Path | None,
    injections: tuple[tuple[str, Value, float], ...],
) -> None:
    from .inject import begin
    from .paramfile import ParamFileError, read
    from .plant import Plant
    from .rpc import RpcError
    from .server import Server, stopped_by_signals
    from .virtual import SETTLE_MS, NotRunning, VirtualBoard

    make_link, refusal = _links(tcp)
    storage = _flash(flash, blank)
    try:
        params = read(params_path) if params_path else None
    except ParamFileError as e:
        raise click.ClickException(str(e)) from e
    plant = Plant(params, seed=seed, ppr=0 if no_tach else 1, soc=charge_pct / 100)
    plant.hand = _hand(hand, seed)
    plant.heat.ambient_c = ambient_c
    plant.heat.soak(ambient_c)
    firmware = _firmware(storage)
    runs = firmware != "none"
    board = VirtualBoard(seed, remote_start=runs and not as_shipped, flash=storage, plant=plant)
    board.repl.refusal = refusal
    if no_tach:
        begin(board, "tach_cut")
    try:
        board.power_on()
        board.run_ms(SETTLE_MS)
        if no_tach and runs:
            board.agreed("settings.set", values={"tach_ppr": 0})
            board.receive()
    except (NotRunning, RpcError) as e:
        if firmware == "packaged":
            raise
        click.echo(f"the firmware on {flash} does not do as this version's: {e}", err=True)
    server = Server(board, make_link, speed, lambda line: click.echo(line, err=True))
    with stopped_by_signals(server):
        try:
            server.plug()
        except OSError as e:
            raise click.ClickException(f"cannot serve: {e}") from e
        for name, value, at_s in injections:
            _plan(server, name, value, at_s)
        _announce(server, as_json, as_shipped, firmware)
        server.serve()


def _flash(path: Path | None, blank: bool) -> Flash:
    """The flash to run on: what the file keeps, or a new one."""
    from .flash import Flash
    from .packaged import new_flash

    if path is None or not path.exists():
        return new_flash({} if blank else None, path)
    if blank:
        raise click.UsageError(f"{path} holds a board's flash already: --blank needs a name that is free")
    try:
        return Flash(path=path)
    except ValueError as e:
        raise click.ClickException(f"{path}: {e}") from e


def _firmware(flash: Flash) -> str:
    """Which firmware is on it: "packaged" (this version's, to the byte), "other" or "none"."""
    from .packaged import firmware_files, installed_files

    files = installed_files(flash)
    if "main.py" not in files:
        return "none"
    return "packaged" if files == firmware_files() else "other"


def _plan(server: Server, name: str, value: Value, at_s: float) -> None:
    from .inject import InjectError, begin

    def act() -> None:
        try:
            begin(server.board, name, value)
        except InjectError as e:
            click.echo(f"{name} was not injected: {e}", err=True)

    server.at(server.board.chip.clock_us + round(at_s * 1e6), act)


def _announce(server: Server, as_json: bool, as_shipped: bool, firmware: str) -> None:
    import os

    from openknead.handshake import install_command

    port = str(server.port)
    if as_json:
        announced = {"port": port, "pid": os.getpid(), "control": server.control, "firmware": firmware}
        click.echo(jsonlib.dumps(announced))
        return
    click.echo(f"virtual board on {port}")
    if firmware == "none":
        click.echo(f"It has MicroPython only: mpremote connect {port}")
        click.echo(f"Install the firmware: {install_command(port)}")
    elif firmware == "other":
        click.echo("Its flash holds other firmware than this version's, and runs it.")
        click.echo(f"Bring it up to date: {install_command(port)}")
    click.echo("In another terminal: knead status · knead start --level 3 --minutes 5 · knead watch")
    click.echo(f"or any terminal program, e.g. pyserial-miniterm {port} 115200")
    click.echo("Its buttons: knead sim press plus|minus|mode|stop [--hold SECONDS]")
    click.echo("What can fail: knead sim inject --list")
    if as_shipped or firmware == "none":
        click.echo("Remote start is off, as on a new board. Turn it on: knead sim press mode --hold 3.5")
    click.echo("Ctrl-C ends it.")


def _links(tcp: str | None) -> tuple[Callable[[], Link], str]:
    """What makes the port; why the prompt runs nothing there, empty when it does."""
    from .links import PtyLink, TcpLink, has_pty

    if tcp is None and has_pty():
        return PtyLink, ""
    host, colon, number = (tcp or "127.0.0.1:0").rpartition(":")
    if not colon or not number.isdigit() or int(number) > 65535:
        raise click.UsageError(f"--tcp takes HOST:PORT, not {tcp!r}")
    return lambda: TcpLink(host or "127.0.0.1", int(number)), "" if _is_local(host) else OPEN_TO_ALL


def _is_local(host: str) -> bool:
    """Whether only this machine can reach a port there."""
    import ipaddress

    try:
        return host in ("", "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def _hand(name: str, seed: int) -> Any:
    from .plant import Hand, StrokeHand

    if name == "air":
        return Hand(0.0)
    if name == "still":
        return Hand(0.5)
    return StrokeHand(1.0 if name == "heavy" else 0.5, seed=seed)
