"""Search clients of one program that each send most of a large message, and not its end: together they fill a memory.

    python -m services.peers.hoarder HOST PORT [--peers 8] [--bytes 900000] [--cut-off 4] [--stay 0.001]

Each is one a server may have: its message is within the content limit, and comes quickly. Who bounds each connection
and not all of them has no bound. They wait until so many of them have been cut off, and the others stay that much
longer. Prints `did: 4 of 8 peers, with 900000 bytes each, were cut off`. Exit status: 14 when they were, 12 when they
were not within --timeout, or as every client (services/outcome.py).
"""

import select
import socket
import time
from contextlib import ExitStack, suppress

from services import calling, command
from services.calling import Call
from services.outcome import CallError, Outcome
from services.wire import Connection

from .reporting import report


def hoard(call: Call, peers: int, size: int, cut_off: int, stay_s: float) -> None:
    """Raises CallError: what came of it is never an answer."""
    whole = Connection().send_message(bytes(size + 1), "binary/custom-client-binary-type", "binary")
    ended = 0
    with ExitStack() as stack:
        waiting: set[socket.socket] = set()
        for _ in range(peers):
            waiting.add(connected := stack.enter_context(call.connect()))
            call.send(connected, whole[:-1])
        try:
            while ended < cut_off:
                left_s = call.left_s(f"waiting for {call.peer} to cut {cut_off - ended} more of {peers} off")
                for each in select.select(list(waiting), [], [], left_s)[0]:
                    with suppress(ConnectionError):
                        if each.recv(1):
                            raise CallError(Outcome.WRONG_ANSWER, f"{call.peer} answers what it has no end of")
                    waiting.discard(each)
                    ended += 1
            time.sleep(stay_s)
        finally:
            report(f"{ended} of {peers} peers, with {size} bytes each, were cut off")
    raise CallError(Outcome.BROKEN_OFF, f"{call.peer} cut {ended} of {peers} off")


def main() -> None:
    parser = calling.parser("services.peers.hoarder", __doc__, timeout_s=20.0)
    add = parser.add_argument
    add("--peers", metavar="PEERS", type=command.count, default=8, help="(%(default)s)")
    add("--bytes", metavar="BYTES", type=command.size, default=900_000, help="each (%(default)s)")
    add("--cut-off", metavar="PEERS", type=command.count, default=4, help="to wait for (%(default)s)")
    add("--stay", metavar="SECONDS", type=command.seconds, default=0.001, help="after that (%(default)s)")
    asked = calling.parse(parser)
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        hoard(call, asked.peers, asked.bytes, asked.cut_off, asked.stay)


if __name__ == "__main__":
    main()
