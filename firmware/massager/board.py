"""The one door to the hardware: pins, PWM, ADC, clock, console and files.

No other module imports machine, rp2, time, sys or os (but for the interlock's PIO programs), so that the rest
of the firmware can be handed any board. Readings are raw here; `sense` gives them units.
"""

import gc
import hashlib
import io
import os
import select
import sys
import time

import machine
import rp2
from machine import ADC, PWM, WDT, Pin, mem32
from micropython import const

from massager.flash import Flash
from massager.interlock import Interlock
from massager.sense import DRIVER, HANDLE, MOTOR, PAD, REFERENCE, TACH_COUNT_US

# The pin map: the only place where GPIO numbers stand. hardware/ and docs/ are checked against it.
PINS = {
    "WD_KICK": 2,  # edge at the end of every good tick, for the hardware one-shot
    "RUN_REQ": 3,  # the PIO interlock's output: high = the driver may run (nSLEEP on the breadboard build)
    "ILK_OK": 4,  # hardware interlock's answer; not read yet
    "NFAULT": 5,  # driver's fault line, low = fault
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
    "MUX_S2": 20,
    "MUX_S1": 22,
    "I_SENSE": 26,  # motor current
    "T_MUX": 27,  # thermistors: motor, driver, handle, pad; half the rail as a reference
    "V_BAT": 28,  # supply voltage through a divider
}
BUTTONS = ("STOP", "PLUS", "MINUS", "MODE")  # neighbours, in the order of the bits in buttons.py
SAFE_LOW = ("RUN_REQ", "MOT_PWM", "MOT_PH", "WD_KICK", "BUZZER")  # boot.py drives these low, in this order

# What T_MUX shows in turn, a tick each, and its address. The other inputs are at ground: an address line that
# is stuck makes one of these read ground, which is a fault of its sensor.
MUX_LINES = ("MUX_S0", "MUX_S1", "MUX_S2")
MUX_TURNS = (
    (MOTOR, 0, 0, 0),
    (DRIVER, 1, 0, 0),
    (HANDLE, 0, 1, 0),
    (REFERENCE, 1, 1, 1),
    (MOTOR, 0, 0, 0),
    (DRIVER, 1, 0, 0),
    (PAD, 0, 0, 1),
    (REFERENCE, 1, 1, 1),
)

MOTOR_PWM_HZ = const(20_000)  # above hearing
TACH_SM = const(4)  # first state machine of PIO block 1; block 0 belongs to the interlock
WATCHDOG_MS = const(1_000)
FOLDER = const(0x4000)  # type of a folder in `ilistdir`

# Registers of the RP2040 that MicroPython has no name for, or reads more slowly.
GPIO_IN = const(0xD0000004)
GPIO_OUT_SET = const(0xD0000014)
GPIO_OUT_CLR = const(0xD0000018)
WATCHDOG_CTRL = const(0x40058000)
WATCHDOG_ENABLE = const(1 << 30)
WATCHDOG_REASON = const(0x40058008)
RAN_OUT = const(1)  # bit of the reason: the timer ran out; the reset was not asked for
# Scratch registers survive every reset but power-on, which leaves zeros.
MARK = const(0x4005800C)
UPTIME = const(0x40058010)
DOING = const(0x40058014)
MOTOR_MS = const(0x40058018)
BRIDGE = const(0x40058028)  # the last one; 4 to 7 are the boot ROM's only while 4 has its mark
STARTED = const(0x6B01)  # values of MARK: the firmware has started, …
GUARDED = const(0x6B02)  # … the watchdog watches it
COUNTED = const(0x5 << 24)  # marks MOTOR_MS as written by this firmware


@rp2.asm_pio(fifo_join=rp2.PIO.JOIN_RX)
def tach_period():
    """Push the time between rising edges, in counts of two cycles; the lowest 29 bits of it.

    After half a day's rest more would be no small integer of MicroPython's, for which the tick has no heap.
    """
    set(x, 3)  # the six cycles from an edge to the first count
    mov(x, invert(x))
    label("high")
    jmp(x_dec, "sample")
    label("sample")
    jmp(pin, "high")
    label("low")
    jmp(pin, "edge")
    jmp(x_dec, "low")
    label("edge")
    mov(osr, invert(x))
    in_(osr, 29)
    push(noblock)


def _mux_turns():
    """Of each turn: the channel, and the bits of the address lines to be low and high for the next turn."""
    lines = [1 << PINS[name] for name in MUX_LINES]
    turns = []
    for n in range(len(MUX_TURNS)):
        following = MUX_TURNS[(n + 1) % len(MUX_TURNS)]
        high = sum(line for line, level in zip(lines, following[1:]) if level)
        turns.append((MUX_TURNS[n][0], sum(lines) - high, high))
    return tuple(turns)


def _text(name):
    """A name on flash as text; None if it is not UTF-8. Asked for bytes, a Pico gives text for the root."""
    try:
        return name if isinstance(name, str) else name.decode()
    except ValueError:  # UnicodeError
        return None


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

    adc_current, adc_supply: 0…65535; mux_channel with adc_mux: the channel (of `sense`) that was read in this
    sample; tach_count, tach_periods: sum and number of tach periods (TACH_COUNT_US each) since the last
    sample; buttons: bits of `buttons`, 1 = pressed; run_req: RUN_REQ as it reads, 0 or 1; driver_fault:
    whether the driver's fault line is low, or was since the motor was enabled; guarded: the watchdog runs;
    stop_seen: the STOP contact has opened since this was set to False.
    """

    SIMULATED = getattr(machine, "SIMULATED", False)

    def __init__(self, console=None):
        for name in SAFE_LOW:
            Pin(PINS[name], Pin.OUT, value=0)
        self.console = console or Console()
        self._kick = Pin(PINS["WD_KICK"], Pin.OUT, value=0)
        self._kick_level = 0
        pwm = PWM(Pin(PINS["MOT_PWM"]))
        pwm.freq(MOTOR_PWM_HZ)
        self._set_duty = pwm.duty_u16
        self._set_duty(0)
        self._duty = 0
        self._buzzer = PWM(Pin(PINS["BUZZER"]))
        self._buzzer.freq(2_000)
        self._buzzer.duty_u16(0)
        self._buzz_hz = 0
        self._led = tuple(Pin(PINS[n], Pin.OUT, value=0) for n in ("LED_R", "LED_G", "LED_B"))
        self._rgb = 0
        for name in BUTTONS:
            Pin(PINS[name], Pin.IN, Pin.PULL_UP)
        self.stop_seen = False
        Pin(PINS["STOP"], Pin.IN, Pin.PULL_UP).irq(self._stop_opened, Pin.IRQ_RISING, hard=True)
        self._buttons_at = PINS["STOP"]
        self._run_req_bit = 1 << PINS["RUN_REQ"]
        self._nfault_bit = 1 << PINS["NFAULT"]
        self._interlock = Interlock(PINS["RUN_REQ"], PINS["STOP"])
        self.feed = self._interlock.feed
        self._tripped = False  # the driver complained since the motor was enabled
        Pin(PINS["NFAULT"], Pin.IN, Pin.PULL_UP).irq(self._driver_tripped, Pin.IRQ_FALLING, hard=True)
        for name in MUX_LINES:
            Pin(PINS[name], Pin.OUT, value=0)
        self._mux_turns = _mux_turns()
        self._mux_turn = 0
        self._read_current = ADC(Pin(PINS["I_SENSE"])).read_u16
        self._read_mux = ADC(Pin(PINS["T_MUX"])).read_u16
        self._read_supply = ADC(Pin(PINS["V_BAT"])).read_u16
        tach = Pin(PINS["TACH_A"], Pin.IN, Pin.PULL_UP)
        counter = rp2.StateMachine(TACH_SM, tach_period, freq=2_000_000 // TACH_COUNT_US, jmp_pin=tach)
        counter.active(1)
        self._tach_waiting = counter.rx_fifo
        self._tach_get = counter.get
        self.adc_current = self.adc_supply = self.adc_mux = 0
        self.mux_channel = MOTOR
        self.tach_count = self.tach_periods = 0
        self.buttons = 0
        self.run_req = 0
        self.driver_fault = False
        self.guarded = False
        self.ticks_us = time.ticks_us
        self.ticks_diff = time.ticks_diff
        self.ticks_add = time.ticks_add
        self.collect = gc.collect
        self.mem_free = gc.mem_free

    # -- inputs -------------------------------------------------------------------------------------

    def sample(self):
        """Read every input once. The multiplexer moves on at the end and settles until the next tick."""
        self.adc_current = self._read_current()
        self.adc_supply = self._read_supply()
        turn = self._mux_turn
        self.mux_channel, low, high = self._mux_turns[turn]
        self.adc_mux = self._read_mux()
        self._mux_turn = (turn + 1) & 7
        registers = mem32
        registers[GPIO_OUT_CLR] = low
        registers[GPIO_OUT_SET] = high
        self.tach_periods = periods = self._tach_waiting()
        count = 0
        while periods:
            count += self._tach_get()
            periods -= 1
        self.tach_count = count
        pins = registers[GPIO_IN]
        self.buttons = pins >> self._buttons_at & 15 ^ 14  # STOP opens when pressed, the others close
        self.run_req = 1 if pins & self._run_req_bit else 0
        self.driver_fault = self._tripped or not pins & self._nfault_bit

    def read_run_req(self):
        """RUN_REQ as it reads at this instant, 0 or 1."""
        return 1 if mem32[GPIO_IN] & self._run_req_bit else 0

    # -- outputs ------------------------------------------------------------------------------------

    def enable_motor(self, on):
        """Arm the interlock, which wakes the driver, or trip it and let the motor coast. Duty 0 either way.

        Armed, it has to be fed by `feed` at the end of every good tick, or it trips after 100 ms.
        """
        self.write_motor(0)
        if on:
            self._interlock.arm()
        else:
            self._interlock.disarm()

    def forgive_driver(self):
        """Forget what the driver's fault line did while the driver woke up."""
        self._tripped = False

    def _stop_opened(self, _pin):
        """Interrupt: the STOP contact opened; one that came during a write to flash comes after it."""
        self.stop_seen = True

    def write_motor(self, duty):
        """Motor duty, 0…65535. Stays 0 once the driver has complained."""
        if duty != self._duty:
            self._duty = duty
            self._set_duty(duty)
            if self._tripped:  # asked after writing: the interrupt may come between
                self._duty = 0
                self._set_duty(0)

    def _driver_tripped(self, _pin):
        """Interrupt: the driver's fault line fell. Allocates nothing."""
        self._set_duty(0)
        self._duty = 0
        self._tripped = True

    def kick(self):
        """The tick that ends here was good: an edge for the hardware one-shot, and the watchdog is fed."""
        self._kick_level ^= 1
        self._kick(self._kick_level)
        if self.guarded:
            self._feed_watchdog()

    def guard(self):
        """Start the watchdog: from now on a loop that hangs for a second ends in a reset. Not in a tick."""
        self._feed_watchdog = WDT(timeout=WATCHDOG_MS).feed
        mem32[MARK] = GUARDED
        self.guarded = True

    def note(self, doing, uptime_ms):
        """Leave two numbers for the firmware that starts after a watchdog's reset."""
        mem32[DOING] = doing
        mem32[UPTIME] = uptime_ms

    def count(self, motor_ms):
        """Leave the session's motor time, 0…900,000 ms, for the firmware that starts after a reset."""
        mem32[MOTOR_MS] = COUNTED | motor_ms

    def counted_ms(self):
        """The motor time that `count` left before the reset; None after power-on."""
        word = mem32[MOTOR_MS] & 0xFFFFFFF
        return word ^ COUNTED if word >> 24 == COUNTED >> 24 else None

    def bridge(self, word):
        """Leave a number of at most 28 bits for the firmware that starts after a reset."""
        mem32[BRIDGE] = word

    def bridged(self):
        """The number that `bridge` left before the reset; 0 after power-on."""
        return mem32[BRIDGE] & 0xFFFFFFF

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

    def boot_cause(self):
        """Why the firmware started: (name, uptime in ms and `note` before it). Once; it takes the marks away.

        "power_on", "watchdog" (it ran out), or "reset" (deliberate, or soft).
        """
        mark = mem32[MARK]
        ran_ms = mem32[UPTIME]
        doing = mem32[DOING]
        mem32[MARK] = STARTED
        if mark == GUARDED and mem32[WATCHDOG_REASON] & RAN_OUT:
            return "watchdog", ran_ms, doing
        if mark not in (STARTED, GUARDED):
            return "power_on", 0, 0
        return "reset", ran_ms, doing

    def reset(self):
        """Deliberate reset; does not return."""
        self.enable_motor(0)
        mem32[MARK] = STARTED
        machine.reset()

    def release(self):
        """Stop the watchdog. For the guard in main.py alone: the outputs are low and someone took over."""
        mem32[WATCHDOG_CTRL] = mem32[WATCHDOG_CTRL] & ~WATCHDOG_ENABLE
        mem32[MARK] = STARTED
        self.guarded = False

    def describe(self, error, limit=400):
        """The end of an exception's traceback as text."""
        text = io.StringIO()
        sys.print_exception(error, text)
        return text.getvalue()[-limit:]


class Files(Flash):
    """The few file operations that the firmware needs, under one root folder (the flash's)."""

    def __init__(self, root="/"):
        super().__init__(self._load_file, self._list_folder)
        self._root = root

    def _load_file(self, name, most):
        """Whole content as bytes; None, without reading it, when there are more than `most`."""
        with open(self._root + name, "rb") as f:
            size = f.seek(0, 2)
            if size > most:
                return None
            f.seek(0)
            return f.read(size)

    def _list_folder(self, folder):
        # "." because MicroPython gives the names in b"/" as str, and stops at one that is not UTF-8
        for entry in os.ilistdir((self._root + (folder or ".")).encode()):
            yield _text(entry[0]), entry[1] == FOLDER

    def _make_folder(self, name):
        """The folder of a file, if there is none."""
        folder = name.rfind("/")
        if folder > 0:
            try:
                os.mkdir(self._root + name[:folder])
            except OSError as e:
                if e.args[0] != 17:  # EEXIST
                    raise

    def append(self, name, data):
        """Add to the end of a file, or create it and its folder. Raises OSError (28: no space left)."""
        self._make_folder(name)
        with open(self._root + name, "ab") as f:
            f.write(data)

    def write(self, name, data):
        """Create or overwrite. Raises OSError (28: no space left)."""
        with open(self._root + name, "wb") as f:
            f.write(data)

    def rename(self, old, new):
        """Atomic on littlefs, also over an existing file; the new name's folder is created."""
        self._make_folder(new)
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
        """First 16 hex digits of the SHA-256 over the firmware's files: names, contents, sizes, sorted."""
        found = None
        for content in self.hash_slowly():
            found = content
        return found

    def hash_slowly(self):
        """`content_hash` in pieces: yields None after each block, the hash at last.

        A file that cannot be read counts with its name: the hash is another one.
        """
        # without a folder it is frozen or run from elsewhere: nothing on flash to vouch for
        names = [n for n in self._list("") if n in ("boot.py", "main.py")]
        names += ["massager/" + n for n in self._list("massager") if n.endswith("py")]
        names += ["massager/programs/" + n for n in self._list("massager/programs")]
        digest = hashlib.sha256()
        block = bytearray(1_024)  # takes about a millisecond, of the ten until the next tick
        for name in names:
            digest.update(name.encode())
            size = 0
            try:
                with open(self._root + name, "rb") as f:
                    while True:
                        n = f.readinto(block)
                        if not n:
                            break
                        size += n
                        digest.update(block if n == len(block) else block[:n])
                        yield None
            except OSError:
                size = -1
            digest.update(b" %d\n" % size)  # counted: `stat` would look the file up once more
        yield "".join("%02x" % b for b in digest.digest()[:8])

    def _list(self, folder):
        """Sorted names in a folder; none when it cannot be read."""
        names: list = []
        try:
            for name, _ in self.entries(folder):
                if name:
                    names.append(name)
        except (OSError, ValueError):  # unreadable, or a name in the root that is not UTF-8
            pass  # names that are missing change the hash
        names.sort()
        return names
