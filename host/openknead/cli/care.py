"""`knead clear`, `knead maintenance`, `knead reboot`."""

from __future__ import annotations

import click

from openknead.cli.agree import Press
from openknead.cli.common import App, pass_app


@click.command()
@pass_app
def clear(app: App) -> None:
    """Clear the fault that is shown; refused while its cause lasts. Others wait behind it.

    A fault that says something is broken also needs a press of MODE at the device.
    """
    with app.connect() as device:
        press = Press(app, bool(device.hello.sim))
        try:
            cleared = device.clear_fault(waiting=press)
        finally:
            press.end()
        following = device.status().fault
        said = f"cleared: {cleared}" if cleared else "there was no fault to clear"
        if following:
            said += f"; the next one: {following.name}. {following.remedy}"
        app.emit({"cleared": cleared, "next": following.name if following else None}, said)


@click.command()
@pass_app
def maintenance(app: App) -> None:
    """Restart the device without its motor functions, so that its files can be changed.

    `knead reboot` brings it back.
    """
    with app.connect() as device:
        lost = device.unsaved()
        device.maintenance()
        app.emit(
            {"rebooting": True, "lost": lost}, "restarted without motor functions; back with: knead reboot"
        )
        _tell_lost(app, lost)


@click.command()
@pass_app
def reboot(app: App) -> None:
    """Restart the device; unsaved settings are lost."""
    with app.connect() as device:
        lost = device.unsaved()
        device.reboot()
        app.emit({"rebooting": True, "lost": lost}, "restarted")
        _tell_lost(app, lost)


def _tell_lost(app: App, names: list[str]) -> None:
    if names and not app.json:
        click.echo(f"lost, because not saved: {', '.join(names)}", err=True)
