"""A client that sends a byte of urgent data (MSG_OOB) behind ordinary ones, and finishes.

    python -m services.peers.urgent HOST PORT

Prints `did: sent 5 bytes, and 1 urgent byte`. Exit status: as every client (services/outcome.py).
"""

import socket

from services import calling
from services.calling import Call

from .reporting import report


def main() -> None:
    asked = calling.parse(calling.parser("services.peers.urgent", __doc__))
    with calling.reporting_errors():
        call = Call(asked.host, asked.port, asked.timeout)
        with call.connect() as connected:
            call.send(connected, b"Hello")
            connected.send(b"!", socket.MSG_OOB)
            report("sent 5 bytes, and 1 urgent byte")
            call.send_eof(connected)
            while call.recv(connected):
                pass


if __name__ == "__main__":
    main()
