"""`knead device`: names for devices."""

from __future__ import annotations

from dataclasses import asdict

import click

from openknead import devices, ports
from openknead.cli.common import App, app_options, columns, merge, pass_app


@click.group()
@app_options
@click.pass_context
def device(ctx: click.Context, port: str | None, json: bool, timeout: float | None) -> None:
    """Names for devices: `knead --device NAME …` finds the one that is meant, wherever it is plugged in."""
    merge(ctx.ensure_object(App), port, json, timeout)


@device.command("list")
@pass_app
def list_devices(app: App) -> None:
    """Which names there are. PORT is where USB shows that board now; nothing is opened or sent."""
    seen = {port.serial.lower(): port.port for port in ports.candidates() if port.serial}
    known = list(devices.load().values())
    machine = [asdict(one) | {"seen": seen.get((one.board or "").lower())} for one in known]
    rows = [("DEVICE", "BOARD", "PORT")]
    for one, entry in zip(known, machine, strict=True):
        rows.append((one.name, one.board or "–", one.port or str(entry["seen"] or "–")))
    people = columns(rows) if known else "no names yet: knead device add NAME, with the device connected"
    app.emit({"devices": machine, "file": str(devices.file())}, people)


@device.command()
@click.argument("name")
@click.option("--replace", is_flag=True, help="Also when the name stands for another device.")
@pass_app
def add(app: App, name: str, replace: bool) -> None:
    """Name the connected device. A socket's address is kept with it, as it cannot be looked for."""
    with app.connect() as found:
        port = found.port if found.port.startswith("socket://") else None
        known = devices.Known(name, found.hello.board, port)
    devices.add(known, replace=replace)
    app.emit(asdict(known), f"{name} is board {known.board}: knead --device {name} …")


@device.command()
@click.argument("name")
@pass_app
def remove(app: App, name: str) -> None:
    """Forget a name."""
    devices.remove(name)
    app.emit({"removed": name}, f"removed {name}")
