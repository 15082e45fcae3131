"""Echo with a thread a client: each waits for its own, and the kernel has them take turns.

    python -m services.echo.server_threads HOST PORT      (HOST "": all interfaces)

At most --most threads: the next client is accepted, and waits for one of them to end.
"""

import threading
from collections.abc import Callable
from typing import Final

from services.accepting import Accepting, Peer

from .echoing import echo, main

MOST_THREADS: Final = 512  # each has a stack, and a machine of the lab has 1,024 processes and threads (compose.yaml)


def serve(accepting: Accepting, converse: Callable[[Peer], object] = echo) -> None:
    free = threading.Semaphore(accepting.most)

    def converse_then_free(peer: Peer) -> None:
        try:
            converse(peer)
        finally:
            free.release()

    for peer in accepting:
        free.acquire()
        try:
            threading.Thread(target=converse_then_free, args=(peer,)).start()
        except RuntimeError as error:  # "can't start new thread"
            free.release()
            peer.close(str(error))
    for _ in range(accepting.most):  # until each thread has given its place back
        free.acquire()


if __name__ == "__main__":
    main("services.echo.server_threads", __doc__, serve, MOST_THREADS)
