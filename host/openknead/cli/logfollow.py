"""`knead log --follow`: records as the device writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from openknead import journal
from openknead.cli import records
from openknead.errors import DeviceRestarted, LinkLost, MotorRunning

if TYPE_CHECKING:
    from openknead.cli.common import App
    from openknead.device import Device
    from openknead.journal import Record

POLL_S = 2.0  # an event is followed at once; what has none, such as saved settings, within this
RESTART_S = 10.0  # how long a device that restarts may be away


def follow_journal(app: App, device: Device, wanted: records.Wanted) -> None:
    """Show what there is, then what comes, until Ctrl-C."""
    device.share()
    follower = _Follower(app, device, wanted)
    try:
        while True:
            try:
                follower.run()
            except DeviceRestarted:
                device.reconnect(RESTART_S)
            except LinkLost:
                if not device.shared:
                    raise
                device.reconnect(RESTART_S)
            device.share()
    except KeyboardInterrupt:
        return


class _Follower:
    def __init__(self, app: App, device: Device, wanted: records.Wanted) -> None:
        self._app = app
        self._device = device
        self._wanted = wanted
        self._last: Record | None = None
        self._waiting = False  # for a session to end

    def run(self) -> None:
        """Raises LinkLost, DeviceRestarted and the rest that a device may answer."""
        with self._device.feed() as feed:
            while True:
                self._look()
                feed.get(POLL_S)

    def _look(self) -> None:
        try:
            new = list(self._device.journal(self._last.n + 1 if self._last else None))
        except MotorRunning:
            if not self._waiting and self._last is None:
                click.echo("a session runs: the journal can be read after it", err=True)
            self._waiting = True
            return
        if not new:
            return
        gaps = journal.missing([self._last, *new] if self._last else new)
        dated = self._wanted.of(new)
        if self._last is None:
            self._wanted = self._wanted.from_now_on()
        self._last = new[-1]
        if self._app.json:
            for record, _ in dated:
                click.echo(json.dumps(record.data, ensure_ascii=False))
        elif dated:
            for line in records.lines(dated, gaps):
                click.echo(line)
