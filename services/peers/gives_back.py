"""A server that gives each datagram back as it came (RFC 862, over UDP), in the order in which they came.

    python -m services.peers.gives_back HOST PORT      (HOST "": all addresses)

It stands where `numbered` needs answers that can be told apart. Prints `did: gave back 6 bytes` for each.
"""

from services import command
from services.datagrams import arriving, receiver
from services.journal import note
from services.listening import announce
from services.stopping import stop_signal


def main() -> None:
    asked = command.parser("services.peers.gives_back", __doc__).parse_args()
    with receiver(asked.host, asked.port) as receiving, stop_signal() as stop:
        announce(receiving)
        for datagram in arriving(receiving, stop):
            datagram.answer(datagram.content)
            note(f"did: gave back {len(datagram.content)} bytes")


if __name__ == "__main__":
    main()
