"""Everything that can go wrong, as types; each carries a code, a name and a remedy.

Codes -32xxx come from the device (or from JSON-RPC), -33xxx are the host's own.
`exit_code` is what the `knead` command ends with: 1 device refused, 4 port, 5 link or time, 6 protocol,
7 contraindication check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class OpenKneadError(Exception):
    """Base of all errors of this package.

    code: stable number; name: stable word for programs; remedy: what to do, for people (may be empty);
    data: further facts, JSON-compatible.
    """

    code: int = -33000
    name: str = "error"
    exit_code: int = 1
    remedy: str = ""

    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        code: int | None = None,
        name: str | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.data: dict[str, Any] = dict(data or {})
        if remedy is not None:
            self.remedy = remedy
        if code is not None:
            self.code = code
        if name is not None:
            self.name = name

    def as_dict(self) -> dict[str, Any]:
        """The error as the JSON object that `knead --json` prints."""
        known = {"code": self.code, "name": self.name, "message": self.message, "remedy": self.remedy}
        return known | {key: value for key, value in self.data.items() if key not in known}


# -- the port ------------------------------------------------------------------------------------------


class PortError(OpenKneadError):
    """The port cannot be used; nothing was sent."""

    code, name, exit_code = -33001, "port_error", 4
    remedy = "see which ports there are: knead list"


class PortNotFound(PortError):
    """There is no such port, or no device at all."""

    code, name = -33002, "port_not_found"
    remedy = "start a virtual board with `knead sim`, or plug a device in; it is plugged in? knead doctor"


class PortAmbiguous(PortError):
    """Several devices are there and none was named; `data["ports"]` lists them."""

    code, name = -33003, "port_ambiguous"
    remedy = "name one: --port PORT, or set OPENKNEAD_PORT"


class PortBusy(PortError):
    """Another program holds the port; `data["holders"]` names it where it can be found."""

    code, name = -33004, "port_busy"
    remedy = "end the program that holds the port"


class PortPermission(PortError):
    """The operating system does not let this user open the port."""

    code, name = -33005, "port_permission"
    remedy = "see what is missing: knead doctor; on Linux mostly the udev rule: knead udev --install"


# -- the connection ------------------------------------------------------------------------------------


class LinkLost(OpenKneadError):
    """The port vanished or was closed at the other end."""

    code, name, exit_code = -33010, "link_lost", 5
    remedy = "check cable and power, then repeat; a remote session ends by itself (host_lost)"


class DeviceTimeout(OpenKneadError):
    """The device did not answer in time."""

    code, name, exit_code = -33011, "timeout", 5
    remedy = "find out why: knead doctor; allow more time: --timeout SECONDS"


class DeviceRestarted(OpenKneadError):
    """The device restarted while it was asked or watched: whatever ran on it has ended."""

    code, name, exit_code = -33012, "device_restarted", 5
    remedy = "look at `knead status`, then repeat"


class ReplyDamaged(OpenKneadError):
    """The answer arrived with a wrong checksum and asking again would not be safe or did not help."""

    code, name, exit_code = -33013, "reply_damaged", 5
    remedy = "look at `knead status` before repeating; try a shorter or better cable"


class RequestTooLong(OpenKneadError):
    """The request would not fit into one line of the protocol; nothing was sent."""

    code, name, exit_code = -33014, "request_too_long", 2
    remedy = "ask for fewer things at once"


class ProtocolMismatch(OpenKneadError):
    """Device and host speak different major versions; `remedy` is the command to run."""

    code, name, exit_code = -33020, "protocol_mismatch", 6


class NotOpenKnead(OpenKneadError):
    """Something answers on the port, but not OpenKnead (a MicroPython prompt, for instance)."""

    code, name, exit_code = -33021, "not_openknead", 6
    remedy = "press reset on the board if OpenKnead is installed on it, else install it"


class NotOffered(OpenKneadError):
    """The firmware lacks what was asked for (`data["capability"]`); `remedy` is the command to run."""

    code, name, exit_code = -33022, "not_offered", 6


class TraceError(OpenKneadError):
    """The trace's file cannot be written; nothing was sent."""

    code, name, exit_code = -33023, "trace_error", 1
    remedy = "name a file that can be written: --trace FILE, or OPENKNEAD_TRACE"


# -- the check before a session, on this computer --------------------------------------------------------


class ProfileError(OpenKneadError):
    """A profile cannot be read or written."""

    code, name, exit_code = -33080, "profile_error", 7


class CheckDue(OpenKneadError):
    """The contraindication check has to be answered before a session."""

    code, name, exit_code = -33081, "check_due", 7
    remedy = "answer it: knead guide"


class AdvisedAgainst(OpenKneadError):
    """The check was answered with something that speaks against use; `data["advice"]` says what and why."""

    code, name, exit_code = -33082, "advised_against", 7
    remedy = "see a professional first, then answer again: knead guide; --despite-advice overrides, on record"


# -- settings: files, weakened protections, names of devices ----------------------------------------------


class NotConfirmed(OpenKneadError):
    """The change was not agreed to at the device; nothing was changed. `data["outcome"]`: why it ended."""

    code, name = -33110, "not_confirmed"
    remedy = "repeat it, and press MODE on the device while its light blinks cyan"


class WouldWeaken(OpenKneadError):
    """The change weakens protections (`data["settings"]`), and was not agreed to; nothing was changed."""

    code, name = -33111, "would_weaken"


class SettingsFileError(OpenKneadError):
    """A settings file has errors; `problems` lists all of them with their lines. Nothing was changed."""

    code, name = -33112, "settings_file"
    remedy = "mend these lines; the device is as it was"

    @property
    def problems(self) -> list[dict[str, Any]]:
        """Each with line, setting (or None), name and message."""
        return list(self.data.get("errors", []))


class SettingsFileNewer(OpenKneadError):
    """A settings file of a format that this version does not know."""

    code, name, exit_code = -33113, "settings_file_newer", 6
    remedy = "run: python -m pip install --upgrade openknead"


class WrongDevice(OpenKneadError):
    """Another device than the one that was named answers on the port."""

    code, name, exit_code = -33114, "wrong_device", 4


class DeviceNameError(OpenKneadError):
    """There is no device of that name in the file of names, or that file is damaged."""

    code, name, exit_code = -33115, "device_name", 4
    remedy = "see the names: knead device list"


# -- measuring the motor ---------------------------------------------------------------------------------


class CalibrationRefused(OpenKneadError):
    """What was measured does not tell the motor's constants; nothing was changed."""

    code, name = -33100, "calibration_refused"


# -- the device's own answers --------------------------------------------------------------------------


class DeviceError(OpenKneadError):
    """The device answered with an error; code, name, remedy and data are the device's."""

    code, name = -32603, "internal_error"


class Refused(DeviceError):
    """A start was refused; `refusals` holds every reason at once, as (name, remedy) pairs."""

    @property
    def refusals(self) -> list[tuple[str, str]]:
        return [
            (str(item.get("name", "")), str(item.get("remedy", "")))
            for item in self.data.get("refusals", [])
            if isinstance(item, Mapping)
        ]


class WrongState(DeviceError):
    """The method does not fit the state the device is in (`data["state"]`)."""


class MotorRunning(DeviceError):
    """Not while the motor is on: flash writes and restarts wait."""


class SettingError(DeviceError):
    """A setting was refused: unknown, wrong type, out of range, local only or in conflict.

    Nothing was changed; `problems` lists every bad one.
    """

    @property
    def problems(self) -> list[dict[str, Any]]:
        errors = self.data.get("errors")
        if isinstance(errors, Sequence) and not isinstance(errors, str):
            return [dict(item) for item in errors if isinstance(item, Mapping)]
        return [{"setting": self.data["setting"], "name": self.name}] if "setting" in self.data else []


class ConfirmNeeded(DeviceError):
    """MODE must be pressed at the device first; nothing was changed yet.

    `data`: names, after_s (earlier presses are no answer), within_s, number.
    """


class ConfirmLater(DeviceError):
    """The last question was not answered with yes; the next one may be asked in `data["wait_s"]` seconds."""


class PermissionSuspended(DeviceError):
    """STOP, a fault or a pause at the device (`data["cause"]`) took the permission to start away."""


def misfit(place: Mapping[str, Any]) -> str:
    """What is wrong with a program in the device's words, from its members stage, field and why."""
    field = _FIELDS.get(str(place.get("field")), str(place.get("field")))
    stage = f"stage {place['stage']}: " if place.get("stage") else ""
    return f"{stage}{field} {place.get('why', '')}"


_FIELDS = {"a": "the first level", "b": "the second level", "period_s": "the period", "seconds": "the length"}


class StorageError(DeviceError):
    """The device could not write its flash; what was stored before is intact."""


class CauseLasts(DeviceError):
    """The fault (`data["fault"]`) cannot be cleared while its cause lasts."""


class ProgramInvalid(DeviceError):
    """The program is not sound or does not fit the settings: `data` has program, stage, field and why."""

    def __init__(self, message: str, **more: Any) -> None:
        data = more.get("data") or {}
        if "why" in data:
            message = f"{data.get('program', 'the program')}: {misfit(data)}"
        super().__init__(message, **more)


class UnknownProgram(DeviceError):
    """The device has no program of that name."""


class ProgramSpace(DeviceError):
    """The device has as many programs as it can keep."""


class TransferBroken(DeviceError):
    """A part of a program is missing or damaged; what the device had before is intact."""


_CLASSES: dict[int, type[DeviceError]] = {
    -32010: Refused,
    -32011: WrongState,
    -32012: MotorRunning,
    -32013: PermissionSuspended,
    -32020: SettingError,
    -32021: SettingError,
    -32022: SettingError,
    -32023: SettingError,
    -32024: SettingError,
    -32025: ConfirmNeeded,
    -32026: ConfirmLater,
    -32030: StorageError,
    -32031: StorageError,
    -32040: CauseLasts,
    -32050: ProgramInvalid,
    -32051: UnknownProgram,
    -32052: ProgramSpace,
    -32053: TransferBroken,
}


def from_reply(error: object) -> DeviceError:
    """The typed error for the `error` member of a device's reply, however odd that member is."""
    if not isinstance(error, Mapping):
        return DeviceError(f"the device answered with a malformed error: {error!r}")
    code = error.get("code")
    data = error.get("data")
    data = dict(data) if isinstance(data, Mapping) else {}
    name = data.pop("name", None)
    remedy = data.pop("remedy", None)
    number = code if isinstance(code, int) else DeviceError.code
    cls = _CLASSES.get(number, DeviceError)
    if number == -32022 and "setting" not in data:
        cls = DeviceError  # out of range: a parameter such as the level, not a setting
    return cls(
        str(error.get("message", "the device reported an error")),
        code=number,
        name=str(name) if name else "device_error",
        remedy=str(remedy) if remedy else "",
        data=data,
    )
