"""OpenKnead's host library: talk to a massager controller, on a Pico or simulated, over serial.

    import openknead

    with openknead.connect() as device:
        device.start(level=3, minutes=5)
        for sample in device.telemetry(hz=10):
            print(sample.rate_opm, sample.current_ma)

Names are loaded when first used: `import openknead` itself costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from openknead import aio
    from openknead.device import Device, connect
    from openknead.dose import Today
    from openknead.errors import (
        ConfirmLater,
        ConfirmNeeded,
        DeviceError,
        DeviceRestarted,
        DeviceTimeout,
        LinkLost,
        MotorRunning,
        NotConfirmed,
        NotOffered,
        OpenKneadError,
        PermissionSuspended,
        PortBusy,
        PortError,
        ProtocolMismatch,
        Refused,
        SettingError,
        WrongState,
    )
    from openknead.feed import Feed
    from openknead.journal import Record
    from openknead.model import (
        Event,
        Fault,
        Hello,
        Question,
        Sample,
        SessionEnd,
        SessionState,
        Setting,
        Status,
    )
    from openknead.selftest import SelftestCase, SelftestReport
    from openknead.virtual import virtual_board

_HOME = {
    "ConfirmLater": "errors",
    "ConfirmNeeded": "errors",
    "Device": "device",
    "DeviceError": "errors",
    "DeviceRestarted": "errors",
    "DeviceTimeout": "errors",
    "Event": "model",
    "Fault": "model",
    "Feed": "feed",
    "Hello": "model",
    "LinkLost": "errors",
    "MotorRunning": "errors",
    "NotConfirmed": "errors",
    "NotOffered": "errors",
    "OpenKneadError": "errors",
    "PermissionSuspended": "errors",
    "PortBusy": "errors",
    "PortError": "errors",
    "ProtocolMismatch": "errors",
    "Question": "model",
    "Record": "journal",
    "Refused": "errors",
    "Sample": "model",
    "SelftestCase": "selftest",
    "SelftestReport": "selftest",
    "SessionEnd": "model",
    "SessionState": "model",
    "Setting": "model",
    "SettingError": "errors",
    "Status": "model",
    "Today": "dose",
    "WrongState": "errors",
    "connect": "device",
    "virtual_board": "virtual",
}

__all__ = [
    "ConfirmLater",
    "ConfirmNeeded",
    "Device",
    "DeviceError",
    "DeviceRestarted",
    "DeviceTimeout",
    "Event",
    "Fault",
    "Feed",
    "Hello",
    "LinkLost",
    "MotorRunning",
    "NotConfirmed",
    "NotOffered",
    "OpenKneadError",
    "PermissionSuspended",
    "PortBusy",
    "PortError",
    "ProtocolMismatch",
    "Question",
    "Record",
    "Refused",
    "Sample",
    "SelftestCase",
    "SelftestReport",
    "SessionEnd",
    "SessionState",
    "Setting",
    "SettingError",
    "Status",
    "Today",
    "WrongState",
    "__version__",
    "aio",
    "connect",
    "virtual_board",
]


def __getattr__(name: str) -> Any:
    if name == "aio":
        return import_module("openknead.aio")
    if name in _HOME:
        return getattr(import_module(f"openknead.{_HOME[name]}"), name)
    raise AttributeError(f"module 'openknead' has no attribute {name!r}")
