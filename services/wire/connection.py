"""One end of a connection, with no I/O and no clock: bytes in, events out; messages in, bytes out.

    connection.receive_data(data)                    # or receive_eof(), when recv() gave b""
    while (event := connection.next_event()) is not NEED_DATA: ...

Rules: drain `next_event` after every `receive_*`, and the buffer never holds more than one message within its
limits and what was received last. Memory follows the bytes that came, never those that a header promises; it is up to
2.6 times a content for a moment, because a bytearray over-allocates.
It knows no roles: client, server and echo are alike. An answer that nobody asked for is no error here, so a client
checks that what came answers its question.
"""

import sys
from collections.abc import Mapping
from typing import Final, Literal

from .errors import LocalProtocolError, RemoteProtocolError
from .events import NEED_DATA, Event, Finished, Header, Message, NeedData
from .header import CONTENT_LIMIT, LENGTH, decode_header, encode_header
from .states import TABLE, On, State

SMALL_BYTES: Final = 64 * 1024  # a content up to here is copied out of the buffer; a larger one takes it over
BETWEEN_MESSAGES: Final = (State.IDLE, State.FINISHED, State.FAILED)


class Connection:
    def __init__(self, *, content_limit: int = CONTENT_LIMIT, byteorder: str = sys.byteorder) -> None:
        self.receiving = State.IDLE
        self.sending = State.OPEN
        self._content_limit, self._byteorder = content_limit, byteorder
        self._buffer = bytearray()
        self._at = 0  # how much of the buffer has been read
        self._dropped = 0  # how much of the stream was read and dropped before the buffer
        self._needed = 1  # bytes that end the present state
        self._number = 0  # of the message that is being read, from 1
        self._header: Header | None = None
        self._eof = False
        self._failure: RemoteProtocolError | None = None

    @property
    def byteorder(self) -> str:
        """That in which this end sends numbers, and says so: of this machine, unless a test wants another."""
        return self._byteorder

    @property
    def in_message(self) -> bool:
        """Whether a message has begun to come and is not whole: its time is running."""
        return self.receiving not in BETWEEN_MESSAGES

    @property
    def buffered(self) -> int:
        """Bytes held, received and not yet given out in an event."""
        return len(self._buffer) - self._at

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take what the peer sent, however it was cut. Then ask `next_event` until it says NEED_DATA."""
        if self._eof:
            raise LocalProtocolError("receive_data after receive_eof: the stream has ended")
        if self._failure is None:  # after a failure nothing can be read, so nothing is kept
            self._buffer += data

    def receive_eof(self) -> None:
        """The peer's stream has ended. Then ask `next_event`: whether it may end here, the state says."""
        self._eof = True

    def next_event(self) -> Event | Literal[NeedData.NEED_DATA]:
        """The next event, or NEED_DATA. `Finished` is given again at every call, as is a RemoteProtocolError.

        Raises RemoteProtocolError: answer the messages that came before, send no more, close.
        """
        if self._failure is not None:
            raise self._failure
        if self.receiving is State.IDLE and (message := self._read_whole()):
            return message
        while self.receiving is not State.FINISHED:
            if len(self._buffer) - self._at < self._needed:
                if not self._eof:
                    self._drop_read()
                    return NEED_DATA
                self._end_of_stream()
            elif self.receiving is State.IDLE:
                self._number += 1
                self._move(On.FIRST_BYTE, needed=LENGTH.size)
            elif self.receiving is State.LENGTH:
                (length,) = LENGTH.unpack(self._read())
                self._move(On.LENGTH_WHOLE, needed=length)
            elif self.receiving is State.HEADER:
                self._read_header()
            else:
                return self._read_message()
        return Finished()

    def send_message(
        self,
        content: bytes | bytearray | memoryview,
        content_type: str,
        content_encoding: str,
        further: Mapping[str, object] | None = None,
    ) -> bytes:
        """The bytes of one message: send them all. Raises LocalProtocolError for what no peer would take.

        A memoryview is of bytes (format "B"): its length is the content's.
        """
        raw = encode_header(self._byteorder, content_type, content_encoding, len(content), further or {}) + content
        self.sending = self._next(self.sending, On.SEND_MESSAGE)
        return raw

    def send_eof(self) -> bytes:
        """Say that no more is sent: b"", after which shut the socket down for writing."""
        self.sending = self._next(self.sending, On.SEND_EOF)
        return b""

    @staticmethod
    def _next(state: State, on: On) -> State:
        try:
            return TABLE[state, on]
        except KeyError:
            raise LocalProtocolError(f"{on.name} is not possible in state {state.name}") from None

    def _move(self, on: On, needed: int) -> None:
        self.receiving, self._needed = self._next(self.receiving, on), needed

    def _read(self) -> bytes:
        """The bytes that were needed."""
        start, self._at = self._at, self._at + self._needed
        return bytes(self._buffer[start : self._at])

    def _read_content(self, length: int) -> bytes | bytearray:
        """The next `length` bytes. Many are not copied: they keep the buffer, and what follows them gets a new one."""
        start, self._at = self._at, self._at + length
        if length <= SMALL_BYTES or self.buffered > length:  # which would be copied for each content before it
            return bytes(self._buffer[start : self._at])
        content, self._buffer = self._buffer, self._buffer[self._at :]
        self._dropped += self._at
        del content[self._at :], content[:start]  # neither moves a byte
        self._at = 0
        return content

    def _read_whole(self) -> Message | None:
        """The next message, if all of it is here: from IDLE to IDLE, as most go. None: take it step by step.

        The steps are for what came in part or is wrong, and say what, and where; they cost 3 µs a message (measured).
        """
        buffer, header_at = self._buffer, self._at + LENGTH.size
        if len(buffer) < header_at:
            return None
        content_at = header_at + LENGTH.unpack_from(buffer, self._at)[0]
        if len(buffer) < content_at:
            return None
        try:
            header = decode_header(bytes(buffer[header_at:content_at]), self._content_limit)
        except RemoteProtocolError:
            return None
        if len(buffer) < content_at + header.content_length:
            return None
        self._at, offset = content_at, self._dropped + content_at
        self._number += 1
        return Message(header, self._read_content(header.content_length), self._number, offset)

    def _read_header(self) -> None:
        start = self._dropped + self._at
        try:
            self._header = decode_header(self._read(), self._content_limit)
        except RemoteProtocolError as error:
            self._fail(On.MALFORMED, error.placed(self._number, start))
        else:
            self._move(On.HEADER_WHOLE, needed=self._header.content_length)

    def _read_message(self) -> Message:
        assert self._header is not None  # noqa: S101 — for mypy: CONTENT is reached only with a header
        offset = self._dropped + self._at
        message = Message(self._header, self._read_content(self._header.content_length), self._number, offset)
        self._move(On.CONTENT_WHOLE, needed=1)
        return message

    def _end_of_stream(self) -> None:
        if self.receiving is State.IDLE:
            self._move(On.END_OF_STREAM, needed=0)
            return
        expected = f"{self._needed} bytes of {self.receiving.name.lower()}"
        error = RemoteProtocolError("end of stream inside a message", expected, f"{self.buffered}")
        self._fail(On.END_OF_STREAM, error.placed(self._number, self._dropped + len(self._buffer)))

    def _fail(self, on: On, error: RemoteProtocolError) -> None:
        self._move(on, needed=0)
        self._buffer, self._at, self._failure = bytearray(), 0, error
        raise error

    def _drop_read(self) -> None:
        # Deleting from the front of a bytearray moves its start, not its bytes: what stays costs nothing.
        del self._buffer[: self._at]
        self._dropped += self._at
        self._at = 0
