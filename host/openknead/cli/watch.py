"""`knead watch`: what happens, live."""

from __future__ import annotations

import click

from openknead.cli.common import App, pass_app
from openknead.errors import DeviceTimeout
from openknead.model import Sample

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
        patience = device.timeout + 2 / int(hz)
        count = 0
        try:
            with device.feed() as feed:
                device.subscribe(int(hz))
                while samples is None or count < samples:
                    item = feed.get(patience)
                    if item is None:
                        raise DeviceTimeout(f"no telemetry for {patience:g} s")
                    if not isinstance(item, Sample):
                        shown.event(item)
                        continue
                    shown.sample(item)
                    count += 1
                    for key in keys.pressed():
                        if key == "q":
                            return
                        follow.act(device, key, item, shown)
        except KeyboardInterrupt:
            return
        finally:
            shown.close()
            if not device.channel.lost:
                device.subscribe(0)
