"""Calculates the budgets and holds each against its limit: exit code 1 when one is broken.

Writes README.md and heat.svg beside itself; `--check` writes nothing and fails also when the page is stale.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1]))

from hardware.bom.parts import PartsError, ratings  # noqa: E402
from hardware.budgets.heat import at, warm  # noqa: E402
from hardware.budgets.rows import HEAVY, INFO, LOAD_RAD_S, Row, budgets, motor_current  # noqa: E402
from hardware.params.load import ParamError, Parameters, load  # noqa: E402

README = HERE / "README.md"


def page(rows: list[Row]) -> str:
    """The page for people."""
    least = min((row for row in rows if row.sense != INFO), key=lambda row: row.margin)
    parts = [
        f"""# Budgets

Written by `hardware/budgets/run.py` from [the parameters](../params/README.md) and the ratings of
[the parts](../bom/README.md). A broken limit fails `make test`. Calculated, not measured: no such device has
been built.

Least margin: {least.margin * 100:.0f} % ({least.name}).

![Warming up with a heavy hand](heat.svg)
"""
    ]
    for group in dict.fromkeys(row.group for row in rows):
        parts.append(f"\n## {group}\n\n| what | value | limit | margin | basis; limit's basis |\n")
        parts.append("|---|---|---|---|---|\n")
        for row in (row for row in rows if row.group == group):
            limit = "" if row.sense == INFO else f"{row.sense} {row.limit:.4g} {row.unit}"
            margin = "" if row.sense == INFO else f"{row.margin * 100:.0f} %"
            bold = "" if row.holds else "**"
            value = f"{bold}{row.value:.4g} {row.unit}{bold}"
            parts.append(f"| {row.name} | {value} | {limit} | {margin} | {row.basis} |\n")
    return "".join(parts)


def draw(p: Parameters, path: Path) -> None:
    """Temperatures over half an hour with a heavy hand and no firmware."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "openknead"
    from matplotlib import pyplot

    air, current = p["body.ambient_c"], motor_current(p, HEAVY, LOAD_RAD_S)
    states = [at(air)]
    for n in range(1, 181):
        states.append(warm(p, states[-1], current, LOAD_RAD_S, air, n * 10.0))
    figure, axes = pyplot.subplots(figsize=(8, 4), constrained_layout=True)
    for part, limit in (
        ("winding", "winding_max_c"),
        ("case", "case_max_c"),
        ("driver", ""),
        ("handle", "handle_max_c"),
    ):
        (line,) = axes.plot([s.t_s / 60 for s in states], [getattr(s, part) for s in states], label=part)
        if limit:
            axes.axhline(p[f"body.{limit}"], color=line.get_color(), linestyle=":", linewidth=1)
    axes.axvline(15, color="grey", linewidth=1)
    axes.set(
        xlabel="min",
        ylabel="°C",
        title=f"Heavy hand at {current:.2f} A, {air:g} °C, no firmware; dotted: limits",
    )
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def main() -> int:
    """Calculate, print, write; 0 when all hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the page is stale")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="constants that replace the reference's; writes nothing"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    given = parser.parse_args()
    try:
        p = load(given.params)
        rows = budgets(p, ratings())
    except (ParamError, PartsError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    broken = [row for row in rows if not row.holds]
    stale = not given.params and (not README.exists() or README.read_text(encoding="utf-8") != page(rows))
    if stale and not given.check:
        README.write_text(page(rows), encoding="utf-8")
        draw(p, HERE / "heat.svg")
    if given.json:
        keys = ("group", "name", "value", "unit", "sense", "limit", "margin", "holds", "basis")
        plain = [{key: getattr(row, key) for key in keys} for row in rows]
        print(
            json.dumps(
                [{k: None if v != v else v for k, v in row.items()} for row in plain], ensure_ascii=False
            )
        )
    else:
        for row in rows:
            limit = (
                ""
                if math.isnan(row.limit)
                else f"{row.sense} {row.limit:.4g}, margin {row.margin * 100:.0f} %"
            )
            print(f"{'ok    ' if row.holds else 'BROKEN'}  {row.name}: {row.value:.4g} {row.unit} {limit}")
        if stale and given.check:
            print("stale, run hardware/budgets/run.py: README.md")
        print(
            f"{len(broken)} of {len(rows)} budgets are broken" if broken else f"all {len(rows)} budgets hold"
        )
    return 1 if broken or (stale and given.check) else 0


if __name__ == "__main__":
    sys.exit(main())
