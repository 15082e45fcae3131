"""One connection to the echo service, and a message on it every so often: for what befalls a connection that lives.

    python -m services.echo.client_paced HOST PORT [--messages N] [--every SECONDS] [--deadline SECONDS]

Each message must come back, whole and right, within its --deadline; a line for each says how long it took. With
--silent-after K it sends K messages, and then only waits for the server. In a pause, as in that silence, what comes is
noticed at once: the server's end, a reset, the kernel's own ETIMEDOUT. The line on stderr says at which message it
broke, and why. Exit status: as `client_blocking`; 14 also when the server finishes in a pause; 77 when this machine
has not a socket option that was asked for.
"""

import argparse
import math
import select
import signal
import socket
import time
from argparse import Namespace
from collections.abc import Iterator
from typing import Final

from services import calling, command
from services.calling import Call
from services.outcome import CallError, Outcome

from .expecting import Expecting

SIZE_LIMIT: Final = 65_536  # bytes of a message: all of it is sent before any is read, so the buffers must hold it
# tcp(7): what the kernel takes, in seconds, seconds and probes
KEEPALIVE_LIMITS: Final = {"TCP_KEEPIDLE": 32_767, "TCP_KEEPINTVL": 32_767, "TCP_KEEPCNT": 127}


def main() -> None:
    parser = calling.parser("services.echo.client_paced", __doc__, timeout_s=60.0)
    add = parser.add_argument
    add("--messages", metavar="N", type=command.count, default=5, help="(%(default)s)")
    add("--every", metavar="SECONDS", type=command.seconds, default=1.0, help="from one to the next (%(default)s)")
    add("--size", metavar="BYTES", type=command.count, default=64, help="of a message (%(default)s)")
    add("--deadline", metavar="SECONDS", type=command.seconds, default=10.0, help="for each (%(default)s)")
    add("--silent-after", metavar="K", type=command.size, help="messages (not N): then wait for the server")
    add("--keepalive", metavar="IDLE,INTERVAL,COUNT", type=keepalive, default={}, help="in seconds (SO_KEEPALIVE)")
    add("--user-timeout", metavar="SECONDS", type=command.seconds, help="unacknowledged (TCP_USER_TIMEOUT)")
    add("--nodelay", action="store_true", help="no waiting for a full segment (TCP_NODELAY)")
    add("--handles", metavar="SIGNAL", type=handled, help="USR1, say: have a handler, and say how often it ran")
    asked = calling.parse(parser)
    if asked.size > SIZE_LIMIT:
        parser.error(f"--size {asked.size}: at most {SIZE_LIMIT} bytes are sent before any is read")
    came: list[int] = []
    if asked.handles:
        signal.signal(asked.handles, lambda number, _: came.append(number))
    with calling.reporting_errors():
        converse(Call(asked.host, asked.port, asked.timeout), asked)
    print(f"{asked.messages} messages came back" + (f"; {len(came)} signals" if asked.handles else ""))


def handled(name: str) -> signal.Signals:
    try:
        return signal.Signals[f"SIG{name}"]
    except KeyError:
        raise argparse.ArgumentTypeError(f"{name!r} is not the name of a signal, as USR1") from None


def keepalive(text: str) -> dict[str, int]:
    words = text.split(",")
    if len(words) != len(KEEPALIVE_LIMITS):
        raise argparse.ArgumentTypeError(f"{text!r} is not IDLE,INTERVAL,COUNT")
    values = dict(zip(KEEPALIVE_LIMITS, map(command.count, words), strict=True))
    for name, most in KEEPALIVE_LIMITS.items():
        if values[name] > most:
            raise argparse.ArgumentTypeError(f"{text!r}: {name} is at most {most}")
    return values


def options(asked: Namespace) -> Iterator[tuple[int, str, int]]:
    """The socket options that were asked for: level, name, value."""
    if asked.keepalive:
        yield socket.SOL_SOCKET, "SO_KEEPALIVE", 1
    for name, value in asked.keepalive.items():
        yield socket.IPPROTO_TCP, name, value
    if asked.user_timeout is not None:
        yield socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", max(1, round(asked.user_timeout * 1000))
    if asked.nodelay:
        yield socket.IPPROTO_TCP, "TCP_NODELAY", 1


def converse(call: Call, asked: Namespace) -> None:
    """All messages, one after another. Raises CallError."""
    count = asked.messages if asked.silent_after is None else asked.silent_after
    with call.connect() as connected:
        for option in options(asked):
            calling.set_option(connected, *option)
        send_at_s = time.monotonic()
        for number in range(1, count + 1):
            name = f"message {number} of {count}"
            try:
                listen(call, connected, send_at_s)
                send_at_s = time.monotonic() + asked.every
                took_s = exchange(within(call, asked.deadline), connected, filled(name, asked.size))
            except CallError as error:
                raise CallError(error.outcome, f"{name}: {error}") from error
            print(f"{name}: {asked.size} bytes back in {took_s * 1000:.1f} ms", flush=True)
        if asked.silent_after is not None:
            print("silent from here on", flush=True)
            listen(call, connected, math.inf)
        call.send_eof(connected)
        if unasked := within(call, asked.deadline).recv(connected):
            raise CallError(Outcome.WRONG_ANSWER, f"{call.peer}: expected the end, got {unasked[:10]!r}")


def within(call: Call, deadline_s: float) -> Call:
    """A part of the call, with a deadline of its own from now on."""
    return Call(call.host, call.port, min(deadline_s, call.left_s(f"with more to ask {call.peer}")))


def filled(name: str, size: int) -> bytes:
    """A message of this size that is no other's: bytes of an earlier one would be noticed."""
    text = f"{name}. ".encode()
    return (text * (size // len(text) + 1))[:size]


def exchange(call: Call, connected: socket.socket, message: bytes) -> float:
    """Send a message and read it back; the seconds that it took. Raises CallError."""
    expecting = Expecting(call.peer, message)
    began_s = time.monotonic()
    call.send(connected, message)
    while not expecting.whole:
        expecting.receive(call.recv(connected))
    return time.monotonic() - began_s


def listen(call: Call, connected: socket.socket, until_s: float) -> None:
    """Send nothing until then. Raises CallError if something comes, for nobody has asked, and when the time is over."""
    began_s = time.monotonic()
    while (pause_s := until_s - time.monotonic()) > 0:
        left_s = call.left_s(f"in a pause, waiting for {call.peer}")
        if not select.select([connected], [], [], min(pause_s, left_s))[0]:
            continue
        if unasked := call.recv(connected):
            raise CallError(Outcome.WRONG_ANSWER, f"{call.peer} sent {unasked[:10]!r}, and nobody had asked")
        silent_s = time.monotonic() - began_s
        raise CallError(Outcome.BROKEN_OFF, f"{call.peer} finished, {silent_s:.3f} s into a pause")


if __name__ == "__main__":
    main()
