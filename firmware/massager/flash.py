"""Flash: reading of what may be anything, so that nothing that lies there keeps the device from starting.

What cannot be read, is too large, or does not belong where it is, is skipped and noted once: the journal and
`status` report it. Nothing is deleted for it.
"""

import json

from micropython import const

FILE_MAX = const(16_384)  # bytes; no file of the firmware's own is larger, and the heap has room for it
ENTRIES_MAX = const(256)  # of a folder that are looked at: in a damaged one MicroPython finds no end
TOO_MANY = const(7)  # E2BIG: errno of `entries` beyond that
SKIPPED_MAX = const(8)  # notes
PATH_ROOM = const(40)  # characters of a path in a note
ENOENT = const(2)
_REASONS = {
    TOO_MANY: "more than %d entries" % ENTRIES_MAX,
    20: "not a folder",  # ENOTDIR
    21: "a folder, not a file",  # EISDIR
}


class Flash:
    """Base of the board's files.

    load(name, most): whole content, None when there are more bytes than `most`; listing(folder): (name,
    whether it is a folder) of each entry, None for a name that is not UTF-8. Both may raise OSError.
    skipped: notes of what was skipped, the first SKIPPED_MAX; fresh: a note was added since this was reset.
    """

    def __init__(self, load, listing):
        self._load = load
        self._listing = listing
        self.skipped = []
        self.fresh = False

    def skip(self, path, reason):
        """Note that something is skipped, once a path."""
        path = (path if len(path) <= PATH_ROOM else path[: PATH_ROOM - 3] + "...") + ": "
        if len(self.skipped) < SKIPPED_MAX and not any(note.startswith(path) for note in self.skipped):
            self.skipped.append(path + reason)
            self.fresh = True

    def read(self, name, most=FILE_MAX):
        """Whole content as bytes; None when there is no such file, b"" for one that has to be skipped."""
        try:
            data = self._load(name, most)
            if data is not None:
                return data
            reason = "more than %d bytes" % most
        except OSError as e:
            if e.args[0] == ENOENT:
                return None
            reason = _reason(e)
        except MemoryError:
            reason = "no memory left to read it"
        self.skip(name, reason)
        return b""

    def entries(self, folder):
        """(name, whether it is a folder) of each entry; None for a name that is not UTF-8. Raises OSError."""
        room = ENTRIES_MAX
        for entry in self._listing(folder):
            if not room:
                raise OSError(TOO_MANY)
            room -= 1
            yield entry

    def is_folder(self, folder, name):
        """Whether that entry of a folder is a folder itself."""
        try:
            for entry, is_folder in self.entries(folder):
                if entry == name:
                    return is_folder
        except (OSError, ValueError):
            pass  # as `names`, which notes it
        return False

    def names(self, folder, belongs=bool):
        """Sorted names of the files that belong in a folder; none when there is no such folder.

        belongs: function that decides it by the name; every file by default.
        """
        names: list = []
        try:
            for name, is_folder in self.entries(folder):
                if not is_folder and name and belongs(name):
                    names.append(name)
                else:
                    self.skip("%s/%s" % (folder, name or "?"), "does not belong there")
        except (OSError, ValueError) as e:  # ValueError: a name that is not UTF-8, on the Pico
            if e.args[0] != ENOENT:
                self.skip(folder, _reason(e))
        names.sort()
        return names


def _reason(error):
    number = error.args[0]
    return _REASONS.get(number) or "unreadable, OSError %s" % number


def parse_object(data):
    """The JSON object in bytes or a memoryview, as a dict; None for anything else."""
    try:
        found = json.loads(str(data, "utf-8"))
    except (ValueError, RuntimeError, MemoryError):  # not UTF-8 or not JSON; nested too deep; too much
        return None
    return found if isinstance(found, dict) else None
