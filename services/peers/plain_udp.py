"""A quote of the day over UDP, by a server as most are written: it sends the answer to where the question came from.

    python -m services.peers.plain_udp HOST PORT      (HOST "": all addresses)

It does not say from which of its addresses: the kernel takes the one that the route prefers (ip(7)). Whoever asked
another one gets an answer from a stranger. Prints `did: answered`.
"""

from services import command
from services.datagrams import arriving, receiver
from services.journal import note
from services.listening import announce
from services.stopping import stop_signal

QUOTE = b'"Nothing comes from nothing."\r\n    -- Parmenides\r\n'


def main() -> None:
    asked = command.parser("services.peers.plain_udp", __doc__).parse_args()
    with receiver(asked.host, asked.port) as receiving, stop_signal() as stop:
        announce(receiving)
        for datagram in arriving(receiving, stop):
            receiving.sendto(QUOTE, datagram.peer)
            note("did: answered")


if __name__ == "__main__":
    main()
