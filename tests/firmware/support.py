"""What the firmware's tests share. Runs on CPython and on MicroPython, therefore no pytest here.

`Bench` is the whole device on a board whose raw readings the test sets; the simulator with its physics is
used in the scenarios, not here.
"""

import json

import massager
from massager import library, rpc
from massager.app import App
from massager.buttons import MODE
from massager.flash import Flash
from massager.panel import LEAD_MS
from massager.sense import DRIVER, HANDLE, MOTOR, PAD, PERIOD_MS, REFERENCE

TICK_US = 10_000
TURNS = (MOTOR, DRIVER, HANDLE, REFERENCE, MOTOR, DRIVER, PAD, REFERENCE)  # a tick each


def raises(kind, call, *args):
    """The exception of `kind` that the call raises; AssertionError when it raises none."""
    try:
        call(*args)
    except kind as e:
        return e
    raise AssertionError("nothing raised")


def put(settings, changes):
    """Let settings have these values, which make sense."""
    assert settings.check_all(changes) == []
    settings.take(changes)


def built_in_files():
    """The files of the programs that are built in, as they stand on flash: path → content."""
    folder = massager.__file__.rsplit("/", 1)[0]
    found = {}
    for name in library.BUILT_IN:
        with open("%s/programs/%s.json" % (folder, name), "rb") as f:
            found["massager/programs/%s.json" % name] = f.read()
    return found


BUILT_IN_FILES = built_in_files()


HUGE = "too large for the heap of the test"


class MemoryFiles(Flash):
    """Files in memory that can fail: `cut_at` operations from now the power fails, in the middle of a write;
    `error` is the errno of every write.

    content: path → bytes, the errno of reading it, or HUGE; an empty folder is a path that ends in a slash.
    """

    class PowerCut(Exception):
        pass

    def __init__(self):
        super().__init__(self._load_file, self._list_folder)
        self.content = {}  # what was written; the firmware's own files are there as well
        self.operations = 0
        self.cut_at = None
        self.torn = 0.5
        self.error = None
        self.content_id = "0123456789abcdef"

    def _operation(self):
        self.operations += 1
        if self.cut_at is not None and self.operations > self.cut_at:
            raise self.PowerCut()

    def _is_folder(self, name):
        return any(path.startswith(name + "/") for path in self.content)

    def _check_place(self, name):
        """Raise what littlefs raises where no file can be written."""
        folder = name.rsplit("/", 1)[0]
        if folder != name and folder in self.content:
            raise OSError(20)
        if self._is_folder(name):
            raise OSError(21)

    def _load_file(self, name, most):
        data = self.content.get(name, BUILT_IN_FILES.get(name))
        if data is None:
            raise OSError(21 if self._is_folder(name) else 2)
        if isinstance(data, int):
            raise OSError(data)
        return data if data is not HUGE and len(data) <= most else None

    def _list_folder(self, folder):
        found = self.content.get(folder)
        if found is not None:
            raise OSError(found if isinstance(found, int) else 20)
        if not self._is_folder(folder):
            raise OSError(2)
        entries = {}
        for path in self.content:
            if path.startswith(folder + "/") and path != folder + "/":
                parts = path[len(folder) + 1 :].split("/")
                entries[parts[0]] = len(parts) > 1
        return list(entries.items())

    def write(self, name, data):
        if self.error:
            raise OSError(self.error)
        self._check_place(name)
        self.content[name] = data[: int(len(data) * self.torn)]
        self._operation()
        self.content[name] = data
        self._operation()

    def rename(self, old, new):
        self._check_place(new)
        self._operation()
        self.content[new] = self.content.pop(old)
        self._operation()

    def append(self, name, data):
        self._operation()
        before = self.content.get(name, b"")
        if not isinstance(before, bytes):
            raise OSError(5)
        self.write(name, before + data)

    def remove(self, name):
        if name + "/" in self.content:
            name += "/"
        elif self._is_folder(name):
            raise OSError(39)
        if name not in self.content:
            return False
        self._operation()
        del self.content[name]
        return True

    def content_hash(self):
        return self.content_id

    def hash_slowly(self):
        yield None
        yield self.content_id


class MemoryConsole:
    """A console whose both ends are in memory; `room`: bytes that the host still takes, None = any number."""

    def __init__(self):
        self.received = bytearray()
        self.sent = bytearray()
        self.room = None

    def read(self):
        if not self.received:
            return -1
        byte = self.received[0]
        self.received = self.received[1:]
        return byte

    def write(self, byte):
        if self.room is not None:
            if not self.room:
                return False
            self.room -= 1
        self.sent.append(byte)
        return True


class BenchBoard:
    """Raw readings as a healthy, idle device has them; the test changes them. Time moves with `wait_us`.

    The interlock is a sound one: armed, it holds for INTERLOCK_US after each feed, while STOP is closed.
    stuck: level at which RUN_REQ hangs; nfault: the driver complains; cause: what `boot_cause` says.
    """

    SIMULATED = "bench"
    INTERLOCK_US = 104_000

    def __init__(self):
        self.console = MemoryConsole()
        self.us = 0
        self.adc_current = 0
        self.adc_supply = 41_800  # 12.0 V
        self.temperatures = [32_768] * 5  # by channel; 25 C, and half the rail
        self._turn = -1
        self.mux_channel = self.adc_mux = 0  # here: a tick has no heap for new attributes
        self.buttons = 0
        self.tach_count = self.tach_periods = 0
        self.duty = 0
        self.enabled = False
        self.hz = 0
        self.rgb = 0
        self.resets = 0
        self.collected = 0
        self.free = 150_000
        self.run_req = 0
        self.stuck = None
        self.word = 0
        self.motor_ms = None
        self.stop_seen = False
        self.nfault = False
        self.driver_fault = False
        self.guarded = False
        self.kicks = 0
        self.cause = ("power_on", 0, 0)
        self.noted = None
        self._armed = False
        self._fed_us = 0

    def sample(self):
        self._turn = (self._turn + 1) % len(TURNS)
        self.mux_channel = TURNS[self._turn]
        self.adc_mux = self.temperatures[self.mux_channel]
        self.run_req = self.read_run_req()
        self.driver_fault = self.nfault

    def read_run_req(self):
        if self.buttons & 1 or self.ticks_diff(self.us, self._fed_us) > self.INTERLOCK_US:
            self._armed = False
        self.enabled = self._armed if self.stuck is None else bool(self.stuck)
        return 1 if self.enabled else 0

    def enable_motor(self, on):
        self._armed = bool(on)
        self._fed_us = self.us
        self.duty = 0
        self.read_run_req()

    def feed(self):
        if self.read_run_req():
            self._fed_us = self.us

    def forgive_driver(self):
        pass

    def write_motor(self, duty):
        self.duty = duty

    def kick(self):
        self.kicks += 1

    def guard(self):
        self.guarded = True

    def bridge(self, word):
        self.word = word

    def bridged(self):
        return self.word

    def count(self, motor_ms):
        self.motor_ms = motor_ms

    def counted_ms(self):
        return self.motor_ms

    def note(self, doing, uptime_ms):
        self.noted = (doing, uptime_ms)

    def boot_cause(self):
        return self.cause

    def describe(self, error):
        return "Traceback\n%s: %s" % (type(error).__name__, error)

    def mem_free(self):
        return self.free

    def led(self, rgb):
        self.rgb = rgb

    def buzz(self, hz):
        self.hz = hz

    def ticks_us(self):
        return self.us

    def ticks_diff(self, a, b):
        return ((a - b + 0x20000000) & 0x3FFFFFFF) - 0x20000000

    def ticks_add(self, a, n):
        return (a + n) & 0x3FFFFFFF

    def wait_us(self, us):
        self.us = (self.us + us) & 0x3FFFFFFF

    sleep_us = wait_us

    def collect(self):
        self.collected += 1

    def unique_id(self):
        return "e66038b713a1b2c3"

    def reset(self):
        self.resets += 1


class Bench:
    """The device on a BenchBoard: `run_ms`, `call` (through the RPC text), `spin` the shaft.

    settle: run until the self-test at power-on is over.
    """

    def __init__(self, files=None, remote=True, settle=True, board=None):
        self.files = files or MemoryFiles()
        self.board = board or BenchBoard()
        self.app = App(self.board, self.files)
        if remote:
            self.app.settings.take({"remote_start": True, "acknowledged": True})
        self.follows = True  # the shaft follows the demand
        self._next_id = 0
        for _ in range(100 if settle else 0):
            if self.app.selftest.state == "running":
                self.run_ms(10)

    def switch_off(self):
        """End this device and return its files for the next one: MicroPython has no room for two."""
        self.app = self.board = None
        return self.files

    def run_ms(self, ms):
        """Run the loop; with `follows` tach and current report a shaft that turns as demanded."""
        app = self.app
        board = self.board
        for _ in range(ms // 10):
            demand = app.drive.demand_opm
            if self.follows and demand:
                board.tach_periods, board.tach_count = 1, 1_500_000 // demand
                board.adc_current = 4_448  # 200 mA, the no-load current
            elif self.follows:
                board.tach_periods = board.tach_count = board.adc_current = 0
            app.step()

    def warm(self, channel, reading):
        """Take a thermistor's reading somewhere as slowly as heat does; the filtered value keeps up."""
        readings = self.board.temperatures
        while readings[channel] != reading:
            step = min(max(reading - readings[channel], -200), 200)
            readings[channel] += step
            self.run_ms(PERIOD_MS[channel])

    def raw(self, line):
        """The reply to one line of text or bytes, parsed; None when there is none."""
        reply = rpc.answer(self.app, line if isinstance(line, bytes) else line.encode())
        return json.loads(reply) if reply else None

    def call(self, method, **params):
        """Result of a method; the error object when it fails."""
        self._next_id += 1
        request = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": params}
        reply = self.raw(json.dumps(request))
        assert reply["id"] == self._next_id
        return reply["result"] if "result" in reply else reply["error"]

    def agree(self, **values):
        """Set what wants a press at the device, and press."""
        error = self.call("settings.set", values=values)
        assert error["data"]["name"] == "confirm_needed", error
        self.run_ms(LEAD_MS)
        self.press(MODE)

    def clear(self):
        """Clear the fault that is shown, with MODE pressed if it needs that."""
        result = self.call("fault.clear")
        if "data" in result and result["data"]["name"] == "confirm_needed":
            self.run_ms(LEAD_MS)
            self.press(MODE)
            result = {"cleared": result["data"]["names"][0]}
        return result

    def allow(self):
        """Give a host the permission to start, with MODE at the device."""
        self.press(MODE, 3_100)
        assert self.app.permission.in_force()

    def start(self, level=1, run_s=600):
        """A remote session that never loses its host."""
        self.app.settings.values["host_timeout_s"] = 10_000
        self.app.configure()
        result = self.call("session.start", level=level, run_s=run_s)
        assert result.get("state") == "RUNNING", result
        return result

    def press(self, button, ms=100):
        """Hold buttons for a while, then release them."""
        self.board.buttons |= button
        self.run_ms(ms)
        self.board.buttons &= ~button
        self.run_ms(150)

    def event_names(self):
        """(name, value) of the events sent so far, oldest first."""
        messages = self._messages()
        return [(m["params"]["name"], m["params"].get("value")) for m in messages if m["method"] == "event"]

    def sent(self):
        """What went over the console on the device's own account, parsed."""
        return list(self._messages())

    def _messages(self):
        begin, text = 0, self.board.console.sent
        while begin < len(text):  # line by line: MicroPython has no room for the whole, parsed
            end = text.find(b"\n", begin) + 1 or len(text)
            if text[begin:end].strip():
                yield json.loads(text[begin:end])
            begin = end
