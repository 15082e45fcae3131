"""The search service over TLS 1.3, with a thread for each peer: a handshake, then as without TLS.

    python -m services.search.server_tls HOST PORT        (HOST "": all interfaces)

It shows the certificate of this host, or --certificate's. Bytes in the journal are those within TLS.
"""

import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path

from services import command, tls
from services.accepting import Accepting, Peer
from services.echo.server_threads import MOST_THREADS, serve
from services.listening import announce, listener

from . import options
from .conversation import Conversation
from .holding import Holding


class Server:
    def __init__(self, context: ssl.SSLContext, handshake_s: float, chosen: options.Options) -> None:
        self.context, self.handshake_s, self.chosen = context, handshake_s, chosen
        self.holding: Holding[Peer] = Holding(chosen.memory_limit, lambda peer: self.held.get(peer, 0))
        self.held: dict[Peer, int] = {}
        self.cut: set[Peer] = set()  # for the memory that they held
        self.answering = threading.Lock()  # an answer takes some times the memory of its message

    def run(self, accepting: Accepting) -> None:
        """Serve until SIGTERM, and then until each peer's thread is at its end."""
        serve(accepting, self.serve)

    def serve(self, peer: Peer) -> None:
        with peer:  # an OSError ends it, and is told
            try:
                self.shake_hands(peer)
                self.converse(peer)
            except OSError as error:
                if peer in self.cut:
                    raise OSError(self.holding.why) from error
                if isinstance(error, ssl.SSLError):  # its errno is OpenSSL's, and none of the kernel's
                    raise OSError(f"TLS: {tls.reason(error)}") from error
                raise
            finally:
                self.holding.forget(peer)
                self.held.pop(peer, None)
                self.cut.discard(peer)

    def hold(self, peer: Peer, held: int) -> None:
        """Note how many bytes are in memory for a peer. Whoever is cut off for it finds the end of its connection."""
        self.held[peer] = held
        for each in self.holding.note(peer):
            self.cut.add(each)
            with suppress(OSError):  # it has ended by itself
                socket.socket.shutdown(each.socket, socket.SHUT_RDWR)  # SSLSocket's own is for its own thread

    def shake_hands(self, peer: Peer) -> None:
        """Make TLS of the peer's connection, within a time that is over the whole handshake."""
        try:
            peer.socket = self.context.wrap_socket(peer.socket, server_side=True, do_handshake_on_connect=False)
            peer.socket.settimeout(self.handshake_s)
            peer.socket.do_handshake()
        except TimeoutError as error:
            if error.errno:  # the kernel's ETIMEDOUT; our own has none
                raise
            raise OSError(f"TLS handshake not done within {self.handshake_s:g} s") from error
        except ssl.SSLError as error:
            raise OSError(f"TLS handshake: {tls.reason(error)}") from error

    def converse(self, peer: Peer) -> None:
        """Answer until the peer has finished. Without close_notify too: the lengths tell if something is missing."""
        conversation = Conversation(self.chosen.content_limit)
        due_s = 0.0  # when the message that has begun must be whole
        while not conversation.ended:
            in_message = conversation.in_message
            data = self.receive(peer, due_s if in_message else None)
            if not data and not peer.finished:
                return  # SIGTERM
            with self.answering:
                answers = conversation.receive_data(data) if data else conversation.receive_eof()
            self.hold(peer, conversation.buffered + len(answers))
            if answers or not in_message:
                due_s = time.monotonic() + self.chosen.message_s
            peer.socket.settimeout(peer.idle_s)
            peer.send_all(answers)
            self.hold(peer, conversation.buffered)
        if conversation.ended != "finished":
            raise OSError(conversation.ended)

    def receive(self, peer: Peer, due_s: float | None) -> bytes:
        """What comes within the time of a message, or the idle time if there is none."""
        if due_s is None:
            peer.socket.settimeout(peer.idle_s)
            return peer.recv()
        why = f"message not whole within {self.chosen.message_s:g} s"
        left_s = due_s - time.monotonic()
        if left_s <= 0:
            raise OSError(why)
        try:
            peer.socket.settimeout(left_s)
            return peer.recv()
        except TimeoutError as error:
            if error.errno:
                raise
            raise OSError(why) from error


def main() -> None:
    parser = options.parser("services.search.server_tls", __doc__)
    add = parser.add_argument
    certificate = tls.KEYS / f"{socket.gethostname()}.pem"
    add("--certificate", metavar="FILE", type=Path, default=certificate, help="PEM (%(default)s)")
    add("--key", metavar="FILE", type=Path, help="its private key (in the same file)")
    done = "for the TLS handshake (%(default)s)"
    add("--handshake-timeout", metavar="SECONDS", type=command.seconds, default=5.0, help=done)
    add("--most", metavar="PEERS", type=command.count, default=MOST_THREADS, help="served at once (%(default)s)")
    found = parser.parse_args()
    chosen = options.chosen(parser, found)
    server = Server(tls.shows(found.certificate, found.key), found.handshake_timeout, chosen)
    with Accepting(listener(chosen.host, chosen.port), chosen.idle_s, found.most) as accepting:
        announce(accepting.listening)
        server.run(accepting)


if __name__ == "__main__":
    main()
