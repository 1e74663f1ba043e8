"""Installs what `make hardware` needs and Python's package index does not have: KiCad 9, graphviz,
ngspice, and poppler for the pictures.

On Debian 12 KiCad 9 is in the backports suite; the entry for it is derived from this machine's own sources,
so it comes from wherever the rest does. Nothing is done when all is there. Without root and without sudo the
commands are printed instead. Standard library alone: it runs before the virtual environment exists.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "kicad-cli": "kicad kicad-symbols kicad-footprints",
    "dot": "graphviz",
    "ngspice": "ngspice",
    "pdftoppm": "poppler-utils",
}
SOURCES = Path("/etc/apt/sources.list.d")
ENTRY = SOURCES / "openknead-backports.sources"


def missing() -> list[str]:
    """Packages to install, none when everything is there."""
    wanted: list[str] = []
    for command, packages in PACKAGES.items():
        there = shutil.which(command) is not None
        if there and command == "kicad-cli":
            there = _said("kicad-cli", "version").startswith("9.")
        if not there:
            wanted += packages.split()
    return wanted


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def backports_entry(sources: list[str], codename: str) -> str | None:
    """The entry for `codename`-backports, made of the first one for `codename`; None when there is none.

    sources: texts of the machine's package sources, in either of apt's two formats.
    """
    for text in sources:
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.MULTILINE))
            if codename in fields.get("Suites", "").split() and "deb" in fields.get("Types", "").split():
                kept = {name: value for name, value in fields.items() if name != "Suites"}
                kept |= {"Types": "deb", "Suites": f"{codename}-backports"}
                return "".join(f"{name}: {value}\n" for name, value in kept.items())
        for line in text.splitlines():
            found = re.match(rf"deb\s+(\[[^\]]*\]\s+)?(\S+)\s+{re.escape(codename)}\s+(.*)", line)
            if found:
                signed = re.search(r"signed-by=([^\]\s]+)", found[1] or "")
                key = f"Signed-By: {signed[1]}\n" if signed else ""
                suite = f"Suites: {codename}-backports\nComponents: {found[3]}\n"
                return f"Types: deb\nURIs: {found[2]}\n{suite}{key}"
    return None


def _sources() -> list[str]:
    files = [
        Path("/etc/apt/sources.list"),
        *sorted(SOURCES.glob("*.sources")),
        *sorted(SOURCES.glob("*.list")),
    ]
    return [f.read_text(encoding="utf-8") for f in files if f.exists()]


def _codename() -> str:
    text = Path("/etc/os-release").read_text(encoding="utf-8") if Path("/etc/os-release").exists() else ""
    found = re.search(r"^VERSION_CODENAME=(\w+)", text, re.MULTILINE)
    return found[1] if found else ""


def _own_version(package: str) -> str:
    """Version that apt would install by itself."""
    found = re.search(r"Candidate: (\S+)", _said("apt-cache", "policy", package))
    return found[1] if found else ""


def main() -> int:
    packages = missing()
    if not packages:
        return 0
    if not shutil.which("apt-get"):
        print(f"Install these by hand: {' '.join(packages)} (KiCad in version 9)")
        return 1
    commands: list[list[str]] = []
    suite: list[str] = []
    entry = None
    if "kicad" in packages and not _own_version("kicad").startswith("9."):
        entry = backports_entry(_sources(), _codename())
        if not entry:
            print(
                "No package source for this distribution found: install KiCad 9 by hand, then run this again."
            )
            return 1
        suite = ["-t", f"{_codename()}-backports"]
    if entry and not ENTRY.exists():
        commands.append(["sh", "-c", f"printf '{entry.replace(chr(10), chr(92) + 'n')}' > {ENTRY}"])
    commands.append(["apt-get", "update", "-q"])
    commands.append(["apt-get", "install", "-q", "-y", "--no-install-recommends", *suite, *packages])
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if sudo and (not shutil.which("sudo") or subprocess.run([*sudo, "true"], capture_output=True).returncode):
        print("These packages are missing; to install them, as root:")
        for command in commands:
            print("  " + shlex.join(command))
        return 1
    for command in commands:
        done = subprocess.run([*sudo, *command], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        if done.returncode:
            print(f"{' '.join(command[:2])} failed: look above")
            return 1
    left = missing()
    if left:
        print(f"Still missing: {' '.join(left)}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
