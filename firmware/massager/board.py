"""The one door to the hardware: pins, PWM, ADC, clock, console and files.

No other module imports machine, rp2, time, sys or os (the interlock will be the one exception), so that
the rest of the firmware can be handed any board. Readings are raw here; `sense` gives them units.
"""

import gc
import hashlib
import os
import select
import sys
import time

import machine
import rp2
from machine import ADC, PWM, Pin
from micropython import const

from massager import buttons as bits
from massager.sense import TACH_COUNT_US

# The pin map: the only place where GPIO numbers stand. hardware/ and docs/ are checked against it.
PINS = {
    "WD_KICK": 2,  # edge at the end of every good tick, for the hardware one-shot
    "RUN_REQ": 3,  # high = the driver may run (nSLEEP on the breadboard build)
    "ILK_OK": 4,  # hardware interlock's answer; not read yet
    "NFAULT": 5,  # driver's fault line, low = fault; not read yet
    "STOP": 6,  # normally closed to GND: pressed, cut or unplugged all read 1
    "PLUS": 7,  # buttons to GND, normally open: pressed reads 0
    "MINUS": 8,
    "MODE": 9,
    "REARM": 10,  # sense of the interlock's re-arm button; not read yet
    "LED_R": 11,  # RGB LED, 1 = on
    "LED_G": 12,
    "LED_B": 13,
    "TACH_A": 14,  # tach, rising edges
    "TACH_B": 15,  # second tach channel; not read
    "MOT_PWM": 16,  # driver EN, 20 kHz
    "MOT_PH": 17,  # driver PH: direction, held at 0
    "BUZZER": 18,  # alone on its PWM slice
    "MUX_S0": 19,  # address of the multiplexer before T_MUX
    "MUX_S1": 22,
    "I_SENSE": 26,  # motor current
    "T_MUX": 27,  # thermistors: motor, driver, handle; then half the rail as a reference
    "V_BAT": 28,  # supply voltage through a divider
}
SAFE_LOW = ("RUN_REQ", "MOT_PWM", "MOT_PH", "WD_KICK", "BUZZER")  # boot.py drives these low, in this order

MOTOR_PWM_HZ = const(20_000)  # above hearing
TACH_SM = const(4)  # first state machine of PIO block 1; block 0 belongs to the interlock


@rp2.asm_pio(fifo_join=rp2.PIO.JOIN_RX)
def tach_period():
    """Push the time between rising edges, in counts of two cycles."""
    set(x, 2)  # the five cycles from an edge to the first count, as two counts
    mov(x, invert(x))
    label("high")
    jmp(x_dec, "sample")
    label("sample")
    jmp(pin, "high")
    label("low")
    jmp(pin, "edge")
    jmp(x_dec, "low")
    label("edge")
    mov(isr, invert(x))
    push(noblock)


class Console:
    """The USB serial port, byte by byte and never blocking.

    A single byte is all that `poll` promises: on the RP2040 a longer read waits for the last byte and a
    longer write can wait half a second for a host that stopped reading.
    """

    def __init__(self):
        self._in = sys.stdin.buffer
        self._out = sys.stdout.buffer
        self._byte = bytearray(1)
        self._readable = select.poll()
        self._readable.register(sys.stdin, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(sys.stdout, select.POLLOUT)

    def read(self):
        """Next byte as 0…255, or -1 when there is none."""
        for _ in self._readable.ipoll(0):
            self._in.readinto(self._byte)
            return self._byte[0]
        return -1

    def wait_ms(self, ms):
        """Wait until there is something to read, `ms` at most."""
        for _ in self._readable.ipoll(ms):
            return

    def write(self, byte):
        """Send one byte; False when the host does not take it now."""
        for _ in self._writable.ipoll(0):
            self._byte[0] = byte
            self._out.write(self._byte)
            return True
        return False


class Board:
    """Raw readings in attributes, filled by `sample`; outputs as methods. The motor is off at first.

    adc_current, adc_supply: 0…65535; mux_channel with adc_mux: the T_MUX channel (0…3) read in this
    sample; tach_count, tach_periods: sum and number of tach periods (TACH_COUNT_US each) since the last
    sample; buttons: bits of `buttons`, 1 = pressed.
    """

    SIMULATED = getattr(machine, "SIMULATED", False)

    def __init__(self, console=None):
        for name in SAFE_LOW:
            Pin(PINS[name], Pin.OUT, value=0)
        self.console = console or Console()
        self._run_req = Pin(PINS["RUN_REQ"], Pin.OUT, value=0)
        self._kick = Pin(PINS["WD_KICK"], Pin.OUT, value=0)
        self._kick_level = 0
        self._pwm = PWM(Pin(PINS["MOT_PWM"]))
        self._pwm.freq(MOTOR_PWM_HZ)
        self._pwm.duty_u16(0)
        self._duty = 0
        self._buzzer = PWM(Pin(PINS["BUZZER"]))
        self._buzzer.freq(2_000)
        self._buzzer.duty_u16(0)
        self._buzz_hz = 0
        self._led = tuple(Pin(PINS[n], Pin.OUT, value=0) for n in ("LED_R", "LED_G", "LED_B"))
        self._rgb = 0
        self._stop = Pin(PINS["STOP"], Pin.IN, Pin.PULL_UP)
        self._plus = Pin(PINS["PLUS"], Pin.IN, Pin.PULL_UP)
        self._minus = Pin(PINS["MINUS"], Pin.IN, Pin.PULL_UP)
        self._mode = Pin(PINS["MODE"], Pin.IN, Pin.PULL_UP)
        self._mux0 = Pin(PINS["MUX_S0"], Pin.OUT, value=0)
        self._mux1 = Pin(PINS["MUX_S1"], Pin.OUT, value=0)
        self._read_current = ADC(Pin(PINS["I_SENSE"])).read_u16
        self._read_mux = ADC(Pin(PINS["T_MUX"])).read_u16
        self._read_supply = ADC(Pin(PINS["V_BAT"])).read_u16
        tach = Pin(PINS["TACH_A"], Pin.IN, Pin.PULL_UP)
        self._tach = rp2.StateMachine(TACH_SM, tach_period, freq=2_000_000 // TACH_COUNT_US, jmp_pin=tach)
        self._tach.active(1)
        self.adc_current = self.adc_supply = self.adc_mux = 0
        self.mux_channel = self._next_mux = 0
        self.tach_count = self.tach_periods = 0
        self.buttons = 0
        self.ticks_us = time.ticks_us
        self.ticks_diff = time.ticks_diff
        self.ticks_add = time.ticks_add
        self.collect = gc.collect

    # -- inputs -------------------------------------------------------------------------------------

    def sample(self):
        """Read every input once. The multiplexer moves on at the end and settles until the next tick."""
        self.adc_current = self._read_current()
        self.adc_supply = self._read_supply()
        channel = self._next_mux
        self.mux_channel = channel
        self.adc_mux = self._read_mux()
        self._next_mux = channel = (channel + 1) & 3
        self._mux0(channel & 1)
        self._mux1(channel >> 1)
        tach = self._tach
        periods = tach.rx_fifo()
        self.tach_periods = periods
        count = 0
        while periods:
            count += tach.get()
            periods -= 1
        self.tach_count = count
        buttons = 0
        if self._stop():
            buttons = bits.STOP
        if not self._plus():
            buttons |= bits.PLUS
        if not self._minus():
            buttons |= bits.MINUS
        if not self._mode():
            buttons |= bits.MODE
        self.buttons = buttons

    # -- outputs ------------------------------------------------------------------------------------

    def enable_motor(self, on):
        """Wake the driver (on) or let it sleep and the motor coast (off). Either way with duty 0."""
        self.write_motor(0)
        self._run_req(on)

    def write_motor(self, duty):
        """Motor duty, 0…65535."""
        if duty != self._duty:
            self._duty = duty
            self._pwm.duty_u16(duty)

    def kick(self):
        """One edge for the hardware one-shot: the tick that just ended was good."""
        self._kick_level ^= 1
        self._kick(self._kick_level)

    def led(self, rgb):
        """Colour as bits: 4 red, 2 green, 1 blue."""
        if rgb != self._rgb:
            self._rgb = rgb
            self._led[0](rgb >> 2)
            self._led[1](rgb >> 1 & 1)
            self._led[2](rgb & 1)

    def buzz(self, hz):
        """Sound the buzzer at hz, 0 = silence."""
        if hz == self._buzz_hz:
            return
        self._buzz_hz = hz
        if hz:
            self._buzzer.freq(hz)
        self._buzzer.duty_u16(32_768 if hz else 0)

    def wait_us(self, us):
        """Idle for `us`, less when the console has something to read; may end up to 1 ms early."""
        if us >= 1000:
            self.console.wait_ms(us // 1000)
        else:
            time.sleep_us(us)

    def sleep_us(self, us):
        """Idle for `us`, whatever the console has to read; may end up to 1 ms early."""
        if us >= 1000:
            time.sleep_ms(us // 1000)
        else:
            time.sleep_us(us)

    # -- the chip -----------------------------------------------------------------------------------

    def unique_id(self):
        """The board's serial number as hexadecimal text."""
        return "".join("%02x" % b for b in machine.unique_id())

    def reset(self):
        """Deliberate reset; does not return."""
        self.enable_motor(0)
        machine.reset()


class Files:
    """The few file operations that the firmware needs, under one root folder (the flash's)."""

    def __init__(self, root="/"):
        self._root = root

    def read(self, name):
        """Whole content as bytes; None when there is no such file."""
        try:
            with open(self._root + name, "rb") as f:
                return f.read()
        except OSError as e:
            if e.args[0] == 2:  # ENOENT
                return None
            raise

    def write(self, name, data):
        """Create or overwrite. Raises OSError (28: no space left)."""
        with open(self._root + name, "wb") as f:
            f.write(data)

    def rename(self, old, new):
        """Atomic on littlefs, also over an existing file."""
        os.rename(self._root + old, self._root + new)

    def remove(self, name):
        """Delete; True when there was such a file."""
        try:
            os.remove(self._root + name)
            return True
        except OSError as e:
            if e.args[0] == 2:
                return False
            raise

    def content_hash(self):
        """First 16 hex digits of the SHA-256 over the firmware's files: names, sizes, contents, sorted."""
        root = self._root
        names = [n for n in ("boot.py", "main.py") if n in os.listdir(root)]
        try:
            names += sorted("massager/" + n for n in os.listdir(root + "massager") if n.endswith("py"))
        except OSError:
            pass  # frozen or run from elsewhere: nothing on flash to vouch for
        digest = hashlib.sha256()
        block = bytearray(512)
        for name in names:
            with open(root + name, "rb") as f:
                digest.update(("%s %d\n" % (name, os.stat(root + name)[6])).encode())
                while True:
                    n = f.readinto(block)
                    if not n:
                        break
                    digest.update(block if n == len(block) else block[:n])
        return "".join("%02x" % b for b in digest.digest()[:8])
