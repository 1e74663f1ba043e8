"""Methods of settings: look, change in RAM, save."""

from micropython import const

from massager import authority, errors
from massager import settings as table
from massager.conditions import flash_error
from massager.errors import RpcError
from massager.store import StoreError

_ERRORS = {
    table.UNKNOWN: errors.UNKNOWN_SETTING,
    table.WRONG_TYPE: errors.WRONG_TYPE,
    table.OUT_OF_RANGE: errors.OUT_OF_RANGE,
    table.CONFLICT: errors.CONFLICT,
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
        "values": {row[table.NAME]: app.settings[row[table.NAME]] for row in rows},
        "unsaved": [name for name in app.settings.unsaved() if name in [row[table.NAME] for row in rows]],
        "next": following if following < len(table.TABLE) else None,
    }


def settings_stage(app, params):
    """Lay changes by: with known names and valid values only, so that a host can fill no memory with it."""
    if params.get("begin"):
        app.staged = {}
    values = params["values"]
    bad = [(name, table.check(name, values[name])) for name in values]
    bad = [error for error in bad if error[1]]
    if bad:
        app.staged = {}
        raise _refusal([(name, _ERRORS[kind]) for name, kind in bad])
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
    try:
        return {"sequence": app.save_settings()}
    except StoreError as e:
        raise flash_error(e)


def unsaved(app):
    """Names of settings that are not saved, as many as a reply has room for, and how many more there are."""
    names = app.settings.unsaved()
    return {"unsaved": names[:_UNSAVED_MAX], "unsaved_more": max(len(names) - _UNSAVED_MAX, 0)}


def _change(app, changes):
    """Take the changes, all or none, or let them wait for a press of MODE."""
    app.confirm.replace()
    settings = app.settings
    bad = settings.check_all(changes)
    if bad:
        raise _refusal([(name, _ERRORS[kind]) for name, kind in bad])
    needs = [(name, settings.authority(name, changes[name])) for name in changes]
    bad = [(name, errors.LOCAL_ONLY) for name, need in needs if need == authority.BUTTONS]
    if app.session.active():
        bad += [(name, errors.MOTOR_RUNNING) for name, need in needs if need & authority.IDLE]
    if bad:
        raise _refusal(bad)
    alone = authority.IDLE_REMOTE if app.permission.in_force() else authority.IDLE
    names = [name for name, need in needs if need > alone]
    if names:
        app.confirm.ask(names, lambda: _take(app, changes))
    _take(app, changes)
    result = {"changed": list(changes)}
    result.update(unsaved(app))
    return result


def _take(app, changes):
    app.settings.take(changes)
    app.configure()


def _refusal(bad):
    """The error for a list of (name, code)."""
    data = _describe(bad[0])
    data["errors"] = [_describe(error) for error in bad[:_ERRORS_MAX]]
    data["count"] = len(bad)
    return RpcError(bad[0][1], data)


def _describe(error):
    name, code = error
    data = {"setting": errors.clip(name), "name": errors.find(code)[1]}
    if code == errors.OUT_OF_RANGE:
        row = table.ROWS[name]
        data["min"], data["max"] = row[table.LEAST], row[table.MOST]
    return data
