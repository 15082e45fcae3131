"""Answer each message with itself reversed, framed in one of four ways; a thread a client.

    python -m services.framing.server HOST PORT --framing fixed|delimited|length-prefixed|shutdown

HOST "": all interfaces. A message that breaks its framing ends its connection, and the journal says where and why.
"""

import time
from typing import Literal

from services import command
from services.accepting import Accepting, Ended, Peer
from services.echo.server_threads import MOST_THREADS, serve
from services.listening import announce, listener

from .framings import Framing, add_options, answer, chosen
from .receiving import FINISHED, NEED_DATA, FramingError, Receiver, Signal


def converse(peer: Peer, framing: Framing, message_s: float) -> None:
    """Answer every message of one peer. Each may take `message_s` from its first byte to its last."""
    receiver = framing.receiver()
    with peer:
        try:
            while (message := next_message(peer, receiver, message_s)) is not FINISHED:
                peer.socket.settimeout(peer.idle_s)
                peer.send_all(framed(framing, answer(message)))
        except FramingError as error:
            raise Ended(f"protocol error: {error}") from error


def framed(framing: Framing, message: bytes) -> bytes:
    """The bytes of an answer. Raises Ended for one that this framing cannot carry, as a reversed `\\n\\r`."""
    try:
        return framing.send(message)
    except ValueError as error:
        raise Ended(f"no answer: {error}") from error


def next_message(peer: Peer, receiver: Receiver, message_s: float) -> bytes | Literal[Signal.FINISHED]:
    """Wait for a whole message, or FINISHED."""
    due_s: float | None = None
    while (message := receiver.next_message()) is NEED_DATA:
        if due_s is None and receiver.in_message:
            due_s = time.monotonic() + message_s
        if data := recv(peer, due_s, message_s):
            receiver.receive_data(data)
        elif peer.finished:
            receiver.receive_eof()
        else:  # SIGTERM made this end: the message is not whole, whatever the framing says
            raise Ended("server stopped")
    return message


def recv(peer: Peer, due_s: float | None, message_s: float) -> bytes:
    try:
        peer.socket.settimeout(peer.idle_s if due_s is None else max(0.001, due_s - time.monotonic()))
        return peer.recv()
    except TimeoutError as error:
        if due_s is None or error.errno:
            raise
        raise Ended(f"message not whole within {message_s:g} s") from error


def main() -> None:
    parser = command.parser("services.framing.server", __doc__)
    add = parser.add_argument
    add("--idle-timeout", metavar="SECONDS", type=command.seconds, default=60.0, help="nothing moves (%(default)s)")
    add("--message-timeout", metavar="SECONDS", type=command.seconds, default=10.0, help="to be whole (%(default)s)")
    add("--most", metavar="PEERS", type=command.count, default=MOST_THREADS, help="served at once (%(default)s)")
    add_options(parser)
    asked = parser.parse_args()
    framing = chosen(asked.framing, asked.length, asked.limit)
    with Accepting(listener(asked.host, asked.port), asked.idle_timeout, asked.most) as accepting:
        announce(accepting.listening)
        serve(accepting, lambda peer: converse(peer, framing, asked.message_timeout))


if __name__ == "__main__":
    main()
