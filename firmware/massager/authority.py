"""Authority: what a host needs to change a setting or call a method. Every row of both tables has one.

The rule behind the rows: nothing that a host sends alone changes the true rate of a level, weakens a
protection, or changes what the user's next press does. A host alone may look, stop, and hold back.
"""

from micropython import const

FREE = const(0)
IDLE = const(1)
REMOTE = const(2)
IDLE_REMOTE = const(3)
PRESS = const(5)
BUTTONS = const(8)
IN_CALL = const(16)  # the method enforces it: it depends on the parameters, or there are more reasons to name

# value, name, meaning
AUTHORITIES = (
    (FREE, "free", "At any time."),
    (IDLE, "idle", "While no session runs."),
    (REMOTE, "remote", "With the permission given at the device: MODE held 3 s."),
    (
        IDLE_REMOTE,
        "idle_remote",
        "With that permission, while no session runs; for a setting a press of MODE does instead.",
    ),
    (PRESS, "press", "With a press of MODE for this request, while no session runs."),
    (BUTTONS, "buttons", "Only with the device's own buttons; a host may take it back."),
)


def name(authority):
    """Name of an authority."""
    for row in AUTHORITIES:
        if row[0] == authority & ~IN_CALL:
            return row[1]
    raise ValueError(authority)
