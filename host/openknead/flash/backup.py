"""Backups: what is the user's on a board, kept on this computer before anything there is touched.

`backups/<board>/<UTC time>/` in the user's data folder: `files/` as they lie on flash, and for people and
programs `settings.json`, `programs/*.toml`, `journal.jsonl`; `manifest.json` comes last, a folder without one
is no backup. `backups/<board>/unfinished.json` names the backup of a run that has not come to its end: the
next one compares with that, because the board may be half-wiped by now.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from openknead.flash.disk import write_whole
from openknead.flash.errors import HostStorage
from openknead.flash.kept import Kept
from openknead.programs.document import DocumentError, unpack

FORMAT = 1
MANIFEST = "manifest.json"
GIVE_UP = "if the board has all that it should have, delete unfinished.json in the folder of its backups"


def folder() -> Path:
    """Where backups are kept: `backups` in OPENKNEAD_DATA_DIR, or in the user's data folder."""
    from platformdirs import user_data_path

    given = os.environ.get("OPENKNEAD_DATA_DIR")
    return (Path(given) if given else user_data_path("openknead")) / "backups"


class Backups:
    """The backups of one board. Raises HostStorage when this computer does not take or give them."""

    def __init__(self, board: str) -> None:
        self._folder = folder() / quote(board, safe="")
        self._unfinished = self._folder / "unfinished.json"

    def write(self, kept: Kept) -> Path:
        """Keep it; the new folder."""
        target = self._new_folder()
        contents = {f"files/{_safe(path)}": data for path, data in kept.files.items()}
        contents["settings.json"] = _json(
            {
                "values": dict(kept.values),
                "unsaved": list(kept.unsaved),
                "firmware": kept.firmware,
                "protocol": kept.protocol,
            }
        )
        for name, document in kept.programs.items():
            contents[f"programs/{_safe(name)}.toml"] = _source(document)
        lines = [json.dumps(record, ensure_ascii=False) for _, record in sorted(kept.journal.items())]
        contents["journal.jsonl"] = "".join(line + "\n" for line in lines).encode()
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())}
        contents[MANIFEST] = _json({"format": FORMAT, "board": kept.board, "sha256": hashes})
        try:
            for name, data in contents.items():
                write_whole(target / name, data)
        except OSError as problem:
            raise _trouble("cannot keep a backup", target, problem) from problem
        return target

    def read(self, source: Path) -> Kept:
        """What `write` has kept there; its hashes are compared."""
        try:
            manifest = json.loads((source / MANIFEST).read_bytes())
            contents = {name: (source / name).read_bytes() for name in manifest["sha256"]}
            for name, data in contents.items():
                if hashlib.sha256(data).hexdigest() != manifest["sha256"][name]:
                    raise ValueError(f"{name} has changed")
            told = json.loads(contents["settings.json"])
            return Kept(
                board=manifest["board"],
                files={
                    unquote(name[6:]): data for name, data in contents.items() if name.startswith("files/")
                },
                values=told["values"],
                unsaved=tuple(told["unsaved"]),
                firmware=told["firmware"],
                protocol=told["protocol"],
            )
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise _trouble("cannot read the backup", source, problem, GIVE_UP) from problem

    @property
    def unfinished(self) -> Path | None:
        """The backup that a run made which has not come to its end."""
        try:
            name = json.loads(self._unfinished.read_bytes())["backup"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise _trouble("cannot read", self._unfinished, problem, GIVE_UP) from problem
        return self._folder / str(name)

    def begin(self, backup: Path) -> None:
        """From now on, until `finish`, this is what the board has to have in the end."""
        try:
            write_whole(self._unfinished, _json({"backup": backup.name}))
        except OSError as problem:
            raise _trouble("cannot write", self._unfinished, problem) from problem

    def finish(self) -> None:
        """The run has come to its end."""
        try:
            self._unfinished.unlink(missing_ok=True)
        except OSError as problem:
            raise _trouble("cannot delete", self._unfinished, problem) from problem

    def _new_folder(self) -> Path:
        stamp = time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
        for number in range(1, 1000):
            target = self._folder / (stamp if number == 1 else f"{stamp}-{number}")
            try:
                target.mkdir(mode=0o700, parents=True)
                return target
            except FileExistsError:
                continue
            except OSError as problem:
                raise _trouble("cannot keep a backup", target, problem) from problem
        raise HostStorage(f"{self._folder} holds too many backups of this second")


def _safe(path: str) -> str:
    """A path on the board as one below a folder of any system."""
    return "/".join(
        quote(part, safe=" ") if part.strip(".") else "%2E" * len(part) for part in path.split("/")
    )


def _json(content: Any) -> bytes:
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()


def _source(document: bytes) -> bytes:
    try:
        return unpack(document)[2]
    except DocumentError:
        return b""


def _trouble(what: str, place: Path, problem: Exception, remedy: str | None = None) -> HostStorage:
    said = getattr(problem, "strerror", None) or problem
    return HostStorage(f"{what}: {place}: {said}", remedy=remedy)
