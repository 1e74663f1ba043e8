"""The emulated chip itself: what the firmware's tests rely on."""

import pytest
from openknead_sim.emulator import filesystem

pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("emulator")]

pico_module = pytest.importorskip("openknead_sim.emulator.pico", reason="pip install 'openknead[emulator]'")

TOGGLE = """
import rp2
from machine import Pin
@rp2.asm_pio(set_init=rp2.PIO.OUT_LOW)
def toggle():
    set(pins, 1)
    set(pins, 0)
s = rp2.StateMachine(4, toggle, freq=50000, set_base=Pin(15))
s.active(1)
"""


@pytest.fixture(scope="module")
def pico(image):
    chip = pico_module.EmulatedPico(image(), filesystem.build({"note.txt": b"kept"}))
    chip.connect()
    chip.interrupt()
    return chip


def test_code_prints_and_raises_through_the_repl(pico):
    assert pico.exec("print(6 * 7)") == "42\n"
    with pytest.raises(pico_module.ReplError, match="ZeroDivisionError"):
        pico.exec("1 // 0")


def test_all_emulated_boards_are_one_workers(request):
    """Else each worker starts a Pico of its own for the tests that share one."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("only with --dist loadgroup")
    assert request.node.nodeid.endswith("@emulator")


def test_time_passes_exactly(pico):
    before = pico.now_us
    pico.run_us(1234)
    assert pico.now_us - before == pytest.approx(1234, abs=0.05)


def test_missing_event_ends_with_the_serial_output(pico):
    pico.port.received[:] = b"last words"
    with pytest.raises(pico_module.EmulatedTimeout, match="last words"):
        pico.run_until(lambda: False, 5000, "miracle")


def test_pwm_registers_tell_frequency_and_duty(pico):
    pico.exec("from machine import Pin, PWM\np = PWM(Pin(16))\np.freq(20000)\np.duty_u16(16384)")
    pwm = pico.pwm(16)
    assert pwm.enabled
    assert pwm.freq_hz == pytest.approx(20_000, rel=1e-3)
    assert pwm.duty == pytest.approx(0.25, abs=1e-3)
    pico.exec("Pin(16, Pin.OUT, value=0)")
    assert not pico.pwm(16).enabled
    assert pico.pin(16).plain_low


def test_inputs_follow_what_drives_them(pico):
    pico.adc(0, 1234)
    pico.drive(6, False)
    pico.exec("from machine import ADC, Pin\nb = Pin(6, Pin.IN, Pin.PULL_UP)")
    read = "print(ADC(0).read_u16() >> 4, b.value())"
    assert pico.exec(read) == "1234 0\n"
    pico.drive(6, None)
    assert pico.exec(read) == "1234 1\n"


def test_state_machine_keeps_its_pace_while_the_cpu_sleeps(pico):
    pico.exec(TOGGLE)
    edges = []
    forget = pico.on_edge(15, edges.append)
    pico.run_us(2000)  # the beat adapts
    edges.clear()
    pico.run_us(100_000)
    forget()
    pico.exec("s.active(0)")
    assert len(edges) == pytest.approx(5000, rel=0.005)


def test_host_port_delivers_long_input_whole(pico):
    text = "x" * 3000
    assert pico.exec(f"print(len('{text}'))") == "3000\n"
    assert pico.port.unsent == 0


def test_idle_port_leaves_the_cpu_asleep(pico):
    before = pico.mcu.core.cycles
    pico.run_us(100_000)
    busy = (pico.mcu.core.cycles - before) / (100_000 * 125)
    assert busy < 0.02


def test_reset_keeps_the_flash_and_tells_its_cause(pico):
    pico.exec("f = open('new.txt', 'w')\nf.write('written')\nf.close()")
    for cause, number in ((pico_module.ResetCause.WATCHDOG, 3), (pico_module.ResetCause.RUN_PIN, 1)):
        pico.hard_reset(cause)
        pico.connect()
        pico.interrupt()
        assert pico.exec("import machine\nprint(machine.reset_cause())") == f"{number}\n"
    assert filesystem.read(pico.filesystem()) == {"note.txt": b"kept", "new.txt": b"written"}


def test_same_calls_give_the_same_run(image):
    runs = []
    for _ in range(2):
        chip = pico_module.EmulatedPico(image(), filesystem.build({}))
        chip.connect()
        chip.interrupt()
        runs.append((chip.exec("import time\nprint(time.ticks_us())"), chip.now_us, chip.mcu.core.cycles))
    assert runs[0] == runs[1]
