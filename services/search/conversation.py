"""The server's end of one connection, without I/O: bytes of the peer in, answers out, and why it ended."""

import sys
from typing import Final

from services.wire import NEED_DATA, Connection, Finished, RemoteProtocolError

from .answers import answer

ALL: Final = sys.maxsize
# While a peer is the only one that asks, it gets so many answers at once, and goes on while the next are made: else
# each of the two would wait for the other. With others there is no such wait, and more calls of send() cost more.
# The number was found by trying, with 16 requests in flight.
FEW: Final = 6


class Conversation:
    def __init__(self, content_limit: int) -> None:
        self.ended = ""  # why nothing more is read, for the journal; "" while it goes on
        self._connection = Connection(content_limit=content_limit)

    @property
    def in_message(self) -> bool:
        """Whether a message has begun to come and is not whole."""
        return self._connection.in_message

    @property
    def buffered(self) -> int:
        """Bytes of a message that is not whole yet."""
        return self._connection.buffered

    def receive_data(self, data: bytes, at_once: int = ALL) -> bytes:
        """What `answers` gives after these bytes."""
        self._connection.receive_data(data)
        return self.answers(at_once)

    def receive_eof(self) -> bytes:
        """The peer sends no more. No answers come of it, and `ended` says whether it was free to."""
        self._connection.receive_eof()
        return self.answers()

    def end(self, why: str) -> None:
        """The server reads no more, unless it had ended before: the first reason stays."""
        self.ended = self.ended or why

    def answers(self, at_once: int = ALL) -> bytes:
        """The answers to at most so many whole messages, in order; b"": there are no more. Then look at `ended`."""
        answers: list[bytes] = []
        try:
            while len(answers) < at_once and (event := self._connection.next_event()) is not NEED_DATA:
                if isinstance(event, Finished):
                    self.end("finished")
                    break
                answers.append(answer(event, self._connection))
        except RemoteProtocolError as error:
            self.end(f"protocol error: {error}")
        return b"".join(answers)
