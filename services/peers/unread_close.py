"""A server that closes while bytes of its peer lie unread: the kernel sends a reset in place of a FIN.

    python -m services.peers.unread_close HOST PORT      (HOST "": all interfaces)

RFC 2525, 2.17, and RFC 9293, 3.6.1: the peer must hear that its data was lost. Nothing is read here but the count of
what there is (tcp(7), SIOCINQ). Prints `did: closed with 12 bytes unread`.
"""

import socket

from services.accepting import Peer
from services.sink.queues import queues_by_ioctl

from . import serving


def close(peer: Peer) -> str:
    if not peer.socket.recv(1, socket.MSG_PEEK):
        return ""
    return f"closed with {queues_by_ioctl(peer.socket).receive} bytes unread"


def main() -> None:
    serving.main(serving.parser("services.peers.unread_close", __doc__).parse_args(), close)


if __name__ == "__main__":
    main()
