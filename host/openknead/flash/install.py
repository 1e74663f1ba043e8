"""What has to change on a board, and the change: whatever cuts it short, the board runs no half firmware.

`main.py` goes first and comes last. Between, the board starts with `boot.py` alone: its outputs are low.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from openknead.flash.board import TEMPORARY, Chip, Repl
from openknead.flash.build import CONTENT_FILE, content_hash, is_hashed
from openknead.flash.errors import BoardFull, NotVerified

LAST = "main.py"


@dataclass(frozen=True)
class Plan:
    """send: files to write, in this order, with `main.py` last whenever there is anything to do; stale: files
    that have to go; unchanged: how many are right already.
    """

    send: Mapping[str, bytes]
    stale: tuple[str, ...]
    unchanged: int

    @property
    def size(self) -> int:
        """Bytes to send."""
        return sum(map(len, self.send.values()))

    @property
    def empty(self) -> bool:
        """Whether the firmware is there already."""
        return not self.send and not self.stale


def complete(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The firmware's files, and the one with the hash that they shall have together.

    Without it, or with another one's, the firmware would start with the fault firmware_changed.
    """
    return {**files, CONTENT_FILE: content_hash(files).encode()}


def plan(wanted: Mapping[str, bytes], sizes: Mapping[str, int], repl: Repl) -> Plan:
    """Compare what is wanted with what the board has; it hashes files whose size is right."""
    right = wanted.keys() - differing(wanted, sizes, repl).keys()
    stale = tuple(
        path for path in sorted(sizes) if path not in wanted and (is_hashed(path) or path == TEMPORARY)
    )
    if len(right) < len(wanted) or stale:
        right -= {LAST}
    order = sorted(wanted.keys() - right, key=lambda path: (path == LAST, path == CONTENT_FILE, path))
    return Plan({path: wanted[path] for path in order}, stale, len(right))


def differing(wanted: Mapping[str, bytes], sizes: Mapping[str, int], repl: Repl) -> dict[str, bytes]:
    """Those of the wanted files that the board has not, or has otherwise."""
    same_size = [path for path, data in wanted.items() if sizes.get(path) == len(data)]
    hashes = repl.hashes(same_size)
    right = {path for path in same_size if hashes[path] == sha256(wanted[path]).hexdigest()}
    return {path: data for path, data in wanted.items() if path not in right}


def strangers(plan: Plan, wanted: Mapping[str, bytes]) -> list[str]:
    """Files that have to go and of which the firmware knows nothing, in either form: the user's own."""
    known = {path.removesuffix(".mpy").removesuffix(".py") for path in wanted}
    return [
        path
        for path in plan.stale
        if path.removesuffix(".mpy").removesuffix(".py") not in known and path != TEMPORARY
    ]


def require_room(plan: Plan, sizes: Mapping[str, int], chip: Chip) -> None:
    """Raise BoardFull when the plan does not fit: every file takes whole blocks, and one is there twice."""

    def room(size: int) -> int:
        return (size // chip.block + 1) * chip.block

    gone = {LAST, *plan.stale} & sizes.keys() if not plan.empty else set()
    now = sum(room(sizes[path]) for path in plan.send if path in sizes and path not in gone)
    needed = sum(room(len(data)) for data in plan.send.values()) - now - sum(room(sizes[p]) for p in gone)
    needed += max((room(len(data)) for data in plan.send.values()), default=0)
    if needed > chip.free:
        raise BoardFull(
            f"the board has {chip.free} bytes free, the firmware needs {needed} more",
            data={"needed": needed, "free": chip.free},
        )


def clear(repl: Repl, plan: Plan) -> None:
    """Take away what starts the firmware, then what no longer belongs to it."""
    repl.remove(LAST)
    for path in plan.stale:
        repl.remove(path)


def send(repl: Repl, files: Mapping[str, bytes], progress: Callable[[int, int], None]) -> None:
    """Write files one after another, each verified; progress: bytes that the board took, and bytes in all."""
    size = sum(map(len, files.values()))
    done = 0

    def moved(count: int) -> None:
        nonlocal done
        done += count
        progress(done, size)

    for path, data in files.items():
        repl.write(path, data, moved)


def verify(repl: Repl, wanted: Mapping[str, bytes], leave_out: Iterable[str] = ()) -> None:
    """Have the board hash every file once more, from flash. Raises NotVerified."""
    paths = wanted.keys() - set(leave_out)
    sizes = repl.sizes()
    absent = sorted(paths - sizes.keys())
    found = repl.hashes(paths - set(absent))
    wrong = [path for path in sorted(found) if found[path] != sha256(wanted[path]).hexdigest()]
    if absent or wrong:
        raise NotVerified(f"on the board these are not what was sent: {', '.join(absent + wrong)}")
