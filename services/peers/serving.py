"""What the servers that misbehave share: the command line, a thread a peer, the line that says what was done.

Each is a function of one peer. It returns what it did, which ends the connection, or "" if the peer had finished.
"""

from argparse import Namespace
from collections.abc import Callable, Iterator

from services import command
from services.accepting import Accepting, Ended, Peer
from services.echo.server_threads import MOST_THREADS, serve
from services.journal import note
from services.listening import announce, listener
from services.wire import NEED_DATA, Connection, Finished, Message, RemoteProtocolError


def parser(module: str, says: str | None) -> command.Parser:
    """HOST, PORT and --idle-timeout; add the rest."""
    made = command.parser(module, says)
    idle = "nothing moves (%(default)s)"
    made.add_argument("--idle-timeout", metavar="SECONDS", type=command.seconds, default=60.0, help=idle)
    return made


def main(asked: Namespace, misbehave: Callable[[Peer], str], *, reuse: bool = True) -> None:
    """Serve as the command line asked, until SIGTERM."""

    def converse(peer: Peer) -> None:
        what = ""
        with peer:
            if what := misbehave(peer):
                raise Ended(what)
        if what:
            report(what)  # now that it is closed

    with Accepting(listener(asked.host, asked.port, reuse), asked.idle_timeout, MOST_THREADS) as accepting:
        announce(accepting.listening)
        serve(accepting, converse)


def report(what: str) -> None:
    """Say that it took place, for whoever has to prove it."""
    note(f"did: {what}")


def requests(peer: Peer) -> Iterator[Message]:
    """Each message of a peer of the search service, until it has finished. Raises OSError and Ended."""
    connection = Connection()
    ended = False
    try:
        while not isinstance(event := connection.next_event(), Finished):
            if event is not NEED_DATA:
                yield event
            elif data := peer.recv():
                connection.receive_data(data)
            else:
                ended = True
                connection.receive_eof()
    except RemoteProtocolError as error:
        why = "server stopped" if ended and not peer.finished else f"protocol error: {error}"
        raise Ended(why) from error
