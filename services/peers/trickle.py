"""A search server whose right answer comes one byte a segment, with a pause after each.

    python -m services.peers.trickle HOST PORT [--every SECONDS]      (HOST "": all interfaces)

TCP has no messages: whoever takes a recv() for one reads a byte. TCP_NODELAY, and the pause, keep the segments apart.
Prints `did: sent 148 bytes, one a segment, 0.01 s apart`.
"""

import time

from services import command
from services.accepting import Peer
from services.search.answers import answer
from services.wire import Connection

from . import serving


def trickle(peer: Peer, every_s: float) -> str:
    for request in serving.requests(peer):
        answering = answer(request, Connection())
        for at in range(len(answering)):
            peer.send_all(answering[at : at + 1])  # TCP_NODELAY was set on the listening socket (services/listening.py)
            time.sleep(every_s)
        serving.report(f"sent {len(answering)} bytes, one a segment, {every_s:g} s apart")
    return ""


def main() -> None:
    parser = serving.parser("services.peers.trickle", __doc__)
    parser.add_argument("--every", metavar="SECONDS", type=command.seconds, default=0.01, help="(%(default)s)")
    asked = parser.parse_args()
    serving.main(asked, lambda peer: trickle(peer, asked.every))


if __name__ == "__main__":
    main()
