"""The USB serial port of a simulated chip, and the streams and poll objects that firmware sees of it.

As on the RP2040: a 512-byte input ring; Ctrl-C empties it and interrupts; a host that does not read makes
POLLOUT false, and a write then waits half a second before it drops the rest. Runs on CPython and MicroPython.
"""

try:
    from typing import TYPE_CHECKING

    if TYPE_CHECKING:
        from collections.abc import Callable
        from typing import Protocol

        class Chip(Protocol):
            """What the port needs of the chip it belongs to."""

            interrupt_char: int
            interrupt: bool
            attention: bool
            dead: bool
            clock_us: int
            limit_us: int

            def wait(self, done: Callable[[], object], timeout_us: int) -> object: ...
            def sleep_us(self, us: int) -> None: ...

except ImportError:
    pass

POLLIN, POLLOUT, POLLERR, POLLHUP = 1, 4, 8, 16
RING_BYTES = 512
NEWLINE = 10
FIFO_BYTES = 256  # output that the device can hold for a host that does not read
WRITE_TIMEOUT_US = 500_000


class Usb:
    """The port as wire: the host's side is `feed` and `take`, the firmware's the streams below.

    host_reading: False makes output pile up; connected: False (cable out) discards it and takes no input;
    on_line: called when the firmware has written the end of a line;
    read_us: time that the firmware spends on each byte it reads (about 100 on a Pico), 0 by default.
    """

    def __init__(self, chip: "Chip") -> None:
        self._chip = chip
        self._ring = bytearray(RING_BYTES)
        self._first = 0
        self.count = 0
        self._backlog = b""  # sent by the host, not yet in the ring
        self._taken = 0  # so many of its bytes are
        self._out = bytearray()
        self._reading = True
        self._connected = True
        self.writable = True  # POLLOUT
        self._flowing = True
        self.read_us = 0
        self.on_line: Callable[[], object] | None = None
        self.dropped = 0  # output bytes lost for want of a reader

    def power_on(self) -> None:
        """Empty both directions."""
        self._first = self.count = self._taken = 0
        self._backlog = b""
        if not self._reading:
            self._out = bytearray()
        self._look_for_room()

    # -- host's side --------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes from the host. What finds the ring full waits on the wire (see `backlog`)."""
        if not self._connected:
            return
        interrupt = self._chip.interrupt_char
        if interrupt >= 0:
            at = data.rfind(bytes([interrupt]))
            if at >= 0:
                self._first = self.count = self._taken = 0
                self._backlog = b""
                data = data[at + 1 :]
                self._chip.interrupt = self._chip.attention = True
        self._backlog = self._backlog[self._taken :] + data if self._backlog else bytes(data)
        self._taken = 0
        self._fill()

    @property
    def backlog(self) -> int:
        """Bytes that the host has sent and the ring had no room for."""
        return len(self._backlog) - self._taken

    def take(self) -> bytes:
        """All output since the last call, as the host would read it."""
        data = bytes(self._out)
        self._out = bytearray()
        self._look_for_room()
        return data

    @property
    def pending(self) -> int:
        """Output bytes that have not been taken yet."""
        return len(self._out)

    @property
    def host_reading(self) -> bool:
        """Whether a host reads what the device writes."""
        return self._reading

    @host_reading.setter
    def host_reading(self, reading: bool) -> None:
        self._reading = reading
        self._look_for_room()

    @property
    def connected(self) -> bool:
        """Whether a host has the port open."""
        return self._connected

    @connected.setter
    def connected(self, connected: bool) -> None:
        self._connected = connected
        self._look_for_room()
        if not connected:
            self._backlog = b""
            self._taken = 0

    def _fill(self) -> None:
        room = RING_BYTES - self.count
        part = self._backlog[self._taken : self._taken + room]
        self._taken += room
        if self._taken >= len(self._backlog):
            self._backlog = b""
            self._taken = 0
        at = self._first + self.count
        for byte in part:
            self._ring[at % RING_BYTES] = byte
            at += 1
        self.count += len(part)

    # -- firmware's side ----------------------------------------------------------------------------

    def poll(self, flags: int) -> int:
        """Which of POLLIN and POLLOUT hold."""
        return flags & ((POLLIN if self.count else 0) | (POLLOUT if self.writable else 0))

    def get(self) -> int:
        """Next byte; waits for it."""
        if not self.count:
            self._chip.wait(self._has_input, -1)
        byte = self._ring[self._first]
        self._first = (self._first + 1) % RING_BYTES
        self.count -= 1
        if self._backlog and self.count <= RING_BYTES // 2:
            self._fill()
        if self.read_us:
            self._chip.sleep_us(self.read_us)
        return byte

    def put(self, data: "bytes | bytearray") -> int:
        """Write as MicroPython does; bytes that are not taken within half a second are dropped."""
        n = len(data)
        if self._flowing and not self._chip.dead:  # one byte at a time: the way has to be short
            self._out += data
            if n and data[-1] == NEWLINE and self.on_line:
                self.on_line()
            return n
        if self._chip.dead or not self._connected or not n:
            return n
        for i in range(n):
            if not self.writable and not self._chip.wait(self._has_room, WRITE_TIMEOUT_US):
                self.dropped += n - i
                break
            self._out.append(data[i])
            self._look_for_room()
        return n

    def _has_input(self) -> int:
        return self.count

    def _has_room(self) -> bool:
        return self.writable

    def _look_for_room(self) -> None:
        self._flowing = self._connected and self._reading
        self.writable = self._connected and (self._reading or len(self._out) < FIFO_BYTES)


class ByteInput:
    """sys.stdin.buffer. `read(n)` waits for all n bytes, as on the Pico."""

    direction = POLLIN

    def __init__(self, usb: Usb) -> None:
        self.usb = usb

    def poll(self, flags: int) -> int:
        """For select.poll."""
        return POLLIN & flags if self.usb.count else 0

    def read(self, n: int = -1) -> bytes:
        """n bytes, waiting for them; without n, what is there (at least one)."""
        usb = self.usb
        if n < 0:
            n = usb.count or 1
        return bytes([usb.get() for _ in range(n)])

    def readinto(self, buffer: bytearray) -> int:
        """Fill the buffer, waiting."""
        get = self.usb.get
        for i in range(len(buffer)):
            buffer[i] = get()
        return len(buffer)

    def readline(self) -> bytes:
        """To the next newline, waiting."""
        line = bytearray()
        while not line.endswith(b"\n"):
            line.append(self.usb.get())
        return bytes(line)


class TextInput:
    """sys.stdin."""

    direction = POLLIN

    def __init__(self, usb: Usb) -> None:
        self.usb = usb
        self.buffer = ByteInput(usb)

        self.poll = self.buffer.poll

    def read(self, n: int = -1) -> str:
        """n characters, waiting for them."""
        return self.buffer.read(n).decode()

    def readline(self) -> str:
        """To the next newline, waiting."""
        return self.buffer.readline().decode()


class ByteOutput:
    """sys.stdout.buffer: bytes as they are."""

    direction = POLLOUT

    def __init__(self, usb: Usb) -> None:
        self.usb = usb
        self.write = usb.put

    def poll(self, flags: int) -> int:
        """For select.poll."""
        usb = self.usb
        return POLLOUT & flags if usb.writable else 0


class TextOutput:
    """sys.stdout: text, with newlines as carriage return and newline."""

    direction = POLLOUT

    def __init__(self, usb: Usb) -> None:
        self.usb = usb
        self.buffer = ByteOutput(usb)

        self.poll = self.buffer.poll

    def write(self, text: str) -> int:
        """Write text."""
        self.buffer.write(text.encode().replace(b"\n", b"\r\n"))
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


class Poll:
    """select.poll over the streams above. `ipoll` answers with a list that it uses again."""

    chip: "Chip"

    def __init__(self) -> None:
        self._chip = self.chip
        self._streams: list = []  # type: ignore[type-arg]  # [stream, flags]
        self._ready: list = []  # type: ignore[type-arg]
        self._one_in: Usb | None = None  # the usual case of a single stream is answered at once
        self._one_out: Usb | None = None
        self._one_ready: dict = {}  # type: ignore[type-arg]

    def register(self, stream: "ByteInput", flags: int = POLLIN | POLLOUT) -> None:
        """Watch a stream for flags."""
        self.unregister(stream)
        self._streams.append((stream, flags | POLLERR | POLLHUP))
        self._prepare()

    def modify(self, stream: "ByteInput", flags: int) -> None:
        """Change what a registered stream is watched for. Raises OSError 2 when it is not registered."""
        if not any(s is stream for s, _ in self._streams):
            raise OSError(2)
        self.register(stream, flags)

    def unregister(self, stream: "ByteInput") -> None:
        """Forget a stream."""
        self._streams = [s for s in self._streams if s[0] is not stream]
        self._prepare()

    def poll(self, timeout: int = -1) -> list:  # type: ignore[type-arg]
        """[(stream, flags)] of the ready ones, after at most `timeout` ms (negative: for ever)."""
        return list(self.ipoll(timeout))

    def ipoll(self, timeout: int = -1, flags: int = 0) -> list:  # type: ignore[type-arg]
        """As `poll`, without a new list."""
        if timeout == 0:
            if self._one_out is not None:
                return self._one_ready[4 if self._one_out.writable else 0]  # type: ignore[no-any-return]
            if self._one_in is not None:
                return self._one_ready[1 if self._one_in.count else 0]  # type: ignore[no-any-return]
        source = self._one_in
        chip = self._chip
        if source and timeout > 0 and not source.count and chip.clock_us + timeout * 1000 < chip.limit_us:
            chip.sleep_us(timeout * 1000)  # nothing can come before then
            return self._one_ready[1 if source.count else 0]  # type: ignore[no-any-return]
        if self._look() or timeout == 0:
            return self._ready
        self._chip.wait(self._look, timeout * 1000 if timeout > 0 else -1)
        return self._ready

    def _prepare(self) -> None:
        self._one_in = self._one_out = None
        if len(self._streams) == 1:
            stream, flags = self._streams[0]
            self._one_ready = {0: [], 1: [(stream, 1)], 4: [(stream, 4)]}
            if stream.direction & flags == POLLIN:
                self._one_in = stream.usb
            elif stream.direction & flags == POLLOUT:
                self._one_out = stream.usb

    def _look(self) -> list:  # type: ignore[type-arg]
        self._ready = [(s, s.poll(f)) for s, f in self._streams if s.poll(f)]
        return self._ready
