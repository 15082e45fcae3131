"""Echo with a process a client: fork(2) gives each a copy of the server, that waits for its own client.

    python -m services.echo.server_forking HOST PORT      (HOST "": all interfaces)

At most --most children: the next client waits in the kernel's queue. A child that has ended is reaped at once, by
SIGCHLD: else it would stay as a zombie. Both processes have the connection's descriptor, and it ends when both have
closed it.
"""

import os
import signal
from contextlib import suppress
from typing import Final

from services.accepting import Accepting
from services.stopping import STOPS, defer_signals

from .echoing import echo, main

MOST_CHILDREN: Final = 200  # each is a whole process, and on a big-endian host one of an emulator


def serve(accepting: Accepting) -> None:
    signal.signal(signal.SIGCHLD, lambda *_: reap(accepting, os.WNOHANG))
    for peer in accepting:
        try:
            with defer_signals(signal.SIGCHLD, *STOPS):  # a child is among `children` before it can be told of, or end
                pid = os.fork()
                accepting.children = accepting.children | {pid} if pid else set()
        except OSError as error:  # EAGAIN: too many processes
            peer.close_for(error)
            continue
        if pid == 0:
            accepting.listening.close()
            echo(peer)
            os._exit(0)
        peer.leave()
        wait_for_fewer(accepting, accepting.most)
    wait_for_fewer(accepting, 1)


def reap(accepting: Accepting, options: int) -> None:
    """Take the status of each child that has ended; options 0: and wait for the first."""
    with suppress(ChildProcessError):  # ECHILD: there are none
        while pid := os.waitpid(-1, options)[0]:
            accepting.children.discard(pid)
            options = os.WNOHANG


def wait_for_fewer(accepting: Accepting, children: int) -> None:
    with defer_signals(signal.SIGCHLD):  # else it could be reaped between the question and the waiting
        while len(accepting.children) >= children:
            reap(accepting, 0)


if __name__ == "__main__":
    main("services.echo.server_forking", __doc__, serve, MOST_CHILDREN)
