"""Methods of programs and dose. Those of programs need an idle motor: files are read, parsed and written."""

import binascii

from micropython import const

from massager import errors, library
from massager.conditions import flash_error
from massager.dose import CHARGED
from massager.errors import RpcError
from massager.store import StoreError, os_failure

_LIST_PAGE = const(6)  # programs a page, …
_STAGES_PAGE = const(8)  # … stages, …
_AREAS_PAGE = const(16)  # … areas of the dose
FETCH = const(510)  # bytes of a document in a reply


def program_list(app, params):
    names = app.library.names
    rows, following = _page(names, params, _LIST_PAGE)
    return {
        "programs": [_program(app, name) for name in rows],
        "next": following,
        "selected": app.selected,
    }


def _program(app, name):
    program = app.library.load(name)
    built_in = library.built_in(name)
    if program is None:
        s = app.settings["session_limit_s"]
        return {"name": name, "builtin": built_in, "s": s, "motor": True, "problem": None}
    return {
        "name": name,
        "builtin": built_in,
        "s": program.total_s,
        "motor": program.highest > 0,
        "problem": library.place(program.why_not(app.settings)),
    }


def program_get(app, params):
    name = params["name"]
    program = app.library.load(name)
    rows, following = _page(range(program.count if program else 0), params, _STAGES_PAGE)
    stages = [program.stage(i) for i in rows]
    return {"name": name, "builtin": library.built_in(name), "stages": stages, "next": following}


def program_begin(app, params):
    app.library.begin(params["name"], params["size"])
    return {"room": library.CHUNK}


def program_write(app, params):
    return {"offset": app.library.write(params["offset"], params["data"])}


def program_commit(app, params):
    try:
        program = app.library.commit()
    except StoreError as e:
        raise flash_error(e)
    app.select(app.selected)  # it may be this one, and its number may be another
    return {"name": program.name, "s": program.total_s}


def program_fetch(app, params):
    data = app.library.document(params["name"])
    offset = params["offset"]
    if not 0 <= offset < len(data):
        raise RpcError(errors.INVALID_PARAMS, {"param": "offset", "min": 0, "max": len(data) - 1})
    end = offset + FETCH
    text = binascii.b2a_base64(data[offset:end]).decode().rstrip()
    return {"data": text, "next": end if end < len(data) else None}


def program_remove(app, params):
    name = params["name"]
    try:
        app.library.remove(name)
    except OSError as e:
        raise flash_error(os_failure(e))
    if app.selected == name:
        app.turn(library.PLAIN)
    else:
        app.select(app.selected)
    return {"removed": name}


def program_select(app, params):
    app.turn(params["name"])
    return {"selected": app.selected}


def dose_get(app, params):
    dose = app.dose
    settings = app.settings
    labels, following = _page(sorted(dose.areas), params, _AREAS_PAGE)
    areas = {}
    for label in labels:
        ms, turns, sessions = dose.areas[label]
        areas[label] = (ms // 1000, turns, sessions)
    return {
        "day": dose.day,
        "dated": app.clock.unix_s() is not None,
        "total_s": dose.total_ms // 1000,
        "charged": {name: ms // 1000 for name, ms in zip(CHARGED, dose.charged_ms) if ms},
        "areas": areas,
        "next": following,
        "day_limit_min": settings["day_limit_min"],
        "area_limit_min": settings["area_limit_min"],
        "rest_s": settings["rest_s"],
        "rest_left_s": dose.rest_left_s(),
    }


def _page(rows, params, size):
    """Rows from `start` on that a reply has room for, and where the next page begins, None at the end."""
    start = params.get("start", 0)
    if not 0 <= start < max(len(rows), 1):
        raise RpcError(errors.INVALID_PARAMS, {"param": "start"})
    following = start + size
    return rows[start:following], following if following < len(rows) else None
