"""Power fails at every flash operation of every kind of write, with nothing, half or all of it done.

On the virtual board's littlefs. What is one call of the firmware's file code is cut without a board around it
(`Keeper`), in series, for littlefs works differently from write to write; what concerns a start, a button or
a crash is cut on whole boards. Each test tells how many cuts it made and how many of them lost something.
"""

from __future__ import annotations

import binascii
import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openknead_sim.chip import Chip
from openknead_sim.flash import Flash, PowerCut, Torn
from openknead_sim.packaged import firmware_files, new_flash
from openknead_sim.sandbox import Sandbox
from openknead_sim.virtual import NotRunning, VirtualBoard

TORN: tuple[Torn, ...] = get_args(Torn)
EVERYTHING = 1 << 30  # room for all records
SOME = (100, 400, 130, 310, 160, 220, 190)  # characters
SEGMENTS = 32
SEGMENT_BYTES = 4096
TEMPORARY = "record.tmp"
FIRMWARE = {"boot.py", "main.py", "massager"}
KEPT = {
    "content",
    "journal",
    "latches.a",
    "latches.b",
    "permission.a",
    "permission.b",
    "memory.a",
    "memory.b",
    "programs",
    "settings.a",
    "settings.b",
}


class Cuts:
    """points: cuts that were made; lost: what was wrong after them, a line for each such cut."""

    def __init__(self) -> None:
        self.points = 0
        self.lost: list[str] = []

    def judge(self, cut: str, **found_right: bool) -> None:
        """What a cut left: all of it must be right."""
        self.points += 1
        wrong = [name for name, right in found_right.items() if not right]
        if wrong:
            self.lost.append(f"{cut}: {', '.join(wrong)}")


@pytest.fixture
def cuts(record_property: Callable[[str, object], None]) -> Iterator[Cuts]:
    counted = Cuts()
    yield counted
    record_property("power_cut_points", counted.points)
    record_property("power_cut_lost", len(counted.lost))
    assert counted.points
    assert counted.lost == []


# -- the firmware's file code, without a board around it ----------------------------------------------


class Keeper:
    """Settings' record and journal on a flash, as a start of the firmware finds them."""

    def __init__(self, image: bytes | None = None) -> None:
        self.flash = Flash(image or new_flash().image)
        firmware = Sandbox(Chip(0), self.flash)
        self.store_module = firmware.module("massager.store")
        self._journal = firmware.module("massager.journal").Journal
        self.files = firmware.module("massager.board").Files()
        self.start()

    def start(self, image: bytes | None = None) -> Keeper:
        """Power comes back, to other content if there is an image."""
        if image is not None:
            self.flash.chip.buffer[:] = image
            self.flash.chip.cut_at = None
        self.flash.mount()
        assert not self.flash.formatted
        self.store = self.store_module.Store(self.files, "settings")
        self.store.load()
        self.journal = self._journal(self.files)
        return self

    def append(self, characters: int = 150) -> None:
        """One more record, about so long."""
        self.journal.append("session", {"reason": "x" * characters}, 1_000 * self.journal.last, None)

    def save(self, characters: int = 400) -> None:
        """The settings' next record."""
        self.store.save({"number": self.store.sequence + 1, "text": "y" * characters})

    @property
    def settings(self) -> dict[str, Any]:
        """The settings' record."""
        record: dict[str, Any] = self.store_module.Store(self.files, "settings").load()
        return record

    @property
    def records(self) -> list[str]:
        """The journal's records, byte for byte."""
        texts: list[str] = self.journal.read(0, EVERYTHING)[0]
        return texts

    def is_tidy(self) -> bool:
        """No file is left over, empty, or larger or more than it may be."""
        segments = self.files.names("journal", str.isdigit)
        sizes = [self.flash.stat("/journal/" + name)[6] for name in segments]
        names = set(self.flash.listdir("/")) - FIRMWARE
        return names <= KEPT and len(sizes) <= SEGMENTS and all(0 < n <= SEGMENT_BYTES for n in sizes)


def numbers(records: list[str]) -> list[int]:
    return [json.loads(text)["n"] for text in records]


def in_turn(records: list[str]) -> bool:
    """Numbers without a gap and without a duplicate."""
    return numbers(records) == list(range(numbers(records)[0], numbers(records)[-1] + 1)) if records else True


def cut_everywhere(cuts: Cuts, keeper: Keeper, write: Callable[[], None], name: str = "") -> Iterator[bytes]:
    """Cut the power at each operation of write(); judge what is left and how it goes on.

    Yields the flash after each cut. In the end the write is done.
    """
    chip = keeper.flash.chip
    image = keeper.flash.image
    before, old = keeper.records, keeper.settings
    operations = chip.operations
    write()
    operations = chip.operations - operations
    done = keeper.flash.image
    keeper.start()
    after, new = keeper.records, keeper.settings
    rest = before[before.index(after[0]) :] if before else before  # without what the write may drop
    for at, torn in itertools.product(range(operations), TORN):
        keeper.start(image)
        chip.cut_power_after(at, torn)
        with pytest.raises(PowerCut):
            write()
        left = keeper.flash.image
        keeper.start()
        found, kept = keeper.records, keeper.settings
        keeper.append()
        keeper.save()
        keeper.start()
        cuts.judge(
            f"{name}, {torn} of operation {at + 1} of {operations}",
            records=found in (before, rest, after),
            settings=kept in (old, new),
            next_record=keeper.records[:-1] == found[len(found) - len(keeper.records) + 1 :],
            numbers=in_turn(keeper.records),
            next_settings=keeper.settings["number"] == kept.get("number", 0) + 1,
            tidy=keeper.is_tidy(),
        )
        yield left
    keeper.start(done)


def cut_all(cuts: Cuts, keeper: Keeper, write: Callable[[], None], name: str) -> None:
    for _left in cut_everywhere(cuts, keeper, write, name):
        pass


@pytest.mark.parametrize("characters", [0, 400, 3000, 6000])
def test_settings_saves(cuts: Cuts, characters: int) -> None:
    keeper = Keeper()
    for n in range(30):
        cut_all(cuts, keeper, lambda: keeper.save(characters), f"save {n + 1}")


def test_journal_from_its_first_record_over_the_ends_of_its_first_segments(cuts: Cuts) -> None:
    keeper = Keeper()
    for n, characters in enumerate(SOME * 8):
        cut_all(cuts, keeper, partial(keeper.append, characters), f"record {n + 1}")
    assert len(keeper.files.names("journal", str.isdigit)) > 2


def with_journal(segments: int) -> bytes:
    """A flash with so many full segments, made without a write for each record."""
    keeper = Keeper()
    for first in range(1, 16 * segments, 16):
        lines = []
        for n in range(first, first + 16):
            record = {"n": n, "kind": "session", "boot": 1 + n // 4, "up_ms": n, "reason": "x" * 160}
            text = json.dumps(record).encode()
            lines.append(b"%08x %s\n" % (binascii.crc32(text), text))
        keeper.flash.write_file(f"/journal/{first:08}", b"".join(lines))
    keeper.start()
    assert keeper.is_tidy() and in_turn(keeper.records)
    assert len(keeper.records) == 16 * segments
    return keeper.flash.image


def test_journal_that_drops_its_oldest_segment(cuts: Cuts) -> None:
    keeper = Keeper(with_journal(SEGMENTS))
    for n in range(10):
        cut_all(cuts, keeper, lambda: keeper.append(900), f"record {n + 1}")
    assert numbers(keeper.records)[0] == 1 + 3 * 16
    assert len(keeper.files.names("journal", str.isdigit)) == SEGMENTS


def test_the_start_after_a_cut_and_the_next_writes(cuts: Cuts) -> None:
    """A second cut, wherever the first was."""
    keeper, again = Keeper(), Keeper()

    def start_and_write() -> None:
        again.start()
        again.save()
        again.append(3000)

    for n in range(4):
        for write in (keeper.save, lambda: keeper.append(3000)):
            for left in dict.fromkeys(cut_everywhere(cuts, keeper, write, f"write {n}")):
                again.start(left)
                cut_all(cuts, again, start_and_write, f"after a cut in write {n}")


def use_up(flash: Flash) -> None:
    """Fill it, but for what littlefs keeps beside a file's name."""
    flash.fill()
    with suppress(OSError):
        for n in range(9):
            flash.write_file(f"/filler_{n}.bin", b"\x5a" * 3000)


@pytest.mark.parametrize("segments", [0, 1])
def test_full_flash_loses_no_record(segments: int) -> None:
    keeper = Keeper(with_journal(segments))
    keeper.append(3_000)
    boot, before = keeper.journal.boot, keeper.records
    use_up(keeper.flash)
    for _ in range(3):
        with pytest.raises(keeper.store_module.StoreError) as e:
            keeper.append(3_000)
        assert e.value.args[1] is True
        assert keeper.records == before
    for name in keeper.flash.listdir("/"):
        if name.startswith("filler"):
            keeper.flash.remove("/" + name)
    keeper.append(3_000)
    keeper.start()
    assert keeper.records[:-1] == before
    assert in_turn(keeper.records)
    assert json.loads(keeper.records[-1])["boot"] == boot
    assert keeper.is_tidy()


def test_full_flash_takes_what_the_oldest_segment_leaves() -> None:
    keeper = Keeper(with_journal(SEGMENTS))
    before = keeper.records
    use_up(keeper.flash)
    keeper.append(3_000)
    keeper.start()
    assert keeper.records[:-1] == before[16:]


def test_flash_that_refuses_every_write_is_no_reason_not_to_start() -> None:
    keeper = Keeper()
    keeper.save()
    keeper.append()
    kept = keeper.records, keeper.settings
    keeper.flash.write_file("/" + TEMPORARY, b"cut")
    keeper.flash.write_file("/journal/00000002", b"cut")
    keeper.flash.chip.failing = True
    keeper.start()
    assert (keeper.records, keeper.settings) == kept
    keeper.flash.chip.failing = False
    keeper.start().append()
    assert keeper.records[:-1] == kept[0]
    assert keeper.is_tidy()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("append", "append", "save")),
            st.integers(0, 3_900),  # characters
            st.none() | st.integers(0, 12),  # operation at which the power fails
            st.sampled_from(TORN),
        ),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_sequence_of_writes_and_cuts(writes: list[tuple[str, int, int | None, Torn]]) -> None:
    keeper = Keeper()
    for kind, characters, cut_at, torn in writes:
        before, old = keeper.records, keeper.store.sequence
        if cut_at is not None:
            keeper.flash.chip.cut_power_after(cut_at, torn)
        done = True
        try:
            getattr(keeper, kind)(characters)
        except PowerCut:
            done = False
            keeper.start()
        keeper.flash.chip.cut_at = None
        records, sequence = keeper.records, keeper.store.sequence
        grown = len(records) - len(before), sequence - old
        allowed = {(1, 0) if kind == "append" else (0, 1), (0, 0)}
        assert grown in (allowed if not done else allowed - {(0, 0)})
        assert records[: len(before)] == before and in_turn(records)
        assert keeper.settings.get("number", 0) == sequence
        assert TEMPORARY not in keeper.flash.listdir("/")
    records, sequence = keeper.records, keeper.store.sequence
    keeper.start()
    assert (keeper.records, keeper.settings.get("number", 0)) == (records, sequence)
    keeper.append()
    assert keeper.is_tidy()


# -- whole boards -----------------------------------------------------------------------------------

Act = Callable[[VirtualBoard], object]

SETTLE_MS = 500  # self-test, the record of the start, and what follows it
RESTART_MS = 100 + SETTLE_MS
LONG_PRESS_MS = 3_300
STARTUP = "massager/startup.py"
# So that a crash half a second after the start restarts the board at once.
SOON = firmware_files()[STARTUP].replace(b"CRASH_LOOP_MS = const(10_000)", b"CRASH_LOOP_MS = const(100)")
OLDER = {"area_s": 60, "remote_start": True, "glow": 7, "nested": {"a": [1, None]}}
OLDER_AND_LONG = {**OLDER, **{f"key_{n:060}": n for n in range(28)}}


@dataclass(frozen=True)
class Story:
    """Something that makes a board write.

    act: what; before: what precedes it on the running board, None: it begins with the start; kinds: of the
    records that both write; faults: what the next start may report; settings: record of an older firmware;
    files: put on a board that was in use.
    """

    act: Act
    before: Act | None
    kinds: tuple[str, ...]
    faults: tuple[str | None, ...] = (None,)
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    used: bool = True

    def flash(self) -> bytes:
        """The flash that it begins with."""
        flash = new_flash({**firmware_files(), STARTUP: SOON})
        if self.settings:
            store = Keeper().store_module
            flash.write_file("/settings.a", store.build(9, self.settings))
        if self.used:
            board = VirtualBoard(flash=flash)
            board.power_on()
            board.run_ms(SETTLE_MS)
            board.power_cut()
        for name, content in self.files.items():
            flash.write_file("/" + name, content)
        return flash.image

    def tell(self, image: bytes, cut: tuple[int, Torn] | None = None) -> tuple[VirtualBoard, int]:
        """Play it, with a cut that many operations after `before`: the board, how many operations it took."""
        board = VirtualBoard(seed=1, flash=Flash(image))
        board.power_on()
        if self.before:
            board.run_ms(SETTLE_MS)
            self.before(board)
        chip = board.flash.chip
        begin = chip.operations
        if cut:
            chip.cut_power_after(*cut)
        with suppress(NotRunning, PowerCut):
            self.act(board)
        operations = chip.operations - begin
        if cut:
            assert operations == cut[0] + 1
            board.power_cut()
        return board, operations


def nothing(_board: VirtualBoard) -> None:
    pass


def start(board: VirtualBoard) -> None:
    board.run_ms(SETTLE_MS)


def toggle_remote_start(board: VirtualBoard) -> None:
    board.press("mode", LONG_PRESS_MS)
    board.run_ms(100)


def begin_session(board: VirtualBoard) -> None:
    board.press("plus")
    board.run_ms(1_000)


def stop_session(board: VirtualBoard) -> None:
    board.press("stop")
    board.run_ms(100)


def driver_fails_and_is_cleared(board: VirtualBoard) -> None:
    board.rig.nfault_low = True
    board.run_ms(500)
    board.rig.nfault_low = False
    board.run_ms(200)
    clear_fault(board)


def crash(board: VirtualBoard) -> None:
    def fail(_app: object, _now_us: int) -> None:
        raise ValueError("boom")

    assert board.sandbox
    board.sandbox.module("massager.app").App.tick = fail
    board.run_ms(RESTART_MS)


def clear_fault(board: VirtualBoard) -> None:
    board.agreed("fault.clear")
    board.run_ms(500)  # three writes: latches, journal, and what is agreed to


def maintain(board: VirtualBoard) -> None:
    board.rpc("maintenance")
    board.run_ms(RESTART_MS)
    assert not board.powered or board.rpc("status")["state"] == "MAINTENANCE"
    board.rpc("reboot")
    board.run_ms(RESTART_MS)


def save_settings(board: VirtualBoard) -> None:
    board.rpc("settings.save")
    board.run_ms(100)


STORIES = {
    "first start": Story(start, None, ("boot",), used=False),
    "start": Story(start, None, ("boot",)),
    "remote start by MODE": Story(toggle_remote_start, nothing, ("boot", "settings")),
    "session": Story(stop_session, begin_session, ("boot", "session")),
    "fault": Story(
        driver_fails_and_is_cleared,
        begin_session,
        ("boot", "fault", "session", "clear"),
        (None, "driver_fault"),
    ),
    "crash": Story(crash, nothing, ("boot", "boot", "fault"), (None, "crashed")),
    "changed firmware": Story(
        clear_fault,
        nothing,
        ("boot", "fault", "clear"),
        (None, "firmware_changed"),
        files={"massager/new.py": b""},
    ),
    "maintenance": Story(maintain, nothing, ("boot", "boot", "boot")),
    "older settings": Story(save_settings, nothing, ("boot", "settings"), settings=OLDER),
    "older, long settings": Story(save_settings, nothing, ("boot", "settings"), settings=OLDER_AND_LONG),
}


def document(stages: int) -> bytes:
    """A program as a host sends it."""
    stage = ["x", 30, "ramp", 1, 3, 0, "calf_left", "stage"]
    rest = json.dumps({"name": "mine", "stages": [stage] * stages}).encode() + b"\n" + b"source" * 100
    return b"OKP1 %08x\n" % binascii.crc32(rest) + rest


@pytest.mark.parametrize("had_one", [False, True])
def test_a_program_is_the_old_or_the_new_one_after_any_cut(cuts: Cuts, had_one: bool) -> None:
    keeper = Keeper()
    keeper.append()
    keeper.save()
    library = Sandbox(Chip(0), keeper.flash).module("massager.library").Library

    def send(data: bytes) -> None:
        programs = library(keeper.files)
        programs.begin("mine", len(data))
        for at in range(0, len(data), 300):
            programs.write(at, binascii.b2a_base64(data[at : at + 300]))
        programs.commit()

    old, new = document(3), document(9)
    if had_one:
        send(old)
    kept = {old} if had_one else {None}
    for image in cut_everywhere(cuts, keeper, lambda: send(new), "program"):
        flash = Flash(image)
        flash.mount()
        assert flash.read_file("/programs/mine") in kept | {new}
    assert keeper.flash.read_file("/programs/mine") == new


@pytest.mark.parametrize("name", STORIES)
def test_whole_board(cuts: Cuts, name: str) -> None:
    story = STORIES[name]
    image = story.flash()
    keeper = Keeper(image)
    before, old = keeper.records, keeper.settings
    board, operations = story.tell(image)
    keeper.start(board.flash.image)
    told, new = keeper.records, keeper.settings
    assert told[: len(before)] == before
    assert tuple(json.loads(text)["kind"] for text in told[len(before) :]) == story.kinds
    least = len(before)
    for at, torn in itertools.product(range(operations), TORN):
        board, _ = story.tell(image, (at, torn))
        keeper.start(board.flash.image)
        kept = len(keeper.records)
        reported = restart(board)
        keeper.start(board.flash.image)
        cuts.judge(
            f"{torn} of operation {at + 1} of {operations}",
            records=kept >= least and keeper.records[:kept] == told[:kept],
            start=json.loads(keeper.records[kept])["kind"] == "boot",
            numbers=in_turn(keeper.records),
            settings=keeper.settings in (old, new),
            explained=reported in story.faults,
            tidy=keeper.is_tidy(),
        )
        least = kept


def restart(board: VirtualBoard) -> str | None:
    """Power comes back, and a user does what the device asks for: the fault that it reported, if any.

    A session can be started then.
    """
    board.rig.nfault_low = False
    board.release("stop")
    board.power_on()
    board.run_ms(SETTLE_MS)
    status = board.rpc("status")
    fault: str | None = status["fault"] and status["fault"]["name"]
    if status["state"] == "MAINTENANCE":
        board.rpc("reboot")
        board.run_ms(RESTART_MS)
    if fault:
        clear_fault(board)
    assert board.flash.read_file("/content") == board.rpc("hello")["content"].encode()
    begin_session(board)
    assert board.rpc("status")["state"] == "RUNNING"
    stop_session(board)
    return fault


# -- the dose of a session ------------------------------------------------------------------------------

PLAN_S = 600
RAN_MS = 20_000


def charged(board: VirtualBoard) -> tuple[int, list[dict[str, Any]]]:
    """The day's dose in s, rounded, and the journal's records of sessions, on a board that is switched on."""
    board.power_on()
    board.run_ms(SETTLE_MS)
    dose = board.rpc("dose.get")
    records, n = [], 0
    while n is not None:
        page = board.rpc("journal.read", start=n)
        records += [record for record in page["records"] if record["kind"] == "session"]
        n = page["next"]
    return round(dose["total_s"] / 10) * 10, records


def run_for_a_while(board: VirtualBoard) -> None:
    board.press("plus")
    board.run_ms(RAN_MS)


def pull_the_plug(board: VirtualBoard) -> None:
    run_for_a_while(board)
    board.power_cut()
    board.run_ms(100)


def power_returns(board: VirtualBoard) -> None:
    board.power_on()
    board.run_ms(SETTLE_MS)


@pytest.mark.parametrize(
    ("before", "act", "right"),
    [
        (nothing, begin_session, {(0, None), (PLAN_S, "as_planned")}),
        (run_for_a_while, stop_session, {(PLAN_S, "as_planned"), (RAN_MS // 1000, "counted")}),
        (pull_the_plug, power_returns, {(PLAN_S, "as_planned")}),
    ],
    ids=["begin", "end", "next start"],
)
def test_a_session_is_charged_once_and_whole_after_any_cut(
    cuts: Cuts, before: Act, act: Act, right: set[tuple[int, str | None]]
) -> None:
    image = Story(start, None, ()).flash()
    story = Story(act, before, ())
    board, operations = story.tell(image)
    board.power_cut()
    seen = set()
    for at, torn in [*itertools.product(range(operations), TORN), (operations, None)]:
        if torn:
            board, _ = story.tell(image, (at, torn))
        total_s, records = charged(board)
        board.power_cut()
        again_s, kept = charged(board)
        board.power_cut()
        how = records[-1]["charged"] if records else None
        seen.add((total_s, how))
        cuts.judge(
            f"{torn} of operation {at + 1} of {operations}",
            charged=(total_s, how) in right,
            once=len(records) == (1 if total_s else 0) and (again_s, kept) == (total_s, records),
        )
    assert seen == right
