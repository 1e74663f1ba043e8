"""A click group whose commands are imported when they are run: `knead --help` loads none of them."""

from __future__ import annotations

from importlib import import_module

import click
from click.shell_completion import CompletionItem

from openknead.cli.examples import epilog

# name → (module:attribute, line in the help); the order is the help's
Commands = dict[str, tuple[str, str]]


class LazyGroup(click.Group):
    """Takes its commands from a table."""

    def __init__(self, *args: object, commands_at: Commands, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.commands_at = commands_at

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands_at)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands_at:
            return None
        module, _, attribute = self.commands_at[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is no click command")
        command.epilog = command.epilog or epilog(" ".join([*ctx.command_path.split()[1:], cmd_name]))
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names with their lines from the table: completing them loads no command."""
        names = [
            CompletionItem(name, help=line)
            for name, (_, line) in self.commands_at.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.commands_at.items()])
