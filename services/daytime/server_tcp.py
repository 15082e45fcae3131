"""The time of day over TCP: one connection after another; whoever comes meanwhile waits in the kernel's queue.

    python -m services.daytime.server_tcp HOST PORT      (HOST "": all interfaces)

That is enough where the answer fits the kernel's buffer: sending it never waits. But a peer that does not finish holds
up all others, for --finish-timeout and no longer. What it sends is thrown away: RFC 867 has it ignored.
"""

import time

from services import command
from services.accepting import Accepting
from services.closing import finish
from services.listening import announce, listener

from .line import line


def main() -> None:
    parser = command.parser("services.daytime.server_tcp", __doc__)
    says = "for a peer to finish, once it is answered (%(default)s)"
    parser.add_argument("--finish-timeout", metavar="SECONDS", type=command.seconds, default=1.0, help=says)
    chosen = parser.parse_args()
    with Accepting(listener(chosen.host, chosen.port), chosen.finish_timeout) as accepting:
        announce(accepting.listening)
        for peer in accepting:
            with peer:
                peer.send_all(line(time.time()))
                finish(peer, chosen.finish_timeout)


if __name__ == "__main__":
    main()
