"""The web echo for one peer at a time: nobody else is served meanwhile.

    python -m services.web.server_blocking HOST PORT      (HOST "": all interfaces)

A peer that keeps its connection keeps all others waiting, until it closes or has been idle for too long.
"""

from services.accepting import Accepting

from .talk import Limits, main, serve_one


def serve(accepting: Accepting, limits: Limits) -> None:
    for peer in accepting:
        serve_one(peer, limits)


if __name__ == "__main__":
    main("services.web.server_blocking", __doc__, serve)
