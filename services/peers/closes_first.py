"""A server that gives back what comes first, as echo does, and closes before its peer does: TIME-WAIT is its own.

    python -m services.peers.closes_first HOST PORT [--without-reuseaddr]      (HOST "": all interfaces)

Who sends the first FIN keeps the pair of addresses for a minute (RFC 9293, 3.6). A server started again on its port
meets them: with SO_REUSEADDR it listens all the same; without it, bind(2) says EADDRINUSE, status 71. Both the old and
the new one must have set it. Prints `did: closed first, 12 bytes given back`.
"""

import socket
from typing import Final

from services.accepting import Ended, Peer

from . import serving

ESTABLISHED: Final = 1  # the state, of RFC 9293 and by Linux's number: the peer's FIN has not come


def close(peer: Peer) -> str:
    if not (data := peer.recv()):
        return ""
    if peer.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != ESTABLISHED:
        raise Ended("the peer finished first")
    # With MSG_MORE they wait for the FIN: a peer that finishes when it has them all has not had them before.
    peer.socket.sendall(data, socket.MSG_MORE)
    peer.entry.sent += len(data)
    peer.socket.shutdown(socket.SHUT_WR)
    return f"closed first, {len(data)} bytes given back"


def main() -> None:
    parser = serving.parser("services.peers.closes_first", __doc__)
    without = "do not set SO_REUSEADDR on the listening socket"
    parser.add_argument("--without-reuseaddr", action="store_true", help=without)
    asked = parser.parse_args()
    serving.main(asked, close, reuse=not asked.without_reuseaddr)


if __name__ == "__main__":
    main()
