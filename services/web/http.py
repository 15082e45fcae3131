"""One end of an HTTP/1.1 connection as a reader of what comes: no I/O, no clock; bytes in, events out.

    reader.receive_data(data)                        # or receive_eof(), when recv() gave b""
    while (event := reader.next_event()) is not NEED_DATA: ...

A message is a Response or Request, its Data as it comes, an End; the connection's end is Finished. Rules: drain
`next_event` after every `receive_*`, and no more is held than one line within its limits, the fields, and what was
received last. A body is handed on, not held. Nothing is reserved for a length that the peer only promised.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from . import grammar
from .errors import Incomplete, RemoteProtocolError
from .grammar import Fields, Framing, Request, Response

START_LINE_LIMIT: Final = 8192  # bytes with CRLF; RFC 9112, 3 recommends at least 8000
FIELDS_LIMIT: Final = 64 * 1024  # bytes of all field lines of one section
FIELD_LINES_LIMIT: Final = 100
CHUNK_LINE_LIMIT: Final = 1024  # bytes of a chunk's size with its extensions
EXTENSIONS_LIMIT: Final = 64 * 1024  # bytes of chunk lines beyond OVERHEAD of each, in one body: RFC 9112, 7.1.1
OVERHEAD: Final = 20
BODY_LIMIT: Final = 10**grammar.LENGTH_DIGITS  # bytes, unless the reader is given another


@dataclass(frozen=True, slots=True)
class Data:
    """Some bytes of the body, however the peer or the network cut it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The message is whole. Trailers are kept apart from the fields (RFC 9110, 6.5.1)."""

    trailers: Fields = ()


@dataclass(frozen=True, slots=True)
class Finished:
    """The stream ended between two messages: close."""


class NeedData(Enum):
    """Not an event: feed `receive_data` or `receive_eof`, then ask again."""

    NEED_DATA = "need data"


NEED_DATA: Final = NeedData.NEED_DATA
Event = Request | Response | Data | End | Finished


class State(Enum):
    START_LINE = "start line"
    FIELDS = "fields"
    BODY = "body"
    UNTIL_CLOSED = "body until closed"
    CHUNK_LINE = "chunk size"
    CHUNK = "chunk"
    CHUNK_END = "end of a chunk"
    TRAILERS = "trailers"
    DONE = "done"
    FINISHED = "finished"
    FAILED = "failed"


class On(Enum):
    LINE = "a line that is right"
    EMPTY_LINE = "the empty line that ends fields"
    INTERIM = "that line, of a 1xx response"
    LENGTH = "that line, and a body of known length"
    CHUNKED = "that line, and a chunked body"
    UNTIL_CLOSED = "that line, and a body that ends with the stream"
    WHOLE = "the last byte of a body or chunk"
    LAST_CHUNK = "a chunk of no bytes"
    NEXT = "the first byte of one more request"
    END_OF_STREAM = "end of stream"


TABLE: Final = {
    (State.START_LINE, On.LINE): State.FIELDS,
    (State.START_LINE, On.END_OF_STREAM): State.FINISHED,
    (State.FIELDS, On.INTERIM): State.START_LINE,
    (State.FIELDS, On.LENGTH): State.BODY,
    (State.FIELDS, On.CHUNKED): State.CHUNK_LINE,
    (State.FIELDS, On.UNTIL_CLOSED): State.UNTIL_CLOSED,
    (State.BODY, On.WHOLE): State.DONE,
    (State.UNTIL_CLOSED, On.END_OF_STREAM): State.DONE,
    (State.CHUNK_LINE, On.LINE): State.CHUNK,
    (State.CHUNK_LINE, On.LAST_CHUNK): State.TRAILERS,
    (State.CHUNK, On.WHOLE): State.CHUNK_END,
    (State.CHUNK_END, On.EMPTY_LINE): State.CHUNK_LINE,
    (State.TRAILERS, On.EMPTY_LINE): State.DONE,
    (State.DONE, On.NEXT): State.START_LINE,
    (State.DONE, On.END_OF_STREAM): State.FINISHED,
}
FRAMED: Final = {Framing.LENGTH: On.LENGTH, Framing.CHUNKED: On.CHUNKED, Framing.UNTIL_CLOSED: On.UNTIL_CLOSED}


class Reader:
    """What requests and responses have in common; a subclass knows the start line and how a body is framed."""

    part = "start"  # the name of its start line, in an error's words
    folds = False  # whether a field may go on over lines (obs-fold)

    def __init__(self, body_limit: int = BODY_LIMIT) -> None:
        self.state = State.START_LINE
        self.body_bytes = 0  # of the body, so far
        self._body_limit = body_limit
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer that hold no LF
        self._dropped = 0  # bytes of the stream that were read and dropped before the buffer
        self._line_at = 0  # where in the stream the last line began
        self._start: Request | Response | None = None
        self._fields: list[tuple[str, str]] = []
        self._lines = self._line_bytes = 0  # of this section of fields
        self._length = self._left = 0  # bytes of the body or chunk, and of those that have not come
        self._extension_bytes = 0
        self._eof = False
        self._failure: RemoteProtocolError | None = None

    @property
    def in_message(self) -> bool:
        """Whether a message has begun to come and is not whole: its time is running."""
        if self.state is State.START_LINE:
            return bool(self._buffer)
        return self.state not in (State.DONE, State.FINISHED, State.FAILED)

    @property
    def awaits_body(self) -> bool:
        """Whether the fields are whole, and a body is to come of which nothing has."""
        begins = self.state is State.CHUNK_LINE or (self.state is State.BODY and self._left > 0)
        return begins and not self.body_bytes and not self._buffer

    def receive_data(self, data: bytes) -> None:
        """Take what the peer sent, however it was cut. Then ask `next_event` until it says NEED_DATA."""
        if self._failure is None:  # after a failure nothing can be read, so nothing is kept
            self._buffer += data

    def receive_eof(self) -> None:
        """The peer's stream has ended. Then ask `next_event`: whether it may end here, the state says."""
        self._eof = True

    def next_event(self) -> Event | Literal[NeedData.NEED_DATA]:
        """The next event, or NEED_DATA. `Finished` is given again at every call, as is a RemoteProtocolError.

        Raises RemoteProtocolError: the peer's bytes have no meaning from here on; close.
        """
        if self._failure is not None:
            raise self._failure
        try:
            while (event := self._step()) is None:
                pass
            return self._end_of_stream() if event is NEED_DATA and self._eof else event
        except RemoteProtocolError as error:
            error.offset = self._dropped + len(self._buffer) if isinstance(error, Incomplete) else self._line_at
            self.state, self._failure, self._buffer = State.FAILED, error, bytearray()
            raise

    def _step(self) -> Event | Literal[NeedData.NEED_DATA] | None:
        """One event, or NEED_DATA; None: something was read that is no event, go on."""
        match self.state:
            case State.START_LINE:
                return self._read_start_line()
            case State.FIELDS | State.TRAILERS:
                return self._read_field_line()
            case State.BODY | State.CHUNK:
                return self._read_body()
            case State.UNTIL_CLOSED:
                return Data(self._take(len(self._buffer))) if self._buffer else NEED_DATA
            case State.CHUNK_LINE:
                return self._read_chunk_line()
            case State.CHUNK_END:
                return self._read_chunk_end()
            case State.DONE:
                return self._after_message()
            case _:
                return Finished()

    def _read_start_line(self) -> Literal[NeedData.NEED_DATA] | None:
        line = self._line(START_LINE_LIMIT, f"{self.part} line", 414)
        if line is None:
            return NEED_DATA
        self._start = self._started(line)
        if self._start is not None:
            self._fields, self._lines, self._line_bytes = [], 0, 0
            self._move(On.LINE)
        return None

    def _read_field_line(self) -> Event | Literal[NeedData.NEED_DATA] | None:
        line = self._line(FIELDS_LIMIT - self._line_bytes, f"{self.state.value}, all together", 431)
        if line is None:
            return NEED_DATA
        if not line:
            return self._fields_whole()
        self._lines += 1
        self._line_bytes += len(line) + 2
        if self._lines > FIELD_LINES_LIMIT:
            raise RemoteProtocolError(self.state.value, f"at most {FIELD_LINES_LIMIT} lines", "one more", 431)
        if line[:1] not in b" \t":
            self._fields.append(grammar.field_line(line))
        elif self.folds and self._fields:
            self._fields[-1] = grammar.folded(self._fields[-1], line)
        else:  # RFC 9112, 2.2 and 5.2
            raise RemoteProtocolError("field line", "a name", line)
        return None

    def _fields_whole(self) -> Event:
        fields = tuple(self._fields)
        self._fields = []
        if self.state is State.TRAILERS:
            self._move(On.EMPTY_LINE)
            return End(fields)
        message, framing, length = self._message(fields)
        self.body_bytes = self._extension_bytes = 0
        self._expect(length)
        if isinstance(message, Response) and message.interim:
            self._move(On.INTERIM)
        else:
            self._move(FRAMED[framing])
        return message

    def _read_body(self) -> Event | Literal[NeedData.NEED_DATA] | None:
        if self._left:
            if not self._buffer:
                return NEED_DATA
            data = self._take(self._left)
            self._left -= len(data)
            return Data(data)
        ended = self.state is State.BODY
        self._move(On.WHOLE)
        return End() if ended else None

    def _read_chunk_line(self) -> Literal[NeedData.NEED_DATA] | None:
        line = self._line(CHUNK_LINE_LIMIT, "chunk size and extensions", 400)
        if line is None:
            return NEED_DATA
        self._extension_bytes += max(0, len(line) - OVERHEAD)
        if self._extension_bytes > EXTENSIONS_LIMIT:
            raise RemoteProtocolError("chunk extensions", f"at most {EXTENSIONS_LIMIT} bytes", "more")
        self._expect(grammar.chunk_line(line))
        self._move(On.LINE if self._length else On.LAST_CHUNK)
        self._fields, self._lines, self._line_bytes = [], 0, 0
        return None

    def _read_chunk_end(self) -> Literal[NeedData.NEED_DATA] | None:
        came = bytes(self._buffer[:2])
        if not b"\r\n".startswith(came):
            self._line_at = self._dropped
            raise RemoteProtocolError("chunk", f"CRLF after its {self._length} bytes", came)
        if len(came) < 2:
            return NEED_DATA
        self._drop(2)
        self._move(On.EMPTY_LINE)
        return None

    def _end_of_stream(self) -> Event:
        if self.state is State.BODY:
            raise Incomplete("body", f"{self._length} bytes", f"{self.body_bytes}, then the end of the stream")
        if self.state is State.CHUNK:
            chunk = f"{self._length - self._left} of this one's {self._length}"
            raise Incomplete("chunk", "all chunks", f"{self.body_bytes} bytes, {chunk}, then the end of the stream")
        if self.state in (State.CHUNK_LINE, State.CHUNK_END):
            raise Incomplete("chunk", "a last chunk", f"{self.body_bytes} bytes, then the end of the stream")
        if (self.state, On.END_OF_STREAM) not in TABLE or not self._may_end():
            part = f"{self.part} line" if self.state is State.START_LINE else self.state.value
            raise Incomplete(part, "all of it", "the end of the stream")
        body = self.state is State.UNTIL_CLOSED
        self._move(On.END_OF_STREAM)
        return End() if body else Finished()

    def _expect(self, length: int) -> None:
        """So many bytes of body come next."""
        if self.body_bytes + length > self._body_limit:
            got = f"{self.body_bytes + length}"
            raise RemoteProtocolError("body", f"at most {self._body_limit} bytes", got, 413)
        self._length = self._left = length

    def _line(self, limit: int, part: str, status: int) -> bytes | None:
        """The next line without its CRLF, of at most `limit` bytes with it; None: it is not whole."""
        end = self._buffer.find(b"\n", self._searched)
        self._line_at = self._dropped
        if (len(self._buffer) if end < 0 else end + 1) > limit:
            raise RemoteProtocolError(part, f"at most {limit} bytes", "more", status)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        if self._buffer[end - 1 : end] != b"\r":  # a bare LF: RFC 9112, 2.2
            raise RemoteProtocolError(part, "a line that ends with CRLF", bytes(self._buffer[: end + 1]))
        line = bytes(self._buffer[: end - 1])
        self._drop(end + 1)
        return line

    def _take(self, at_most: int) -> bytes:
        """Bytes of the body. The view saves a copy: a slice of a bytearray is one itself."""
        with memoryview(self._buffer) as view:
            data = bytes(view[:at_most])
        self._drop(len(data))
        self.body_bytes += len(data)
        return data

    def _drop(self, count: int) -> None:
        # Deleting from the front of a bytearray moves its start, not its bytes: what stays costs nothing.
        del self._buffer[:count]
        self._dropped += count
        self._searched = 0

    def _move(self, on: On) -> None:
        self.state = TABLE[self.state, on]

    def _started(self, line: bytes) -> Request | Response | None:
        """What a start line says; None: it is to be ignored."""
        raise NotImplementedError

    def _message(self, fields: Fields) -> tuple[Request | Response, Framing, int]:
        """The message of which the start line and now the fields are known, and how its body ends."""
        raise NotImplementedError

    def _after_message(self) -> Literal[NeedData.NEED_DATA] | None:
        raise NotImplementedError

    def _may_end(self) -> bool:
        """Whether the stream may end here, where the table allows it."""
        return True


class ResponseReader(Reader):
    """What comes back for one request of the method `asked`. `excess`: bytes after its end, which are dropped."""

    part = "status"
    folds = True  # a user agent must read it: RFC 9112, 5.2

    def __init__(self, asked: str) -> None:
        super().__init__()
        self.excess = 0
        self._asked = asked

    def _started(self, line: bytes) -> Response:
        return grammar.status_line(line)

    def _message(self, fields: Fields) -> tuple[Response, Framing, int]:
        assert isinstance(self._start, Response)  # noqa: S101 — for mypy: FIELDS is reached only with it
        response = Response(self._start.version, self._start.status, self._start.reason, fields)
        if response.status == 101:  # RFC 9110, 15.2.2: only whom we asked to could switch
            raise RemoteProtocolError("status", "a response in HTTP/1.1", "101, though nobody asked to switch")
        return response, *grammar.response_framing(self._asked, response)

    def _after_message(self) -> Literal[NeedData.NEED_DATA]:
        self.excess += len(self._buffer)  # RFC 9112, 6.3: it must not be read as one more response
        self._drop(len(self._buffer))
        return NEED_DATA

    def _may_end(self) -> bool:
        return self.state is not State.START_LINE


class RequestReader(Reader):
    """Requests, one after another. `method`: of the request that is being read, or ""."""

    part = "request"

    def __init__(self, body_limit: int = BODY_LIMIT) -> None:
        super().__init__(body_limit)
        self.method = ""
        self._empty_line = False

    def _started(self, line: bytes) -> Request | None:
        self.method = ""
        if not line and not self._empty_line:  # RFC 9112, 2.2: one before the request line is ignored
            self._empty_line = True
            return None
        self._empty_line = False
        request = grammar.request_line(line)
        self.method = request.method
        return request

    def _message(self, fields: Fields) -> tuple[Request, Framing, int]:
        assert isinstance(self._start, Request)  # noqa: S101 — for mypy: FIELDS is reached only with it
        request = Request(self._start.method, self._start.target, self._start.version, fields)
        return request, *grammar.request_framing(request)

    def _after_message(self) -> Literal[NeedData.NEED_DATA] | None:
        if not self._buffer:
            return NEED_DATA
        self._move(On.NEXT)
        return None

    def _may_end(self) -> bool:
        return not self._buffer
