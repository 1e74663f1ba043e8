"""Methods of settings: look, change in RAM, save."""

from micropython import const

from massager import confirm, errors
from massager import session as sessions
from massager import settings as table
from massager.conditions import flash_error, require_idle, wrong_state
from massager.errors import RpcError
from massager.store import StoreError

_ERRORS = {
    table.UNKNOWN: errors.UNKNOWN_SETTING,
    table.WRONG_TYPE: errors.WRONG_TYPE,
    table.OUT_OF_RANGE: errors.OUT_OF_RANGE,
    table.LOCAL_ONLY: errors.LOCAL_ONLY,
    table.CONFLICT: errors.CONFLICT,
    table.BUSY: errors.MOTOR_RUNNING,
}
_LIST_PAGE = const(20)  # settings a page
_UNSAVED_MAX = const(6)  # names of unsaved settings in a reply; the rest is counted
_ERRORS_MAX = const(5)  # errors that are listed in one reply; the rest is counted


def settings_get(app, params):
    name = params["name"]
    if name not in app.settings.values:
        raise RpcError(errors.UNKNOWN_SETTING, {"setting": errors.clip(name)})
    return {"name": name, "value": app.settings[name]}


def settings_list(app, params):
    start = params.get("start", 0)
    if not 0 <= start < len(table.TABLE):
        raise RpcError(errors.INVALID_PARAMS, {"param": "start"})
    rows = table.TABLE[start : start + _LIST_PAGE]
    following = start + len(rows)
    return {
        "values": {row[0]: app.settings[row[0]] for row in rows},
        "unsaved": [name for name in app.settings.unsaved() if name in [row[0] for row in rows]],
        "next": following if following < len(table.TABLE) else None,
    }


def settings_stage(app, params):
    """What is staged has known names and valid values, so that a host can fill no memory with it."""
    if params.get("begin"):
        app.staged = {}
    values = params["values"]
    bad = [(name, table.check(name, values[name])) for name in values]
    bad = [error for error in bad if error[1]]
    if bad:
        app.staged = {}
        raise _refusal(bad)
    app.staged.update(values)
    return {"staged": len(app.staged)}


def settings_set(app, params):
    changes, app.staged = app.staged, {}
    if "staged" not in params:
        return _change(app, params["values"])
    if params["staged"] != len(changes):  # another host has come between
        raise RpcError(errors.INVALID_PARAMS, {"param": "staged"})
    changes.update(params["values"])
    return _change(app, changes)


def settings_reset(app, params):
    names = params.get("names")
    for name in names or ():
        if not isinstance(name, str) or name not in table.ROWS:
            raise RpcError(errors.UNKNOWN_SETTING, {"setting": errors.clip(name)})
    return _change(app, app.settings.defaults(names))


def settings_save(app, params):
    require_idle(app)
    try:
        return {"sequence": app.save_settings()}
    except StoreError as e:
        raise flash_error(e)


def unsaved(app):
    """Names of settings that are not saved, as many as a reply has room for, and how many more there are."""
    names = app.settings.unsaved()
    return {"unsaved": names[:_UNSAVED_MAX], "unsaved_more": max(len(names) - _UNSAVED_MAX, 0)}


def _change(app, changes):
    app.confirm.replace()
    settings = app.settings
    bad = settings.check_all(changes, motor_on=app.session.active())
    if bad:
        raise _refusal(bad)
    names = settings.weakened(changes, table.CONFIRM)
    if names:
        if app.session.state != sessions.IDLE:
            raise wrong_state(app)
        app.confirm.ask(changes, app.uptime_ms)
        data = {"names": names, "within_s": confirm.WITHIN_MS // 1000, "number": app.confirm.number}
        raise RpcError(errors.CONFIRM_NEEDED, data)
    settings.take(changes)
    app.configure()
    result = {"changed": list(changes)}
    result.update(unsaved(app))
    return result


def _refusal(bad):
    data = _describe(bad[0])
    data["errors"] = [_describe(error) for error in bad[:_ERRORS_MAX]]
    data["count"] = len(bad)
    return RpcError(_ERRORS[bad[0][1]], data)


def _describe(error):
    name, kind = error
    data = {"setting": errors.clip(name), "name": errors.find(_ERRORS[kind])[1]}
    if kind == table.OUT_OF_RANGE:
        data["min"], data["max"] = table.ROWS[name][3:5]
    return data
