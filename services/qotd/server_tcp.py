"""The quote of the day over TCP: one thread a connection, so that a peer who does not finish holds up nobody else.

    python -m services.qotd.server_tcp HOST PORT      (HOST "": all interfaces)

What a peer sends is thrown away: RFC 865 has it ignored.
"""

import time

from services import command
from services.accepting import Accepting, Peer
from services.closing import finish
from services.echo.server_threads import MOST_THREADS, serve
from services.listening import announce, listener

from .quotes import quote


def main() -> None:
    parser = command.parser("services.qotd.server_tcp", __doc__)
    says = "for a peer to finish, once it is answered (%(default)s)"
    parser.add_argument("--finish-timeout", metavar="SECONDS", type=command.seconds, default=5.0, help=says)
    chosen = parser.parse_args()

    def answer(peer: Peer) -> None:
        with peer:
            peer.send_all(quote(time.time()))
            finish(peer, chosen.finish_timeout)

    with Accepting(listener(chosen.host, chosen.port), chosen.finish_timeout, MOST_THREADS) as accepting:
        announce(accepting.listening)
        serve(accepting, answer)


if __name__ == "__main__":
    main()
