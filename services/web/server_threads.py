"""The web echo with a thread a peer: whoever waits, waits for its own peer alone.

    python -m services.web.server_threads HOST PORT      (HOST "": all interfaces)

At most --most threads: the next peer is accepted, and waits for one of them to end.
"""

import threading
from typing import Final

from services.accepting import Accepting, Peer

from .talk import Limits, main, serve_one

MOST_THREADS: Final = 512  # each has a stack, and a machine of the lab has 1,024 processes and threads (compose.yaml)


def serve(accepting: Accepting, limits: Limits) -> None:
    free = threading.Semaphore(accepting.most)

    def serve_then_free(peer: Peer) -> None:
        try:
            serve_one(peer, limits)
        finally:
            free.release()

    for peer in accepting:
        free.acquire()  # each of them has deadlines, so one will end
        try:
            threading.Thread(target=serve_then_free, args=(peer,)).start()
        except RuntimeError as error:  # "can't start new thread"
            free.release()
            peer.close(str(error))
    for _ in range(accepting.most):  # until each thread has given its place back
        free.acquire()


if __name__ == "__main__":
    main("services.web.server_threads", __doc__, serve, MOST_THREADS)
