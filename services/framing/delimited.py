"""Delimited: bytes that no message may contain end each. The delimiter itself may come split over two reads."""

from typing import Final

from .receiving import FINISHED, LIMIT, NEED_DATA, Next, Receiver

DELIMITER: Final = b"\r\n"


class DelimitedReceiver(Receiver):
    def __init__(self, delimiter: bytes = DELIMITER, limit: int = LIMIT) -> None:
        super().__init__()
        if not delimiter:
            raise ValueError("a delimiter has at least 1 byte")
        self.delimiter, self.limit = delimiter, limit
        self._searched = 0  # bytes in which no delimiter begins

    def _next(self) -> Next:
        end = self._buffer.find(self.delimiter, self._searched)
        if end > self.limit or (end < 0 and len(self._buffer) >= self.limit + len(self.delimiter)):
            raise self._wrong(f"no delimiter {self.delimiter!r} within {self.limit} bytes, the limit of a message")
        if end >= 0:
            self._searched = 0
            return self._take(0, end, len(self.delimiter))
        self._searched = max(0, len(self._buffer) - len(self.delimiter) + 1)  # its first bytes may be here already
        if not self._ended:
            return NEED_DATA
        if not self._buffer:
            return FINISHED
        raise self._broken_off(f"at most {self.limit} bytes, without the delimiter {self.delimiter!r}")


def send_delimited(message: bytes, delimiter: bytes = DELIMITER, limit: int = LIMIT) -> bytes:
    """The bytes of one message: send them all. Raises ValueError for one that would not come out as it went in."""
    if len(message) > limit:
        raise ValueError(f"a message has at most {limit} bytes, and this one {len(message)}")
    framed = message + delimiter
    if framed.find(delimiter) != len(message):  # also where the message's end and the delimiter's begin make one
        raise ValueError(f"the message has the delimiter {delimiter!r} at byte {framed.find(delimiter)}")
    return framed
