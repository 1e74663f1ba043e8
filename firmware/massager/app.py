"""App: builds the device and runs its loop, 100 times a second.

The order within a tick is defined in `_tick`: sense, safety, panel and session, drive, show. It allocates
nothing. Talking uses the time that is left before the next tick.
"""

from micropython import const, heap_lock, heap_unlock

from massager import cues, events, faults, permission, rpc
from massager import session as sessions
from massager.clock import Clock
from massager.confirm import Confirm
from massager.dose import Dose
from massager.drive import Drive
from massager.journal import Journal
from massager.latches import Latches
from massager.library import FOLDER, PLAIN, Library
from massager.memory import Memory
from massager.panel import Panel
from massager.permission import Permission
from massager.recorder import Recorder
from massager.safety import Safety
from massager.selftest import Selftest
from massager.sense import REFERENCE, Sense
from massager.session import Session
from massager.settings import Settings
from massager.startup import CRASH_LOOP_MS, Startup, record_crash
from massager.store import Store, StoreError

TICK_US = const(10_000)
TICK_MS = const(10)
COLLECT_US = const(6_000)  # garbage is collected when so much of a tick is left,
GARBAGE_MAX = const(4_000)  # once so many characters were worked on, each worth ten bytes of heap or more
RESET_TICKS = const(10)  # lets the last reply leave before a restart, …
RESET_MAX_TICKS = const(100)  # … which a host that does not read it does not hold up
WAKE_TICKS = const(2)  # the interlock takes 6 ms at most to rise, the driver 1 ms to wake
LONG_TICK_MS = const(1_000)  # more says nothing about how long a button was held
HEAP_MIN = faults.row(faults.HEAP_LOW)[faults.FAULT]
SELFTEST_MS = const(5_000)  # the record of the start waits this long for it
RETRY_MS = const(1_000)  # after a write to flash that failed
TELL_MS = const(20)  # between the record of the latches and the journal's: the host hears of the fault
SETTLED_MS = const(3_000)  # a selection that stands for this long is kept
MAINTENANCE_FILE = "maintenance"
_LASTING_LIMITERS = (
    faults.LIMIT_HEAT | faults.LIMIT_BATTERY
)  # that of the current comes and goes with the stroke


def leave_maintenance(files):
    """Whether the device was restarted for maintenance; the mark is taken away."""
    try:
        return files.remove(MAINTENANCE_FILE)
    except OSError:  # the mark is there and stays: better no motor than no device
        files.skip(MAINTENANCE_FILE, "cannot be removed")
        return True


class App:
    """The device on a board with its files. `run` never returns; a test calls `step` or `tick` itself."""

    def __init__(self, board, files):
        self.board = board
        self.files = files
        self.settings = Settings()
        self.store = Store(files, "settings")
        record = self.store.load()
        dropped = self.settings.load(record, self.store.damaged)
        if dropped:
            files.skip("settings", "%d settings of another firmware" % dropped)
        self.permission = Permission(self.settings, files)
        self.sense = Sense(self.settings)
        self.drive = Drive(self.settings)
        self.safety = Safety(self.settings, self.sense, self.drive)
        self.latches = Latches(board, files, self.safety)
        self.events = events.Events()
        self.clock = Clock()
        self.dose = Dose(self.settings)
        self.session = Session(
            self.settings, self.permission, self.drive, self.safety, self.dose, self.events
        )
        self.panel = Panel(self.session, self.safety, self.permission, self.events)
        self.confirm = Confirm(self.session, self.safety, self.panel, self.events)
        self.staged: dict = {}  # changes of settings that the next request for them takes along
        self.player = cues.Player(board, self.settings)
        self.journal = Journal(files)
        self.recorder = Recorder(self.journal, self.session, self.safety, self.sense, self.dose)
        self.recorder.kept = self.latches.kept
        self.library = Library(files)
        self.memory = Memory(files, self.dose, self.clock)
        self.selected = PLAIN
        self._select_again(self.memory.selected)
        self._interrupted = self.memory.settle(self.journal, board.counted_ms())
        maintenance = leave_maintenance(files)
        self.startup = Startup(board, files, self.safety, maintenance)
        self.selftest = Selftest(board, files, self.sense, self.startup.content)
        self._selected_ms = 0  # until the new selection is kept
        self.tick_worst_us = 0
        self.garbage = 0  # characters worked on, and ticks, since the last collection
        self._heap_due = False
        self.rpc = rpc.Rpc(self)
        self._wake = 0  # ticks since the interlock was armed, WAKE_TICKS + 1 = driving
        self._failed: list = []  # names of the self-tests that failed in the last round
        self._retry_ms = 0
        self._fault_seen = self._limiters_seen = 0
        self._rest_us = 0
        self._reset_ticks = 0
        self.blocks = 0  # refusal bit of a restart that is near
        self.session.blockers = (self.panel, self.selftest, self)
        if maintenance:
            self.session.state = sessions.MAINTENANCE
            self.selftest.skip()  # the interlock is never armed in this state
        self.events.put(events.BOOT, 0)
        self._last_us = board.ticks_us()
        self._next_us = board.ticks_add(self._last_us, TICK_US)

    def crashed(self, error):
        """For the guard, with the outputs low: leave a record of the error, and restart."""
        try:
            record_crash(self.files, self.board.describe(error), self.session.state, self.uptime_ms)
        except OSError:
            self.safety.latch(faults.CRASHED)
            self.latches.bridge()
        if self.uptime_ms > CRASH_LOOP_MS:
            self.board.reset()

    @property
    def uptime_ms(self):
        """As the clock has it."""
        return self.clock.uptime_ms

    def pass_time(self):
        """Hand the dose each second of uptime, and a clock that was set."""
        clock = self.clock
        if clock.new_second():
            self.dose.second(clock.up_s(), clock.local_s(), clock.offset_s or 0)

    def select(self, name):
        """Choose the program that the start button plays. Raises RpcError for an unknown one."""
        self.session.selected = self.library.load(name)
        self.selected = name
        self.panel.selected = self.library.names.index(name) + 1

    def _select_again(self, name):
        """Choose what was selected before this start, unless it cannot be played any more."""
        if name in self.library.names:
            self.select(name)
            program = self.session.selected
            if program and not program.count:
                self.files.skip("%s/%s" % (FOLDER, name), "damaged: %s is selected" % PLAIN)
                self.select(PLAIN)

    def turn(self, name):
        """As `select`, by the user or a host: with an event, and kept once it has stood for a while."""
        self.select(name)
        self.events.put(events.SELECT, self.panel.selected - 1)
        self._selected_ms = SETTLED_MS

    def configure(self):
        """Hand changed settings to those who keep a copy."""
        self.sense.configure()
        self.drive.configure()
        self.safety.configure()
        self.session.configure()

    def save_settings(self):
        """Write the settings to flash; returns the record's number. Raises StoreError."""
        return self._save(self.settings.values)

    def _save_only(self, changes):
        """Write these changes to flash and nothing else that was changed. Raises StoreError."""
        values = dict(self.settings.saved)
        values.update(changes)
        self._save(values)

    def _save(self, values):
        sequence = self.store.save(self.settings.record(values))
        self.recorder.note("settings", {"sequence": sequence})
        self.settings.mark_saved(values)
        return sequence

    def restart(self, maintenance=False):
        """Reset soon, after the reply is out. Raises StoreError or OSError: what must last was not kept."""
        if self.permission.unsaved:
            self.permission.keep()
        if maintenance:
            self.files.write(MAINTENANCE_FILE, b"1")
        if not self._reset_ticks:
            self._reset_ticks = RESET_MAX_TICKS
        self.blocks = sessions.RESTARTING

    def tick(self, now_us):
        """One pass of the control loop, at `now_us` of the board's clock. MemoryError: something allocates.

        With the heap locked the interpreter keeps its frames on the stack. Else it searches the heap for
        them, which takes as long as all the rest, or collects garbage.
        """
        heap_lock()
        try:
            self._tick(now_us)
        finally:
            heap_unlock()

    def _tick(self, now_us):
        board = self.board
        period_us = board.ticks_diff(now_us, self._last_us)
        self._last_us = now_us
        passed_us = period_us if period_us > 0 else 0
        rest_us = self._rest_us + passed_us
        dt_ms = rest_us // 1000
        self._rest_us = rest_us - dt_ms * 1000
        self.events.now_ms = self.clock.advance(dt_ms)
        session = self.session
        drive = self.drive
        sense = self.sense
        safety = self.safety
        # sense
        board.sample()
        sense.update(board, drive.voltage_mv, passed_us)
        # safety
        wake = self._wake
        if session.motor_on and not wake and period_us > TICK_US:
            period_us = TICK_US  # late before the motor was armed: a program was read, a record written
        safety.check(session.motor_on, period_us)
        if safety.fault != self._fault_seen:
            self._new_fault()
        if safety.limiters != self._limiters_seen:
            if session.motor_on and safety.limiters & ~self._limiters_seen & _LASTING_LIMITERS:
                session.cue = cues.LIMIT
            self._limiters_seen = safety.limiters
            self.events.put(events.LIMITER, safety.limiters)
        # panel and session
        self.panel.update(board.buttons, dt_ms if dt_ms < LONG_TICK_MS else LONG_TICK_MS)
        session.tick(dt_ms)
        # drive
        if wake and (session.went_off or not session.motor_on):
            self._wake = wake = 0
            board.enable_motor(0)
        session.went_off = False
        if session.motor_on:
            if wake > WAKE_TICKS:
                board.write_motor(drive.step(sense.prompt_opm, sense.current_ma, sense.supply_mv))
                if sense.channel == REFERENCE:  # the tick that has least to do
                    self.recorder.sample()
                    self.dose.sample(session.play.area, session.elapsed_ms, sense.rate_opm)
            elif wake:  # the interlock rises and the driver wakes, with duty 0
                self._wake = wake = wake + 1
                if wake > WAKE_TICKS:
                    board.forgive_driver()
            elif board.guarded and self.dose.begun:  # both are seen to between the ticks
                self._wake = wake = 1
                board.enable_motor(1)
        # show
        if session.cue:
            self._give_cue()
        self.player.tick(dt_ms)
        if self._wake:
            board.feed()
        board.kick()

    def step(self):
        """One round of the loop: wait for the tick while talking, then tick."""
        board = self.board
        self._between_ticks()
        now_us = board.ticks_us()
        self._next_us = board.ticks_add(self._next_us, TICK_US)
        # Late by more than a tick: do not catch up. Or the clock was set back: do not wait for it.
        if not 0 < board.ticks_diff(self._next_us, now_us) <= TICK_US:
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
        colour = self.player.colour
        board.led(colour if colour >= 0 else self.panel.colour(self.uptime_ms))
        self.pass_time()
        self.recorder.watch()
        self.confirm.settle(self._reset_ticks)
        if self.session.motor_on:
            if not board.guarded:
                board.guard()
            if not self.dose.begun and not self.safety.fault:
                self._announce()
            board.count(self.dose.session_ms)
        else:
            self._care()
        board.note(self.session.state, self.uptime_ms)
        if self._reset_ticks:
            self._approach_reset()
        left_us = board.ticks_diff(until_us, board.ticks_us())
        self.garbage += 1
        if self._heap_due and left_us > COLLECT_US:  # takes as long as a collection
            self._heap_due = False
            self.safety.report(faults.HEAP_LOW, board.mem_free() < HEAP_MIN)
            left_us = board.ticks_diff(until_us, board.ticks_us())
        # Before talking: a busy host leaves no time after it, and then a collection falls into a request.
        if self.garbage >= GARBAGE_MAX and (left_us > COLLECT_US or self.garbage >= 2 * GARBAGE_MAX):
            self.garbage = 0
            board.collect()
            self._heap_due = True
            left_us = board.ticks_diff(until_us, board.ticks_us())
        while 0 < left_us <= TICK_US:
            stuck = left_us < rpc.MARGIN_US or talk(until_us)
            left_us = board.ticks_diff(until_us, board.ticks_us())
            if left_us > 0:
                if stuck:
                    board.sleep_us(left_us)
                else:
                    board.wait_us(left_us)
            left_us = board.ticks_diff(until_us, board.ticks_us())

    def _approach_reset(self):
        """Restart once the reply is out, or the host has had its time to read it."""
        self._reset_ticks -= 1
        if self._reset_ticks > RESET_TICKS and self.rpc.idle():
            self._reset_ticks = RESET_TICKS
        if not self._reset_ticks:
            if self.permission.unsaved:  # or a restart would give it back
                self._write(self.permission.keep)
            if self.permission.unsaved:  # on a flash that refuses the device keeps running
                self.blocks = 0
                return
            self.board.reset()

    def _care(self):
        """What only the time with the motor off is for: flash, and self-tests."""
        session = self.session
        if session.active():
            return
        if (
            self.safety.unsaved and not self._retry_ms
        ):  # before the boot record, which waits for the self-test
            self._retry_ms = TELL_MS
            self._write(self.latches.keep)
        if self.panel.toggle_remote:
            self._toggle_remote()
        if self.panel.turn:
            self._turn()
        if session.state != sessions.MAINTENANCE:
            self._test()
        startup = self.startup
        if startup.record:  # comes first, with the outcome of the self-test if that is not held up
            if self.selftest.state == "running" and self.uptime_ms < SELFTEST_MS:
                return
            self.recorder.note("boot", startup.take_record(self.selftest.state, self._failed))
            if self._interrupted:
                self.recorder.note("session", self._interrupted)
                self._interrupted = None
        if self.files.fresh:
            self.files.fresh = False
            self.recorder.note("skipped", {"files": list(self.files.skipped)})
        if self._retry_ms:
            self._retry_ms -= TICK_MS
            return
        self._write(self._keep_records)

    def _write(self, write):
        """Let `write` write to flash; a flash that refuses is a fault, and is tried again later."""
        try:
            write()
        except (StoreError, OSError):
            self._retry_ms = RETRY_MS
            self.safety.report(faults.FLASH_FAILED)

    def _keep_records(self):
        """Write the next record, or what the device remembers. Raises StoreError or OSError."""
        if self._flush() or self._keep_memory():
            self.safety.report(faults.FLASH_FAILED, False)
        elif self.permission.unsaved:
            self.permission.keep()
        else:
            self.startup.settle()

    def _flush(self):
        return self.recorder.flush(self.clock.uptime_ms, self.clock.unix_s())

    def _announce(self):
        """Put on flash that a session begins, before its motor is armed, so that it is charged in any case.

        The time that this takes is not part of the session. STOP wins, even if it was pressed for less.
        """
        board = self.board
        if self._wake:  # the session before ended in the same round
            self._wake = 0
            board.enable_motor(0)
        board.stop_seen = False
        self._write(self._begin)
        late_us = board.ticks_diff(board.ticks_us(), self._last_us) - TICK_US
        if late_us > 0:
            self._last_us = board.ticks_add(self._last_us, late_us)
            self.clock.advance(late_us // 1000)
        self.safety.motor_started()  # from now on the interlock may rise
        if board.stop_seen:
            self.session.stop(sessions.STOP_BUTTON)

    def _begin(self):
        """One write of those that come before a session. Raises StoreError or OSError."""
        if self.recorder.noted():  # what is charged already has its record first
            self._flush()
            return
        self.board.count(self.dose.session_ms)
        self.memory.begin(self.session, self.journal.last, self.selected)

    def _keep_memory(self):
        """Write what the device remembers when it changed; whether it did. Raises StoreError."""
        settled = False
        if self._selected_ms:
            self._selected_ms -= TICK_MS
            settled = not self._selected_ms
        if not settled and not self.dose.changed:
            return False
        self.memory.save(self.selected)
        return True

    def _turn(self):
        """MODE or - in idle: the next program or the one before, counted out."""
        names = self.library.names
        step, self.panel.turn = self.panel.turn, 0
        self.turn(names[(self.panel.selected - 1 + step) % len(names)])
        self.player.count(self.panel.selected)

    def _test(self):
        selftest = self.selftest
        if selftest.step(self.uptime_ms, self.session.blocks() & sessions.STOP_PRESSED):
            failed = selftest.failed()
            if failed and failed != self._failed and not self.startup.record:
                self.recorder.note("selftest", {"failed": failed})
            self._failed = failed

    def _new_fault(self):
        fault = self._fault_seen = self.safety.fault
        if fault:
            self.permission.suspend(permission.FAULT)
            self.recorder.take_fault()
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
        """MODE was held: the guidance is acknowledged, and a host may start, or no longer."""
        self.panel.toggle_remote = False
        had = self.permission.granted()
        try:
            given = self.permission.toggle(self._save_only)
        except StoreError:
            if not had:
                self.session.cue = cues.REFUSED
                return
            given = False
            self.safety.report(faults.FLASH_FAILED)  # or it would be back after the next start, unnoticed
        self.session.cue = cues.REMOTE_ON if given else cues.REMOTE_OFF
