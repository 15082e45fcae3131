"""The quote of the day over UDP: no connection, so nobody can hold the server up, and nobody knows of a lost answer.

    python -m services.qotd.server_udp HOST PORT      (HOST "": all addresses)

Any datagram is answered, whatever is in it: RFC 865 has the content ignored.
"""

import time

from services import command
from services.datagrams import arriving, receiver
from services.listening import announce
from services.stopping import stop_signal

from .quotes import quote


def main() -> None:
    chosen = command.parser("services.qotd.server_udp", __doc__).parse_args()
    with receiver(chosen.host, chosen.port) as receiving, stop_signal() as stop:
        announce(receiving)
        for datagram in arriving(receiving, stop):
            datagram.answer(quote(time.time()))


if __name__ == "__main__":
    main()
