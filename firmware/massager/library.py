"""Library: the programs there are, built-in and on flash, and how a host puts one there.

Those built in are files of the firmware, `massager/programs/<name>.json`, read when they are wanted: texts
and stages together would cost a Pico 15 kB of heap. A file that a host sent is kept to the byte: a line
`OKP1 <crc32 of the rest>`, a line of JSON with name and stages, and the host's source, meaningless here.
"""

import binascii

from micropython import const

from massager import errors
from massager.errors import RpcError
from massager.flash import parse_object
from massager.program import DAMAGED, Program, is_name, mistake
from massager.store import replace

FOLDER = "programs"
PROGRAMS_MAX = const(8)
SIZE_MAX = const(3_072)
CHUNK = const(300)  # bytes a request
PLAIN = "steady"  # no list of stages: the chosen level for the session's time

# In the order in which MODE offers them.
BUILT_IN = (
    PLAIN,
    "warm-up",
    "knead",
    "trigger-point",
    "spot",
    "roller",
    "self-massage",
    "pre-run",
    "post-run",
    "hamstring-10",
    "calf-5",
    "stretch-timer",
    "ice-timer",
    "desk-day",
)


class Library:
    """names: all programs, in the order in which MODE offers them."""

    def __init__(self, files):
        self._files = files
        self._transfer = None  # name, size, bytes so far
        self._look()

    def _look(self):
        found = self._files.names(FOLDER, _is_ours)
        for name in found[PROGRAMS_MAX:]:
            self._files.skip(_path(name), "more than %d programs" % PROGRAMS_MAX)
        self.names = list(BUILT_IN) + found[:PROGRAMS_MAX]

    def describe(self, name):
        """A program built in as the schema hands it out: texts for people, without the stages."""
        row = self._read(name)
        row.pop("stages", None)
        row["name"] = name
        return row

    def _read(self, name):
        """One that is built in, as its file has it; empty when that is missing or damaged."""
        return parse_object(self._files.read("massager/programs/%s.json" % name, SIZE_MAX) or b"") or {}

    def load(self, name):
        """The Program of a name, None for PLAIN. Raises RpcError for an unknown name.

        Damage, or what a newer firmware understands, makes it one without stages that says what is wrong.
        """
        if name == PLAIN:
            return None
        if name in BUILT_IN:
            stages = self._read(name).get("stages")
        else:
            found = parse(self.document(name))
            stages = found["stages"] if found and found["name"] == name else None
        wrong = DAMAGED if stages is None else mistake(name, stages)
        return Program(name, () if wrong else stages, wrong)

    def document(self, name):
        """What is on flash of a program. Raises RpcError for one that is not there."""
        data = self._files.read(_path(name), SIZE_MAX) if name in self.names else None
        if data is None or name in BUILT_IN:
            raise RpcError(errors.UNKNOWN_PROGRAM, {"program": errors.clip(name)})
        return data

    def begin(self, name, size):
        """Expect a document of `size` bytes; one that was under way is forgotten."""
        self._transfer = None
        found = mistake(name, [])
        if found[1] == "name":
            raise invalid(name, found)
        if name in BUILT_IN:
            raise invalid(name, (None, "name", "built in"))
        if not 0 < size <= SIZE_MAX:
            raise RpcError(errors.INVALID_PARAMS, {"param": "size", "min": 1, "max": SIZE_MAX})
        if name not in self.names and len(self.names) - len(BUILT_IN) >= PROGRAMS_MAX:
            raise RpcError(errors.PROGRAM_SPACE, {"max": PROGRAMS_MAX})
        self._transfer = (name, size, bytearray())

    def write(self, offset, text):
        """The next part, in base64; returns where the one after it begins."""
        if not self._transfer:
            raise RpcError(errors.TRANSFER, {"reason": "not begun"})
        _, size, data = self._transfer
        try:
            part = binascii.a2b_base64(text)
        except ValueError:
            raise RpcError(errors.TRANSFER, {"reason": "not base64"})
        if offset != len(data) or not 0 < len(part) <= CHUNK or offset + len(part) > size:
            raise RpcError(errors.TRANSFER, {"reason": "wrong offset or size", "offset": len(data)})
        data.extend(part)
        return len(data)

    def commit(self):
        """Check what has come and put it on flash; returns the Program. Raises RpcError or StoreError."""
        transfer, self._transfer = self._transfer, None
        if not transfer or len(transfer[2]) != transfer[1]:
            raise RpcError(errors.TRANSFER, {"reason": "not complete"})
        name, _, data = transfer
        data = bytes(data)
        found = parse(data)
        if not found:
            raise RpcError(errors.TRANSFER, {"reason": "not a document, or its checksum is wrong"})
        wrong = mistake(found["name"], found["stages"])
        if not wrong and found["name"] != name:
            wrong = (None, "name", "another one than announced")
        if wrong:
            raise invalid(name, wrong)
        program = Program(name, found["stages"])
        replace(self._files, _path(name), data)
        self._look()
        return program

    def remove(self, name):
        """Delete one from flash. Raises RpcError for one that is not there, OSError."""
        self.document(name)
        self._files.remove(_path(name))
        self._look()


def _path(name):
    return FOLDER + "/" + name


def _is_ours(name):
    return is_name(name) and name not in BUILT_IN


def built_in(name):
    """Whether it is one of the firmware's own."""
    return name in BUILT_IN


def invalid(name, found):
    """The error for what `program.mistake` or `why_not` found."""
    data = place(found)
    data["program"] = errors.clip(name)
    return RpcError(errors.PROGRAM_INVALID, data)


def place(found):
    """What `program.mistake` or `why_not` found, as hosts get it; None for None."""
    return found and dict(zip(("stage", "field", "why"), found))


def parse(data):
    """The JSON part of a document, a dict with name and stages; None when anything about it is wrong."""
    try:
        end = data.index(b"\n")
        magic, crc = data[:end].decode().split(" ")
        if magic != "OKP1" or binascii.crc32(data[end + 1 :]) != int(crc, 16):
            return None
        found = parse_object(data[end + 1 : data.index(b"\n", end + 1)])
    except ValueError:  # also UnicodeError
        return None
    return found if found and "name" in found and "stages" in found else None
