"""Echo for one client at a time: each call waits, and nobody else is served meanwhile.

    python -m services.echo.server_blocking HOST PORT      (HOST "": all interfaces)

The second client is connected by the kernel and its bytes are taken (listen(2), backlog). It is answered when the first
has gone: one that only holds its connection keeps all others waiting, until it has been idle for too long.
"""

from services.accepting import Accepting

from .echoing import echo, main


def serve(accepting: Accepting) -> None:
    for peer in accepting:
        echo(peer)


if __name__ == "__main__":
    main("services.echo.server_blocking", __doc__, serve)
