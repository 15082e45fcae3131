"""What the three web servers share: the command line, the talk with one peer but for the waiting, and the whole of it
for those that may wait.

Rules: a request is waited for from its first byte on for the message time, and else for the idle time; each piece of an
answer is taken within the idle time. After SIGTERM (services/accepting.py) the answers that are due are still sent.
"""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Final

from services import command
from services.accepting import READ_BYTES, Accepting, Peer
from services.deadlines import Deadlines
from services.listening import announce, listener
from services.outcome import errno_name

from .conversation import Conversation

PIECE_BYTES: Final = 64 * 1024  # of an answer
LINGER_S: Final = 1.0  # for a peer to close, once we have
BODY_LIMIT: Final = 1024 * 1024  # bytes of a request's body, which is held to be echoed


@dataclass(frozen=True, slots=True)
class Limits:
    """What every peer is held to."""

    message_s: float
    body_bytes: int


class Talk:
    """All of one connection but its waiting: who serves it does so `with` it, in the order of the methods."""

    def __init__(self, peer: Peer, limits: Limits) -> None:
        self.peer, self.socket, self.idle_s = peer, peer.socket, peer.idle_s
        self.conversation = Conversation(limits.body_bytes)
        self.sending = False
        self._deadlines: Deadlines[Peer] = Deadlines(peer.idle_s, limits.message_s)
        self._deadlines.idle(peer, peer.entry.began_s)
        self._linger_until_s: float | None = None  # once all is sent

    @property
    def goes_on(self) -> bool:
        return not self.conversation.ended

    def left_s(self) -> float:
        """How long its next bytes may be waited for. Raises TimeoutError when that is over."""
        due_s = self._linger_until_s or self._deadlines.next_s() or 0.0
        left_s = due_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        return left_s

    def answers(self, data: bytes) -> Iterator[bytes]:
        """The answers to what came, in pieces; send each before the next is asked for. b"" is the stream's end."""
        self.peer.entry.received += len(data)
        self.conversation.closing = self.peer.accepting.stopping
        if data:
            answers = self.conversation.receive_data(data, time.time())
        elif self.peer.finished:
            answers = self.conversation.receive_eof(time.time())
        else:
            self.conversation.end("server stopped")
            answers = b""
        self.sending = True
        for at in range(0, len(answers), PIECE_BYTES):
            piece = answers[at : at + PIECE_BYTES]
            yield piece
            self.peer.entry.sent += len(piece)
        self.sending = False
        # The time of the next request begins now: until here its peer was not read.
        if self.conversation.in_message:
            self._deadlines.message(self.peer, time.monotonic(), another=bool(answers))
        else:
            self._deadlines.idle(self.peer, time.monotonic())

    def finish(self) -> None:
        """All is sent. Read on until the peer has closed too: our close() with bytes unread would be a reset, which
        could take the answer from the peer (RFC 9112, 9.6)."""
        self._linger_until_s = time.monotonic() + LINGER_S
        with suppress(OSError):  # ENOTCONN: the peer is gone already
            self.socket.shutdown(socket.SHUT_WR)

    def drop(self, data: bytes) -> bool:
        """Whether there was something to drop; if not, the peer has closed."""
        self.peer.entry.received += len(data)
        return bool(data)

    def __enter__(self) -> "Talk":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        self.peer.close(f"{self.conversation.answered} answered, {self._what(error)}")
        return isinstance(error, OSError)

    def _what(self, error: BaseException | None) -> str:
        """What happened, in the journal's words."""
        ended = self.conversation.ended
        if isinstance(error, TimeoutError) and not error.errno:  # ours; the kernel's own is ETIMEDOUT
            if self.sending:
                return f"answer not taken within {self.idle_s:g} s"
            return ended or self._deadlines.overdue(float("inf"))[0][1]
        if error is None:
            return ended
        return ", then ".join(filter(None, (ended, errno_name(error) if isinstance(error, OSError) else repr(error))))


def serve_one(peer: Peer, limits: Limits) -> None:
    """The whole talk with one peer, for an architecture that may wait for it."""
    with Talk(peer, limits) as talk:
        while talk.goes_on:
            for piece in talk.answers(received(talk)):
                talk.socket.settimeout(talk.idle_s)
                talk.socket.sendall(piece)  # its timeout is over the whole, not over each send()
        talk.finish()
        while talk.drop(received(talk)):
            pass


def received(talk: Talk) -> bytes:
    talk.socket.settimeout(talk.left_s())
    return talk.socket.recv(READ_BYTES)


def main(module: str, says: str | None, serve: Callable[[Accepting, Limits], object], most: int = 0) -> None:
    """Run a server as its command line says. `most`: how many peers at once, where the architecture needs a bound."""
    parser = command.parser(module, says)
    add = parser.add_argument
    add("--idle-timeout", metavar="SECONDS", type=command.seconds, default=60.0, help="nothing moves (%(default)s)")
    add("--message-timeout", metavar="SECONDS", type=command.seconds, default=10.0, help="to be whole (%(default)s)")
    add("--body-limit", metavar="BYTES", type=command.size, default=BODY_LIMIT, help="of a request (%(default)s)")
    if most:
        add("--most", metavar="PEERS", type=command.count, default=most, help="served at once (%(default)s)")
    asked = parser.parse_args()
    limits = Limits(asked.message_timeout, asked.body_limit)
    with Accepting(listener(asked.host, asked.port), asked.idle_timeout, asked.most if most else 0) as accepting:
        announce(accepting.listening)
        serve(accepting, limits)
