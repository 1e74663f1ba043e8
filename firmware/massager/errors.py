"""Errors of the protocol: one table of codes, names, messages and remedies."""

from micropython import const

PARSE_ERROR = const(-32700)
INVALID_REQUEST = const(-32600)
UNKNOWN_METHOD = const(-32601)
INVALID_PARAMS = const(-32602)
INTERNAL_ERROR = const(-32603)
CHECKSUM_MISMATCH = const(-32001)
LINE_TOO_LONG = const(-32002)
REFUSED = const(-32010)
WRONG_STATE = const(-32011)
MOTOR_RUNNING = const(-32012)
PERMISSION_SUSPENDED = const(-32013)
UNKNOWN_SETTING = const(-32020)
WRONG_TYPE = const(-32021)
OUT_OF_RANGE = const(-32022)
LOCAL_ONLY = const(-32023)
CONFLICT = const(-32024)
CONFIRM_NEEDED = const(-32025)
CONFIRM_LATER = const(-32026)
FLASH_FAILED = const(-32030)
FLASH_FULL = const(-32031)
CAUSE_LASTS = const(-32040)
PROGRAM_INVALID = const(-32050)
UNKNOWN_PROGRAM = const(-32051)
PROGRAM_SPACE = const(-32052)
TRANSFER = const(-32053)

# code, name, message, remedy
ERRORS = (
    (PARSE_ERROR, "parse_error", "The line is not JSON in UTF-8.", "Send one JSON-RPC 2.0 object a line."),
    (
        INVALID_REQUEST,
        "invalid_request",
        "The line is JSON but no JSON-RPC 2.0 request.",
        'Send {"jsonrpc":"2.0","id":1,"method":"hello"}; batches are not supported.',
    ),
    (UNKNOWN_METHOD, "unknown_method", "There is no such method.", "Ask `schema` for the section methods."),
    (
        INVALID_PARAMS,
        "invalid_params",
        "A parameter is missing, unknown or of the wrong type.",
        "Ask `schema` for the section methods; parameters are named.",
    ),
    (
        INTERNAL_ERROR,
        "internal_error",
        "The firmware failed to answer.",
        "Report it with the firmware version.",
    ),
    (CHECKSUM_MISMATCH, "checksum_mismatch", "The line's checksum is wrong.", "Send the line again."),
    (
        LINE_TOO_LONG,
        "line_too_long",
        "The line was longer than 512 bytes and was dropped.",
        "Send shorter lines.",
    ),
    (REFUSED, "refused", "The start is refused.", "See `refusals`; every reason is named with its remedy."),
    (WRONG_STATE, "wrong_state", "Not possible in this state.", "Look at `status`."),
    (MOTOR_RUNNING, "motor_running", "Not while a session runs.", "Stop the session first."),
    (
        PERMISSION_SUSPENDED,
        "permission_suspended",
        "STOP, a fault or a pause at the device has suspended the permission of hosts.",
        "Give it back: hold MODE on the device for 3 s, after a pause press MODE.",
    ),
    (
        UNKNOWN_SETTING,
        "unknown_setting",
        "There is no such setting.",
        "Ask `schema` for the section settings.",
    ),
    (WRONG_TYPE, "wrong_type", "The value has the wrong type.", "Ask `schema` for the section settings."),
    (OUT_OF_RANGE, "out_of_range", "The value is out of range.", "Choose a value between min and max."),
    (
        LOCAL_ONLY,
        "local_only",
        "Only the device's own buttons may do this.",
        "Hold MODE on the device for 3 s.",
    ),
    (
        CONFLICT,
        "conflict",
        "The settings contradict each other.",
        "Keep min_level <= default_level <= max_level.",
    ),
    (
        CONFIRM_NEEDED,
        "confirm_needed",
        "This needs a press at the device: it weakens a protection, or changes what the device does.",
        "Press MODE on the device within `within_s`; MODE held or any other button refuses.",
    ),
    (
        CONFIRM_LATER,
        "confirm_later",
        "A question waits for MODE, or the last one was not answered with yes.",
        "Try again after `wait_s`, when someone is at the device to press MODE.",
    ),
    (FLASH_FAILED, "flash_failed", "Writing to flash failed; the old record is in force.", "Try again."),
    (
        FLASH_FULL,
        "flash_full",
        "The flash is full; the old record is in force.",
        "Delete files that are not needed.",
    ),
    (CAUSE_LASTS, "cause_lasts", "The cause of the fault lasts.", "Remove the cause, then clear again."),
    (
        PROGRAM_INVALID,
        "program_invalid",
        "The program is not sound, or does not fit the settings.",
        "See `stage`, `field` and `why`; check the file: `knead program check`.",
    ),
    (UNKNOWN_PROGRAM, "unknown_program", "There is no such program.", "See them all: `knead program list`."),
    (
        PROGRAM_SPACE,
        "program_space",
        "There is room for 8 programs beside those built in.",
        "Remove one: `knead program remove NAME`.",
    ),
    (TRANSFER, "transfer", "The transfer of the program is broken.", "Send it again from its beginning."),
)


class RpcError(Exception):
    """A request cannot be done. args: (code, data) with data a dict of what is at hand beyond the table."""


def clip(name):
    """What a host called something, fit for a reply: MicroPython's JSON takes any value for a key."""
    return name[:32] if isinstance(name, str) else "(no name)"


def find(code):
    """The table row of a code."""
    for row in ERRORS:
        if row[0] == code:
            return row
    raise ValueError(code)


def describe(code, data):
    """The error object of a reply."""
    row = find(code)
    detail = {"name": row[1], "remedy": row[3]}
    detail.update(data)
    return {"code": code, "message": row[2], "data": detail}
