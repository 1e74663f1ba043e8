"""Power fails at flash operations of real MicroPython, which writes to its own littlefs.

A write is done once, and each of its erase and program operations is noted: that tells what flash holds when
the power fails at any of them, with half or all of it done (nothing done is all of the one before). A Pico is
then started on that. The firmware's file code runs at MicroPython's prompt, which starts soon; the last test
starts the whole firmware.
"""

import binascii
import json
from dataclasses import dataclass, field
from itertools import islice

import pytest
import versions
from openknead_sim.chip import Chip
from openknead_sim.emulator import filesystem, firmware
from openknead_sim.packaged import new_flash
from openknead_sim.sandbox import Sandbox

pytest.importorskip("openknead_sim.emulator.pico", reason="pip install 'openknead[emulator]'")

from openknead_sim.emulator.pico import EmulatedPico

pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("emulator")]

long = pytest.mark.emulator_long

SECTOR_ERASE, BLOCK_ERASE, PAGE_PROGRAM = 0x20, 0xD8, 0x02
ERASED_BYTES = {SECTOR_ERASE: 4096, BLOCK_ERASE: 65536}
TEMPORARY = "record.tmp"
BEGUN = ("crash", "maintenance", "journal/")  # files that a cut may leave empty: that they are there counts
SEGMENTS = 32


class FlashLog:
    """What a Pico's flash held, and the operations since: (address, bytes before, bytes after)."""

    def __init__(self, pico):
        self._flash = pico.mcu.flash
        self._ssi = ssi = pico.mcu.ssi
        self._apply = ssi._apply_command
        self.clear()
        ssi._apply_command = self._look

    def clear(self):
        self.operations = []
        self.base = bytes(self._flash)

    def states(self):
        """(name, content) for a cut before the first operation, in the middle of each and after it."""
        flash = bytearray(self.base)
        operations = list(self.operations)
        yield "before the first operation", bytes(flash)
        for number, (address, before, after) in enumerate(operations):
            for name, done in (("half", len(after) // 2), ("all", len(after))):
                flash[address : address + len(after)] = after[:done] + before[done:]
                yield f"{name} of operation {number + 1} of {len(operations)}", bytes(flash)

    def _look(self):
        command = bytes(self._ssi._tx_buffer)
        size = ERASED_BYTES.get(command[0], len(command) - 4) if len(command) >= 4 else 0
        if not self._ssi._write_enabled or command[0] not in (*ERASED_BYTES, PAGE_PROGRAM) or not size:
            self._apply()
            return
        address = int.from_bytes(command[1:4], "big")
        before = bytes(self._flash[address : address + size])
        self._apply()
        self.operations.append((address, before, bytes(self._flash[address : address + size])))


def compiled(name, source=None):
    path = f"massager/{name}.py"
    source = source or (firmware.firmware_folder() / path).read_bytes()
    return {f"massager/{name}.mpy": firmware.compile_mpy(source, path)}


def modules():
    """The firmware's file code, without what drives pins: quick to start."""
    board = (firmware.firmware_folder() / "massager" / "board.py").read_bytes()
    head = b"import hashlib\nimport os\n\nfrom massager.flash import Flash\n\nFOLDER = 0x4000\n\n\n"
    text = board[board.index(b"def _text(") : board.index(b"class Console:")]
    files = head + text + board[board.index(b"class Files(Flash):") :]
    alone = compiled("files", files) | compiled("keeper", KEEPER)
    return compiled("__init__") | compiled("flash") | compiled("store") | compiled("journal") | alone


def line(text):
    return b"%08x %s\n" % (binascii.crc32(text), text)


def segments(count, each=16):
    """Full segments, as files."""
    files = {}
    for first in range(1, count * each, each):
        texts = [
            b'{"n":%d,"kind":"boot","boot":%d,"x":"%s"}' % (n, n, b"x" * 190)
            for n in range(first, first + each)
        ]
        files[f"journal/{first:08}"] = b"".join(line(text) for text in texts)
    return files


# What the tests run at the prompt; a module, because compiling takes the Pico longer than doing it.
KEEPER = b"""
import json

from massager.files import Files
from massager.journal import Journal
from massager.store import Store, replace

files = Files()
store = Store(files, "settings")
settings = store.load()
journal = Journal(files)


def save(size):
    store.save({"number": store.sequence + 1, "text": "y" * size})


def append(size):
    journal.append("session", {"reason": "x" * size}, 1, None)


def go_on():
    print(json.dumps([settings, journal.boot]))
    save(300)
    append(100)
"""


@dataclass
class Write:
    """code: what is cut; before: what was done before, in another start; files: what flash held at first."""

    code: str
    before: str = "save(300)\nsave(300)\nappend(100)"
    files: dict[str, bytes] = field(default_factory=dict)


WRITES = {
    "first settings": Write("save(300)", before=""),
    "settings": Write("save(300)"),
    "long settings": Write("save(3000)"),
    "older settings": Write(
        "store.save(dict(settings, slew_s=3))",
        before="",
        files={"settings.a": firmware.settings_record({"area_s": 60, "glow": 7})},
    ),
    "first record": Write("append(100)", before=""),
    "record": Write("append(1500)"),
    "record in a new segment": Write("append(3900)"),
    "record in place of the oldest": Write("append(300)", before="", files=segments(SEGMENTS)),
    "crash": Write("files.write('crash', b'{\"error\": \"%s\"}' % (b'x' * 400))"),
    "crash was told": Write("files.remove('crash')", files={"crash": b"{}"}),
    "agreed content": Write("replace(files, 'content', b'0123456789abcdef')"),
    "other content": Write("replace(files, 'content', b'0123456789abcdef')", files={"content": b"f" * 16}),
    "maintenance": Write("files.write('maintenance', b'1')"),
}


class Cuts:
    """Judges what is found after cuts; `tell` says how many there were, and what was lost."""

    def __init__(self):
        self.points = 0
        self.lost = []

    def judge(self, cut, **right):
        self.points += 1
        wrong = [part for part in right if not right[part]]
        if wrong:
            self.lost.append(f"{cut}: {', '.join(wrong)}")

    def tell(self, record_property):
        record_property("power_cut_points", self.points)
        record_property("power_cut_lost", len(self.lost))
        assert self.points > 1
        assert self.lost == []


class Bench:
    """A Pico at its prompt whose flash the tests replace; `kept` reads what littlefs holds."""

    def __init__(self, path, files):
        self.pico = EmulatedPico(path, filesystem.build({**modules(), **files}))
        self.log = FlashLog(self.pico)
        self.pico.connect()
        self.pico.interrupt()

    def start(self, flash):
        """Power comes back, with this content of the flash."""
        self.pico.mcu.flash[:] = flash
        self.pico.hard_reset()
        self.pico.connect()
        self.pico.interrupt()

    def kept(self):
        """Files, but for the firmware's."""
        files = filesystem.read(self.pico.filesystem())
        return {name: data for name, data in files.items() if not name.startswith("massager/")}

    def run(self, code):
        """Run it, with the file code at hand; returns what it printed, parsed."""
        printed = self.pico.exec("from massager.keeper import *\n" + code)
        return json.loads(printed) if printed else None


host = Sandbox(Chip(0), new_flash())
journal, store = host.module("massager.journal"), host.module("massager.store")


def records(kept):
    """The journal's records in these files, byte for byte."""
    names = sorted(name for name in kept if name.startswith("journal/"))
    return [text for name in names for text in journal.lines(kept[name])[0]]


def in_force(kept):
    """(sequence, settings) that count of these files; (0, {}) without any."""
    found = [store.parse(kept[name]) for name in ("settings.a", "settings.b") if name in kept]
    return max((each for each in found if each), key=lambda each: each[0], default=(0, {}))


def is_whole(found, before, after):
    """Is each file what it was, or what it was to be, or just begun?"""
    return all(
        found.get(name) in (before.get(name), after.get(name))
        or (found.get(name) == b"" and name not in before and name.startswith(BEGUN))
        for name in {*found, *before, *after} - {TEMPORARY}
    )


def is_tidy(kept):
    """Is nothing left of what was begun?"""
    return TEMPORARY not in kept and all(data for name, data in kept.items() if name.startswith("journal/"))


CASES = [
    pytest.param("settings", versions.REFERENCE, 5),
    pytest.param("first record", versions.REFERENCE, 5),
    *(pytest.param(name, versions.REFERENCE, 1, marks=long) for name in WRITES),
    *(
        pytest.param(name, older, 3, marks=long)
        for older in versions.OLDER
        for name in ("settings", "first record", "record")
    ),
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "micropython", "step"), CASES)
def test_cut_write(image, name, micropython, step, record_property):
    """step: every so-manieth state is tried."""
    write = WRITES[name]
    bench = Bench(image(micropython), write.files)
    if write.before:
        bench.run(write.before)
        bench.start(bytes(bench.pico.mcu.flash))
    before = bench.kept()
    bench.log.clear()
    bench.run(write.code)
    after = bench.kept()
    cuts = Cuts()
    for cut, flash in islice(bench.log.states(), 0, None, step):
        bench.start(flash)
        found = bench.kept()
        settings, boot = bench.run("go_on()")
        kept = bench.kept()
        had, has = [[json.loads(text) for text in records(files)] for files in (found, kept)]
        cuts.judge(
            cut,
            files=is_whole(found, before, after),
            settings=settings in (in_force(before)[1], in_force(after)[1]),
            records=has[:-1] == had[len(had) + 1 - len(has) :],
            numbers=[record["n"] for record in has] == list(range(has[0]["n"], has[0]["n"] + len(has))),
            boot=boot == (had[-1]["boot"] + 1 if had else 1),
            next_settings=in_force(kept)[0] == in_force(found)[0] + 1,
            tidy=is_tidy(kept),
        )
    cuts.tell(record_property)


# Hashing the files is half of a start in the emulator.
NO_HASH = b"""

def _no_hash(self):
    yield "0123456789abcdef"


Files.hash_slowly = _no_hash
"""


@long
@pytest.mark.timeout(900)
def test_cut_first_start(boards, record_property):
    board_py = (firmware.firmware_folder() / "massager" / "board.py").read_bytes()
    rig = boards.make(replace={"massager/board.py": board_py + NO_HASH})
    pico = rig.pico
    log = FlashLog(pico)
    boards.ready(rig)
    rig.run_ms(100)
    assert rig.host.call("journal.read")["last"] == 1
    cuts = Cuts()
    for cut, flash in islice(log.states(), 1, None, 4):
        pico.mcu.flash[:] = flash
        found = records(filesystem.read(pico.filesystem()))
        pico.hard_reset()
        pico.connect()
        boards.ready(rig)
        rig.run_ms(100)
        status = rig.host.call("status")
        kept = filesystem.read(pico.filesystem())
        has = [json.loads(text) for text in records(kept)]
        cuts.judge(
            cut,
            explained=(status["state"], status["fault"], status["boot"]) == ("IDLE", None, "power_on"),
            records=records(kept)[:-1] == found,
            numbers=[(r["n"], r["boot"]) for r in has] == [(n + 1, n + 1) for n in range(len(has))],
            content=kept.get("content") == b"0123456789abcdef",
            tidy=is_tidy(kept),
        )
    cuts.tell(record_property)
