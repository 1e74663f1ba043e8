"""`knead udev`: the rule that lets a user open the port."""

from __future__ import annotations

from pathlib import Path

import click

from openknead import udev as rules
from openknead.cli.common import App, pass_app

AGAIN = "unplug the device and plug it in again"


@click.command()
@click.option("--install", "what", flag_value="install", help="Put the rule into place; needs root.")
@click.option("--remove", "what", flag_value="remove", help="Take it away; needs root.")
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=rules.ROOT,
    metavar="DIR",
    help="In place of /, for packagers; udev is not told.",
)
@pass_app
def udev(app: App, what: str | None, root: Path) -> None:
    """Show, install or remove the udev rule: the port for its user, none of it for ModemManager."""
    if what is None:
        _show(app, root)
        return
    path, changed = rules.install(root) if what == "install" else rules.remove(root)
    problem = rules.reload() if changed and root == rules.ROOT else ""
    if what == "install":
        done = f"installed {path}" if changed else f"{path} is there already, and this version's"
    else:
        done = f"removed {path}" if changed else f"there is no {path}"
    people = [done]
    if problem:
        people.append(f"udev could not be told ({problem}): {AGAIN}, or restart the computer")
    app.emit({"path": str(path), "changed": changed, "reload": problem or None}, people)


def _show(app: App, root: Path) -> None:
    path = rules.installed(root)
    state = "absent" if path is None else "current" if rules.is_current(path) else "stale"
    place = path or root / rules.FOLDER / rules.FILE
    told = {
        "absent": f"goes to {place}: {rules.command('--install')}",
        "current": f"is installed as {place}",
        "stale": f"{place} is another version's: {rules.command('--install')}",
    }
    app.emit({"state": state, "path": str(place), "rule": rules.rule()}, [rules.rule(), f"# {told[state]}"])
