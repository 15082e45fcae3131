"""A server that accepts and never reads: one thread, and poll(2), which tells of resets only.

    python -m services.sink.server_poll HOST PORT      (HOST "": all interfaces)

What a peer sends is taken by the kernel until its buffer is full; then the window is zero. A connection is kept until
it is reset or SIGTERM comes; its bytes in, in the journal, are those that lay unread. A peer that finishes is not
noticed, and the connection stays in CLOSE-WAIT: to see the FIN one would have to read, or ask for POLLRDHUP.
"""

import select
import socket
from typing import Final

from services import command
from services.accepting import Accepting, Peer
from services.listening import announce, listener
from services.outcome import errno_name

from .queues import queues_by_ioctl

CONNECTIONS: Final = 1000
RESETS: Final = 0  # POLLERR and POLLHUP are told without being asked for (poll(2))


def close(peer: Peer, why: str) -> None:
    peer.entry.received = queues_by_ioctl(peer.socket).receive
    peer.close(why)


def serve(accepting: Accepting, connections: int) -> None:
    """Keep every connection, until SIGTERM."""
    accepting.listening.setblocking(False)
    poll = select.poll()
    poll.register(accepting, select.POLLIN)
    kept: dict[int, Peer] = {}
    announce(accepting.listening)
    while not accepting.stopping:
        for number, _ in poll.poll():
            if number in kept:
                peer = kept.pop(number)
                poll.unregister(number)
                error = peer.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                close(peer, errno_name(OSError(error, "hung up")))
            elif found := accepting.accept():
                if len(kept) == connections:
                    close(found, f"closed: no more than {connections} are kept")
                    continue
                kept[found.fileno()] = found
                poll.register(found, RESETS)
    for peer in kept.values():
        close(peer, "server stopped")


def main() -> None:
    parser = command.parser("services.sink.server_poll", __doc__)
    says = "are kept (%(default)s)"
    parser.add_argument("--connections", metavar="COUNT", type=command.size, default=CONNECTIONS, help=says)
    chosen = parser.parse_args()
    with Accepting(listener(chosen.host, chosen.port), command.LONGEST_S) as accepting:
        serve(accepting, chosen.connections)


if __name__ == "__main__":
    main()
