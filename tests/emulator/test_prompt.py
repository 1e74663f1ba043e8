"""MicroPython's prompt on the emulated Pico: what the virtual board's imitation is held to."""

from contextlib import suppress

import pytest
from openknead_sim.emulator import filesystem
from prompt_dialogues import AWAY, BACK, FRIENDLY, RAW, RAW_MODE, bannerless

pico_module = pytest.importorskip("openknead_sim.emulator.pico", reason="pip install 'openknead[emulator]'")
pytestmark = [pytest.mark.emulator, pytest.mark.xdist_group("emulator")]
ANSWER_US = 1e6
QUIET_US = 10_000


def said(pico, keys, end):
    """The answer to keys, which shall end in `end`, and what follows it."""
    pico.port.received.clear()
    pico.send(keys)
    with suppress(pico_module.EmulatedTimeout):
        pico.run_until(lambda: bannerless(bytes(pico.port.received)).endswith(end), ANSWER_US)
    pico.run_us(QUIET_US)
    return bannerless(bytes(pico.port.received))


def test_the_dialogues_are_micropythons(image):
    pico = pico_module.EmulatedPico(image(), filesystem.build({}))
    pico.connect()
    wrong = []
    for mode, dialogues in ((b"", FRIENDLY), (b"\x01", RAW_MODE)):
        for keys, answer in dialogues:
            said(pico, AWAY, BACK)
            said(pico, mode, RAW if mode else b"")
            got = said(pico, keys, answer)
            if got != answer:
                wrong.append((keys, got, answer))
    assert wrong == [], "\n".join(map(repr, wrong))
