"""A search client that sends its request one byte a segment, with a pause after each.

    python -m services.peers.one_byte HOST PORT [--every SECONDS] [VALUE]

With short pauses it is answered, by whoever takes a stream for a stream. With long ones it is the slow writer, whom a
server cuts off that has a time for a whole message; one that only has an idle time never does. Prints
`did: sent 12 of 143 bytes, one a segment, 0.5 s apart`. Exit status: 0 answered, 14 cut off with a FIN, 11 with a
reset, or as every client (services/outcome.py).
"""

import select
import socket

from services import calling, command
from services.calling import Call
from services.search.client import next_answer, printable_answer, request
from services.wire import Connection

from .reporting import report, show


def send_slowly(call: Call, connected: socket.socket, asking: bytes, every_s: float) -> None:
    """Send it byte by byte, until something comes: an answer, or the end. Raises CallError."""
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sent = 0
    try:
        while sent < len(asking):
            call.send(connected, asking[sent : sent + 1])
            sent += 1
            left_s = call.left_s(f"sending byte {sent} of {len(asking)} to {call.peer}")
            if select.select([connected], [], [], min(every_s, left_s))[0]:
                break
    finally:
        report(f"sent {sent} of {len(asking)} bytes, one a segment, {every_s:g} s apart")


def main() -> None:
    parser = calling.parser("services.peers.one_byte", __doc__, timeout_s=60.0)
    parser.add_argument("value", metavar="VALUE", nargs="?", default="morpheus")
    parser.add_argument("--every", metavar="SECONDS", type=command.seconds, default=0.01, help="(%(default)s)")
    asked = calling.parse(parser)
    connection = Connection()
    try:
        asking = request("search", asked.value, connection)
    except UnicodeEncodeError as error:
        parser.error(f"VALUE: {error.reason}")
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            send_slowly(call, connected, asking, asked.every)
            show(printable_answer("search", next_answer(call, connected, connection)))


if __name__ == "__main__":
    main()
