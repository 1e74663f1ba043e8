"""The whole firmware when it hangs, crashes or is left alone, on real MicroPython: what turns the motor off,
and what the device says of it afterwards.

Stories that take long are told once, and several tests look at what came of them.
"""

from dataclasses import dataclass, field
from typing import Any

import pytest
import versions
from openknead_sim.emulator import firmware
from openknead_sim.rpc import RpcError
from test_firmware import assert_guarded

pytest.importorskip("openknead_sim.emulator.pico", reason="pip install 'openknead[emulator]'")

import bench_emulator

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.xdist_group("emulator"),
    pytest.mark.timeout(1200),  # a start takes a minute, on a slow and busy machine three
]

long = pytest.mark.emulator_long
MOTOR_PINS = ("RUN_REQ", "MOT_PWM", "MOT_PH")
LEAD_MS = 1_050  # an earlier press is no answer to a question
ALLOW_MS = 3_100
MARK = 1  # a GPIO that the firmware does not use

# Goes wrong once the shaft turns.
WRONG = """

import time
import machine

_mark = machine.Pin({mark}, machine.Pin.OUT, value=0)
_real_tick = App._tick


def _tick(self, now_us):
    _real_tick(self, now_us)
    if self.sense.rate_opm > 300:
        _mark(1)
        {what}


App._tick = _tick
"""
HANGS = {
    "asleep": "time.sleep_ms(5000)",
    "busy": "\n        while True: pass",
    "interrupts_off": "machine.disable_irq()\n        while True: pass",
}
# Hashing the files is half of a start in the emulator, and no part of these stories.
NO_HASH = b"""

def _no_hash(self):
    yield "0" * 16


Files.hash_slowly = _no_hash
"""


def source(name):
    return (firmware.firmware_folder() / "massager" / name).read_bytes()


def modules(what=None, **more):
    """Modules to install in place of the firmware's: quick to start, and with `what` done in the tick."""
    changed = {"massager/board.py": source("board.py") + NO_HASH, **more}
    if what:
        changed["massager/app.py"] = source("app.py") + WRONG.format(mark=MARK, what=what).encode()
    return changed


class Watch:
    """Edges of RUN_REQ [(µs, level)], and the highest duty while it was high, since `clear`."""

    def __init__(self, rig):
        self._rig = rig
        self.clear()
        rig.pico.on_edge(rig.pins["RUN_REQ"], lambda high: self.edges.append((rig.pico.now_us, high)))
        rig.pico.every_us(250, self._look)

    def clear(self):
        self.edges = []
        self.duty = 0.0

    def _look(self):
        rig = self._rig
        if rig.pico.pin(rig.pins["RUN_REQ"]).high:
            self.duty = max(self.duty, rig.pico.pwm(rig.pins["MOT_PWM"]).duty)

    def pulses_ms(self):
        """Lengths of the times at which RUN_REQ was high."""
        rises = [at_us for at_us, high in self.edges if high]
        falls = [at_us for at_us, high in self.edges if not high and at_us > rises[0]]
        return [(fall - rise) / 1000 for rise, fall in zip(rises, falls, strict=True)]


def watch_resets(pico):
    """List that gets the instants at which the chip's watchdog resets it, by timer or by force."""
    resets = []
    watchdog = pico.mcu.watchdog
    reset = watchdog.on_watchdog_trigger

    def trigger():
        resets.append(pico.now_us)
        reset()

    watchdog.on_watchdog_trigger = trigger
    return resets


def is_guarded(rig):
    """Does the watchdog's timer run?"""
    return rig.pico.mcu.watchdog.timer.enable


def high_pins(rig):
    """Motor pins that the chip drives high."""
    pins = {name: rig.pico.pin(rig.pins[name]) for name in MOTOR_PINS}
    return [name for name, pin in pins.items() if pin.output and pin.high]


def start(rig):
    """A remote session whose shaft turns."""
    rig.host.call("session.start", level=1, run_s=60)
    rig.pico.run_until(lambda: rig.plant.rate_opm > 200, 3e6, "turning shaft", step_us=5000)


def journal(rig):
    """All records."""
    records, start_at = [], 0
    while start_at is not None:
        page = rig.host.call("journal.read", start=start_at)
        records += page["records"]
        start_at = page["next"]
    return records


def refusals(rig):
    """Names of what refuses a start."""
    with pytest.raises(RpcError) as refused:
        rig.host.call("session.start", level=1, run_s=60)
    return [row["name"] for row in refused.value.data["refusals"]]


@dataclass
class Story:
    """A device that hung while the motor ran. *_ms: from the instant of the hang."""

    boot_pulses_ms: list[float] = field(default_factory=list)
    boot_duty: float = 1.0
    off_ms: float = 0.0
    reset_ms: float = 0.0
    high_after_reset: list[str] = field(default_factory=list)
    status: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    restart_pulses_ms: list[float] = field(default_factory=list)
    restart_duty: float = 1.0
    records: list[dict[str, Any]] = field(default_factory=list)
    fault_after_clear: Any = "?"
    refused_after_clear: list[str] = field(default_factory=list)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((micropython, hang), marks=long)
        for micropython, hang in (
            *((versions.REFERENCE, hang) for hang in HANGS),
            *((older, "asleep") for older in versions.OLDER),
        )
    ],
    ids="-".join,
)
def hung(request, boards):
    micropython, hang = request.param
    rig = boards.make(micropython, replace=modules(HANGS[hang]))
    pico = rig.pico
    story = Story()
    watch = Watch(rig)
    resets = watch_resets(pico)
    hangs = []
    pico.on_edge(MARK, lambda high: high and hangs.append(pico.now_us))
    boards.ready(rig)
    story.boot_pulses_ms, story.boot_duty = watch.pulses_ms(), watch.duty
    watch.clear()
    rig.host.call("session.start", level=1, run_s=60)
    pico.run_until(lambda: hangs, 3e6, "hang")
    pico.run_until(lambda: resets, 2e6, "reset")
    story.off_ms = (watch.edges[-1][0] - hangs[0]) / 1000
    story.reset_ms = (resets[0] - hangs[0]) / 1000
    watch.clear()
    story.high_after_reset = high_pins(rig)
    story.status = rig.host.call("status", timeout_us=10e6)
    boards.ready(rig)
    story.restart_pulses_ms, story.restart_duty = watch.pulses_ms(), watch.duty
    story.refused = refusals(rig)
    story.records = journal(rig)
    clear(rig)
    status = rig.host.call("status")
    story.fault_after_clear, story.refused_after_clear = status["fault"], status["refusals"]
    assert len(resets) == 1
    return story


def test_selftest_pulses_run_req_once_at_the_start_with_duty_0(hung):
    for pulses_ms, duty in (
        (hung.boot_pulses_ms, hung.boot_duty),
        (hung.restart_pulses_ms, hung.restart_duty),
    ):
        assert len(pulses_ms) == 1
        assert 100 <= pulses_ms[0] <= 120
        assert duty == 0


def test_motor_of_a_hung_app_is_off_long_before_the_watchdog(hung, record_property):
    record_property("hang_off_ms", round(hung.off_ms, 1))
    assert 90 <= hung.off_ms <= 110  # 100…110 from the last feed, which was just before


def test_watchdog_resets_a_hung_app_within_1100_ms(hung, record_property):
    record_property("watchdog_reset_ms", round(hung.reset_ms, 1))
    assert 900 <= hung.reset_ms <= 1100
    assert hung.high_after_reset == []


def test_after_the_watchdog_a_start_is_refused_until_it_is_cleared(hung):
    assert hung.status["boot"] == "watchdog"
    assert hung.status["fault"]["name"] == "watchdog_reset"
    assert hung.status["state"] == "IDLE"
    assert hung.refused == ["fault_latched", "permission_suspended"]
    assert hung.fault_after_clear is None
    assert hung.refused_after_clear == ["permission_suspended"]


def test_journal_says_what_the_hung_app_was_doing(hung):
    boots = [record for record in hung.records if record["kind"] == "boot"]
    assert [boot["cause"] for boot in boots] == ["power_on", "watchdog"]
    assert boots[1]["state"] == "RUNNING"
    assert boots[1]["selftest"] == "passed"


def clear(rig):
    """Clear the fault that is shown, with the press that it needs; its name."""
    with pytest.raises(RpcError, match="confirm_needed") as asked:
        rig.host.call("fault.clear")
    rig.run_ms(LEAD_MS)
    with rig.held("MODE"):
        rig.run_ms(100)
    rig.run_ms(100)
    return asked.value.data["names"][0]


def allow(rig):
    """Give hosts back the permission that the fault took away."""
    with rig.held("MODE"):
        rig.run_ms(ALLOW_MS)
    rig.run_ms(100)


def edge_to_pwm_off_us(rig, at_most_us=1000):
    """Let the driver's fault line fall and look every microsecond: when the duty is 0."""
    pico, pwm = rig.pico, rig.pins["MOT_PWM"]
    assert pico.pwm(pwm).duty > 0
    fell_us = pico.now_us
    rig.nfault_low = True
    pico.run_until(lambda: pico.pwm(pwm).duty == 0, at_most_us, "duty 0", step_us=1)
    took_us = pico.now_us - fell_us
    rig.nfault_low = False
    return took_us


def test_driver_fault_turns_the_pwm_off_within_100_us(boards, record_property):
    rig = boards.get()
    start(rig)
    took_us = edge_to_pwm_off_us(rig)
    record_property("driver_fault_edge_us", round(took_us, 1))
    assert took_us <= 100
    rig.run_ms(150)  # its event has been sent: after the clearing the observer would take it for another one
    status = rig.host.call("status")
    assert status["fault"]["name"] == "driver_fault"
    assert status["duty"] == 0
    assert status["state"] == "IDLE"
    assert clear(rig) == "driver_fault"
    allow(rig)


def assert_ctrl_c_stops_the_motor(rig):
    """Within 50 ms every motor pin is taken back and driven low, and stays so while the shaft runs down."""
    before_us = rig.pico.now_us
    rig.pico.interrupt()
    assert rig.pico.now_us - before_us < 50_000
    assert_guarded(rig)


def test_ctrl_c_stops_the_motor_and_leaves_a_repl(boards):
    rig = (
        boards.get()
    )  # the last two tests with it: it is left at the prompt, and the next one would start anew
    start(rig)
    assert_ctrl_c_stops_the_motor(rig)
    assert rig.pico.exec("print('at your service')") == "at your service\n"


def test_short_form_of_the_bench_gives_its_figures(boards):
    """With the board of the last test, whose app no longer runs: a start of its own takes minutes."""
    rig = boards.get_at_prompt()
    figures = bench_emulator.at_the_prompt(rig, ticks=20)
    boards.breaches()  # of a session that no press and no host began
    assert figures["tick_alloc_bytes"]["value"] == 0
    assert 300 < figures["tick_us_median"]["value"] <= figures["tick_us_worst"]["value"] < 2_000
    assert figures["heap_free_bytes"]["value"] > 40_000


@long
@pytest.mark.parametrize("micropython", versions.ALL)
def test_driver_fault_turns_the_pwm_off_wherever_in_the_tick_it_comes(boards, micropython, record_property):
    rig = boards.make(micropython, replace=modules())
    boards.ready(rig)
    took_us = []
    for phase_us in range(0, 10_000, 2111):
        rig.host.call("session.start", level=1, run_s=60)
        rig.pico.run_until(lambda: rig.pico.pwm(rig.pins["MOT_PWM"]).duty > 0, 1e6, "duty")
        rig.pico.run_us(phase_us)
        took_us.append(edge_to_pwm_off_us(rig))
        rig.run_ms(100)
        assert clear(rig) == "driver_fault"
        allow(rig)
    record_property("driver_fault_edge_us", round(max(took_us), 1))
    assert max(took_us) <= 100


@long
@pytest.mark.parametrize(
    ("figure", "failure", "fault", "settle_ms", "aim_ms"),
    [
        ("overcurrent_off_pico_ms", "shorted_fet", "over_current", 0, 30),
        ("stall_off_pico_ms", "blocked", "stall", 800, 500),
    ],
)
def test_motor_is_off_in_time_wherever_in_the_tick_it_comes(
    boards, record_property, figure, failure, fault, settle_ms, aim_ms
):
    rig = boards.make(replace=modules())
    boards.ready(rig)
    pico, plant = rig.pico, rig.plant
    took_ms = []
    for phase_us in range(0, 10_000, 2111):
        start(rig)
        rig.run_ms(settle_ms)
        pico.run_us(phase_us)
        began_us = pico.now_us
        setattr(plant, failure, True)
        pico.run_until(lambda: high_pins(rig) == [], 2000 * aim_ms, "motor off", step_us=100)
        took_ms.append((pico.now_us - began_us) / 1000)
        setattr(plant, failure, False)
        pico.run_until(lambda: plant.rate_opm < 50, 2e6, "standstill", step_us=10_000)
        rig.run_ms(300)  # the tach knows it, and that the shorted transistor's leap is over
        assert clear(rig) == fault
        allow(rig)
        assert {breach.promise for breach in boards.breaches()} <= {"rate"}  # the transistor's
    record_property(figure, round(max(took_ms), 1))
    assert max(took_ms) <= aim_ms, took_ms


@long
def test_crash_in_the_loop_restarts_and_explains_itself(boards):
    startup = source("startup.py").replace(b"CRASH_LOOP_MS = const(10_000)", b"CRASH_LOOP_MS = const(100)")
    assert startup != source("startup.py")
    rig = boards.make(replace=modules("raise RuntimeError('injected')", **{"massager/startup.py": startup}))
    resets = watch_resets(rig.pico)
    boards.ready(rig)
    rig.host.call("session.start", level=1, run_s=60)
    rig.pico.run_until(lambda: resets, 3e6, "reset")
    assert high_pins(rig) == []
    status = rig.host.call("status", timeout_us=10e6)
    assert status["boot"] == "crash"
    assert status["fault"]["name"] == "crashed"
    boards.ready(rig)
    assert refusals(rig) == ["fault_latched", "permission_suspended"]
    (boot,) = [record for record in journal(rig) if record.get("cause") == "crash"]
    assert "RuntimeError: injected" in boot["error"]
    assert boot["state"] == "RUNNING"
    assert clear(rig) == "crashed"
    rig.host.call("reboot")
    rig.pico.connect()
    status = rig.host.call("status", timeout_us=10e6)
    assert (status["boot"], status["fault"]) == ("reset", None)
    assert len(resets) == 2  # the crash's and this one, both by force


@long
def test_crash_right_after_the_start_stays_at_the_prompt_until_the_watchdog_comes(boards):
    rig = boards.make(replace=modules("raise RuntimeError('injected')"))
    resets = watch_resets(rig.pico)
    boards.ready(rig)
    rig.host.call("session.start", level=1, run_s=60)
    rig.pico.expect(b"RuntimeError: injected", 3e6)
    assert high_pins(rig) == []
    rig.pico.run_until(lambda: resets, 1.1e6, "reset")
    assert high_pins(rig) == []
    assert rig.host.call("status", timeout_us=10e6)["fault"]["name"] == "crashed"


@long
def test_deliberate_reset_is_no_fault_though_the_watchdog_ran(boards):
    rig = boards.make(replace=modules())
    resets = watch_resets(rig.pico)
    boards.ready(rig)
    start(rig)
    assert is_guarded(rig)
    rig.host.call("session.stop")
    rig.run_ms(20)
    rig.host.call("reboot")
    rig.pico.connect()
    status = rig.host.call("status", timeout_us=10e6)
    assert (status["boot"], status["fault"]) == ("reset", None)
    rig.pico.interrupt()
    rig.pico.send(b"import machine; machine.reset()\r")
    rig.pico.connect()
    status = rig.host.call("status", timeout_us=10e6)
    assert (status["boot"], status["fault"]) == ("reset", None)
    assert len(resets) == 2


@long
@pytest.mark.parametrize("micropython", versions.ALL)
def test_ctrl_c_leaves_a_repl_that_the_watchdog_lets_live(boards, micropython):
    rig = boards.make(micropython, replace=modules())
    resets = watch_resets(rig.pico)
    boards.ready(rig)
    start(rig)
    assert is_guarded(rig)
    assert_ctrl_c_stops_the_motor(rig)
    assert not is_guarded(rig)
    rig.run_ms(3000)
    assert rig.pico.exec("print('alive')") == "alive\n"
    assert resets == []
    rig.pico.soft_reset()  # and the app comes back without a fault
    status = rig.host.call("status", timeout_us=10e6)
    assert (status["boot"], status["fault"]) == ("reset", None)


@long
def test_maintenance_needs_no_watchdog_and_cannot_start_the_motor(boards):
    rig = boards.make(replace=modules())
    rig.host.call("maintenance", timeout_us=10e6)
    rig.pico.connect()
    watch = Watch(rig)
    resets = watch_resets(rig.pico)
    assert rig.host.call("status", timeout_us=10e6)["state"] == "MAINTENANCE"
    assert refusals(rig) == ["maintenance"]
    with pytest.raises(RpcError) as refused:
        rig.host.call("selftest", run=True)
    assert refused.value.name == "wrong_state"
    rig.run_ms(1500)
    assert not is_guarded(rig)
    assert resets == []
    assert not any(high for _, high in watch.edges)


@long
def test_host_that_is_unplugged_ends_its_session_and_the_watchdog_goes_on(boards):
    rig = boards.make(settings={**boards.settings, "host_timeout_s": 1}, replace=modules())
    resets = watch_resets(rig.pico)
    boards.ready(rig)
    start(rig)
    rig.host.call("session.keepalive")
    off_us = rig.pico.now_us
    rig.pico.run_until(lambda: not high_pins(rig), 1.2e6, "motor off")
    assert rig.pico.now_us - off_us == pytest.approx(1e6, abs=50e3)
    rig.run_ms(1500)
    assert resets == []
    assert is_guarded(rig)
    status = rig.host.call("status")
    assert (status["state"], status["reason"], status["fault"]) == ("IDLE", "host_lost", None)
