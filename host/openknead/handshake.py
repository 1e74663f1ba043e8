"""The first words: who is there, and do we speak the same protocol?"""

from __future__ import annotations

import time

from openknead.channel import Channel
from openknead.errors import (
    DeviceRestarted,
    DeviceTimeout,
    NotOffered,
    NotOpenKnead,
    PortBusy,
    ProtocolMismatch,
    ReplyDamaged,
)
from openknead.model import Hello

MAJOR = 1  # of the protocol this package speaks; minor versions only add
FIRST_S = 0.7  # how long to wait before the second hello
GROWTH = 1.5  # of each further wait, or a device slower than that would drown in hellos


def greet(channel: Channel, timeout: float) -> Hello:
    """Say hello until the device answers, for at most `timeout` seconds: it may be booting just now.

    Raises DeviceTimeout, ReplyDamaged, NotOpenKnead or ProtocolMismatch.
    """
    deadline = time.monotonic() + timeout
    patience = FIRST_S
    while True:
        left = deadline - time.monotonic()
        try:
            result = channel.call("hello", None, min(max(left, 0.05), patience))
            return _checked(Hello.of(result), channel.link.port)
        except DeviceRestarted:
            continue
        except (AttributeError, TypeError, ValueError) as oddity:
            raise NotOpenKnead(f"what answers on {channel.link.port} does not say who it is") from oddity
        except ReplyDamaged:  # perhaps only the tail of what was sent to the last host
            if left <= patience:
                raise
        except NotOpenKnead:  # perhaps it just leaves the prompt
            if left <= patience:
                raise
        except DeviceTimeout as silence:
            if left <= patience:
                raise _unanswered(channel, timeout, silence) from silence
        patience *= GROWTH


def _unanswered(channel: Channel, timeout: float, silence: DeviceTimeout) -> DeviceTimeout | PortBusy:
    port = channel.link.port
    from openknead.link import busy
    from openknead.ports import holders

    if channel.link.shared:
        return DeviceTimeout(
            f"another knead holds {port} and does not answer within {timeout:g} s",
            remedy="let that one run, or end it",
        )
    if holders(port):
        return busy(port)  # opened without a lock, it reads the answers before we do
    what = "something that is not OpenKnead talks on it" if channel.noise else "nothing is heard from it"
    return DeviceTimeout(f"{port} did not answer within {timeout:g} s: {what}", remedy=silence.remedy)


def _checked(hello: Hello, port: str) -> Hello:
    major = hello.protocol.partition(".")[0]
    if not major.isdigit():
        raise NotOpenKnead(f"the device on {port} names no protocol version")
    if int(major) > MAJOR:
        raise _mismatch(
            hello, f"newer than this host's {MAJOR}.x", "python -m pip install --upgrade openknead"
        )
    if int(major) < MAJOR:
        raise _mismatch(hello, f"older than this host's {MAJOR}.x", install_command(port))
    return hello


def _mismatch(hello: Hello, relation: str, command: str) -> ProtocolMismatch:
    return ProtocolMismatch(
        f"the device speaks protocol {hello.protocol} (firmware {hello.firmware}), {relation}",
        remedy=f"run: {command}",
        data={"protocol": hello.protocol, "firmware": hello.firmware, "command": command},
    )


def require(hello: Hello, capability: str, port: str) -> None:
    """Raise NotOffered when the firmware that said `hello` on `port` lacks a capability."""
    if capability not in hello.capabilities:
        command = install_command(port)
        raise NotOffered(
            f"the device's firmware {hello.firmware} has no {capability}",
            remedy=f"install newer firmware: {command}",
            data={"capability": capability, "firmware": hello.firmware, "command": command},
        )


def install_command(port: str) -> str:
    """The command that installs the firmware belonging to this package on the board at `port`."""
    return f"knead flash --port {port}"
