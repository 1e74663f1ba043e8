"""The unmodified firmware on real MicroPython images: hello, a session, and every way out of it.

One board serves most tests (see `boards`); each leaves it with the app running and the motor off.
"""

import pytest
from openknead_sim.emulator import firmware

pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("emulator")]

LEVEL_1_OPM, LEVEL_2_OPM = 1000, 1270
ALL_LOW = {"RUN_REQ": True, "MOT_PWM": True, "MOT_PH": True}
STANDSTILL_RAD_S = 1.0


def start(rig, level=1, run_s=60):
    """A remote session whose motor has begun to turn."""
    rig.host.call("session.start", level=level, run_s=run_s)
    rig.pico.run_until(lambda: rig.plant.rate_opm > 200, 3e6, "turning shaft", step_us=10_000)
    assert rig.motor_pins() == {"RUN_REQ": False, "MOT_PWM": False, "MOT_PH": True}


def assert_motor_stopped(rig, within_ms=500):
    """Pins low now, and the shaft runs down."""
    assert rig.motor_pins() == ALL_LOW
    rig.pico.run_until(
        lambda: rig.plant.omega_rad_s < STANDSTILL_RAD_S, within_ms * 1000, "standstill", step_us=10_000
    )
    assert rig.motor_pins() == ALL_LOW


def back_to_the_app(rig):
    """From the REPL, by soft reset."""
    rig.pico.soft_reset()
    assert rig.host.call("hello", timeout_us=5e6)["sim"] is False


def test_boots_and_answers_hello(boards):
    rig = boards.get()
    hello = rig.host.call("hello")
    assert hello["sim"] is False
    assert hello["protocol"].split(".")[0] == "1"
    assert len(bytes.fromhex(hello["content"])) == 8
    assert len(bytes.fromhex(hello["board"])) == 8
    assert rig.host.call("status")["state"] == "IDLE"
    assert not rig.pico.pin(rig.pins["RUN_REQ"]).high


def test_session_turns_the_shaft_and_telemetry_agrees(boards):
    rig = boards.get()
    rig.host.call("session.start", level=2, run_s=60)
    rig.host.call("telemetry.subscribe", hz=10)
    rig.run_ms(1600)  # level 1 after slew_s = 1 s of soft start, then on towards level 2
    rig.host.listen()
    rig.run_ms(300)
    frames = [m["params"] for m in rig.host.listen() if m["method"] == "telemetry"]
    rate = rig.plant.rate_opm
    status = rig.host.call("status")
    rig.host.call("telemetry.subscribe", hz=0)
    rig.host.call("session.stop")
    assert LEVEL_1_OPM < rate < LEVEL_2_OPM * 1.05
    assert len(frames) == 3
    names = [field["name"] for field in fields(rig)]
    last = dict(zip(names, frames[-1], strict=True))
    assert last["rate_opm"] == pytest.approx(rate, rel=0.03)
    assert last["rate_opm"] == pytest.approx(last["demand_opm"], rel=0.08)
    assert last["supply_mv"] == pytest.approx(rig.plant.supply_v * 1000, rel=0.02)
    assert last["motor_dc"] == pytest.approx(rig.plant.motor_c * 10, abs=15)
    assert last["level"] == 2
    assert status["state"] == "RUNNING"
    assert status["origin"] == "remote"
    assert status["fault"] is None
    assert_motor_stopped(rig)


def fields(rig):
    """The telemetry section of the schema, all pages."""
    items, start_at = [], 0
    while start_at is not None:
        page = rig.host.call("schema", section="telemetry", start=start_at)
        items += page["items"]
        start_at = page["next"]
    return items


@pytest.mark.parametrize("micropython", ["1.24.1", "1.20.0"])
def test_ctrl_c_stops_the_motor_and_leaves_a_repl(boards, micropython):
    rig = boards.get(micropython)
    assert rig.host.call("hello")["sim"] is False
    start(rig)
    before = rig.pico.now_us
    rig.pico.interrupt()
    assert rig.pico.now_us - before < 50_000
    assert_motor_stopped(rig)
    assert rig.pico.exec("print('at your service')") == "at your service\n"
    back_to_the_app(rig)


def test_soft_reset_with_the_motor_running_takes_the_pins_low(boards):
    rig = boards.get()
    rig.pico.interrupt()
    rig.pico.exec(
        "from massager.board import Board\nb = Board()\nb.enable_motor(1)\nb.write_motor(30000)\n"
        "import time\ntime.sleep_ms(100)"
    )
    assert rig.plant.rate_opm > 200
    assert not rig.pico.pin(rig.pins["RUN_REQ"]).plain_low
    back_to_the_app(rig)
    assert_motor_stopped(rig)
    assert rig.host.call("status")["state"] == "IDLE"


CRASH = b"""

_real_tick = App.tick


def _tick(self, now_us):
    _real_tick(self, now_us)
    if self.sense.rate_opm > 300:
        raise RuntimeError("injected by the test")


App.tick = _tick
"""


def test_crash_of_the_app_with_the_motor_running_leaves_it_off(boards):
    app = (firmware.firmware_folder() / "massager" / "app.py").read_bytes()
    rig = boards.make(replace={"massager/app.py": app + CRASH})
    rig.host.call("hello", timeout_us=5e6)
    rig.host.call("session.start", level=1, run_s=60)
    rig.pico.expect(b"RuntimeError: injected by the test", 3e6)
    rig.pico.expect(b">>> ")
    assert rig.plant.omega_rad_s > 10
    assert_motor_stopped(rig)


def test_crash_before_the_app_exists_leaves_the_pins_low(boards):
    rig = boards.make(replace={"massager/app.py": b"import massager.nothing_of_that_name\n"})
    rig.run_ms(500)
    rig.pico.send(b"\r")
    rig.pico.expect(b">>> ")
    assert rig.motor_pins() == ALL_LOW
