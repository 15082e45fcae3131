"""The web echo with a thread a peer: whoever waits, waits for its own peer alone.

    python -m services.web.server_threads HOST PORT      (HOST "": all interfaces)

At most --most threads: the next peer is accepted, and waits for one of them to end.
"""

from services.accepting import Accepting
from services.echo.server_threads import MOST_THREADS
from services.echo.server_threads import serve as serve_in_threads

from .talk import Limits, main, serve_one


def serve(accepting: Accepting, limits: Limits) -> None:
    serve_in_threads(accepting, lambda peer: serve_one(peer, limits))  # it has deadlines, so its thread ends


if __name__ == "__main__":
    main("services.web.server_threads", __doc__, serve, MOST_THREADS)
