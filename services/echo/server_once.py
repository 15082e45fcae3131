"""Echo for one client; then the server ends. The first example of every tutorial.

    python -m services.echo.server_once HOST PORT      (HOST "": all interfaces)

The second client is connected all the same, for the kernel does that (listen(2), backlog), and its bytes are taken.
Nobody reads them: when the server ends, it is reset.
"""

from services.accepting import Accepting

from .echoing import echo, main


def serve(accepting: Accepting) -> None:
    for peer in accepting:
        echo(peer)
        break


if __name__ == "__main__":
    main("services.echo.server_once", __doc__, serve)
