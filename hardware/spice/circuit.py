"""The drive stage as an ngspice netlist: supply, bulk capacitor, switching bridge, motor, pad on its crank.

Every switch switches, at 20 kHz; nothing is averaged. The mechanics are circuit, too: the momentum is a
capacitor's voltage, torque a current. The gates come from pulse sources, or, where the driver's current
regulation matters (`regulated`), from those and a monostable that the current trips.
"""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hardware.params.load import Parameters

HOW_TO_INSTALL = "ngspice is not installed: apt-get install ngspice"
SAVED = ("v(w)", "i(vm)", "v(bus)", "i(vocv)")


class SpiceError(Exception):
    """ngspice is missing, or did not do what it was asked; the message has its last words."""


@dataclass(frozen=True)
class Run:
    """One transient: what is applied, for how long, what is measured.

    volts: open-circuit voltage of the supply; duty: 0…1 until `off_s`, when the driver sleeps (`coast`) or
    brakes; speed_rad_s, current_a: at the start; pressure: of the hand, 0…2; open_s: the supply is opened;
    blocked: the rotor is held; regulated: with current regulation; charged: the bulk capacitor is, at first;
    measures: name → the `.meas tran` behind it.
    """

    seconds: float
    measures: Mapping[str, str]
    volts: float = 11.1
    duty: float = 0.0
    pressure: float = 0.0
    speed_rad_s: float = 0.0
    current_a: float = 0.0
    off_s: float = math.inf
    coast: bool = False
    open_s: float = math.inf
    blocked: bool = False
    regulated: bool = False
    charged: bool = True
    step_s: float = 5e-6
    wave: Path | None = field(default=None, compare=False)  # where v(w), i(vm), v(bus), i(vocv) go


def netlist(p: Parameters, run: Run) -> str:
    """The circuit of a run, with what ngspice has to do."""
    return "\n".join(
        [
            "OpenKnead drive stage",
            *_supply(p, run),
            *_bridge(p, run),
            *_motor(p, run),
            ".options method=gear maxord=2 reltol=1e-3",
            ".control",
            "save " + " ".join(SAVED),
            f"tran {run.step_s:g} {run.seconds:g} 0 {2 * run.step_s:g} uic",
            *(f"meas tran {name} {text}" for name, text in run.measures.items()),
            *([f"linearize {' '.join(SAVED)}", f"wrdata {run.wave} {' '.join(SAVED)}"] if run.wave else []),
            "quit",
            ".endc",
            ".end",
            "",
        ]
    )


def _supply(p: Parameters, run: Run) -> list[str]:
    charge = run.volts if run.charged else 0.0
    opens = "" if run.open_s == math.inf else f" PWL(0 1 {run.open_s:.9g} 1 {run.open_s + 1e-7:.9g} 0)"
    return [
        f"Vocv src 0 {run.volts:g}",
        f"Vclosed closed 0 {opens or '1'}",
        "Ssrc src sw closed 0 contact",
        ".model contact sw(ron=1m roff=10meg vt=0.5 vh=0.1)",
        f"Rsrc sw lead {p['supply.battery_ohm']:g}",
        f"Llead lead bus {p['stage.lead_h']:g}",
        f"Cbulk bus cx {p['stage.bulk_f']:g} ic={charge:g}",
        f"Resr cx 0 {p['stage.bulk_esr_ohm']:g}",
        f"Biel bus 0 I = v(bus) > 1 ? {p['supply.electronics_a']:g} : 0",
        "Rleak bus 0 100k",  # dividers and regulator
        "Dtvs 0 bus tvs",
        f".model tvs d(bv={p['stage.tvs_v']:g} ibv=1m is=1e-9 rs=0.3)",
    ]


def _bridge(p: Parameters, run: Run) -> list[str]:
    ron = p["bridge.bridge_ohm"] / 2
    # Junction that carries 1 A at its data sheet's voltage.
    body = p["stage.diode_v"] - 0.05
    return [
        *_gates(p, run),
        *(_regulation(p) if run.regulated else ()),
        f"Sha {'hs' if run.regulated else 'bus'} a gha 0 fet",
        "Sla a 0 gla 0 fet",
        "Slb b 0 glb 0 fet",
        "Dha a bus body",
        "Dla 0 a body",
        "Dhb b bus body",
        "Dlb 0 b body",
        f".model fet sw(ron={ron:g} roff=1meg vt=0.5 vh=0.1)",
        f".model body d(is={math.exp(-body / (1.5 * 0.02585)):.4g} n=1.5 rs=0.05)",
    ]


def _gates(p: Parameters, run: Run) -> list[str]:
    period, dead, d = 1 / p["stage.pwm_hz"], p["stage.dead_s"], run.duty
    sleep = run.off_s if run.coast else math.inf
    awake = "1" if sleep == math.inf else f"PWL(0 1 {sleep:.9g} 1 {sleep + 1e-8:.9g} 0)"
    if 0.0 < d < 1.0 and d * period <= dead:
        d = 0.0  # a pulse shorter than the dead time
    if d in (0.0, 1.0):
        high, low = f"{d:g}", f"{1 - d:g}"
    else:  # the high side waits for the dead time, the low side stays off for it
        high = f"PULSE(0 1 {dead:g} 10n 10n {d * period - dead:g} {period:g})"
        low = f"PULSE(1 0 0 10n 10n {d * period + dead:g} {period:g})"
    live = "1" if run.off_s == math.inf else f"PWL(0 1 {run.off_s:.9g} 1 {run.off_s + 1e-8:.9g} 0)"
    rows = [f"Vawake glb 0 {awake}", f"Vlive live 0 {live}", f"Vhigh high 0 {high}", f"Vlow low 0 {low}"]
    if run.off_s == math.inf:
        return [*rows, "Rgha high gha 1", "Rgla low gla 1"]
    return [
        *rows,
        "Bgha gha 0 V = v(high) > 0.5 && v(live) > 0.5 ? 1 : 0",
        "Bgla gla 0 V = (v(low) > 0.5 || v(live) < 0.5) && v(glb) > 0.5 ? 1 : 0",
    ]


def _regulation(p: Parameters) -> list[str]:
    """A current above the trip starts an off-time, in which the low sides take it over."""
    trip = p["stage.vref_v"] / p["sense.isense_v_per_a"]
    return [
        "Wtrip timer 0 Vm over",
        f".model over csw(it={trip - 0.003:g} ih=0.003 ron=10 roff=1g)",
        "Ctimer timer 0 1n ic=1.3",
        f"Icharge 0 timer {1e-9 / p['stage.off_s']:g}",
        "Dclamp timer clamp held",
        ".model held d(is=1e-12)",
        "Vclamp clamp 0 0.8",
        "Vref ref 0 1",
        "Sallow bus hs timer 0 allow",
        ".model allow sw(ron=1m roff=1meg vt=1 vh=0.02)",
        "Sfree a 0 ref timer free",
        f".model free sw(ron={p['bridge.bridge_ohm'] / 2:g} roff=1meg vt=0.1 vh=0.02)",
    ]


def _motor(p: Parameters, run: Run) -> list[str]:
    crank = 0.5 * p["load.pad_kg"] * p["load.stroke_m"] ** 2
    inertia = p["motor.j_kgm2"] + crank  # mean over a turn; J(θ) = inertia·(1 + eps·cos 2θ)
    eps, k = crank / inertia, p["motor.k_vs"]
    b = p["load.air_nms"] + run.pressure * p["load.tissue_nms"]
    friction = f"{p['motor.no_load_a'] * k:g}*tanh(v(w)/{p['motor.friction_rad_s']:g})"
    turning = 0 if run.blocked else 1
    return [
        f"Rm a m1 {p['motor.r_ohm']:g}",
        f"Lm m1 m2 {p['motor.l_h']:g} ic={run.current_a:g}",
        f"Bemf m2 m3 V = {k:g}*v(w)",
        "Vm m3 b 0",
        # Momentum over mean inertia: torque and the pad's own ½·J'(θ)·ω².
        f"Bt 0 mom I = ({k:g}*i(Vm) - {b:g}*v(w) - {friction})/{inertia:g} - {eps:g}*sin(2*v(th))*v(w)*v(w)",
        f"Cmom mom 0 1 ic={run.speed_rad_s:g}",
        f"Bw w 0 V = {turning}*v(mom)/(1 + {eps:g}*cos(2*v(th)))",
        "Bth 0 th I = v(w)",
        "Cth th 0 1 ic=0.7854",  # where cos 2θ is 0
    ]


def simulate(p: Parameters, run: Run, timeout_s: float = 600.0) -> dict[str, float]:
    """Run it; the measures by name, NaN for one that never came. Raises SpiceError."""
    if shutil.which("ngspice") is None:
        raise SpiceError(HOW_TO_INSTALL)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run.cir"
        path.write_text(netlist(p, run))
        command: Sequence[str] = ("ngspice", "-b", str(path))
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=folder)
        except subprocess.TimeoutExpired as problem:
            raise SpiceError(f"ngspice took longer than {timeout_s:g} s") from problem
    said = done.stdout + done.stderr
    if "aborted" in said or "Error" in said.replace("Error: measure", ""):
        raise SpiceError(f"ngspice failed: {said.strip()[-600:]}")
    found = {}
    for name in run.measures:
        match = re.search(rf"^{name}\s*=\s*([-+0-9.eE]+)", done.stdout, re.MULTILINE)
        found[name] = float(match[1]) if match else math.nan
    return found
