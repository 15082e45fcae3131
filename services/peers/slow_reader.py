"""A client of the echo service that sends much, and reads what came back only every so often, out of a small buffer.

    python -m services.peers.slow_reader HOST PORT [--bytes N] [--every SECONDS] [--receive-buffer BYTES]

In the pauses the buffer is full and its window zero (RFC 9293, 3.8.6.1): the server's Send-Q fills, and a server that
does not stop reading then keeps the rest in memory. All must come back, in order. Prints
`did: left 65536 bytes unread for 0.5 s` for each pause. Exit status: as services.echo.client_blocking.
"""

import select
import socket
import time
from contextlib import suppress

from services import calling, command
from services.calling import Call
from services.echo.expecting import Expecting
from services.sink.queues import queues_by_ioctl as queues

from .reporting import report


def converse(call: Call, message: bytes, every_s: float, buffer: int) -> int:
    """In how many turns `message` came back. Raises CallError."""
    expecting, unsent, turns = Expecting(call.peer, message), memoryview(message), 0
    with call.connect() as connected:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connected.setblocking(False)
        read_at_s = time.monotonic() + every_s
        try:
            while not expecting.whole:
                left_s = call.left_s(f"{len(expecting.came)} of {len(message)} bytes having come back of {call.peer}")
                pause_s = max(0.0, read_at_s - time.monotonic())
                select.select([], [connected] if unsent else [], [], min(pause_s, left_s))
                with suppress(BlockingIOError):
                    while unsent:
                        unsent = unsent[connected.send(unsent) :]
                if time.monotonic() >= read_at_s:
                    unread = queues(connected).receive
                    report(f"left {unread} bytes unread for {every_s:g} s")
                    with suppress(BlockingIOError):
                        expecting.receive(connected.recv(max(1, unread)))
                    turns, read_at_s = turns + 1, time.monotonic() + every_s
        except OSError as error:
            raise call.failed(error, f"{len(expecting.came)} of {len(message)} bytes having come back") from error
    return turns


def main() -> None:
    parser = calling.parser("services.peers.slow_reader", __doc__, timeout_s=60.0)
    add = parser.add_argument
    add("--bytes", metavar="N", type=command.count, default=500_000, help="to send, and to read (%(default)s)")
    add("--every", metavar="SECONDS", type=command.seconds, default=0.5, help="what is there is read (%(default)s)")
    add("--receive-buffer", metavar="BYTES", type=command.count, default=65536, help="SO_RCVBUF (%(default)s)")
    asked = calling.parse(parser)
    message = b"".join(b"%07d\n" % number for number in range(asked.bytes // 8 + 1))[: asked.bytes]
    with calling.reporting_errors():
        turns = converse(Call(asked.host, asked.port, asked.timeout), message, asked.every, asked.receive_buffer)
    print(f"{asked.bytes} bytes came back in {turns} turns")


if __name__ == "__main__":
    main()
