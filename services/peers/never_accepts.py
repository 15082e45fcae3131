"""A server that listens and never accepts: the kernel completes handshakes until its queue is full, then drops SYNs.

    python -m services.peers.never_accepts HOST PORT [--backlog N]      (HOST "": all interfaces)

On Linux N + 1 connections fit (listen(2)). They are connected and may send, and nobody reads it; the next client's SYN
has no answer, and is repeated. Prints `did: left 2 connections unaccepted, room for 2` whenever one more waits.
"""

import select

from services import command
from services.journal import note
from services.listening import announce, listener
from services.sink.queues import queues_in_table
from services.stopping import stop_signal


def main() -> None:
    parser = command.parser("services.peers.never_accepts", __doc__)
    parser.add_argument("--backlog", metavar="N", type=command.size, default=1, help="of listen(2) (%(default)s)")
    asked = parser.parse_args()
    with listener(asked.host, asked.port) as listening, stop_signal() as stop, select.epoll() as arrivals:
        listening.listen(asked.backlog)  # again: it changes the bound of the queue
        arrivals.register(stop, select.EPOLLIN)
        arrivals.register(listening, select.EPOLLIN | select.EPOLLET)  # each arrival, once
        announce(listening)
        while not any(number == stop.fileno() for number, _ in arrivals.poll()):
            waiting = queues_in_table(listening).receive  # proc(5): of a listening socket, the connections that wait
            note(f"did: left {waiting} connections unaccepted, room for {asked.backlog + 1}")


if __name__ == "__main__":
    main()
