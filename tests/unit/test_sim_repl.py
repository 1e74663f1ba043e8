"""MicroPython's prompt on the virtual board: its bytes, its interrupts, and that no junk turns the motor.

Its dialogues are MicroPython's: tests/emulator/test_prompt.py holds an emulated Pico to the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openknead_sim.observer import Observer, attach
from openknead_sim.packaged import firmware_files, installed_files, new_flash
from openknead_sim.repl import BANNER, WINDOW_BYTES
from openknead_sim.rig import MOT_PWM, RUN_REQ
from openknead_sim.scenario_file import Scenario
from openknead_sim.stage import Stage
from openknead_sim.virtual import VirtualBoard
from prompt_dialogues import AWAY, BACK, FRIENDLY, RAW, RAW_MODE, REBOOT, bannerless

TRACEBACK = b"Traceback (most recent call last):\r\n"
STDIN_1 = b'  File "<stdin>", line 1, in <module>\r\n'


def board_with(**files: str | bytes) -> VirtualBoard:
    """A board with these files on its flash (main: main.py), running."""
    contents = {
        name if "." in name else f"{name}.py": text.encode() if isinstance(text, str) else text
        for name, text in files.items()
    }
    board = VirtualBoard(flash=new_flash(contents))
    board.power_on()
    board.run_ms(1)
    return board


@pytest.fixture
def blank() -> VirtualBoard:
    board = board_with()
    assert board.receive() == BANNER.encode() + b">>> "
    return board


@pytest.fixture
def raw(blank: VirtualBoard) -> VirtualBoard:
    assert said(blank, b"\x01") == b"\r\n" + RAW
    return blank


def said(board: VirtualBoard, keys: bytes, ms: float = 2) -> bytes:
    """What the board answers to keys within some time."""
    board.send(keys)
    board.run_ms(ms)
    return board.receive()


# -- for people ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keys", "answer"), FRIENDLY)
def test_the_friendly_prompt_answers_as_micropythons(blank, keys, answer):
    assert bannerless(said(blank, keys)) == answer
    assert bannerless(said(blank, AWAY)).endswith(BACK)


def test_a_block_ends_with_an_empty_line_or_ctrl_d(blank):
    block = b"if 1:\r  4\r"
    assert said(blank, block) == b"if 1:\r\n...   4\r\n... "
    assert said(blank, b"\r") == b"\r\n4\r\n>>> "
    said(blank, block)
    assert said(blank, b"\x04").endswith(b"4\r\n>>> ")


def test_the_prompt_has_what_main_left(blank):
    board = board_with(main="x = 42\nprint('up')")
    assert board.receive() == b"up\r\n" + BANNER.encode() + b">>> "
    assert said(board, b"x\r") == b"x\r\n42\r\n>>> "


def test_names_live_until_the_soft_reset(blank):
    said(blank, b"x = 1\r")
    assert b"\r\n1\r\n" in said(blank, b"x\r")
    said(blank, b"\x04")
    assert b"NameError" in said(blank, b"x\r")


def test_words_that_would_reach_the_simulators_terminal_are_missing(blank):
    for word in (b"exit()", b"quit()", b"breakpoint()", b"license()"):
        assert b"NameError" in said(blank, word + b"\r"), word
    assert b"Ctrl-D: soft reset" in said(blank, b"help()\r")


# -- for programs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keys", "answer"), RAW_MODE)
def test_the_raw_prompt_answers_as_micropythons(raw, keys, answer):
    assert bannerless(said(raw, keys, 200)) == answer
    assert bannerless(said(raw, AWAY)).endswith(BACK)


def test_raw_paste_grants_a_window_for_each_one_it_has_taken(raw):
    code = b"print(%r)" % (b"x" * 3 * WINDOW_BYTES)
    answer = said(raw, b"\x05A\x01")
    assert answer == b"R\x01" + WINDOW_BYTES.to_bytes(2, "little") + b"\x01"
    sent = 0
    granted = 2 * WINDOW_BYTES  # as mpremote counts them
    while sent < len(code):
        piece = code[sent:granted]
        assert piece, "the board lets its host wait for ever"
        answer = said(raw, piece)
        assert answer.strip(b"\x01") == b""
        sent += len(piece)
        granted += WINDOW_BYTES * len(answer)
    assert said(raw, b"\x04") == b"\x04" + repr(b"x" * 3 * WINDOW_BYTES).encode() + b"\r\n\x04\x04>"


def test_more_code_than_a_picos_heap_holds_is_a_memory_error(raw):
    raw.send(b"x" * 300_000 + b"\x04")
    raw.run_ms(2)
    assert b"MemoryError" in raw.receive()
    assert said(raw, b"print(1)\x04") == b"OK1\r\n\x04\x04>"


@pytest.mark.parametrize(
    "left", [b"print(", b"\x05A", b"\x05A\x01print('", b"\x02for i in 1, 2:\r", b"\x02\x05x"]
)
def test_mpremote_gets_in_wherever_the_last_host_has_left(raw, left):
    said(raw, left)
    assert said(raw, b"\r\x03\r\x01").endswith(RAW)
    assert said(raw, b"\x04") == b"OK\r\n" + REBOOT + RAW


def test_a_soft_reset_in_raw_mode_runs_boot_but_not_main():
    board = board_with(boot="print('boot')", main="print('main')")
    said(board, b"\x01")
    assert said(board, b"\x04") == b"OK\r\n" + REBOOT + b"boot\r\n" + RAW
    assert said(board, b"\x02\x04").endswith(REBOOT + b"boot\r\nmain\r\n" + BANNER.encode() + b">>> ")


def test_a_reset_ends_raw_mode():
    board = board_with(main="print('main')")
    said(board, b"\x01")
    assert said(board, b"import machine\nmachine.reset()\x04") == b"OKmain\r\n" + BANNER.encode() + b">>> "


# -- interrupts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        b"import time; time.sleep(100)",
        b"while True: pass",
        b"[0 for _ in iter(int, 1) if False]",
        b"import sys; sys.stdin.read(1)",
    ],
)
def test_ctrl_c_interrupts_whatever_was_typed(raw, code):
    assert said(raw, code + b"\x04", 50) == b"OK"
    answer = said(raw, b"\x03")
    assert answer.startswith(b"\x04" + TRACEBACK + STDIN_1)
    assert answer.endswith(b"KeyboardInterrupt: \r\n\x04>")
    assert said(raw, b"print(1)\x04") == b"OK1\r\n\x04\x04>"


def test_ctrl_c_interrupts_a_main_that_never_waits():
    board = board_with(main="n = 0\nwhile True:\n    n += 1\n")
    assert not board.at_prompt
    assert said(board, b"\x03").endswith(b"KeyboardInterrupt: \r\n" + BANNER.encode() + b">>> ")
    assert int(said(board, b"n\r").split()[1]) > 2000


def test_an_endless_loop_moves_the_clock_and_the_world():
    board = board_with(main="import machine\nmachine.WDT(timeout=100)\nwhile True:\n    pass\n")
    board.run_ms(150)
    assert board.now_ms == 151
    assert board.boots == 2


@pytest.mark.parametrize("code", ["raise BaseException('x')", "raise GeneratorExit", "raise StopIteration"])
def test_no_exception_gets_past_the_prompt(blank, code):
    assert said(blank, code.encode() + b"\r").endswith(b">>> ")


@pytest.mark.parametrize("code", ["raise BaseException('x')", "raise GeneratorExit"])
def test_no_exception_of_main_gets_past_the_board(code):
    assert board_with(main=code).receive().endswith(b">>> ")


# -- files and modules --------------------------------------------------------------------------------


def test_what_a_soft_reset_finds_open_is_kept_and_a_reset_loses_it(raw):
    said(raw, b"f = open('a', 'w'); f.write('x' * 600)\x04", 500)
    said(raw, b"\x04", 500)
    assert raw.flash.read_file("/a") == b"x" * 600
    said(raw, b"f = open('b', 'w'); f.write('x' * 600)\x04", 500)
    raw.reset()
    assert raw.flash.read_file("/b") in (None, b"")


def test_a_folder_that_was_changed_to_is_left_at_the_soft_reset(raw):
    said(raw, b"import os; os.mkdir('d'); os.chdir('d')\x04", 200)
    assert b"/d" in said(raw, b"print(os.getcwd())\x04")
    said(raw, b"\x04")
    assert b"OK/\r\n" in said(raw, b"import os; print(os.getcwd())\x04")


def test_modules_come_from_lib_too_and_relative_to_the_folder(raw):
    raw.flash.write_file("/lib/tool/__init__.py", b"from . import part\nx = part.x")
    raw.flash.write_file("/lib/tool/part.py", b"x = 5")
    raw.flash.write_file("/sub/near.py", b"x = 6")
    assert b"OK5\r\n" in said(raw, b"import tool; print(tool.x)\x04")
    assert b"ImportError: no module named 'near'" in said(raw, b"import near\x04")
    assert b"OK6\r\n" in said(raw, b"import os; os.chdir('/sub'); import near; print(near.x)\x04")
    assert b"ImportError" in said(raw, b"import near.nothing\x04")


@pytest.mark.parametrize("path", ["/massager/app.mpy", "/massager/app/__init__.mpy"])
def test_precompiled_files_cannot_run_and_say_so(raw, path):
    raw.flash.write_file(path, b"M\x06\x1f\x1f")
    answer = said(raw, b"import massager.app\x04")
    assert f"ImportError: {path[1:]} is precompiled for MicroPython".encode() in answer
    assert b"OK0\r\n" in said(raw, b"import sys; print(getattr(sys.implementation, '_mpy', 0))\x04")


@pytest.mark.parametrize(
    ("code", "line"),
    [
        (b"import os; os.stat('nix')", b"OSError: [Errno 2] ENOENT"),
        (b"import os; os.mkdir('massager')", b"OSError: [Errno 17] EEXIST"),
        (b"raise OSError('of another kind')", b"OSError: of another kind"),
        (b"import nix", b"ImportError: no module named 'nix'"),
        (b"def f(): f()\nf()", b"RuntimeError: "),
        (b"def f():\n x\n x = 1\nf()", b"NameError: "),
        (b"import json; json.loads('{')", b"ValueError: "),
        (b"b'\\xff'.decode()", b"UnicodeError: "),
        (b"class Mine(Exception): pass\nraise Mine(3)", b"Mine: 3"),
    ],
)
def test_exceptions_have_micropythons_names(raw, code, line):
    raw.flash.write_file("/massager/x", b"")
    answer = said(raw, code + b"\x04")
    assert answer.rstrip(b"\x04>").splitlines()[-1].startswith(line)


def test_a_board_open_to_the_network_runs_nothing_typed(blank):
    blank.repl.refusal = "not here"
    assert b"RuntimeError: not here" in said(blank, b"print(6 * 7)\r")
    answer = said(blank, b"\x01print(6 * 7)\x04\x05A\x01print(6 * 7)\x04")
    assert answer.count(b"RuntimeError: not here") == 2
    assert b"42" not in answer
    assert said(blank, b"\x04").endswith(REBOOT + RAW)  # that much it does


# -- the firmware on the flash ------------------------------------------------------------------------


def test_installed_files_are_the_packaged_ones_on_a_new_flash_and_none_on_a_blank_one():
    assert installed_files(new_flash()) == firmware_files()
    assert installed_files(new_flash({})) == {}
    flash = new_flash()
    flash.write_file("/massager/old.mpy", b"M")
    flash.write_file("/settings.a", b"{}")
    assert installed_files(flash).keys() - firmware_files().keys() == {"massager/old.mpy"}


# -- the motor ----------------------------------------------------------------------------------------


def in_a_session() -> Stage:
    stage = Stage(Scenario(Path(__file__), "prompt", 7))
    stage.rpc("session.start", level=3, run_s=60)
    stage.run_s(6)
    assert stage.board.plant.rate_opm > 1000
    return stage


def is_off(board: VirtualBoard) -> bool:
    return board.rig.duty == 0.0 and not board.rig.enabled and board.chip.levels[MOT_PWM] == 0


def test_mpremotes_way_in_turns_the_motor_off_and_the_observer_agrees():
    stage = in_a_session()
    board = stage.board
    board.send(b"\r\x03")
    board.run_ms(2)
    assert is_off(board)
    board.receive()
    assert said(board, b"\r\x01").endswith(RAW)
    assert said(board, b"\x04", 20) == b"OK\r\n" + REBOOT + RAW
    board.run_ms(5_000)
    assert is_off(board)
    assert board.plant.rate_opm < 10
    said(board, b"\x02\x04", 1_000)
    assert board.rpc("status")["state"] == "IDLE"
    assert not stage.result.observer.breaches


def test_a_motor_driven_from_the_prompt_is_seen_by_the_observer():
    board = board_with()
    observer = Observer()
    attach(observer, board)
    said(board, b"\x01")
    said(board, b"from machine import Pin, PWM\nPin(%d, Pin.OUT, value=1)\x04" % RUN_REQ)
    said(board, b"PWM(Pin(%d), freq=20_000, duty_u16=30_000)\x04" % MOT_PWM, 500)
    assert "off_without_session" in [breach.promise for breach in observer.breaches]


# -- junk ---------------------------------------------------------------------------------------------

KEYS = st.sampled_from([bytes([key]) for key in (1, 2, 3, 4, 5, 8, 9, 10, 13, 27, 127)])
TYPED = st.sampled_from(
    [
        b"\x05A\x01",
        b"\x05A\x01print(1)\x04",
        b"\r\x03\r\x01",
        b"1/0",
        b"x = [",
        b"while 1: pass\r\r",
        b"for i in range(9): print(i)",
        b"import machine",
        b"machine.reset()",
        b"machine.soft_reset()",
        b"raise SystemExit",
        b"raise BaseException",
        b"del __builtins__",
        b"__builtins__ = print = None",
        b"globals().clear()",
        b"import sys; sys.stdout = sys.stdin = None",
        b"import micropython; micropython.kbd_intr(-1)",
        b"import os; os.remove('/main.py')",
        b"f = open('/junk', 'w'); f.write('x' * 5000)",
        b"import massager.app",
        b"import main",
        b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n',
        b"\xff\x00\xf0",
    ]
)
CHUNK = st.one_of(st.binary(max_size=40), KEYS, TYPED, TYPED.map(lambda code: code + b"\r"))


@settings(max_examples=30)
@given(chunks=st.lists(st.tuples(CHUNK, st.integers(0, 30)), max_size=25))
def test_no_junk_kills_the_board_or_turns_the_motor(chunks):
    board = VirtualBoard()
    observer = Observer()
    attach(observer, board)
    board.power_on()
    board.run_ms(300)
    board.send(b"\x03")
    for data, ms in chunks:
        board.send(data)
        board.run_ms(ms)
        assert board.plant.rate_opm == 0
    board.send(b"\r\x03")
    board.run_ms(300)
    board.reset()  # whatever was typed, e.g. that Ctrl-C is none any more
    board.run_ms(300)
    board.send(b"\r\x03")
    board.run_ms(300)
    board.receive()
    assert said(board, b"\r\x01").endswith(RAW)
    assert said(board, b"print(6 * 7)\x04") == b"OK42\r\n\x04\x04>"
    assert is_off(board)
    assert not observer.breaches
