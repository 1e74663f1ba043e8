"""`knead` itself: global options, the table of commands, and how errors end it.

Exit codes: 0 done · 1 the device refused or failed, a self-test did not pass, a file could not be read or
written · 2 wrong usage · 3 the session was ended by a fault or a limit · 4 no device, or its port cannot be
used · 5 time-out or link lost · 6 not the protocol of this version, or firmware without what was asked for ·
7 the contraindication check is due, or advises against use · 8 flashed, but something of the user's was lost
· 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import click

from openknead import __version__
from openknead.cli.common import App, app_options, merge, show_error
from openknead.cli.lazy import Commands, LazyGroup
from openknead.errors import OpenKneadError

COMMANDS: Commands = {
    "list": ("openknead.cli.info:list_ports", "Which devices are there."),
    "info": ("openknead.cli.info:info", "Who the device is and what it offers."),
    "status": ("openknead.cli.info:status", "What the device is doing now."),
    "guide": ("openknead.cli.guide:guide", "Whether to use it, and how on which part of the body."),
    "start": ("openknead.cli.session:start", "Run a session from here, and show it."),
    "level": ("openknead.cli.session:level", "Change the level of the running session."),
    "skip": ("openknead.cli.session:skip", "Skip to the program's next stage."),
    "back": ("openknead.cli.session:back", "Back to the start of the program's stage."),
    "pause": ("openknead.cli.session:pause", "Stop the motor; the session's clock runs on."),
    "resume": ("openknead.cli.session:resume", "Continue after a pause."),
    "stop": ("openknead.cli.session:stop", "End the session."),
    "watch": ("openknead.cli.watch:watch", "Show what happens, live."),
    "record": ("openknead.cli.record:record", "Record telemetry and events in a file."),
    "plot": ("openknead.cli.plot:plot", "Draw a recording."),
    "get": ("openknead.cli.settings:get", "Show settings."),
    "set": ("openknead.cli.settings:set_values", "Change settings (until power off, or `save`)."),
    "diff": ("openknead.cli.settings_files:diff", "Compare settings: with defaults, a file, a device."),
    "dump": ("openknead.cli.settings_files:dump", "Write the settings as a file."),
    "restore": ("openknead.cli.settings_files:restore", "Take settings from a file, all or none, and save."),
    "save": ("openknead.cli.settings:save", "Keep the settings in the device's flash."),
    "reset": ("openknead.cli.settings:reset", "Take settings back to their defaults."),
    "clear": ("openknead.cli.care:clear", "Clear a latched fault."),
    "program": ("openknead.cli.program:program", "Massage programs: files, and those of the device."),
    "selftest": ("openknead.cli.selftest:selftest", "Test the device, show the report."),
    "calibrate": ("openknead.cli.calibrate:calibrate", "Measure the motor's constants on the device."),
    "log": ("openknead.cli.log:log", "Show the journal: sessions, faults, starts."),
    "dose": ("openknead.cli.dose:dose", "Minutes and oscillations by day and area, and what is left."),
    "flash": ("openknead.cli.flash:flash", "Bring the firmware onto a board, with all that it needs."),
    "device": ("openknead.cli.device:device", "Names for devices."),
    "completion": ("openknead.cli.completion:completion", "Let the shell complete commands and settings."),
    "maintenance": ("openknead.cli.care:maintenance", "Restart the device without its motor functions."),
    "reboot": ("openknead.cli.care:reboot", "Restart the device."),
    "doctor": ("openknead.cli.doctor:doctor", "Find out why it does not work, and what to do."),
    "udev": ("openknead.cli.udev:udev", "The udev rule: show, install, remove it."),
    "sim": ("openknead_sim.cli:sim", "Run a virtual board, press its buttons."),
    "demo": ("openknead.cli.demo:demo", "Watch a whole session on a virtual board."),
}


@click.command(
    cls=LazyGroup,
    commands_at=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\n" + (__doc__ or "").partition("\n\n")[2].strip(),
)
@app_options
@click.version_option(__version__, message="knead %(version)s")
@click.pass_context
def knead(ctx: click.Context, port: str | None, json: bool, timeout: float | None) -> None:
    """Talk to a massager controller, on a Pico or simulated."""
    merge(ctx.ensure_object(App), port, json, timeout)


def run(argv: Sequence[str]) -> int:
    """Run `knead` with these arguments; the exit code."""
    as_json = "--json" in argv
    try:
        result = knead.main(list(argv), prog_name="knead", standalone_mode=False)
    except OpenKneadError as error:
        show_error(error, as_json)
        return error.exit_code
    except click.ClickException as error:
        if as_json:
            text = {
                "code": -33050,
                "name": "usage",
                "message": error.format_message(),
                "remedy": "knead --help",
            }
            click.echo(json.dumps({"error": text}), err=True)
        else:
            error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read us has gone
        return 0
    return result if isinstance(result, int) else 0
