"""`knead program`: the group; its commands are loaded when they are run."""

from __future__ import annotations

import click

from openknead.cli.common import App, app_options, merge
from openknead.cli.lazy import Commands, LazyGroup

COMMANDS: Commands = {
    "list": ("openknead.cli.program_device:list_programs", "Which programs the device has."),
    "show": ("openknead.cli.program_files:show", "What is in a program."),
    "check": ("openknead.cli.program_files:check", "Judge program files: all errors, with their lines."),
    "plot": ("openknead.cli.program_files:plot", "Draw what a hand will feel."),
    "try": (
        "openknead.cli.program_try:try_program",
        "Play a program on the simulator: heat, energy, battery.",
    ),
    "push": ("openknead.cli.program_device:push", "Put program files on the device."),
    "pull": ("openknead.cli.program_device:pull", "Get a program's file back."),
    "remove": ("openknead.cli.program_device:remove", "Delete programs from the device."),
    "new": ("openknead.cli.program_files:new", "Begin a program file."),
    "select": ("openknead.cli.program_device:select", "Choose what the device's start button plays."),
    "schema": ("openknead.cli.program_files:schema", "The JSON Schema of program files, for editors."),
}


@click.group(cls=LazyGroup, commands_at=COMMANDS)
@app_options
@click.pass_context
def program(ctx: click.Context, port: str | None, json: bool, timeout: float | None) -> None:
    """Massage programs: files, and those of the device.

    A program is a list of stages in a TOML file, see docs/program-files.md. Play one with
    `knead start --program NAME`.
    """
    merge(ctx.ensure_object(App), port, json, timeout)
