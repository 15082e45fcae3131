"""A client that speaks to a group: it joins it on its own network, sends it a datagram, hears that itself, and leaves.

    python -m services.peers.multicasts HOST PORT

HOST is not called: it says on which interface, that by which HOST is reached, for a group has no route. The group is
239.255.71.1. Prints `did: joined 239.255.71.1, heard myself, left`. Exit status: as every client
(services/outcome.py).
"""

import select
import socket
from typing import Final

from services import calling
from services.outcome import CallError, Outcome

from .reporting import report

GROUP: Final = "239.255.71.1"
WORD: Final = b"Is anybody there?"
LISTENS_S: Final = 0.5


def main() -> None:
    asked = calling.parse(calling.parser("services.peers.multicasts", __doc__))
    with calling.reporting_errors(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as joined:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as looking:
                looking.connect((asked.host, asked.port))  # sends nothing, and says from which address it would
                own = socket.inet_aton(looking.getsockname()[0])
            joined.bind(("", asked.port))
            membership = socket.inet_aton(GROUP) + own
            joined.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            joined.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            joined.settimeout(asked.timeout)
            joined.sendto(WORD, (GROUP, asked.port))
            heard, _ = joined.recvfrom(64)
            select.select([joined], [], [], LISTENS_S)  # for others; who leaves at once has not said that it joined
            joined.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, membership)
        except OSError as error:
            raise CallError.of(error, f"speaking to {GROUP}") from error
        if heard != WORD:
            raise CallError(Outcome.WRONG_ANSWER, f"heard {heard!r}")
        report(f"joined {GROUP}, heard myself, left")


if __name__ == "__main__":
    main()
