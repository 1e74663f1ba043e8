"""`knead watch`: what happens, live."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from openknead.cli.common import App, pass_app
from openknead.errors import DeviceError, DeviceTimeout, LinkLost, OpenKneadError
from openknead.model import Event, Sample

if TYPE_CHECKING:
    from openknead.cli.keys import Keys
    from openknead.cli.view import View
    from openknead.device import Device
    from openknead.programs.model import Program

RATES = ("1", "2", "4", "5", "10", "20")
KEY_S = 0.1  # a key is obeyed so soon, however slowly samples come
STATUS_S = 2.0  # how often the screen asks why a start would be refused


@click.command()
@click.option("--hz", type=click.Choice(RATES), default="10", show_default=True, help="Samples a second.")
@click.option("--samples", type=click.IntRange(min=1), metavar="N", help="Leave after N samples.")
@pass_app
def watch(app: App, hz: str, samples: int | None) -> None:
    """Show what happens, live, until Ctrl-C. Does not keep a session alive.

    On a terminal: one screen with state, level, demanded and measured rate, current, temperatures, battery,
    time left, what holds back, faults and their remedies, the last events and how many samples were lost.
    Elsewhere a line a second.

    Keys: + and - (or arrows) change the level, p pauses and resumes, space stops the session, in a program n
    and b go to the next stage and back, q leaves. With --json: one JSON object per sample, events as
    {"event": …}.
    """
    from openknead.cli import follow, view
    from openknead.cli.keys import Keys
    from openknead.cli.session import hang_up_like_ctrl_c

    hang_up_like_ctrl_c()
    with app.connect() as device, Keys() as keys:
        device.share()
        played = _Played(device)
        about = follow.about(device, _title(device), f"{follow.KEYS} · q leave" if keys.active else "")
        shown = view.choose(app.json, follow.words(device, lambda: played.program), about, stream=True)
        watcher = _Watcher(device, int(hz), shown, keys, played, samples or sys.maxsize)
        try:
            while True:
                try:
                    watcher.run()
                    break
                except LinkLost:
                    if not device.shared:
                        raise
                    follow.take_over(device, shown)
        except KeyboardInterrupt:
            pass
        finally:
            shown.close()
            if not device.channel.lost:
                with suppress(OpenKneadError):
                    device.subscribe(0)
        if isinstance(shown, view.ScreenView):
            click.echo(f"{watcher.seen} samples seen, {watcher.lost} lost")


def _title(device: Device) -> str:
    hello = device.hello
    kind = f" · simulated ({hello.sim})" if hello.sim else ""
    return f"OpenKnead {hello.board} · firmware {hello.firmware}{kind} · {device.port}"


class _Watcher:
    """Shows what a feed tells. `seen` and `lost` count samples, over reconnections too."""

    def __init__(
        self, device: Device, hz: int, shown: View, keys: Keys, played: _Played, samples: int
    ) -> None:
        self.seen = self.lost = 0
        self._device = device
        self._hz = hz
        self._shown = shown
        self._keys = keys
        self._played = played
        self._samples = samples
        self._known: tuple[object, ...] = ()  # what the last status was asked for
        self._asked_s = 0.0

    def run(self) -> None:
        """Show samples until there have been enough, or the user leaves. Raises LinkLost, DeviceTimeout, …"""
        from openknead.cli import follow

        patience = round((self._device.timeout + 2 / self._hz) / KEY_S)
        silent = 0  # looks; a process that was suspended has not heard a silent device
        last: Sample | None = None
        lost = self.lost
        with self._device.feed() as feed:
            self._device.subscribe(self._hz)
            while self.seen < self._samples:
                item = feed.get(KEY_S)
                self.lost = lost + feed.missed
                silent = 0 if item else silent + 1
                if silent > patience:
                    raise DeviceTimeout(f"the device has been silent for {patience * KEY_S:.1f} s")
                if isinstance(item, Event):
                    self._shown.event(item)
                elif item:
                    last = item
                    self.seen += 1
                    self._ask(item)
                    self._shown.sample(item)
                for key in self._keys.pressed() if last else "":
                    if key == "q":
                        return
                    if last:
                        follow.act(self._device, key, last, self._shown)

    def _ask(self, sample: Sample) -> None:
        """Ask for what samples do not tell, when it may have changed."""
        from openknead.cli.view import ScreenView
        from openknead.device import IDLE

        if not isinstance(self._shown, ScreenView):
            return
        screen = self._shown.screen
        screen.lost = self.lost
        known = (sample.state, sample.stage, sample.fault)
        stale = sample.state in IDLE and time.monotonic() - self._asked_s > STATUS_S
        if known != self._known or stale:
            self._known, self._asked_s = known, time.monotonic()
            with suppress(DeviceError, DeviceTimeout):
                screen.status = self._device.status()
                self._played.name = screen.status.program
                if screen.status.state == "IDLE":
                    self._played.learn()


class _Played:
    """The program that is played. A device tells what is in a program only while no session runs."""

    def __init__(self, device: Device) -> None:
        self.name: str | None = None
        self._device = device
        self._known: dict[str, Program] = {}

        self._unknown: list[str] | None = None  # names that are still to be read; None: not asked for

    @property
    def program(self) -> Program | None:
        return self._known.get(self.name) if self.name else None

    def learn(self) -> None:
        """Read one program more, the selected one first; all at once would keep a device busy."""
        with suppress(OpenKneadError):
            if self._unknown is None:
                entries = sorted(self._device.programs(), key=lambda entry: entry.selected)
                self._unknown = [entry.name for entry in entries]
            if self._unknown:
                name = self._unknown.pop()
                self._known[name] = self._device.program(name)
