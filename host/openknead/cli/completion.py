"""`knead completion`: the script that lets a shell complete `knead`."""

from __future__ import annotations

import sys

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from openknead.cli.common import App, pass_app

# No space after NAME=, where the value follows.
_NO_SPACE = "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n    return 0"


class _Bash(BashComplete):
    source_template = BashComplete.source_template.replace("    return 0", _NO_SPACE)


SHELLS: dict[str, tuple[type[ShellComplete], str]] = {
    "bash": (_Bash, 'add to ~/.bashrc:  eval "$(knead completion bash)"'),
    "zsh": (ZshComplete, 'add to ~/.zshrc, after compinit:  eval "$(knead completion zsh)"'),
    "fish": (FishComplete, "once:  knead completion fish > ~/.config/fish/completions/knead.fish"),
}


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@pass_app
def completion(app: App, shell: str) -> None:
    """Print the script that lets a shell complete commands, options, settings and their values.

    bash: eval "$(knead completion bash)" in ~/.bashrc. zsh: the same in ~/.zshrc, after compinit. fish: knead
    completion fish > ~/.config/fish/completions/knead.fish. Settings are those of the device used last.
    """
    from openknead.cli.root import knead

    kind, how = SHELLS[shell]
    script = kind(knead, {}, "knead", "_KNEAD_COMPLETE").source()
    app.emit({"shell": shell, "script": script, "install": how}, script)
    if sys.stdout.isatty():
        click.echo(how, err=True)
