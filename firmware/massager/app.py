"""App: builds the device and runs its loop, 100 times a second.

The order within a tick stands in `tick`, once: sense, safety, panel and session, drive, show. It allocates
nothing. Talking uses the time that is left before the next tick.
"""

from micropython import const

from massager import cues, events, rpc
from massager import session as sessions
from massager.drive import Drive
from massager.panel import Panel
from massager.safety import Safety
from massager.sense import Sense
from massager.session import Session
from massager.settings import Settings
from massager.store import Store, StoreError

TICK_US = const(10_000)
COLLECT_US = const(6_000)  # garbage is collected when so much of a tick is left,
GARBAGE_MAX = const(4_000)  # once so many characters were worked on, each worth ten bytes of heap or more
RESET_TICKS = const(10)  # lets the last reply leave before a restart
TIME_MASK = const(0x3FFFFFFF)
MAINTENANCE_FILE = "maintenance"


class App:
    """The device on a board with its files. `run` never returns; a test calls `step` or `tick` itself."""

    def __init__(self, board, files):
        self.board = board
        self.files = files
        self.settings = Settings()
        self.store = Store(files, "settings")
        self.settings.load(self.store.load())
        self.sense = Sense(self.settings)
        self.drive = Drive(self.settings)
        self.safety = Safety(self.settings, self.sense, self.drive)
        self.events = events.Events()
        self.session = Session(self.settings, self.drive, self.safety, self.events)
        self.panel = Panel(self.settings, self.session, self.safety, self.events)
        self.player = cues.Player(board, self.settings)
        self.content = files.content_hash()
        self.uptime_ms = 0
        self.tick_worst_us = 0
        self.garbage = 0  # characters worked on since the last collection
        self.rpc = rpc.Rpc(self)
        self._driving = False
        self._fault_seen = self._limiters_seen = 0
        self._rest_us = 0
        self._reset_ticks = 0
        if self.store.damaged or self.settings.rejected:
            self.session.blocks |= sessions.SETTINGS_INVALID
        if files.remove(MAINTENANCE_FILE):
            self.session.state = sessions.MAINTENANCE
            self.session.blocks |= sessions.IN_MAINTENANCE
        self.events.put(events.BOOT, 0)
        self._last_us = board.ticks_us()
        self._next_us = board.ticks_add(self._last_us, TICK_US)

    def configure(self):
        """Hand changed settings to those who keep a copy."""
        self.sense.configure()
        self.drive.configure()
        self.safety.configure()
        self.session.configure()

    def save_settings(self):
        """Write the settings to flash; returns the record's number. Raises StoreError."""
        return self._save(self.settings.values)

    def _save(self, values):
        sequence = self.store.save(self.settings.record(values))
        self.settings.mark_saved(values)
        self.session.blocks &= ~sessions.SETTINGS_INVALID
        return sequence

    def restart(self, maintenance=False):
        """Reset soon, after the reply is out. OSError: the mark for maintenance was not written."""
        if maintenance:
            self.files.write(MAINTENANCE_FILE, b"1")
        self._reset_ticks = RESET_TICKS

    def tick(self, now_us):
        """One pass of the control loop, at `now_us` of the board's clock."""
        board = self.board
        period_us = board.ticks_diff(now_us, self._last_us)
        self._last_us = now_us
        rest_us = self._rest_us + period_us
        dt_ms = rest_us // 1000
        self._rest_us = rest_us - dt_ms * 1000
        self.uptime_ms = self.events.now_ms = (self.uptime_ms + dt_ms) & TIME_MASK
        session = self.session
        drive = self.drive
        sense = self.sense
        safety = self.safety
        # sense
        board.sample()
        sense.update(board, drive.voltage_mv)
        # safety
        safety.check(session.motor_on, period_us)
        if safety.fault != self._fault_seen:
            self._new_fault()
        if safety.limiters != self._limiters_seen:
            self._limiters_seen = safety.limiters
            self.events.put(events.LIMITER, safety.limiters)
        # panel and session
        self.panel.update(board.buttons, dt_ms)
        session.tick(dt_ms)
        # drive
        if session.motor_on:
            if self._driving:
                board.write_motor(drive.step(sense.prompt_opm, sense.current_ma, sense.supply_mv))
            else:  # the driver wakes during one tick with duty 0
                self._driving = True
                board.enable_motor(1)
        elif self._driving:
            self._driving = False
            board.enable_motor(0)
        # show
        if session.cue:
            self._give_cue()
        self.player.tick(dt_ms)
        board.led(self.panel.colour(self.uptime_ms))
        board.kick()

    def step(self):
        """One round of the loop: wait for the tick while talking, then tick."""
        board = self.board
        self._between_ticks()
        now_us = board.ticks_us()
        self._next_us = board.ticks_add(self._next_us, TICK_US)
        if board.ticks_diff(self._next_us, now_us) <= 0:  # late by more than a tick: do not catch up
            self._next_us = board.ticks_add(now_us, TICK_US)
        self.tick(now_us)
        self.rpc.tick()
        took_us = board.ticks_diff(board.ticks_us(), now_us)
        if took_us > self.tick_worst_us:
            self.tick_worst_us = took_us

    def run(self):
        """The endless loop."""
        while True:
            self.step()

    def _between_ticks(self):
        board = self.board
        talk = self.rpc.talk
        until_us = self._next_us
        if self.panel.toggle_remote:
            self._toggle_remote()
        if self._reset_ticks and self.rpc.idle():
            self._reset_ticks -= 1
            if not self._reset_ticks:
                board.reset()
        left_us = board.ticks_diff(until_us, board.ticks_us())
        # Before talking: a busy host leaves no time after it, and then a collection falls into a request.
        if self.garbage >= GARBAGE_MAX and left_us > COLLECT_US:
            self.garbage = 0
            board.collect()
            left_us = board.ticks_diff(until_us, board.ticks_us())
        while left_us > 0:
            stuck = left_us < rpc.MARGIN_US or talk(until_us)
            left_us = board.ticks_diff(until_us, board.ticks_us())
            if left_us > 0:
                if stuck:
                    board.sleep_us(left_us)
                else:
                    board.wait_us(left_us)
            left_us = board.ticks_diff(until_us, board.ticks_us())

    def _new_fault(self):
        fault = self._fault_seen = self.safety.fault
        if fault:
            self.events.put(events.FAULT, fault)
            if not self.session.motor_on:
                self.session.cue = cues.FAULT

    def _give_cue(self):
        session = self.session
        cue = session.cue
        session.cue = 0
        self.events.put(events.CUE, cue)
        dip_ms = self.player.play(cue)
        if dip_ms and session.motor_on:
            self.drive.dip(dip_ms)

    def _toggle_remote(self):
        """MODE was held: the one way to allow remote starts. Kept on flash at once, it and nothing else."""
        self.panel.toggle_remote = False
        enabled = not self.settings["remote_start"]
        values = dict(self.settings.saved)
        values["remote_start"] = enabled
        try:
            self._save(values)
        except StoreError:
            self.session.cue = cues.REFUSED
            return
        self.settings.set({"remote_start": enabled}, local=True)
        self.session.cue = cues.REMOTE_ON if enabled else cues.REMOTE_OFF
