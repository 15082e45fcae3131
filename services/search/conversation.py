"""The server's end of one connection, without I/O: bytes of the peer in, answers out, and why it ended."""

from services.wire import NEED_DATA, Connection, Finished, RemoteProtocolError

from .answers import answer


class Conversation:
    def __init__(self, content_limit: int) -> None:
        self.ended = ""  # why nothing more is read, for the journal; "" while it goes on
        self._connection = Connection(content_limit=content_limit)

    @property
    def in_message(self) -> bool:
        """Whether a message has begun to come and is not whole."""
        return self._connection.in_message

    def receive_data(self, data: bytes) -> bytes:
        """The answers to the messages that `data` made whole, in order, or b"". Then look at `ended`."""
        self._connection.receive_data(data)
        return self._answers()

    def receive_eof(self) -> bytes:
        """The peer sends no more. No answers come of it, and `ended` says whether it was free to."""
        self._connection.receive_eof()
        return self._answers()

    def end(self, why: str) -> None:
        """The server reads no more, unless it had ended before: the first reason stays."""
        self.ended = self.ended or why

    def _answers(self) -> bytes:
        answers = []
        try:
            while (event := self._connection.next_event()) is not NEED_DATA:
                if isinstance(event, Finished):
                    self.end("finished")
                    break
                answers.append(answer(event, self._connection))
        except RemoteProtocolError as error:
            self.end(f"protocol error: {error}")
        return b"".join(answers)
