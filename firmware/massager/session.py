"""Session: one use of the massager, from start to stop.

Time comes in with each tick, so that a test runs fifteen minutes in a moment. The clock of a session goes
on while it is paused; nothing stops or lengthens it.
"""

from micropython import const

from massager import cues, events, faults
from massager.drive import LEVELS
from massager.play import Play

HARD_LIMIT_MS = const(900_000)  # 15 min: no setting, program or command exceeds it
PAUSE_LIMIT_MS = const(120_000)
WARN_MS = const(30_000)

IDLE = const(0)
RUNNING = const(1)
PAUSED = const(2)
ENDING = const(3)
MAINTENANCE = const(4)

# value, name, meaning
STATES = (
    (IDLE, "IDLE", "Motor off."),
    (RUNNING, "RUNNING", "A session runs."),
    (PAUSED, "PAUSED", "Motor off, the session's clock runs on; two minutes end the session."),
    (ENDING, "ENDING", "The session is ending, the level ramps down."),
    (MAINTENANCE, "MAINTENANCE", "Waiting for files or a reset; the motor cannot start."),
)

NO_REASON = const(0)
COMPLETED = const(1)
STOP_BUTTON = const(2)
HOST_STOP = const(3)
FAULT = const(4)
HOST_LOST = const(5)
PAUSE_TIMEOUT = const(6)
INTERRUPTED = const(7)

# value, name, meaning
REASONS = (
    (COMPLETED, "completed", "The run time was over."),
    (STOP_BUTTON, "stop_button", "STOP was pressed, or its wire is open."),
    (HOST_STOP, "host_stop", "The host asked to stop."),
    (FAULT, "fault", "A fault stopped the motor."),
    (HOST_LOST, "host_lost", "The host was silent for longer than host_timeout_s."),
    (PAUSE_TIMEOUT, "pause_timeout", "Paused for two minutes."),
    (INTERRUPTED, "interrupted", "The device lost power or restarted; the next start made this record."),
)

FAULT_LATCHED = const(1)
STOP_PRESSED = const(2)
TOO_HOT = const(4)
BATTERY_LOW = const(8)
SETTINGS_INVALID = const(16)
BUTTON_STUCK = const(32)
REMOTE_DISABLED = const(64)
IN_MAINTENANCE = const(128)
RUNNING_ALREADY = const(256)
SELFTEST = const(512)
STOP_OPEN = const(1024)
REST_DUE = const(2048)
DOSE_USED_UP = const(4096)
NOT_ACKNOWLEDGED = const(8192)
PROGRAM_INVALID = const(16384)
SUSPENDED = const(32768)
RESTARTING = const(65536)

# bit, name, remedy
REFUSALS = (
    (FAULT_LATCHED, "fault_latched", "Remove the cause, then clear: hold STOP 2 s, or `knead clear`."),
    (STOP_PRESSED, "stop_pressed", "Release STOP; if it is not pressed, its wire is open."),
    (TOO_HOT, "too_hot", "Let the device cool down."),
    (BATTERY_LOW, "battery_low", "Charge the battery or connect the adapter."),
    (SETTINGS_INVALID, "settings_invalid", "Check the settings, then save them: `knead save`."),
    (BUTTON_STUCK, "button_stuck", "Release the button that is held, or repair it."),
    (REMOTE_DISABLED, "remote_disabled", "Hold MODE on the device for 3 s to allow remote starts."),
    (IN_MAINTENANCE, "maintenance", "Leave maintenance: `knead reboot`."),
    (RUNNING_ALREADY, "running", "Stop the session that runs first."),
    (SELFTEST, "selftest", "The self-test failed or is not over: `knead selftest` shows it."),
    (STOP_OPEN, "stop_open", "STOP has read pressed for 10 s: check its wires and plug."),
    (REST_DUE, "rest_due", "Wait until the rest after the last long session is over (rest_s)."),
    (
        DOSE_USED_UP,
        "dose_used_up",
        "The day's limit leaves less time than that. Wait for the day to end: `knead info` sets the clock.",
    ),
    (
        NOT_ACKNOWLEDGED,
        "not_acknowledged",
        "Read `knead guide`, then hold MODE on the device for 3 s.",
    ),
    (
        PROGRAM_INVALID,
        "program_invalid",
        "The program does not fit the settings, or its file is damaged: `knead program list`.",
    ),
    (
        SUSPENDED,
        "permission_suspended",
        "STOP, a fault or a pause at the device came last: hold MODE on it for 3 s to let hosts start again.",
    ),
    (RESTARTING, "restarting", "The device restarts: try again in a few seconds."),
)

DAY_LIMIT = const(1)
AREA_LIMIT = const(2)

# bit, name, meaning
WARNINGS = (
    (DAY_LIMIT, "day_limit", "After this session more than 80 % of day_limit_min are used."),
    (AREA_LIMIT, "area_limit", "After this session more than 80 % of area_limit_min are used on an area."),
)


def reason_name(reason):
    """Name of a reason; None for NO_REASON."""
    return REASONS[reason - 1][1] if reason else None


def refusal_rows(bits):
    """Table rows of the refusal bits that are set."""
    return [row for row in REFUSALS if row[0] & bits]


def warning_names(bits):
    """Names of the warning bits that are set."""
    return [row[1] for row in WARNINGS if row[0] & bits]


NO_ORIGIN = const(0)
BUTTON = const(1)
REMOTE = const(2)
ORIGINS = (None, "button", "remote")


class Session:
    """State machine IDLE → RUNNING ⇄ PAUSED → ENDING → IDLE; `reason` says why it last ended.

    blockers: whose `blocks` are refusal bits: panel, self-test; selected: the program that the start button
    plays, None: a plain session; motor_on: whether the drive may turn the motor in this tick; went_off: it
    might not since the last tick, if only for a moment, taken by the app; play: where in its program, and on
    which area, the session is; cue: number of a cue that is due,
    taken by the app; warnings: bits of the latest start.
    For the journal: ended counts the sessions that are over, with top_level, started_by, ran_ms and reason of
    the latest one; refused has the refusal bits of the latest start that was refused, by refused_to.
    """

    def __init__(self, settings, permission, drive, safety, dose, event_log):
        self._settings = settings
        self._permission = permission
        self._drive = drive
        self._safety = safety
        self._dose = dose
        self._events = event_log
        self.state = IDLE
        self.reason = NO_REASON
        self.origin = NO_ORIGIN
        self.level = 0
        self.blockers: tuple = ()
        self.selected = None
        self.play = Play()
        self.motor_on = False
        self.went_off = False
        self.cue = 0
        self.warnings = 0
        self.elapsed_ms = self.run_ms = self.ran_ms = 0
        self.ended = self.top_level = self.refused = 0
        self.started_by = self.refused_to = NO_ORIGIN
        self._area_ms = self._paused_ms = self._silent_ms = 0
        self._warned = False
        self.configure()

    def configure(self):
        """Take the settings over."""
        self._host_timeout_ms = self._settings["host_timeout_s"] * 1000
        self._area_limit_ms = self._settings["area_s"] * 1000

    def active(self):
        """Whether a session is under way, paused or not."""
        return self.state != IDLE and self.state != MAINTENANCE

    def blocks(self):
        """What stands against any motor time now, as refusal bits."""
        bits = SETTINGS_INVALID if self._settings.invalid else 0
        for blocker in self.blockers:
            bits |= blocker.blocks
        return bits

    def refusals(self, origin, program=None, shift=0, run_ms=0, area=0):
        """All reasons at once why such a start by `origin` is refused now, as bits."""
        bits = self.blocks()
        if self.state == MAINTENANCE:
            bits |= IN_MAINTENANCE
        safety = self._safety
        settings = self._settings
        if safety.fault:
            bits |= FAULT_LATCHED
        if safety.limiters & faults.LIMIT_HEAT:
            bits |= TOO_HOT
        if safety.limiters & faults.LIMIT_BATTERY:
            bits |= BATTERY_LOW
        if origin == REMOTE:
            if not settings["remote_start"]:
                bits |= REMOTE_DISABLED
            if not settings["acknowledged"]:
                bits |= NOT_ACKNOWLEDGED
            if self._permission.suspended:
                bits |= SUSPENDED
        if self.active():
            bits |= RUNNING_ALREADY
        if program and program.misfit(
            shift, settings["min_level"], settings["max_level"], settings["session_limit_s"]
        ):
            bits |= PROGRAM_INVALID
        return bits | self._dose.refusals(program, run_ms, area)

    def refuse(self, origin):
        """Refuse a start for what needs no look at it; the refusal bits, 0 when it may be looked at."""
        return 0 if self._granted(self.refusals(origin), origin) else self.refused

    def start(self, level, run_ms, origin, area=0):
        """Begin with a soft start and rise to `level`.

        level: min_level…max_level; run_ms: 1…session_limit_s, the caller checks both against the settings;
        area: number of what is worked on. Returns the refusal bits, 0 when started. Raises ValueError beyond
        the constants of the design.
        """
        if not 1 <= level <= LEVELS or not 1 <= run_ms <= HARD_LIMIT_MS:
            raise ValueError("level or run_ms")
        if not self._granted(self.refusals(origin, None, 0, run_ms, area), origin):
            return self.refused
        self.play.begin(None, 0, area)
        self.level = level
        self._begin(run_ms, origin)
        return 0

    def start_program(self, program, shift, origin):
        """Begin the program's first stage, all levels shifted. Returns the refusal bits, 0 when started."""
        if not self._granted(self.refusals(origin, program, shift), origin):
            return self.refused
        self.play.begin(program, shift)
        self.level = 0
        self._begin(program.total_s * 1000, origin)
        return 0

    def start_selected(self):
        """Begin what the start button stands for; a plain session takes what the day's limit leaves."""
        if self.selected:
            self.start_program(self.selected, 0, BUTTON)
            return
        settings = self._settings
        run_ms = self._dose.allowance_ms(settings["session_limit_s"] * 1000)
        self.start(settings["default_level"], run_ms, BUTTON)

    def _granted(self, bits, origin):
        if bits:
            self.cue = cues.REFUSED
            self.refused = bits
            self.refused_to = origin
        return not bits

    def _begin(self, run_ms, origin):
        self.origin = self.started_by = origin
        self.top_level = self.level
        self.run_ms = run_ms
        self.elapsed_ms = 0
        self._area_ms = self._silent_ms = 0
        self._warned = False
        self.reason = NO_REASON
        self._safety.session_started()
        self.warnings = self._dose.warnings(self.play.program, run_ms, self.play.area)
        if self.warnings:
            self.cue = cues.LIMIT
            self._events.put(events.WARNING, self.warnings)
        self._run()

    def stop(self, reason):
        """Motor off at once; the session is over. Nothing happens when none runs."""
        if not self.active():
            return
        self._motor_off()
        self.reason = reason
        self.ran_ms = self.elapsed_ms
        self.ended += 1
        self._permission.session_over()
        if self.state != ENDING and reason != FAULT:
            self.cue = cues.END
        self._enter(IDLE)
        self.level = 0
        self.origin = NO_ORIGIN

    def pause(self):
        """RUNNING → PAUSED; False in any other state."""
        if self.state != RUNNING:
            return False
        self._motor_off()
        self._paused_ms = 0
        self._enter(PAUSED)
        return True

    def resume(self):
        """PAUSED → RUNNING with a new soft start; False in any other state, or refused by a block."""
        if self.state != PAUSED or self.blocks() or self._safety.fault:
            return False
        self._run()
        return True

    def set_level(self, level):
        """New target level, min_level…max_level (the caller checks); False when no session runs.

        In a program all levels are shifted by as much; False, too, when one of them has no room for that.
        """
        if self.state != RUNNING and self.state != PAUSED:
            return False
        play = self.play
        if play.program:
            return self.level > 0 and self._shift(play.shift + level - self.level)
        self._set_level(level)
        if self.state == RUNNING:
            self._drive.rise_to(level)
        return True

    def step_level(self, step):
        """One level up or down by button, of the whole program if there is one; a cue where that ends."""
        if self._plays():
            if not self._shift(self.play.shift + step):
                self.cue = cues.LIMIT
            return
        level = self.level + step
        allowed = self._settings["min_level"] <= level <= self._settings["max_level"]
        if not allowed:
            self.cue = cues.LIMIT if self.active() else cues.REFUSED
        elif not self.set_level(level):
            self.cue = cues.REFUSED

    def skip(self):
        """To the program's next stage; the session gets shorter. False when there is none."""
        if not self._plays():
            return False
        less_ms = self.play.skip()
        if not less_ms:
            return False
        self.run_ms -= less_ms
        self._jumped()
        return True

    def back_exceeds(self):
        """Whether going back would exceed the day's or an area's limit. Allocates nothing."""
        play = self.play
        return self._plays() and not self._dose.fits(play.program, play.before(), play.stage)

    def back(self):
        """To the start of this stage or the one before; the session gets longer. False beyond a limit."""
        if not self._plays() or self.back_exceeds():
            return False
        program = self.play.program
        limit_ms = self._settings["session_limit_s"] * 1000 if program.highest else HARD_LIMIT_MS
        more_ms = self.play.back(limit_ms - self.run_ms)
        if more_ms < 0:
            return False
        self.run_ms += more_ms
        self._warned = self._warned and self.remaining_ms() <= WARN_MS
        self._dose.outgrow()
        if self.motor_on:  # it starts softly again, once the longer plan is on flash
            self._motor_off()
        self._jumped()
        return True

    def heard_host(self):
        """The host gave a sign of life."""
        self._silent_ms = 0

    def remaining_ms(self):
        """Run time left, 0 when no session runs."""
        left = self.run_ms - self.elapsed_ms
        return left if self.active() and left > 0 else 0

    def stage(self):
        """Number of the program's stage that runs, from 1; 0 without a program."""
        return self.play.stage + 1 if self.play.program and self.active() else 0

    def tick(self, dt_ms):
        """Go on by dt_ms. Called in every tick, after safety."""
        state = self.state
        if not self.active():
            return
        self.elapsed_ms += dt_ms
        left = self.run_ms - self.elapsed_ms
        fault = self._safety.fault
        if fault and not self._ramps_down(fault):
            self.cue = cues.FAULT
            self.stop(FAULT)
            return
        if left <= 0 or (state == ENDING and not self._drive.position):
            self.stop(FAULT if fault else COMPLETED)
            return
        if self.origin == REMOTE:
            self._silent_ms += dt_ms
            if self._silent_ms > self._host_timeout_ms:
                self.stop(HOST_LOST)
                return
        if state == ENDING:
            return
        program = self.play.program
        if program and self.play.advance(dt_ms):
            self._stage_began()
            if state == RUNNING:
                self.cue = program.cue(self.play.stage)
        if state == PAUSED:
            self._paused_ms += dt_ms
            if self._paused_ms >= PAUSE_LIMIT_MS:
                self.stop(PAUSE_TIMEOUT)
            return
        if left <= self._drive.fall_ms():
            self._drive.fall()
            self.cue = cues.END
            self._enter(ENDING)
            return
        if program and self.play.due(dt_ms):
            self._follow()
        self._area_ms += dt_ms
        if left <= WARN_MS:
            if not self._warned and self.run_ms > WARN_MS:
                self._warned = True
                self.cue = cues.LAST_30_S
        elif self._area_ms >= self._area_limit_ms:
            self._area_ms = 0
            if not program or self.play.turns():
                self.cue = cues.MOVE_ON

    def _ramps_down(self, fault):
        """Whether the motor runs down under a fault that allows it."""
        if not faults.ramps(fault) or self._safety.more or not self.motor_on:
            return False
        if self.state == RUNNING:
            self.cue = cues.FAULT
            self._drive.fall()
            self._enter(ENDING)
        return True

    def _plays(self):
        return self.play.program is not None and (self.state == RUNNING or self.state == PAUSED)

    def _stage_began(self):
        self._area_ms = 0
        self._events.put(events.STAGE, self.play.stage + 1)

    def _jumped(self):
        self._stage_began()
        if self.state == RUNNING:
            self._follow()

    def _shift(self, shift):
        """Shift the program's levels; False where one would leave min_level…max_level."""
        if not self.play.may_shift(shift, self._settings["min_level"], self._settings["max_level"]):
            return False
        self.play.shift = shift
        if self.state == RUNNING:
            self._follow()
        return True

    def _set_level(self, level):
        self.level = level
        if level > self.top_level:
            self.top_level = level

    def _run(self):
        if self.play.program:
            self._enter(RUNNING)
            self._follow()
            return
        self._motor_go()
        self._drive.rise_to(self.level)
        self._enter(RUNNING)

    def _follow(self):
        """Ask the drive for what the program asks for now; a motor that shall stand and does is disarmed."""
        milli = self.play.target()
        self._set_level((milli + 500) // 1000)
        if self.motor_on:
            if milli or self._drive.position:
                self._drive.aim(milli)
            else:
                self._motor_off()
        elif milli:
            self._motor_go()
            self._drive.aim(milli)

    def _motor_go(self):
        self.motor_on = True
        self._safety.motor_started()

    def _motor_off(self):
        self.motor_on = False
        self.went_off = True
        self._drive.halt()
        self._safety.motor_stopped()

    def _enter(self, state):
        self.state = state
        self._events.put(events.STATE, state, self.reason)
