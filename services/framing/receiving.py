"""What the four framings have in common: bytes in, messages out, and how it is told that a stream broke off.

    receiver.receive_data(data)                      # or receive_eof(), when recv() gave b""
    while (message := receiver.next_message()) not in (NEED_DATA, FINISHED): ...

Rules: imports no socket and no clock. Ask `next_message` until it says NEED_DATA after every `receive_*`, and no more
is held than one message within its limit and what was received last. A connection that was reset has no
`receive_eof`: nobody knows what the peer still had to say.
"""

from abc import ABC, abstractmethod
from enum import Enum
from typing import Final, Literal

LIMIT: Final = 64 * 1024  # bytes of a message, unless another limit is given


class Signal(Enum):
    """What there is in place of a message."""

    NEED_DATA = "need data"  # feed receive_data or receive_eof, then ask again
    FINISHED = "finished"  # the peer ended its stream between two messages: no message will come


NEED_DATA: Final = Signal.NEED_DATA
FINISHED: Final = Signal.FINISHED
Next = bytes | Literal[Signal.NEED_DATA, Signal.FINISHED]


class FramingError(Exception):
    """The peer's stream is no sequence of messages: nothing after this can be read. Close.

    `message` (from 1) and `offset` (in bytes, from 0, of the whole stream) are of the message that it is about.
    """

    def __init__(self, message: int, offset: int, why: str) -> None:
        super().__init__(f"message {message}, byte {offset}: {why}")
        self.message, self.offset = message, offset


class StreamEnded(FramingError):
    """The peer's stream ended inside a message."""


class Receiver(ABC):
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ended = False
        self._number, self._offset = 1, 0  # of the message that comes next
        self._failure: FramingError | None = None

    @property
    def in_message(self) -> bool:
        """Whether a message has begun to come and is not whole."""
        return bool(self._buffer)

    def receive_data(self, data: bytes) -> None:
        """Take what the peer sent, however it was cut."""
        if self._failure is None:  # after a failure nothing can be read, so nothing is kept
            self._buffer += data

    def receive_eof(self) -> None:
        """The peer's stream has ended: it sent its FIN."""
        self._ended = True

    def next_message(self) -> Next:
        """The next message, NEED_DATA or FINISHED. Raises FramingError, again at every call."""
        if self._failure is None:
            try:
                return self._next()
            except FramingError as error:
                self._failure = error
                self._buffer.clear()
        raise self._failure

    @abstractmethod
    def _next(self) -> Next:
        """The next message of the buffer, by this framing."""

    def _take(self, skip: int, length: int, after: int = 0) -> bytes:
        """A message of `length` bytes, with `skip` bytes of framing before it and `after` behind."""
        message = bytes(self._buffer[skip : skip + length])
        del self._buffer[: skip + length + after]
        self._number += 1
        self._offset += skip + length + after
        return message

    def _wrong(self, why: str) -> FramingError:
        return FramingError(self._number, self._offset, why)

    def _broken_off(self, expected: str) -> StreamEnded:
        """`expected` says of what it would have been whole: "16 bytes"."""
        return StreamEnded(self._number, self._offset, f"the stream ended after {len(self._buffer)} of {expected}")
