"""A used flash, mutated at random file by file, and what a device that starts from it must still do.

Runs on CPython and on MicroPython; the same seed gives the same flash on both.
"""

import binascii
import json
import sys

from massager.buttons import PLUS, STOP
from massager.dose import DAY_S
from massager.journal import build as build_line
from massager.store import build as build_record
from massager.store import parse as parse_record
from support import HUGE, Bench, BenchBoard, MemoryFiles

NOON_S = 20_800 * DAY_S + DAY_S // 2
FOLDERS = ("journal", "programs", "massager/programs")
NEW_FILES = (
    "notes.txt",
    "journal/notes.txt",
    "journal/1",
    "journal/99999999",
    "journal/000000010",
    "journal/-0000001",
    "journal/0x000001",
    "programs/.hidden",
    "programs/Upper",
    "programs/steady",
    "programs/" + "x" * 25,
    "programs/ä",
    "programs/" + "long" * 50,
    "massager/programs/knead.json",
    "massager/programs/notes.txt",
    "crash",
    "content",
    "maintenance",
    "record.tmp",
    "settings.b",
    "memory.b",
    "latches.a",
    "permission.a",
    "latches.b",
)
ERRORS = (5, 84, 12, 22)  # EIO, corrupt, ENOMEM, EINVAL
INTEGERS = (0, 1, -1, 7, 255, 900, 1 << 29, 1 << 30, 1 << 31, -(1 << 30), 1 << 63, 10**40)
OTHERS = (
    None,
    True,
    False,
    "",
    "x",
    "knead",
    "ä€",
    "x" * 300,
    1.0,
    2.0,
    1.5,
    -0.0,
    1e300,
    [],
    {},
    [[]],
    [None] * 9,
    {"a": [1]},
    {"": {}},
    ["foot", 1, 1],
    '\x00\n"',
)
TEXTS = (
    b"",
    b"\x00",
    b"null",
    b"[1]",
    b"[]",
    b"{}",
    b"1",
    b'"text"',
    b"{",
    b"NaN",
    b"[" * 900,
    b'{"a":' * 400,
    b"1" * 3000,
    b"\xff\xfe",
    b"OK1",
    b"OK1 1 2 3\n{}",
    b"OKP1 0\n",
    b"OKP1 00000000\n\n",
    b"00000000 \n",
    b"00000000",
    b'{"a":1e999}',
)
# The files are in the heap here, and MicroPython's is small.
CROWD = 60 if sys.implementation.name == "micropython" else 300
PAGES = 400  # of one list: more never end


class Dice:
    """Random numbers that are the same on CPython and MicroPython (xorshift of 32 bits)."""

    def __init__(self, seed):
        self._state = (seed * 2_654_435_761 + 12_345) & 0xFFFFFFFF or 1
        for _ in range(4):
            self.below(2)

    def below(self, n):
        """0…n-1."""
        x = self._state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self._state = x
        return x % n

    def pick(self, rows):
        """One of them."""
        return rows[self.below(len(rows))]

    def bytes(self, n):
        """n random bytes."""
        return bytes([self.below(256) for _ in range(n)])


class WatchedBoard(BenchBoard):
    """`driven`: the motor had a duty above 0."""

    def __init__(self):
        super().__init__()
        self.driven = False

    def write_motor(self, duty):
        super().write_motor(duty)
        if duty:
            self.driven = True


def used_flash(crashed=True):
    """Files of a device that was in use: settings, programs, journal, memory, content; crash and latches."""
    files = MemoryFiles()
    bench = Bench(files, board=WatchedBoard())
    bench.call("clock.set", unix_s=NOON_S, utc_offset_min=60)
    bench.call("settings.set", values={"area_s": 60, "rest_s": 600, "slew_s": 1})
    bench.call("settings.save")
    for name, stage in (
        ("mine", ["calf", 60, "wave", 1, 3, 10, "calf_left", "stage"]),
        ("other", ["rest", 20, "off", 0, 0, 0, "", "none"]),
    ):
        body = json.dumps({"name": name, "stages": [stage, stage]}).encode() + b"\nsource"
        data = b"OKP1 %08x\n" % binascii.crc32(body) + body
        bench.call("program.begin", name=name, size=len(data))
        bench.call("program.write", offset=0, data=binascii.b2a_base64(data).decode().rstrip())
        assert "s" in bench.call("program.commit")
    for _ in range(4):
        bench.press(PLUS)
        bench.run_ms(3_000)
        assert bench.app.session.active()
        bench.press(STOP)
        bench.run_ms(500)
        bench.allow()  # STOP took the permission away
    bench.call("program.select", name="mine")
    bench.run_ms(4_000)
    if not crashed:
        return dict(files.content)
    bench.app.crashed(ValueError("boom"))
    again = Bench(files, remote=False, board=WatchedBoard())
    again.run_ms(1_000)
    again.app.crashed(ValueError("again"))
    assert "latches.a" in files.content and "memory.a" in files.content and "crash" in files.content
    return dict(files.content)


def mutate(content, seed):
    """One to four mutations of a flash, in place; returns what was done, for people."""
    dice = Dice(seed)
    done = []
    for _ in range(1 + dice.below(4)):
        change = dice.pick(CHANGES)
        path = dice.pick(sorted(content))
        done.append("%s %s" % (change.__name__[1:], path))
        change(content, path, dice)
    return ", ".join(done)


def _flip(content, path, dice):
    data = content[path]
    if isinstance(data, bytes) and data:
        data = bytearray(data)
        for _ in range(1 + dice.below(8)):
            data[dice.below(len(data))] ^= 1 << dice.below(8)
        content[path] = bytes(data)


def _truncate(content, path, dice):
    if isinstance(content[path], bytes):
        content[path] = content[path][: dice.below(len(content[path]) + 1)]


def _append(content, path, dice):
    if isinstance(content[path], bytes):
        content[path] += dice.pick((dice.bytes(9), b"\n", content[path], b"00000000 \n", build_line("[1]")))


def _randomize(content, path, dice):
    content[path] = dice.bytes(dice.below(600))


def _rewrite(content, path, dice):
    content[path] = dice.pick(TEXTS)


def _swap(content, path, dice):
    other = dice.pick(sorted(content))
    content[path], content[other] = content[other], content[path]


def _copy(content, path, dice):
    content[dice.pick(sorted(content) + list(NEW_FILES))] = content[path]


def _remove(content, path, dice):
    if len(content) > 3:
        del content[path]


def _make_folder(content, path, dice):
    del content[path]
    content[path + dice.pick(("/", "/x", "/00000001"))] = b""


def _make_file(content, path, dice):
    folder = dice.pick(FOLDERS)
    for name in sorted(content):
        if name.startswith(folder + "/") and len(content) > 3:
            del content[name]
    content[folder] = dice.pick((b"", b"text", 5))


def _add(content, path, dice):
    content[dice.pick(NEW_FILES)] = dice.pick(TEXTS + (content[path],))


def _crowd(content, path, dice):
    folder = dice.pick(FOLDERS)
    for i in range(dice.pick((9, 40, CROWD))):
        content[folder + "/" + dice.pick(("%08d", "p%d", "n%d.txt")) % i] = dice.pick((b"", content[path]))


def _grow(content, path, dice):
    content[path] = dice.pick((HUGE, dice.pick((b"1", b"[", b"\n", b"\xff")) * 3_000))


def _break(content, path, dice):
    content[path] = dice.pick(ERRORS)


def _reshape(content, path, dice):
    """Other JSON in the frame that the file has, with a checksum that is right."""
    data = content[path]
    if not isinstance(data, bytes):
        return
    try:
        if path.startswith("journal/"):
            lines = data.split(b"\n")
            at = dice.below(len(lines))
            lines[at] = build_line(_reshaped(json.loads(lines[at][9:]), dice))[:-1]
            content[path] = b"\n".join(lines)
        elif path.startswith("programs/"):
            body = _reshaped(json.loads(data.split(b"\n")[1]), dice).encode() + b"\n"
            content[path] = b"OKP1 %08x\n" % binascii.crc32(body) + body
        elif path.endswith((".a", ".b")):
            found = parse_record(data)
            text = _reshaped(found[1], dice)
            if text[0] == "{":
                content[path] = build_record(found[0] + 1, json.loads(text))
        else:
            content[path] = _reshaped(json.loads(data), dice).encode()
    except (ValueError, TypeError, IndexError, RuntimeError):
        pass  # it is no longer what it was


CHANGES = (
    _flip,
    _truncate,
    _append,
    _randomize,
    _rewrite,
    _swap,
    _copy,
    _remove,
    _make_folder,
    _make_file,
    _add,
    _crowd,
    _grow,
    _break,
    _reshape,
    _reshape,
    _reshape,
    _reshape,
    _reshape,
)


def _reshaped(value, dice):
    """JSON text of the value with one to three places in it changed."""
    value = [value]
    for _ in range(1 + dice.below(3)):
        place, key = value, 0
        while isinstance(place[key], (list, dict)) and place[key] and dice.below(4):
            place = place[key]
            key = dice.pick(sorted(place)) if isinstance(place, dict) else dice.below(len(place))
        change = dice.below(8)
        if change < 4:
            place[key] = dice.pick(INTEGERS)
        elif change < 6:
            place[key] = dice.pick(OTHERS)
        elif change == 6 and isinstance(place, dict):
            place[dice.pick(("", "n", "boot", "newer", "x" * 200))] = place.pop(key)
        elif isinstance(place, list):
            place.append(place[key])
    return json.dumps(value[0])


# -- what must hold -----------------------------------------------------------------------------------


def check(content):
    """Start a device from the flash, twice; AssertionError names what does not hold."""
    files = MemoryFiles()
    files.content = content
    for start in range(2):
        board = WatchedBoard()
        bench = Bench(files, remote=False, board=board)
        assert bench.app.selftest.state != "running", "the self-test does not end"
        assert not board.driven and not board.enabled, "the motor is on after the start"
        _check_answers(bench)
        bench.run_ms(3_000)
        assert not board.driven and not board.enabled, "the motor is on without a press"
        if start:
            continue
        _check_buttons(bench)
        answer(bench, "settings.save")
        bench.app.turn(bench.app.library.names[-1])
        bench.run_ms(3_500)
        _check_answers(bench)


def _check_answers(bench):
    assert answer(bench, "hello")["firmware"]
    status = answer(bench, "status")
    skipped = bench.app.files.skipped
    assert status["skipped"] == (skipped[0] if skipped else None) and len(skipped) <= 8
    for method in ("journal.read", "program.list", "settings.list", "dose.get"):
        _check_pages(bench, method)
    for name in bench.app.library.names[1:]:
        if not name.startswith("knead") and bench.app.library.names.index(name) < 12:
            continue  # two of those built in are enough
        _check_pages(bench, "program.get", name=name)
    _check_pages(bench, "schema", section="programs")


def _check_pages(bench, method, **params):
    start = 0
    for _ in range(PAGES):
        result = answer(bench, method, start=start, **params)
        following = result.get("next")
        if following is None:
            return
        assert following > start, method
        start = following
    raise AssertionError("%s never ends" % method)


def answer(bench, method, **params):
    """The result of a method, {} for a named error; AssertionError for an internal one."""
    text = bench.call(method, **params)
    if isinstance(text, dict) and "code" in text and "message" in text:
        assert text["data"]["name"] != "internal_error", "%s: %s" % (method, text["data"])
        return {}
    return text


def _check_buttons(bench):
    """+ starts a session, though flash may end it, or is refused with a cue; STOP ends it."""
    board = bench.board
    bench.event_names()
    board.console.sent = bytearray()
    bench.press(PLUS, 200)
    bench.run_ms(300)
    names = bench.event_names()
    assert ("state", "RUNNING") in names or ("cue", "refused") in names, "+ does nothing: %s" % names
    bench.run_ms(1_000)
    bench.press(STOP, 200)
    assert not bench.app.session.active() and not board.duty and not board.enabled, "STOP does not stop"
    board.driven = False
