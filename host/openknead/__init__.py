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
    from openknead.device import Device, connect
    from openknead.errors import (
        ConfirmNeeded,
        DeviceError,
        DeviceRestarted,
        DeviceTimeout,
        LinkLost,
        NotConfirmed,
        NotOffered,
        OpenKneadError,
        PortBusy,
        PortError,
        ProtocolMismatch,
        Refused,
    )
    from openknead.journal import Record
    from openknead.model import Event, Fault, Hello, Sample, SessionEnd, Setting, Status
    from openknead.selftest import SelftestCase, SelftestReport

_HOME = {
    "ConfirmNeeded": "errors",
    "Device": "device",
    "DeviceError": "errors",
    "DeviceRestarted": "errors",
    "DeviceTimeout": "errors",
    "Event": "model",
    "Fault": "model",
    "Hello": "model",
    "LinkLost": "errors",
    "NotConfirmed": "errors",
    "NotOffered": "errors",
    "OpenKneadError": "errors",
    "PortBusy": "errors",
    "PortError": "errors",
    "ProtocolMismatch": "errors",
    "Record": "journal",
    "Refused": "errors",
    "Sample": "model",
    "SelftestCase": "selftest",
    "SelftestReport": "selftest",
    "SessionEnd": "model",
    "Setting": "model",
    "Status": "model",
    "connect": "device",
}

__all__ = [
    "ConfirmNeeded",
    "Device",
    "DeviceError",
    "DeviceRestarted",
    "DeviceTimeout",
    "Event",
    "Fault",
    "Hello",
    "LinkLost",
    "NotConfirmed",
    "NotOffered",
    "OpenKneadError",
    "PortBusy",
    "PortError",
    "ProtocolMismatch",
    "Record",
    "Refused",
    "Sample",
    "SelftestCase",
    "SelftestReport",
    "SessionEnd",
    "Setting",
    "Status",
    "__version__",
    "connect",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"openknead.{_HOME[name]}"), name)
    raise AttributeError(f"module 'openknead' has no attribute {name!r}")
