"""Records the conversation of the firmware as it is: one command before a minor version is released.

    .venv/bin/python tests/compat/record.py                       writes tests/compat/protocol-1.2.jsonl
    .venv/bin/python tests/compat/record.py --firmware FOLDER     of other firmware for the same board

Firmware from history wants the simulator of its time, whose board is wired as it expects: check it out there
and put sim/ and host/ of it on PYTHONPATH. So protocol 1.1 was recorded after 1.2 was there.

A recording that is there is not written over: it is what released hosts and devices rely on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from conversation import converse
from talk import Talk
from wire import Wire, folder_files

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Record, write, say what was written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--firmware", type=Path, metavar="FOLDER", help="firmware to record, else the packaged one"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to, else beside this script")
    parser.add_argument("--again", action="store_true", help="write over a recording that is there")
    options = parser.parse_args()
    wire = Wire(folder_files(options.firmware) if options.firmware else None)
    talk = Talk(wire)
    converse(talk)
    hello = next(
        r["result"] for e in talk.entries for r in e.get("replies", ()) if "protocol" in r.get("result", {})
    )
    head = {key: hello[key] for key in ("protocol", "firmware", "content")}
    path = options.out or HERE / f"protocol-{hello['protocol'].rpartition('.')[0]}.jsonl"
    if path.exists() and not options.again:
        print(f"{path} is there already: --again writes over it", file=sys.stderr)
        return 1
    lines = [json.dumps(entry, separators=(",", ":")) for entry in (head, *talk.entries)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(
        f"{path}: protocol {hello['protocol']}, {len(talk.entries)} entries, "
        f"{wire.now_ms / 1000:.0f} s of virtual time"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
