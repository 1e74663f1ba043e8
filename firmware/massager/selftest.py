"""Self-test: what must be proven before the motor may turn: at power-on, every ten idle minutes, on demand.

Inspired by the classes of tests in IEC 60730-1 annex H; it claims nothing of that standard. The steps run
between ticks, one at a time. The interlock's step waits a tenth of a second with the driver awake and duty
0; it is also the clock test: the PIO counts the system clock, the processor reads the timer.
"""

from micropython import const

from massager import sense as sensing
from massager import session as sessions
from massager.buttons import STOP
from massager.sense import HALF_RAIL, INVALID

EVERY_MS = const(600_000)
AGAIN_MS = const(10_000)  # after a round that failed
SETTLE_TICKS = const(10)  # after power-on the sensors have been read by then
FAILED, PASSED, PENDING = 0, 1, 2
STATE_NAMES = ("failed", "passed", "pending")
RAM_BYTES = const(2_048)
RISE_US = const(10_000)
DROP_US = const(150_000)
STEP_US = const(1_000)
INTERLOCK_TESTS = const(6)  # the last ones of TESTS: what the interlock's step measures
PATTERNS = (b"\x55", b"\xaa", b"\x00\xff")

# name, measures, unit, low, high, remedy
# fmt: off
TESTS = (
    ("ram", "patterns that a block does not keep", "", 0, 0, "The board is defective: replace it."),
    ("firmware", "whether the files changed since the start", "", 0, 0, "Install the firmware again."),
    ("reference", "half of the rail as the ADC reads it", "1/1000", 475, 525, "Check 3.3 V and the divider."),
    ("motor_sensor", "motor temperature", "0.1 C", -200, 900, "Check the thermistor on the motor."),
    ("driver_sensor", "driver temperature", "0.1 C", -200, 1000, "Check the thermistor at the driver."),
    ("handle_sensor", "handle temperature", "0.1 C", -200, 480, "Check the thermistor in the handle."),
    ("pad_sensor", "pad temperature", "0.1 C", -200, 430, "Check the thermistor at the pad's seat."),
    ("stop", "STOP read-back, 0 = closed", "", 0, 0, "Release STOP, or check its wires."),
    ("interlock_rises", "arming to RUN_REQ high", "us", 0, 9_999, "Check RUN_REQ for a short to ground."),
    ("off_current", "current awake at duty 0", "mA", 0, 60, "A transistor of the driver may be shorted."),
    ("driver", "fault line of the awake driver, 0 = calm", "", 0, 0, "Check the driver and its supply."),
    ("interlock_drops", "starving to RUN_REQ low", "us", 100_000, 110_000, "Unplug it; replace the board."),
    ("interlock_stays", "RUN_REQ fed after a trip", "", 0, 0, "Unplug it; replace the board."),
)
# fmt: on


class Selftest:
    """state: "running", "passed", "failed" or "none"; values: those of TESTS, None while one is pending;
    blocks: refusal bits, none once a round has passed, and while the next one runs.
    """

    def __init__(self, board, files, sense, content):
        self._board = board
        self._sense = sense
        self._files = files
        self._content = content
        self._steps = (self._ram, self._firmware, self._sensors, self._interlock)
        self.t_ms = None  # uptime at which the round ended
        self._wait_ticks = SETTLE_TICKS
        self.blocks = sessions.SELFTEST
        self.restart()

    def skip(self):
        """Test nothing: for maintenance, in which the motor cannot start."""
        self.state = "none"
        self.blocks = 0

    def ask(self):
        """Begin a new round, unless one is under way: that one ends first, however often this is asked."""
        if self.state != "running":
            self.restart()

    def restart(self):
        """Begin a new round; until it is over the outcome of the last one counts."""
        self.state = "running"
        self.values = [None] * len(TESTS)
        self._at = 0
        self._hash = None

    def results(self):
        """(name, state, value) of each test; none of a sensor that is not fitted."""
        return [
            (row[0], STATE_NAMES[_judge(row, value)], None if value == INVALID else value)
            for row, value in zip(TESTS, self.values)
            if row[0] != "pad_sensor" or self._sense.fitted >> sensing.PAD & 1
        ]

    def failed(self):
        """Names of the tests that failed."""
        return [name for name, state, _ in self.results() if state == "failed"]

    def step(self, uptime_ms, stop_pressed):
        """Do the next piece of work, between two ticks with the motor off. True when the round just ended."""
        if self._wait_ticks:
            self._wait_ticks -= 1
            return False
        if self.state != "running":
            every_ms = EVERY_MS if self.state == "passed" else AGAIN_MS
            if (uptime_ms - self.t_ms) & 0x3FFFFFFF < every_ms:
                return False
            self.restart()
        if self._at < len(self._steps):
            if self._steps[self._at] == self._interlock and (stop_pressed or self._sense.rate_opm):
                return False  # its turn comes when STOP is released and the motor stands
            if self._steps[self._at]():
                self._at += 1
            return False
        self.blocks = sessions.SELFTEST if self.failed() else 0
        self.state = "failed" if self.blocks else "passed"
        self.t_ms = uptime_ms
        return True

    def _put(self, name, value):
        for i in range(len(TESTS)):
            if TESTS[i][0] == name:
                self.values[i] = value

    def _ram(self):
        block = bytearray(RAM_BYTES)
        bad = 0
        for pattern in PATTERNS:
            wanted = pattern * (RAM_BYTES // len(pattern))
            block[:] = wanted
            if block != wanted:
                bad += 1
        self._put("ram", bad)
        return True

    def _firmware(self):
        """A block of the files at a time; the whole of them takes some hundred ms."""
        if self.t_ms is None:  # the first round: they have just been read
            self._put("firmware", 0)
            return True
        if self._hash is None:
            self._hash = self._files.hash_slowly()
        for content in self._hash:
            if content is None:
                return False
            self._put("firmware", 0 if content == self._content else 1)
            self._hash = None
            return True
        return True

    def _sensors(self):
        self._put("reference", self._sense.reference * 1000 // (2 * HALF_RAIL))
        temperatures = self._sense.temperatures_dc
        for name, channel in (
            ("motor_sensor", sensing.MOTOR),
            ("driver_sensor", sensing.DRIVER),
            ("handle_sensor", sensing.HANDLE),
            ("pad_sensor", sensing.PAD),
        ):
            if self._sense.fitted >> channel & 1:
                self._put(name, temperatures[channel])
        return True

    def _interlock(self):
        board = self._board
        board.stop_seen = False
        board.sample()
        self._put("stop", board.buttons & STOP)
        board.enable_motor(1)
        rise_us = self._wait_for(1, RISE_US)
        self._put("interlock_rises", rise_us)
        board.feed()
        fed_us = board.ticks_us()
        board.sleep_us(2 * STEP_US)
        board.sample()
        board.sample()
        self._sense.update(board, 0)
        self._put("off_current", self._sense.fast_ma)
        self._put("driver", 1 if board.driver_fault else 0)
        self._wait_for(0, DROP_US)
        self._put("interlock_drops", board.ticks_diff(board.ticks_us(), fed_us))
        board.feed()
        board.sleep_us(2 * STEP_US)
        self._put("interlock_stays", board.read_run_req())
        board.enable_motor(0)
        board.forgive_driver()
        if board.stop_seen:  # pressed meanwhile: what was measured is STOP's work, and is measured again
            for i in range(len(TESTS) - INTERLOCK_TESTS, len(TESTS)):
                self.values[i] = None
            return False
        return True

    def _wait_for(self, level, at_most_us):
        """Microseconds until RUN_REQ reads `level`; at_most_us when it does not."""
        board = self._board
        began_us = board.ticks_us()
        while True:
            took_us = board.ticks_diff(board.ticks_us(), began_us)
            if board.read_run_req() == level or took_us >= at_most_us:
                return took_us
            board.sleep_us(STEP_US)


def _judge(row, value):
    if value is None:
        return PENDING
    if value == INVALID:
        return FAILED
    return PASSED if row[3] <= value <= row[4] else FAILED
