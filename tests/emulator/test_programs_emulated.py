"""The first seconds of programs on the emulated Pico: a ramp, a wave, a timer; sent over its serial port."""

import base64

import pytest
from openknead.programs import curve
from openknead.programs.document import pack
from openknead.programs.model import Program, Stage

pytest.importorskip("openknead_sim.emulator.pico", reason="pip install 'openknead[emulator]'")

pytestmark = [pytest.mark.emulator, pytest.mark.emulator_long, pytest.mark.xdist_group("emulator")]

SLEW_S = 1  # that of the boards here
SECONDS = 4
SETTLED_S = 1.0
LEVEL_OPM = 270
PROGRAMS = {
    "ramp": (Stage("up", 8, "ramp", 1, 4),),
    "wave": (Stage("to and fro", 12, "wave", 1, 3, 6),),
    "timer": (Stage("hold", 3, "off"), Stage("change", 6, "off", cue="stage")),
}


def send(host, name, stages):
    """Put a program on the board, in the parts that it takes."""
    data = pack(Program(name, stages), b"")
    room = host.call("program.begin", name=name, size=len(data))["room"]
    for at in range(0, len(data), room):
        part = base64.b64encode(data[at : at + room]).decode()
        host.call("program.write", offset=at, data=part)
    return host.call("program.commit", timeout_us=5e6)


def is_cue(message):
    return message["method"] == "event" and message["params"]["name"] == "cue"


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_begins_as_its_plot_shows(boards, name):
    rig = boards.get()
    stages = PROGRAMS[name]
    length_s = sum(stage.seconds for stage in stages)
    assert send(rig.host, name, stages) == {"name": name, "s": length_s}
    points = curve.evaluate(stages, slew_s=SLEW_S)
    rig.host.call("session.start", program=name, run_s=length_s)
    began_us = rig.pico.now_us
    rates = []
    for n in range(1, SECONDS * 2 + 1):
        rig.run_ms(500 - (rig.pico.now_us - began_us) / 1000 % 500)
        rates.append((n / 2, rig.plant.rate_opm))
        rig.host.call("session.keepalive")
    status = rig.host.call("status")
    cues = [m["params"]["value"] for m in rig.host.listen() if is_cue(m)]
    rig.host.call("session.stop")
    rig.host.call("program.remove", name=name)
    assert status["program"] == name
    for t_s, rate in rates:
        wanted = curve.rate_opm(points[round(t_s * curve.HZ)].level_milli)
        if name == "timer":
            assert rate == 0.0
            assert not rig.pico.pin(rig.pins["RUN_REQ"]).high
        elif t_s >= SLEW_S + SETTLED_S:
            assert abs(rate - wanted) <= LEVEL_OPM / 2 + 0.05 * wanted, (t_s, rate, wanted)
    if name == "timer":
        assert status["stage"] == 2 and "stage" in cues
