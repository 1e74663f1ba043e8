"""The parameter file that overrides the reference massager's constants with those measured."""

from __future__ import annotations

from datetime import date

from openknead.calibrate.fit import Constants


def override(found: Constants, board: str, day: date) -> str:
    """What `knead sim --params`, ngspice and the budgets read (sections of hardware/params)."""
    source = f"measured: knead calibrate, board {board}, {day.isoformat()}"
    rows = (
        ("r_ohm", "ohm", found.resistance),
        ("k_vs", "V s/rad = N m/A", found.back_emf),
        ("no_load_a", "A", found.no_load),
    )
    lines = []
    for (name, unit, number), part in zip(rows, found.systematic, strict=True):
        off = number.uncertainty + part * number.value
        span = f"min = {max(0.0, number.value - off):.5g}, max = {number.value + off:.5g}"
        lines.append(
            f'{name} = {{ value = {number.value:.5g}, unit = "{unit}", {span}, source = "{source}" }}\n'
        )
    return "[motor]\n" + "".join(lines)
