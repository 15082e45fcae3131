"""A server that reads what comes first, and closes with a reset in place of a FIN: SO_LINGER with no time.

    python -m services.peers.linger_zero HOST PORT      (HOST "": all interfaces)

socket(7) calls it lingering; with 0 seconds close(2) throws away what is unsent and sends RST (the ABORT of RFC 9293,
3.10.5).
Prints `did: closed with SO_LINGER 0, 12 bytes read, 0 unread`.
"""

import socket
import struct

from services.accepting import Peer
from services.sink.queues import queues_by_ioctl

from . import serving


def reset(peer: Peer) -> str:
    if not (data := peer.recv()):
        return ""
    unread = queues_by_ioctl(peer.socket).receive  # were there any, a close without SO_LINGER would reset too
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("@ii", 1, 0))
    return f"closed with SO_LINGER 0, {len(data)} bytes read, {unread} unread"


def main() -> None:
    serving.main(serving.parser("services.peers.linger_zero", __doc__).parse_args(), reset)


if __name__ == "__main__":
    main()
