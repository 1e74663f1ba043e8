"""Random flash contents: whatever lies on the flash, the device starts, motor off, and explains itself.

Usage: fuzz.py [--count N] [--seed S] [IMAGE]
Mutates the flash of a board that was in use, by turns file by file and in the raw blocks under littlefs, and
starts a virtual board from it. An image that fails is kept in build/fuzz/; given as IMAGE it is tried again.
Damage to the firmware's own files can leave no more than a prompt: then only the motor has to stay off.
"""

from __future__ import annotations

import argparse
import os
import random
import runpy
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from openknead_sim.flash import BLOCK_BYTES, BLOCKS, Flash
from openknead_sim.packaged import firmware_files, new_flash
from openknead_sim.rpc import RpcError
from openknead_sim.virtual import VirtualBoard

ROOT = Path(__file__).resolve().parents[2]
FIRMWARE_TESTS = ROOT / "tests" / "firmware"
KEPT = ROOT / "build" / "fuzz"
COUNT = 20_000
CHUNK = 50  # seeds of one process: a board left in its endless loop is never freed
HANG_S = 120  # a trial takes one, on a busy machine ten
START_MS = 1_500
RUN_REQ, MOT_PWM = 3, 16
HUGE_BYTES = 200_000
LISTS = ("journal.read", "program.list", "settings.list", "dose.get")
INTACT = "answers"


@cache
def mutation() -> Any:
    """The module that mutates files, of the firmware's tests."""
    runpy.run_path(str(FIRMWARE_TESTS / "conftest.py"))
    import flash_mutation

    return flash_mutation


@cache
def used_image(crashed: bool) -> bytes:
    """The flash of a board that was in use, with the files of the firmware tests' used flash."""
    board = VirtualBoard(seed=1)
    board.power_on()
    board.run_ms(START_MS)
    for path, data in mutation().used_flash(crashed).items():
        if path != "content":
            board.flash.write_file("/" + path, data)
    board.power_cut()
    board.power_on()
    board.run_ms(START_MS)
    board.press("plus")
    board.run_ms(3_000)
    board.press("stop")
    board.run_ms(1_000)
    board.power_cut()
    return bytes(board.flash.image)


@cache
def used_files(crashed: bool) -> dict[str, bytes]:
    """What lies there, but for the firmware's code."""
    flash = Flash(used_image(crashed))
    found = {path: flash.read_file("/" + path) or b"" for path in _walk(flash, "")}
    return {path: data for path, data in found.items() if not path.endswith(".py")}


def _walk(flash: Flash, folder: str) -> Iterator[str]:
    for name, kind, *_ in list(flash.ilistdir("/" + folder)):
        path = folder + name
        if kind == 0x4000:
            yield from _walk(flash, path + "/")
        else:
            yield path


def mutated(seed: int) -> bytes:
    """An image; odd seeds change blocks, even ones files; of every four seeds two are after a crash."""
    return (_blocks if seed & 1 else _files)(seed, bool(seed & 2))


def _files(seed: int, crashed: bool) -> bytes:
    before = used_files(crashed)
    after: dict[str, Any] = dict(before)
    mutation().mutate(after, seed)
    flash = Flash(used_image(crashed))
    for path in before:
        if path not in after:
            flash.remove("/" + path)
    for path, data in after.items():
        if data == before.get(path):
            continue
        if path.endswith("/"):
            with suppress(OSError):
                flash.mkdir("/" + path[:-1])
            continue
        if isinstance(data, int):  # an error that only a fake can give
            data = random.Random(seed).randbytes(700)
        elif isinstance(data, str):
            data = b"x" * HUGE_BYTES
        with suppress(OSError):
            if "/" in path:
                _make_way(flash, path.split("/")[0], after)
            flash.write_file("/" + path, data)
    return flash.image


def _make_way(flash: Flash, folder: str, after: dict[str, Any]) -> None:
    """Remove a file where a folder is to be."""
    with suppress(OSError):
        if not flash.stat("/" + folder)[0] & 0x4000:
            flash.remove("/" + folder)


@cache
def _ours() -> list[int]:
    """Blocks that use has changed."""
    new, used = new_flash().image, used_image(False)
    blocks = ((n, slice(n * BLOCK_BYTES, (n + 1) * BLOCK_BYTES)) for n in range(BLOCKS))
    return [n for n, part in blocks if new[part] != used[part]]


def _blocks(seed: int, crashed: bool) -> bytes:
    """Most of the flash is code, so three of four images have only blocks changed that use has changed."""
    r = random.Random(seed)
    image = bytearray(used_image(crashed))
    blank = b"\xff" * BLOCK_BYTES
    used = [n for n in range(BLOCKS) if image[n * BLOCK_BYTES : (n + 1) * BLOCK_BYTES] != blank]
    used = _ours() if r.randrange(4) else used
    for _ in range(r.choice((1, 1, 2, 5))):
        at = r.choice(used) * BLOCK_BYTES
        other = r.choice(used) * BLOCK_BYTES
        end = at + BLOCK_BYTES
        match r.randrange(6):
            case 0 | 1:
                for _ in range(r.choice((1, 3, 50))):
                    image[at + r.randrange(BLOCK_BYTES)] ^= 1 << r.randrange(8)
            case 2:
                image[at:end] = blank
            case 3:
                image[at:end] = r.choice((r.randbytes(BLOCK_BYTES), bytes(BLOCK_BYTES)))
            case 4:
                image[at:end] = image[other : other + BLOCK_BYTES]
            case 5:
                cut = at + r.randrange(BLOCK_BYTES)
                image[cut:end] = blank[: end - cut]
    return bytes(image)


def is_intact(image: bytes) -> bool:
    """Whether the firmware's code is whole."""
    flash = Flash(image)
    if flash.formatted:
        return False
    try:
        return all(
            flash.read_file("/" + path) == data
            for path, data in firmware_files().items()
            if path.endswith(".py")
        )
    except (OSError, UnicodeError):
        return False


class Broken(AssertionError):
    """What does not hold."""


def trial(image: bytes) -> str:
    """Start a board from an image, and use it. What came of it; raises Broken."""
    intact = is_intact(image)
    board = VirtualBoard(seed=2, flash=Flash(image))
    driven = [False]

    def look(_pin: int) -> None:
        chip = board.chip
        driven[0] |= chip.levels[RUN_REQ] == 1 and chip.mean(MOT_PWM) > 0.0

    for pin in (RUN_REQ, MOT_PWM):
        board.chip.watch(pin, look)
    formatted = board.flash.formatted
    board.power_on()
    board.run_ms(START_MS)
    if driven[0]:
        raise Broken("the motor turns after the start")
    if not intact:
        board.run_ms(START_MS)
        if driven[0]:
            raise Broken("the motor turns without a press")
        prompt = board.at_prompt
        board.power_cut()
        return "formatted" if formatted else "a prompt" if prompt else "runs, its files changed"
    if board.at_prompt:
        raise Broken("the prompt: " + board.receive().decode("utf-8", "replace")[-300:])
    look_around(board)
    if driven[0]:
        raise Broken("the motor turns without a press")
    try_buttons(board)
    driven[0] = False
    board.flash.chip.failing = True  # what it has to write now must not end it
    board.run_ms(2_500)
    board.power_cut()
    board.flash.chip.failing = False
    board.power_on()
    board.run_ms(START_MS)
    if board.at_prompt:
        raise Broken("the prompt after a second start: " + board.receive().decode("utf-8", "replace")[-300:])
    look_around(board)
    if driven[0]:
        raise Broken("the motor turns after a second start")
    board.power_cut()
    return INTACT


def ask(board: VirtualBoard, method: str, **params: Any) -> dict[str, Any]:
    """The result, or {} for a named error."""
    try:
        result = board.rpc(method, **params)
    except RpcError as e:
        if e.name == "internal_error":
            raise Broken(f"{method}: {e.data}") from None
        return {}
    assert isinstance(result, dict)
    return result


def look_around(board: VirtualBoard) -> None:
    """Everything that reads flash has an answer."""
    if not ask(board, "hello"):
        raise Broken("no hello")
    if "skipped" not in ask(board, "status"):
        raise Broken("no status")
    for method in LISTS:
        start: int | None = 0
        while start is not None:
            following = ask(board, method, start=start).get("next")
            if following is not None and following <= start:
                raise Broken(f"{method} does not end")
            start = following


def try_buttons(board: VirtualBoard) -> None:
    """+ starts a session, though flash may end it, or is refused with a cue; STOP ends it."""
    board.notifications.clear()
    board.press("plus", 200)
    board.run_ms(300)
    ask(board, "status")
    said = [
        (n["params"].get("name"), n["params"].get("value"))
        for n in board.notifications
        if n["method"] == "event"
    ]
    if ("state", "RUNNING") not in said and ("cue", "refused") not in said:
        raise Broken(f"+ does nothing: {said}")
    board.run_ms(500)
    board.press("stop", 200)
    board.run_ms(100)
    if ask(board, "status")["state"] not in ("IDLE", "MAINTENANCE") or board.rig.duty:
        raise Broken("STOP does not stop")


def play(seed: int) -> tuple[str, bool]:
    """One trial: what came of it, and whether that is right."""
    try:
        return trial(mutated(seed)), True
    except Exception as e:  # also one of the simulator's own
        return f"{type(e).__name__}: {e}", False


def _work(seeds: range, told: Connection) -> None:
    for seed in seeds:
        told.send((seed, *play(seed)))
    told.close()


def run(seeds: range, say: Callable[[str], object] = print) -> tuple[Counter[str], list[int]]:
    """Play seeds, each chunk in a process of its own: how often what came out, and the seeds that failed."""
    found: Counter[str] = Counter()
    failed: list[int] = []
    began = time.monotonic()
    for crashed in (False, True):  # made once, before the processes are forked
        used_files(crashed)
    _ours()
    at = seeds.start
    while at < seeds.stop:
        ours, theirs = get_context("fork").Pipe(duplex=False)
        chunk = range(at, min(at + CHUNK, seeds.stop))
        process = get_context("fork").Process(target=_work, args=(chunk, theirs))
        process.start()
        theirs.close()
        hangs = False
        with suppress(EOFError):
            while not (hangs := not ours.poll(HANG_S)):
                seed, outcome, right = ours.recv()
                at = seed + 1
                found[outcome if right else "WRONG"] += 1
                if not right:
                    _keep(seed, outcome, failed, say)
        if hangs:
            process.kill()
        process.join()
        if process.exitcode:  # an assertion of littlefs, say
            found["WRONG"] += 1
            outcome = f"no end within {HANG_S} s" if hangs else f"the process ended with {process.exitcode}"
            _keep(at, outcome, failed, say)
            at += 1
        if at % 1_000 < CHUNK:
            say(f"  {at - seeds.start}/{len(seeds)}, {time.monotonic() - began:.0f} s: {dict(found)}")
    return found, failed


def _keep(seed: int, outcome: str, failed: list[int], say: Callable[[str], object]) -> None:
    failed.append(seed)
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"seed-{seed}.img"
    path.write_bytes(mutated(seed))
    say(f"  WRONG: seed {seed}: {outcome}; try again: fuzz.py {os.path.relpath(path)}")


def main() -> int:
    """The exit code: 1 when anything does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--count", type=int, default=COUNT, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the first one")
    parser.add_argument("image", nargs="?", type=Path, metavar="IMAGE", help="a flash to try again")
    options = parser.parse_args()
    if options.image:
        print(trial(options.image.read_bytes()))
        return 0
    began = time.monotonic()
    found, failed = run(range(options.seed, options.seed + options.count))
    print(f"{sum(found.values())} flash contents in {time.monotonic() - began:.0f} s")
    for outcome, n in found.most_common():
        print(f"  {n:6} {outcome}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
