"""The bench's proof of the interlock on an emulated Pico: it passes, and it can fail."""

import pytest
from openknead_sim.emulator import filesystem, firmware

pico_module = pytest.importorskip("openknead_sim.emulator.pico", reason="pip install 'openknead[emulator]'")

pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("emulator")]

ROOT = firmware.firmware_folder().parent
SCRIPT = (ROOT / "hardware" / "bench" / "interlock_proof.py").read_text(encoding="utf-8")
INTERLOCK = ROOT / "firmware" / "massager" / "interlock.py"
RUN_REQ, STOP, V_BAT = 3, 6, 2  # V_BAT: ADC channel
# The cap's clock a hundred times as fast, else this takes an hour.
FASTER = """
from machine import mem32
class Faster(Interlock):
    def __init__(self, run_req, stop):
        super().__init__(run_req, stop)
        mem32[0x502000F8] = (mem32[0x502000F8] >> 8 & 0xFFFFFF) // 100 << 8
Interlock = Faster
"""


@pytest.fixture
def pico(image):
    compiled = firmware.compile_mpy(INTERLOCK.read_bytes(), "interlock.py")
    files = filesystem.build({"massager/__init__.py": b"", "massager/interlock.mpy": compiled})
    pico = pico_module.EmulatedPico(image(), files)
    pico.loop_back(RUN_REQ)
    pico.drive(STOP, False)
    pico.adc(V_BAT, 0)
    pico.connect()
    pico.interrupt()
    pico.exec(SCRIPT.replace('if __name__ == "__main__":\n    prove()', ""))
    return pico


def run(pico, source, press=True):
    """Run it, with STOP pressed for 0.3 s when it asks for that; what it printed."""
    pico.send(pico_module.CTRL_A)
    pico.expect(pico_module.RAW_PROMPT)
    pico.send(source.encode() + pico_module.CTRL_D)
    said = b""
    if press:
        said += pico.expect(b"let go", 20e6)
        pico.run_us(300e3)
        pico.drive(STOP, None)
        pico.run_us(300e3)
        pico.drive(STOP, False)
    return (said + pico.expect(pico_module.CTRL_D, 60e6)).decode()


def test_a_sound_interlock_passes_every_step(pico):
    said = run(pico, FASTER + "prove(9051)")
    assert "all passed" in said and "FAILED" not in said


def test_without_a_cap_and_without_a_press_it_fails(pico):
    said = run(pico, "prove(2000)", press=False)
    assert "FAILED  STOP takes it low" in said and "FAILED  cap" in said and "NOT passed" in said


def test_it_does_not_begin_while_the_motor_has_a_supply(pico):
    pico.adc(V_BAT, 2600)
    assert "press the e-stop" in run(pico, "prove()", press=False)
    assert not pico.pin(RUN_REQ).high


def test_it_does_not_begin_with_stop_open(pico):
    pico.drive(STOP, None)
    said = run(pico, "prove()", press=False)
    assert "STOP reads pressed" in said and "dead-man" not in said
