"""Conditions: what requests of several kinds need, and the errors they end with otherwise."""

from massager import errors
from massager import session as sessions
from massager.errors import RpcError


def require_idle(app):
    """No session is under way."""
    if app.session.active():
        raise RpcError(errors.MOTOR_RUNNING, {"state": sessions.STATES[app.session.state][1]})


def require_remote(app):
    """A host may hold back what someone started by hand, but not drive it on, unless they allowed it."""
    if not app.settings["remote_start"]:
        raise RpcError(errors.LOCAL_ONLY, {"setting": "remote_start"})


def in_range(param, value, low, high):
    """low ≤ value ≤ high."""
    if not low <= value <= high:
        raise RpcError(errors.OUT_OF_RANGE, {"param": param, "min": low, "max": high})


def wrong_state(app):
    """The error of a request that this state does not allow."""
    return RpcError(errors.WRONG_STATE, {"state": sessions.STATES[app.session.state][1]})


def flash_error(failure):
    """The error that a StoreError amounts to."""
    reason, full = failure.args
    return RpcError(errors.FLASH_FULL if full else errors.FLASH_FAILED, {"reason": reason})
