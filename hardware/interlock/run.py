"""Truth table of the interlock: `python -m hardware.interlock.run`; `--check` compares with the files there.

Fails when the intact interlock lets the motor turn in a single row that forbids it, when it cannot be used at
all, or when a single fault makes a row unsafe and no group below says what remains.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from hardware.design import Netlist
from hardware.interlock import faults, rows
from hardware.interlock.circuit import Circuit, Fits, load

HERE = Path(__file__).resolve().parent
SCHEMATIC = HERE.parent / "kicad" / "board.kicad_sch"

# Unsafe single faults by cause: pattern of the fault's name, what it does, what remains against it.
GROUPS: tuple[tuple[str, str, str], ...] = (
    (
        r"^TRIP_OK shorted to \+3V3|^trip loop",
        "The trip loop is bridged: opening it changes nothing.",
        "The e-stop's first pole takes the motor's supply away. For the thermostat there is the thermal "
        "cut-off on the motor, and the firmware's temperatures. Try the e-stop now and then.",
    ),
    (
        r"^RUN_REQ shorted to \+3V3",
        "Come while armed: STOP and the dead-man no longer reach the driver.",
        "The firmware's duty of 0 brakes; its read-back and self-test say `interlock_failed`; loop and "
        "one-shots still act. There from the start, it can never be armed.",
    ),
    (
        r"^U1\.(8|16) ",
        "The one-shots' chip without supply or ground: both its outputs are anything.",
        "PIO dead-man and the RP2040's watchdog; the loop still acts.",
    ),
    (
        r"^U2\.(7|14) ",
        "The latches' chip without supply or ground: both its outputs are anything.",
        "An open loop still takes the motor off; closed again, it may go on without re-arm.",
    ),
    (
        r"^U5\.|^POR_N shorted to \+3V3",
        "No clear at power-up: both latches may happen to wake up set.",
        "RUN_REQ is low until the firmware starts a session; pull-downs keep it there.",
    ),
    (
        r"^Q1\.|^R27|NRUN",
        "Re-arm does not wait for RUN_REQ to be low: whoever presses it may start the motor.",
        "A button inside the housing; the firmware has ended the session long since (`interlock_tripped`).",
    ),
    (
        r"^U4\.(1|7|14) |^U8\.1 |^(DRV_EN|MOT_PWM) shorted to \+3V3|DRV_EN|MOT_PWM",
        "EN stays high while a session runs: full speed whatever the duty is.",
        "RUN_REQ, loop, latch and one-shot A still take nSLEEP away; the firmware says `runaway`.",
    ),
)


def _csv(head: tuple[str, ...], lines: list[tuple[object, ...]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([head, *lines])
    return out.getvalue()


def truth_table(circuit: Circuit) -> tuple[str, list[str]]:
    """The rows as CSV, and what is wrong with them."""
    wrong = []
    lines: list[tuple[object, ...]] = []
    judged = rows.judge_rows(circuit)
    for row, outcome in judged:
        loop = ("closed" if row.estop else "open", "closed" if row.thermostat else "open")
        inputs = ("yes" if row.armed else "no", row.run_req, row.mot_pwm, row.kicks, *loop, int(row.held))
        lines.append((*inputs, "may run" if outcome.allowed else "off", outcome.does))
        if outcome.unsafe:
            wrong.append(f"{outcome.name}: the motor must be off, and {outcome.does}")
    told = [rows.tell(circuit, story) for story in rows.STORIES]
    wrong += [
        f"{outcome.name}: the motor must be off, and {outcome.does}" for outcome in told if outcome.unsafe
    ]
    if told[0].does != "runs":
        wrong.append("armed, with everything as it should be, the motor does not run")
    head = ("armed", "RUN_REQ", "duty", "WD_KICK", "e-stop", "thermostat", "re-arm held", "required", "motor")
    return _csv(head, lines), wrong


_bench: tuple[Netlist, Fits, Circuit]


def _prepare(text: str) -> None:
    global _bench
    netlist, fits = load(text)
    _bench = netlist, fits, Circuit(netlist, fits)


def _judge(fault: faults.Fault) -> faults.Result:
    netlist, fits, good = _bench
    return faults.judge(netlist, fits, fault, good)


def all_faults(text: str) -> list[faults.Result]:
    """What each single fault of a schematic file does."""
    found = faults.faults(*load(text))
    with ProcessPoolExecutor(initializer=_prepare, initargs=(text,)) as pool:
        return list(pool.map(_judge, found, chunksize=4))


def group_of(name: str) -> int | None:
    """Index in GROUPS of an unsafe fault."""
    return next((n for n, (pattern, _, _) in enumerate(GROUPS) if re.search(pattern, name)), None)


def summary(results: list[faults.Result]) -> str:
    """Markdown: how many faults of which verdict, and the unsafe ones by cause."""
    counts = {v: sum(r.verdict == v for r in results) for v in ("motor stays off", "hidden", "unsafe")}
    lines = [
        "| single opens and shorts | number | meaning |",
        "| --- | --- | --- |",
        f"| motor stays off | {counts['motor stays off']} | noticed at the next start |",
        f"| hidden | {counts['hidden']} | no change, or one channel of two is lost; only a test tells |",
        f"| unsafe | {counts['unsafe']} | in at least one row the motor may turn though it must not |",
        f"| all | {len(results)} | each tried in {len(rows.rows())} rows, in "
        f"{sum(r.armed for r in rows.rows())} once more as if it came after arming, and in "
        f"{len(rows.STORIES)} sequences |",
        "",
        "| the unsafe ones | what happens | what remains against it |",
        "| --- | --- | --- |",
    ]
    for n, (_, what, remains) in enumerate(GROUPS):
        names = [r.fault.name for r in results if r.unsafe and group_of(r.fault.name) == n]
        if names:
            lines.append(f"| {'; '.join(names)} | {what} | {remains} |")
    return "\n".join(lines) + "\n"


def files() -> tuple[dict[Path, str], list[str]]:
    """What belongs into the folder, and what is wrong."""
    text = SCHEMATIC.read_text(encoding="utf-8")
    table, wrong = truth_table(Circuit(*load(text)))
    results = all_faults(text)
    wrong += [
        f"{r.fault.name}: unsafe ({r.unsafe[0]}), and no group says what remains"
        for r in results
        if r.unsafe and group_of(r.fault.name) is None
    ]
    lines: list[tuple[object, ...]] = [
        (r.fault.name, r.verdict, len(r.unsafe), "; ".join(r.unsafe)) for r in results
    ]
    listing = _csv(("fault", "verdict", "unsafe rows", "which"), lines)
    readme = HERE / "README.md"
    before, mark, rest = readme.read_text(encoding="utf-8").partition("<!-- table: faults -->\n")
    after = rest.partition("<!-- end of table -->")[2]
    page = before + mark + summary(results) + "<!-- end of table -->" + after
    return {HERE / "truth-table.csv": table, HERE / "faults.csv": listing, readme: page}, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing, fail when a file is not up to date"
    )
    arguments = parser.parse_args()
    made, wrong = files()
    for line in wrong:
        print(f"interlock: {line}")
    stale = [
        path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if arguments.check:
            print(
                f"{path.relative_to(HERE.parent.parent)} is not up to date: python -m hardware.interlock.run"
            )
        else:
            path.write_text(made[path], encoding="utf-8")
            print(f"wrote {path.relative_to(HERE.parent.parent)}")
    return 1 if wrong or (arguments.check and stale) else 0


if __name__ == "__main__":
    sys.exit(main())
