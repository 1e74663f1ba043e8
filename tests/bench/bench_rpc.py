"""Time that each method takes on the emulated Pico: from the line that has come to the reply that can leave.

Each row is the slowest of a method's REQUESTS, with the motor on and in idle. Every request starts on a heap
that was just collected, as in the app, which collects in the spare time of a tick. Emulated time: a real Pico
is somewhat slower. Takes some minutes.

    python tests/bench/bench_rpc.py [VERSION]
"""

import base64
import binascii
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from openknead.flash import images
from openknead_sim.emulator import rig

SETTINGS = {"remote_start": True, "acknowledged": True, "slew_s": 1}
SLOT_MS = 8.6  # of a tick of 10 ms, what the tick itself leaves

STAGES = [[f"stage number {n:02d}", 20, "wave", 1, 11, 5, "hamstring_left", "move_on"] for n in range(24)]
NEW_VALUES = {"area_s": 60, "slew_s": 3, "handle_limit_dc": 400, "session_limit_s": 600, "rest_s": 600}

Requests = Mapping[str, Sequence[Mapping[str, object]]]


def largest_document() -> bytes:
    """A program with as many stages and bytes as a device takes."""
    body = json.dumps({"name": "big", "stages": STAGES}, separators=(",", ":")).encode() + b"\n"
    body += b"x" * (3072 - 14 - len(body))
    return b"OKP1 %08x\n" % binascii.crc32(body) + body


DOCUMENT = largest_document()
PART = {"offset": 0, "data": base64.b64encode(DOCUMENT[:300]).decode()}

# Method → params of requests worth a measurement: the longest replies, the longest refusals. Those that the
# table lacks are asked without params. What ends the device's run (`maintenance`, `reboot`) is left out.
REQUESTS: Requests = {
    "schema": [
        {"section": name}
        for name in ("settings", "faults", "refusals", "methods", "events", "telemetry", "programs")
    ],
    "settings.get": [{"name": "slew_s"}, {"name": "x" * 60}],
    "settings.list": [{}, {"start": 20}],
    "settings.stage": [{"values": NEW_VALUES}, {"values": {f"unknown_{n}": n for n in range(12)}}],
    "settings.set": [
        {"values": NEW_VALUES},
        {"values": {"slew_s": 2, "area_s": 90}},
        {"values": {f"unknown_{n}": n for n in range(12)}},
    ],
    "settings.reset": [{}, {"names": ["slew_s"]}],
    "session.start": [
        {"level": 1, "run_s": 300},
        {"program": "big", "run_s": 480},
        {"program": "hamstring-10", "run_s": 600},
        {"program": "none", "run_s": 60},
    ],
    "session.level": [{"level": 2}, {"level": 99}],
    "telemetry.subscribe": [{"hz": 0}, {"hz": 3}],
    "selftest": [{}, {"run": True}],
    "journal.read": [{}],
    "clock.set": [{"unix_s": 1_800_000_000}, {"unix_s": 1_800_100_000, "utc_offset_min": 60}],
    "program.get": [{"name": "big"}, {"name": "hamstring-10"}],
    "program.begin": [{"name": "big", "size": len(DOCUMENT)}],
    "program.write": [PART],
    "program.fetch": [{"name": "big", "offset": 0}],
    "program.select": [{"name": "big"}],
    "program.remove": [{"name": "big"}],
}
LEFT_OUT = ("maintenance", "reboot")

# Runs at the prompt. The session is started as the button does, so that no host can be missed.
PREPARE = r"""
import gc, json, time
from massager import methods, rpc
from massager.app import App
from massager.board import Board, Files
app = App(Board(), Files())
def steps(n):
    for _ in range(n):
        app.step()
def ready():
    while app.selftest.state == "running" or app.startup.record:
        app.step()
    return app.selftest.state
def drive():
    steps(2)  # the first is late: nothing ran at the prompt
    if app.session.state == 2:
        app.session.resume()
    if app.session.state == 3:
        app.session.stop(3)
    if not app.session.active():
        app.session.start(1, 600000, 1)
    for _ in range(100):
        app.step()
        if app._wake > 2:
            break
    return app.session.motor_on and app._wake > 2 and not app.safety.fault
def rest():
    app.session.stop(3)
    app.safety.clear()
    steps(3)
    return not app.session.active()
def ask(line):
    gc.collect()
    app.step()  # the collection is not part of the request's slot
    began = time.ticks_us()
    reply = rpc.answer(app, line)
    return time.ticks_diff(time.ticks_us(), began), reply
print("\n#" + json.dumps([ready(), [row[0] for row in methods.METHODS]]))
"""
# The motor rests before the prompt is left alone: nothing feeds the interlock there.
ASK = r"""
found = []
for line in {lines!r}:
    ok = {state}()
    took, reply = ask(line)
    found.append([ok, took, app.safety.fault, reply[:{shown}]])
    steps(2)
rest()
print("\n#" + json.dumps(found))
"""
SHOWN = 160


def figures(micropython: str = images.REFERENCE) -> dict[str, dict[str, object]]:
    """name → value, unit, aim, peer, ratio. Raises ImageMissing when the cache lacks the image."""
    bench = rig.boot(images.find(micropython), settings=SETTINGS)
    bench.host.call("hello", timeout_us=10e6)
    while bench.host.call("status")["selftest"] != "passed":
        bench.run_ms(20)
    send_program(bench)
    bench.pico.interrupt()
    return at_the_prompt(bench)


def send_program(bench: rig.Rig) -> None:
    """Let the device keep the largest program there can be."""
    bench.host.call("program.begin", name="big", size=len(DOCUMENT))
    for offset in range(0, len(DOCUMENT), 300):
        data = base64.b64encode(DOCUMENT[offset : offset + 300]).decode()
        bench.host.call("program.write", offset=offset, data=data)
    bench.host.call("program.commit", timeout_us=5e6)


def at_the_prompt(bench: rig.Rig, methods: Sequence[str] = ()) -> dict[str, dict[str, object]]:
    """Measure these methods, or all, with the motor on and in idle, at the prompt, which must be free."""
    state, known = answer(bench, PREPARE)
    if state != "passed":
        raise RuntimeError(f"self-test {state}")
    worst: dict[str, float] = {}
    for state in ("drive", "rest"):
        for name in methods or known:
            if name in LEFT_OUT:
                continue
            took = ask(bench, state, name)
            worst[f"rpc_{'motor_on' if state == 'drive' else 'idle'}_ms {name}"] = took
    bench.pico.exec("rest()\napp.board.enable_motor(0)", timeout_us=5e6)
    on = max(took for row, took in worst.items() if row.startswith("rpc_motor_on"))
    return {row: figure(took) for row, took in worst.items()} | {"rpc_worst_ms": figure(on, SLOT_MS)}


def figure(value: float, aim: float | None = None) -> dict[str, object]:
    return {"value": round(value, 1), "unit": "ms", "aim": aim, "peer": None, "ratio": None}


def ask(bench: rig.Rig, state: str, method: str) -> float:
    """Milliseconds that the slowest of a method's requests takes in this state ("drive" or "rest")."""
    asked = REQUESTS.get(method, [{}])
    lines = [
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        for params in asked
    ]
    worst_us = 0
    rows = answer(bench, ASK.format(state=state, lines=lines, shown=SHOWN))
    for params, (reached, took_us, fault, reply) in zip(asked, rows, strict=True):
        if not reached or fault:
            raise RuntimeError(f"{method}: state {state} not reached, or fault {fault}: {reply}")
        print(
            f"  {state:6}{took_us / 1000:7.1f} ms  {method} {json.dumps(params)[:60]}",
            file=sys.stderr,
            flush=True,
        )
        print(f"         {reply[21:110]}", file=sys.stderr, flush=True)
        worst_us = max(worst_us, took_us)
    return worst_us / 1000


def answer(bench: rig.Rig, code: str) -> Any:
    """What the code prints after a "#"; the app's own events are on the same line to the host."""
    text = bench.pico.exec(code, timeout_us=20e6)
    return json.loads(text[text.rindex("\n#") + 2 :].split("\n")[0])


if __name__ == "__main__":
    json.dump(figures(*sys.argv[1:]), sys.stdout, indent=2)
