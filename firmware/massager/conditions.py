"""Conditions: what requests need, enforced in one place, and the errors they end with otherwise."""

from massager import errors
from massager import session as sessions
from massager.authority import IDLE, REMOTE
from massager.errors import RpcError


def require(app, authority):
    """Raise RpcError unless a host has that authority now. PRESS asks for no more than IDLE here."""
    if authority & IDLE and app.session.active():
        raise RpcError(errors.MOTOR_RUNNING, {"state": sessions.STATES[app.session.state][1]})
    if authority & REMOTE:
        permission = app.permission
        if not permission.granted():
            raise RpcError(errors.LOCAL_ONLY, {"setting": "remote_start"})
        if permission.suspended:
            raise RpcError(errors.PERMISSION_SUSPENDED, {"cause": permission.cause()})


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
