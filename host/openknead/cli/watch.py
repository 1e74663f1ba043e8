"""`knead watch`: what happens, live."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from openknead.cli.common import App, pass_app
from openknead.errors import LinkLost
from openknead.model import Sample

if TYPE_CHECKING:
    from openknead.cli.keys import Keys
    from openknead.cli.view import View
    from openknead.device import Device

RATES = ("1", "2", "4", "5", "10", "20")


@click.command()
@click.option("--hz", type=click.Choice(RATES), default="10", show_default=True, help="Samples a second.")
@click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Leave after N samples.")
@pass_app
def watch(app: App, hz: str, samples: int | None) -> None:
    """Show what happens, live, until Ctrl-C. Does not keep a session alive.

    Keys: + and - change the level, p pauses and resumes, space stops the session, q leaves.
    With --json: one JSON object per sample, events as {"event": …}.
    """
    from openknead.cli import follow, view
    from openknead.cli.keys import Keys

    with app.connect() as device, Keys() as keys:
        device.share()
        shown = view.choose(app.json, follow.words(device), stream=True, keys=keys.active)
        left = samples or sys.maxsize
        try:
            while left:
                try:
                    left = _watch(device, int(hz), left, shown, keys)
                except LinkLost:
                    if not device.shared:
                        raise
                    follow.take_over(device, shown)
        except KeyboardInterrupt:
            return
        finally:
            shown.close()
            if not device.channel.lost:
                device.subscribe(0)


def _watch(device: Device, hz: int, left: int, shown: View, keys: Keys) -> int:
    """Show up to `left` samples; how many are left then, 0 when the user has left."""
    from openknead.cli import follow

    patience = device.timeout + 2 / hz
    with device.feed() as feed:
        device.subscribe(hz)
        while left:
            item = feed.next(patience)
            if not isinstance(item, Sample):
                shown.event(item)
                continue
            shown.sample(item)
            left -= 1
            for key in keys.pressed():
                if key == "q":
                    return 0
                follow.act(device, key, item, shown)
    return left
