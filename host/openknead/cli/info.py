"""`knead list`, `knead info`, `knead status`: looking, without changing anything."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from openknead import ports
from openknead.cli.common import App, columns, pass_app
from openknead.errors import OpenKneadError
from openknead.model import Status
from openknead.report import clock

SUMMED_UP = ("settings", "methods", "faults", "limiters", "telemetry")


@click.command("list")
@pass_app
def list_ports(app: App) -> None:
    """Which devices are there: running virtual boards, and Picos on USB.

    Each port that is free is asked who it is; nothing else is sent.
    """
    found = [_identity(port, min(app.timeout, 1.0)) for port in ports.candidates()]
    people = columns([(entry["port"], entry["kind"], entry["says"]) for entry in found])
    app.emit(
        {"devices": found},
        people
        or "no devices: start a virtual board with `knead sim`, or plug one in; it is in? knead doctor",
    )


def _identity(port: ports.Port, timeout: float) -> dict[str, Any]:
    from openknead.device import connect

    entry: dict[str, Any] = {"port": port.port, "kind": port.kind, "detail": port.detail}
    try:
        with connect(port.port, timeout=timeout, set_clock=False) as device:
            entry |= {"hello": asdict(device.hello), "shared": device.shared}
            shared = ", in use by another knead" if device.shared else ""
            entry["says"] = f"OpenKnead {device.hello.firmware}, board {device.hello.board}{shared}"
    except OpenKneadError as error:
        entry |= {"error": error.as_dict(), "says": error.message}
    return entry


@click.command()
@pass_app
def info(app: App) -> None:
    """Who the device is and what it offers."""
    with app.connect() as device:
        hello = device.hello
        started = "" if hello.boot is None else f", boot {hello.boot}"
        counts = {section: len(device.schema(section)) for section in SUMMED_UP}
        rows = [
            ("Port", device.port + (" (shared by another knead)" if device.shared else "")),
            ("Board", hello.board + (f" (simulated: {hello.sim})" if hello.sim else "")),
            ("Firmware", f"{hello.firmware}, content {hello.content}"),
            ("Protocol", hello.protocol),
            ("Can do", ", ".join(hello.capabilities)),
            ("Up for", clock(hello.uptime_ms / 1000) + started),
            ("Offers", ", ".join(f"{count} {section}" for section, count in counts.items())),
        ]
        machine = {"port": device.port, "shared": device.shared, "hello": asdict(hello), "schema": counts}
        app.emit(machine, columns(rows))


@click.command()
@pass_app
def status(app: App) -> None:
    """What the device is doing now."""
    with app.connect() as device:
        now = device.status()
        app.emit(asdict(now), columns(status_rows(now)))


def status_rows(now: Status) -> list[tuple[str, str]]:
    """A status as (what, how much) for people."""
    session = now.state
    if now.limit_ms and now.state not in ("IDLE", "MAINTENANCE"):
        session += f", {clock(now.elapsed_ms / 1000)} of {clock(now.limit_ms / 1000)}, by {now.origin}"
    elif now.reason:
        session += f" (the last session ended: {now.reason})"
    if now.program:
        shift = f", levels {now.shift:+d}" if now.shift else ""
        left = f", {clock((now.stage_left_ms or 0) / 1000)} left"
        session += f", program {now.program}, stage {now.stage}{left}{shift}"
    rows = [
        ("State", session),
        ("Level", f"{now.level_milli / 1000:g} of {now.level}" if now.level else "off"),
        ("Rate", f"{_or_dash(now.rate_opm)} opm, demanded {now.demand_opm}"),
        ("Motor", f"{_scaled(now.current_ma, 1000, 2)} A, duty {now.duty / 655.35:.0f} %"),
        ("Supply", f"{_scaled(now.supply_mv, 1000, 2)} V, battery {_or_dash(now.battery_pct)} %"),
        (
            "Heat",
            f"motor {_scaled(now.motor_dc, 10, 1)}, driver {_scaled(now.driver_dc, 10, 1)}, "
            f"handle {_scaled(now.handle_dc, 10, 1)}, pad {_scaled(now.pad_dc, 10, 1)} °C",
        ),
        ("Remote", _remote(now)),
    ]
    if now.confirm:
        more = f" and {now.confirm.more} more" if now.confirm.more else ""
        asked = (
            f"{', '.join(now.confirm.names)}{more}: press MODE on the device within {now.confirm.left_s} s"
        )
        rows.append(("Question", asked))
    if now.boot not in (None, "power_on"):
        rows.append(("Started", f"by {now.boot}: see what happened with knead log --explain"))
    if now.selftest not in (None, "passed"):
        rows.append(("Self-test", f"{now.selftest}: see knead selftest --last"))
    if now.fault:
        more = f" (and {now.fault.more} more)" if now.fault.more else ""
        rows += [("Fault", now.fault.name + more), ("", now.fault.remedy)]
    if now.limiters:
        rows.append(("Held back", ", ".join(now.limiters)))
    if now.refusals and now.state == "IDLE":
        rows.append(("Start", "would be refused: " + ", ".join(now.refusals)))
    if now.unsaved:
        more = f" and {now.unsaved_more} more" if now.unsaved_more else ""
        rows.append(("Unsaved", ", ".join(now.unsaved) + more))
    return rows


def _remote(now: Status) -> str:
    if not now.remote_start:
        return "off: hold MODE for 3 s on the device"
    if now.suspended:
        return f"suspended by {now.suspended} at the device: hold MODE for 3 s on it to give it back"
    return "a host may start"


def _or_dash(value: int | None) -> str:
    return "–" if value is None else str(value)


def _scaled(value: int | None, divisor: int, digits: int) -> str:
    return "–" if value is None else f"{value / divisor:.{digits}f}"
