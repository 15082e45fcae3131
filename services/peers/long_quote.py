"""A quote of the day over UDP that is longer than RFC 865 allows, and than the room of whoever believed it.

    python -m services.peers.long_quote HOST PORT [--bytes N]      (HOST "": all addresses)

A datagram that does not fit the buffer of recv(2) is cut, and the rest is lost; only who asks (MSG_TRUNC) hears of it:
`python -m services.qotd.client_udp --room 512`. Prints `did: sent a datagram of 600 bytes`.
"""

from services import command
from services.datagrams import arriving, receiver
from services.journal import note
from services.listening import announce
from services.qotd.quotes import LIMIT
from services.stopping import stop_signal


def main() -> None:
    parser = command.parser("services.peers.long_quote", __doc__)
    size = f"of the answer; {LIMIT} is the limit (%(default)s)"
    parser.add_argument("--bytes", metavar="N", type=command.count, default=600, help=size)
    asked = parser.parse_args()
    with receiver(asked.host, asked.port) as receiving, stop_signal() as stop:
        announce(receiving)
        for datagram in arriving(receiving, stop):
            datagram.answer(b"long " * (asked.bytes // 5) + b"." * (asked.bytes % 5))
            note(f"did: sent a datagram of {asked.bytes} bytes")


if __name__ == "__main__":
    main()
