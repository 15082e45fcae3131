"""A client that asks everybody on its own network at once: a datagram to '<broadcast>', 255.255.255.255.

    python -m services.peers.broadcasts HOST PORT

HOST is not called: nobody behind a router hears it. The kernel lets only a socket with SO_BROADCAST send so.
Prints `did: EACCES without SO_BROADCAST; 1 datagram with it`. Exit status: as every client (services/outcome.py).
"""

import socket

from services import calling
from services.outcome import CallError, Outcome, errno_name

from .reporting import report


def main() -> None:
    asked = calling.parse(calling.parser("services.peers.broadcasts", __doc__))
    everybody = "<broadcast>", asked.port
    with calling.reporting_errors(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sending:
        try:
            sending.sendto(b"", everybody)
        except OSError as error:
            without = errno_name(error)
        else:
            raise CallError(Outcome.WRONG_ANSWER, "sendto() a broadcast address without SO_BROADCAST: no error")
        sending.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sending.sendto(b"", everybody)
        report(f"{without} without SO_BROADCAST; 1 datagram with it")


if __name__ == "__main__":
    main()
