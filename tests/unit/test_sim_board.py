"""The virtual board: boots, prompt, resets, power cuts, several boards, the firmware on it."""

import json
from typing import Any

import pytest
from openknead_sim import rig as wiring
from openknead_sim.chip import WDT_RESET
from openknead_sim.packaged import firmware_files, firmware_folder, new_flash
from openknead_sim.plant import Hand, Plant
from openknead_sim.rpc import RpcError
from openknead_sim.virtual import NotRunning, VirtualBoard

BLINK = """
import time
from machine import Pin
led = Pin(11, Pin.OUT, value=0)
n = 0
while True:
    n += 1
    led.toggle()
    print("blink", n)
    time.sleep_ms(100)
"""

PWM_ON = """
from machine import Pin, PWM
import time
pwm = PWM(Pin(16))
pwm.freq(20_000)
pwm.duty_u16(30_000)
while True:
    time.sleep_ms(10)
"""


def board_with(main: str, boot: str = "", **files: str) -> VirtualBoard:
    """A board whose firmware is these files."""
    sources = {
        "boot.py": boot,
        "main.py": main,
        **{n.replace("__", "/") + ".py": s for n, s in files.items()},
    }
    board = VirtualBoard(flash=new_flash({name: text.encode() for name, text in sources.items()}))
    board.power_on()
    return board


def text(board: VirtualBoard) -> str:
    return board.receive().decode()


# -- running ------------------------------------------------------------------------------------------


def test_an_endless_loop_runs_exactly_as_far_as_time_is_given():
    board = board_with(BLINK)
    board.run_ms(250)
    assert text(board).split("\r\n") == ["blink 1", "blink 2", "blink 3", ""]
    assert board.now_ms == 250
    board.run_ms(50)
    assert text(board) == ""
    board.run_ms(1)
    assert text(board) == "blink 4\r\n"


def test_run_until_stops_when_it_holds_or_gives_up():
    board = board_with(BLINK)
    assert board.run_until(lambda: board.rig.led == 0 and board.now_ms > 50, 1000)
    assert board.now_ms < 300
    assert not board.run_until(lambda: False, 100)


def test_the_same_seed_gives_the_same_run():
    def run(seed: int) -> bytes:
        board = VirtualBoard(seed=seed, remote_start=True, hand=Hand(0.4))
        board.power_on()
        board.rpc("session.start", level=2, run_s=60)
        board.rpc("telemetry.subscribe", hz=20)
        for _ in range(5):
            board.run_ms(1000)
            board.send(b'{"jsonrpc":"2.0","method":"session.keepalive","params":{}}\n')
        return board.receive()

    assert run(1) == run(1) != run(2)


def test_two_boards_share_nothing():
    a, b = board_with(BLINK, helper="x = 1"), board_with("import helper\nprint(helper.x)", helper="x = 2")
    a.run_ms(150)
    b.run_ms(10)
    assert a.now_ms == 150
    assert text(b).startswith("2\r\n")
    assert "blink 2" in text(a)
    assert a.sandbox is not None
    assert a.sandbox.module("helper").x == 1


def test_imports_come_from_flash_with_packages_and_without_init():
    board = board_with(
        "from pkg.a import value\nimport pkg.b as b\nprint(value, b.twice(value))",
        pkg__a="from micropython import const\nvalue = const(21)",
        pkg__b="from . import a\nfrom .a import value\ndef twice(x):\n    return x + a.value",
    )
    board.run_ms(1)
    assert text(board).startswith("21 42\r\n")


def test_modules_that_a_pico_lacks_are_missing_here_too():
    board = board_with("import pathlib")
    board.run_ms(1)
    assert "ImportError: no module named 'pathlib'" in text(board)


def test_packaged_files_keep_their_real_path_for_tracebacks_and_coverage():
    board = VirtualBoard()
    board.power_on()
    board.run_ms(20)
    assert board.sandbox is not None
    app = board.sandbox.module("massager.app")
    assert app.App.step.__code__.co_filename == str(firmware_folder() / "massager" / "app.py")


# -- how main.py ends ---------------------------------------------------------------------------------


def test_an_exception_shows_its_traceback_and_leaves_a_prompt():
    board = board_with("def f():\n    raise ValueError('no')\nf()\n")
    board.run_ms(1)
    out = text(board)
    assert 'File "main.py", line 3, in <module>' in out
    assert 'File "main.py", line 2, in f' in out
    assert "ValueError: no" in out
    assert out.endswith(">>> ")
    assert board.at_prompt


def test_ctrl_c_interrupts_the_firmware_and_leaves_a_prompt():
    board = board_with("import time\ntry:\n    time.sleep(10)\nfinally:\n    print('off')")
    board.run_ms(100)
    board.send(b"\x03")
    board.run_ms(1)
    out = text(board)
    assert out.startswith("off\r\n")
    assert "KeyboardInterrupt" in out
    assert board.at_prompt


def test_ctrl_d_at_the_prompt_runs_boot_and_main_again_and_keeps_the_pwm():
    board = board_with(PWM_ON, boot="print('booting')")
    board.run_ms(50)
    board.send(b"\x03")
    board.run_ms(1)
    assert board.rig.duty == pytest.approx(30_000 / 65_535, abs=1e-3)  # nobody has turned it off
    seen = []
    board.chip.watch(wiring.MOT_PWM, lambda pin: seen.append(board.chip.mean(pin)))
    board.send(b"\x04")
    board.run_ms(10)
    assert text(board).count("booting\r\n") == 2
    assert all(duty > 0.4 for duty in seen)
    assert board.boots == 2


def test_leaving_by_sys_exit_or_soft_reset_boots_again():
    board = board_with("import machine, time\ntime.sleep_ms(100)\nmachine.soft_reset()")
    board.run_ms(350)
    assert board.boots == 4
    assert text(board).count("soft reboot") == 3


# -- resets and power ---------------------------------------------------------------------------------


def test_reset_from_the_firmware_starts_afresh_and_its_guards_have_no_effect():
    board = board_with(
        """
import machine, time
from machine import Pin
print(machine.reset_cause())
time.sleep_ms(100)
try:
    machine.reset()
finally:
    print("never")
    Pin(11, Pin.OUT, value=1)
"""
    )
    lit = []
    board.chip.watch(wiring.LED_R, lambda pin: lit.append(board.chip.levels[pin]))
    board.run_ms(150)
    assert text(board) == "1\r\n3\r\n"
    assert board.boots == 2
    assert 1 not in lit


def test_firmware_that_catches_everything_is_reset_all_the_same():
    board = board_with(
        "import time\nwhile True:\n    try:\n        time.sleep_ms(10)\n    except:\n        pass"
    )
    board.run_ms(100)
    board.reset()
    board.run_ms(100)
    assert board.boots == 2
    assert board.now_ms == 200


def test_a_hung_firmware_is_reset_by_the_watchdog():
    board = board_with("import machine, time\nmachine.WDT(timeout=200)\nprint('up')\ntime.sleep(9)")
    board.run_ms(500)
    assert board.boots == 3
    assert board.chip.reset_cause == WDT_RESET
    assert board.chip.watchdog_reason == 1


HUNG = """
import machine, time
from machine import Pin
Pin(5, Pin.IN, Pin.PULL_UP).irq(lambda _: Pin(11, Pin.OUT, value=1), Pin.IRQ_FALLING, hard=True)
print("up", machine.mem32[0x40058008], machine.mem32[0x4005800C])
machine.mem32[0x4005800C] = 7
dog = machine.WDT(timeout=1000)
while True:
    dog.feed()
    time.sleep_ms(10)
"""


def test_a_hang_put_in_from_outside_ends_in_a_watchdog_reset():
    board = board_with(HUNG)
    board.run_ms(50)
    board.chip.hang = True
    board.send(b"\x03")
    board.run_ms(900)
    assert board.boots == 1
    assert not board.at_prompt
    board.rig.nfault_low = True  # interrupts go on
    assert board.rig.led == 4
    board.run_ms(200)
    assert board.boots == 2
    assert text(board) == "up 0 0\r\nup 1 7\r\n"
    board.run_ms(2000)
    assert board.boots == 2


def test_a_brown_out_is_a_power_on_for_the_firmware_and_nothing_for_the_motor():
    board = board_with(HUNG)
    board.run_ms(50)
    board.plant.set_drive(0.5, True)
    board.run_ms(500)
    board.brown_out()
    turning = board.plant.omega_rad_s
    assert turning > 10
    board.run_ms(10)
    assert board.boots == 2
    assert text(board) == "up 0 0\r\n" * 2  # scratch registers are lost
    assert board.plant.omega_rad_s > 0.8 * turning


def test_free_heap_is_what_is_put_in():
    board = board_with("import gc, time\nwhile True:\n    print(gc.mem_free())\n    time.sleep_ms(100)")
    board.run_ms(50)
    board.chip.heap_free_bytes = 3000
    board.run_ms(100)
    assert text(board) == "160000\r\n3000\r\n"


def test_power_cut_turns_everything_off_and_power_on_boots_again():
    board = board_with(PWM_ON)
    board.run_ms(50)
    board.power_cut()
    assert board.chip.mean(wiring.MOT_PWM) == 0.0
    board.run_ms(1000)
    assert not board.powered
    board.power_on()
    board.run_ms(10)
    assert board.boots == 2
    assert board.chip.mean(wiring.MOT_PWM) > 0.4


def test_a_power_cut_inside_a_flash_write_ends_the_firmware_there():
    board = board_with(
        "try:\n    with open('/f', 'wb') as f:\n        f.write(b'x' * 3000)\nfinally:\n    print('never')\n"
    )
    board.flash.chip.cut_power_after(0, "half")
    board.run_ms(100)
    assert not board.powered
    assert text(board) == ""
    board.power_on()
    board.run_ms(500)
    assert len(board.flash.read_file("/f") or b"") == 3000


def test_flash_writes_take_virtual_time():
    board = board_with(
        "import time\nt = time.ticks_ms()\nwith open('/f', 'wb') as f:\n    f.write(b'x' * 9000)\n"
        "print(time.ticks_ms() - t)"
    )
    board.run_ms(1000)
    assert int(text(board).split()[0]) >= 90


def test_bootloader_leaves_the_firmware_for_good():
    board = board_with("import machine\nmachine.bootloader()")
    board.run_ms(100)
    assert board.bootsel
    assert board.now_ms == 100


# -- the packaged firmware ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> VirtualBoard:
    board = VirtualBoard(seed=5)
    board.power_on()
    board.run_ms(300)
    return board


def test_a_new_board_carries_the_packaged_firmware(shipped):
    files = firmware_files()
    assert {"boot.py", "main.py", "massager/board.py"} <= files.keys()
    assert all(shipped.flash.read_file("/" + name) == content for name, content in files.items())


def test_hello_says_that_it_is_simulated_and_who_it_is(shipped):
    hello = shipped.rpc("hello")
    assert hello["sim"] == "desktop"
    assert hello["board"] == shipped.chip.unique_id.hex()


def test_a_board_as_shipped_refuses_a_remote_start_by_name(shipped):
    with pytest.raises(RpcError, match="refused") as e:
        shipped.rpc("session.start", level=1, run_s=60)
    assert "remote_disabled" in [r["name"] for r in e.value.data["refusals"]]


def test_the_rigs_pins_are_the_firmwares(shipped):
    assert shipped.sandbox is not None
    pins: dict[str, Any] = shipped.sandbox.module("massager.board").PINS
    for name in ("RUN_REQ", "NFAULT", "STOP", "PLUS", "MINUS", "MODE", "LED_R", "LED_G", "LED_B", "TACH_A"):
        assert getattr(wiring, name) == pins[name], name
    for name in ("MOT_PWM", "MOT_PH", "BUZZER", "MUX_S0", "MUX_S1"):
        assert getattr(wiring, name) == pins[name], name
    for name in ("I_SENSE", "T_MUX", "V_BAT"):
        assert getattr(wiring, name) == pins[name] - 26, name


def test_remote_start_is_enabled_by_really_holding_mode_and_kept():
    board = VirtualBoard(remote_start=True)
    board.power_on()
    assert board.rpc("status")["remote_start"] is True
    again = VirtualBoard(remote_start=True, flash=board.flash)  # already on: MODE is not held again
    again.power_on()
    assert again.rpc("status")["remote_start"] is True


def test_a_session_turns_the_massager_and_ctrl_c_turns_it_off():
    board = VirtualBoard(remote_start=True, hand=Hand(0.3))
    board.power_on()
    board.rpc("session.start", level=3, run_s=60)
    for _ in range(6):
        board.run_ms(1000)
        board.rpc("session.keepalive")
    status = board.rpc("status")
    assert status["state"] == "RUNNING"
    assert status["rate_opm"] == pytest.approx(board.plant.rate_opm, rel=0.1)
    assert board.rig.early_drives == 0
    board.send(b"\x03")
    board.run_ms(10)
    assert board.rig.duty == 0.0
    assert not board.rig.enabled
    board.run_ms(2000)
    assert board.plant.rate_opm < 10


def test_a_thermistor_that_comes_off_is_noticed():
    board = VirtualBoard()
    board.power_on()
    board.run_ms(500)
    board.rig.ntc_override[0] = 3.3
    board.run_ms(3000)
    assert board.rpc("status")["motor_dc"] is None


def test_each_thermistor_reaches_its_own_field():
    plant = Plant()
    heat = plant.heat
    heat.case_c, heat.driver_c, heat.handle_c, heat.pad_c = 30.0, 34.0, 26.0, 38.0
    board = VirtualBoard(plant=plant)
    board.power_on()
    board.run_ms(1000)
    status = board.rpc("status")
    for field, celsius in (("motor", 30.0), ("driver", 34.0), ("handle", 26.0), ("pad", 38.0)):
        assert status[f"{field}_dc"] == pytest.approx(10 * celsius, abs=10), field


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("line", [wiring.MUX_S0, wiring.MUX_S1, wiring.MUX_S2])
def test_an_address_line_that_is_stuck_is_a_fault(line, level):
    board = VirtualBoard()  # everything at 25 degC, where a thermistor reads as the reference does
    board.power_on()
    board.run_ms(1000)
    assert board.rpc("status")["fault"] is None
    board.chip.stick(line, level)
    board.run_ms(400)
    sensors = ("adc_reference", "motor_sensor", "driver_sensor", "handle_sensor", "pad_sensor")
    assert board.rpc("status")["fault"]["name"] in sensors


@pytest.mark.parametrize("wrap_us", [1 << 30, 1000 << 30])
def test_the_firmware_runs_over_the_wrap_of_its_clock(wrap_us):
    board = VirtualBoard(remote_start=True, hand=Hand(0.3), start_us=wrap_us - 9_000_000)
    board.power_on()
    assert board.plant.t_us <= board.chip.clock_us < wrap_us
    board.rpc("session.start", level=2, run_s=60)
    for _ in range(10):
        board.run_ms(1000)
        assert board.rpc("session.keepalive")["state"] == "RUNNING"
    assert board.chip.clock_us > wrap_us
    assert board.rpc("status")["elapsed_ms"] == pytest.approx(10_000, abs=50)


def test_a_tick_can_be_made_slow_from_outside():
    board = VirtualBoard()
    board.power_on()
    board.run_ms(500)
    board.chip.call_us = 300
    board.run_ms(500)
    board.chip.call_us = 0
    assert board.rpc("status")["tick_worst_us"] >= 300


def test_run_to_line_stops_at_the_end_of_a_line():
    board = board_with(
        "import sys, time\nwhile True:\n    time.sleep_ms(100)\n    sys.stdout.buffer.write(b'x\\n')"
    )
    board.run_to_line(10_000)
    assert board.now_ms == 100
    assert board.receive() == b"x\n"
    board.run_to_line(50)
    assert board.now_ms == 150


def test_leaving_a_board_takes_its_power_away():
    with VirtualBoard() as board:
        board.run_ms(100)
        assert board.powered
    assert not board.powered


def test_no_answer_is_an_error_of_its_own():
    board = board_with("import time\ntime.sleep(100)")
    with pytest.raises(NotRunning, match="no reply to hello"):
        board.rpc("hello", timeout_ms=50)


def test_the_boot_event_goes_before_the_reply_to_what_came_during_the_boot():
    board = VirtualBoard()
    board.power_on()
    board.send(b'{"jsonrpc":"2.0","id":1,"method":"hello"}\n')
    board.run_ms(500)
    event, reply = (json.loads(line) for line in text(board).splitlines())
    assert event["params"]["name"] == "boot"
    assert reply["id"] == 1


def test_a_file_that_cannot_be_read_at_the_start_leaves_a_prompt(monkeypatch):
    board = VirtualBoard(seed=1)
    read = board.flash.read_file

    def broken(path: str) -> bytes | None:
        if path == "/main.py":
            raise OSError(84)
        return read(path)

    monkeypatch.setattr(board.flash, "read_file", broken)
    board.power_on()
    board.run_ms(100)
    assert board.at_prompt
    assert b"OSError: 84" in board.receive()
