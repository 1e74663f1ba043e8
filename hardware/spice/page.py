"""The page of the drive stage's results, for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hardware.params.load import Parameters
from hardware.spice.cases import corners

Row = dict[str, Any]  # corner, case, duty, circuit, plant, off, problems

WORDS = {
    "speed_rad_s": "speed",
    "current_a": "mean motor current",
    "supply_a": "mean supply current",
    "speed_s": "decay of the speed, 320 → 157 rad/s",
    "current_s": "decay of the current, braked",
}


def page(rows: Sequence[Row], p: Parameters) -> str:
    """All of it."""
    coil_mj = 500 * p["motor.l_h"] * p["bridge.bridge_limit_a"] ** 2
    return f"""# Drive stage in ngspice

Written by `hardware/spice/run.py` from [the parameters](../params/README.md): {len(rows)} transients of a
bridge that switches at {p["stage.pwm_hz"] / 1000:g} kHz, each also asked of the simulator's plant with the
same constants. {sum(bool(row["problems"]) for row in rows)} of them are outside their limits.
Calculated, not measured: no such device has been built.

## The simulator's motor is the circuit's motor

Largest difference of the plant from the circuit over all corners and cases; allowed are 2 % of speeds and
mean currents, 10 % of decay times:

{_worst(rows)}
The plant does not model what happens within a PWM period, the bulk capacitor, and the 50 µs in which the
current of a driver that goes to sleep ends: it ends at once.

## Corners

{_corners(p)}
## Results

The circuit's, in brackets the plant's difference. Ripple is peak to peak over 3 ms, with the pad's pulsation.

![A hard start, moderate load, brake and coast](drive.svg)

{_cases(rows)}
## Supply

![Supply opened at stall current](supply.svg)

{_supply(rows)}
An opened supply does no harm: the coil's {coil_mj:.1f} mJ lift the bulk capacitor by less than a volt, and
without it the TVS takes them. Braking shorts the motor: nothing of the rotor's energy returns to the supply.
"""


def _worst(rows: Sequence[Row]) -> str:
    found: dict[str, Row] = {}
    for row in rows:
        for name, off in row["off"].items():
            if name not in found or abs(off) > abs(found[name]["off"][name]):
                found[name] = row
    cells = (
        (WORDS[n], f"{r['off'][n] * 100:+.2f} %", f"{r['corner']}, {r['case']}") for n, r in found.items()
    )
    return _table(("quantity", "plant off by", "where"), cells)


def _corners(p: Parameters) -> str:
    rows = ((c.name, c.meaning, f"{c.volts:.1f} V") for c in corners(p))
    return _table(("corner", "what", "open-circuit voltage"), rows)


def _cases(rows: Sequence[Row]) -> str:
    found = []
    for row in (row for row in rows if row["off"]):
        c = row["circuit"]
        ripple = c["crest_a"] - c["trough_a"] if "crest_a" in c else math.nan
        means = [_pair(row, name, 1) for name in ("speed_rad_s", "current_a", "supply_a")]
        extremes = [_number(value) for value in (c.get("peak_a"), ripple, c.get("bus_low_v"))]
        decays = [_pair(row, name, 1e3) for name in ("speed_s", "current_s")]
        found.append((row["corner"], row["case"], f"{row['duty']:.3f}", *means, *extremes, *decays))
    head = (
        "corner",
        "case",
        "duty",
        "speed rad/s",
        "motor A",
        "supply A",
        "peak A",
        "ripple A",
        "least bus V",
    )
    return _table((*head, "decay of speed ms", "of current ms"), found)


def _supply(rows: Sequence[Row]) -> str:
    found = []
    for row in (row for row in rows if not row["off"]):
        c = row["circuit"]
        times = (c[name] * 1e3 if name in c else None for name in ("current_s", "lockout_s"))
        values = (c.get("peak_a"), c.get("bus_high_v"), *times)
        found.append((row["corner"], row["case"], *map(_number, values)))
    return _table(("corner", "case", "peak A", "highest bus V", "current gone ms", "lockout after ms"), found)


def _table(head: Sequence[str], rows: Any) -> str:
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (head, ["---"] * len(head), *rows))


def _pair(row: Row, name: str, scale: float) -> str:
    if name not in row["circuit"]:
        return ""
    value = _number(row["circuit"][name] * scale)
    return value if name not in row["off"] else f"{value} ({row['off'][name] * 100:+.1f} %)"


def _number(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.4g}"
