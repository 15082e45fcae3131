"""A client of the echo service that goes on sending after the server has closed: one send is taken, the next is EPIPE.

    python -m services.peers.broken_pipe HOST PORT [--wait SECONDS]

The FIN only says that the server sends no more (RFC 9293, 3.6): the kernel takes another message, which is answered by
a reset, since nobody is there to read it; and only what is sent after that is EPIPE. For `closes_first`; a server that
does not close is sent a second message after --wait, and answers it. Prints `did: sent 12 bytes after the FIN, and they
were taken`. Exit status: 11 EPIPE, 0 the server did not close, or as every client (services/outcome.py).
"""

import select
import socket

from services import calling, command
from services.calling import Call
from services.echo.expecting import Expecting
from services.outcome import CallError, Outcome

from .reporting import report

FIRST, SECOND = b"Hello, world", b"Still there?"


def exchange(call: Call, connected: socket.socket, message: bytes) -> None:
    """Send a message, and read it back. Raises CallError."""
    expecting = Expecting(call.peer, message)
    call.send(connected, message)
    while not expecting.whole:
        expecting.receive(call.recv(connected))


def break_pipe(call: Call, connected: socket.socket) -> None:
    """Raises CallError, if all is as it must be: EPIPE."""
    if unasked := call.recv(connected):
        raise CallError(Outcome.WRONG_ANSWER, f"expected the end of {call.peer}, got {unasked[:10]!r}")
    call.send(connected, SECOND)
    report(f"sent {len(SECOND)} bytes after the FIN, and they were taken")
    poll = select.poll()
    poll.register(connected, 0)  # POLLERR and POLLHUP: the reset has come
    if not poll.poll(call.left_s("waiting for the reset") * 1000):
        raise call.too_late(f"waiting for the reset of {call.peer}")
    call.send(connected, SECOND)
    raise CallError(Outcome.WRONG_ANSWER, "expected EPIPE, and was not told of any error")


def main() -> None:
    parser = calling.parser("services.peers.broken_pipe", __doc__)
    wait = "for the server to close (%(default)s)"
    parser.add_argument("--wait", metavar="SECONDS", type=command.seconds, default=1.0, help=wait)
    asked = calling.parse(parser)
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            exchange(call, connected, FIRST)
            wait_s = min(asked.wait, call.left_s(f"waiting for the end of {call.peer}"))
            if select.select([connected], [], [], wait_s)[0]:
                break_pipe(call, connected)
            exchange(call, connected, SECOND)
    print("2 messages came back: the server did not close")


if __name__ == "__main__":
    main()
