"""The server's end of one connection, without I/O: bytes of the peer in, answers out, and why it ended."""

from .echo import CONTINUE, echo, refusal
from .errors import RemoteProtocolError
from .grammar import Request
from .http import NEED_DATA, Data, End, RequestReader


class Conversation:
    def __init__(self, body_limit: int) -> None:
        self.ended = ""  # why nothing more is read, for the journal; "" while it goes on
        self.closing = False  # whether the next answer is to be the last
        self.answered = 0
        self._reader = RequestReader(body_limit)
        self._request: Request | None = None
        self._body = bytearray()

    @property
    def in_message(self) -> bool:
        """Whether a request has begun to come and is not whole."""
        return self._reader.in_message

    def receive_data(self, data: bytes, wall_s: float) -> bytes:
        """The answers to the requests that `data` made whole, in order, or b"". Then look at `ended`."""
        self._reader.receive_data(data)
        return self._answers(wall_s)

    def receive_eof(self, wall_s: float) -> bytes:
        """The peer sends no more. Inside a request, that is answered 400 (RFC 9112, 8)."""
        self._reader.receive_eof()
        return self._answers(wall_s)

    def end(self, why: str) -> None:
        """The server reads no more, unless it had ended before: the first reason stays."""
        self.ended = self.ended or why

    def _answers(self, wall_s: float) -> bytes:
        answers = bytearray()
        try:
            while not self.ended and (event := self._reader.next_event()) is not NEED_DATA:
                if isinstance(event, Request):
                    self._request, self._body = event, bytearray()
                    if event.awaits_continue and self._reader.awaits_body:
                        answers += CONTINUE
                elif isinstance(event, Data):
                    self._body += event.data
                elif isinstance(event, End):
                    answers += self._answer(wall_s)
                else:
                    self.end("finished")
        except RemoteProtocolError as error:
            self.end(f"protocol error, {error.status}: {error}")
            answers += refusal(error.status, str(error), wall_s, head=self._reader.method == "HEAD")
        return bytes(answers)

    def _answer(self, wall_s: float) -> bytes:
        assert self._request is not None  # noqa: S101 — for mypy: an End is reached only with it
        persists = self._request.persists and not self.closing
        if not persists:
            self.end("server stopped" if self.closing else "closed as asked")
        self.answered += 1
        return echo(self._request, bytes(self._body), persists, wall_s)
