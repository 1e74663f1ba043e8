"""Methods: what a host can ask for, one table row each. Every handler gets the app and the checked params."""

import json

from massager import VERSION, errors, faults, library, methods_settings, schema, telemetry
from massager import methods_program as programs
from massager import session as sessions
from massager.areas import INDEX
from massager.authority import FREE, IDLE, IDLE_REMOTE, IN_CALL, PRESS, REMOTE
from massager.conditions import flash_error, in_range, require, wrong_state
from massager.drive import LEVELS
from massager.errors import RpcError
from massager.store import StoreError, os_failure

PROTOCOL = "1.4.0"
CAPABILITIES = (
    "sessions",
    "settings",
    "telemetry",
    "journal",
    "selftest",
    "clock",
    "programs",
    "dose",
    "confirm",
)
UNIX_MIN_S = 1_767_225_600  # 2026: a clock that is earlier was never set
UNIX_END_S = 1 << 32
CLOCK_NEWS_S = 2
OFFSET_MAX_MIN = 14 * 60  # of any place on earth
LATCHED_MAX = 8  # names of latched faults in a reply; `more` counts them all
STATUS_ROOM = 940  # characters of a status in a reply
NAMES_MAX = 3  # of settings that wait for a press; the rest is counted
JOURNAL_ROOM = 800  # characters of records in a reply
REFUSALS_ROOM = 780  # characters of the refusals in a reply
NAME_ROOM = 41  # of each but for its remedy: the longest name, and what JSON adds


class Encoded:
    """A result that is JSON text already."""

    def __init__(self, text):
        self.text = text


def _hello(app, params):
    return {
        "protocol": PROTOCOL,
        "firmware": VERSION,
        "content": app.startup.content,
        "board": app.board.unique_id(),
        "sim": app.board.SIMULATED,
        "capabilities": CAPABILITIES,
        "uptime_ms": app.uptime_ms,
        "boot": app.journal.boot,
        "unix_s": app.clock.unix_s(),
        "utc_offset_min": None if app.clock.offset_s is None else app.clock.offset_s // 60,
    }


def _schema(app, params):
    if "section" not in params:
        return {"sections": sorted(schema.SECTIONS)}
    if params["section"] == "programs":
        require(app, IDLE)  # read from flash and parsed: too long for a tick with the motor on
    text = schema.page(params["section"], params.get("start", 0), app.library)
    if text is None:
        raise RpcError(errors.INVALID_PARAMS, {"param": "section" if "start" not in params else "start"})
    return Encoded(text)


def _status(app, params):
    session = app.session
    safety = app.safety
    playing = session.play.program if session.active() else None
    status = {row[0]: value for row, value in zip(telemetry.FIELDS, telemetry.sample(app, 0))}
    del status["seq"], status["t_ms"]
    words = {
        "state": sessions.STATES[session.state][1],
        "limit_ms": session.run_ms,
        "origin": sessions.ORIGINS[session.origin],
        "reason": sessions.reason_name(session.reason),
        "fault": _fault(safety),
        "latched": [faults.fault_name(code) for code in safety.latched()[:LATCHED_MAX]],
        "limiters": faults.limiter_names(safety.limiters),
        "refusals": [row[1] for row in sessions.refusal_rows(session.refusals(sessions.REMOTE))],
        "boot": app.startup.cause,
        "selftest": app.selftest.state,
        "program": playing.name if playing else None,
        "stage": session.stage() or None,
        "stage_left_ms": session.play.left_ms() if playing else None,
        "shift": session.play.shift if playing else 0,
        "remote_start": app.settings["remote_start"],
        "suspended": app.permission.cause(),
        "confirm": _question(app.confirm),
        "uptime_ms": app.uptime_ms,
        "tick_worst_us": app.tick_worst_us,
        "skipped": app.files.skipped[0] if app.files.skipped else None,
        "skipped_more": max(len(app.files.skipped) - 1, 0),
        "left_out": 0,
    }
    status.update(words)
    status.update(methods_settings.unsaved(app))
    return Encoded(_fitting(status))


def _fitting(status):
    """JSON text of a status. While it is too long its lists lose their last names, counted in `left_out`."""
    over = len(_dumps(status)) - STATUS_ROOM
    if over > 0 and status["skipped"]:
        over -= len(status["skipped"])
        status["skipped"] = None
        status["skipped_more"] += 1
    for key in ("unsaved", "latched", "refusals"):
        names = status[key]
        while over > 0 and names:
            over -= len(names.pop()) + 3
            status["left_out"] += 1
    return _dumps(status)


def _dumps(value):
    return json.dumps(value, separators=(",", ":"))


def _fault(safety):
    if not safety.fault:
        return None
    row = faults.row(safety.fault)
    return {
        "code": row[faults.CODE],
        "name": row[faults.NAME],
        "remedy": row[faults.REMEDY],
        "more": safety.more,
    }


def _question(confirm):
    """What waits for a press of MODE, None if nothing does."""
    names = confirm.names
    if not names:
        return None
    return {
        "number": confirm.number,
        "names": names[:NAMES_MAX],
        "more": max(len(names) - NAMES_MAX, 0),
        "left_s": (confirm.left_ms() + 999) // 1000,
    }


def _session(app):
    session = app.session
    return {
        "state": sessions.STATES[session.state][1],
        "level": session.level,
        "remaining_ms": session.remaining_ms(),
    }


def _session_start(app, params):
    app.recorder.watch()  # the session before may have ended by the request before
    bits = app.session.refuse(sessions.REMOTE) or (_start_program if "program" in params else _start_plain)(
        app, params
    )
    if bits:
        raise RpcError(errors.REFUSED, {"refusals": _refusals(bits)})
    result = _session(app)
    result["warnings"] = sessions.warning_names(app.session.warnings)
    return result


def _refusals(bits):
    """All reasons by name, with their remedies as far as the reply has room for them."""
    rows = sessions.refusal_rows(bits)
    room = REFUSALS_ROOM - NAME_ROOM * len(rows)
    found = []
    for _, name, remedy in rows:
        entry = {"name": name}
        room -= len(remedy)
        if room >= 0:
            entry["remedy"] = remedy
        found.append(entry)
    return found


def _start_plain(app, params):
    settings = app.settings
    if "level" not in params or "shift" in params:
        raise RpcError(errors.INVALID_PARAMS, {"param": "shift" if "level" in params else "level"})
    in_range("level", params["level"], settings["min_level"], settings["max_level"])
    in_range("run_s", params["run_s"], 1, settings["session_limit_s"])
    area = params.get("area", "")
    if area not in INDEX:
        raise RpcError(errors.INVALID_PARAMS, {"param": "area"})
    return app.session.start(params["level"], params["run_s"] * 1000, sessions.REMOTE, INDEX[area])


def _start_program(app, params):
    """The host names the program's length, so that it cannot start one that it does not know."""
    for param in ("level", "area"):
        if param in params:
            raise RpcError(errors.INVALID_PARAMS, {"param": param})
    name = params["program"]
    shift = params.get("shift", 0)
    in_range("shift", shift, -LEVELS, LEVELS)
    program = app.library.load(name)
    if program is None:
        raise RpcError(errors.INVALID_PARAMS, {"param": "level"})
    found = program.why_not(app.settings, shift)
    if found:
        raise library.invalid(name, found)
    if params["run_s"] != program.total_s:
        raise RpcError(errors.INVALID_PARAMS, {"param": "run_s", "run_s": program.total_s})
    return app.session.start_program(program, shift, sessions.REMOTE)


def _session_stop(app, params):
    app.session.stop(sessions.HOST_STOP)
    return _session(app)


def _session_pause(app, params):
    app.session.heard_host()
    if not app.session.pause():
        raise wrong_state(app)
    return _session(app)


def _session_resume(app, params):
    app.session.heard_host()
    if not app.session.resume():
        raise wrong_state(app)
    return _session(app)


def _session_level(app, params):
    app.session.heard_host()
    in_range("level", params["level"], app.settings["min_level"], app.settings["max_level"])
    if params["level"] > app.session.level:
        require(app, REMOTE)
    if not app.session.set_level(params["level"]):
        raise wrong_state(app)
    return _session(app)


def _session_skip(app, params):
    app.session.heard_host()
    if not app.session.skip():
        raise wrong_state(app)
    return _session(app)


def _session_back(app, params):
    app.session.heard_host()
    if app.session.back_exceeds():
        raise RpcError(errors.REFUSED, {"refusals": _refusals(sessions.DOSE_USED_UP)})
    if not app.session.back():
        raise wrong_state(app)
    return _session(app)


def _session_keepalive(app, params):
    app.session.heard_host()
    return _session(app)


def _subscribe(app, params):
    hz = params["hz"]
    in_range("hz", hz, 0, 20)
    if hz and 100 % hz:
        raise RpcError(errors.INVALID_PARAMS, {"param": "hz", "allowed": [0, 1, 2, 4, 5, 10, 20]})
    app.rpc.subscribe(hz)
    return {"hz": hz}


def _fault_clear(app, params):
    """Clear the fault that is shown; one that says something is broken waits for a press at the device."""
    require(app, IDLE)  # a session that a fault ramps down ends by that fault
    safety = app.safety
    fault = safety.fault
    name = faults.fault_name(fault)
    if safety.lasts(fault):
        raise RpcError(errors.CAUSE_LASTS, {"fault": name})
    if fault and faults.survives(fault):
        app.confirm.ask([name], safety.clear)
    safety.clear()
    return {"cleared": name}


def _selftest(app, params):
    selftest = app.selftest
    if params.get("run"):
        if app.session.state == sessions.MAINTENANCE:
            raise wrong_state(app)
        require(app, IDLE)
        selftest.ask()
    t_ms = None if selftest.state == "running" else selftest.t_ms
    return {"state": selftest.state, "t_ms": t_ms, "tests": selftest.results()}


def _clock_set(app, params):
    unix_s = params["unix_s"]
    if not UNIX_MIN_S <= unix_s < UNIX_END_S:
        raise RpcError(errors.INVALID_PARAMS, {"param": "unix_s", "min": UNIX_MIN_S, "max": UNIX_END_S - 1})
    was = app.clock.unix_s()
    offset_min = params.get("utc_offset_min")
    if offset_min is not None:
        in_range("utc_offset_min", offset_min, -OFFSET_MAX_MIN, OFFSET_MAX_MIN)
    app.clock.set(unix_s, None if offset_min is None else offset_min * 60)
    app.pass_time()
    if was is None or abs(was - unix_s) > CLOCK_NEWS_S:
        app.recorder.note_clock(was, app.uptime_ms)
    return {"unix_s": unix_s, "was": was}


def _journal_read(app, params):
    journal = app.journal
    start = params.get("start", 0)
    if start < 0:
        raise RpcError(errors.INVALID_PARAMS, {"param": "start"})
    texts, following = journal.read(start, JOURNAL_ROOM)
    numbers = tuple("null" if not n else "%d" % n for n in (journal.first(), journal.last, following))
    return Encoded('{"records":[%s],"first":%s,"last":%s,"next":%s}' % ((",".join(texts),) + numbers))


def _maintenance(app, params):
    app.confirm.require_calm()
    return _restart(app, True)


def _reboot(app, params):
    app.confirm.require_calm()
    return _restart(app, False)


def _restart(app, maintenance):
    try:
        app.restart(maintenance)
    except StoreError as e:
        raise flash_error(e)
    except OSError as e:
        raise flash_error(os_failure(e))
    return {"rebooting": True}


# name, handler, params with their type (a `?` marks those that may be missing), authority, meaning
METHODS: tuple = (
    ("hello", _hello, {}, FREE, "Who is there: protocol, firmware, board."),
    (
        "schema",
        _schema,
        {"section": "str?", "start": "int?"},
        FREE | IN_CALL,
        "The tables of this firmware, page by page.",
    ),
    ("status", _status, {}, FREE, "Everything about this moment."),
    ("settings.get", methods_settings.settings_get, {"name": "str"}, FREE, "One setting."),
    ("settings.list", methods_settings.settings_list, {"start": "int?"}, FREE, "All settings, page by page."),
    (
        "settings.stage",
        methods_settings.settings_stage,
        {"values": "object", "begin": "bool?"},
        FREE,
        "Lay changes by for the next `settings.set`, which would not fit a line with them.",
    ),
    (
        "settings.set",
        methods_settings.settings_set,
        {"values": "object", "staged": "int?"},
        FREE | IN_CALL,
        "Change settings in RAM, all or none; with `staged`, so many that were staged as well.",
    ),
    (
        "settings.reset",
        methods_settings.settings_reset,
        {"names": "list?"},
        FREE | IN_CALL,
        "Settings back to their defaults, in RAM.",
    ),
    ("settings.save", methods_settings.settings_save, {}, IDLE, "Write the settings to flash."),
    (
        "session.start",
        _session_start,
        {"run_s": "int", "level": "int?", "program": "str?", "shift": "int?", "area": "str?"},
        REMOTE | IN_CALL,
        "Start a session at a level, or a program; run_s is the program's length then.",
    ),
    ("session.stop", _session_stop, {}, FREE, "Stop at once."),
    ("session.pause", _session_pause, {}, FREE, "Motor off, the clock runs on."),
    ("session.resume", _session_resume, {}, REMOTE, "Go on after a pause."),
    (
        "session.level",
        _session_level,
        {"level": "int"},
        FREE | IN_CALL,
        "New level, reached at the slew; in a program all levels are shifted.",
    ),
    ("session.skip", _session_skip, {}, REMOTE, "To the program's next stage."),
    ("session.back", _session_back, {}, REMOTE, "To the start of the stage, or to the one before."),
    ("session.keepalive", _session_keepalive, {}, FREE, "The host is alive."),
    (
        "telemetry.subscribe",
        _subscribe,
        {"hz": "int"},
        FREE,
        "Samples a second: a divisor of 100 up to 20, 0 = off.",
    ),
    (
        "selftest",
        _selftest,
        {"run": "bool?"},
        FREE | IN_CALL,
        "The self-test's report; `run` begins a new round.",
    ),
    ("journal.read", _journal_read, {"start": "int?"}, IDLE, "Records of the journal from a number on."),
    (
        "clock.set",
        _clock_set,
        {"unix_s": "int", "utc_offset_min": "int?"},
        FREE,
        "Seconds since 1970, and the minutes that local time is ahead, for journal and dose.",
    ),
    ("program.list", programs.program_list, {"start": "int?"}, IDLE, "All programs, page by page."),
    (
        "program.get",
        programs.program_get,
        {"name": "str", "start": "int?"},
        IDLE,
        "A program's stages, page by page.",
    ),
    (
        "program.begin",
        programs.program_begin,
        {"name": "str", "size": "int"},
        IDLE_REMOTE,
        "Announce a program of so many bytes; `room`: bytes a part.",
    ),
    (
        "program.write",
        programs.program_write,
        {"offset": "int", "data": "str"},
        IDLE_REMOTE,
        "Its next part, in base64.",
    ),
    (
        "program.commit",
        programs.program_commit,
        {},
        IDLE_REMOTE,
        "Check what has come and keep it, or refuse it.",
    ),
    (
        "program.fetch",
        programs.program_fetch,
        {"name": "str", "offset": "int"},
        IDLE,
        "A part of it, in base64.",
    ),
    (
        "program.remove",
        programs.program_remove,
        {"name": "str"},
        IDLE_REMOTE,
        "Delete a program that was sent.",
    ),
    (
        "program.select",
        programs.program_select,
        {"name": "str"},
        IDLE_REMOTE,
        "Choose what the start button plays.",
    ),
    (
        "dose.get",
        programs.dose_get,
        {"start": "int?"},
        FREE,
        "The day's dose by area, its limits, and the rest.",
    ),
    ("fault.clear", _fault_clear, {}, PRESS | IN_CALL, "Clear the latched fault once its cause is gone."),
    ("maintenance", _maintenance, {}, IDLE, "Restart with the motor impossible, for file transfer."),
    ("reboot", _reboot, {}, IDLE, "Restart."),
)

BY_NAME = {row[0]: row for row in METHODS}
_TYPES = {"int": int, "str": str, "bool": bool, "object": dict, "list": list}

schema.SECTIONS["methods"] = (METHODS, schema.SECTIONS["methods"][1])


def call(app, name, params):
    """Run a method. Returns its result; raises RpcError."""
    row = BY_NAME.get(name)
    if row is None:
        raise RpcError(errors.UNKNOWN_METHOD, {"method": errors.clip(name)})
    spec = row[2]
    for param in params:
        if param not in spec:
            raise RpcError(errors.INVALID_PARAMS, {"param": errors.clip(param)})
    for param in spec:
        kind = spec[param]
        if param not in params:
            if kind[-1] != "?":
                raise RpcError(errors.INVALID_PARAMS, {"param": param})
            continue
        value = params[param]
        wanted = _TYPES[kind.rstrip("?")]
        if isinstance(value, bool) != (wanted is bool) or not isinstance(value, wanted):
            raise RpcError(errors.INVALID_PARAMS, {"param": param, "type": kind})
    if not row[3] & IN_CALL:
        require(app, row[3])
    return row[1](app, params)
