"""The tach's PIO program, instruction by instruction, as the firmware's source has it."""

from collections.abc import Iterable
from dataclasses import replace

import pioemu
import pytest
from pio_programs import program

PIN = 0
COUNTS = 2  # cycles a count
MOST = 1 << 29
CODE = program("tach_period", "board")
LOW = 4  # instruction that waits for the next edge


def words(edges: Iterable[int], state: pioemu.State | None = None) -> list[int]:
    """What it pushes when the pin rises at these cycles, from `state` on, and falls 20 cycles later."""
    edges = list(edges)

    def pin(state: pioemu.State) -> int:  # pioemu looks at the annotation
        return sum(1 << PIN for edge in edges if edge <= state.clock < edge + 20)

    states = pioemu.emulate(
        list(CODE.opcodes),
        stop_when=lambda _opcode, state: state.clock > max(edges) + 20,
        initial_state=state or pioemu.State(),
        input_source=pin,
        shift_isr_right=CODE.options.get("in_shiftdir", 0) == 1,
        jmp_pin=PIN,
        wrap_target=CODE.wrap_target,
        wrap_top=CODE.wrap,
    )
    for _, last in states:
        state = last
    assert state
    return list(state.receive_fifo)


@pytest.mark.parametrize("period", [48, 405, 810, 1200])
def test_it_tells_the_time_between_two_edges(period: int) -> None:
    rest = words(100 + n * period for n in range(4))[1:]
    assert len(rest) == 3
    for word in rest:
        assert word == pytest.approx(period / COUNTS, abs=1)
    assert sum(rest) == pytest.approx(3 * period / COUNTS, abs=1)  # nothing is lost between two periods


def test_the_first_edge_after_a_day_is_a_small_integer() -> None:
    day = 24 * 3600 * 1_000_000 // 40
    resting = replace(pioemu.State(), x_register=0xFFFFFFFF - day, program_counter=LOW)
    word, _ = words((100, 500), resting)
    assert day > MOST
    assert word < MOST
    assert word == pytest.approx(day % MOST, abs=100)
