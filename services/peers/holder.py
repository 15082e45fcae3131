"""A client that opens many connections, sends nothing, and holds them for a time: whom does it leave room for?

    python -m services.peers.holder HOST PORT CONNECTIONS [--hold SECONDS]

For a server with few descriptors (`limited`), or one that never accepts. Prints `holding 30 connections` when all are
open, and in the end `did: held 30 connections for 2 s; the peer ended 0`. Exit status: 0, or why one could not be
opened, as every client (services/outcome.py); --timeout is for opening them all.
"""

import select
import socket
import time
from contextlib import ExitStack

from services import calling, command
from services.calling import Call
from services.outcome import CallError

from .reporting import report


def opened(call: Call, count: int, stack: ExitStack) -> list[socket.socket]:
    """So many connections. Raises CallError."""
    made: list[socket.socket] = []
    for number in range(1, count + 1):
        try:
            made.append(stack.enter_context(call.connect()))
        except CallError as error:
            raise CallError(error.outcome, f"connection {number} of {count}: {error}") from error
        except OSError as error:  # EMFILE: it is we who have no descriptors left
            raise call.failed(error, f"opening connection {number} of {count}") from error
    return made


def ended(held: list[socket.socket], hold_s: float) -> int:
    """How many of them the peer has ended when the time is over."""
    poll = select.poll()
    for each in held:
        poll.register(each, select.POLLIN)
    until_s, count = time.monotonic() + hold_s, 0
    while (left_s := until_s - time.monotonic()) > 0:
        for number, _ in poll.poll(left_s * 1000):  # nobody has asked: what comes is an end
            poll.unregister(number)
            count += 1
    return count


def main() -> None:
    parser = calling.parser("services.peers.holder", __doc__)
    parser.add_argument("connections", metavar="CONNECTIONS", type=command.count)
    parser.add_argument("--hold", metavar="SECONDS", type=command.seconds, default=5.0, help="(%(default)s)")
    asked = calling.parse(parser)
    with calling.reporting_errors(), ExitStack() as stack:
        held = opened(Call(asked.host, asked.port, asked.timeout), asked.connections, stack)
        print(f"holding {len(held)} connections", flush=True)
        by_peer = ended(held, asked.hold)
        report(f"held {len(held)} connections for {asked.hold:g} s; the peer ended {by_peer}")


if __name__ == "__main__":
    main()
