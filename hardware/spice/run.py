"""Runs the drive stage in ngspice across tolerances and battery, and holds the simulator's plant against it.

Writes README.md, results.json and pictures beside itself. `--quick` runs the reference corner alone and
writes nothing; `--check` runs everything, writes nothing, and fails also when results.json is stale
(by 1 %, or 10 % where a supply is opened).
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from hardware.params.load import ParamError, Parameters, load  # noqa: E402
from hardware.spice.cases import Case, Corner, bare, cases, corners, settled, supply_cases  # noqa: E402
from hardware.spice.circuit import SpiceError, simulate  # noqa: E402
from hardware.spice.page import Row, page  # noqa: E402

STALE = 0.01  # ngspice 39 and 46 agree within it, …
STALE_PHASE = 0.10  # … but for a supply opened at whatever moment of the regulation's off-time
DRIFT = 0.002  # a steady run whose speed still moves by more is none


def work(p: Parameters, quick: bool) -> list[tuple[Corner, Case]]:
    """All runs: every corner, and for the supply's own cases the two that matter."""
    found = corners(p)
    reference, full = found[0], next(corner for corner in found if corner.name == "full")
    if quick:
        return [(reference, case) for case in cases(reference)]
    runs = [(corner, case) for corner in found for case in cases(corner)]
    return runs + [(corner, case) for corner in (full, bare(full)) for case in supply_cases(corner)]


def measure(corner: Corner, case: Case) -> Row:
    """One case at one corner: what the circuit says, what the plant says, how far they are apart."""
    circuit = {name: abs(value) for name, value in simulate(corner.parameters, case.run).items()}
    plant = case.plant()
    off = {name: plant[name] / circuit[name] - 1 for name in case.tolerance}
    problems = [
        f"{name}: plant {off[name] * 100:+.1f} %, allowed {case.tolerance[name] * 100:g} %"
        for name in case.tolerance
        if not abs(off[name]) <= case.tolerance[name]
    ]
    before, after = circuit.pop("before_rad_s", 1.0), circuit.pop("after_rad_s", 1.0)
    if abs(after / before - 1) > DRIFT:
        problems.append(f"not steady: {before:.2f} → {after:.2f} rad/s")
    high = circuit.get("bus_high_v", 0.0)
    p = corner.parameters
    most = min(p["stage.bulk_max_v"], p["stage.bridge_max_v"], p["stage.logic_max_v"])
    if high > most:
        problems.append(f"bus at {high:.1f} V, allowed {most:g} V")
    return {
        "corner": corner.name,
        "case": case.name,
        "duty": case.run.duty,
        "circuit": circuit,
        "plant": {name: plant[name] for name in case.tolerance},
        "off": off,
        "problems": problems,
    }


def stale(old: Iterable[Row], new: Iterable[Row]) -> list[str]:
    """Where the kept results are not those of now."""
    kept = {(row["corner"], row["case"]): row["circuit"] for row in old}
    found = []
    for row in new:
        before = kept.get((row["corner"], row["case"]), {})
        near = STALE if row["off"] else STALE_PHASE
        for name, value in row["circuit"].items():
            was = before.get(name) or math.nan
            if not (math.isnan(value) or abs(value - was) <= near * abs(was) + 1e-5):
                found.append(
                    f"{row['corner']}, {row['case']}: {name} is {value:.4g}, results.json has {was:.4g}"
                )
    return found


def told(row: Row) -> str:
    """A row in one line."""
    bad = "; ".join(row["problems"])
    return f"{'FAILED' if bad else 'ok    '}  {row['corner']}, {row['case']}  {bad}".rstrip()


def main() -> int:
    """Run, compare, write; 0 when the plant agrees everywhere and no limit is broken, 2 without ngspice."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="the reference corner alone; write nothing")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when results.json is stale")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="constants that replace the reference's; writes nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    given = parser.parse_args()
    try:
        p = settled(load(given.params))
        todo = work(p, given.quick)
        rows = []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for row in pool.map(lambda each: measure(*each), todo):
                rows.append(row)
                if not given.json:
                    print(f"{len(rows)}/{len(todo)}  {told(row)}", flush=True)
    except (ParamError, SpiceError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    problems = [f"{row['corner']}, {row['case']}: {text}" for row in rows for text in row["problems"]]
    kept = HERE / "results.json"
    if given.check:
        problems += stale(json.loads(kept.read_text()), rows)
    elif not given.quick and not given.params:
        from hardware.spice.pictures import draw

        kept.write_text(json.dumps(rows, indent=1) + "\n")
        (HERE / "README.md").write_text(page(rows, p), encoding="utf-8")
        draw(p, HERE)
    if given.json:
        print(json.dumps({"rows": rows, "problems": problems}))
    else:
        print("\n".join(problems) or f"all {len(rows)} runs are within their limits")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
