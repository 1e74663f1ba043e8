"""The unmodified firmware on real MicroPython images: hello, a session, and every way out of it.

One board serves most tests (see `boards`); each leaves it with the app running and the motor off.
"""

import pytest
import versions
from openknead_sim.emulator import firmware
from openknead_sim.rpc import RpcError
from openknead_sim.virtual import VirtualBoard

POWER_ON = pytest.importorskip(
    "openknead_sim.emulator.pico", reason="pip install 'openknead[emulator]'"
).ResetCause.POWER_ON

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.xdist_group("emulator"),
    pytest.mark.timeout(1200),  # a start takes a minute, on a slow and busy machine three
]

LEVEL_1_OPM = 1000
RUNNING = {"RUN_REQ": False, "MOT_PWM": False, "MOT_PH": True}  # which pins are plain output low
ALL_LOW = {"RUN_REQ": True, "MOT_PWM": True, "MOT_PH": True}
STANDSTILL_RAD_S = 1.0


def start(rig, level=1, run_s=60):
    """A remote session whose motor has begun to turn."""
    rig.host.call("session.start", level=level, run_s=run_s)
    rig.pico.run_until(lambda: rig.plant.rate_opm > 200, 3e6, "turning shaft", step_us=10_000)
    assert rig.motor_pins() == RUNNING


def assert_guarded(rig):
    """Every motor pin is taken back from PWM and driven low, and the shaft runs down."""
    assert rig.motor_pins() == ALL_LOW
    assert_runs_down(rig)
    assert rig.motor_pins() == ALL_LOW


def assert_runs_down(rig):
    """Standstill within a second: asleep, the driver lets the motor coast."""
    rig.pico.run_until(lambda: rig.plant.omega_rad_s < STANDSTILL_RAD_S, 1e6, "standstill", step_us=10_000)


def assert_idle(rig):
    """The app holds the motor off: driver asleep, PWM at duty 0."""
    assert not rig.pico.pin(rig.pins["RUN_REQ"]).high
    assert rig.pico.pwm(rig.pins["MOT_PWM"]).duty == 0
    assert not rig.pico.pin(rig.pins["MOT_PWM"]).high
    assert rig.host.call("status")["state"] == "IDLE"


def test_boots_and_answers_hello(boards):
    rig = boards.get()
    hello = rig.host.call("hello")
    assert hello["sim"] is False
    assert hello["protocol"].split(".")[0] == "1"
    assert len(bytes.fromhex(hello["content"])) == 8
    assert len(bytes.fromhex(hello["board"])) == 8
    assert_idle(rig)


def test_session_turns_the_shaft_and_telemetry_agrees(boards):
    rig = boards.get()
    rig.host.call("session.start", level=1, run_s=60)
    rig.run_ms(1250)  # slew_s = 1 s of soft start, and time to settle
    rig.host.call("telemetry.subscribe", hz=10)
    rig.run_ms(250)
    frames = [m["params"] for m in rig.host.listen() if m["method"] == "telemetry"]
    rate = rig.plant.rate_opm
    status = rig.host.call("status")
    rig.host.call("telemetry.subscribe", hz=0)
    rig.host.call("session.stop")
    assert rate == pytest.approx(LEVEL_1_OPM, rel=0.05)
    assert len(frames) in (2, 3)
    names = telemetry_fields()
    last = dict(zip(names, frames[-1], strict=True))
    assert last["rate_opm"] == pytest.approx(rate, rel=0.03)
    assert last["demand_opm"] == LEVEL_1_OPM
    assert last["supply_mv"] == pytest.approx(rig.plant.supply_v * 1000, rel=0.02)
    assert last["motor_dc"] == pytest.approx(rig.plant.motor_c * 10, abs=15)
    assert last["level"] == 1
    assert status["state"] == "RUNNING"
    assert status["origin"] == "remote"
    assert status["fault"] is None
    assert 500 < status["tick_worst_us"] < 2_000  # of emulated time; `make bench` measures it
    assert_runs_down(rig)
    assert_idle(rig)


@pytest.mark.emulator_long
def test_each_thermistor_reaches_its_own_field(boards):
    """Through the address registers of the real chip."""
    rig = boards.get()
    heat = rig.plant.heat
    heat.case_c, heat.driver_c, heat.handle_c, heat.pad_c = 28.0, 22.0, 25.0, 31.0
    rig.run_ms(1000)
    status = rig.host.call("status")
    for place in ("motor", "driver", "handle", "pad"):
        assert status[f"{place}_dc"] == pytest.approx(getattr(rig.plant, f"{place}_c") * 10, abs=10), place
    heat.soak(25.0)


def telemetry_fields():
    """Names, in their order; asked of the simulated board, because on the emulated one it takes a minute."""
    names, start_at = [], 0
    with VirtualBoard() as board:
        while start_at is not None:
            page = board.rpc("schema", section="telemetry", start=start_at)
            names += [field["name"] for field in page["items"]]
            start_at = page["next"]
    return names


@pytest.mark.emulator_long
def test_soft_reset_with_the_motor_running_takes_the_pins_low(boards):
    rig = boards.get()
    rig.pico.interrupt()
    rig.pico.exec(
        "from massager.board import Board\nimport time\nb = Board()\nb.enable_motor(1)\nb.write_motor(8000)\n"
        "for _ in range(10):\n    b.feed()\n    time.sleep_ms(10)\n"
    )
    assert rig.plant.rate_opm > 200
    assert rig.motor_pins() == RUNNING
    rig.pico.soft_reset()
    rig.pico.run_until(lambda: rig.motor_pins() == ALL_LOW, 1e5, "boot guard", step_us=100)
    assert "off_without_session" in {breach.promise for breach in boards.breaches()}
    assert_runs_down(rig)
    assert rig.host.call("hello", timeout_us=5e6)["sim"] is False
    assert_idle(rig)


CRASH = b"""

_real_tick = App._tick


def _tick(self, now_us):
    _real_tick(self, now_us)
    if self.sense.rate_opm > 300:
        raise RuntimeError("injected by the test")


App._tick = _tick
"""


@pytest.mark.emulator_long
def test_crash_of_the_app_with_the_motor_running_leaves_it_off(boards):
    app = (firmware.firmware_folder() / "massager" / "app.py").read_bytes()
    rig = boards.ready(boards.make(replace={"massager/app.py": app + CRASH}))
    rig.host.call("session.start", level=1, run_s=60)
    rig.pico.expect(b"RuntimeError: injected by the test", 3e6)
    rig.pico.expect(b">>> ")
    assert rig.plant.omega_rad_s > 10
    assert_guarded(rig)


def test_crash_before_the_app_exists_leaves_the_pins_low(boards):
    rig = boards.make(replace={"massager/app.py": b"import massager.nothing_of_that_name\n"})
    rig.run_ms(500)
    rig.pico.send(b"\r")
    rig.pico.expect(b">>> ")
    assert rig.motor_pins() == ALL_LOW


@pytest.mark.emulator_long
def test_remote_start_needs_mode_held_and_survives_power_off(boards):
    rig = boards.make(settings={})
    boards.ready(rig)
    with pytest.raises(RpcError) as refused:
        rig.host.call("session.start", level=1, run_s=60)
    names = [reason["name"] for reason in refused.value.data["refusals"]]
    assert names == ["remote_disabled", "not_acknowledged"]
    with rig.held("MODE"):
        rig.run_ms(3100)
    assert rig.host.call("status")["remote_start"] is True
    rig.pico.hard_reset(POWER_ON)
    rig.pico.connect()
    assert rig.host.call("status", timeout_us=5e6)["remote_start"] is True


@pytest.mark.emulator_long
def test_session_ends_by_itself_at_its_time(boards):
    rig = boards.get()
    rig.host.call("session.start", level=2, run_s=5)
    rig.run_ms(5100)
    events = [m["params"] for m in rig.host.listen() if m["method"] == "event"]
    states = [e["value"] for e in events if e["name"] == "state"]
    assert states == ["RUNNING", "ENDING", "IDLE"]
    assert events[-1]["reason"] == "completed"
    assert_runs_down(rig)
    assert_idle(rig)


@pytest.mark.emulator_long
def test_silent_host_ends_the_session(boards):
    rig = boards.ready(boards.make(settings={**boards.settings, "host_timeout_s": 1}))
    start(rig)
    rig.host.call("session.keepalive")
    rig.run_ms(1050)
    assert_runs_down(rig)
    assert rig.host.call("status")["reason"] == "host_lost"
    assert_idle(rig)


@pytest.mark.emulator_long
def test_stop_button_cuts_within_two_ticks(boards):
    rig = boards.get()
    start(rig)
    rig.press("STOP")
    rig.run_ms(21)
    assert not rig.pico.pin(rig.pins["RUN_REQ"]).high
    assert rig.pico.pwm(rig.pins["MOT_PWM"]).duty == 0
    rig.press("STOP", False)
    rig.run_ms(50)
    assert rig.host.call("status")["reason"] == "stop_button"
    assert_runs_down(rig)


@pytest.mark.emulator_long
@pytest.mark.parametrize("micropython", versions.ALL)
def test_installed_as_sources_it_runs_too(boards, micropython):
    rig = boards.ready(boards.make(micropython, form="source"))
    start(rig)
    assert rig.host.call("status")["fault"] is None
    rig.pico.interrupt()
    assert_guarded(rig)


@pytest.mark.emulator_long
@pytest.mark.parametrize("micropython", versions.OLDER)
def test_session_on_an_older_image(boards, micropython):
    rig = boards.get(micropython)
    rig.host.call("session.start", level=1, run_s=60)
    rig.run_ms(1800)
    status = rig.host.call("status")
    assert status["fault"] is None
    assert status["rate_opm"] == pytest.approx(rig.plant.rate_opm, rel=0.03)
    assert status["rate_opm"] == pytest.approx(LEVEL_1_OPM, rel=0.1)
    rig.host.call("session.stop")
    assert_runs_down(rig)
    assert_idle(rig)
