"""The `knead` command.

Exit codes: 0 done · 1 the device refused or failed, a self-test did not pass, a file could not be read or
written · 2 wrong usage · 3 the session was ended by a fault or a limit · 4 no device, or its port cannot be
used · 5 time-out or link lost · 6 not the protocol of this version, or firmware without what was asked for ·
7 the contraindication check is due, or advises against use · 8 flashed, but something of the user's was lost
· 130 interrupted.
"""

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
