"""The conversation that is recorded of every minor version: all methods, all errors, good and bad.

Only the recorder runs it. A replay reads the recording, so that changes here change no older one.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from typing import Any

from openknead_sim.crc import framed
from talk import Talk

UNIX_S = 1_780_000_000
FILE = b"""\
name = "tickle"
title = "Two calves"
purpose = "A program of somebody's own, long enough to be sent in several parts."
cautions = ["Stop on pain, burning, numbness or tingling.", "Not on the back of the knee, not on the shin."]

[[evidence]]
source = "Nobody 2026"
finding = "No trial of it was found, nor of anything that comes near it."

[[stage]]
name = "left calf"
seconds = 40
pattern = "steady"
level = 3
area = "calf_left"

[[stage]]
name = "change"
seconds = 10
pattern = "off"
cue = "stage"

[[stage]]
name = "right calf"
seconds = 30
pattern = "steady"
level = 2
area = "calf_right"
cue = "stage"
"""
TICKLE_S = 80
TOO_HIGH = [["wild", 60, "steady", 12, 12, 0, "", "none"]]
SPARE = [["spare", 60, "steady", 2, 2, 0, "", "none"]]
PROGRAMS_MAX = 8


def converse(t: Talk) -> None:
    """All of it, on a board as shipped that has just been switched on."""
    t.wait(1.0)
    for part in (
        _greeting,
        _tables,
        _junk,
        _settings,
        _confirmed,
        _refused,
        _clock,
        _session,
        _to_the_end,
        _host_lost,
        _by_button,
        _programs,
        _play,
        _faults,
        _flash,
        _selftest,
        _dose_and_journal,
        _restarts,
        _full_flash,
    ):
        part(t)


def _greeting(t: Talk) -> None:
    t.ask("hello")
    t.line(b'{"jsonrpc":"2.0","id":"a word","method":"hello"}')  # no checksum, id is text
    t.line(b'{"jsonrpc":"2.0","id":0,"method":"hello"}\r')
    t.line(framed({"jsonrpc": "2.0", "id": 1, "method": "hello"})[:-5] + b"cafe", 1)  # wrong, written small
    t.line(b'{"jsonrpc":"2.0","method":"hello"}', 0)  # a notification
    t.line(b"", 0)
    t.ask("status")


def _tables(t: Talk) -> None:
    sections = t.ask("schema")["sections"]
    for section in sections:
        pages = t.walk("schema", section=section)
        if section == "methods":
            rows = [row for page in pages for row in page["items"]]
    t.methods = {row["name"]: row["params"] for row in rows}
    t.ask("schema", section="nonsense")
    t.ask("schema", section="states", start=99)
    t.ask("schema", section=7)


def _junk(t: Talk) -> None:
    status = framed({"jsonrpc": "2.0", "id": 1, "method": "status"})[:-1]
    for line in (
        b"AT+GCAP",
        b"{",
        b"17",
        b"[]",
        b'"text"',
        b"null",
        b"\x00" * 20,
        b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
        b"x" * 511,
        b"x" * 512,
        b"x" * 5000,
        status[:-4] + b"0000",
        b'{"a":' * 60 + b"1" + b"}" * 60,
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"1.0","id":1,"method":"hello"}',
        b'{"jsonrpc":"2.0","id":1.5,"method":"hello"}',
        b'{"jsonrpc":"2.0","id":-1,"method":"hello"}',
        b'{"jsonrpc":"2.0","id":"%s","method":"hello"}' % (b"x" * 33),
        b'[{"jsonrpc":"2.0","id":1,"method":"hello"}]',
        b'{"jsonrpc":"2.0","id":1,"method":"session.level","params":[3]}',
        b'{"jsonrpc":"2.0","id":1,"method":3}',
    ):
        t.line(line)
    t.insist("session.faster")
    t.insist("hello", loud=True)


def _settings(t: Talk) -> None:
    t.walk("settings.list")
    t.ask("settings.list", start=-1)
    t.ask("settings.list", start=999)
    t.ask("settings.get", name="area_s")
    t.ask("settings.get", name="turbo")
    t.ask("settings.get")
    t.ask("settings.set", values={"area_s": 60, "buzzer": False})
    for bad in (
        {"turbo": 1},
        {"area_s": 181},
        {"area_s": 29},
        {"area_s": 1.5},
        {"area_s": True},
        {"buzzer": 1},
        {"remote_start": True},
        {"min_level": 5, "max_level": 4},
        {"area_s": 70, "slew_s": 99, "turbo": 1, "buzzer": 3},
    ):
        t.ask("settings.set", values=bad)
    t.ask("settings.set", values=[])
    t.ask("settings.set")
    t.ask("settings.get", name="area_s")
    t.ask("status")
    t.ask("settings.save")
    t.ask("settings.reset", names=["area_s"])
    t.ask("settings.reset", names=["turbo"])
    t.ask("settings.reset", names=[7])
    t.ask("status")
    t.ask("settings.reset")
    t.ask("settings.save")


def _confirmed(t: Talk) -> None:
    """A batch, and a change that needs a press: pressed late enough for every firmware to take it."""
    if not t.has("settings.stage"):
        return
    t.ask("settings.stage", begin=True, values={"area_s": 70, "slew_s": 3})
    t.ask("settings.stage", values={"area_s": 1})
    t.ask("settings.stage", begin=True, values={"area_s": 70, "slew_s": 3})
    t.ask("settings.set", staged=1, values={})
    t.ask("settings.stage", begin=True, values={"area_s": 70})
    t.ask("settings.set", staged=1, values={"isense_mv_per_a": 1200})
    t.wait(1.5)
    t.press("mode", 0.1)
    t.wait(1)
    t.ask("settings.list")
    t.ask("settings.reset", names=["area_s", "isense_mv_per_a"])


def _refused(t: Talk) -> None:
    """As shipped no host may start; then somebody holds MODE."""
    t.ask("session.start", level=2, run_s=60)
    t.ask("session.resume")
    t.press("mode", 3.3)
    t.wait(0.5)
    t.ask("status")
    t.do("hold", "stop")
    t.wait(0.2)
    t.ask("session.start", level=2, run_s=60)
    t.do("release", "stop")
    t.wait(0.5)


def _clock(t: Talk) -> None:
    t.ask("clock.set", unix_s=UNIX_S)
    t.ask("clock.set", unix_s=UNIX_S + 60, utc_offset_min=120)
    for bad in (
        {"unix_s": 1},
        {"unix_s": 1 << 33},
        {"unix_s": "now"},
        {"unix_s": UNIX_S, "utc_offset_min": 900},
    ):
        t.ask("clock.set", **bad)
    t.ask("hello")


def _session(t: Talk) -> None:
    """A session at a level, with telemetry, and all that it forbids."""
    for hz in (3, 50, -1, "10"):
        t.ask("telemetry.subscribe", hz=hz)
    t.ask("settings.get", name="host_timeout_s")
    t.ask("telemetry.subscribe", hz=10)
    for bad in (
        {"level": 12, "run_s": 60},
        {"level": 0, "run_s": 60},
        {"level": 3, "run_s": 901},
        {"level": 3, "run_s": 0},
        {"level": 3},
        {"run_s": 60},
        {"level": "3", "run_s": 60},
        {"level": 3, "run_s": 60, "area": "moon"},
        {"level": 3, "run_s": 60, "shift": 1},
    ):
        t.ask("session.start", **bad)
    for method in ("pause", "skip", "back"):
        t.ask(f"session.{method}")
    t.ask("session.level", level=3)
    t.ask("session.start", level=3, run_s=120, **_area(t, "calf_left"))
    t.alive(4)
    t.ask("telemetry.subscribe", hz=0)
    t.ask("status")
    t.ask("session.start", level=3, run_s=60)
    t.ask("session.level", level=5)
    t.ask("session.level", level=12)
    t.ask("session.level")
    t.ask("session.skip")
    t.ask("session.resume")
    t.ask("session.pause")
    t.ask("session.pause")
    t.ask("status")
    for method, params in (
        ("settings.save", {}),
        ("settings.set", {"values": {"motor_ke_uvs": 9000}}),
        ("maintenance", {}),
        ("reboot", {}),
        ("journal.read", {}),
        ("selftest", {"run": True}),
        ("program.list", {}),
        ("program.get", {"name": "knead"}),
        ("program.begin", {"name": "tickle", "size": 100}),
        ("program.write", {"offset": 0, "data": ""}),
        ("program.commit", {}),
        ("program.fetch", {"name": "tickle", "offset": 0}),
        ("program.remove", {"name": "tickle"}),
        ("program.select", {"name": "knead"}),
    ):
        t.ask(method, **params)
    if t.has("program.list"):
        t.ask("schema", section="programs")
    t.ask("session.resume")
    t.alive(2)
    t.ask("selftest")
    t.line(b'{"jsonrpc":"2.0","method":"session.keepalive"}', 0)
    t.ask("session.stop")
    t.ask("session.stop")
    t.ask("session.keepalive")
    t.wait(1)
    t.ask("status")


def _area(t: Talk, label: str) -> dict[str, str]:
    return {"area": label} if t.has("session.start", "area") else {}


def _to_the_end(t: Talk) -> None:
    """A session that is over when its time is: cues, the ramp, and held back by the battery on the way."""
    t.ask("settings.set", values={"area_s": 30})
    t.ask("session.start", level=4, run_s=70, **_area(t, "quadriceps_left"))
    t.alive(8)
    t.do("inject", "supply_sag", 9.6)
    t.alive(3)
    t.ask("status")
    t.do("mend", "supply_sag")
    t.alive(64)
    t.ask("status")
    t.ask("settings.reset", names=["area_s"])


def _host_lost(t: Talk) -> None:
    t.ask("session.start", level=2, run_s=60)
    t.wait(5)
    t.ask("status")


def _by_button(t: Talk) -> None:
    """A session that nobody allowed a host to drive on."""
    t.press("mode", 3.3)
    t.wait(0.5)
    t.press("plus", 0.1)
    t.wait(2)
    t.press("plus", 0.1)
    t.wait(1)
    t.ask("session.level", level=9)
    t.ask("session.level", level=1)
    t.ask("session.pause")
    t.ask("session.resume")
    t.press("mode", 0.1)
    t.wait(1)
    t.press("stop", 0.1)
    t.wait(1)
    t.ask("status")
    t.press("mode", 3.3)
    t.wait(0.5)


def _programs(t: Talk) -> None:
    if not t.has("program.list"):
        return
    from openknead.programs import check  # a host that goes with older firmware has it not

    listed = t.walk("program.list")
    for page in listed:
        for entry in page["programs"]:
            t.walk("program.get", name=entry["name"])
    t.ask("program.list", start=99)
    t.ask("program.get", name="nobody")
    t.ask("program.get", name="knead", start=99)
    t.ask("program.get")
    t.ask("program.write", offset=0, data="AAAA")
    t.ask("program.commit")
    document = check.load(FILE, "tickle.toml").document
    for bad in (
        {"name": "knead", "size": 10},
        {"name": "No Name!", "size": 10},
        {"name": "tickle", "size": 0},
        {"name": "tickle", "size": 9999},
        {"name": "tickle"},
    ):
        t.ask("program.begin", **bad)
    t.ask("program.begin", name="tickle", size=len(document))
    t.ask("program.write", offset=5, data="AAAA")
    t.ask("program.write", offset=0, data="!")
    t.ask("program.commit")
    _push(t, "tickle", b"OKP1 00000000\n{}\n")
    _push(t, "tickle", _document("tickle", TOO_HIGH))
    _push(t, "tickle", _document("other", SPARE))
    _push(t, "tickle", document)
    offset = 0
    while offset is not None:
        offset = t.ask("program.fetch", name="tickle", offset=offset)["next"]
    t.ask("program.fetch", name="tickle", offset=9999)
    t.ask("program.fetch", name="knead", offset=0)
    t.walk("program.get", name="tickle")
    for number in range(1, PROGRAMS_MAX):
        _push(t, f"spare-{number}", _document(f"spare-{number}", SPARE))
    t.ask("program.begin", name="one-too-many", size=100)
    t.walk("program.list")
    for number in range(1, PROGRAMS_MAX):
        t.ask("program.remove", name=f"spare-{number}")
    t.ask("program.remove", name="nobody")
    t.ask("program.remove", name="knead")
    t.ask("program.select", name="nobody")
    t.ask("program.select", name="tickle")


def _document(name: str, stages: list[Any]) -> bytes:
    rest = json.dumps({"name": name, "stages": stages}, separators=(",", ":")).encode() + b"\n"
    return b"OKP1 %08x\n" % zlib.crc32(rest) + rest


def _push(t: Talk, name: str, document: bytes) -> None:
    room = t.ask("program.begin", name=name, size=len(document))["room"]
    for offset in range(0, len(document), room):
        t.ask("program.write", offset=offset, data=b64encode(document[offset : offset + room]).decode())
    t.ask("program.commit")


def _play(t: Talk) -> None:
    if not t.has("program.list"):
        return
    for bad in (
        {"program": "nobody", "run_s": 10},
        {"program": "tickle", "run_s": 79},
        {"program": "tickle", "run_s": TICKLE_S, "level": 3},
        {"program": "tickle", "run_s": TICKLE_S, "shift": 99},
        {"program": "tickle", "run_s": TICKLE_S, "shift": 10},
        {"program": "steady", "run_s": 60},
    ):
        t.ask("session.start", **bad)
    t.ask("settings.set", values={"max_level": 2, "default_level": 2})
    t.ask("session.start", program="tickle", run_s=TICKLE_S)
    t.walk("program.list")
    t.ask("settings.reset", names=["max_level", "default_level"])
    t.ask("session.start", program="tickle", run_s=TICKLE_S, shift=1)
    t.alive(4)
    t.ask("status")
    t.ask("session.level", level=6)
    t.ask("session.skip")
    t.alive(1)
    t.ask("status")
    t.ask("session.back")
    t.alive(2)
    t.ask("session.skip")
    t.ask("session.skip")
    t.alive(1)
    t.ask("session.skip")
    t.ask("session.stop")
    t.wait(1)
    t.ask("program.remove", name="tickle")
    t.ask("program.select", name="steady")
    t.press("mode", 0.1)
    t.wait(1)
    t.press("minus", 0.1)
    t.wait(1)


def _faults(t: Talk) -> None:
    t.ask("session.start", level=3, run_s=60)
    t.alive(3)
    t.do("inject", "motor_ntc", "open")
    t.alive(1)
    t.ask("status")
    t.ask("fault.clear")
    t.ask("session.start", level=3, run_s=60)
    t.do("mend", "motor_ntc")
    t.wait(1)
    t.ask("fault.clear")
    t.ask("fault.clear")
    t.ask("status")


def _flash(t: Talk) -> None:
    t.ask("settings.set", values={"buzzer": False})
    t.do("inject", "flash_failing")
    t.ask("settings.save")
    t.do("mend", "flash_failing")
    t.wait(1)
    t.ask("status")
    t.ask("fault.clear")
    t.ask("settings.reset", names=["buzzer"])
    t.ask("settings.save")


def _selftest(t: Talk) -> None:
    t.ask("selftest")
    t.ask("selftest", run="yes")
    t.ask("selftest", run=True)
    t.ask("session.start", level=2, run_s=60)
    t.ask("session.stop")
    t.wait(8)
    t.ask("selftest")


def _dose_and_journal(t: Talk) -> None:
    if t.has("dose.get"):
        t.walk("dose.get")
    t.ask("dose.get", start=99)
    t.walk("journal.read")
    t.ask("journal.read", start=-1)
    t.ask("journal.read", start=9999)


def _restarts(t: Talk) -> None:
    t.insist("maintenance", now=True)
    t.ask("maintenance")
    t.wait(2)
    t.ask("status")
    t.ask("session.start", level=2, run_s=60)
    t.ask("selftest", run=True)
    t.ask("selftest")
    t.ask("reboot")
    t.wait(2)
    t.ask("status")
    t.do("inject", "settings_corrupt")
    t.do("power_cycle")
    t.wait(2)
    t.ask("hello")
    t.ask("status")
    t.ask("settings.save")
    t.ask("status")
    t.wait(10)  # crashing any sooner the firmware would stay down
    t.do("inject", "crash")
    t.wait(3)
    t.ask("status")
    t.ask("fault.clear")
    t.walk("journal.read")


def _full_flash(t: Talk) -> None:
    """Last of all: what it leads to depends on where files happen to lie."""
    t.ask("settings.set", values={"buzzer": False})
    t.do("inject", "flash_full")
    t.ask("settings.save")
    t.either()
