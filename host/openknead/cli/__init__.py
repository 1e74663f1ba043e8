"""The `knead` command: one file a group of commands; `root` has their table and the global options."""

from __future__ import annotations

import sys

from openknead import __version__


def main() -> int:
    """Entry point; returns the exit code. `knead --version` answers before anything is loaded."""
    if sys.argv[1:] == ["--version"]:
        print(f"knead {__version__}")
        return 0
    from openknead.cli.root import run

    return run(sys.argv[1:])
