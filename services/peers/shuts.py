"""A client that shuts its socket down for reading, or for both, and shows what that does to the other end.

    python -m services.peers.shuts HOST PORT rd|rdwr

With `rd` it asks nothing for half a second, then asks: shutdown(SHUT_RD) sends nothing, so the other end answers, and
on Linux the answer can even be read. With `rdwr` it asks first: a FIN goes, and what is answered then meets a RST, of
which this end is told too. Prints `did: shut down rd`, and how many bytes came. Exit status: as every client
(services/outcome.py).
"""

import socket
import time
from typing import Final

from services import calling
from services.calling import Call

from .reporting import report

ASKED: Final = b"Hello, world"
QUIET_S: Final = 0.5  # in which a packet that shutdown() sent would be seen by itself


def after_rd(call: Call, connected: socket.socket) -> int:
    """Shut down reading, and ask; how many bytes came all the same. Raises CallError."""
    connected.shutdown(socket.SHUT_RD)
    report("shut down rd")
    time.sleep(QUIET_S)
    call.send(connected, ASKED)
    time.sleep(QUIET_S)  # recv() would not wait: it gives what has come by now
    return len(call.recv(connected))


def after_rdwr(call: Call, connected: socket.socket) -> int:
    """Ask, and shut down both; how many bytes came. Raises CallError: a reset, where the peer answers."""
    call.send(connected, ASKED)
    connected.shutdown(socket.SHUT_RDWR)
    report("shut down rdwr")
    time.sleep(QUIET_S)
    return len(call.recv(connected))


def main() -> None:
    parser = calling.parser("services.peers.shuts", __doc__)
    parser.add_argument("how", choices=("rd", "rdwr"))
    asked = calling.parse(parser)
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            came = (after_rd if asked.how == "rd" else after_rdwr)(call, connected)
    print(f"{came} bytes came")


if __name__ == "__main__":
    main()
