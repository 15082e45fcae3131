"""A server that gives select() all three lists, and tells which of them each of its sockets came back in.

    python -m services.peers.urgent_reader HOST PORT      (HOST "": all interfaces)

The third list is for urgent data (tcp(7), MSG_OOB), and not for errors: those make a socket readable. Prints
`did: in the third list: urgent byte b'!'`, and in the end `did: in the first list: 5 bytes`.
"""

import select
import socket

from services.accepting import Peer

from . import serving


def read(peer: Peer) -> str:
    count = 0
    while True:
        readable, _, exceptional = select.select([peer], [], [peer], peer.idle_s)
        if exceptional:
            serving.report(f"in the third list: urgent byte {peer.socket.recv(1, socket.MSG_OOB)!r}")
        elif not readable:
            raise TimeoutError
        elif data := peer.recv():
            count += len(data)
        else:
            return f"in the first list: {count} bytes"


def main() -> None:
    serving.main(serving.parser("services.peers.urgent_reader", __doc__).parse_args(), read)


if __name__ == "__main__":
    main()
